"""PersistentVolumeClaims, and the defaults of claim templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds import go_forms
from ctrlkit.fakes.tracker.kinds.core.pod_resources import fill_in_claim_spec, round_amounts
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.storage.phases import pending
from ctrlkit.fakes.tracker.kinds.storage.volumes import (
    CLASS_ANNOTATION,
    VOLUME_MODES,
    access_mode_causes,
    class_of,
    shown_modes,
)
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import is_whole, quantity_value

_FIXED_TEXT = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_RESIZE_STATES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)
_SOURCE_FIELDS = ("apiGroup", "kind", "name")


def fill_in_claim(claim: Plain) -> None:
    """Fill in the defaults of a claim or a claim template."""
    fill_in_claim_spec(claim["spec"])


def _fill_in_status(claim: Plain) -> None:
    pending(claim)
    round_amounts(claim["status"], "capacity", "allocatedResources")


def _begin(claim: Plain) -> None:
    _normalize(claim["spec"], None)


def _keep(claim: Plain, old: Object) -> None:
    if claim["spec"] is not old["spec"]:
        _normalize(claim["spec"], old["spec"])


def _normalize(spec: Plain, old: Object | None) -> None:
    """Let dataSource and dataSourceRef say the same; drop a dataSource that old servers ignored."""
    if section(spec, "dataSourceRef").get("namespace"):
        del spec["dataSourceRef"]  # sources in other namespaces are a feature that is off
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    had = old is not None and (old.get("dataSource") is not None or old.get("dataSourceRef") is not None)
    if source is not None and reference is None and not had and not _is_claim_or_snapshot(source):
        del spec["dataSource"]
        return
    if source is not None and reference is None:
        spec["dataSourceRef"] = {name: source[name] for name in _SOURCE_FIELDS if name in source}
    elif reference is not None and source is None:
        spec["dataSource"] = {name: reference[name] for name in _SOURCE_FIELDS if name in reference}


def _is_claim_or_snapshot(source: Object) -> bool:
    kind = (source.get("apiGroup") or "", source.get("kind"))
    return kind in (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


# ---- rules ----------------------------------------------------------------------------------------------------------


def _validate(claim: Object, old: Object | None) -> Iterator[Cause]:
    spec = claim["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from claim_spec_causes(spec, "spec")
    if old is not None:
        yield from _change_causes(claim, old)


def claim_spec_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the spec of a claim breaks."""
    modes = spec.get("accessModes") or ()
    if not modes:
        yield Cause.required(f"{path}.accessModes", "at least 1 access mode is required")
    if spec.get("selector") is not None:
        yield from selector_causes(spec["selector"], f"{path}.selector")
    yield from access_mode_causes(modes, f"{path}.accessModes")
    yield from _size_causes(spec, f"{path}.resources[storage]")
    name, mode = spec.get("storageClassName"), spec.get("volumeMode")
    if name:
        yield from Cause.all_wrong(f"{path}.storageClassName", name, formats.subdomain(name))
    if mode is not None and mode not in VOLUME_MODES:
        yield Cause.unsupported(f"{path}.volumeMode", mode, VOLUME_MODES)
    yield from _source_causes(spec, path)
    attributes = spec.get("volumeAttributesClassName")
    if attributes:
        yield from Cause.all_wrong(f"{path}.volumeAttributesClassName", attributes, formats.subdomain(attributes))


def _size_causes(spec: Object, path: str) -> Iterator[Cause]:
    size = section(section(spec, "resources"), "requests").get("storage")
    if size is None:
        yield Cause.required(path)
    elif quantity_value(size) <= 0:
        yield Cause.wrong(path, size, "must be greater than zero")


def _source_causes(spec: Object, path: str) -> Iterator[Cause]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for name, given in (("dataSource", source), ("dataSourceRef", reference)):
        if given is not None:
            yield from _reference_causes(given, f"{path}.{name}")
    if source is None or reference is None:
        return
    if any(source.get(name) != reference.get(name) for name in _SOURCE_FIELDS):
        yield Cause.wrong(path, {}, "must match dataSourceRef")


def _reference_causes(given: Object, path: str) -> Iterator[Cause]:
    for name in ("name", "kind"):
        if not given[name]:
            yield Cause.required(f"{path}.{name}")
    group = given.get("apiGroup") or ""
    if not group and given["kind"] != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        yield Cause.wrong(path, given["kind"], text)
    if group:
        yield from Cause.all_wrong(f"{path}.apiGroup", group, formats.subdomain(group))


