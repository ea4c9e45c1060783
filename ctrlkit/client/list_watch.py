"""The list and the watch of one collection, as an informer needs them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Generic, TypeVar

from ctrlkit.client.calls import Calls
from ctrlkit.client.pages import list_all
from ctrlkit.model import Action, Resource, Snapshot, Verb, WatchEvent

T = TypeVar("T")

PAGE_SIZE = 500


class ClientListWatch(Generic[T]):
    """
    One collection on a server; `scope` is the list Action that selects it, without version, limit or token.

    Errors  ApiError and TransportError from both; DecodeError for bytes that are no list or watch line. The events'
            iterator can be asked on after a DecodeError: the next line follows.
    Source  Rows R2, R4, R8.
    """

    def __init__(self, calls: Calls, resource: Resource[T], scope: Action) -> None:
        self._calls = calls
        self._resource = resource
        self._scope = scope

    @property
    def scope(self) -> Action:
        """The list Action that selects the collection."""
        return self._scope

    async def list(self, *, resource_version: str) -> Snapshot[T]:
        """
        The whole collection at or after a version: "0" takes any cached state, "" the newest.

        Only the newest is read in pages: for the others the server answers from its watch cache, in one go.
        """
        limit = 0 if resource_version else PAGE_SIZE
        options = replace(self._scope.options, resource_version=resource_version, limit=limit)
        return await list_all(self._calls, self._resource, replace(self._scope, options=options))

    def watch(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """All changes after a version, bookmarks included; the server ends the stream after the timeout."""
        options = replace(
            self._scope.options,
            resource_version=resource_version,
            timeout_s=timeout_s,
            allow_watch_bookmarks=True,
        )
        action = replace(self._scope, verb=Verb.WATCH, options=options)
        return self._calls.watch(action, self._calls.codec(self._resource))
