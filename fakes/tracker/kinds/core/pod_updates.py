"""What may change in a pod's spec and status, once it was made."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.containers import image_space_causes
from ctrlkit.fakes.tracker.kinds.core.pod_annotations import annotation_causes, annotation_change_causes
from ctrlkit.fakes.tracker.kinds.core.pod_resources import rounded_amounts
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import REQUIRED, toleration_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.internal import go_json, internal_difference, internal_form

_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_DEADLINE_MAX_S = 2**31 - 1
_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_NOT_NEGATIVE = "must be a non-negative integer"
_STATUSES = {
    "containers": "containerStatuses",
    "initContainers": "initContainerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}
_KINDS = tuple(_STATUSES)
_HEALTH = ("Healthy", "Unhealthy", "Unknown")

# ---- the spec --------------------------------------------------------------------------------------------------------


def spec_change_causes(spec: Object, old: Object) -> Iterator[Cause]:
    """Yield a cause for each change of a pod's spec that is not allowed."""
    for kind in ("containers", "initContainers"):
        containers = spec.get(kind) or ()
        if len(containers) != len(old.get(kind) or ()):
            yield Cause.forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(containers):
            if not container.get("image"):
                yield Cause.required(f"spec.{kind}[{index}].image")
            yield from image_space_causes(container, f"spec.{kind}[{index}]")
    deadlines = list(_deadline_causes(spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")))
    yield from deadlines
    if deadlines and "activeDeadlineSeconds" in spec:
        return
    yield from _toleration_change_causes(spec, old)
    gates = {gate["name"] for gate in old.get("schedulingGates") or ()}
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        if gate["name"] not in gates:
            text = f"only deletion is allowed, but found new scheduling gate '{gate['name']}'"
            yield Cause.forbidden(f"spec.schedulingGates[{index}].name", text)
    munged = _munged(spec, old)
    if gates:
        yield from _gated_change_causes(munged, old)
    if munged != old:
        yield Cause.forbidden("spec", f"{_MAY_CHANGE}\n{internal_difference('PodSpec', old, munged)}")


def _deadline_causes(new: int | None, old: int | None) -> Iterator[Cause]:
    path = "spec.activeDeadlineSeconds"
    if new is not None and not 0 <= new <= _DEADLINE_MAX_S:
        yield Cause.wrong(path, new, f"must be between 0 and {_DEADLINE_MAX_S}, inclusive")
    elif old is not None and new is None:
        yield Cause.wrong(path, None, "must not update from a positive integer to nil value")
    elif old is not None and new is not None and new > old:
        yield Cause.wrong(path, new, "must be less than or equal to previous value")


def _toleration_change_causes(spec: Object, old: Object) -> Iterator[Cause]:
    tolerations = _untimed(spec)
    if any(one not in tolerations for one in _untimed(old)):
        text = "existing toleration can not be modified except its tolerationSeconds"
        yield Cause.forbidden("spec.tolerations", text)
    else:
        yield from toleration_causes(spec.get("tolerations") or (), "spec.tolerations")


def _untimed(spec: Object) -> list[Object]:
    """The tolerations without their tolerationSeconds."""
    tolerations = spec.get("tolerations") or ()
    return [{name: value for name, value in one.items() if name != "tolerationSeconds"} for one in tolerations]


def _munged(spec: Object, old: Object) -> Plain:
    """Return a spec with those of its fields that may change as they were."""
    munged = dict(spec)
    for kind in ("containers", "initContainers"):
        if kind in spec:
            pairs = zip(spec[kind], old[kind], strict=True)
            munged[kind] = [{**one, "image": before.get("image", "")} for one, before in pairs]
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        _restore(munged, old, name)
    if old.get("terminationGracePeriodSeconds", 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        _restore(munged, old, "terminationGracePeriodSeconds")
    return munged


def _restore(plain: Plain, old: Object, name: str) -> None:
    plain.pop(name, None)
    if name in old:
        plain[name] = old[name]


def _gated_change_causes(munged: Plain, old: Object) -> Iterator[Cause]:
    """Check what may change only while gates keep a pod from being scheduled, and put it back as it was."""
    selector, before = munged.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if any(selector.get(key) != value for key, value in before.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield Cause.wrong("spec.nodeSelector", selector or None, text)
    _restore(munged, old, "nodeSelector")
    affinity, had = munged.get("affinity") or {}, old.get("affinity") or {}
    if affinity.get("nodeAffinity") != had.get("nodeAffinity"):
        yield from _node_affinity_causes(affinity.get("nodeAffinity") or {}, had.get("nodeAffinity") or {})
        kept = dict(affinity)
        _restore(kept, had, "nodeAffinity")
        munged.pop("affinity", None)
        if kept or "affinity" in old:
            munged["affinity"] = kept


def _node_affinity_causes(new: Object, old: Object) -> Iterator[Cause]:
    path = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    before = (old.get(REQUIRED) or {}).get("nodeSelectorTerms") or []
    terms = (new.get(REQUIRED) or {}).get("nodeSelectorTerms") or []
    if not before:
        return
    if len(before) != len(terms):
        shown = go_json([internal_form("NodeSelectorTerm", one) for one in terms] or None)
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield Cause.invalid(path, shown, text)
        return
    for index, (one, was) in enumerate(zip(terms, before, strict=True)):
        if not _only_adds(one, was):
            shown = go_json(internal_form("NodeSelectorTerm", one))
            yield Cause.invalid(f"{path}[{index}]", shown, "only additions are allowed (no mutations or deletions)")


def _only_adds(new: Object, old: Object) -> bool:
    parts = ("matchExpressions", "matchFields")
    if not any(old.get(part) for part in parts):
        return not any(new.get(part) for part in parts)
    return all((new.get(part) or [])[: len(old.get(part) or [])] == (old.get(part) or []) for part in parts)


def annotations_changed_causes(pod: Object, old: Object) -> Iterator[Cause]:
    """Yield a cause for each change of a pod's annotations that is not allowed."""
    new, before = (one["metadata"].get("annotations") or {} for one in (pod, old))
    yield from annotation_change_causes(new, before, "metadata.annotations")
    yield from annotation_causes(new, pod["spec"], "metadata.annotations")


# ---- the status ------------------------------------------------------------------------------------------------------


def status_causes(pod: Object, old: Object) -> Iterator[Cause]:
    """Yield a cause for each rule that a write of a pod's status breaks."""
    if pod["metadata"].get("annotations"):
        yield from annotations_changed_causes(pod, old)
    status, before, spec = pod.get("status") or {}, old.get("status") or {}, pod["spec"]
    yield from _condition_causes(status.get("conditions") or (), "status.conditions")
    yield from _nomination_causes(status.get("nominatedNodeName") or "", before, spec)
    if status.get("observedGeneration", 0) < 0:
        yield Cause.wrong("status.observedGeneration", status["observedGeneration"], _NOT_NEGATIVE)
    if status.get("qosClass") != before.get("qosClass"):
        yield Cause.wrong("status.qosClass", status.get("qosClass") or "", "field is immutable")
    for kind in _KINDS:
        if before.get(_STATUSES[kind]):
            yield from _transition_causes(status, before, spec, kind)
    yield from _claim_status_causes(status.get("resourceClaimStatuses") or (), spec)
    if "extendedResourceClaimStatus" in status:
        path = "status.extendedResourceClaimStatus"
        yield from _extended_claim_causes(status["extendedResourceClaimStatus"], spec, path)
    yield from _pod_address_causes(status, before)
    yield from _host_address_causes(status, before)
    told = [kind for kind in _KINDS if status.get(_STATUSES[kind])]
    for kind in told:
        yield from _user_causes(status, kind, spec)
    for kind in told:
        yield from _allocated_causes(status, kind, spec.get(kind) or ())


def _condition_causes(conditions: Iterable[Object], path: str) -> Iterator[Cause]:
    for index, one in enumerate(conditions):
        if one.get("observedGeneration", 0) < 0:
            yield Cause.wrong(f"{path}[{index}].observedGeneration", one["observedGeneration"], _NOT_NEGATIVE)
        if one["type"] not in _SYSTEM_CONDITIONS:
            yield from Cause.all_wrong(f"{path}[{index}].Type", one["type"], formats.label_key(one["type"]))


def _nomination_causes(name: str, before: Object, spec: Object) -> Iterator[Cause]:
    path = "status.nominatedNodeName"
    if name and name != before.get("nominatedNodeName"):
        yield from Cause.all_wrong(path, name, formats.subdomain(name))
        if spec.get("nodeName"):
            yield Cause.forbidden(path, "may not be set on pods that are already bound to a node")


def _statuses(status: Object, kind: str) -> tuple[list[Plain], str]:
    """Return the statuses of a kind of containers, and their path."""
    name = _STATUSES[kind]
    return status.get(name) or [], f"status.{name}"


def _transition_causes(status: Object, before: Object, spec: Object, kind: str) -> Iterator[Cause]:
    """Check that a container which ended, and is not to be started again, stays so."""
    statuses, path = _statuses(status, kind)
    if kind != "ephemeralContainers" and _restarts_all(spec):
        return
    for index, was in enumerate(_statuses(before, kind)[0]):
        ended = (was.get("state") or {}).get("terminated")
        now = next((one for one in statuses if one["name"] == was["name"]), None)
        if ended is None or now is None or (now.get("state") or {}).get("terminated") is not None:
            continue
        container = next((one for one in spec.get(kind) or () if one["name"] == was["name"]), None)
        is_final = kind == "ephemeralContainers" or container is None
        if is_final or not _restarts(container or {}, spec["restartPolicy"], ended["exitCode"]):
            yield Cause.forbidden(f"{path}[{index}].state", "may not be transitioned to non-terminated state")


def _restarts_all(spec: Object) -> bool:
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    rules = (rule for container in containers for rule in container.get("restartPolicyRules") or ())
    return any(rule.get("action") == "RestartAllContainers" for rule in rules)


def _restarts(container: Object, pod_policy: str, exit_code: int) -> bool:
    policy = container.get("restartPolicy") or pod_policy
    if "restartPolicy" in container:
        for rule in container.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            if (exit_code in (codes.get("values") or ())) == (codes.get("operator") == "In"):
                return True
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _claim_status_causes(statuses: Iterable[Object], spec: Object) -> Iterator[Cause]:
    known = {claim["name"] for claim in spec.get("resourceClaims") or ()}
    names: set[str] = set()
    for index, one in enumerate(statuses):
        path, name = f"status.resourceClaimStatuses[{index}]", one["name"]
        if name not in known:
            yield Cause.wrong(f"{path}.name", name, "must match the name of an entry in `spec.resourceClaims`")
        if name in names:
            yield Cause.duplicate(f"{path}.name", name)
        names.add(name)
        claim = one.get("resourceClaimName")
        if claim is not None:
            yield from Cause.all_wrong(f"{path}.resourceClaimName", claim, formats.subdomain(claim))


def _extended_claim_causes(status: Object, spec: Object, path: str) -> Iterator[Cause]:
    """Check the claim that was made for the extended resources of a pod."""
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    requests = {one["name"]: one["resources"].get("requests") or {} for one in containers}
    if not status.get("requestMappings"):
        yield Cause.required(f"{path}.requestMappings", "at least one request mapping is required")
    seen: set[tuple[str, str, str]] = set()
    for index, mapping in enumerate(status.get("requestMappings") or ()):
        here = f"{path}.requestMappings[{index}]"
        names = (mapping["containerName"], mapping["resourceName"], mapping["requestName"])
        yield from _mapping_causes(names, requests, here)
        yield from Cause.all_wrong(f"{path}.requestName", names[2], formats.dns_label(names[2]))
        if names in seen:
            for field, name in zip(("containerName", "resourceName", "requestName"), names, strict=True):
                yield Cause.duplicate(f"{here}.{field}", name)
        seen.add(names)
    claim = status["resourceClaimName"]
    if not claim:
        yield Cause.required(f"{path}.resourceClaimName")
    else:
        yield from Cause.all_wrong(f"{path}.resourceClaimName", claim, formats.subdomain(claim))


def _mapping_causes(names: tuple[str, str, str], requests: Mapping[str, Object], path: str) -> Iterator[Cause]:
    container, resource, _ = names
    if container not in requests:
        text = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
        yield Cause.wrong(f"{path}.containerName", container, text)
    elif resource not in requests[container]:
        text = (
            "must match the extended resource name of an entry in spec.initContainers.resources.requests or "
            "spec.containers.resources.requests"
        )
        yield Cause.wrong(f"{path}.resourceName", resource, text)


def _pod_address_causes(status: Object, before: Object) -> Iterator[Cause]:
    points = status.get("podIPs") or []
    if points:
        yield from _address_causes(points, before.get("podIPs") or (), "status.podIPs", "PodIP")


def _host_address_causes(status: Object, before: Object) -> Iterator[Cause]:
    points = status.get("hostIPs") or []
    if points:
        first = points[0].get("ip") or ""
        if status.get("hostIP", "") != first:
            yield Cause.wrong("status.hostIPs[0].ip", first, "must be equal to `hostIP`")
        yield from _address_causes(points, before.get("hostIPs") or (), "status.hostIPs", "HostIP")


def _address_causes(points: list[Plain], before: Iterable[Object], path: str, kind: str) -> Iterator[Cause]:
    known = {one.get("ip") for one in before}
    addresses = [one.get("ip") or "" for one in points]
    bad = False
    for index, address in enumerate(addresses):
        complaints = formats.legacy_ip_address(address)
        bad = bad or bool(complaints)
        if address not in known:
            yield from Cause.all_wrong(f"{path}[{index}]", address, complaints)
    if len(points) < 2:
        return
    if bad:
        index, first = next((index, one) for index, one in enumerate(addresses) if formats.legacy_ip_address(one))
        text = f"failed to check for dual stack with error:invalid IP[{index}]: {first}"
        yield Cause(path, "InternalError", f"Internal error: {text}")
    families = set() if bad else {ipaddress.ip_address(one).version for one in addresses}
    if len(families) < 2 or len(points) > 2:
        shown = go_json([internal_form(kind, one) for one in points])
        yield Cause.invalid(path, shown, "may specify no more than one IP for each IP family")


def _user_causes(status: Object, kind: str, spec: Object) -> Iterator[Cause]:
    statuses, path = _statuses(status, kind)
    for index, one in enumerate(statuses):
        linux, here = (one.get("user") or {}).get("linux"), f"{path}[{index}].user.linux"
        if linux is None:
            continue
        if (spec.get("os") or {}).get("name") == "windows":
            yield Cause.forbidden(here, "cannot be set for a windows pod")
            continue
        text = "must be between 0 and 2147483647, inclusive"
        for name in ("uid", "gid"):
            if not 0 <= linux[name] < 2**31:
                yield Cause.wrong(f"{here}.{name}", linux[name], text)
        for place, group in enumerate(linux.get("supplementalGroups") or ()):
            if not 0 <= group < 2**31:
                yield Cause.wrong(f"{here}.supplementalGroups[{place}]", group, text)


def _allocated_causes(status: Object, kind: str, containers: Iterable[Object]) -> Iterator[Cause]:
    statuses, path = _statuses(status, kind)
    for index, one in enumerate(statuses):
        allocated = one.get("allocatedResourcesStatus")
        if not allocated:
            continue
        here = f"{path}[{index}].allocatedResourcesStatus"
        if kind == "ephemeralContainers":
            yield Cause.forbidden(here, "must not be specified in container status")
            continue
        container = next((found for found in containers if found["name"] == one["name"]), None)
        for place, resource in enumerate(allocated):
            if container is not None:
                yield from _allocated_name_causes(resource["name"], container, f"{here}[{place}].name")
            yield from _health_causes(resource.get("resources") or (), f"{here}[{place}].resources")


def _allocated_name_causes(name: str, container: Object, path: str) -> Iterator[Cause]:
    resources: Mapping[str, Any] = container["resources"]
    if name.startswith("claim:"):
        claims = resources.get("claims") or ()
        known = {f"claim:{one['name']}" + (f"/{one['request']}" if one.get("request") else "") for one in claims}
        text = (
            "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or "
            "'claim:<claimName>' if request is empty"
        )
    else:
        known = set(resources.get("requests") or ())
        text = "must match one of the container's resource requests"
    if name not in known:
        yield Cause.wrong(path, name, text)


def _health_causes(resources: Iterable[Object], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, one in enumerate(resources):
        here, health, name = f"{path}[{index}]", one.get("health") or "", one["resourceID"]
        if health not in _HEALTH:
            yield Cause.unsupported(f"{here}.health", health, _HEALTH)
        if name in seen:
            yield Cause.duplicate(f"{here}.resourceID", name)
        seen.add(name)


def fill_in_status(status: Plain) -> None:
    """Round the resources of a status, and drop what belongs to feature gates that are off; parts may be shared."""
    status.pop("nodeAllocatableResourceClaimStatuses", None)
    _round_parts(status)
    for kind in _KINDS:
        statuses, path = _statuses(status, kind)
        if any(one.keys() & {"allocatedResources", "resources"} for one in statuses):
            copies = [dict(one) for one in statuses]
            for one in copies:
                _round_parts(one)
            status[path.removeprefix("status.")] = copies


def _round_parts(status: Plain) -> None:
    if "allocatedResources" in status:
        status["allocatedResources"] = rounded_amounts(status["allocatedResources"])
    if status.get("resources"):
        given = status["resources"].items()
        status["resources"] = {
            part: rounded_amounts(value) if part in ("limits", "requests") else value for part, value in given
        }


def keep_observed(status: Plain, old: Object) -> None:
    """Keep the observed generations that a write of the status leaves out."""
    if not status.get("observedGeneration") and old.get("observedGeneration"):
        status["observedGeneration"] = old["observedGeneration"]
    had: dict[str, list[int]] = {}
    for one in old.get("conditions") or ():
        had.setdefault(one["type"], []).append(one.get("observedGeneration", 0))
    if not any(any(generations) for generations in had.values()):
        return
    conditions = []
    for one in status.get("conditions") or ():
        generations = had.get(one["type"])
        generation = generations.pop(0) if generations else 0
        conditions.append(
            {**one, "observedGeneration": generation} if generation and not one.get("observedGeneration") else one
        )
    if conditions:
        status["conditions"] = conditions
