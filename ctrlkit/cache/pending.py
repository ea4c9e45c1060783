"""What a handler has yet to see, in the order in which it will: every change, or the latest of each object."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from enum import Enum
from typing import Generic, Protocol, TypeVar

from ctrlkit.cache.change import Change
from ctrlkit.model import ObjectKey, Record

T = TypeVar("T")


class Delivery(Enum):
    """
    Whether a handler sees each change, or, where it is behind, only what came out of several to one object.

    LATEST bounds what waits to one change an object. It is for handlers that look at the key, or at the newest state:
    whoever maps an object to others by its contents (an owner, a label) needs EVERY, because a value that came and went
    while it waited is told to nobody.
    """

    EVERY = "every"
    LATEST = "latest"


class Pending(Protocol[T]):
    """A queue of changes; deque fits it."""

    def extend(self, changes: Iterable[Change[T]], /) -> None:
        """Append."""
        ...

    def popleft(self) -> Change[T]:
        """Take the one that has waited longest."""
        ...

    def clear(self) -> None:
        """Drop all."""
        ...

    def __len__(self) -> int: ...


class LatestByKey(Generic[T]):
    """
    One change for each object: from the state the handler saw last to the newest.

    >>> from ctrlkit.cache.change import Cause
    >>> from ctrlkit.model import ObjectMeta, Record
    >>> one, two = (Record(ObjectMeta(name="a", resource_version=version), None, str) for version in "12")
    >>> pending = LatestByKey()
    >>> pending.extend([Change(None, one, Cause.WATCH), Change(one, two, Cause.WATCH)])
    >>> len(pending), pending.popleft().kind.value
    (1, 'added')

    An object keeps the place of its first change. One that came and went is told as deleted, so that no key is lost;
    one that went and came again as updated (as in row I12).
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[ObjectKey, tuple[Record[T] | None, Change[T]]] = OrderedDict()

    def extend(self, changes: Iterable[Change[T]]) -> None:
        """Append, or put in the place of what waits for the same object."""
        waiting = self._waiting
        for change in changes:
            key = change.key
            earlier = waiting.get(key)
            waiting[key] = (change.old if earlier is None else earlier[0], change)

    def popleft(self) -> Change[T]:
        """Take the one that has waited longest."""
        seen, change = self._waiting.popitem(last=False)[1]
        return change if change.new is None or seen is change.old else Change(seen, change.new, change.cause)

    def clear(self) -> None:
        """Drop all."""
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)


def pending_for(delivery: Delivery) -> Pending[T]:
    """An empty queue of this kind."""
    match delivery:
        case Delivery.EVERY:
            return deque()
        case Delivery.LATEST:
            return LatestByKey()