def _change_causes(claim: Object, old: Object) -> Iterator[Cause]:
    spec, before = claim["spec"], old["spec"]
    now, fixed = _as_fixed(claim, old)
    if now != fixed:
        shown = go_forms.difference("PersistentVolumeClaimSpec", fixed, now)
        yield Cause.forbidden("spec", f"{_FIXED_TEXT}\n{shown}")
    size, had = _requested(spec), _requested(before)
    capacity = section(section(old, "status"), "capacity").get("storage") or "0"
    if size < had and size <= quantity_value(capacity):
        yield Cause.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    yield from Cause.changed("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    attributes = spec.get("volumeAttributesClassName")
    is_set = section(old, "status").get("currentVolumeAttributesClassName") is not None
    if attributes != before.get("volumeAttributesClassName") and is_set and not attributes:
        what = "nil" if attributes is None else "empty string"
        text = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        yield Cause.forbidden("spec.volumeAttributesClassName", text)


def _requested(spec: Object) -> Any:
    return quantity_value(section(section(spec, "resources"), "requests").get("storage") or "0")


def _as_fixed(claim: Object, old: Object) -> tuple[dict[str, Any], dict[str, Any]]:
    """The specs of a claim and of its last state without the changes that are allowed."""
    now, before = dict(claim["spec"]), dict(old["spec"])
    if not before.get("volumeName"):
        before["volumeName"] = now.get("volumeName")
    noted = section(old["metadata"], "annotations").get(CLASS_ANNOTATION)
    name = now.get("storageClassName")
    if name is not None and before.get("storageClassName") is None and noted in (None, name):
        now["storageClassName"] = None
    if section(claim, "status").get("phase") == "Bound":
        now["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
        requests = section(section(now, "resources"), "requests")
        had = section(section(before, "resources"), "requests").get("storage")
        if requests:
            now["resources"] = {**now["resources"], "requests": {**requests, "storage": had}}
    return _without_nulls(now), _without_nulls(before)


def _without_nulls(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if value not in (None, "")}


def _status_causes(claim: Object, _old: object) -> Iterator[Cause]:
    status = section(claim, "status")
    for name in ("capacity", "allocatedResources"):
        for resource, size in section(status, name).items():
            if quantity_value(size) < 0:
                yield Cause.invalid(f"status.{name}[{resource}]", size, "must be a valid resource quantity")
    path = "status.allocatedResourceStatuses"
    for resource, state in section(status, "allocatedResourceStatuses").items():
        yield from Cause.all_wrong(path, resource, formats.label_key(resource))
        if state not in _RESIZE_STATES:
            yield Cause.unsupported(path, resource, _RESIZE_STATES)


def _warnings(claim: Object, _old: object) -> Iterator[str]:
    if CLASS_ANNOTATION in section(claim["metadata"], "annotations"):
        text = 'deprecated since v1.8; use "storageClassName" attribute instead'
        yield f"metadata.annotations[{CLASS_ANNOTATION}]: {text}"
    for name in ("requests", "limits"):
        size = section(section(claim["spec"], "resources"), name).get("storage") or "0"
        if not is_whole(quantity_value(size)):
            yield f'spec.resources.{name}[storage]: fractional byte value "{size}" is invalid, must be an integer'


def _cells(claim: Object, now: datetime) -> list[Any]:
    spec, status = section(claim, "spec"), section(claim, "status")
    phase = "Terminating" if section(claim, "metadata").get("deletionTimestamp") else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    return [
        name_of(claim),
        phase,
        spec.get("volumeName", ""),
        str(section(status, "capacity").get("storage", "0")) if bound else "",
        shown_modes(status.get("accessModes")) if bound else "",
        class_of(claim),
        spec.get("volumeAttributesClassName") or "<unset>",
        age_of(claim, now),
        spec.get("volumeMode") or "<unset>",
    ]


PERSISTENT_VOLUME_CLAIMS = Strategy(
    defaults=fill_in_claim,
    first_status={"phase": "Pending"},
    defaults_beside_spec=_fill_in_status,
    begin=_begin,
    keep=_keep,
    validate=_validate,
    validate_status=_status_causes,
    warn=_warnings,
    cells=_cells,
    set_by_server=("metadata.finalizers", "spec.dataSource", "spec.dataSourceRef", "spec.storageClassName"),
    deleted_is_shown=True,
)
