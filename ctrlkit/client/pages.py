"""
A whole collection, page by page: the one place that follows continue tokens.

A token that expires on a later page costs one full list, without a limit, at the version first asked for; what the
pages before had is dropped, so that a snapshot never mixes two versions. A 410 on the first page is the caller's: it
is about the version asked for. Only the first request names a version: a token carries its own.

Source  Rows R2, R4 and B26.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ctrlkit.client.calls import Calls
from ctrlkit.errors import DecodeError, Gone
from ctrlkit.model import Action, Record, Resource, Snapshot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A whole collection, and in how many pages it came."""

    snapshot: Snapshot[T]
    count: int


async def list_all(calls: Calls, resource: Resource[T], action: Action) -> Pages[T]:
    """Follow a list to its end, in pages of `action.options.limit` (0: one page); the version is the first page's."""
    codec = calls.codec(resource)
    first, token = codec.decode_list(await calls.do(action))
    if not token:
        return Pages(first, 1)
    records: list[Record[T]] = list(first.records)
    unreadable: list[DecodeError] = list(first.unreadable)
    count = 1
    while token:
        options = replace(action.options, continue_token=token, resource_version="", resource_version_match="")
        try:
            data = await calls.do(replace(action, options=options))
        except Gone:
            whole = replace(action, options=replace(action.options, limit=0))
            return Pages(codec.decode_list(await calls.do(whole))[0], count)
        page, token = codec.decode_list(data)
        records.extend(page.records)
        unreadable.extend(page.unreadable)
        count += 1
    return Pages(Snapshot(records, first.version, unreadable), count)
