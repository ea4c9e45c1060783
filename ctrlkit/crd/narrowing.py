"""
What one structural schema accepts and another refuses or drops. Pure.

Lists whose order means nothing (required, enum, oneOf, anyOf, allOf) are sets here, and so is prose: a description, a
rule that is only written with other spaces. Patterns and rules are compared as text: one that is written otherwise is
told, though it may say the same.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

from ctrlkit.model.values import same

JsonSchema = Mapping[str, Any]

_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_RULES: Final = "x-kubernetes-validations"

_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER: Final = ("minimum", "minLength", "minItems", "minProperties")

_FORMATS: Final = frozenset(
    {
        *("bsonobjectid", "uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "uuid3", "uuid4", "uuid5"),
        *("isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor", "rgbcolor", "byte", "date", "duration"),
        *("datetime", "k8sshortname", "k8slongname", "int32", "float"),
    }
)
"""The formats that a server checks, without their hyphens; others, such as password, refuse nothing."""

_WIDER_FORMATS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("uuid3", "uuid4", "uuid5"), "uuid"),
    **dict.fromkeys(("isbn10", "isbn13"), "isbn"),
    "k8sshortname": "k8slongname",
}
"""Formats, and one that takes all that they take."""


class Aspect(Enum):
    """What differs."""

    FIELD = "field"
    OPEN = "open"
    TYPE = "type"
    REQUIRED = "required"
    NULL = "null"
    VALUES = "values"
    LIMIT = "limit"
    FORMAT = "format"
    LIST = "list"
    RULE = "rule"
    DEFAULT = "default"
    VERSION = "version"
    NAME = "name"
    SUBRESOURCE = "subresource"
    COLUMN = "column"
    CONVERSION = "conversion"


@dataclass(frozen=True, slots=True)
class Difference:
    """
    A place where two schemas differ, and how.

    >>> print(Difference("spec.size", Aspect.TYPE, "was integer, is string"))
    spec.size: was integer, is string
    """

    path: str
    aspect: Aspect
    fact: str

    def __str__(self) -> str:
        return f"{self.path}: {self.fact}" if self.path else self.fact


class Words(NamedTuple):
    """
    How a fact calls the two sides, and what it says of what only one of them has.

    `wide_sets_defaults` is whether the wide side is a server that has set its defaults before the narrow one looks.
    """

    wide: str = "was"
    narrow: str = "is"
    dropped: str = "was a field, is dropped"
    rule: str = "has a rule that was not there"
    wide_sets_defaults: bool = False


CHANGED: Final = Words()


def narrowings(wide: JsonSchema, narrow: JsonSchema, *, words: Words = CHANGED) -> list[Difference]:
    """
    Return where something that the first schema accepts is refused or dropped by the second one.

    >>> for one in narrowings({"type": "integer", "maximum": 9}, {"type": "integer", "maximum": 5}):
    ...     print(one.fact)
    maximum was 9, is 5
    """
    return list(_narrowings(wide, narrow, "", words))


def _narrowings(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    if not _types(wide) <= _types(narrow):
        fact = f"{words.wide} {_type_name(wide)}, {words.narrow} {_type_name(narrow)}"
        yield Difference(path, Aspect.TYPE, fact)
        return
    if wide.get("nullable") and not narrow.get("nullable") and not _is_anything(narrow):
        yield Difference(path, Aspect.NULL, f"{words.wide} nullable, {words.narrow} not")
    if narrow.get(_EMBEDDED) and not wide.get(_EMBEDDED):
        yield Difference(path, Aspect.TYPE, f"{words.narrow} a whole object with apiVersion and kind")
    if "enum" in wide:
        yield from _refused_values(wide, narrow, path, words)
    else:
        yield from _values(wide, narrow, path, words)
        yield from _limits(wide, narrow, path, words)
    yield from _lists(wide, narrow, path, words)
    yield from _rules(wide, narrow, path, words)
    yield from _fields(wide, narrow, path, words)
    yield from _required(wide, narrow, path, words)
    if "items" in narrow and not _is_anything(wide):
        yield from _narrowings(wide.get("items") or {_UNKNOWN: True}, narrow["items"], f"{path}[]", words)


# ---- values ----------------------------------------------------------------------------------------------------------


def _refused_values(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    """Of a value that is one of some, each can be tried."""
    gone = [value for value in wide["enum"] if not _takes(narrow, value)]
    if gone and "enum" in narrow:
        fact = f"{words.wide} {listed(gone)} too, {words.narrow} {listed(narrow['enum'])}"
        yield Difference(path, Aspect.VALUES, fact)
    elif gone:
        yield Difference(path, Aspect.VALUES, f"{words.wide} {listed(gone)} too, {words.narrow} limited to others")


def _takes(schema: JsonSchema, value: Any) -> bool:
    """Whether limits and listed values of a schema take a plain value."""
    if "enum" in schema:
        return any(same(value, one) for one in schema["enum"])
    one_value: dict[str, Any] = {"type": "string"}
    if isinstance(value, str):
        one_value |= {"minLength": len(value), "maxLength": len(value)}
        pattern = schema.get("pattern")
        if pattern is not None and not _matches(pattern, value):
            return False
        one_value["pattern"] = pattern
    elif isinstance(value, int | float) and not isinstance(value, bool):
        one_value = {"type": schema.get("type"), "minimum": value, "maximum": value, "multipleOf": value}
    return not any(_limits(one_value, {k: v for k, v in schema.items() if k != "format"}, "", CHANGED))


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # a pattern in another language than Python's
        return True


def _values(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    if "enum" in narrow and not (_types(wide) == {"boolean"} and len(narrow["enum"]) > 1):
        fact = f"{words.wide} any {_type_name(wide)}, {words.narrow} one of {listed(narrow['enum'])}"
        yield Difference(path, Aspect.VALUES, fact)


def _limits(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    for name in (*_UPPER, *_LOWER):
        limit, before = _limit(narrow, name), _limit(wide, name)
        if limit is None or (name.startswith("min") and name != "minimum" and limit[0] == 0):
            continue
        if before is None or limit > before:
            had = "not limited" if before is None else f"{wide[name]}{_exclusive(wide, name)}"
            fact = f"{name} {words.wide} {had}, {words.narrow} {narrow[name]}{_exclusive(narrow, name)}"
            yield Difference(path, Aspect.LIMIT, fact)
    if "pattern" in narrow and narrow["pattern"] != wide.get("pattern"):
        had = wide.get("pattern", "not limited")
        yield Difference(path, Aspect.LIMIT, f"pattern {words.wide} {had}, {words.narrow} {narrow['pattern']}")
    if "multipleOf" in narrow and not _is_multiple(wide, narrow["multipleOf"]):
        had = wide.get("multipleOf", "not limited")
        yield Difference(path, Aspect.LIMIT, f"multipleOf {words.wide} {had}, {words.narrow} {narrow['multipleOf']}")
    had, has = (str(one.get("format") or "").replace("-", "") for one in (wide, narrow))
    if has in _FORMATS and has not in (had, _WIDER_FORMATS.get(had)):
        fact = f"format {words.wide} {wide.get('format', 'free')}, {words.narrow} {narrow['format']}"
        yield Difference(path, Aspect.FORMAT, fact)


def _limit(schema: JsonSchema, name: str) -> tuple[float, bool] | None:
    """A limit as something that is larger where it is tighter; None for none."""
    value = schema.get(name)
    if value is None:
        return None
    is_exclusive = bool(schema.get(f"exclusive{name.capitalize()}"))
    signed = -value if name in _UPPER else value
    if is_exclusive and schema.get("type") == "integer" and value == int(value):
        return signed + 1, False
    return signed, is_exclusive


def _exclusive(schema: JsonSchema, name: str) -> str:
    return " itself excluded" if schema.get(f"exclusive{name.capitalize()}") else ""


def _is_multiple(wide: JsonSchema, divisor: float) -> bool:
    """Whether all that a schema accepts is a multiple."""
    step = wide.get("multipleOf", 1 if wide.get("type") == "integer" else None)
    return step is not None and Decimal(str(step)) % Decimal(str(divisor)) == 0


def _lists(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    had, has = map(list_type, (wide, narrow))
    if has not in ("atomic", had):
        fact = f"list type {words.wide} {had}, {words.narrow} {has}: equal items are refused"
        yield Difference(path, Aspect.LIST, fact)
        return
    keys, old = (one.get("x-kubernetes-list-map-keys", []) for one in (narrow, wide))
    if has == "map" and not set(old) <= set(keys):
        yield Difference(path, Aspect.LIST, f"list keys {words.wide} {listed(old)}, {words.narrow} {listed(keys)}")


def list_type(schema: JsonSchema) -> str:
    """Return how a list's items are told apart: atomic, set or map."""
    return str(schema.get("x-kubernetes-list-type") or "atomic")


