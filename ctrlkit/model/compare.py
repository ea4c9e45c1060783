"""
What one object lacks of another: comparison by the fields that somebody set, and no others.

A server adds defaults and others add fields of theirs, so an object is never equal to what was wanted of it. What
counts is whether the fields that are wanted are there. Nothing here knows the types of fields: texts that mean the same
(quantities such as `1` and `1000m`) differ, as do an empty map or list and none. So "they are the same" is always
right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def same(one: Any, other: Any) -> bool:
    """
    Whether two plain values are equal; a field that is None is none, and `True` is not 1.

    >>> same({"replicas": 1, "paused": None}, {"replicas": 1}), same({"replicas": True}, {"replicas": 1})
    (True, False)
    """
    match one, other:
        case (Mapping(), Mapping()):
            names = {name for each in (one, other) for name, value in each.items() if value is not None}
            return all(same(one.get(name), other.get(name)) for name in names)
        case (list() | tuple(), list() | tuple()):
            return len(one) == len(other) and all(same(mine, theirs) for mine, theirs in zip(one, other, strict=True))
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def lacking(have: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """
    The fields of `wanted` that `have` lacks, as a merge patch (RFC 7386); empty where it has them all.

    >>> have = {"replicas": 1, "strategy": {"type": "Recreate"}, "ports": [{"port": 80, "protocol": "TCP"}]}
    >>> lacking(have, {"replicas": 2, "ports": [{"port": 80}]})
    {'replicas': 2}
    >>> lacking(have, {"strategy": None, "paused": None})
    {'strategy': None}

    Shape   A field wanted as None is to be absent. A list lacks nothing if it has as many items, each with the wanted
            fields; else all of the wanted list is in the patch, because a merge patch replaces lists.
    """
    patch: dict[str, Any] = {}
    for name, value in wanted.items():
        there = have.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            if below := lacking(there, value):
                patch[name] = below
        elif not _covers(there, value):
            patch[name] = value
    return patch


def _covers(have: Any, wanted: Any) -> bool:
    match have, wanted:
        case (Mapping(), Mapping()):
            return not lacking(have, wanted)
        case (list() | tuple(), list() | tuple()):
            return len(have) == len(wanted) and all(map(_covers, have, wanted))
    return same(have, wanted)
