"""Paths that lead through a schema to the fields of its objects, such as `.spec.replicas`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}
_DELIMITERS = ".[]"
_NOWHERE = "does not refer to a valid field"
_ENDS = "unexpected end of JSON path"

Node = Mapping[str, Any]


class Step(NamedTuple):
    """One step of a path: to a field that is named, or to a value of a map."""

    name: str
    is_named: bool


class FieldPath(NamedTuple):
    """A path, and the schema of the values that it leads to; None if nothing is known of them."""

    steps: tuple[Step, ...]
    node: Node | None

    def __str__(self) -> str:
        """The path as messages have it."""
        return "".join(f".{name}" if is_named else f"[{name}]" for name, is_named in self.steps).lstrip(".")


def field_path(text: str, node: Node, *, has_brackets: bool = True) -> FieldPath:
    """
    Follow a path through a schema.

    >>> schema = {"properties": {"spec": {"additionalProperties": {"type": "string"}}}}
    >>> str(field_path(".spec['a.b']", schema)), field_path(".spec.a", schema).node
    ('spec[a.b]', {'type': 'string'})
    >>> field_path(".status", schema)
    Traceback (most recent call last):
      ...
    ValueError: does not refer to a valid field

    Shape   `has_brackets` says whether names in brackets are allowed.
    Errors  ValueError in the server's words.
    """
    tokens = _tokens(text)
    steps: list[Step] = []
    found: Node | None = node
    for token in tokens:
        if token == ".":
            name = _next(tokens)
        elif token == "[":
            if not has_brackets:
                raise ValueError("array notation is not allowed")
            name = _quoted(_next(tokens))
        else:
            raise ValueError(f"expected [ or . but got: {token}")
        step, found = _followed(name, found)
        steps.append(step)
        if token == "[" and (closing := _next(tokens)) != "]":
            raise ValueError(f"expected ] but got {closing}")
    return FieldPath(tuple(steps), found)


def _followed(name: str, node: Node | None) -> tuple[Step, Node | None]:
    properties, additional = (node or {}).get("properties"), (node or {}).get("additionalProperties")
    if properties:
        if name not in properties:
            raise ValueError(_NOWHERE)
        return Step(name, is_named=True), properties[name]
    if additional is None:
        raise ValueError(_NOWHERE)
    return Step(name, is_named=False), additional if isinstance(additional, Mapping) else None


def _tokens(text: str) -> Iterator[str]:
    """Yield the delimiters of a path, and what is between them; a quoted text may contain any."""
    at = 0
    while at < len(text):
        if text[at] in _DELIMITERS:
            end = at + 1
        elif text[at] == "'":
            closing = re.compile(r"(?<!\\)'").search(text, at + 1)
            end = closing.end() if closing else len(text)
        else:
            found = re.compile(r"[.\[\]]").search(text, at)
            end = found.start() if found else len(text)
        yield text[at:end]
        at = end


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, "")
    if not token:
        raise ValueError(_ENDS)
    return token


def _quoted(token: str) -> str:
    if len(token) < 2 or not (token[0] == token[-1] == "'"):
        raise ValueError(f"expected single quoted string but got {token}")
    return re.sub(r"\\(.)", _unescaped, token[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    if match[1] not in _ESCAPES:
        raise ValueError("invalid string literal: invalid syntax")
    return _ESCAPES[match[1]]
