"""
A YAML or JSON document as Go's libraries read it, and so as kubectl does.

Plain scalars follow YAML 1.1 as far as Go goes along: `yes`, `on` and `y` are booleans, `012` is ten; dates and `1:30`
are text. Of several documents the first one counts. Unknown tags say nothing. Keys become text; of doubled keys the
last one counts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Iterator
from math import isfinite
from typing import Any

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BASES = (16, 2, 8, 10)
_INTEGERS = range(-(1 << 63), 1 << 64)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"
_DEPTH_MAX = 100


class NotReadable(Exception):
    """The text is no document; says where, and never what stands there."""


def read_document(data: bytes) -> object:
    """
    The first document as JSON would have it: dicts with text as keys, lists, text, numbers, booleans, None.

    >>> read_document(b"{a: 2020-01-01, b: yes, 3: 012}")
    {'a': '2020-01-01', 'b': True, '3': 10}

    Errors  NotReadable.
    """
    import yaml  # noqa: PLC0415 - only who reads a configuration pays for it

    events = _events(data)
    try:
        return _Builder(events).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise NotReadable(f"it is not YAML{f' at line {mark.line + 1}' if mark else ''}") from None
    except (ValueError, RecursionError):
        raise NotReadable("it is not YAML that can be written as JSON") from None
    finally:
        events.close()


def _events(data: bytes) -> Generator[Any, None, None]:
    """What the parser sees, one thing after the other; libyaml's parser where it was built in."""
    import yaml  # noqa: PLC0415

    parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


class _Builder:
    """Makes values of a parser's events, for the library that would do it recurses in C without a limit."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, object] = {}

    def document(self) -> object:
        """The first document; None if there is none."""
        for event in self._events:
            if hasattr(event, "anchor"):
                return self._value(event, 0)
        return None

    def _value(self, event: Any, depth: int) -> object:
        if depth > _DEPTH_MAX:
            raise ValueError
        match type(event).__name__:
            case "AliasEvent":
                if event.anchor not in self._anchors:
                    raise ValueError
                return self._anchors[event.anchor]
            case "SequenceStartEvent":
                value: object = [self._value(each, depth + 1) for each in self._until("SequenceEndEvent")]
            case "MappingStartEvent":
                value = self._mapping(depth + 1)
            case _:
                value = _scalar(_kind_of(event), event.value)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, depth: int) -> dict[str, object]:
        """The last one of a doubled key; and before all others those that are merged from elsewhere by `<<`."""
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key in self._until("MappingEndEvent"):
            merges = getattr(key, "value", None) == "<<" and _kind_of(key) == "merge"
            name = "" if merges else _key(self._value(key, depth))
            value = self._value(next(self._events), depth)
            if merges:
                for each in value if isinstance(value, list) else [value]:
                    merged = {**_mapping_in(each), **merged}
            else:
                own[name] = value
        return {**merged, **own}

    def _until(self, end: str) -> Iterator[Any]:
        """Events up to that one; who takes one takes all that belongs to it."""
        for event in self._events:
            if type(event).__name__ == end:
                return
            yield event


def _mapping_in(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError
    return value


def _kind_of(scalar: Any) -> str:
    """Which of YAML's kinds a scalar is: the one its tag names, else what a plain one looks like."""
    if scalar.tag not in (None, "!"):
        return str(scalar.tag).removeprefix(_TAG)
    return _looks_like(scalar.value) if scalar.tag is None and scalar.implicit[0] else "str"


def _scalar(kind: str, text: str) -> object:
    match kind:
        case "null":
            return None
        case "bool":
            return text in _TRUE
        case "int" | "float":
            number = number_of(text)
            if number is None or not isfinite(number):
                raise ValueError
            return number
        case "binary":
            return base64.b64decode("".join(text.split()), validate=True).decode()
    return text


def _looks_like(text: str) -> str:
    if text in _NULLS:
        return "null"
    if text in _TRUE or text in _FALSE:
        return "bool"
    if text == "<<":
        return "merge"
    return "str" if number_of(text) is None else "float"


def number_of(text: str) -> int | float | None:
    """
    The number that a plain scalar stands for; None for text.

    >>> [number_of(text) for text in ("0x1F", "1_000", "0800", ".5", "1:30")]
    [31, 1000, 800.0, 0.5, None]
    """
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if text[:1] not in "+-.0123456789":
        return None
    plain = text if text[0] == "." else text.replace("_", "")
    if found := _INTEGER.fullmatch(plain):
        sign, *digits = found.groups()
        value = next(int(sign + each, base) for each, base in zip(digits, _BASES, strict=True) if each is not None)
        if value in _INTEGERS:
            return value
    return float(plain) if _FLOAT.fullmatch(plain) else None


def _key(key: object) -> str:
    match key:
        case str():
            return key
        case bool():
            return str(key).lower()
        case int() | float():
            return str(key)
    raise ValueError
