"""
Cut a long list into parts that can be decoded one after the other. Pure.

A server's watch cache answers with a whole collection at once, however small the pages that were asked for: 45 MB for
10,000 pods, which take a tenth of a second to decode. Who shares a thread with others takes them in parts, with a
pause after each.

    {"kind":"PodList","metadata":{...},"items":[ {...},{...}, │ {...},{...}, │ {...}]}
    └──────────────── head ────────────────────┘
    part 1, 2, ...   head + some items + "]}"            the last one: head + all that is left

Items are cut apart at `},` and the way in which the first item begins, up to its metadata. That may stand within an
item too, so a part counts only once it was read as JSON: what begins at an item's first byte and is whole ends at an
item's last. A list that looks otherwise is one part.

A list that cannot be read because of what is in some item, nested too deeply or no JSON, is cut apart by its brackets
from there on. That takes ten times as long, and has pauses as well; each item is then a matter of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ctrlkit.model import ObjectMeta
from ctrlkit.wire.documents import BRACKETS, UNREADABLE, read_head

PART_BYTES = 512 * 1024
TRIES = 4
_ITEMS_NAME = b'"items"'
_ITEMS = b'"items":['
_ARRAY = re.compile(rb"\s*:\s*\[")
_BETWEEN = b", \t\r\n"
_METADATA = b'"metadata":'
_LONGEST_BEGIN = 512


class ListMeta(msgspec.Struct, rename="camel"):
    """A list's own metadata: its version, and the token that continues it."""

    resource_version: str | None = None
    continue_: str | None = msgspec.field(name="continue", default=None)


class ListPage(msgspec.Struct, rename="camel"):
    """A list, or a part of one, its items still bytes; `items` is UNSET where it has no such field."""

    kind: str | None = None
    api_version: str | None = None
    metadata: ListMeta | None = None
    items: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def version(self) -> str:
        """The version of the list; empty where it does not say."""
        return "" if self.metadata is None else self.metadata.resource_version or ""

    @property
    def continue_token(self) -> str:
        """The token that continues the list; empty on the last page."""
        return "" if self.metadata is None else self.metadata.continue_ or ""


_PAGE = msgspec.json.Decoder(ListPage)


def parts_of(data: bytes) -> Iterator[ListPage]:
    """
    Yield the parts of a list, in order; one, unless the list is long. The last one has the list's kind and metadata.

    >>> [len(page.items) for page in parts_of(b'{"metadata":{"resourceVersion":"7"},"items":[{},{}]}')]
    [2]

    Errors  What decoders raise (documents.UNREADABLE) where it is no list, perhaps not before the last part.
    """
    head = data[: data.find(_ITEMS) + len(_ITEMS)]
    begin = len(head)
    between = _between_items(data, begin) if len(data) > 2 * PART_BYTES and _is_head(head) else b""
    while between:
        found = _next_part(data, head, begin, between)
        if found is None:
            break
        page, begin = found
        yield page
    try:
        last = _PAGE.decode(head + data[begin:] if begin > len(head) else data)
    except UNREADABLE as error:
        yield from _parts_by_brackets(data, begin if begin > len(head) else _find_items(data), error)
    else:
        yield last


def metadata_of_items(document: bytes) -> list[ObjectMeta]:
    """The metadata of a list's items, as far as it can be read; of those that have any."""
    try:
        items = [item for page in parts_of(document) for item in page.items or ()]
    except UNREADABLE:
        return []
    found = (read_head(bytes(item))[0].metadata for item in items)
    return [metadata for metadata in found if metadata is not None]


def _is_head(head: bytes) -> bool:
    """Whether the list's own items begin here, after its metadata."""
    try:
        return _PAGE.decode(head + b"]}").items == []
    except UNREADABLE:
        return False


def _between_items(data: bytes, begin: int) -> bytes:
    """What stands between two items; empty where the first one begins in an unusual way."""
    metadata = data.find(_METADATA, begin, begin + _LONGEST_BEGIN)
    return b"}," + data[begin : metadata + len(_METADATA)] if metadata >= 0 else b""


def _next_part(data: bytes, head: bytes, begin: int, between: bytes) -> tuple[ListPage, int] | None:
    """The part that begins here and where the next one does; None where no end was found for it."""
    end = begin + PART_BYTES
    for _ in range(TRIES):
        end = data.find(between, end)
        if end < 0:
            return None
        try:
            return _PAGE.decode(b"%b%b]}" % (head, data[begin : end + 1])), end + 2
        except msgspec.DecodeError:
            end += 1  # within an item
        except RecursionError:
            return None
    return None


def _find_items(data: bytes) -> int:
    """Where the first item of a list begins; 0 where there is no list."""
    level = 0
    for found in BRACKETS.finditer(data):
        token = found.group()
        if token in (b"{", b"["):
            level += 1
        elif token in (b"}", b"]"):
            level -= 1
        elif level == 1 and token == _ITEMS_NAME:
            array = _ARRAY.match(data, found.end())
            return array.end() if array else 0
    return 0


def _parts_by_brackets(data: bytes, begin: int, error: Exception) -> Iterator[ListPage]:
    """The parts from an item on, cut at the brackets of items; `error` where these do not show a list."""
    if not begin:
        raise error
    items: list[msgspec.Raw] = []
    level, start, part = 0, begin, begin
    for found in BRACKETS.finditer(data, begin):
        token = found.group()
        if token in (b"{", b"["):
            level += 1
        elif token in (b"}", b"]"):
            level -= 1
        if level > 0:
            continue
        item = data[start : found.start() if level < 0 else found.end()].strip(_BETWEEN)
        items += [msgspec.Raw(item)] if item else []
        start = found.end()
        if level < 0:  # the end of them all
            rest = _PAGE.decode(data[: _find_items(data)] + data[found.start() :])
            yield ListPage(rest.kind, rest.api_version, rest.metadata, items)
            return
        if start - part > PART_BYTES:
            yield ListPage(items=items)
            items, part = [], start
    raise error
