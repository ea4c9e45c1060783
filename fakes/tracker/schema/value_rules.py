"""
The rules of a schema about values, with a server's words.

A server counts what a value holds to, and of schemas of which one must hold it shows what is wrong with the one that
most holds to: so `Found` has a count besides the causes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.correlation import Correlated
from ctrlkit.fakes.tracker.schema.go_text import go_text, quoted, shown
from ctrlkit.fakes.tracker.schema.patterns import compiled
from ctrlkit.fakes.tracker.schema.string_formats import has_format, known_format

Node = Mapping[str, Any]
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_SIZES = {int: "int64", float: "float64"}
_INT64 = range(-(2**63), 2**63)
_INTEGERS = {"int32": range(-(2**31), 2**31), "int64": _INT64, "": _INT64}
_FLOAT_MAX = float.fromhex("0x1.ffffffp+127")
"""What rounds to more than the largest number of 32 bits."""
_CLOSE = 1e-9
_SAFE = 2.0**53


@dataclass(slots=True)
class Found:
    """
    What was found about one value.

    Shape   `causes` by what they say: nothing is said twice. `count` of what the value holds to.
    """

    causes: dict[str, Cause] = field(default_factory=dict)
    count: int = 0

    def add(self, cause: Cause, said: str = "") -> None:
        """Add a cause; `said` is what it says if that is not in its message."""
        self.causes.setdefault(said or cause.message, cause)

    def merge(self, other: Found) -> None:
        """Add what was found elsewhere."""
        if other.causes:
            for said, cause in other.causes.items():
                self.causes.setdefault(said, cause)
        self.count += other.count

    def named(self, prefix: str = "") -> list[Cause]:
        """The causes with their places below `prefix`; what has none is said of nothing."""
        return [_placed(cause, prefix) for cause in self.causes.values()]


def _placed(cause: Cause, prefix: str) -> Cause:
    place = cause.field.removeprefix(".")
    return Cause(".".join(filter(None, (prefix, place))) or "<nil>", cause.reason, cause.message)


def _wrong(path: str, value: Any, text: str) -> Cause:
    return Cause.invalid(path, shown(value), f"{path} in body {text}")


def _wrong_type(path: str, wanted: str, value: str) -> Cause:
    text = f"{path} in body must be of type {wanted}: {quoted(value)}"
    return Cause(path, "FieldValueTypeInvalid", f"Invalid value: {quoted(value)}: {text}")


def _unnamed(text: str) -> Cause:
    """A cause that names no field."""
    return Cause.invalid("", '""', text)


class ValueRules:
    """
    The rules of one node of a schema, and of the nodes below, which are read when a value first needs them.

    >>> rules = ValueRules({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}})
    >>> [cause.message for cause in rules.check({"n": 0}).named()]
    ['Invalid value: 0: n in body should be greater than or equal to 1']
    """

    __slots__ = (
        "__dict__",
        "_children",
        "_fields",
        "_fit",
        "_is_bounded",
        "_is_closed",
        "_limits",
        "_options",
        "_plain_counts",
        "_required",
        "format",
        "node",
        "types",
    )

    def __init__(self, node: Node) -> None:
        self.node: Node = node
        self._fields: Mapping[str, Node] = node.get("properties") or {}
        self._required: Iterable[str] = node.get("required") or ()
        self._options: Iterable[Any] = node.get("enum") or ()
        self._is_closed: bool = node.get("additionalProperties") is False
        self._is_bounded: bool = "minProperties" in node or "maxProperties" in node
        self._limits = tuple(limit for limit in _LIMITS if limit[0] in node)
        kind = node.get("type")
        self.types: tuple[str, ...] = (kind,) if kind else ()
        if node.get("x-kubernetes-int-or-string"):
            self.types = ("integer", "string")
        self.format: str = known_format(self.types, node.get("format") or "")
        self._plain_counts: Mapping[type, int] = {}
        """The types of which any value fits, if the schema says no more, with what is counted for one."""
        if len(self.types) == 1 and not node.keys() - _SAYS_NOTHING:
            self._plain_counts = {kind: count for kind, count in _COUNTS.items() if _KINDS[kind] == self.types[0]}
        self._children: dict[str, ValueRules] = {}
        self._fit: dict[str | int, int] = {}
        """Texts and integers of which it is known that they fit, with what is counted for them."""

    # ---- the nodes below ---------------------------------------------------------------------------------------------

    def child(self, name: str) -> ValueRules | None:
        """The rules of a field, None if any value is allowed."""
        found = self._children.get(name)
        if found is None:
            inner = self._fields.get(name)
            if inner is None:
                return self._additional
            found = self._children[name] = ValueRules(inner)
        return found

    @functools.cached_property
    def _additional(self) -> ValueRules | None:
        return self._below("additionalProperties")

    @functools.cached_property
    def _items(self) -> ValueRules | None:
        return self._below("items")

    @functools.cached_property
    def _not(self) -> ValueRules | None:
        return self._below("not")

    def _below(self, word: str) -> ValueRules | None:
        inner = self.node.get(word)
        return ValueRules(inner) if isinstance(inner, Mapping) else None

    @functools.cached_property
    def _combined(self) -> tuple[tuple[Callable[[Found, Any, str, list[ValueRules]], None], list[ValueRules]], ...]:
        words = (("anyOf", _any_of), ("oneOf", _one_of), ("allOf", _all_of))
        return tuple(
            (check, [ValueRules(one) for one in self.node[word]]) for word, check in words if self.node.get(word)
        )

    # ---- checks ------------------------------------------------------------------------------------------------------

    def check(self, value: Any, path: str = "", old: Correlated | None = None) -> Found:
        """
        Return what is wrong with a value at a path.

        Shape   `old` tells what the value was: what is unchanged below it is not refused.
        """
        found = Found()
        if value is None:
            self._check_null(found, path)
            return found
        found.count += 3  # that the value was looked at: as itself, by combinations, by its options
        kind = type(value)
        if kind in _KINDS and _KINDS[kind] in self.types:
            found.count += 2
        elif self.types or self.format:
            self._check_type(found, value, path)
        found.count += 1
        if self._combined or self._not is not None:
            self._check_combinations(found, value, path)
        if kind in _CHECKS:
            _CHECKS[kind](self, found, value, path, old)
        if self._options:
            self._check_options(found, value, path)
        if kind is dict:
            found.count += 1
            self._check_object(found, value, path, old)
        elif not found.causes and _is_short(value):
            if len(self._fit) >= _FIT_MAX:
                self._fit.clear()
            self._fit[value] = found.count
        return found

    def _check_null(self, found: Found, path: str) -> None:
        if self.types and not self.node.get("nullable"):
            found.add(_wrong_type(path, ",".join(self.types), "null"))
        else:
            found.count += 1
        if self._options:
            self._check_options(found, None, path)

    def _check_type(self, found: Found, value: Any, path: str) -> None:
        found.count += 1
        problem = self._type_problem(value)
        if problem is None:
            found.count += 1
        else:
            found.add(_wrong_type(path, *problem))

    def _type_problem(self, value: Any) -> tuple[str, str] | None:
        """The type that is wanted and the one that a value has, None if it fits."""
        types, kind = self.types, _KINDS[type(value)]
        if kind in types:
            return None
        is_number = (kind == "number" and "integer" in types and is_whole(value)) or (
            kind == "integer" and "number" in types
        )
        if is_number:
            return None
        if self.format:
            if not isinstance(value, (str, list)):
                size = _SIZES.get(type(value), "")
                return None if size == self.format else (self.format, size)
            if "number" not in types and "integer" not in types:
                return None
        return ",".join(types), kind

    def _check_combinations(self, found: Found, value: Any, path: str) -> None:
        for check, rules in self._combined:
            check(found, value, path, rules)
        if self._not is not None and not self._not.check(value, path).causes:
            found.add(_unnamed(f"{quoted(path)} must not validate the schema (not)"))

    def _check_options(self, found: Found, value: Any, path: str) -> None:
        options = self._options
        if any(_is_option(value, option) for option in options):
            return
        texts = (quoted(one if isinstance(one, str) else shown(one)) for one in options)
        message = f"Unsupported value: {shown(value)}: supported values: {', '.join(texts)}"
        said = f"{path} in body should be one of {go_text(list(options))}"
        found.add(Cause(path, "FieldValueNotSupported", message), said)

    def check_text(self, found: Found, value: str, path: str, _old: object) -> None:
        """Check a string."""
        found.count += 1
        rules = self.node
        if rules.get("maxLength") is not None and len(value) > rules["maxLength"]:
            said = f"{path} in body should be at most {rules['maxLength']} chars long"
            found.add(Cause.too_long(path, rules["maxLength"]), said)
        elif rules.get("minLength") is not None and len(value) < rules["minLength"]:
            found.add(_wrong(path, value, f"should be at least {rules['minLength']} chars long"))
        elif rules.get("pattern") and not compiled(rules["pattern"]).search(value):
            found.add(_wrong(path, value, f"should match '{rules['pattern']}'"))
        if self.format and self.format not in _INTEGERS and self.format not in ("float", "double"):
            found.count += 1
            if not has_format(self.format, value):
                found.add(_wrong_type(path, self.format, value))

    def check_number(self, found: Found, value: float, path: str, _old: object) -> None:
        """Check a number."""
        found.count += 2
        if out := self._out_of_range(value, "Checked", path):
            found.add(_unnamed(out))
        for name, title, check in self._limits:
            limit = self.node[name]
            if limit is None:
                continue
            number: float = value
            limit = float(limit)
            if out := self._out_of_range(limit, title, path):
                found.add(_unnamed(out))
                number = float(value)
            elif isinstance(value, int):
                limit = as_int64(limit)
            if cause := check(self.node, path, number, limit):
                found.add(cause)

    def _out_of_range(self, number: float, title: str, path: str) -> str:
        """What the server says of a number that is none of the schema's type."""
        kind = self.types[0] if len(self.types) == 1 else ""
        if kind == "integer":
            is_out = not float(number).is_integer() or int(number) not in _INTEGERS.get(self.format, _INT64)
        else:
            is_out = kind == "number" and self.format == "float" and abs(number) >= _FLOAT_MAX
        form = f"with format {self.format}" if self.format else "(default format)"
        return f"{title} value must be of type {kind} {form} in {path}" if is_out else ""

    def check_list(self, found: Found, value: list[Any], path: str, old: Correlated | None) -> None:
        """Check a list and its items."""
        found.count += 2
        if self._items is not None:
            for index, item in enumerate(value):
                was = old.index(index) if old is not None else None
                found.merge(self._items.ratcheted(item, f"{path}[{index}]", was))
        rules, size = self.node, len(value)
        if rules.get("minItems") is not None and size < rules["minItems"]:
            found.add(_wrong(path, size, f"should have at least {rules['minItems']} items"))
        if rules.get("maxItems") is not None and size > rules["maxItems"]:
            found.add(*_too_many(path, size, rules["maxItems"], "items"))
        if rules.get("uniqueItems") and any(_same(one, two) for at, one in enumerate(value) for two in value[:at]):
            found.add(_wrong(path, "", "shouldn't contain duplicates"))

    def _check_object(self, found: Found, value: dict[str, Any], path: str, old: Correlated | None) -> None:
        if self._is_bounded:
            self._check_size(found, len(value), path)
        known, children = self._fields, self._children
        for name, inner in value.items():
            if self._is_closed and name not in known:
                found.add(Cause.invalid(path, quoted(name), f"{path}.{name} in body is a forbidden property"))
                continue
            child = children[name] if name in children else self.child(name)
            if child is None:
                continue
            kind = type(inner)
            if kind in child._plain_counts:
                found.count += child._plain_counts[kind]
            elif (kind is str or kind is int) and inner in child._fit:
                found.count += child._fit[inner]
            else:
                here = f"{path}.{name}" if path or name not in known else name
                was = old.key(name) if old is not None and (path or name not in ("apiVersion", "kind")) else None
                found.merge(child.ratcheted(inner, here, was))
        for name in self._required:
            if name not in value:
                found.add(Cause.required(f"{path}.{name}"), f"{path}.{name} in body is required")

    def _check_size(self, found: Found, size: int, path: str) -> None:
        rules = self.node
        if rules.get("minProperties") is not None and size < rules["minProperties"]:
            found.add(_wrong(path, size, f"should have at least {rules['minProperties']} properties"))
        if rules.get("maxProperties") is not None and size > rules["maxProperties"]:
            found.add(*_too_many(path, size, rules["maxProperties"], "properties"))

    def ratcheted(self, value: Any, path: str, old: Correlated | None) -> Found:
        """The same as `check`, but that nothing is found of a value that is what it was."""
        return Found() if old is not None and old.unchanged() else self.check(value, path, old)


