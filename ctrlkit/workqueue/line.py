"""The ready keys of one priority, in the order in which they became ready; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

NORMAL: Final = 0
"""The priority of what happened in the cluster (P9)."""

LOW: Final = -100
"""The priority of what can wait: initial lists, relists of unchanged objects, resyncs (P9)."""

Entry = tuple[float, float, K, int]
"""A ready key's place: when it became ready, when it was first wanted, the key, and the priority of its line."""

UNLISTED: Final = float("inf")


class Line(Generic[K]):
    """
    First in, first out.

    Shape   `entries` also holds places that their keys have left; `left` counts them. The place in `ready` is the one
            that holds, and whoever looks at the head passes over the others.
            `listed` and `listing` belong to the Order: the rank under which the line stands there.
    """

    __slots__ = ("entries", "left", "listed", "listing", "priority", "ready")

    def __init__(self, priority: int, ready: Mapping[K, Entry[K]]) -> None:
        self.priority = priority
        self.ready = ready
        self.entries: deque[Entry[K]] = deque()
        self.left = 0
        self.listed = UNLISTED
        self.listing = 0

    def __len__(self) -> int:
        return len(self.entries) - self.left

    def leave(self) -> None:
        """A key left its place for one in another line."""
        self.left += 1

    def head_at(self) -> float | None:
        """Since when the key that comes next is ready."""
        entries = self.entries
        while entries:
            if self.ready.get(entries[0][2]) is entries[0]:
                return entries[0][0]
            entries.popleft()
            self.left -= 1
        return None

    def take(self) -> Entry[K]:
        """The head, which head_at() has just found to be there."""
        return self.entries.popleft()
