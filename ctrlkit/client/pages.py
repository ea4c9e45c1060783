"""
A whole collection, page by page: the one place that follows continue tokens.

A token that expires on a later page costs one full list, without a limit, at the version first asked for; what the
pages before had is dropped, so that a snapshot never mixes two versions. So does a later page of an older version than
the first, which another server wrote, or another history; a newer one may come, as watches tell what is between.
A 410 on the first page is the caller's: it is about the version asked for. Only the first request names a version: a
token carries its own. A page may be the whole of a large collection; it is decoded in parts, and the loop has its turn
between them (B16).

Source  Rows R2, R4 and B26.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, cast

from ctrlkit.client.calls import Calls
from ctrlkit.errors import DecodeError, Gone
from ctrlkit.model import Action, Options, Record, Resource, Snapshot, is_newer
from ctrlkit.wire.answers import wrong_namespace

T = TypeVar("T")
R = TypeVar("R")
PAGES_MAX = 100_000
"""No collection has so many: a server that always has one more page has an end nowhere."""


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A whole collection, and in how many pages it came."""

    snapshot: Snapshot[T]
    count: int


async def list_all(
    calls: Calls, resource: Resource[T], action: Action, known: Callable[[Record[T]], Record[T]] | None = None
) -> Pages[T]:
    """
    Follow a list to its end, in pages of `action.options.limit` (0: one page); the version is the first page's.

    Each record is what `known` returns for it.
    """

    async def page(options: Options) -> tuple[Snapshot[T], str]:
        return await _page(calls, resource, replace(action, options=options), known)

    found = await _follow(page, action)
    if found is None:
        found = await _follow(page, replace(action, options=replace(action.options, limit=0)))
    if found is None:
        raise DecodeError(
            f"{action}: the list comes in pages that do not belong together, and asked for as a whole it does so "
            "again; see what answers at this address"
        )
    return found


async def _follow(page: Callable[[Options], Awaitable[tuple[Snapshot[T], str]]], action: Action) -> Pages[T] | None:
    """All pages; None where a later one has expired, or is of an older state than the first: they are no snapshot."""
    first, token = await page(action.options)
    tokens = {token}
    records: list[Record[T]] = list(first.records)
    unreadable: list[DecodeError] = list(first.unreadable)
    count = 1
    while token:
        options = replace(action.options, continue_token=token, resource_version="", resource_version_match="")
        try:
            further, token = await page(options)
        except Gone:
            return None
        if is_newer(first.version, than=further.version) and further.version:
            return None
        records.extend(further.records)
        unreadable.extend(further.unreadable)
        count += 1
        if token in tokens or count > PAGES_MAX:
            raise DecodeError(
                f"{action}: the list does not end: after {count} pages the server continues it with a token that it "
                "gave before; see what answers at this address"
            )
        tokens.add(token)
    return Pages(Snapshot(records, first.version, unreadable), count)


async def first_page(calls: Calls, resource: Resource[T], action: Action) -> Snapshot[T]:
    """The beginning of a list: at most `action.options.limit` objects, where the server knows of limits."""
    return (await _page(calls, resource, action, None))[0]


async def _page(
    calls: Calls, resource: Resource[T], action: Action, known: Callable[[Record[T]], Record[T]] | None
) -> tuple[Snapshot[T], str]:
    data = await calls.list_page(action)
    snapshot, token = await _in_turns(calls.codec(resource).decode_list_in_steps(data, known))
    return _within(action, snapshot), token


def _within(action: Action, snapshot: Snapshot[T]) -> Snapshot[T]:
    """The snapshot with objects of other namespaces than the one asked for among what could not be read."""
    namespace = action.namespace
    if not namespace or all(record.key.namespace == namespace for record in snapshot.records):
        return snapshot
    records = [record for record in snapshot.records if record.key.namespace == namespace]
    foreign = [
        wrong_namespace(action, record.key, record.version)
        for record in snapshot.records
        if record.key.namespace != namespace
    ]
    return Snapshot(records, snapshot.version, (*snapshot.unreadable, *foreign))


async def _in_turns(steps: Generator[None, None, R]) -> R:
    """The outcome of steps, with a turn of the loop for others at each pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(R, end.value)
        await asyncio.sleep(0)
