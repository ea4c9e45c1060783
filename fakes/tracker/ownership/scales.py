"""
The managedFields of an object after a write of its scale.

A server looks at them twice: the Scale has the entries that own the replicas, as entries of its own version, and after
the write the object's entries follow from those of the Scale. An Update entry of the object is no entry of the Scale's
version, so it loses the replicas, and one for them alone stands beside it; that has no time, and does not outlive the
next write. A Scale without replicas says none: who sets them to 0 takes them from everybody.
"""

from __future__ import annotations

from collections.abc import Mapping

from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.fieldsets import FieldSet, difference, intersection
from ctrlkit.fakes.tracker.ownership.managed_fields import check_conflicts
from ctrlkit.fakes.tracker.ownership.managers import (
    Entries,
    Entry,
    Operation,
    after_apply,
    after_update,
    distinct,
    make_entry,
    same_manager,
    sorted_entries,
)
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Action, PatchType

_VERSION = "autoscaling/v1"
_REPLICAS: FieldSet = {"f:spec": {"f:replicas": {}}}


def of_scale(served: Strategy, action: Action, current: Stored, path: str, *, had: int, wanted: int) -> Entries:
    """
    Return the entries after a write of the scale that sets the replicas from `had` to `wanted`.

    Errors  Conflict for an apply that changes what others own.
    """
    entries = distinct(current.metadata.get("managedFields") or ())
    place: FieldSet = {}
    for name in reversed(path.split(".")):
        place = {f"f:{name}": place}
    holders = [entry for entry in entries if intersection(entry["fieldsV1"], place)]
    scales = _of_scale_alone(action, holders, had=had, wanted=wanted)
    kept: list[Entry] = []
    for entry in entries:
        same = next((one for one in scales if entry["operation"] == Operation.APPLY and same_manager(one, entry)), None)
        if same is not None or entry not in holders:
            kept.append(entry)
        elif rest := difference(entry["fieldsV1"], place):
            kept.append(entry | {"fieldsV1": rest})
    known = [entry for entry in kept if entry in holders]
    kept += [
        make_entry(
            one["manager"],
            Operation(one["operation"]),
            served.resource.api_version,
            place,
            subresource=one.get("subresource", ""),
            time="",
        )
        for one in scales
        if one["fieldsV1"] and not any(same_manager(one, entry) for entry in known)
    ]
    return sorted_entries(kept)


def _of_scale_alone(action: Action, holders: Entries, *, had: int, wanted: int) -> Entries:
    """Return the entries of the Scale after the write; `holders` are those of the object that own the replicas."""
    scales = [entry | {"apiVersion": _VERSION, "fieldsV1": _REPLICAS} for entry in holders]
    changed: FieldSet = _REPLICAS if wanted and wanted != had else {}
    removed: FieldSet = _REPLICAS if had and not wanted else {}
    manager = action.options.field_manager
    if action.patch_type is not PatchType.APPLY:
        by = make_entry(manager, Operation.UPDATE, _VERSION, changed, subresource="scale", time="")
        return after_update(scales, by, removed) if scales else ()
    if had and not scales:
        first = "before-first-apply"
        scales = [make_entry(first, Operation.UPDATE, _VERSION, _REPLICAS, subresource="scale", time="")]
    spec = action.body.get("spec")
    applied = _REPLICAS if isinstance(spec, Mapping) and "replicas" in spec else {}
    mine = make_entry(manager, Operation.APPLY, _VERSION, applied, subresource="scale", time="")
    check_conflicts(action, scales, mine, changed)
    return after_apply(scales, mine, changed, removed)
