"""Rules of lists and maps that merge by their content: `x-kubernetes-list-type` and `x-kubernetes-map-type`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.internal import go_json, internal_items

_LIST, _MAP, _KEYS = "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys"


def map_causes(node: Object, path: str) -> Iterator[Cause]:
    """Check how the fields of an object merge."""
    how = node.get(_MAP)
    if how is None:
        return
    yield from _type_causes(node, path, "object", _MAP)
    if how not in ("atomic", "granular"):
        yield Cause.unsupported(f"{path}.{_MAP}", how, ("atomic", "granular"))


def list_causes(node: Object, path: str) -> Iterator[Cause]:
    """Check how the items of a list merge."""
    how, keys, items = node.get(_LIST), node.get(_KEYS) or [], node.get("items")
    if how is not None and node.get("type") != "array":
        yield from _type_causes(node, path, "array", _LIST)
    elif how == "set" and isinstance(items, Mapping):
        yield from _member_causes(items, f"{path}.items")
    if how not in (None, "atomic", "set", "map"):
        yield Cause.unsupported(f"{path}.{_LIST}", how, ("atomic", "set", "map"))
    if keys and how != "map":
        text = f"must be map if {_KEYS} is non-empty"
        yield Cause.required(f"{path}.{_LIST}", text) if how is None else Cause.wrong(f"{path}.{_LIST}", how, text)
    if how == "map":
        yield from _keyed_causes(node, keys, path)
    if how in ("set", "map") and isinstance(items, Mapping):
        yield from _null_causes(items, keys, f"{path}.items", how)


def _type_causes(node: Object, path: str, wanted: str, word: str) -> Iterator[Cause]:
    kind, text = node.get("type") or "", f"must be {wanted} if {word} is specified"
    if not kind:
        yield Cause.required(f"{path}.type", text)
    elif kind != wanted:
        yield Cause.wrong(f"{path}.type", kind, text)


def _member_causes(items: Object, path: str) -> Iterator[Cause]:
    """The members of a set are compared as one value."""
    text, inner = f"must be atomic as item of a list with {_LIST}=set", items.get(_LIST)
    match items.get("type"):
        case "array" if inner not in (None, "atomic"):
            yield Cause.invalid(f"{path}.{_LIST}", go_json(inner), text)
        case "object" if items.get(_MAP) != "atomic":
            yield Cause.invalid(f"{path}.{_MAP}", go_json(inner), text)


def _keyed_causes(node: Object, keys: list[str], path: str) -> Iterator[Cause]:
    """The items of a list that is a map have keys."""
    items: Any = node.get("items")
    if not keys:
        yield Cause.required(f"{path}.{_KEYS}", f"must not be empty if {_LIST} is map")
    if items is None:
        yield Cause.required(f"{path}.items", f"must have a schema if {_LIST} is map")
    elif not isinstance(items, Mapping):
        yield Cause.invalid(f"{path}.items", internal_items(items), f"must only have a single schema if {_LIST} is map")
    elif items.get("type") != "object":
        text = f"must be object if parent array's {_LIST} is map"
        yield Cause.wrong(f"{path}.items.type", items.get("type") or "", text)
    else:
        yield from _key_causes(items, keys, path)


def _key_causes(items: Object, keys: list[str], path: str) -> Iterator[Cause]:
    properties: Mapping[str, Any] = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            yield Cause.invalid(f"{path}.{_KEYS}", go_json(keys), "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            text = f"must be a scalar type if parent array's {_LIST} is map"
            yield Cause.wrong(f"{path}.items.properties[{key}].type", "object", text)
        if key in keys[:index]:
            yield Cause.invalid(f"{path}.{_KEYS}", go_json(keys), "must not contain duplicate entries")


def _null_causes(items: Object, keys: list[str], path: str, how: str) -> Iterator[Cause]:
    """What lists are told apart by is always there."""
    if items.get("nullable"):
        yield Cause.forbidden(f"{path}.nullable", f"cannot be nullable when {_LIST} is {how}")
    properties: Mapping[str, Any] = items.get("properties") or {}
    for key in keys if how == "map" else ():
        if key not in properties:
            continue
        here, said = f"{path}.properties[{key}]", f"this property is in {_KEYS}, so it"
        if key not in (items.get("required") or ()) and "default" not in properties[key]:
            yield Cause.required(f"{here}.default", f"{said} must have a default or be a required property")
        if properties[key].get("nullable"):
            yield Cause.forbidden(f"{here}.nullable", f"{said} cannot be nullable")
