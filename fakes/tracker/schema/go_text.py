"""Values as a server prints them into its messages, when it prints them as Go does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

_LARGE = 6


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
            return double_text(value)
    return str(value)


def double_text(number: float) -> str:
    """
    Return a number as the server writes it: the shortest that is read back as the same.

    >>> double_text(1.0), double_text(1234567.0), double_text(0.00001), double_text(0.5)
    ('1', '1.234567e+06', '1e-05', '0.5')
    """
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    sign, digits, point = _digits(number)
    exponent = point - 1
    if number == 0:
        return f"{sign}0"
    if exponent < -4 or exponent >= _LARGE:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    whole, part = digits[:point].ljust(point, "0"), digits[point:]
    return sign + whole + (f".{part}" if part else "")


def _digits(number: float) -> tuple[str, str, int]:
    """Return the sign, the digits, and where the point is among them."""
    mantissa, _, exponent = f"{number!r}".lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, part = mantissa.lstrip("-").partition(".")
    part = "" if part == "0" else part
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + part) - len(digits))
    return sign, digits.rstrip("0") or "0", point


def decoded_type(value: Any) -> str:
    """
    The type that Go's decoder gives to a value.

    >>> decoded_type([1]), decoded_type("a")
    ('[]interface {}', 'string')
    """
    known = _EXACT.get(type(value))
    return known or next((name for type_, name in _TYPES if isinstance(value, type_)), "[]interface {}")


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int64"),
    (float, "float64"),
    (str, "string"),
    (dict, "map[string]interface {}"),
    (type(None), "%!s(<nil>)"),
)
_EXACT: dict[type, str] = dict(_TYPES)


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


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_ESCAPES |= {"\\": "\\\\", '"': '\\"'}


def quoted(text: str) -> str:
    """
    A text as Go quotes it.

    >>> print(quoted('a "b" \\x00 é'))
    "a \\"b\\" \\x00 é"
    """
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(letter) or _printed(letter) for letter in text) + '"'


def _printed(letter: str) -> str:
    number = ord(letter)
    if letter.isprintable():
        return letter
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def shown(value: Any) -> str:
    """
    A value as a server's refusals show it: simple ones as Go prints them, others as JSON.

    >>> shown("a"), shown(1e6), shown({"b": 1, "a": None})
    ('"a"', '1e+06', '{"a":null,"b":1}')
    """
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (bool, int, float)):
        return go_text(value)
    return msgspec.json.encode(value, order="deterministic").decode()


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """
    A LabelSelector as Kubernetes' types print it.

    >>> selector_text({"matchLabels": {"b": "2", "a": "1"}})
    '&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{},}'
    >>> selector_text({"matchExpressions": [{"key": "c", "operator": "In", "values": ["x"]}]}).partition("Expr")[2]
    'essions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:c,Operator:In,Values:[x],},},}'
    """
    if selector is None:
        return "nil"
    labels = "".join(f"{name}: {value}," for name, value in sorted((selector.get("matchLabels") or {}).items()))
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{one['key']},Operator:{one['operator']},"
        f"Values:{go_text(one.get('values') or [])},}},"
        for one in selector.get("matchExpressions") or ()
    )
    given = f"MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},"
    return f"&LabelSelector{{{given}}}"
