"""
Sets of an object's fields, in the form of `metadata.managedFields` (FieldsV1).

A set is a tree of plain dicts. The keys of a node are steps: `f:name` a field, `k:{...}` an item of a list by its keys,
`v:...` an item of a set by its value. A node without steps is a member; one with steps is a member if it also has ".".
The empty dict is the empty set. Sets are never changed once made: every function here returns new ones, and may share
parts with what it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

FieldSet = dict[str, Any]

Path = tuple[str, ...]
"""The steps from an object to one of its fields."""

SELF = "."
"""Marks a node with steps as a member."""

LEAF: FieldSet = {}
"""A member without steps; shared, as sets are never changed."""

_ONLY_SELF: FieldSet = {SELF: LEAF}

# ---------------------------------------------------------------------------------------------------------------------
# Sets
# ---------------------------------------------------------------------------------------------------------------------


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """
    Return the fields in either set.

    >>> union({"f:a": {}}, {"f:a": {"f:x": {}}})
    {'f:a': {'.': {}, 'f:x': {}}}
    """
    merged = dict(one)
    for step, theirs in other.items():
        mine = merged.get(step)
        if mine is None or mine == theirs or step == SELF:
            merged[step] = theirs
        elif not mine or not theirs:
            merged[step] = {SELF: {}, **mine, **theirs}
        else:
            merged[step] = union(mine, theirs)
    return merged


def in_order(fields: FieldSet) -> FieldSet:
    """
    Return the same set in a server's order: fields by name, then items by their keys and by value.

    >>> in_order({"f:b": {"k:{}": {}, "f:x": {}, ".": {}}, "f:a": {}})
    {'f:a': {}, 'f:b': {'.': {}, 'f:x': {}, 'k:{}': {}}}
    """
    ordered: FieldSet = msgspec.json.decode(msgspec.json.encode(fields, order="sorted"))
    return ordered


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """
    Return the fields of one set that the other does not have; fields below a removed one stay.

    >>> difference({"f:a": {".": {}, "f:x": {}}, "f:b": {}}, {"f:a": {}, "f:b": {}})
    {'f:a': {'f:x': {}}}

    A set that loses nothing is given back itself.
    """
    rest = one
    for step, theirs in other.items():
        mine = one.get(step)
        if mine is None:
            continue
        kept = None if step == SELF else _subtract(mine, theirs)
        if kept is mine:
            continue
        if rest is one:
            rest = dict(one)
        if kept is None:
            del rest[step]
        else:
            rest[step] = kept
    return rest


def _subtract(mine: FieldSet, theirs: FieldSet) -> FieldSet | None:
    """Subtract a node from another; None if nothing is left."""
    if not mine:
        return None if is_member(theirs) else mine
    return _node(difference(mine, theirs or _ONLY_SELF))


def _node(rest: FieldSet) -> FieldSet | None:
    """Normalise what is left of a node that had steps; None for nothing."""
    return None if not rest else LEAF if rest.keys() == {SELF} else rest


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """
    Return the fields in both sets.

    >>> intersection({"f:a": {".": {}, "f:x": {}}, "f:b": {}}, {"f:a": {}, "f:c": {}})
    {'f:a': {}}
    """
    shared: FieldSet = {}
    for step, mine in one.items():
        theirs = other.get(step)
        if theirs is None or step == SELF:
            continue
        below = intersection(mine, theirs) if mine and theirs else {}
        if is_member(mine) and is_member(theirs):
            shared[step] = {SELF: {}, **below} if below else {}
        elif below:
            shared[step] = below
    return shared


def is_member(node: FieldSet) -> bool:
    """Whether a node's own field is in the set, not only fields below it."""
    return not node or SELF in node


def cut(fields: FieldSet, path: Path) -> FieldSet:
    """Return the set without a field and all below it."""
    step, rest = path[0], path[1:]
    node = fields.get(step)
    if node is None:
        return fields
    below = cut(node, rest) if rest else {}
    if below is node:
        return fields
    kept = {name: one for name, one in fields.items() if name != step}
    if (left := _node(below)) is not None:
        kept[step] = left
    return kept


def paths(fields: FieldSet) -> Iterator[Path]:
    """Yield the members in order: of each node first itself, then those below."""
    for step in sorted(fields):
        node = fields[step]
        if step != SELF and is_member(node):
            yield (step,)
    for step in sorted(fields):
        if step != SELF:
            yield from ((step, *below) for below in paths(fields[step]))


def path_text(path: Path) -> str:
    """
    Format a path as the server's messages do.

    >>> path_text(("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name"))
    '.spec.ports[port=80,protocol="TCP"].name'
    """
    return "".join(_step_text(step) for step in path)


def _step_text(step: str) -> str:
    kind, _, rest = step.partition(":")
    match kind:
        case "f":
            return f".{rest}"
        case "k":
            keys = msgspec.json.decode(rest)
            return "[" + ",".join(f"{key}={value_text(value)}" for key, value in keys.items()) + "]"
        case "v":
            return f"[={value_text(msgspec.json.decode(rest))}]"
    return f"[{rest}]"


def value_text(value: Any) -> str:
    """Write a value into a message as JSON, its fields in their order."""
    return msgspec.json.encode(value).decode()


# ---------------------------------------------------------------------------------------------------------------------
# FieldsV1
# ---------------------------------------------------------------------------------------------------------------------


def from_fields_v1(shown: Any) -> FieldSet:
    """
    Read a FieldsV1.

    >>> from_fields_v1({"f:ports": {'k:{"b": 1, "a": 2}': {}}})
    {'f:ports': {'k:{"a":2,"b":1}': {}}}

    Errors  ValueError where it is none.
    """
    if not isinstance(shown, Mapping):
        raise ValueError(f"a set of fields is an object, got {type(shown).__name__}")
    fields: FieldSet = {}
    for step, below in shown.items():
        if step == SELF:
            fields[SELF] = {}
            continue
        node = from_fields_v1(below)
        fields[_read_step(step)] = {} if node == {SELF: {}} else node
    return fields


def _read_step(step: str) -> str:
    kind, colon, rest = step.partition(":")
    if not colon or kind not in ("f", "k", "v", "i"):
        raise ValueError(f"no step of a set of fields: {step}")
    if kind in ("k", "v"):
        try:
            value = msgspec.json.decode(rest)
        except msgspec.DecodeError:
            raise ValueError(f"no step of a set of fields: {step}") from None
        return f"{kind}:" + msgspec.json.encode(value, order="deterministic").decode()
    return step
