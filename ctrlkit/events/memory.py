"""A dict that forgets: at most so many entries, the one that was looked at longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

REMEMBERED_MAX: Final = 4096
"""Rows E5 and E7: for each of the memories of a recorder."""


class Memory(Generic[K, V]):
    """
    A bounded dict.

    >>> memory = Memory[str, int](limit=2)
    >>> memory.put("a", 1), memory.put("b", 2), memory.get("a"), memory.put("c", 3)
    (None, None, 1, 2)
    >>> memory.get("b") is None
    True
    """

    def __init__(self, *, limit: int = REMEMBERED_MAX) -> None:
        self._limit = limit
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[V]:
        return iter(tuple(self._entries.values()))

    def get(self, key: K) -> V | None:
        """What is remembered under a key, which makes it the youngest; None where nothing is."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> V | None:
        """Remember; returns what was forgotten for it."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        return self._entries.popitem(last=False)[1] if len(self._entries) > self._limit else None

    def forget(self, key: K) -> None:
        """Remember this no longer; nothing happens where it was not."""
        self._entries.pop(key, None)
