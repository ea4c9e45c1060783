"""What Go's JSON decoder says of a text that is not an object."""

from __future__ import annotations

import json
from typing import Any

_LITERALS = {"t": "true", "f": "false", "n": "null"}
_NAMES: dict[type, str] = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_CUT_SHORT = "unexpected end of JSON input"


def object_problem(document: bytes) -> str:
    """
    Return what is wrong with a JSON object, "" if nothing is.

    >>> object_problem(b"not json")
    "invalid character 'o' in literal null (expecting 'u')"
    >>> object_problem(b"[1]"), object_problem(b"{}")
    ('json: cannot unmarshal array into Go value of type map[string]interface {}', '')
    """
    text = document.decode(errors="replace")
    try:
        value: Any = json.loads(text)
    except json.JSONDecodeError as error:
        return _problem(text, error)
    if value is None or isinstance(value, dict):
        return ""
    return f"json: cannot unmarshal {_NAMES[type(value)]} into Go value of type map[string]interface {{}}"


def _problem(text: str, error: json.JSONDecodeError) -> str:  # noqa: PLR0911  # one for each of Go's sentences
    place = error.pos
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    if place >= len(text) or error.msg.startswith("Unterminated string"):
        return _CUT_SHORT
    letter = text[place]
    if error.msg.startswith("Extra data"):
        return f"invalid character {_quoted(letter)} after top-level value"
    if error.msg.startswith("Expecting property name"):
        return f"invalid character {_quoted(letter)} looking for beginning of object key string"
    if "delimiter" in error.msg:
        where = "after object key" if "':'" in error.msg else "after object key:value pair"
        return f"invalid character {_quoted(letter)} {where}"
    literal = _LITERALS.get(letter, "")
    for offset, want in enumerate(literal):
        if place + offset >= len(text):
            return _CUT_SHORT
        if text[place + offset] != want:
            found = _quoted(text[place + offset])
            return f"invalid character {found} in literal {literal} (expecting {_quoted(want)})"
    return f"invalid character {_quoted(letter)} looking for beginning of value"


def _quoted(letter: str) -> str:
    return "'\\''" if letter == "'" else "'\"'" if letter == '"' else f"'{letter}'"
