"""Values as a server prints them into its messages, when it prints them as Go does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


def go_text(value: Any) -> str:
    """
    A value as Go prints it.

    >>> go_text({"b": [1, None], "a": True})
    'map[a:true b:[1 <nil>]]'
    """
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "<nil>"
        case Mapping():
            return f"map[{' '.join(f'{name}:{go_text(value[name])}' for name in sorted(value))}]"
        case list() | tuple():
            return f"[{' '.join(go_text(item) for item in value)}]"
        case float():
            return _go_number(value)
    return str(value)


def _go_number(value: float) -> str:
    text = f"{value!r}"
    if "e" not in text and abs(value) < 1e21:
        return text.removesuffix(".0")
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def decoded_type(value: Any) -> str:
    """
    The type that Go's decoder gives to a value.

    >>> decoded_type([1]), decoded_type("a")
    ('[]interface {}', 'string')
    """
    return next((name for type_, name in _TYPES if isinstance(value, type_)), "[]interface {}")


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int64"),
    (float, "float64"),
    (str, "string"),
    (dict, "map[string]interface {}"),
    (type(None), "%!s(<nil>)"),
)


def go_syntax(value: Any) -> str:
    """
    A value as it stands in a program in Go.

    >>> go_syntax({"a": [1, "b"]})
    'map[string]interface {}{"a":[]interface {}{1, "b"}}'
    """
    match value:
        case str():
            return msgspec.json.encode(value).decode()
        case Mapping():
            fields = ", ".join(f"{go_syntax(name)}:{go_syntax(value[name])}" for name in sorted(value))
            return f"map[string]interface {{}}{{{fields}}}"
        case list() | tuple():
            return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
        case None:
            return "interface {}(nil)"
    return go_text(value)
