"""
Server-side apply, for controllers that apply their own objects.

Each field manager's last applied fields are remembered beside the object. Applying again sets the fields given, lists
by their keys where the kind has such, and removes what the same manager applied before and no longer gives, unless
another manager applies it too. What is not here yet: conflicts between managers (an apply always wins, as with force),
ownership through updates, and `metadata.managedFields`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.model import Action
from fakes.tracker import metadata
from fakes.tracker.core import Core
from fakes.tracker.creating import make
from fakes.tracker.refusals import Cause, bad_request, invalid_options
from fakes.tracker.registry import Served
from fakes.tracker.shapes import Field, Shape, child, shape_of
from fakes.tracker.store import Stored
from fakes.tracker.updating import replace

_NO_FIELD = Field()

Step = str | tuple[tuple[str, Any], ...]
"""A field's name, or the keys and values that pick an item of a list."""

Path = tuple[Step, ...]


def apply(core: Core, served: Served, action: Action) -> Stored:
    """
    Carry out an apply: make the object where it is missing, else bring the manager's fields to what is given.

    Errors  Invalid without a field manager; BadRequest for managedFields or another name than the URL's; all of update.
    """
    wanted = _wanted(served, action)
    manager = action.options.field_manager
    current = core.find(served, action.key)
    if current is None:
        return make(core, served, action, action.body, {manager: wanted})
    shape = shape_of(served.resource)
    before = current.applied.get(manager)
    merged = _merge(current.plain, wanted, shape)
    if before is not None:
        kept = set(paths(wanted, shape))
        for other, theirs in current.applied.items():
            if other != manager:
                kept.update(paths(theirs, shape))
        for path in sorted(set(paths(before, shape)) - kept, key=len, reverse=True):
            merged = _without(merged, path)
    meta = merged["metadata"] | {"name": action.name}
    given = (action.body.get("metadata") or {}).get("resourceVersion")
    merged["metadata"] = meta | ({"resourceVersion": given} if given else {})
    return replace(core, served, action, current, merged, applied={**current.applied, manager: wanted})


def _wanted(served: Served, action: Action) -> dict[str, Any]:
    if not action.options.field_manager:
        text = "is required for apply patch"
        raise invalid_options("PatchOptions", Cause.required("fieldManager", text))
    body = action.body
    if not isinstance(body, Mapping):
        raise bad_request("error decoding patch: an apply patch is an object")
    metadata.check_kind(served.resource, body, custom=served.custom)
    meta = body.get("metadata") or {}
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if meta.get("name", action.name) != action.name:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({action.name})")
    wanted = {name: value for name, value in body.items() if name not in ("kind", "apiVersion", "metadata")}
    if served.has_status and action.subresource != "status":
        wanted.pop("status", None)
    owned = ("labels", "annotations", "finalizers", "ownerReferences")
    wanted["metadata"] = {name: meta[name] for name in owned if meta.get(name)}
    return copy.deepcopy(wanted)


def _merge(live: Any, wanted: Any, shape: Shape) -> Any:
    """The live object with the wanted fields in place; lists with keys are merged by them, others replaced."""
    if not isinstance(wanted, Mapping):
        return wanted
    merged = dict(live) if isinstance(live, Mapping) else {}
    for name, value in wanted.items():
        field = shape.get(name, _NO_FIELD)
        if isinstance(value, list) and (field.map_keys or field.is_set):
            merged[name] = _merge_list(merged.get(name) or [], value, field, child(shape, name))
        elif field.atomic:
            merged[name] = value
        else:
            merged[name] = _merge(merged.get(name), value, child(shape, name))
    return merged


def _merge_list(live: list[Any], wanted: list[Any], field: Field, shape: Shape) -> list[Any]:
    if field.is_set:
        return [*live, *(item for item in wanted if item not in live)]
    merged = list(live)
    for item in wanted:
        keys = _item_keys(item, field)
        place = next((index for index, old in enumerate(merged) if _item_keys(old, field) == keys), None)
        if place is None:
            merged.append(item)
        else:
            merged[place] = _merge(merged[place], item, shape)
    return merged


def _item_keys(item: Mapping[str, Any], field: Field) -> tuple[tuple[str, Any], ...]:
    defaults = {"protocol": "TCP"}  # the one list key with a default in the kinds served
    return tuple((key, item.get(key, defaults.get(key))) for key in field.map_keys)


def paths(value: Any, shape: Shape, path: Path = ()) -> Iterator[Path]:
    """
    The paths of all that a manager owns by applying a value: its leaves, and the items of lists with keys.

    >>> list(paths({"data": {"a": "1"}, "l": ["x"]}, {}))
    [('data', 'a'), ('l',)]
    """
    for name, inner in value.items():
        field = shape.get(name, _NO_FIELD)
        here = (*path, name)
        if isinstance(inner, list) and field.is_set:
            yield from ((*here, (("", item),)) for item in inner)
        elif isinstance(inner, list) and field.map_keys:
            for item in inner:
                keys = _item_keys(item, field)
                yield (*here, keys)
                rest = {key: one for key, one in item.items() if key not in field.map_keys}
                yield from paths(rest, child(shape, name), (*here, keys))
        elif isinstance(inner, Mapping) and inner and not field.atomic:
            yield from paths(inner, child(shape, name), here)
        else:
            yield here


def _without(value: Any, path: Path) -> Any:
    """A copy without what is at a path; maps and lists that end up empty by it go, too."""
    step, rest = path[0], path[1:]
    if isinstance(step, tuple):
        if not isinstance(value, list):
            return value
        picked = [item for item in value if _is_picked(item, step)]
        others = [item for item in value if not _is_picked(item, step)]
        if not rest:
            return others
        return [_without(item, rest) if item in picked else item for item in value]
    if not isinstance(value, Mapping) or step not in value:
        return value
    inner = _without(value[step], rest) if rest else None
    if inner in (None, {}, []):
        return {name: one for name, one in value.items() if name != step}
    return {**value, step: inner}


def _is_picked(item: Any, keys: tuple[tuple[str, Any], ...]) -> bool:
    if keys[0][0] == "":
        return bool(item == keys[0][1])
    defaults = {"protocol": "TCP"}
    return isinstance(item, Mapping) and all(item.get(key, defaults.get(key)) == value for key, value in keys)
