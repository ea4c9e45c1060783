"""The value at a dotted path of an object, whatever Python type holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec


def value_at(value: Any, path: str) -> Any:
    """
    The value at a path of field names as they are on the wire; None where a part of it is missing.

    >>> class Status(msgspec.Struct):
    ...     pod_ip: str = msgspec.field(name="podIP")
    >>> value_at({"status": Status("10.0.0.1")}, "status.podIP"), value_at({"spec": None}, "spec.nodeName")
    ('10.0.0.1', None)

    Errors  ValueError where a type does not have the field: what was not decoded cannot be compared.
    """
    for name in path.split("."):
        match value:
            case None:
                return None
            case Mapping():
                value = value.get(name)
            case _ if isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value):
                python_type: type = type(value)
                value = getattr(value, _attribute(python_type, name, path))
            case _:
                return None
    return value


@cache
def _attribute(python_type: Any, name: str, path: str) -> str:
    if issubclass(python_type, msgspec.Struct):
        names = {field.encode_name: field.name for field in msgspec.structs.fields(python_type)}
    else:
        names = {field.name: field.name for field in dataclasses.fields(python_type)}
    if name not in names:
        raise ValueError(f"field {path}: {python_type.__name__} does not decode {name!r}; add it, or select otherwise")
    return names[name]
