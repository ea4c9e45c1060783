"""The server's messages about malformed JSON, label selectors and field selectors."""

from __future__ import annotations

import json
import re
from collections import deque

from ctrlkit.fakes.tracker.schema.formats import label_key, label_value

_PLACES = {
    "Expecting property name": "looking for beginning of object key string",
    "Expecting value": "looking for beginning of value",
    "Expecting ':'": "after object key",
    "Expecting ','": "after object key:value pair or array element",
    "Extra data": "after top-level value",
}
_TOKENS = re.compile(r"\s*(==|=|!=|!|>|<|\(|\)|,|[^\s=!()<>,]+)")
_OPERATORS = ("=", "==", "!=", "in", "notin", ">", "<")
_SYMBOLS = frozenset({"=", "==", "!=", "!", ">", "<", "(", ")", ",", ""})
_ALL_OPERATORS = "in, notin, =, ==, !=, gt, lt"


def json_problem(body: bytes) -> str:
    """
    Describe what is wrong with a JSON text.

    >>> json_problem(b"{nope"), json_problem(b"[{")
    ("invalid character 'n' looking for beginning of object key string", 'unexpected end of JSON input')
    """
    text = body.decode("latin-1")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text):
            return "unexpected end of JSON input"
        place = next((words for start, words in _PLACES.items() if error.msg.startswith(start)), "in the text")
        return f"invalid character {_quoted(text[error.pos])} {place}"
    except (ValueError, RecursionError):  # a number of too many digits, and too many levels
        pass
    return "invalid character in the text"


def selector_problem(text: str) -> str:
    """
    Describe what is wrong with a label selector.

    >>> selector_problem("a==="), selector_problem("a in b")
    ("found '=', expected: identifier", "found 'b' expected: '('")
    """
    try:
        _read_requirements(deque(match[1] for match in _TOKENS.finditer(text)))
    except ValueError as error:
        return str(error)
    return f"found '{text}', expected: identifier"


def field_selector_problem(text: str) -> str:
    """
    Describe what is wrong with a field selector.

    >>> field_selector_problem("metadata.name=a,b")
    "invalid selector: 'metadata.name=a,b'; can't understand 'b'"
    """
    part = next((one for one in text.split(",") if one and "=" not in one), text)
    return f"invalid selector: '{text}'; can't understand '{part}'"


def _quoted(character: str) -> str:
    if character == "'":
        return r"'\''"
    if " " <= character <= "~":
        return f"'{character}'"
    number = ord(character)
    return f"'\\u{number:04x}'" if number >= 0x7F else f"'\\x{number:02x}'"


def _read_requirements(tokens: deque[str]) -> None:
    tokens.append("")
    while True:
        _read_requirement(tokens)
        after = tokens.popleft()
        if not after:
            return
        if after != ",":
            raise ValueError(f"found '{after}', expected: ',' or 'end of string'")
        if tokens[0] in _SYMBOLS - {"!"}:
            raise ValueError(f"found '{tokens[0]}', expected: identifier after ','")


def _read_requirement(tokens: deque[str]) -> None:
    key = tokens.popleft()
    is_negated = key == "!"
    if is_negated:
        key = tokens.popleft()
    if key in _SYMBOLS:
        raise ValueError(f"found '{key}', expected: identifier" if is_negated else _unexpected(key))
    complaints = label_key(key)
    if complaints:
        raise ValueError(f'key: Invalid value: "{key}": {"; ".join(complaints)}')
    if is_negated or tokens[0] in (",", ""):
        return
    operator = tokens.popleft()
    if operator not in _OPERATORS:
        raise ValueError(f"found '{operator}', expected: {_ALL_OPERATORS}")
    values = _read_set(tokens) if operator in ("in", "notin") else [_read_value(tokens)]
    for index, value in enumerate(values):
        complaints = label_value(value)
        if complaints:
            raise ValueError(f'values[{index}][{key}]: Invalid value: "{value}": {"; ".join(complaints)}')


def _unexpected(token: str) -> str:
    return f"found '{token}', expected: !, identifier, or 'end of string'"


def _read_value(tokens: deque[str]) -> str:
    if tokens[0] in ("", ","):
        return ""
    value = tokens.popleft()
    if value in _SYMBOLS:
        raise ValueError(f"found '{value}', expected: identifier")
    return value


def _read_set(tokens: deque[str]) -> list[str]:
    opening = tokens.popleft()
    if opening != "(":
        raise ValueError(f"found '{opening}' expected: '('")
    values: list[str] = []
    while True:
        token = tokens.popleft()
        if token == ")":
            return values
        if token == "":
            raise ValueError("found '', expected: ',', ')' or identifier")
        if token != ",":
            if token in _SYMBOLS:
                raise ValueError(f"found '{token}', expected: ',', ')' or identifier")
            values.append(token)
            if tokens[0] not in (",", ")"):
                raise ValueError(f"found '{tokens[0]}', expected: ',' or ')'")
