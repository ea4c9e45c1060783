"""PersistentVolumeClaims, and the defaults of claim templates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

_ACCESS_MODES = {"ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOnce": "RWO", "ReadWriteOncePod": "RWOP"}
_VOLUME_MODES = ("Block", "Filesystem")


def fill_in_claim(claim: Plain) -> None:
    """Fill in the defaults of a claim or a claim template."""
    claim["spec"].setdefault("volumeMode", "Filesystem")


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    """Check a claim; a server adds a diff to the cause of a changed spec, which is left out here."""
    spec = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from claim_spec_causes(spec, "spec")
    if old is not None:
        yield from _claim_change_causes(spec, old)


def claim_spec_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that a claim's spec breaks, in a claim or in a template of one."""
    modes = spec.get("accessModes") or []
    if not modes:
        yield Cause.required(f"{path}.accessModes", "at least 1 access mode is required")
    if "selector" in spec:
        yield from selector_causes(spec["selector"], f"{path}.selector")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield Cause.unsupported(f"{path}.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        yield Cause.forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")
    yield from _size_causes(spec, f"{path}.resources[storage]")
    if spec.get("storageClassName"):
        name = spec["storageClassName"]
        yield from Cause.all_wrong(f"{path}.storageClassName", name, formats.subdomain(name))
    if spec["volumeMode"] not in _VOLUME_MODES:
        yield Cause.unsupported(f"{path}.volumeMode", spec["volumeMode"], _VOLUME_MODES)


def _size_causes(spec: Object, path: str) -> Iterator[Cause]:
    size = (spec["resources"].get("requests") or {}).get("storage")
    if size is None:
        yield Cause.required(path)
    elif quantity_value(size) <= 0:
        yield Cause.wrong(path, size, "must be greater than zero")


def _claim_change_causes(spec: Object, old: Object) -> Iterator[Cause]:
    before = old["spec"]
    if _fixed(spec, old) != _fixed(before, old):
        yield Cause.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        )
    had, size = (
        quantity_value((one["resources"].get("requests") or {}).get("storage") or "0") for one in (before, spec)
    )
    if size < had:
        yield Cause.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def _fixed(spec: Object, old: Object) -> dict[str, Any]:
    """The part of a claim's spec that must not change; volumeName and storageClassName can be set once."""
    free = {
        "volumeAttributesClassName",
        *(name for name in ("volumeName", "storageClassName") if not old["spec"].get(name)),
    }
    fixed = {name: value for name, value in spec.items() if name not in free}
    if (old.get("status") or {}).get("phase") == "Bound":
        requests = {name: size for name, size in (spec["resources"].get("requests") or {}).items() if name != "storage"}
        fixed["resources"] = {**spec["resources"], "requests": requests}
    return fixed


def _cells(claim: Object, now: datetime) -> list[Any]:
    spec, status = section(claim, "spec"), section(claim, "status")
    phase = "Terminating" if section(claim, "metadata").get("deletionTimestamp") else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    modes = status.get("accessModes") or () if bound else ()
    return [
        name_of(claim),
        phase,
        spec.get("volumeName", ""),
        str(section(status, "capacity").get("storage", "")) if bound else "",
        ",".join(_ACCESS_MODES.get(mode, mode) for mode in modes),
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>",
        age_of(claim, now),
        spec.get("volumeMode") or "<unset>",
    ]


PERSISTENT_VOLUME_CLAIMS = Strategy(
    defaults=fill_in_claim,
    first_status={"phase": "Pending"},
    validate=_validate,
    cells=_cells,
    set_by_server=("metadata.finalizers",),
    deleted_is_shown=True,
)