_CHECKS: Mapping[type, Callable[[ValueRules, Found, Any, str, Correlated | None], None]] = {
    str: ValueRules.check_text,
    int: ValueRules.check_number,
    float: ValueRules.check_number,
    list: ValueRules.check_list,
}


_FIT_MAX = 1024
_FIT_LENGTH_MAX = 256
"""How many texts and integers a node remembers as ones that fit, and how long they are at most."""


def _is_short(value: Any) -> bool:
    return type(value) is int or (type(value) is str and len(value) <= _FIT_LENGTH_MAX)


_SAYS_NOTHING = frozenset({"type", "description", "title", "default", "example", "nullable"})
_COUNTS: Mapping[type, int] = {str: 7, bool: 6}


def _too_many(path: str, size: int, most: int, things: str) -> tuple[Cause, str]:
    return Cause.too_many(path, size, most), f"{path} in body should have at most {most} {things}"


# ---- combinations of schemas -----------------------------------------------------------------------------------------


def _any_of(found: Found, value: Any, path: str, rules: list[ValueRules]) -> None:
    best = None
    for one in rules:
        result = one.check(value, path)
        if not result.causes:
            found.merge(result)
            return
        if best is None or result.count > best.count:
            best = result
    found.add(_unnamed(f"{quoted(path)} must validate at least one schema (anyOf)"))
    if best is not None:
        found.merge(best)


