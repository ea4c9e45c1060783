"""
Fields that are to be empty or not there, named by paths: as a merge patch takes them away. Pure.

A path is of JSON names: `spec.paused`, or ("metadata", "labels", "example.com/team") where a name has dots itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from ctrlkit.kinds.base import TypedKind
from ctrlkit.model import ObjectMeta

FieldPath = str | Sequence[str]


def field_names(path: FieldPath, wanted: object, body: Mapping[str, Any], tried: str) -> tuple[str, ...]:
    """
    Return the names of a path, after a look at the body that is wanted, and at its type if that has all fields.

    Errors  ValueError, which begins with what was tried.
    """
    names = tuple(path.split(".")) if isinstance(path, str) else tuple(path)
    shown = ".".join(names)
    if not all(names):
        raise ValueError(f"{tried}: {path!r} names no field; write one as spec.paused")
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is not None:
        raise ValueError(f"{tried}: {shown} is to be absent, and the body has it; say one of them")
    type_: Any = type(wanted) if isinstance(wanted, TypedKind) else Any
    for name in names:
        type_ = _type_below(type_, name, f"{tried}: {shown} is to be absent")
    return names


def _type_below(type_: Any, name: str, tried: str) -> Any:
    """The type of a field; Any where types do not tell the names. Errors: ValueError."""
    parts = get_args(type_) if get_origin(type_) in (Union, UnionType) else (type_,)
    if any(get_origin(one) is tuple for one in parts):
        raise ValueError(f"{tried}, and is within a list, which is replaced whole; say the list as it is to be")
    structs = [one for one in parts if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    if not structs or structs[0] is ObjectMeta:  # which has only the fields of metadata that are used
        return Any
    fields = {one.encode_name: one.type for one in msgspec.structs.fields(structs[0])}
    if name not in fields:
        raise ValueError(f"{tried}, but {structs[0].__name__} has no field {name}; it has {', '.join(sorted(fields))}")
    return fields[name]


def without(have: Mapping[str, Any], gone: Iterable[Sequence[str]]) -> dict[str, Any]:
    """
    Return the merge patch that takes fields away; empty where none of them is there.

    >>> without({"spec": {"paused": True}}, [("spec", "paused"), ("spec", "strategy", "type")])
    {'spec': {'paused': None}}
    """
    patch: dict[str, Any] = {}
    for *above, last in gone:
        there: Any = have
        for name in above:
            there = there.get(name) if isinstance(there, Mapping) else None
        if isinstance(there, Mapping) and there.get(last) is not None:
            place = patch
            for name in above:
                place = place.setdefault(name, {})
            place[last] = None
    return patch


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what two patches say together.

    >>> merged({"spec": {"replicas": 2}}, {"spec": {"paused": None}})
    {'spec': {'replicas': 2, 'paused': None}}
    """
    both = dict(one)
    for name, value in other.items():
        there = both.get(name)
        both[name] = merged(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    return both