# ---- rules -----------------------------------------------------------------------------------------------------------


def _rules(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    had = {_rule(rule) for rule in wide.get(_RULES) or ()}
    for rule in narrow.get(_RULES) or ():
        if _rule(rule) not in had:
            yield Difference(path, Aspect.RULE, f"{words.rule}: {rule.get('rule')}")
    for name in ("allOf", "anyOf", "oneOf", "not"):
        if name in narrow and not _is_no_narrower(name, wide.get(name), narrow[name]):
            if name == "anyOf" and narrow.get(_INT_OR_STRING) and narrow[name] == _INTEGER_OR_STRING:
                continue
            fact = f"{words.narrow} held to another {name}, which may refuse what was accepted"
            yield Difference(path, Aspect.RULE, fact)


_INTEGER_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]


def _rule(rule: Mapping[str, Any]) -> tuple[str, bool]:
    text = str(rule.get("rule"))
    is_quoted = '"' in text or "'" in text
    return text.strip() if is_quoted else re.sub(r"\s+", "", text), bool(rule.get("optionalOldSelf"))


def _is_no_narrower(name: str, wide: Any, narrow: Any) -> bool:
    """Whether what alternatives of one schema take, those of another take too, as far as their text says it."""
    if wide is None or name == "not":
        return _sorted(wide) == _sorted(narrow)
    had, has = ({_sorted(one) for one in branches} for branches in (wide, narrow))
    if name == "anyOf":
        return had <= has
    return has <= had if name == "allOf" else has == had


