"""A dict of bounded size: the entry that was put or used longest ago makes room for a new one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedDict(OrderedDict[K, V]):
    """
    A dict to which `put` adds entries, so that it has at most `limit`; the oldest stands first.

    >>> known = BoundedDict[str, int](limit=2)
    >>> known.put("a", 1), known.put("b", 2), known.use("a"), known.put("c", 3)
    (None, None, 1, ('b', 2))
    >>> known.get("b") is None
    True

    Looking up makes no key younger; `use` does.
    """

    def __init__(self, *, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def use(self, key: K) -> V | None:
        """Look up a key, which makes it the youngest; None where it is not there."""
        if key not in self:
            return None
        self.move_to_end(key)
        return self[key]

    def put(self, key: K, value: V) -> tuple[K, V] | None:
        """Set a key, which makes it the youngest; return the entry that had to make room for it, if any."""
        self[key] = value
        self.move_to_end(key)
        return self.popitem(last=False) if len(self) > self._limit else None
