"""The list, the streamed list and the watch of one collection, as an informer needs them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Generic, TypeVar

from ctrlkit.client.calls import Calls
from ctrlkit.client.pages import first_page, list_all
from ctrlkit.errors import DecodeError
from ctrlkit.model import Action, Options, Record, Resource, Snapshot, Verb, WatchEvent

T = TypeVar("T")

PAGE_SIZE = 500


class ClientListWatch(Generic[T]):
    """
    One collection on a server; `scope` is the list Action that selects it, without version, limit or token.

    Errors  ApiError and TransportError from both; DecodeError for bytes that are no list or watch line, and for a list
            without a version. The events'
            iterator can be asked on after a DecodeError: the next line follows.
    Source  Rows R2, R4, R8, R19.
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
        """Stands for the server, to tell writes there from writes elsewhere (`Write.server`)."""
        return self._calls.server

    @property
    def streams_lists(self) -> bool:
        """Whether the server is believed to stream lists: until one of its collections learns otherwise, and later."""
        return self._calls.streams_lists

    def stop_streaming(self) -> None:
        """The server does not stream lists."""
        self._calls.stop_streaming()

    async def list(
        self, *, resource_version: str, known: Callable[[Record[T]], Record[T]] | None = None
    ) -> Snapshot[T]:
        """
        The whole collection at or after a version: "0" takes any cached state, "" the newest.

        Each record is what `known` returns for it, which may be one that is held already.
        A list at a version is asked for whole, so that a server can answer from its watch cache; one that has shown for
        "0" that it has none is asked for pages from then on (R2).
        """
        in_pages = resource_version in ("", "0") or self._comes_in_pages
        options = replace(self._scope.options, resource_version=resource_version, limit=PAGE_SIZE if in_pages else 0)
        pages = await list_all(self._calls, self._resource, replace(self._scope, options=options), known)
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
        options = replace(self._scope.options, limit=count)
        return await first_page(self._calls, self._resource, replace(self._scope, options=options))

    def stream(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """The whole collection, not older than a version, then its end marker, then all changes (R19)."""
        options = replace(self._scope.options, resource_version_match="NotOlderThan", send_initial_events=True)
        return self._watch(options, resource_version, timeout_s)

    def watch(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """All changes after a version, bookmarks included; the server ends the stream after the timeout."""
        return self._watch(self._scope.options, resource_version, timeout_s)

    def _watch(
        self, options: Options, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        options = replace(options, resource_version=resource_version, timeout_s=timeout_s, allow_watch_bookmarks=True)
        action = replace(self._scope, verb=Verb.WATCH, options=options)
        return self._calls.watch(action, self._calls.codec(self._resource))
