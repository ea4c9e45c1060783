"""
A list as the server sent it -> parts of it that can be decoded one after the other. Pure.

A server's watch cache answers with a whole collection at once, however small the pages that were asked for: 45 MB for
10,000 pods, which take a tenth of a second to decode. Who shares a thread with others takes them in parts, with a
pause after each.

    {"kind":"PodList","metadata":{...},"items":[ {...},{...}, │ {...},{...}, │ {...}]}
    └──────────────── head ────────────────────┘
    part 1, 2, ...   head + some items + "]}"            the last one: head + all that is left

Items are cut apart at `},` and the way in which the first item begins, up to its metadata. That may stand within an
item too, so a part counts only once it was read as JSON: what begins at an item's first byte and is whole ends at an
item's last. A list that looks otherwise is one part.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

PART_BYTES = 512 * 1024
TRIES = 4
_ITEMS = b'"items":['
_METADATA = b'"metadata":'
_LONGEST_BEGIN = 512


class ListMeta(msgspec.Struct, rename="camel"):
    """A list's own metadata: its version, and the token that continues it."""

    resource_version: str = ""
    continue_: str | None = msgspec.field(name="continue", default=None)


class Page(msgspec.Struct):
    """A list, its items still bytes."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


_PAGE = msgspec.json.Decoder(Page)


def parts_of(data: bytes) -> Iterator[Page]:
    """
    The parts of a list, in order, each with the list's metadata; one, unless the list is long.

    >>> [len(page.items) for page in parts_of(b'{"metadata":{"resourceVersion":"7"},"items":[{},{}]}')]
    [2]

    Errors  msgspec.DecodeError where it is no list, perhaps not before the last part.
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
    yield _PAGE.decode(head + data[begin:] if begin > len(head) else data)


def _is_head(head: bytes) -> bool:
    """Whether the list's own items begin here, after its metadata."""
    try:
        return _PAGE.decode(head + b"]}").items == []
    except msgspec.DecodeError:
        return False


def _between_items(data: bytes, begin: int) -> bytes:
    """What stands between two items; empty where the first one begins in an unusual way."""
    metadata = data.find(_METADATA, begin, begin + _LONGEST_BEGIN)
    return b"}," + data[begin : metadata + len(_METADATA)] if metadata >= 0 else b""


def _next_part(data: bytes, head: bytes, begin: int, between: bytes) -> tuple[Page, int] | None:
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
    return None
