"""
The list, the streamed list and the watch of one collection; the one place that follows continue tokens.

A token that expires on a later page costs one full list, without a limit, at the version first asked for; the pages
before are dropped, so that a snapshot never mixes two versions. So does a later page of an older version than the
first, which another server wrote, or another history; a newer one may come, as watches tell what is between. A 410 on
the first page is the caller's: it is about the version asked for. Only the first request names a version: a token
carries its own. A page may be the whole of a large collection; it is decoded in parts, and the loop has its turn
between them.

Rows R2, R4, R8, R19; B16, B26.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from ctrlkit.client.calls import Calls
from ctrlkit.errors import DecodeError, Gone
from ctrlkit.model import Action, Options, Record, Resource, Snapshot, Verb, WatchEvent, is_newer
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

    async def page(asked: Action) -> tuple[Snapshot[T], str]:
        return await _page(calls, resource, asked, known)

    found = await _follow(page, action)
    if found is None:
        found = await _follow(page, replace(action, options=replace(action.options, limit=0)))
    if found is None:
        raise DecodeError(
            f"{action}: the list comes in pages that do not belong together, and asked for as a whole it does so "
            "again; see what answers at this address"
        )
    return found


async def _follow(page: Callable[[Action], Awaitable[tuple[Snapshot[T], str]]], action: Action) -> Pages[T] | None:
    """All pages; None where a later one has expired, or is of an older state than the first: they are no snapshot."""
    first, token = await page(action)
    tokens = {token}
    records: list[Record[T]] = list(first.records)
    unreadable: list[DecodeError] = list(first.unreadable)
    count = 1
    while token:
        options = replace(action.options, continue_token=token, resource_version="", resource_version_match="")
        try:
            further, token = await page(replace(action, options=options))
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


PAGE_SIZE = 500


class ClientListWatch(Generic[T]):
    """
    The ListWatch of one collection on a server.

    `scope` is the list Action that selects the collection: its selectors and `metadata_only` are all of its options.

    Errors  ApiError and TransportError from both; DecodeError for bytes that are no list or watch line, and for a list
            without a version. The events'
            iterator can be asked on after a DecodeError: the next line follows.
    """

    def __init__(self, calls: Calls, resource: Resource[T], scope: Action) -> None:
        self._calls = calls
        self._resource = resource
        self._scope = scope
        self._comes_in_pages = False

    @property
    def scope(self) -> Action:
        """The list Action that selects the collection."""
        return self._scope

    @property
    def server(self) -> object:
        """An object that identifies the server, as in `Write.server`."""
        return self._calls.server

    @property
    def streams_lists(self) -> bool:
        """Whether to ask the server for streamed lists."""
        return self._calls.streams_lists

    def stop_streaming(self) -> None:
        """Note that the server does not stream lists."""
        self._calls.stop_streaming()

    async def list(
        self, *, resource_version: str, known: Callable[[Record[T]], Record[T]] | None = None
    ) -> Snapshot[T]:
        """
        The whole collection at or after a version: "0" takes any cached state, "" the newest.

        Each record is what `known` returns for it, which may be one that is held already.
        A list at a version is asked for whole, so that a server can answer from its watch cache; one that has shown for
        "0" that it has none is asked for pages from then on.
        """
        in_pages = resource_version in ("", "0") or self._comes_in_pages
        action = self._asked(Verb.LIST, resource_version=resource_version, limit=PAGE_SIZE if in_pages else 0)
        pages = await list_all(self._calls, self._resource, action, known)
        if resource_version == "0" and pages.count > 1:
            self._comes_in_pages = True
        if not pages.snapshot.version:
            raise DecodeError(
                f"{self._scope}: the list has no resourceVersion, so that no watch can follow it; "
                "list this kind when you need it, instead of caching it"
            )
        return pages.snapshot

    async def sample(self, count: int) -> Snapshot[T]:
        """The first objects of the newest state, and its version."""
        return await first_page(self._calls, self._resource, self._asked(Verb.LIST, limit=count))

    def stream(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """The whole collection, not older than a version, then its end marker, then all changes."""
        return self._watch(resource_version, timeout_s, resource_version_match="NotOlderThan", send_initial_events=True)

    def watch(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """All changes after a version, bookmarks included; the server ends the stream after the timeout."""
        return self._watch(resource_version, timeout_s)

    def _watch(
        self, resource_version: str, timeout_s: int, **how: Any
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        action = self._asked(
            Verb.WATCH, resource_version=resource_version, timeout_s=timeout_s, allow_watch_bookmarks=True, **how
        )
        return self._calls.watch(action, self._calls.codec(self._resource))

    def _asked(self, verb: Verb, **how: Any) -> Action:
        """The call about what the scope selects, in the form in which it wants objects."""
        scope, chosen = self._scope, self._scope.options
        options = Options(
            label_selector=chosen.label_selector,
            field_selector=chosen.field_selector,
            metadata_only=chosen.metadata_only,
            **how,
        )
        return Action(verb=verb, resource=scope.resource, namespace=scope.namespace, options=options)
