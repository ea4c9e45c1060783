"""Pods: what the server adds to their spec, what of it may change, and how they are bound and deleted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import NoneType
from typing import Any

from ctrlkit.fakes.durations import age
from ctrlkit.fakes.tracker.kinds.core.pod_specs import containers_of, fill_in_template, pod_spec_causes
from ctrlkit.fakes.tracker.kinds.deletion import asked_grace_s
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, bad_request
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.model import Action, Options, Verb, kinds, value_at

_NOT_READY_SECONDS = 300
_UNREACHABLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def as_binding(action: Action) -> Action:
    """Convert the create of a Binding, whose body names the pod, to the create of a pod's binding subresource."""
    if action.verb is not Verb.CREATE:
        return action
    name = value_at(action.body, "metadata.name") if isinstance(action.body, Mapping) else None
    if not isinstance(name, (str, NoneType)):
        text = f"json: cannot unmarshal {json_type(name)} into Go struct field ObjectMeta.metadata.name of type string"
        raise bad_request(f'Binding in version "v1" cannot be handled as a Binding: {text}')
    return dataclasses.replace(action, resource=kinds.PODS, name=name or "", subresource="binding")


def _fill_in(pod: Plain) -> None:
    fill_in_template(pod["spec"])
    _fill_in_pod(pod["spec"])
    if pod["spec"]["terminationGracePeriodSeconds"] < 0:
        pod["spec"]["terminationGracePeriodSeconds"] = 1


def _fill_in_pod(spec: Plain) -> None:
    """Fill in what only pods get, including that by the admission plug-ins that are always on."""
    for container in containers_of(spec):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.get("tolerations") or []
    missing = [key for key in _UNREACHABLE if not any(_tolerates(one, key) for one in tolerations)]
    if missing:
        rule = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _NOT_READY_SECONDS}
        spec["tolerations"] = [*tolerations, *({"key": key, **rule} for key in missing)]


def _tolerates(toleration: Plain, key: str) -> bool:
    fits_key = toleration.get("key") == key or (not toleration.get("key") and toleration.get("operator") == "Exists")
    return fits_key and toleration.get("effect") in (None, "NoExecute")


def _begin(pod: Plain) -> None:
    pod["status"]["qosClass"] = quality_of_service(pod["spec"])


def _keep_status(pod: Plain, old: Object) -> None:
    quality = (old.get("status") or {}).get("qosClass")
    if quality:
        pod["status"] = {**(pod.get("status") or {}), "qosClass": quality}


def quality_of_service(spec: Plain) -> str:
    """
    Return a pod's QoS class: Guaranteed, Burstable or BestEffort.

    >>> quality_of_service({"containers": [{"resources": {"requests": {"cpu": "1"}}}]})
    'Burstable'
    """
    all_given = [_compute(container["resources"]) for container in containers_of(spec)]
    if not any(requests or limits for requests, limits in all_given):
        return "BestEffort"
    is_guaranteed = all(set(limits) == {"cpu", "memory"} and requests == limits for requests, limits in all_given)
    return "Guaranteed" if is_guaranteed else "Burstable"


def _compute(resources: Plain) -> tuple[Plain, Plain]:
    requests, limits = (
        {
            name: quantity_value(value)
            for name, value in (resources.get(part) or {}).items()
            if name in ("cpu", "memory") and quantity_value(value) > 0
        }
        for part in ("requests", "limits")
    )
    return requests, limits


def _validate(pod: Object, old: Object | None) -> Iterator[Cause]:
    spec = pod["spec"]
    if old is None:
        yield from pod_spec_causes(spec, "spec")
    elif spec is not old["spec"] and spec != old["spec"]:
        yield from _update_causes(spec, old["spec"])


def _update_causes(spec: Object, old: Object) -> Iterator[Cause]:
    """Check a change of a pod's spec; a server adds a diff to the cause, which is left out here."""
    if len(spec.get("containers") or ()) != len(old["containers"]):
        yield Cause.forbidden("spec.containers", "pod updates may not add or remove containers")
        return
    if len(spec.get("initContainers") or ()) != len(old.get("initContainers") or ()):
        yield Cause.forbidden("spec.initContainers", "pod updates may not add or remove containers")
        return
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            if not container.get("image"):
                yield Cause.required(f"spec.{kind}[{index}].image")
    had = old.get("activeDeadlineSeconds")
    deadline = spec.get("activeDeadlineSeconds")
    if had is not None and deadline is None:
        yield Cause.wrong("spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value")
    elif had is not None and deadline > had:
        yield Cause.wrong("spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value")
    if _fixed(spec, old) != _fixed(old, old):
        yield Cause.forbidden("spec", _MAY_CHANGE)
    tolerations = _untimed(spec)
    if any(one not in tolerations for one in _untimed(old)):
        text = "existing toleration can not be modified except its tolerationSeconds"
        yield Cause.forbidden("spec.tolerations", text)


def _untimed(spec: Object) -> list[Object]:
    """The tolerations without their tolerationSeconds."""
    tolerations = spec.get("tolerations") or ()
    return [{name: value for name, value in one.items() if name != "tolerationSeconds"} for one in tolerations]


