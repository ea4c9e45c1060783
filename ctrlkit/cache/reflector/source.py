"""The calls a reflector needs of whatever knows the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from ctrlkit.model import Record, Snapshot, WatchEvent

T = TypeVar("T")


class ListWatch(Protocol[T]):
    """
    One collection: a kind, perhaps of one namespace, perhaps under selectors.

    Errors  All raise ApiError and TransportError; so does the iterator of events: ApiError for a Status inside the
            stream (410 as Gone), StreamBroken where it ends within a line. It just ends where the server closes it. It
            raises DecodeError in the place of a line that cannot be read, and can be asked on: the next line follows.
    """

    @property
    def streams_lists(self) -> bool:
        """Whether the server is believed to stream lists; all collections of one server share this belief (B17)."""
        ...

    def stop_streaming(self) -> None:
        """The server does not stream lists: no collection asks it to for a while, after which it may be another one."""
        ...

    async def list(
        self, *, resource_version: str, known: Callable[[Record[T]], Record[T]] | None = None
    ) -> Snapshot[T]:
        """
        The whole collection; version "0" takes any cached state, "" the newest, another one not older than it.

        Each record is what `known` returns for it: one that is held already where nothing has changed, so that a large
        collection is not held twice, nor half of it let go at once (B16).
        """
        ...

    async def sample(self, count: int) -> Snapshot[T]:
        """
        The first objects of the newest state, in the server's order, and its version: one small request.

        No fewer than `count`, if there are. They show whether the server's history is still the one that was followed.
        """
        ...

    def stream(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """
        The whole collection as events, then a Bookmark that `ends_initial_events`, then all changes after it (R19).

        The collection is not older than the version; "" takes the newest.
        """
        ...

    def watch(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """All changes after a version, several at a time as they arrive; the server ends it after the timeout."""
        ...
