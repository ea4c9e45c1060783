"""What a reflector reads from, the ListWatch, and what it writes to, the StoreWriter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from ctrlkit.cache.change import Cause
from ctrlkit.model import Applied, Deleted, ObjectKey, Record, Snapshot, WatchEvent

T = TypeVar("T")


class ListWatch(Protocol[T]):
    """
    The calls that list and watch one collection: a kind, perhaps of one namespace, perhaps under selectors.

    Errors  All raise ApiError and TransportError; so does the iterator of events: ApiError for a Status inside the
            stream (410 as Gone), StreamBroken where it ends within a line. It just ends where the server closes it. It
            raises DecodeError in the place of a line that cannot be read, and can be asked on: the next line follows.
    """

    @property
    def streams_lists(self) -> bool:
        """Whether to ask the server for streamed lists; the answer is shared by all its collections."""
        ...

    def stop_streaming(self) -> None:
        """Note that the server does not stream lists: no collection asks for one for the next ten minutes."""
        ...

    async def list(
        self, *, resource_version: str, known: Callable[[Record[T]], Record[T]] | None = None
    ) -> Snapshot[T]:
        """
        The whole collection; version "0" takes any cached state, "" the newest, another one not older than it.

        Each record is what `known` returns for it: one that is held already where nothing has changed, so that a large
        collection is not held twice, nor half of it let go at once.
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
        The whole collection as events, then a Bookmark that `ends_initial_events`, then all changes after it.

        The collection is not older than the version; "" takes the newest.
        """
        ...

    def watch(
        self, *, resource_version: str, timeout_s: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """All changes after a version, several at a time as they arrive; the server ends it after the timeout."""
        ...


class StoreWriter(Protocol[T]):
    """What a reflector writes to; it changes state between two awaits."""

    def known(self, record: Record[T]) -> Record[T]:
        """The record held already where this one says the same, else this one; asked while a list comes in."""
        ...

    def find(self, key: ObjectKey) -> Record[T] | None:
        """What is held of an object."""
        ...

    def holds(self, record: Record[T]) -> bool:
        """Whether this very state of an object is held."""
        ...

    def first(self, count: int, *, scope: str) -> Sequence[Record[T]]:
        """The first objects of a scope that are held, in order."""
        ...

    def replace(self, snapshot: Snapshot[T], *, cause: Cause, scope: str) -> None:
        """Hold exactly this."""
        ...

    def apply(self, events: Sequence[Applied[T] | Deleted[T]]) -> None:
        """Carry out these changes, in order."""
        ...

    def advance(self, version: str, *, scope: str) -> None:
        """Note that a version was reached: after a list, after changes, and at a bookmark."""
        ...

    def list_failed(self, error: Exception, *, scope: str) -> None:
        """The scope could not be listed, and will be asked for again."""
        ...
