"""
Strategic merge patches, as Kubernetes merges them: lists by their keys, and by directives.

`$patch` replaces or deletes what it stands in, `$retainKeys` names the fields that stay, `$setElementOrder/...` orders
a list and `$deleteFromPrimitiveList/...` takes values out of one. New items come before those that are there, unless an
order says otherwise. What the server says of a patch that it cannot carry out is a failure of the server (500), as it
is there, but for a malformed directive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ctrlkit.errors import ApiError, Invalid
from ctrlkit.fakes.tracker.refusals import bad_request, plain_failure
from ctrlkit.fakes.tracker.schema.depth import encode
from ctrlkit.fakes.tracker.schema.go_text import decoded_type, go_text
from ctrlkit.fakes.tracker.schema.types import PLAIN, Shape, child

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder"
_REMOVE = "$deleteFromPrimitiveList"

Plain = dict[str, Any]


def strategic_merge(target: Mapping[str, Any], patch: Mapping[str, Any], shape: Shape) -> Plain:
    """
    Merge a patch into an object. The inputs are not changed.

    >>> from ctrlkit.fakes.tracker.schema.types import Field, Shape
    >>> shape = Shape({"env": Field(merge_key="name")})
    >>> strategic_merge({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B", "value": "2"}]}, shape)
    {'env': [{'name': 'B', 'value': '2'}, {'name': 'A', 'value': '1'}]}

    Errors  BadRequest for a malformed directive, ApiError 500 or Invalid for what cannot be merged.
    """
    if _DIRECTIVE in patch:
        return _directed(patch)
    merged = _retained(target, patch)
    done = _put_in_order(merged, patch, shape)
    for name, value in patch.items():
        if name not in done and name != _RETAIN and not name.startswith(_ORDER):
            _merge_field(merged, name, value, shape)
    return merged


def _directed(patch: Mapping[str, Any]) -> Plain:
    match patch[_DIRECTIVE]:
        case "replace":
            return {name: value for name, value in patch.items() if name != _DIRECTIVE}
        case "delete":
            return {}
    raise _unknown_directive(patch)


def _retained(target: Mapping[str, Any], patch: Mapping[str, Any]) -> Plain:
    """A copy of the object with the fields that `$retainKeys` names, all if it is not there."""
    if _RETAIN not in patch:
        return dict(target)
    named = patch[_RETAIN]
    given = (name for name, value in patch.items() if value is not None and not name.startswith((_ORDER, _REMOVE)))
    if not isinstance(named, list) or any(name not in named for name in given if name != _RETAIN):
        raise bad_request("invalid patch format of retainKeys")
    return {name: value for name, value in target.items() if name in named}


def _merge_field(merged: Plain, name: str, value: Any, shape: Shape) -> None:
    is_removal = name.startswith(_REMOVE)
    if is_removal:
        name = _named_by(name, _REMOVE, "primitive list")
    have = merged.get(name)
    if value is None:
        merged.pop(name, None)
    elif name in merged and isinstance(have, dict) and isinstance(value, dict) and not is_removal:
        merged[name] = strategic_merge(have, value, child(shape, name))
    elif name in merged and isinstance(have, list) and isinstance(value, list):
        merged[name] = _merge_values(have, value, name, shape, is_removal=is_removal)
    elif not is_removal:
        _put_new(merged, name, value)


def _put_new(merged: Plain, name: str, value: Any) -> None:
    """Put a value where there is none of its type; it stays out if it is nothing but a directive."""
    kept = _bare(value)
    if kept is _NOTHING:
        merged.pop(name, None)
    else:
        merged[name] = kept


_NOTHING = object()


def _bare(value: Any) -> Any:
    """A new value without nulls in its objects, and without what has a directive."""
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return _NOTHING
        kept = {
            name: _bare(inner) if isinstance(inner, (dict, list)) else inner
            for name, inner in value.items()
            if inner is not None
        }
        return {name: inner for name, inner in kept.items() if inner is not _NOTHING}
    if isinstance(value, list):
        return [one for one in map(_bare, value) if one is not _NOTHING]
    return value


def _merge_values(have: list[Any], patch: list[Any], name: str, shape: Shape, *, is_removal: bool) -> list[Any]:
    key = _merge_key(shape, name)
    if is_removal:
        _kind_of(have, patch)
        gone = {_hashable(item) for item in patch}
        return [item for item in have if _hashable(item) not in gone]
    return patch if key is None else merge_lists(have, patch, key, child(shape, name))


def merge_lists(have: list[Any], patch: list[Any], key: str, shape: Shape = PLAIN) -> list[Any]:
    """Items of a patch merged into a list by their key, or as a set for the key ""; new ones come first."""
    if not have and not patch:
        return have
    if not _kind_of(have, patch):
        merged = list({_hashable(item): item for item in reversed([*have, *patch])}.values())[::-1]
        return _ordered(merged, patch, have, "")
    if not key:
        raise plain_failure("cannot merge lists without merge key for ")
    have, patch = _without_directives(have, patch, key)
    merged = list(have)
    places = {_hashable(one[key]): index for index, one in reversed(list(enumerate(merged))) if key in one}
    for item in patch:
        place = places.setdefault(_key_of(item, key), len(merged))
        if place == len(merged):
            merged.append(item)
        else:
            merged[place] = strategic_merge(merged[place], item, shape)
    return _ordered(merged, patch, have, key)


def _without_directives(have: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Delete what the patch says, or all if it replaces the list; return both lists without directives."""
    plain = [item for item in patch if _DIRECTIVE not in item]
    is_replaced = False
    for item in patch:
        match item.get(_DIRECTIVE, _NOTHING):
            case "delete":
                name = _key_of(item, key)
                have = [one for one in have if not _is_named(one, key, name)]
            case "replace":
                is_replaced = True
            case "merge":
                raise plain_failure("merging lists cannot yet be specified in the patch")
            case other if other is not _NOTHING:
                raise _unknown_directive(item)
    return (plain, []) if is_replaced else (have, plain)


# ---- order ----------------------------------------------------------------------------------------------------------


def _put_in_order(merged: Plain, patch: Mapping[str, Any], shape: Shape) -> list[str]:
    """Merge and order the lists that have a `$setElementOrder`, in place; return their names."""
    names = []
    for directive, order in patch.items():
        if not directive.startswith(_ORDER):
            continue
        name = _named_by(directive, _ORDER, "setElementOrder list")
        for value in (order, merged.get(name, []), patch.get(name, [])):
            if not isinstance(value, list):
                raise plain_failure(f"expected a []interface {{}}, but received a {decoded_type(value)}")
        _check_is_list(shape, name)
        key = _merge_key(shape, name)
        _check_order(patch.get(name, []), order, key or "")
        if name in merged and name in patch:
            found = _merge_values(merged[name], patch[name], name, shape, is_removal=False)
        elif name in merged or name in patch:
            found = merged[name] if name in merged else _bare(patch[name])
        else:
            continue
        _kind_of(merged.get(name, []), patch.get(name, []), must_have_one=True)
        if key and (place := next((at for at, one in enumerate(order) if not isinstance(one, dict)), None)) is not None:
            raise plain_failure(f"value for key {place} is not a map")
        live = _as_left(merged.get(name, []), patch.get(name, []), key) if key else merged.get(name, [])
        merged[name] = _ordered(found, order, live, key or "")
        names.append(name)
    return names


def _as_left(have: list[Any], patch: list[Any], key: str) -> list[Any]:
    """
    The list as the server looks at it when it orders: without what the patch deletes.

    As many new items as are deleted take the places at its end; the others are in no place.
    """
    gone = {_key_of(item, key) for item in patch if _DIRECTIVE in item}
    left = [item for item in have if _key_of(item, key) not in gone]
    known = {_key_of(item, key) for item in left}
    new = [item for item in patch if _DIRECTIVE not in item and _key_of(item, key) not in known]
    return [*left, *new[: len(have) - len(left)]]


def _check_is_list(shape: Shape, name: str) -> None:
    """Refuse an order for a field that is no list, or that the type does not have."""
    field = shape.get(name)
    if field is None and shape:
        raise plain_failure(
            f'unable to find api field in struct {shape.name.rpartition(".")[2]} for the json field "{name}"'
        )
    if field is not None and not field.word.startswith("[]"):
        raise plain_failure("expected slice or array type, but got: struct")


def _named_by(directive: str, prefix: str, what: str) -> str:
    """The field that a directive is about."""
    start, slash, name = directive.partition("/")
    if start != prefix or not slash:
        raise bad_request(f"invalid patch format of {what}")
    return name


def _check_order(items: list[Any], order: list[Any], key: str) -> None:
    """Refuse items of a patch that its order does not name, or in another order."""
    if not items or not order:
        return
    wanted = [item for item in items if not (isinstance(item, dict) and _DIRECTIVE in item)]
    place = 0
    for one in order:
        if place < len(wanted) and _name_of(wanted[place], key) == _name_of(one, key):
            place += 1
    if place < len(wanted):
        raise plain_failure(
            f"The order in patch list:\n{go_text(items)}\n doesn't match $setElementOrder list:\n{go_text(order)}\n"
        )


def _ordered(items: list[Any], order: Sequence[Any], live: Sequence[Any], key: str) -> list[Any]:
    """
    Items in the order given; those that it does not name keep the order they have in `live`.

    Of two items, one named and one not, that which stands first in `live` comes first, and a named one that is not in
    `live` before any other.
    """
    wanted = _places(order, key)
    known = _places(live, key)
    pairs = [(_name_of(one, key), one) for one in items]
    named = deque(sorted([pair for pair in pairs if pair[0] in wanted], key=lambda pair: wanted[pair[0]]))
    last = len(known)
    others = deque(sorted([pair for pair in pairs if pair[0] not in wanted], key=lambda pair: known.get(pair[0], last)))
    merged: list[tuple[Any, Any]] = []
    while others and named:
        place, other = known.get(others[0][0]), known.get(named[0][0])
        is_first = place is not None and other is not None and place < other
        merged.append((others if is_first else named).popleft())
    return [one for _, one in (*merged, *named, *others)]


def _places(items: Sequence[Any], key: str) -> dict[Any, int]:
    return {_name_of(item, key): index for index, item in reversed(list(enumerate(items)))}


# ---- items ----------------------------------------------------------------------------------------------------------


def _name_of(item: Any, key: str) -> Any:
    return _key_of(item, key) if key else _hashable(item)


def _key_of(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        raise plain_failure(f"expected a map[string]interface {{}}, but received a {decoded_type(item)}")
    if key not in item:
        raise plain_failure(f"map: {go_text(item)} does not contain declared merge key: {key}")
    value = item[key]
    return (str, value) if type(value) is str else _hashable(value)


def _is_named(item: Any, key: str, name: Any) -> bool:
    return key in item and _hashable(item[key]) == name


def _kind_of(*lists: list[Any], must_have_one: bool = False) -> bool:
    """Whether items are objects. Errors: ApiError 500 if they differ in type, Invalid if they are lists."""
    types = [decoded_type(item) for items in lists for item in items]
    if not types and must_have_one:
        raise plain_failure("no elements in any of the given slices")
    if types and types[0].startswith("[]"):
        raise Invalid("lists of lists are not supported", details={})
    if any(one != types[0] for one in types):
        raise plain_failure(f"list element types are not identical: [{' '.join(map(go_text, lists))}]")
    return bool(types) and types[0].startswith("map")


def _hashable(value: Any) -> Any:
    """A hashable value that identifies an item of a list."""
    return encode(value) if isinstance(value, (dict, list)) else (type(value), value)


def _merge_key(shape: Shape, name: str) -> str | None:
    field = shape.get(name)
    return field.merge_key if field else None


def _unknown_directive(item: Mapping[str, Any]) -> ApiError:
    given = item[_DIRECTIVE]
    shown = given if isinstance(given, str) else f"%!s({decoded_type(given)}={go_text(given)})"
    return plain_failure(f"unknown patch type: {shown} in map: {go_text(item)}")
