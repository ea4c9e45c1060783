"""The server's messages about malformed JSON."""

from __future__ import annotations

import re

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_NUMBER = (
    ("-?", "", ""),
    ("0|[1-9][0-9]*", "in numeric literal", ""),
    (r"\.", "", "fraction"),
    ("[0-9]+", "after decimal point in numeric literal", "fraction"),
    ("[eE]", "", "exponent"),
    ("[+-]?", "", "exponent"),
    ("[0-9]+", "in exponent of numeric literal", "exponent"),
)
"""The parts of a number: what they match, what is said where they do not, and the optional group they belong to."""
_END = "unexpected end of JSON input"


def json_problem(body: bytes) -> str:
    """
    Describe what is wrong with a JSON text.

    >>> json_problem(b"{nope"), json_problem(b"[{")
    ("invalid character 'n' looking for beginning of object key string", 'unexpected end of JSON input')
    >>> json_problem(b"nope")
    "invalid character 'o' in literal null (expecting 'u')"
    """
    scanner = _Scanner(body.decode("latin-1"))
    try:
        scanner.document()
    except _Wrong as wrong:
        return str(wrong)
    return "invalid character in the text"


class _Wrong(Exception):
    """The text is not JSON; the message is the server's."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> None:
        """Read the whole text. Errors: _Wrong."""
        closing: list[str] = []
        self._begin(closing)
        while closing:
            self._after_value(closing)
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("after top-level value")

    def _begin(self, closing: list[str]) -> None:
        """Read a value, or the opening of one with something in it."""
        self._skip()
        character = self._peek()
        if character == "{":
            self._at += 1
            if self._empty("}"):
                return
            closing.append("}")
            self._key()
            self._begin(closing)
        elif character == "[":
            self._at += 1
            if self._empty("]"):
                return
            closing.append("]")
            self._begin(closing)
        elif character == '"':
            self._string()
        elif character in _LITERALS:
            self._literal(_LITERALS[character])
        elif character == "-" or character.isdigit():
            self._number()
        else:
            raise self._wrong("looking for beginning of value")

    def _after_value(self, closing: list[str]) -> None:
        self._skip()
        character = self._peek()
        if character == closing[-1]:
            self._at += 1
            closing.pop()
        elif character == ",":
            self._at += 1
            if closing[-1] == "}":
                self._key()
            self._begin(closing)
        else:
            raise self._wrong(f"after {'object key:value pair' if closing[-1] == '}' else 'array element'}")

    def _empty(self, end: str) -> bool:
        self._skip()
        is_empty = self._text.startswith(end, self._at)
        self._at += is_empty
        return is_empty

    def _key(self) -> None:
        self._skip()
        if self._peek() != '"':
            raise self._wrong("looking for beginning of object key string")
        self._string()
        self._skip()
        if self._peek() != ":":
            raise self._wrong("after object key")
        self._at += 1

    def _string(self) -> None:
        self._at += 1
        while True:
            self._match(_PLAIN)
            character = self._peek()
            self._at += 1
            if character == '"':
                return
            if character != "\\":
                self._at -= 1
                raise self._wrong("in string literal")
            if self._peek() not in '"\\/bfnrtu':
                raise self._wrong("in string escape code")
            self._at += 1
            if self._text[self._at - 1] == "u":
                self._hexadecimal()

    def _hexadecimal(self) -> None:
        for _ in range(4):
            if self._peek() not in "0123456789abcdefABCDEF":
                raise self._wrong("in \\u hexadecimal character escape")
            self._at += 1

    def _literal(self, word: str) -> None:
        for letter in word:
            if self._peek() != letter:
                raise self._wrong(f"in literal {word} (expecting '{letter}')")
            self._at += 1

    def _number(self) -> None:
        left_out = ""
        for pattern, complaint, group in _NUMBER:
            if group and group == left_out:
                continue
            if self._match(re.compile(pattern)):
                continue
            if complaint:
                self._peek()
                raise self._wrong(complaint)
            left_out = group

    def _skip(self) -> None:
        self._match(_SPACE)

    def _match(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        if found is None:
            return False
        self._at = found.end()
        return True

    def _peek(self) -> str:
        """The next character. Errors: _Wrong at the end."""
        if self._at >= len(self._text):
            raise _Wrong(_END)
        return self._text[self._at]

    def _wrong(self, where: str) -> _Wrong:
        return _Wrong(f"invalid character {_quoted(self._text[self._at])} {where}")


_ESCAPES = {"'": r"\'", "\\": r"\\", "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_ESCAPES["\v"] = r"\v"


def _quoted(character: str) -> str:
    if character in _ESCAPES:
        return f"'{_ESCAPES[character]}'"
    if character.isprintable():
        return f"'{character}'"
    number = ord(character)
    return f"'\\u{number:04x}'" if number >= 0x80 else f"'\\x{number:02x}'"