def _one_of(found: Found, value: Any, path: str, rules: list[ValueRules]) -> None:
    results = [one.check(value, path) for one in rules]
    holding = [result for result in results if not result.causes]
    if len(holding) == 1:
        found.merge(holding[0])
        return
    how_many = f"{len(holding)} valid alternatives" if holding else "none valid"
    found.add(_unnamed(f"{quoted(path)} must validate one and only one schema (oneOf). Found {how_many}"))
    if not holding:
        found.merge(max(results, key=lambda result: result.count))


def _all_of(found: Found, value: Any, path: str, rules: list[ValueRules]) -> None:
    held = 0
    for one in rules:
        result = one.check(value, path)
        held += not result.causes
        found.merge(result)
    if held < len(rules):
        which = "" if held else ". None validated"
        found.add(_unnamed(f"{quoted(path)} must validate all the schemas (allOf){which}"))


# ---- numbers ---------------------------------------------------------------------------------------------------------


def is_whole(number: float) -> bool:
    """
    Whether a server takes a number for an integer: one that is very close to it is as good.

    >>> is_whole(3.0), is_whole(3.0000000001), is_whole(3.5)
    (True, True, False)
    """
    if not -_SAFE <= number <= _SAFE - 1:
        return False
    if number.is_integer():
        return True
    whole = float(math.trunc(number)) if number >= 0 else float(math.trunc(number) % 2**64)
    if whole == 0:
        return False
    return abs(number - whole) / (abs(number) + abs(whole)) < _CLOSE


