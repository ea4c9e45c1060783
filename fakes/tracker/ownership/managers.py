"""
Entries of `metadata.managedFields`: who owns which fields of an object, and how a write changes that.

In       The entries an object has, an entry for what a write sets, and the fields it removes.
Out      The entries the object has then, or the fields over which the writer and other managers are in conflict.

Entries are plain dicts, as the API shows them, and never changed once made. Everything the tracker stores passes here,
so entries that come from it need no checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from ctrlkit.fakes.tracker.ownership.fieldsets import (
    FieldSet,
    difference,
    from_fields_v1,
    in_order,
    intersection,
    union,
)

Entry = dict[str, Any]
Entries = Sequence[Entry]

UPDATERS_MAX = 10
"""How many Update entries an object keeps; older ones are merged into one of `ancient-changes`."""

_ANCIENT = "ancient-changes"


class Operation(StrEnum):
    """How a manager got its fields."""

    APPLY = "Apply"
    UPDATE = "Update"


def make_entry(
    manager: str, operation: Operation, api_version: str, fields: FieldSet, *, subresource: str, time: str
) -> Entry:
    """The entry of a manager that owns fields, in any order; `time` is "" where the server notes none."""
    entry: Entry = {"manager": str(manager) or "unknown", "operation": str(operation), "apiVersion": api_version}
    if time:
        entry["time"] = time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = fields
    if subresource:
        entry["subresource"] = subresource
    return entry


def read(entries: Any) -> Entries | None:
    """Read the entries that a client sent; None if they are malformed or there are none."""
    try:
        return [_read_entry(entry) for entry in entries] or None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read_entry(entry: Any) -> Entry:
    if entry["fieldsType"] != "FieldsV1":
        raise ValueError(f"unknown type of fields: {entry['fieldsType']}")
    return make_entry(
        entry.get("manager") or "",
        Operation(entry["operation"]),
        entry["apiVersion"],
        in_order(from_fields_v1(entry["fieldsV1"])),
        subresource=entry.get("subresource") or "",
        time=entry.get("time") or "",
    )


def same_manager(one: Entry, other: Entry) -> bool:
    """Whether two entries have the same manager; one that applies has a single entry for all versions of a kind."""
    return bool(
        one["manager"] == other["manager"]
        and one["operation"] == other["operation"]
        and (one["operation"] == Operation.APPLY or one["apiVersion"] == other["apiVersion"])
        and one.get("subresource") == other.get("subresource")
    )


def find(entries: Entries, like: Entry) -> Entry | None:
    """Return the entry with the same manager, None if there is none."""
    for entry in entries:
        if same_manager(entry, like):
            return entry
    return None


def distinct(entries: Entries) -> Entries:
    """Return entries without those whose manager has another one later; a server keeps the last it reads."""
    if len(entries) < 2:
        return entries
    later = [entries[place + 1 :] for place in range(len(entries))]
    return [entry for entry, others in zip(entries, later, strict=True) if find(others, entry) is None]


def describe(entry: Entry) -> str:
    """Describe the manager of an entry as a conflict does."""
    text = f'"{entry["manager"]}"'
    if entry.get("subresource"):
        text += f' with subresource "{entry["subresource"]}"'
    return f"{text} using {entry['apiVersion']}" if entry["operation"] == Operation.UPDATE else text


def after_update(entries: Entries, by: Entry, removed: FieldSet) -> Entries:
    """Return the entries after a create, update or patch: its manager alone owns what it set."""
    fields, before = by["fieldsV1"], find(entries, by)
    others = [entry for entry in entries if entry is not before]
    if before is not None and (second := find(others, by)) is not None and not _without([before], fields, removed):
        others.remove(before := second)  # a body may bring two of one manager
    left = _without(others, fields, removed)
    if before is not None and not fields:
        left += _without([before], fields, removed)
    elif before is not None:
        had = before["fieldsV1"]
        owned = union(difference(had, removed), fields)
        left.append(by | {"fieldsV1": had if owned == had else in_order(owned)})
    elif fields:
        left.append(by | {"fieldsV1": in_order(fields)})
    return sorted_entries(_capped(left))


def after_apply(entries: Entries, by: Entry, changed: FieldSet, removed: FieldSet) -> Entries:
    """Return the entries after an apply: its manager owns what it applied, with others that applied the same."""
    left = _without([entry for entry in entries if not same_manager(entry, by)], changed, removed)
    if by["fieldsV1"]:
        left.append(by | {"fieldsV1": in_order(by["fieldsV1"])})
    return sorted_entries(left)


def conflicts(entries: Entries, by: Entry, changed: FieldSet) -> list[tuple[Entry, FieldSet]]:
    """Return the entries of other managers that own fields which an apply changes, with these fields."""
    others = sorted((entry for entry in entries if not same_manager(entry, by)), key=_name_rank)
    found = [(entry, intersection(entry["fieldsV1"], changed)) for entry in others]
    return [(entry, fields) for entry, fields in found if fields]


def _without(entries: Entries, changed: FieldSet, removed: FieldSet) -> list[Entry]:
    left = []
    for entry in entries:
        before = entry["fieldsV1"]
        fields = difference(before, changed)
        if removed:
            fields = difference(fields, removed)
        if fields:
            left.append(entry if fields is before else entry | {"fieldsV1": fields})
    return left


def sorted_entries(entries: list[Entry]) -> list[Entry]:
    """Sort entries as a server shows them, in place."""
    if len(entries) > 1:
        entries.sort(key=_rank)
    return entries


def _rank(entry: Entry) -> tuple[str, ...]:
    return (entry["operation"], entry.get("time", ""), *_name_rank(entry))


def _name_rank(entry: Entry) -> tuple[str, ...]:
    return (entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))


def _capped(entries: list[Entry]) -> list[Entry]:
    """Merge the oldest Update entries of each version if there are too many."""
    excess = sum(entry["operation"] == Operation.UPDATE for entry in entries) - UPDATERS_MAX
    if excess <= 0:
        return entries
    buckets: dict[str, Entry] = {}
    for entry in sorted(entries, key=_rank):
        version = entry["apiVersion"]
        if entry["operation"] != Operation.UPDATE or excess == 0:
            continue
        if version not in buckets:
            buckets[version] = entry
            continue
        first = buckets[version]
        entries.remove(first)
        entries.remove(entry)
        merged = {name: value for name, value in entry.items() if name != "subresource"} | {
            "manager": _ANCIENT,
            "fieldsV1": in_order(union(first["fieldsV1"], entry["fieldsV1"])),
        }
        buckets[version] = merged
        entries.append(merged)
        excess -= 1
    return entries
