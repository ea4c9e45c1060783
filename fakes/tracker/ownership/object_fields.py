"""Sets of fields computed from objects: what an apply owns, and what a change sets and removes."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from types import NoneType
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.ownership.fieldsets import LEAF, SELF, FieldSet
from ctrlkit.fakes.tracker.schema.nodes import ANY, Kind, Node, child


class Unkeyed(Exception):
    """An item of a list that merges by item lacks one of its keys: nobody can own it."""


def item_step(item: Any, node: Node) -> str:
    """Return the step to an item of a list that merges by item. Errors: Unkeyed."""
    if node.key and type(item) is dict and type(name := item.get(node.key)) is str and len(name) <= _NAME_MAX:
        return _named(node.key, name)
    if node.is_set or not isinstance(item, (dict, Mapping)):
        return "v:" + msgspec.json.encode(item).decode()
    try:
        keys = {key: item[key] if key in item else node.key_defaults[key] for key in node.keys}
    except KeyError:
        raise Unkeyed from None
    return "k:" + msgspec.json.encode(keys).decode()


_NAME_MAX = 64
_NAMES = 4096


@functools.lru_cache(maxsize=_NAMES)
def _named(key: str, name: str) -> str:
    """The step to an item that is told from others by a name."""
    return "k:" + msgspec.json.encode({key: name}).decode()


def as_map(value: Any, node: Node) -> Mapping[str, Any] | None:
    """Return the value if it merges by field, else None."""
    return value if node.has_fields and isinstance(value, (dict, Mapping)) else None


def as_items(value: Any, node: Node) -> list[Any] | None:
    """Return the value if it is a list that merges by item, else None."""
    return value if node.has_items and isinstance(value, list) else None


def applied(value: Mapping[str, Any], node: Node) -> FieldSet:
    """
    Return the fields that a manager owns by applying an object: leaves, items of lists, and fields of open maps.

    >>> from ctrlkit.fakes.tracker.schema.nodes import ANY
    >>> applied({"data": {"a": "1"}, "list": ["x"], "none": {}}, ANY)
    {'f:data': {'.': {}, 'f:a': {}}, 'f:list': {}, 'f:none': {}}
    """
    return _applied(value, node) or {}


def _applied(value: Any, node: Node) -> FieldSet | None:
    """Return the fields below a value, {} for the value itself, None for neither."""
    if (fields := as_map(value, node)) is not None:
        found: FieldSet = {}
        known, other = node.fields, node.other or ANY
        for name, inner in fields.items():
            below_node = known.get(name, other)
            if below_node.is_leaf:
                found["f:" + name] = LEAF
                continue
            below = _applied(inner, below_node)
            if inner is None or inner == {} or name not in node.fields:
                found[f"f:{name}"] = {SELF: {}, **below} if below else {}
            elif below is not None:
                found[f"f:{name}"] = below
        return found or None
    if (items := as_items(value, node)) is not None:
        found = {}
        for item in items:
            below = _applied(item, node.other or node)
            found[item_step(item, node)] = {SELF: {}, **below} if below else {}
        return found or None
    return None if value is None and not node.is_leaf and node.kind is not Kind.ANY else {}


def everything(value: Any, node: Node) -> FieldSet:
    """Return the set of a value that is new or removed: the value and all below it."""
    if fields := as_map(value, node):
        known, other = node.fields, node.other or ANY
        found: FieldSet = {SELF: LEAF}
        for name, inner in fields.items():
            below = known.get(name, other)
            found["f:" + name] = LEAF if below.is_leaf else everything(inner, below)
        return found
    if items := as_items(value, node):
        item_node = node.other or node
        steps = [item_step(item, node) for item in items]
        found = {SELF: LEAF} | {step: everything(item, item_node) for step, item in zip(steps, items, strict=True)}
        return found | _repeated(steps)
    return LEAF


def emptied(sent: Any, kept: Any, node: Node) -> FieldSet:
    """
    Return the lists and maps that were sent empty and are kept as null: who sent them owns them.

    >>> from ctrlkit.model.kinds import CLUSTER_ROLES
    >>> from ctrlkit.fakes.tracker.schema.nodes import built_in
    >>> from ctrlkit.fakes.tracker.schema.types import types_of
    >>> emptied({"rules": []}, {"rules": None}, built_in(types_of(), CLUSTER_ROLES))
    {'f:rules': {}}
    """
    found: FieldSet = {}
    if as_map(sent, node) is not None and as_map(kept, node) is not None:
        for name, value in kept.items():
            inner = sent.get(name)
            if value is None and inner is not None and not inner:
                found["f:" + name] = LEAF
            elif inner and isinstance(value, (dict, list)) and (below := emptied(inner, value, child(node, name))):
                found["f:" + name] = below
    elif as_items(sent, node) is not None and as_items(kept, node) is not None:
        for one, item in zip(sent, kept, strict=False):
            if below := emptied(one, item, node.other or node):
                found[item_step(item, node)] = below
    return found


def _repeated(steps: list[str]) -> FieldSet:
    """Return the items that a list has several times by their keys: what is below them is nobody's."""
    if len(set(steps)) == len(steps):
        return LEAF
    return {step: LEAF for step, count in Counter(steps).items() if count > 1}


