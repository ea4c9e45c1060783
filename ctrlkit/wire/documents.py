"""
Read what a JSON document says of itself, and as much of it as can be read where not all of it can. Pure.

An object that is not as it should be is so seen and not lost.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import msgspec

from ctrlkit.model import ObjectMeta

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoders raise for bytes that are not what they read: the last one where they are nested too deeply for them."""

BRACKETS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
"""The strings of a JSON text, and its brackets: what shows its structure, however deep it is."""
OPENING: Final = frozenset({b"[", b"{"})
CLOSING: Final = frozenset({b"]", b"}"})

_KEPT: Final = b'"object"'
_KEPT_WHOLE: Final = frozenset({b'"metadata"', b'"details"'})
"""What tells who a document is about; `details` does so in a Status."""
_LEVELS = 12
"""No deeper than this is anything read that cannot be read as a whole."""
_COLON: Final = re.compile(rb"\s*:\s*")
_DIGITS = 400
"""Longer integers are more than any number is; Python takes quadratic time for them, or refuses."""


def identifying(data: bytes) -> bytes:
    """
    A JSON text with null in the place of all that does not tell what it is about, however deep or wrong that may be.

    >>> identifying(b'{"kind": "Pod", "metadata": {"name": "a"}, "spec": {"x": [[[[1]]], NaN]}}')
    b'{"kind": "Pod", "metadata": {"name": "a"}, "spec": null}'

    Shape   Empty where brackets are left open or closed twice. Time is linear to the length.
    """
    parts: list[bytes] = []
    level = cut_at = whole_from = kept_to = 0
    key, key_end = b"", 0
    for found in BRACKETS.finditer(data):
        token = found.group()
        if token in OPENING:
            level += 1
            if not cut_at:
                name = key if _COLON.fullmatch(data, key_end, found.start()) else b""
                whole_from = whole_from or (level if name in _KEPT_WHOLE else 0)
                if level > _LEVELS or not (level == 1 or whole_from or name == _KEPT):
                    cut_at = level
                    parts.append(data[kept_to : found.start()])
        elif token in CLOSING:
            if level == cut_at:
                parts.append(b"null")
                cut_at, kept_to = 0, found.end()
            whole_from = 0 if level == whole_from else whole_from
            level -= 1
            if level < 0:
                break
        else:
            key, key_end = token, found.end()
    return b"" if level else b"".join([*parts, data[kept_to:]])


def explain(error: Exception) -> str:
    """Describe a decoder's error in words."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def read_loosely(data: bytes) -> dict[str, Any] | None:
    """
    A JSON object, with wrong UTF-8 replaced; only what it is about, where not all of it can be read.

    Shape   None where it is no JSON object as far as its brackets show.
    """
    try:
        value = _loads(data)
    except (ValueError, RecursionError):
        try:
            value = _loads(identifying(data))
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def salvage_metadata(item: Any) -> ObjectMeta:
    """
    The fields of an object's metadata that are as they should be.

    >>> meta = salvage_metadata({"metadata": {"name": "a", "resourceVersion": "7", "labels": 5}})
    >>> meta.name, meta.resource_version, meta.labels
    ('a', '7', None)
    """
    metadata = item.get("metadata") if isinstance(item, dict) else None
    fields = metadata.items() if isinstance(metadata, dict) else ()
    sound = {name: _without_surrogates(value) for name, value in fields}
    return msgspec.convert({name: value for name, value in sound.items() if _fits(name, value)}, ObjectMeta)


def _loads(data: bytes) -> Any:
    return json.loads(data.decode("utf-8", "replace"), parse_int=_integer, strict=False)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.inf


def _without_surrogates(value: Any) -> Any:
    """Text that can be written somewhere: half of a character, which JSON can spell, is replaced."""
    match value:
        case str():
            return _sound(value)
        case dict():
            pairs = ((name, inner if not isinstance(inner, str) else _sound(inner)) for name, inner in value.items())
            return {_sound(name): inner for name, inner in pairs}
        case _:
            return value


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _fits(name: str, value: Any) -> bool:
    try:
        msgspec.convert({name: value}, ObjectMeta)
    except (msgspec.ValidationError, RecursionError):
        return False
    return True


_NO_BYTES: Final = msgspec.Raw()


class TypeMeta(msgspec.Struct, rename="camel"):
    """`kind` and `apiVersion` of a document."""

    kind: str | None = None
    api_version: str | None = None

    def __str__(self) -> str:
        version = f" of {self.api_version[:64]}" if self.api_version else ""
        return f"a {self.kind[:64]}{version}" if self.kind else "JSON that does not say its kind"


class Head(TypeMeta):
    """The parts of an answer that decide what it means."""

    metadata: ObjectMeta | None = None
    details: msgspec.Raw = _NO_BYTES

    def uid_in_details(self) -> str:
        """The uid of the object that a Status is about; empty where it does not say."""
        return self._text_in_details("uid")

    def name_in_details(self) -> str:
        """The name of the object that a Status is about; empty where it does not say."""
        return self._text_in_details("name")

    def _text_in_details(self, field: str) -> str:
        try:
            found = msgspec.json.decode(self.details, type=dict[str, object]).get(field)
        except UNREADABLE:
            return ""
        return found if isinstance(found, str) else ""


_SAID = msgspec.json.Decoder(TypeMeta)
_HEAD = msgspec.json.Decoder(Head)


def read_type_meta(document: bytes) -> TypeMeta:
    """Read `kind` and `apiVersion` of a document; empty where it is no JSON object."""
    try:
        return _SAID.decode(document)
    except UNREADABLE:
        return type_meta_in(read_loosely(document))


def read_head(document: bytes) -> tuple[Head, Exception | None]:
    """Read the head of a document; returns it, and the error where not all of it can be read."""
    try:
        return _HEAD.decode(document), None
    except UNREADABLE as error:
        fault = error
    loose = read_loosely(document)
    if loose is None:
        return Head(), fault
    said, details = type_meta_in(loose), loose.get("details")
    told = msgspec.Raw(msgspec.json.encode(details)) if details else _NO_BYTES
    return Head(said.kind, said.api_version, salvage_metadata(loose), told), fault


def type_meta_in(loose: Any) -> TypeMeta:
    """Take `kind` and `apiVersion` from a value that was decoded loosely."""
    fields = loose if isinstance(loose, dict) else {}
    kind, version = fields.get("kind"), fields.get("apiVersion")
    return TypeMeta(kind if isinstance(kind, str) else None, version if isinstance(version, str) else None)


def describe(document: bytes) -> str:
    """
    Describe a document that has no `kind`.

    >>> describe(b""), describe(b"<html>Bad gateway"), describe(b'{"items": [')
    ('nothing at all', 'a page of HTML or XML', 'no JSON (Input data was truncated; 11 bytes)')
    """
    begin = document[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    known = (
        (not document.strip(), "nothing at all"),
        (begin.startswith(b"<"), "a page of HTML or XML"),
        (begin.startswith(b"\x1f\x8b"), "still compressed"),
        (b"\0" in document[:64], "text in another encoding than UTF-8"),
    )
    for is_that, words in known:
        if is_that:
            return words
    try:
        msgspec.json.decode(document, type=msgspec.Raw)
    except UNREADABLE as error:
        return f"no JSON ({explain(error)}; {len(document)} bytes)"
    return str(TypeMeta())
