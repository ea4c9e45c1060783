"""Pods: what the server adds to their spec, how they are bound and deleted, and what of them can be selected."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.core.containers import image_space_causes
from ctrlkit.fakes.tracker.kinds.core.pod_annotations import annotation_causes, apply_apparmor, matching_causes
from ctrlkit.fakes.tracker.kinds.core.pod_features import dropping_at
from ctrlkit.fakes.tracker.kinds.core.pod_parts import POD_PARTS
from ctrlkit.fakes.tracker.kinds.core.pod_resources import fill_in_pod_resources, quality_of_service
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import apply_label_keys
from ctrlkit.fakes.tracker.kinds.core.pod_specs import containers_of, fill_in_template, pod_spec_causes
from ctrlkit.fakes.tracker.kinds.core.pod_table import pod_cells
from ctrlkit.fakes.tracker.kinds.core.pod_updates import (
    annotations_changed_causes,
    fill_in_status,
    keep_observed,
    spec_change_causes,
    status_causes,
)
from ctrlkit.fakes.tracker.kinds.core.pod_warnings import pod_warnings, status_warnings
from ctrlkit.fakes.tracker.kinds.deletion import asked_grace_s
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.refusals import Cause, bad_request
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.model import Action, Options, Verb, kinds, value_at

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core

_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "lastProbeTime": None,
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


def as_binding(action: Action) -> Action:
    """Convert the create of a Binding, whose body names the pod, to the create of a pod's binding subresource."""
    if action.verb is not Verb.CREATE:
        return action
    name = value_at(action.body, "metadata.name") if isinstance(action.body, Mapping) else None
    if not isinstance(name, (str, NoneType)):
        text = f"json: cannot unmarshal {json_type(name)} into Go struct field ObjectMeta.metadata.name of type string"
        raise bad_request(f'Binding in version "v1" cannot be handled as a Binding: {text}')
    return dataclasses.replace(action, resource=kinds.PODS, name=name or "", subresource="binding")


# ---- what the server adds --------------------------------------------------------------------------------------------


def _fill_in(pod: Plain) -> None:
    spec = pod["spec"]
    fill_in_template(spec)
    containers = containers_of(spec)
    for container in containers:
        limits = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = {**limits, **(container["resources"].get("requests") or {})}
    if "resources" in spec:
        fill_in_pod_resources(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        for container in containers:
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port["containerPort"])
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1


def _prepare(_core: Core, _strategy: Strategy, pod: Plain, action: Action) -> Plain:
    """Complete a new pod, once the admission plug-ins have seen it."""
    spec, status = pod["spec"], pod["status"]
    if action.subresource or status.get("qosClass"):
        return pod
    if spec.get("schedulingGates"):
        status["conditions"] = [{**_GATED, "lastTransitionTime": clock.timestamp(exchanges.now())}]
    status["qosClass"] = quality_of_service(spec)
    if "affinity" in spec or "topologySpreadConstraints" in spec:
        apply_label_keys(spec, pod["metadata"].get("labels") or {})
    if "annotations" in pod["metadata"]:
        for text in apply_apparmor(pod):
            notice(text)
    return pod


def _keep_status(pod: Plain, old: Object) -> None:
    before, status = old.get("status") or {}, dict(pod.get("status") or {})
    if not status.get("qosClass") and before.get("qosClass"):
        status["qosClass"] = before["qosClass"]
    fill_in_status(status)
    keep_observed(status, before)
    _follow_addresses(status)
    pod["status"] = status
    meta = {name: value for name, value in pod["metadata"].items() if name != "ownerReferences"}
    if "ownerReferences" in old["metadata"]:
        meta["ownerReferences"] = old["metadata"]["ownerReferences"]
    pod["metadata"] = meta


def _same_addresses(pod: Plain) -> None:
    status = pod.get("status")
    if status and ("podIP" in status or "podIPs" in status):
        pod["status"] = dict(status)
        _follow_addresses(pod["status"])


def _follow_addresses(status: Plain) -> None:
    """Let podIP be the first of podIPs, as it is where both are kept in one field."""
    first, points = status.get("podIP"), status.get("podIPs") or []
    if first and (not points or points[0].get("ip") != first):
        status["podIPs"] = [{"ip": first}]
    elif points and points[0].get("ip"):
        status["podIP"] = points[0]["ip"]


# ---- rules -----------------------------------------------------------------------------------------------------------


def _validate(pod: Object, old: Object | None) -> Iterator[Cause]:
    spec, meta = pod["spec"], pod["metadata"]
    annotations = meta.get("annotations") or {}
    is_changed = old is None or (spec is not old["spec"] and spec != old["spec"])
    if annotations and (is_changed or old is None or annotations != old["metadata"].get("annotations")):
        yield from annotation_causes(annotations, spec, "metadata.annotations")
    if is_changed:
        yield from _spec_causes(spec, meta)
    if old is None:
        yield from _new_causes(spec, annotations)
    else:
        if annotations != (old["metadata"].get("annotations") or {}):
            yield from annotations_changed_causes(pod, old)
        if is_changed:
            yield from spec_change_causes(spec, old["spec"])


def _validate_status(pod: Object, old: Object) -> list[Cause]:
    causes = list(status_causes(pod, old))
    for text in () if causes else status_warnings(pod):
        notice(text)
    return causes


def _spec_causes(spec: Object, meta: Object) -> Iterator[Cause]:
    yield from pod_spec_causes(spec, "spec", meta)
    if "volumes" in spec and not spec.get("serviceAccountName"):
        for index, volume in enumerate(spec["volumes"]):
            for place, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if "serviceAccountToken" in source:
                    path = f"spec.volumes[{index}].projected.sources[{place}].serviceAccountToken"
                    yield Cause.forbidden(path, "must not be specified when serviceAccountName is not set")
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            yield from image_space_causes(container, f"spec.{kind}[{index}]")


def _new_causes(spec: Object, annotations: Mapping[str, str]) -> Iterator[Cause]:
    if spec.get("ephemeralContainers"):
        yield Cause.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield Cause.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    if annotations:
        yield from matching_causes(annotations, spec, "spec")


# ---- selection and deletion ------------------------------------------------------------------------------------------


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
    is_repeated=True,
    parts=POD_PARTS,
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
    defaults_beside_spec=_same_addresses,
    defaults=_fill_in,
    drop=dropping_at("spec"),
    first_status={"phase": "Pending"},
    prepare=_prepare,
    keep_status=_keep_status,
    validate=_validate,
    validate_status=_validate_status,
    warn=pod_warnings,
    generation=True,
    cells=pod_cells,
    set_by_server=(
        "spec.tolerations",
        "spec.priority",
        "spec.preemptionPolicy",
        "spec.nodeName",
    ),
    kept_by_status=("metadata.deletionTimestamp", "metadata.ownerReferences"),
    grace_s=_grace_s,
    deleted_is_shown=True,
)
