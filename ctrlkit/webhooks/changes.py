"""
What a mutating function changed, as a JSON patch for the object as it came. Pure.

A function sees an object as its type knows it. What it changed is found by comparing the object before and after, both
as their type writes them, and is then made on the object as it came: fields that the type does not know stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from ctrlkit.model import to_plain, value_at

Plain = dict[str, Any]
Operation = dict[str, Any]

_NAMES: Final = ("name", "key", "id", "ip", "type")
"""Fields by which an item of a list is known when others of its fields change."""


def plain_of(value: object) -> Any:
    """
    Return an object as it would travel, a copy: dicts, lists, texts, numbers, booleans and None.

    Errors  TypeError for what is no object.
    """
    return _plain_and_nulls(value)[0]


def written_of(value: object) -> Any:
    """
    Return an object as it is to be stored: as `plain_of`, without the fields that are None where that is their default.

    Absent ones read the same, and a server takes no null for them from a webhook.

    >>> class Spec(msgspec.Struct):
    ...     image: str | None = None
    >>> plain_of({"spec": Spec()}), written_of({"spec": Spec(), "status": None})
    ({'spec': {'image': None}}, {'spec': {}, 'status': None})
    """
    plain, may_have_nulls = _plain_and_nulls(value)
    return _without_nothing(plain, value) if may_have_nulls else plain


def _plain_and_nulls(value: object) -> tuple[Any, bool]:
    try:
        text = msgspec.json.encode(value)
    except (TypeError, ValueError):
        return to_plain(value), True  # a type that msgspec does not know, such as a pydantic model
    return msgspec.json.decode(text), b"null" in text


def _without_nothing(plain: Any, value: object) -> Any:
    if isinstance(plain, dict):
        if isinstance(value, Mapping):
            return {name: _without_nothing(part, value.get(name)) for name, part in plain.items()}
        python_type: type = type(value)
        fields = _fields_of(python_type)
        return {
            name: _without_nothing(part, getattr(value, fields[name][0]) if name in fields else None)
            for name, part in plain.items()
            if part is not None or name not in fields or not fields[name][1]
        }
    if isinstance(plain, list) and isinstance(value, list | tuple) and len(value) == len(plain):
        return [_without_nothing(part, one) for part, one in zip(plain, value, strict=True)]
    return plain


@cache
def _fields_of(python_type: type) -> Mapping[str, tuple[str, bool]]:
    """Return the fields of a class by the names in which they travel: their own names, and whether None is theirs."""
    if issubclass(python_type, msgspec.Struct):
        return {each.encode_name: (each.name, each.default is None) for each in msgspec.structs.fields(python_type)}
    if dataclasses.is_dataclass(python_type):
        return {each.name: (each.name, each.default is None) for each in dataclasses.fields(python_type)}
    return {each.name: (each.name, each.default is None) for each in getattr(python_type, "__attrs_attrs__", ())}


def with_changes(raw: Any, before: Any, after: Any, value: object = None) -> Any:
    """
    Return `raw` with what differs between `before` and `after`; none of them is changed.

    >>> raw = {"size": 1, "unknown": True, "ports": [{"port": 80, "weight": 3}]}
    >>> with_changes(raw, {"size": 1, "ports": [{"port": 80}]}, {"size": 2, "ports": [{"port": 81}]})
    {'size': 2, 'unknown': True, 'ports': [{'port': 81, 'weight': 3}]}

    Shape   `value` is the object that `after` was made of: where that leaves a part out, it tells one that is as by
            default, and keeps what its type does not know, from one that is gone.
    """
    if equal(before, after):
        return raw
    if isinstance(after, Mapping) and isinstance(raw, Mapping):
        return _mapping(raw, before if isinstance(before, Mapping) else {}, after, value)
    if isinstance(after, list) and isinstance(raw, list) and isinstance(before, list) and len(raw) == len(before):
        return _list(raw, before, after, value)
    return after


def _mapping(raw: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], value: object) -> Plain:
    changed = dict(raw)
    for name in before:
        if name not in after:
            left = _left(raw.get(name), before[name], _part(value, name))
            if left:
                changed[name] = left
            else:
                changed.pop(name, None)
    for name, wanted in after.items():
        if name not in before or not equal(before[name], wanted):
            changed[name] = with_changes(raw.get(name), before.get(name), wanted, _part(value, name))
    return changed


def _left(raw: Any, before: Any, value: object) -> Any:
    """Return what stays of a part that its type does not write: what the type does not know, if the part is there."""
    if value is None or not isinstance(raw, Mapping) or not isinstance(before, Mapping):
        return None
    return _mapping(raw, before, {}, value)


def _part(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return value.get(name)
    try:
        return value_at(value, name) if "." not in name else None
    except ValueError:
        return None


def _list(raw: list[Any], before: list[Any], after: list[Any], value: object) -> list[Any]:
    if not any(isinstance(item, Mapping | list) for item in after):
        return after
    found = dict(_pairs(before, after))
    values = value if isinstance(value, Sequence) and len(value) == len(after) else [None] * len(after)
    return [
        with_changes(raw[found[at]], before[found[at]], item, values[at]) if at in found else item
        for at, item in enumerate(after)
    ]


def _pairs(before: list[Any], after: list[Any]) -> Iterator[tuple[int, int]]:
    """Yield which item of `after` was which of `before`: by their names; else the same ones, and those in one place."""
    old_names, new_names = ([_name(item) for item in items] for items in (before, after))
    if None not in old_names and len(set(old_names)) == len(old_names) and len(set(new_names)) == len(new_names):
        places = {name: at for at, name in enumerate(old_names)}
        yield from ((at, places[name]) for at, name in enumerate(new_names) if name in places)
        return
    from difflib import SequenceMatcher  # noqa: PLC0415  # few lists come to this

    old_texts, new_texts = ([_text(item) for item in items] for items in (before, after))
    for tag, old, old_end, new, new_end in SequenceMatcher(None, old_texts, new_texts, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(range(new, new_end), range(old, old_end), strict=True)
        elif tag == "replace":
            yield from _changed_pairs(before, after, range(old, old_end), range(new, new_end))


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _changed_pairs(before: list[Any], after: list[Any], old: range, new: range) -> Iterator[tuple[int, int]]:
    if len(old) == len(new):
        yield from ((at, was) for at, was in zip(new, old, strict=True) if _name(after[at]) == _name(before[was]))


def _name(item: Any) -> tuple[str, Any] | None:
    if isinstance(item, Mapping):
        for field in _NAMES:
            if isinstance(item.get(field), str):
                return field, item[field]
    return None


def equal(one: Any, other: Any) -> bool:
    """
    Whether two plain values are the same JSON; `True` is not 1, and null is not nothing.

    >>> equal({"a": [1]}, {"a": [1]}), equal(True, 1), equal({"a": None}, {})
    (True, False, False)
    """
    return bool(one == other) and _text(one) == _text(other)


def merged(raw: Any, patch: Any) -> Any:
    """
    Return a value with a merge patch (RFC 7386) applied.

    >>> merged({"a": 1, "b": {"c": 1, "d": 2}}, {"a": None, "b": {"c": 3}})
    {'b': {'c': 3, 'd': 2}}
    """
    if not isinstance(patch, Mapping):
        return patch
    result = dict(raw) if isinstance(raw, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def operations(raw: Any, wanted: Any, path: str = "") -> list[Operation]:
    """
    Return the JSON patch (RFC 6902) that makes `wanted` of `raw`; empty where they are the same.

    >>> operations({"a/b": 1, "c": [1, 2]}, {"a/b": 2, "c": [1, 2, 3]})
    [{'op': 'replace', 'path': '/a~1b', 'value': 2}, {'op': 'add', 'path': '/c/2', 'value': 3}]
    """
    return list(_operations(raw, wanted, path))


def _operations(raw: Any, wanted: Any, path: str) -> Iterator[Operation]:
    if equal(raw, wanted):
        return
    if isinstance(raw, Mapping) and isinstance(wanted, Mapping):
        for name in raw.keys() - wanted.keys():
            yield {"op": "remove", "path": f"{path}/{_escaped(name)}"}
        for name, value in wanted.items():
            here = f"{path}/{_escaped(name)}"
            if name in raw:
                yield from _operations(raw[name], value, here)
            else:
                yield {"op": "add", "path": here, "value": value}
    elif isinstance(raw, list) and isinstance(wanted, list) and len(raw) <= len(wanted):
        for at, value in enumerate(raw):
            yield from _operations(value, wanted[at], f"{path}/{at}")
        for at in range(len(raw), len(wanted)):
            yield {"op": "add", "path": f"{path}/{at}", "value": wanted[at]}
    else:
        yield {"op": "replace", "path": path, "value": wanted}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
