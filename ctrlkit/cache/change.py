"""Changes of objects in a cache: what happened, and how the cache learnt of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from ctrlkit.model import ObjectKey, Record

T = TypeVar("T")


class ChangeKind(StrEnum):
    """Whether an object was added, updated or deleted."""

    ADDED = "added"
    UPDATED = "updated"
    DELETED = "deleted"


class Cause(StrEnum):
    """How the cache learnt of a change."""

    INITIAL = "initial"  # it existed when the handler, or the informer, started
    WATCH = "watch"
    RELIST = "relist"  # seen only by comparing a new list with the cache
    REWRITTEN = "rewritten"  # in the list after the server's history was rewritten: equal versions mean nothing there
    RESYNC = "resync"  # nothing happened: the handler asked for periodic resyncs


class Change(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """
    One change of one object: `old` is None where it was added, `new` where it was deleted.

    A deletion found by a relist has only the last state the cache knew, which may be stale; its cause says so.
    """

    old: Record[T] | None
    new: Record[T] | None
    cause: Cause

    @property
    def kind(self) -> ChangeKind:
        """Added, updated or deleted."""
        if self.old is None:
            return ChangeKind.ADDED
        return ChangeKind.DELETED if self.new is None else ChangeKind.UPDATED

    @property
    def record(self) -> Record[T]:
        """The new state, or the last known state of a deleted object."""
        record = self.new or self.old
        if record is None:
            raise ValueError("a Change without a record: give it the old one, the new one or both")
        return record

    @property
    def key(self) -> ObjectKey:
        """The object's key."""
        return (self.new or self.record).key
