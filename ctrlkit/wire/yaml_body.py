"""
YAML as plain JSON data, the way an API server reads it: no tags but JSON's, times as text, bounds on everything.

It is built from the parser's events, without recursion, so that its depth is a number and no text of a few bytes can
stand for gigabytes: what aliases repeat is counted as if it were written out.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.scanner import ScannerError

from ctrlkit.wire.yaml_numbers import number_in

LEVELS_MAX = 10_000
"""Objects and arrays inside each other that a server reads."""

_REPEATS_FREE = 1_000
_REPEATS_LOW, _REPEATS_HIGH = 400_000, 4_000_000
_TAG = "tag:yaml.org,2002:"
_NOT_RESOLVED = frozenset(f"{_TAG}{kind}" for kind in ("timestamp", "int", "float"))
_MERGE = object()
_NOTHING = object()


class _Resolver(yaml.resolver.Resolver):
    """YAML 1.1 but for time stamps, which are text, and for numbers (yaml_numbers.py)."""


_Resolver.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_RESOLVED]
    for first, resolvers in yaml.resolver.Resolver.yaml_implicit_resolvers.items()
}
_RESOLVER: Any = _Resolver()
_BOOLEANS = {"y": True, "Y": True, "n": False, "N": False}
"""Booleans that YAML 1.1 has and PyYAML does not."""
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_READERS: Mapping[str, Callable[[Any], Any]] = {
    f"{_TAG}null": _CONSTRUCTOR.construct_yaml_null,
    f"{_TAG}bool": _CONSTRUCTOR.construct_yaml_bool,
    f"{_TAG}int": _CONSTRUCTOR.construct_yaml_int,
    f"{_TAG}float": _CONSTRUCTOR.construct_yaml_float,
    f"{_TAG}binary": lambda node: base64.b64decode("".join(node.value.split()), validate=True).decode(errors="replace"),
}


def read_yaml(body: bytes, doubled: list[tuple[int, str]] | None = None) -> Any:
    """
    The first document of a YAML text; None where it is empty.

    >>> read_yaml(b"spec: &s {replicas: 3, since: 2026-01-01}\\nsame: *s")
    {'spec': {'replicas': 3, 'since': '2026-01-01'}, 'same': {'replicas': 3, 'since': '2026-01-01'}}

    Shape   `doubled` takes the fields that an object has more than once, each with the line of its later value.
    Errors  ValueError for what is no YAML, has more than `LEVELS_MAX` levels, or repeats too much by aliases.
    """
    return next(read_yaml_documents(body, doubled), None)


def read_yaml_documents(body: bytes, doubled: list[tuple[int, str]] | None = None) -> Iterator[Any]:
    """
    Yield the documents of a YAML text, empty ones as None.

    >>> list(read_yaml_documents(b"a: 1\\n---\\n---\\nb: 2"))
    [{'a': 1}, None, {'b': 2}]

    Shape, errors  as of read_yaml; the bounds are for all documents together.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from _Builder([] if doubled is None else doubled).build(yaml.parse(body, Loader=loader))
    except yaml.YAMLError as error:
        raise ValueError(_problem(error)) from error


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong with a text, as Go's library says it: the problem, behind its line if that is not the first."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    marks = (error.context_mark, error.problem_mark)
    line = next((mark.line for mark in marks if mark is not None and mark.line), 0)
    if line and isinstance(error, ScannerError):
        line += 1  # a parser counts the line before
    return f"line {line}: {error.problem}" if line else f"{error.problem}"


