"""What a server tells about a collection: snapshots and changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from ctrlkit.errors import DecodeError
from ctrlkit.model.keys import ObjectKey
from ctrlkit.model.meta import ObjectMeta

T = TypeVar("T")
_make_tuple = tuple.__new__  # each event makes a key, and ObjectKey(...) would cost it twice this


class Record(Generic[T]):
    """
    One object as the server last told it: its metadata at hand, the rest decoded when looked at.

    >>> record = Record(ObjectMeta(name="a"), '{"x": 1}', lambda text: text.upper())
    >>> record.value
    '{"X": 1}'

    Each look at `value` gives a private copy, or the one frozen value: nothing done to it reaches the cache.
    Errors  DecodeError from `value` where the object does not fit the resource's type.
    """

    __slots__ = ("_data", "_decode", "key", "meta")

    fault: DecodeError | None = None
    """What `value` raises, known without decoding: the object is quarantined. Only an Unusable record has it."""

    def __init__(self, meta: ObjectMeta, data: Any, decode: Callable[[Any], T]) -> None:
        self.meta = meta
        self.key: ObjectKey = _make_tuple(ObjectKey, (meta.namespace, meta.name))
        self._data = data
        self._decode = decode

    @property
    def value(self) -> T:
        """The object, decoded."""
        return self._decode(self._data)

    @property
    def version(self) -> str:
        """The object's resourceVersion."""
        return self.meta.resource_version

    def __repr__(self) -> str:
        return f"Record({self.key} at {self.version})"


class Unusable(Record[T]):
    """
    A Record whose value cannot be had: it fits no type, or what was to be done with it failed.

    >>> Unusable(ObjectMeta(name="a"), DecodeError("a has no spec")).value
    Traceback (most recent call last):
      ...
    ctrlkit.errors.DecodeError: a has no spec
    """

    __slots__ = ("fault",)

    def __init__(self, meta: ObjectMeta, fault: DecodeError) -> None:
        super().__init__(meta, fault, _raise)
        self.fault = fault


def _raise(error: DecodeError) -> NoReturn:
    raise error.with_traceback(None)  # the same one each time: it must not collect the tracebacks of all who looked


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """
    A whole collection at one version; `unreadable` tells of items that not even had a name.

    Which objects those are nobody knows: what is missing in such a snapshot may still be there.
    """

    records: Sequence[Record[T]]
    version: str
    unreadable: Sequence[DecodeError] = ()


class Applied(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """An object was added or changed."""

    record: Record[T]


class Deleted(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """An object is gone, or left the selection; the record is its last state, at the version of its deletion."""

    record: Record[T]


class Bookmark(msgspec.Struct, frozen=True, gc=False):
    """Nothing changed up to this version; `ends_initial_events` marks the end of a streamed list."""

    version: str
    ends_initial_events: bool = False


WatchEvent = Applied[T] | Deleted[T] | Bookmark
