"""
Fields that a program applied before it was named as their owner: all programs were called "ctrlkit" then.

Applied under a new name alone they would have two owners: a change would be a conflict, and what is left out would
stay, for the former owner still wants it. So the former owner's entry is renamed first, as kubectl does with what it
had applied on the client's side. A program may also really be called "ctrlkit": its fields stay its own where the new
owner has applied something already, or wants none of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

FORMER_OWNER: Final = "ctrlkit"

_Entry = Mapping[str, Any]
_Fields = Mapping[str, Any]
"""Fields of an object as `fieldsV1` has them."""


def owners_after_takeover(thing: Mapping[str, Any], wanted: Mapping[str, Any], owner: str) -> list[_Entry] | None:
    """
    The managedFields that an object is to have before `owner` applies `wanted` to it; None where all is right already.

    >>> former = {"manager": "ctrlkit", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}
    >>> thing = {"metadata": {"managedFields": [former]}}
    >>> owners_after_takeover(thing, {"data": {"a": "1"}}, "greeting")
    [{'manager': 'greeting', 'operation': 'Apply', 'fieldsV1': {'f:data': {'f:a': {}, 'f:b': {}}}}]
    >>> owners_after_takeover(thing, {"data": {"c": "1"}}, "greeting") is None
    True
    """
    entries: list[_Entry] = list((thing.get("metadata") or {}).get("managedFields") or ())
    former, own = _applied_by(entries, FORMER_OWNER), _applied_by(entries, owner)
    if owner == FORMER_OWNER or former is None:
        return None
    if own is not None:  # both were applied with the same values; what the former has besides is another program's
        others = [entry for entry in entries if entry is not former]
        return others if _is_within(former["fieldsV1"], own["fieldsV1"]) else None
    if not _names_some_of(former["fieldsV1"], wanted):
        return None
    return [{**entry, "manager": owner} if entry is former else entry for entry in entries]


def _applied_by(entries: list[_Entry], manager: str) -> _Entry | None:
    for entry in entries:
        named = (entry.get("manager"), entry.get("operation"), entry.get("subresource") or "")
        if named == (manager, "Apply", "") and entry.get("fieldsV1"):
            return entry
    return None


def _is_within(part: _Fields, whole: _Fields) -> bool:
    return all(step in whole and _is_within(below, whole[step]) for step, below in part.items())


def _names_some_of(fields: _Fields, value: Any) -> bool:
    """Whether a set of fields names a value, or anything in it that is no more than a way there."""
    below = {step: inner for step, inner in fields.items() if step != "."}
    if not below:
        return True
    return any(_names_some_of(inner, found) for step, inner in below.items() for found in _at(step, value))


def _at(step: str, value: Any) -> list[Any]:
    """What a step leads to, if it is there."""
    sort, _, text = step.partition(":")
    if sort == "f":
        return [value[text]] if isinstance(value, Mapping) and text in value else []
    items = value if isinstance(value, list) else []
    if sort == "v":
        return [item for item in items if item == json.loads(text)]
    if sort == "k":
        keys = json.loads(text).items()
        return [item for item in items if isinstance(item, Mapping) and all(item.get(name) == of for name, of in keys)]
    return []