def _fixed(spec: Object, old: Object) -> dict[str, Any]:
    """The part of a pod's spec that must not change."""
    fixed = {name: value for name, value in spec.items() if name not in ("activeDeadlineSeconds", "tolerations")}
    for kind in ("containers", "initContainers"):
        if kind in fixed:
            fixed[kind] = [{**container, "image": ""} for container in fixed[kind]]
    if old.get("terminationGracePeriodSeconds", 0) < 0 and fixed.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    return fixed


def _selected_value(pod: Object, path: str) -> Any:
    value = value_at(pod, path)
    return bool(value) if path == "spec.hostNetwork" else value


def _grace_s(pod: Object, options: Options) -> int:
    """The grace period of a pod; 0 if no kubelet runs it yet, or any more."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    grace = asked_grace_s(options)
    if grace is None:
        grace = int(spec.get("terminationGracePeriodSeconds", 30))
    return grace if grace >= 0 else 1


def _cells(pod: Object, now: datetime) -> list[Any]:
    spec, status = section(pod, "spec"), section(pod, "status")
    containers = status.get("containerStatuses") or ()
    sidecars = _sidecars(pod)
    counted = [*containers, *sidecars]
    ready = sum(1 for container in counted if container.get("ready") and "running" in section(container, "state"))
    total = len(spec.get("containers") or ()) + sum(1 for one in spec.get("initContainers") or () if _is_sidecar(one))
    address = next((point.get("ip") for point in status.get("podIPs") or ()), status.get("podIP"))
    return [
        name_of(pod),
        f"{ready}/{total}",
        pod_status(pod),
        _restarts(pod, counted, now),
        age_of(pod, now),
        address or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, status),
    ]


def pod_status(pod: Object) -> str:
    """
    Return a pod's status as kubectl prints it: the reason of a container, if one has it, else the phase.

    >>> waiting = {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    >>> pod_status({"status": {"phase": "Running", "containerStatuses": [waiting]}})
    'CrashLoopBackOff'
    """
    status = section(pod, "status")
    reason = str(status.get("reason") or status.get("phase") or "")
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    if section(conditions, "PodScheduled").get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    starting = _init_reason(pod)
    reason = starting or _container_reason(status, conditions, reason)
    if section(pod, "metadata").get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _container_reason(status: Object, conditions: Object, reason: str) -> str:
    runs = False
    for container in reversed(status.get("containerStatuses") or ()):
        state = section(container, "state")
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = _end_reason(ended)
        elif container.get("ready") and "running" in state:
            runs = True
    if reason == "Completed" and runs:
        return "Running" if section(conditions, "Ready").get("status") == "True" else "NotReady"
    return reason


def _end_reason(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _init_reason(pod: Object) -> str:
    """What the first init container that has not done its part says; empty where all have."""
    wanted = section(pod, "spec").get("initContainers") or ()
    sidecars = {container.get("name") for container in wanted if _is_sidecar(container)}
    for index, container in enumerate(section(pod, "status").get("initContainerStatuses") or ()):
        state = section(container, "state")
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if container.get("name") in sidecars and container.get("started"):
            continue
        if ended and ended.get("exitCode", 0) == 0:
            continue
        if ended:
            return f"Init:{_end_reason(ended)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(wanted)}"
    return ""


def _is_sidecar(container: Object) -> bool:
    return container.get("restartPolicy") == "Always"


def _sidecars(pod: Object) -> list[Object]:
    names = {one.get("name") for one in section(pod, "spec").get("initContainers") or () if _is_sidecar(one)}
    return [one for one in section(pod, "status").get("initContainerStatuses") or () if one.get("name") in names]


def _restarts(pod: Object, counted: list[Object], now: datetime) -> str:
    if _init_reason(pod):
        counted = list(section(pod, "status").get("initContainerStatuses") or ())
    restarts = sum(container.get("restartCount", 0) for container in counted)
    ends = [section(section(container, "lastState"), "terminated").get("finishedAt") or "" for container in counted]
    last = max(ends, default="")
    return f"{restarts} ({age(last, now)} ago)" if restarts and last else str(restarts)


def _readiness_gates(spec: Object, status: Object) -> str:
    gates = [gate.get("conditionType") for gate in spec.get("readinessGates") or ()]
    if not gates:
        return NONE
    held = {one.get("type") for one in status.get("conditions") or () if one.get("status") == "True"}
    return f"{sum(1 for gate in gates if gate in held)}/{len(gates)}"


PODS = Strategy(
    selectable_fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    selected_value=_selected_value,
    defaults=_fill_in,
    first_status={"phase": "Pending"},
    begin=_begin,
    keep_status=_keep_status,
    validate=_validate,
    generation=True,
    cells=_cells,
    set_by_server=(
        "spec.tolerations",
        "spec.priority",
        "spec.preemptionPolicy",
        "spec.serviceAccountName",
        "spec.serviceAccount",
        "spec.nodeName",
    ),
    kept_by_status=("metadata.deletionTimestamp", "metadata.ownerReferences"),
    grace_s=_grace_s,
    deleted_is_shown=True,
)