def _sorted(value: Any) -> str:
    """A schema as text that is the same for the same schema: without prose, and lists in one order."""
    return json.dumps(_without_order(value), sort_keys=True)


def _without_order(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _without_order(one) for name, one in value.items() if name not in ("description", "title")}
        case list() | tuple():
            return sorted(map(_without_order, value), key=lambda one: json.dumps(one, sort_keys=True))
    return value


# ---- fields ----------------------------------------------------------------------------------------------------------


def _fields(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    if _is_anything(narrow):
        return
    inner, known = _properties(wide), _properties(narrow)
    others = narrow.get("additionalProperties")
    for name, schema in inner.items():
        where = f"{path}.{name}" if path else name
        if name in known:
            yield from _narrowings(schema, known[name], where, words)
        elif isinstance(others, Mapping):
            yield from _narrowings(schema, others, where, words)
        elif others is False:
            yield Difference(where, Aspect.TYPE, f"{words.wide} a field, {words.narrow} refused as unknown")
        elif not _keeps(narrow):
            yield Difference(where, Aspect.FIELD, words.dropped + _near(name, known))
    if _keeps(wide):
        yield from _of_open(narrow, [name for name in known if name not in inner], path, words)
    elif isinstance(wide.get("additionalProperties"), Mapping):
        yield from _of_mapping(wide, narrow, path, words)


def _of_open(narrow: JsonSchema, only_there: Sequence[str], path: str, words: Words) -> Iterator[Difference]:
    """What a schema says of fields that the other one keeps whatever they are."""
    others = narrow.get("additionalProperties")
    typed = [name for name in only_there if not _is_anything(narrow["properties"][name])]
    if typed:
        fact = f"{words.wide} open to any field, {words.narrow} typed in {listed(typed)}, which may hold anything"
        yield Difference(path, Aspect.TYPE, fact)
    if isinstance(others, Mapping):
        yield from _narrowings({_UNKNOWN: True}, others, f"{path}{{}}", words)
    elif others is False:
        yield Difference(path, Aspect.TYPE, f"{words.wide} open to any field, {words.narrow} not: others are refused")
    elif not _keeps(narrow):
        yield Difference(path, Aspect.OPEN, f"{words.wide} open to any field, {words.narrow} not: others are dropped")


def _of_mapping(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    values, others = wide["additionalProperties"], narrow.get("additionalProperties")
    for name, schema in _properties(narrow).items():
        if name not in _properties(wide):
            yield from _narrowings(values, schema, f"{path}.{name}" if path else name, words)
    if isinstance(others, Mapping):
        yield from _narrowings(values, others, f"{path}{{}}", words)
    elif others is False:
        fact = f"{words.wide} a mapping with any keys, {words.narrow} not: others are refused"
        yield Difference(path, Aspect.TYPE, fact)
    elif not _keeps(narrow):
        fact = f"{words.wide} a mapping with any keys, {words.narrow} not: others are dropped"
        yield Difference(path, Aspect.FIELD, fact)


def _required(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    sets_defaults = _properties(wide if words.wide_sets_defaults else narrow)
    for name in narrow.get("required") or ():
        is_set = (sets_defaults.get(name) or {}).get("default") is not None
        if name not in (wide.get("required") or ()) and not is_set:
            where = f"{path}.{name}" if path else name
            yield Difference(where, Aspect.REQUIRED, f"{words.wide} optional, {words.narrow} required")


def _properties(schema: JsonSchema) -> Mapping[str, Any]:
    return schema.get("properties") or {}


def _keeps(schema: JsonSchema) -> bool:
    """Whether fields that a schema does not name are kept whatever they are."""
    return bool(schema.get(_UNKNOWN)) or schema.get("additionalProperties") is True


def _near(name: str, known: Mapping[str, Any]) -> str:
    """What a field may be called on the other side."""
    alike = [other for other in known if _letters(other) == _letters(name)]
    near = alike or difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


# ---- types -----------------------------------------------------------------------------------------------------------


def _is_anything(schema: JsonSchema) -> bool:
    return bool(schema.get(_UNKNOWN)) and "type" not in schema and "properties" not in schema


def _types(schema: JsonSchema) -> frozenset[str]:
    if schema.get(_INT_OR_STRING):
        return frozenset({"integer", "string"})
    if "type" not in schema:
        return frozenset({"integer", "string", "number", "boolean", "array", "object"})
    return frozenset({"integer", "number"} if schema["type"] == "number" else {schema["type"]})


def _type_name(schema: JsonSchema) -> str:
    if schema.get(_INT_OR_STRING):
        return "integer or string"
    return str(schema.get("type") or "any value")


def listed(values: Sequence[Any]) -> str:
    """Return values as words of a sentence."""
    return ", ".join(map(str, values)) or "none"
