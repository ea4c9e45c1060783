"""The events of a stream on their way to a store: late ones are dropped, a streamed list is collected. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ctrlkit.bounded import BoundedDict
from ctrlkit.cache.reflector.machine import StreamStep
from ctrlkit.errors import DecodeError
from ctrlkit.model import Applied, Bookmark, Deleted, ObjectKey, Record, Snapshot, WatchEvent, is_newer

T = TypeVar("T")

DELETIONS_REMEMBERED = 1_000
"""Deletions that are remembered: what was sent before one may come again after it."""


class EventFilter(Generic[T]):
    """
    Drops events of a watch that come too late.

    Owns    The versions at which objects were deleted, so that an earlier state that comes again after its deletion
            does not bring an object back. For objects that are there the store keeps the order itself.
    """

    def __init__(self) -> None:
        self._deleted: BoundedDict[ObjectKey, str] = BoundedDict(limit=DELETIONS_REMEMBERED)

    def clear(self) -> None:
        """Forget the deletions: a list has all there is."""
        self._deleted.clear()

    def take(self, batch: Sequence[WatchEvent[T]]) -> list[Applied[T] | Deleted[T]]:
        """The changes in a batch, without what comes too late."""
        changes: list[Applied[T] | Deleted[T]] = []
        deleted = self._deleted
        for event in batch:
            if isinstance(event, Bookmark):
                continue
            if isinstance(event, Deleted):
                self._remember(event.record)
            elif deleted and event.record.key in deleted and not self._is_new_object(event.record):
                continue
            changes.append(event)
        return changes

    def _remember(self, record: Record[T]) -> None:
        earlier = self._deleted.get(record.key, "")
        self._deleted.put(record.key, earlier if is_newer(earlier, than=record.version) else record.version)

    def _is_new_object(self, record: Record[T]) -> bool:
        """Whether a record is of a new object under the key of a deleted one."""
        deleted_at = self._deleted[record.key]
        return not (deleted_at == record.version or is_newer(deleted_at, than=record.version))


class StreamedList(Generic[T]):
    """
    Collects a streamed list: the objects so far, and its version once its end marker has come.

    Of each object it keeps what `known` returns for it: the record that is held already where nothing has changed. A
    `version` without `ended_at` is of a list that was not handed on.
    """

    def __init__(self, step: StreamStep, *, known: Callable[[Record[T]], Record[T]] | None) -> None:
        self.step = step
        self._known = known
        self.records: dict[ObjectKey, Record[T]] = {}
        self.unreadable: list[DecodeError] = []
        self.version: str | None = None
        self.ended_at: float | None = None
        self._filter: EventFilter[T] = EventFilter()

    def take(self, batch: Sequence[WatchEvent[T]]) -> Sequence[WatchEvent[T]]:
        """Take in events up to the end marker; those after it are returned. Other bookmarks mean nothing here."""
        for place, event in enumerate(batch):
            if isinstance(event, Bookmark) and event.ends_initial_events:
                self._collect(batch[:place])
                self.version = event.version
                return batch[place + 1 :]
        self._collect(batch)
        return ()

    def snapshot(self, version: str) -> Snapshot[T]:
        """All that came, at the version of the end marker."""
        return Snapshot(list(self.records.values()), version, tuple(self.unreadable))

    def end(self, now: float) -> None:
        """The list was handed on; what it held is not needed twice."""
        self.ended_at = now
        self.records = {}

    def _collect(self, batch: Sequence[WatchEvent[T]]) -> None:
        for event in self._filter.take(batch):
            if isinstance(event, Deleted):
                self.records.pop(event.record.key, None)
            else:
                self._put(event.record)

    def _put(self, record: Record[T]) -> None:
        had = self.records.get(record.key)
        if had is None or not is_newer(had.version, than=record.version):
            self.records[record.key] = record if self._known is None else self._known(record)
