"""Patches: RFC 7386 merge, RFC 6902 JSON patch, Kubernetes' strategic merge."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ctrlkit.errors import RequestEntityTooLarge
from ctrlkit.fakes.tracker.refusals import bad_request, patch_rejected
from ctrlkit.fakes.tracker.schema.depth import encode
from ctrlkit.fakes.tracker.schema.types import PLAIN, Shape, child

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_REMOVE = "$deleteFromPrimitiveList/"
_LISTS = {_RETAIN: "retainKeys", _ORDER: "setElementOrder list", _REMOVE: "primitive list"}

OPERATIONS_MAX = 10_000
COPIED_BYTES_MAX = 3 * 1024 * 1024
"""How much all operations of one JSON patch may copy."""

_UNFIT = (TypeError, KeyError, IndexError, AttributeError, ValueError)
"""What the library raises for an operation that is malformed or does not fit its target."""


def merge(target: Any, patch: Any) -> Any:
    """
    Merge as RFC 7386 does: null removes, objects merge, other values replace. The inputs are not changed.

    >>> merge({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def json_patch(target: Mapping[str, Any], operations: Any) -> Any:
    """
    Perform all operations of an RFC 6902 patch in order, or none.

    >>> json_patch({"data": {"a": "1"}}, [{"op": "replace", "path": "/data/a", "value": "2"}])
    {'data': {'a': '2'}}

    Errors  BadRequest where the patch is no list of operations, RequestEntityTooLarge where there are too many, Invalid
            where it cannot be carried out, or copies more than a request may hold.
    """
    import jsonpatch  # noqa: PLC0415  # a JSON patch is rare, its library not free to load

    if not isinstance(operations, Sequence) or isinstance(operations, str):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > OPERATIONS_MAX:
        raise RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got "
            f"{len(operations)}"
        )
    patched: Any = copy.deepcopy(target)
    copied_bytes = 0
    try:
        for operation in copy.deepcopy(operations):  # what one adds, another one may change
            if operation["op"] == "copy":
                copied_bytes += len(encode(jsonpatch.JsonPointer(operation["from"]).resolve(patched)))
                if copied_bytes > COPIED_BYTES_MAX:
                    raise patch_rejected()
            patched = jsonpatch.JsonPatch([operation]).apply(patched, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, *_UNFIT):
        raise patch_rejected() from None
    return patched


def strategic_merge(target: Mapping[str, Any], patch: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """
    Merge as Kubernetes does, by list keys and the directives `$patch`, `$retainKeys`, `$setElementOrder/...` and
    `$deleteFromPrimitiveList/...`. The inputs are not changed.

    >>> from ctrlkit.fakes.tracker.schema.types import Field, Shape
    >>> shape = Shape({"env": Field(merge_key="name")})
    >>> strategic_merge({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B", "value": "2"}]}, shape)
    {'env': [{'name': 'A', 'value': '1'}, {'name': 'B', 'value': '2'}]}
    """
    if patch.get(_DIRECTIVE) == "replace":
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    merged = dict(target)
    _check_directives(patch)
    if _RETAIN in patch:
        merged = {name: value for name, value in merged.items() if name in patch[_RETAIN]}
    for name, value in patch.items():
        if not name.startswith("$"):
            _merge_field(merged, name, value, shape)
    for name, value in patch.items():
        if name.startswith(_REMOVE):
            field = name.removeprefix(_REMOVE)
            have = merged.get(field)
            merged[field] = [item for item in have if item not in value] if isinstance(have, list) else []
        elif name.startswith(_ORDER):
            field = name.removeprefix(_ORDER)
            if isinstance(merged.get(field), list):
                merged[field] = _ordered(merged[field], value, _merge_key(shape, field))
    return merged


def _check_directives(patch: Mapping[str, Any]) -> None:
    """Refuse directives whose values are not lists."""
    for name, value in patch.items():
        for directive, what in _LISTS.items():
            if name.startswith(directive) and not isinstance(value, list):
                raise bad_request(f"invalid patch format of {what}")


def _merge_field(merged: dict[str, Any], name: str, value: Any, shape: Shape) -> None:
    if value is None:
        merged.pop(name, None)
    elif isinstance(value, Mapping):
        have = merged.get(name)
        merged[name] = strategic_merge(have if isinstance(have, Mapping) else {}, value, child(shape, name))
    elif isinstance(value, list):
        key = _merge_key(shape, name)
        have = merged.get(name)
        items = have if isinstance(have, list) else []
        merged[name] = value if key is None else merge_lists(items, value, key, child(shape, name))
    else:
        merged[name] = value


def merge_lists(have: list[Any], patch: list[Any], key: str, shape: Shape = PLAIN) -> list[Any]:
    """Items of a patch merged into a list by their key, or as a set for the key ""; new ones come last."""
    if not key:
        known = {_hashable(item) for item in have}
        return [*have, *(item for item in patch if _hashable(item) not in known)]
    if any(isinstance(item, Mapping) and item.get(_DIRECTIVE) == "replace" and key not in item for item in patch):
        return [item for item in patch if _DIRECTIVE not in item]
    merged: dict[Any, Any] = {}
    doubled = [item for item in have if merged.setdefault(_hashable(item.get(key)), item) is not item]
    for item in patch:
        if not isinstance(item, Mapping) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        name = _hashable(item[key])
        if item.get(_DIRECTIVE) == "delete":
            merged.pop(name, None)
            doubled = [old for old in doubled if _hashable(old.get(key)) != name]
        else:
            merged[name] = strategic_merge(merged.get(name, {}), item, shape)
    return [*merged.values(), *doubled]


def _hashable(value: Any) -> Any:
    """A hashable value that identifies an item of a list."""
    return encode(value) if isinstance(value, (dict, list)) else (type(value) is bool, value)


def _merge_key(shape: Shape, name: str) -> str | None:
    field = shape.get(name)
    return field.merge_key if field else None


def _ordered(items: list[Any], order: Iterable[Any], key: str | None) -> list[Any]:
    """Items in the order given; those it does not name stay behind the one they stood behind."""

    def name_of(item: Any) -> Any:
        return _hashable(item.get(key) if key and isinstance(item, Mapping) else item)

    place = {name_of(item): index for index, item in reversed(list(enumerate(order)))}
    named = sorted((item for item in items if name_of(item) in place), key=lambda item: place[name_of(item)])
    behind: dict[Any, list[Any]] = {None: []}
    last: Any = None
    for item in items:
        if name_of(item) in place:
            last = name_of(item)
            behind.setdefault(last, [])
        else:
            behind[last].append(item)
    return [*behind[None], *(one for item in named for one in (item, *behind.pop(name_of(item), ())))]
