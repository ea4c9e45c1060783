"""A dict of bounded size: the entry that was looked at longest ago makes room for a new one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruDict(Generic[K, V]):
    """
    A dict of at most `limit` entries.

    >>> known = LruDict[str, int](limit=2)
    >>> known.put("a", 1), known.put("b", 2), known.get("a"), known.put("c", 3)
    (None, None, 1, 2)
    >>> known.get("b") is None
    True
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[V]:
        return iter(tuple(self._entries.values()))

    def get(self, key: K) -> V | None:
        """Look up a key, which makes it the youngest; None where it is not there."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> V | None:
        """Set a key, and return the value that had to make room for it, if any."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        return self._entries.popitem(last=False)[1] if len(self._entries) > self._limit else None

    def forget(self, key: K) -> None:
        """Remove a key; nothing happens where it is not there."""
        self._entries.pop(key, None)
