"""
Objects as plain JSON values: turn a body into one, find the value at a path, compare two.

A server adds defaults and others add fields of theirs, so an object is never equal to what was wanted of it. `lacking`
therefore compares the fields that are wanted, and no others. Nothing here knows the types of fields: texts that mean
the same (quantities such as `1` and `1000m`) differ, as do an empty map or list and none. So "they are the same" is
always right.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Any, Final

import msgspec

from ctrlkit.model.pydantic_models import dump_plain, is_model, model_fields

_SIMPLE: Final = frozenset({str, int, bool, float, NoneType})
"""Types of values that are plain as they are."""


def to_plain(body: object) -> Any:
    """
    Return a deep copy of a body as dicts, lists, strings, numbers, booleans and None.

    >>> to_plain({"data": ("a", 1)})
    {'data': ['a', 1]}

    Accepts Mappings and Sequences, msgspec Structs and dataclasses (defaults left out where the type says so), and the
    models of the `kubernetes` package: those with an `attribute_map`, and those that dump by alias.
    Errors  TypeError naming the type, for anything else.
    """
    kind = type(body)
    if kind in _SIMPLE or isinstance(body, str | int | float):
        return body
    if kind is dict:
        fields: dict[object, object] = body  # type: ignore[assignment]
        return {str(key): value if type(value) in _SIMPLE else to_plain(value) for key, value in fields.items()}
    match body:
        case Mapping():
            return {str(key): to_plain(value) for key, value in body.items()}
        case msgspec.Struct():
            return msgspec.to_builtins(body, enc_hook=_part_to_plain)
        case Sequence() if not isinstance(body, bytes | bytearray):
            return [to_plain(item) for item in body]
    return _model_to_plain(body)


def _model_to_plain(body: object) -> Any:
    if is_model(type(body)):
        return to_plain(dump_plain(body))
    attribute_map = getattr(body, "attribute_map", None)
    if isinstance(attribute_map, Mapping):
        values = ((wire_name, getattr(body, name)) for name, wire_name in attribute_map.items())
        return {wire_name: to_plain(value) for wire_name, value in values if value is not None}
    return msgspec.to_builtins(body, enc_hook=_part_to_plain)


def _part_to_plain(part: object) -> Any:
    """What msgspec does not know by itself, such as the views of mappings that objects of a cache have."""
    is_known = isinstance(part, Mapping | Sequence) or is_model(type(part))
    if is_known or isinstance(getattr(part, "attribute_map", None), Mapping):
        return to_plain(part)
    raise TypeError(
        f"a body of type {type(part).__name__} cannot be sent: "
        "pass a dict, a msgspec Struct, a dataclass or a kubernetes model"
    )


def value_at(value: Any, path: str) -> Any:
    """
    Return the value at a dotted path of JSON field names; None where a part of it is missing.

    >>> class Status(msgspec.Struct):
    ...     pod_ip: str = msgspec.field(name="podIP")
    >>> value_at({"status": Status("10.0.0.1")}, "status.podIP"), value_at({"spec": None}, "spec.nodeName")
    ('10.0.0.1', None)

    Shape   Works on dicts, msgspec Structs, dataclasses, attrs classes and pydantic models alike.
    Errors  ValueError where a type does not have the field, and so did not decode it.
    """
    for name in path.split("."):
        match value:
            case None:
                return None
            case dict() | Mapping():
                value = value.get(name)
            case _ if has_fields(value):
                python_type: type = type(value)
                value = getattr(value, _attribute(python_type, name, path))
            case _:
                return None
    return value


def has_fields(value: Any) -> bool:
    """
    Whether a value is of a class of fields: a Struct, a dataclass, an attrs class or a pydantic model.

    >>> class Status(msgspec.Struct):
    ...     phase: str
    >>> has_fields(Status("Ready")), has_fields({"phase": "Ready"})
    (True, False)
    """
    kind = type(value)
    return (
        isinstance(value, msgspec.Struct)
        or dataclasses.is_dataclass(value)
        or is_model(kind)
        or hasattr(kind, "__attrs_attrs__")
    )


@cache
def _attribute(python_type: Any, name: str, path: str) -> str:
    if issubclass(python_type, msgspec.Struct):
        names = {field.encode_name: field.name for field in msgspec.structs.fields(python_type)}
    elif is_model(python_type):
        names = model_fields(python_type)
    else:
        fields = getattr(python_type, "__attrs_attrs__", None) or dataclasses.fields(python_type)
        names = {field.name: field.name for field in fields}
    if name not in names:
        raise ValueError(f"field {path}: {python_type.__name__} does not decode {name!r}; add it, or select otherwise")
    return names[name]


def digest(value: object) -> str:
    """
    Return twelve characters that stand for a value, such as a configuration whose change is to roll pods.

    >>> digest({"a": "1", "b": "2"}) == digest({"b": "2", "a": "1"}), digest({"a": "1"}) == digest({"a": "2"})
    (True, False)
    """
    text = msgspec.json.encode(to_plain(value), order="deterministic")
    return hashlib.blake2b(text, digest_size=6).hexdigest()


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
    Return the fields of `wanted` that `have` lacks, as a merge patch (RFC 7386); empty where it has them all.

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