@dataclass(slots=True)
class _Open:
    """An object or array that is being read; `size` counts its values, those repeated by aliases included."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    line: int = 0
    key: Any = _NOTHING
    size: int = 1
    merged: list[Mapping[str, Any]] = field(default_factory=list)


class _Builder:
    def __init__(self, doubled: list[tuple[int, str]]) -> None:
        self._doubled = doubled
        self._line = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._repeated = 0
        self._whole: Any = None

    def build(self, events: Iterable[Any]) -> Iterator[Any]:
        """Yield the values of the documents."""
        for event in events:
            self._line = event.start_mark.line + 1
            match event:
                case yaml.MappingStartEvent():
                    self._begin({}, event.anchor)
                case yaml.SequenceStartEvent():
                    self._begin([], event.anchor)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._end()
                case yaml.ScalarEvent():
                    self._put(_scalar(event), 1, event.anchor)
                case yaml.AliasEvent():
                    self._repeat(event.anchor)
                case yaml.DocumentEndEvent():
                    yield self._whole
                    self._whole = None
                    self._anchors.clear()

    def _begin(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        if len(self._open) == LEVELS_MAX:
            raise ValueError(f"exceeded max depth of {LEVELS_MAX}")
        self._open.append(_Open(value, anchor, self._line))

    def _end(self) -> None:
        done = self._open.pop()
        self._line = done.line
        if done.merged and isinstance(done.value, dict):
            for other in done.merged:
                for name, value in other.items():
                    done.value.setdefault(name, value)
        self._put(done.value, done.size, done.anchor)

    def _repeat(self, anchor: str | None) -> None:
        if anchor is None or anchor not in self._anchors:
            raise ValueError(f"unknown anchor '{anchor}' referenced")
        value, size = self._anchors[anchor]
        self._repeated += size
        self._put(value, size, None)

    def _put(self, value: Any, size: int, anchor: str | None) -> None:
        """A value is complete: it is a key, a field, an item, or the document."""
        self._count += size
        self._check_repeats()
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self._whole = None if value is _MERGE else value
            return
        holder = self._open[-1]
        holder.size += size
        if isinstance(holder.value, list):
            holder.value.append("<<" if value is _MERGE else value)
        elif holder.key is _NOTHING:
            holder.key = value if value is _MERGE else _key(value, self._line)
        else:
            if holder.key is not _MERGE and holder.key in holder.value:
                self._doubled.append((self._line, holder.key))
            _put_field(holder, holder.key, "<<" if value is _MERGE else value)
            holder.key = _NOTHING

    def _check_repeats(self) -> None:
        if self._repeated <= 100 or self._count <= _REPEATS_FREE:
            return
        share = min(max((self._count - _REPEATS_LOW) / (_REPEATS_HIGH - _REPEATS_LOW), 0.0), 1.0)
        if self._repeated / self._count > 0.99 - 0.89 * share:
            raise ValueError("document contains excessive aliasing")


def _put_field(holder: _Open, key: Any, value: Any) -> None:
    if key is not _MERGE:
        holder.value[key] = value
        return
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("map merge requires map or sequence of maps as the value")
    holder.merged += found


def _key(value: Any, line: int) -> str:
    """A field's name: text as it is, a number or boolean as JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"a field's name is text, got {type(value).__name__} in line {line}")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    tag = event.tag
    if tag is None and event.implicit[0]:
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        number = number_in(text)
        if number is not None:
            return _as_json(number, text)
    if tag in (None, "!"):
        tag = _RESOLVER.resolve(yaml.ScalarNode, text, event.implicit)
    if tag == f"{_TAG}merge":
        return _MERGE
    reader = _READERS.get(tag)
    if reader is None or (tag != f"{_TAG}null" and ":" in text):
        return text
    try:
        value = reader(yaml.ScalarNode(tag, text))
    except (ValueError, KeyError, IndexError, OverflowError):
        raise ValueError(f"cannot decode {text[:64]!r} as {tag}") from None
    return _as_json(value, text)


def _as_json(value: Any, text: str) -> Any:
    """Return a value as it comes out of JSON, into which Go's library turns YAML: 30.0 and 1e9 are integers in it."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"unsupported value: {text[:64]}")
        if value.is_integer() and abs(value) < 2**63:
            return int(value)
    return value