def compare(old: Mapping[str, Any], new: Mapping[str, Any], node: Node) -> tuple[FieldSet, FieldSet]:
    """
    Return the fields of an object that were set or changed, and those that were removed.

    >>> from ctrlkit.fakes.tracker.schema.nodes import ANY
    >>> compare({"data": {"a": "1", "b": "2"}}, {"data": {"a": "9"}}, ANY)
    ({'f:data': {'f:a': {}}}, {'f:data': {'f:b': {}}})
    """
    found: _Found = ({}, {})
    _compare_fields(old, new, node, found)
    return found


_Found = tuple[FieldSet, FieldSet]
"""The changed and the removed fields, while they are collected."""


def _compare(old: Any, new: Any, node: Node, step: str, found: _Found) -> None:
    """Collect at `step` how two values differ; null counts as an empty map or list if the other is one."""
    below: _Found = ({}, {})
    if node.has_fields and isinstance(old, (dict, NoneType)) and isinstance(new, (dict, NoneType)) and (old or new):
        _compare_fields(old or {}, new or {}, node, below)
    elif node.has_items and isinstance(old, (list, NoneType)) and isinstance(new, (list, NoneType)) and (old or new):
        _compare_items(old or [], new or [], node, below)
    else:
        found[0][step] = LEAF
        if node.has_fields and isinstance(old, dict):  # its fields are gone, whatever has taken its place
            _compare_fields(old, {}, node, ({}, below[1]))
        if below[1]:
            found[1][step] = below[1]
        return
    for whole, part in zip(found, below, strict=True):
        if part:
            whole[step] = part


def _compare_fields(old: Mapping[str, Any], new: Mapping[str, Any], node: Node, found: _Found) -> None:
    known, other = node.fields, node.other or ANY
    changed, removed = found
    for name, value in new.items():
        if name not in old:
            below = known.get(name, other)
            changed["f:" + name] = LEAF if below.is_leaf else everything(value, below)
        elif old[name] != value:
            below = known.get(name, other)
            if below.is_leaf:
                changed["f:" + name] = LEAF
            else:
                _compare(old[name], value, below, "f:" + name, found)
    for name, value in old.items():
        if name not in new:
            removed["f:" + name] = everything(value, known.get(name, other))


def _compare_items(old: list[Any], new: list[Any], node: Node, found: _Found) -> None:
    item_node = node.other or node
    changed, removed = found
    before = {item_step(item, node): item for item in old}
    steps = [item_step(item, node) for item in new]
    repeated = _repeated(steps)
    changed.update(repeated)
    for step, item in zip(steps, new, strict=True):
        if step in repeated:
            before.pop(step, None)
        elif step not in before:
            changed[step] = everything(item, item_node)
        else:
            was = before.pop(step)
            if was != item:
                _compare(was, item, item_node, step, found)
    for step, item in before.items():
        removed[step] = everything(item, item_node)


def with_named(fields: FieldSet, node: Node) -> FieldSet:
    """Add to a set the declared fields on the way to its members."""
    named: FieldSet = {}
    for step, below in fields.items():
        if step == SELF:
            named[step] = below
            continue
        name = step.removeprefix("f:") if step.startswith("f:") else None
        inner = child(node, name) if name is not None else (node.other or node)
        deeper = with_named(below, inner)
        named[step] = {SELF: {}} | deeper if deeper and name in node.fields else deeper
    return named
