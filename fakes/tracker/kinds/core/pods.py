"""Pods: what the server adds to their spec, what of it may change, and how they are bound and deleted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_specs import containers_of, fill_in_template, pod_spec_causes
from ctrlkit.fakes.tracker.kinds.deletion import asked_grace_s
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
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
    A pod's class: Guaranteed, Burstable or BestEffort.

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


PODS = Strategy(
    resource=kinds.PODS,
    short_names=("po",),
    categories=("all",),
    subresources=frozenset({"status"}),
    unlisted_subresources=frozenset({"binding"}),
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
