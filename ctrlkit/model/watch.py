"""What a server sends of a collection: records of objects, lists of them, watch events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from ctrlkit.errors import DecodeError
from ctrlkit.model.meta import ObjectKey, ObjectMeta

T = TypeVar("T")
_make_tuple = tuple.__new__  # each event makes a key, and ObjectKey(...) would cost it twice this


class Record(Generic[T]):
    """
    One object as the server last sent it: its metadata, and the rest decoded when `value` is read.

    >>> record = Record(ObjectMeta(name="a"), '{"x": 1}', lambda text: text.upper())
    >>> record.value
    '{"X": 1}'

    Each read of `value` gives a private copy, or the one frozen value: nothing done to it reaches the cache. `shared`
    is one value for all who only look, such as predicates.
    Errors  DecodeError from `value` where the object does not fit the resource's type.
    """

    __slots__ = ("_data", "_decode", "key", "meta")

    fault: DecodeError | None = None
    """The error that `value` raises, where that is known without decoding; only an Unusable record has one."""

    def __init__(self, meta: ObjectMeta, data: Any, decode: Callable[[Any], T]) -> None:
        self.meta: ObjectMeta = meta
        self.key: ObjectKey = _make_tuple(ObjectKey, (meta.namespace, meta.name))
        self._data = data
        self._decode = decode

    @property
    def value(self) -> T:
        """The object, decoded."""
        return self._decode(self._data)

    @property
    def shared(self) -> T:
        """The object, decoded for the first who asks and then kept with the record; it must not be changed."""
        decode = self._decode
        if not isinstance(decode, _Kept):
            decode = self._decode = _Kept(decode, decode(self._data))
        value: T = decode.value
        return value

    @property
    def version(self) -> str:
        """The object's resourceVersion."""
        return self.meta.resource_version

    def __repr__(self) -> str:
        return f"Record({self.key} at {self.version})"


class _Kept:
    """Decodes an object anew, as `decode` does, and has it decoded."""

    __slots__ = ("decode", "value")

    def __init__(self, decode: Callable[[Any], Any], value: Any) -> None:
        self.decode = decode
        self.value = value

    def __call__(self, data: Any) -> Any:
        return self.decode(data)


class Unusable(Record[T]):
    """
    A Record whose `value` raises: the object does not fit its type, or could not be transformed.

    >>> Unusable(ObjectMeta(name="a"), DecodeError("a has no spec")).value
    Traceback (most recent call last):
      ...
    ctrlkit.errors.DecodeError: a has no spec
    """

    __slots__ = ("fault",)

    def __init__(self, meta: ObjectMeta, fault: DecodeError) -> None:
        super().__init__(meta, fault, _raise)
        self.fault: DecodeError | None = fault


def _raise(error: DecodeError) -> NoReturn:
    raise error.with_traceback(None)  # the same one each time: it must not collect the tracebacks of all who looked


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """
    A whole collection at one version.

    `unreadable` has an error for each item without even a name. With any, an object that is missing in `records` may
    still exist.
    """

    records: Sequence[Record[T]]
    version: str
    unreadable: Sequence[DecodeError] = ()


class Applied(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """An object was added or changed."""

    record: Record[T]


class Deleted(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """An object was deleted, or left the selector; the record is its last state, at the version of its deletion."""

    record: Record[T]


class Bookmark(msgspec.Struct, frozen=True, gc=False):
    """Nothing changed up to this version; `ends_initial_events` marks the end of a streamed list."""

    version: str
    ends_initial_events: bool = False


WatchEvent = Applied[T] | Deleted[T] | Bookmark
"""What a watch yields."""