def as_int64(number: float) -> int:
    """
    The integer that a server's processor makes of a number.

    >>> as_int64(2.5), as_int64(1e30)
    (2, -9223372036854775808)
    """
    return int(number) if int(number) in _INT64 else -(2**63)


def _maximum(node: Node, path: str, number: float, limit: float) -> Cause | None:
    is_exclusive = bool(node.get("exclusiveMaximum"))
    if number < limit or (number == limit and not is_exclusive):
        return None
    return _wrong(path, number, f"should be less than {'' if is_exclusive else 'or equal to '}{go_text(limit)}")


def _minimum(node: Node, path: str, number: float, limit: float) -> Cause | None:
    is_exclusive = bool(node.get("exclusiveMinimum"))
    if number > limit or (number == limit and not is_exclusive):
        return None
    return _wrong(path, number, f"should be greater than {'' if is_exclusive else 'or equal to '}{go_text(limit)}")


def _multiple(_node: Node, path: str, number: float, factor: float) -> Cause | None:
    if factor <= 0:
        text = f"factor MultipleOf declared for {path} must be positive: {go_text(factor)}"
        return Cause.invalid(path, shown(factor), text)
    if isinstance(number, int) and isinstance(factor, int):
        is_multiple = number % factor == 0
    else:
        is_multiple = is_whole(1 / factor * number if factor < 1 else number / factor)
    return None if is_multiple else _wrong(path, number, f"should be a multiple of {go_text(factor)}")


_LIMITS: tuple[tuple[str, str, Callable[[Node, str, float, float], Cause | None]], ...] = (
    ("multipleOf", "MultipleOf", _multiple),
    ("minimum", "Minimum boundary", _minimum),
    ("maximum", "Maximum boundary", _maximum),
)


# ---- equality --------------------------------------------------------------------------------------------------------


def _is_option(value: Any, option: Any) -> bool:
    """Whether a value, converted to the type of an option, is that option."""
    if value is None or option is None:
        return False
    if type(value) is int and isinstance(option, str):
        return len(option) == 1 and ord(option) == value
    if type(value) in (int, float) and type(option) in (int, float):
        return bool((int(value) if isinstance(option, int) else float(value)) == option)
    return _same(value, option)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same, also in their types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(inner, other[name]) for name, inner in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def checked(schemas: Iterable[Node]) -> None:
    """Compile the patterns of schemas and of all below them. Errors: ValueError for one that is none."""
    for node in schemas:
        if node.get("pattern"):
            compiled(node["pattern"])
        checked((node.get("properties") or {}).values())
        checked(inner for word in ("allOf", "anyOf", "oneOf") for inner in node.get(word) or ())
        checked(node[word] for word in ("items", "additionalProperties", "not") if isinstance(node.get(word), Mapping))
