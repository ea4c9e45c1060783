"""What a caller may hand over as an object, turned into plain JSON data that nobody else holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


def to_plain(body: object) -> Any:
    """
    A deep copy of a body as dicts, lists, strings, numbers, booleans and None.

    >>> to_plain({"data": ("a", 1)})
    {'data': ['a', 1]}

    Accepts Mappings and Sequences, msgspec Structs and dataclasses (defaults left out where the type says so), and the
    models of the `kubernetes` package: those with an `attribute_map`, and those that dump by alias.
    Errors  TypeError naming the type, for anything else.
    """
    match body:
        case None | bool() | int() | float() | str():
            return body
        case Mapping():
            return {str(key): to_plain(value) for key, value in body.items()}
        case msgspec.Struct():
            return msgspec.to_builtins(body)
        case Sequence() if not isinstance(body, bytes | bytearray):
            return [to_plain(item) for item in body]
    return _model_to_plain(body)


def _model_to_plain(body: object) -> Any:
    model_dump = getattr(body, "model_dump", None)
    if callable(model_dump):
        return to_plain(model_dump(by_alias=True, exclude_none=True))
    attribute_map = getattr(body, "attribute_map", None)
    if isinstance(attribute_map, Mapping):
        values = ((wire_name, getattr(body, name)) for name, wire_name in attribute_map.items())
        return {wire_name: to_plain(value) for wire_name, value in values if value is not None}
    try:
        return msgspec.to_builtins(body)
    except TypeError:
        raise TypeError(
            f"a body of type {type(body).__name__} cannot be sent: "
            "pass a dict, a msgspec Struct, a dataclass or a kubernetes model"
        ) from None
