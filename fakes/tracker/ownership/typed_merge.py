"""Merging, pruning and checking objects by the types of their fields, as server-side apply does it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.ownership.fieldsets import FieldSet, is_member, path_text
from ctrlkit.fakes.tracker.ownership.object_fields import as_items, as_map, item_step
from ctrlkit.fakes.tracker.schema.go_text import go_syntax, go_text
from ctrlkit.fakes.tracker.schema.nodes import SCALARS, Kind, Node, child


def merge(live: Any, wanted: Any, node: Node) -> Any:
    """
    Merge a wanted value into a live one: its fields and items replace or join, others stay. Inputs are not changed.

    >>> from ctrlkit.fakes.tracker.schema.nodes import ANY
    >>> merge({"a": "1", "b": {"c": "2"}}, {"b": {"d": "3"}}, ANY)
    {'a': '1', 'b': {'c': '2', 'd': '3'}}
    """
    have_fields, want_fields = as_map(live, node), as_map(wanted, node)
    if have_fields and want_fields:
        merged = dict(have_fields)
        for name, value in want_fields.items():
            if name not in merged or type(value) in SCALARS:
                merged[name] = value
            else:
                merged[name] = merge(merged[name], value, child(node, name))
        return merged
    have_items, want_items = as_items(live, node), as_items(wanted, node)
    if have_items and want_items:
        return _merge_items(have_items, want_items, node)
    keeps = (have_fields or have_items) and (wanted is None or want_fields is not None or want_items is not None)
    return live if keeps else wanted


def _merge_items(live: list[Any], wanted: list[Any], node: Node) -> list[Any]:
    """
    Merge items by their keys, in the wanted order; other live items stay before the item that followed them.

    Where that item moves forward, they stay at the place of the list that they had reached.
    """
    have = [(item_step(item, node), item) for item in live]
    found: dict[str, Any] = {}
    for step, item in have:
        found.setdefault(step, item)
    steps = [item_step(item, node) for item in wanted]
    shared = found.keys() & set(steps)
    ahead = deque(step for step in steps if step in shared)
    merged: list[Any] = []
    place = 0
    for step, item in zip(steps, wanted, strict=True):
        while place < len(have) and not (ahead and have[place][0] == ahead[0]):
            if have[place][0] not in shared:
                merged.append(have[place][1])
            place += 1
        merged.append(merge(found[step], item, node.other or node) if step in shared else item)
        if ahead and ahead[0] == step:
            ahead.popleft()
    return [*merged, *(item for step, item in have[place:] if step not in shared)]


def remove(value: Any, doomed: FieldSet, node: Node) -> Any:
    """
    Remove the fields and items of a set from a value; emptied ones stay, empty. The input is not changed.

    >>> from ctrlkit.fakes.tracker.schema.nodes import ANY
    >>> remove({"a": "1", "b": {"c": "2"}}, {"f:b": {"f:c": {}}}, ANY)
    {'a': '1', 'b': {}}
    """
    if not doomed:
        return value
    if (fields := as_map(value, node)) is not None:
        kept: dict[str, Any] = {}
        for name, inner in fields.items():
            below = doomed.get(f"f:{name}")
            if below is None:
                kept[name] = inner
            elif not is_member(below):
                kept[name] = remove(inner, below, child(node, name))
        return kept
    if (items := as_items(value, node)) is not None:
        rest = []
        for item in items:
            below = doomed.get(item_step(item, node))
            if below is None:
                rest.append(item)
            elif not is_member(below):
                rest.append(remove(item, below, node.other or node))
        return rest
    return value


def problems(value: Any, node: Node, path: str = "") -> Iterator[str]:
    """
    Yield the server's messages about what cannot be applied: unknown fields, values of another type, items without
    keys or twice.

    >>> from ctrlkit.model.kinds import DEPLOYMENTS
    >>> from ctrlkit.fakes.tracker.schema.nodes import built_in
    >>> from ctrlkit.fakes.tracker.schema.types import types_of
    >>> list(problems({"spec": {"replicas": "two", "size": 3}}, built_in(types_of(), DEPLOYMENTS)))
    ['.spec.replicas: expected numeric (int or float), got string', '.spec.size: field not declared in schema']
    """
    if value is None:
        return
    match node.kind:
        case Kind.SCALAR:
            wrong = _scalar_problem(value, node)
            if wrong:
                yield f"{path}: {wrong}"
        case Kind.MAP if type(value) is dict or isinstance(value, Mapping):
            yield from _field_problems(value, node, path)
        case Kind.LIST if isinstance(value, list):
            yield from _item_problems(value, node, path)
        case Kind.MAP | Kind.LIST:
            yield f"{path}: expected {node.kind.value}, got {_shown(value)}"
        case Kind.ANY:
            return


def _field_problems(fields: Mapping[str, Any], node: Node, path: str) -> Iterator[str]:
    for name, inner in fields.items():
        if name not in node.fields and node.other is None:
            yield f"{path}.{name}: field not declared in schema"
            return  # a server looks no further in this object
        below = node.fields[name] if name in node.fields else child(node, name)
        if type(inner) not in below.fitting:
            yield from problems(inner, below, f"{path}.{name}")


def _item_problems(items: list[Any], node: Node, path: str) -> Iterator[str]:
    seen = set()
    for index, item in enumerate(items):
        step = f"i:{index}"
        if node.keys or node.is_set:
            missing = _missing_key(item, node)
            if missing:
                yield f"{path}: element {index}: {missing}"
                return
            step = item_step(item, node)
            if step in seen:
                yield f"{path}: duplicate entries for key {path_text((step,))}"
            seen.add(step)
        for problem in problems(item, node.other or node):
            yield path + path_text((step,)) + problem


def _missing_key(item: Any, node: Node) -> str:
    if node.keys and not isinstance(item, Mapping):
        return "associative list with keys may not have non-map elements"
    if item is None:
        return "associative list without keys has an element that's an explicit null"
    for key in node.keys:
        if key not in item and key not in node.key_defaults:
            text = "associative list with keys has an element that omits key field"
            return f'{text} "{key}" (and doesn\'t have default value)'
    return ""


def _scalar_problem(value: Any, node: Node) -> str:
    match node.scalar:
        case "numeric" if not isinstance(value, (int, float)) or isinstance(value, bool):
            return f"expected numeric (int or float), got {_go_type(value)}"
        case "string" if not isinstance(value, str):
            return f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"
        case "boolean" if not isinstance(value, bool):
            return f"expected boolean, got {_shown(value)}"
        case "untyped" if isinstance(value, (Mapping, list)):
            return f"expected any scalar, got {_shown(value)}"
    return ""


def _shown(value: Any) -> str:
    return f"&{{{go_text(value)}}}"


def _go_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "[]interface {}"
    return "map[string]interface {}"
