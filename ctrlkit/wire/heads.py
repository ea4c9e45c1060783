"""What a document says of itself, as far as that can be read; and words for what came where it says nothing. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ctrlkit.model import ObjectMeta
from ctrlkit.wire.list_parts import parts_of
from ctrlkit.wire.salvage import UNREADABLE, explain, read_loosely, salvage_metadata

_NO_BYTES: Final = msgspec.Raw()


class Said(msgspec.Struct, rename="camel"):
    """What a document says it is."""

    kind: str | None = None
    api_version: str | None = None

    def __str__(self) -> str:
        version = f" of {self.api_version[:64]}" if self.api_version else ""
        return f"a {self.kind[:64]}{version}" if self.kind else "JSON that does not say its kind"


class Head(Said):
    """As much of an answer as is needed to know what it means, and what was written."""

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


_SAID = msgspec.json.Decoder(Said)
_HEAD = msgspec.json.Decoder(Head)


def read_said(document: bytes) -> Said:
    """What a document says it is; nothing where it is no JSON object."""
    try:
        return _SAID.decode(document)
    except UNREADABLE:
        return said_in(read_loosely(document))


def read_head(document: bytes) -> tuple[Head, Exception | None]:
    """The head of a document, and what is wrong with it where not all of it can be read."""
    try:
        return _HEAD.decode(document), None
    except UNREADABLE as error:
        fault = error
    loose = read_loosely(document)
    if loose is None:
        return Head(), fault
    said, details = said_in(loose), loose.get("details")
    told = msgspec.Raw(msgspec.json.encode(details)) if details else _NO_BYTES
    return Head(said.kind, said.api_version, salvage_metadata(loose), told), fault


def metadata_of_items(document: bytes) -> list[ObjectMeta]:
    """The metadata of a list's items, as far as it can be read; of those that have any."""
    try:
        items = [item for page in parts_of(document) for item in page.items or ()]
    except UNREADABLE:
        return []
    found = (read_head(bytes(item))[0].metadata for item in items)
    return [metadata for metadata in found if metadata is not None]


def said_in(loose: Any) -> Said:
    """The same of what was read already, whatever it is."""
    fields = loose if isinstance(loose, dict) else {}
    kind, version = fields.get("kind"), fields.get("apiVersion")
    return Said(kind if isinstance(kind, str) else None, version if isinstance(version, str) else None)


def describe(document: bytes) -> str:
    """
    Words for a document that does not say its kind.

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
    return str(Said())
