"""Constraints on Python types as a schema has them: of msgspec.Meta, annotated-types, pydantic's Field and attrs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

import msgspec

from ctrlkit.model.schema import Rule, Schema

_NUMBER: Final = {"ge": "minimum", "le": "maximum", "multiple_of": "multipleOf"}
_TEXT: Final = {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}
_BOUNDS: Final[Mapping[str, Mapping[str, str]]] = {
    "string": _TEXT,
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
    "number": _NUMBER,
    "integer": _NUMBER,
    "integer or string": {**_NUMBER, **_TEXT},
}
"""What constraints on Python types are called in a schema, by its type."""

_OF_NUMBERS: Final = ("number", "integer", "integer or string")
_COMPARED: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}

_ORDER: Final = (
    *("description", "type", "format", "nullable", "default", "enum", "pattern"),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    *("required", "properties", "additionalProperties", "items", "allOf", "anyOf", "oneOf", "not"),
)


def constrain(schema: dict[str, Any], annotations: Sequence[Any]) -> None:
    """Add what annotations say of a value; each has its limits as attributes."""
    kind = "integer or string" if schema.get("x-kubernetes-int-or-string") else schema.get("type", "")
    for one in annotations:
        if isinstance(one, (str, Schema)):
            continue
        schema |= _bounds(one, kind, schema)
        if getattr(one, "one_of", None):
            schema["enum"] = list(one.one_of)
        if getattr(getattr(one, "encoder", None), "__name__", "") == "Base64Encoder":
            schema["format"] = "byte"
        description = getattr(one, "description", None) or getattr(one, "documentation", None)
        if isinstance(description, str):
            schema["description"] = description
        if isinstance(one, msgspec.Meta) and one.extra_json_schema:
            schema |= one.extra_json_schema


def _bounds(annotation: Any, kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute, name in _BOUNDS.get(kind, {}).items():
        limit = getattr(annotation, attribute, None)
        if limit is not None and not (name == "minLength" and limit == 0):
            found[name] = _plain_limit(limit, schema)
    for attribute, bound in (("gt", "minimum"), ("lt", "maximum")) if kind in _OF_NUMBERS else ():
        limit = getattr(annotation, attribute, None)
        if limit is not None:
            found |= {bound: _plain_limit(limit, schema), f"exclusive{bound.capitalize()}": True}
    return found


def _plain_limit(limit: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(limit, re.Pattern):
        return limit.pattern
    if schema.get("format") == "byte" and isinstance(limit, int):
        return 4 * ((limit + 2) // 3)  # base64 has four letters for three bytes
    return float(limit) if isinstance(limit, Decimal) else limit


def decimal_rules(annotations: Sequence[Any]) -> tuple[Rule, ...]:
    """
    Return limits on a Decimal as rules: it travels as text, of which a schema compares nothing.

    >>> decimal_rules([msgspec.Meta(ge=1)])[0].rule
    'double(self) >= 1.0'
    """
    return tuple(
        Rule(rule=f"double(self) {sign} {float(limit)!r}", message=f"must be {sign} {limit}")
        for one in annotations
        for attribute, sign in _COMPARED.items()
        if (limit := getattr(one, attribute, None)) is not None
    )


def limits_of_validator(validator: Any) -> Iterator[SimpleNamespace]:
    """Yield what a validator of attrs asks of a value, as far as a schema can say it."""
    for inner in getattr(validator, "_validators", ()):
        yield from limits_of_validator(inner)
    name = type(validator).__name__
    if name == "_OptionalValidator":
        yield from limits_of_validator(validator.validator)
    elif name == "_NumberValidator":
        words = {sign: attribute for attribute, sign in _COMPARED.items()}
        yield SimpleNamespace(**{words[validator.compare_op]: validator.bound})
    elif name in ("_MaxLengthValidator", "_MinLengthValidator"):
        found = {attribute: getattr(validator, attribute, None) for attribute in ("min_length", "max_length")}
        yield SimpleNamespace(**found)
    elif name == "_InValidator" and isinstance(validator.options, (list, tuple)):
        yield SimpleNamespace(one_of=validator.options)
    elif name == "_MatchesReValidator":
        pattern, is_whole = validator.pattern.pattern, "fullmatch" in str(validator.match_func)
        yield SimpleNamespace(pattern=f"^(?:{pattern})$" if is_whole else pattern)


def ordered(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with its parts in one order."""
    rest = sorted(schema.keys() - set(_ORDER))
    return {name: schema[name] for name in (*_ORDER, *rest) if name in schema}
