"""
Which keys become ready later, and when; pure.

In       A key with the moment it is due, in seconds on any one clock.
Out      next_deadline(), and due(now): the keys whose moment has come, in order.
Owns     One deadline for each delayed key, and which of these keys are owed a retry.

L-a  A key has at most one deadline; DelayPolicy says which of two wins (B6).
L-b  Keys come due by deadline; of equal deadlines the one set first comes first.
L-c  The heap holds fewer than 2n + SLACK entries for n keys, however often deadlines move.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from enum import Enum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

SLACK = 64
"""So many outdated heap entries are never worth a rebuild."""


class DelayPolicy(Enum):
    """Which deadline holds when a delayed key is delayed again."""

    EARLIEST = "earliest"
    LATEST = "latest"
    REPLACE = "replace"


class DelayedKeys(Generic[K]):
    """
    A heap of deadlines with one entry for each key.

    >>> keys = DelayedKeys[str]()
    >>> keys.put("a", 5.0); keys.put("b", 4.0); keys.put("a", 3.0)      # the earlier of two deadlines wins
    >>> keys.next_deadline()
    3.0
    >>> keys.due(4.0)
    ['a', 'b']

    Shape   `deadlines` maps a key to its heap entry (deadline, number, key), `retries` holds the keys owed a retry;
            read them, never write them.
    Cost    put and due O(log n) for each key; cancel O(1) on average, as its heap entry is dropped later.
    Source  Rows Q7 and B6.
    """

    __slots__ = ("_heap", "_number", "deadlines", "retries")

    def __init__(self) -> None:
        self.deadlines: dict[K, tuple[float, int, K]] = {}
        self.retries: set[K] = set()
        self._heap: list[tuple[float, int, K]] = []
        self._number = 0  # of the entries so far: makes equal deadlines come in order, and no two entries compare keys

    def put(self, key: K, deadline: float, policy: DelayPolicy = DelayPolicy.EARLIEST) -> None:
        """Let `key` come due at `deadline`, or at the one it has already, whichever `policy` prefers."""
        held = self.deadlines.get(key)
        if held is not None and _keeps(policy, held[0], deadline):
            return
        self._number += 1
        entry = (deadline, self._number, key)
        self.deadlines[key] = entry
        heapq.heappush(self._heap, entry)
        self._compact()

    def put_retry(self, key: K, deadline: float) -> None:
        """As put() with EARLIEST; from now until it comes due or is cancelled, `key` is owed a retry."""
        self.put(key, deadline)
        self.retries.add(key)

    def cancel(self, key: K) -> bool:
        """Take the deadline of `key` away; whether it had one."""
        self.retries.discard(key)
        if self.deadlines.pop(key, None) is None:
            return False
        self._compact()
        return True

    def next_deadline(self) -> float | None:
        """The earliest deadline, None when no key has one."""
        heap = self._heap
        while heap and self.deadlines.get(heap[0][2]) is not heap[0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> list[K]:
        """Hand out the keys whose deadline is at or before `now`, in order; they are delayed no more."""
        keys: list[K] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            key = heapq.heappop(self._heap)[2]
            self.cancel(key)
            keys.append(key)
        return keys

    def clear(self) -> int:
        """Drop every deadline; how many those were."""
        count = len(self.deadlines)
        self.deadlines.clear()
        self.retries.clear()
        self._heap.clear()
        return count

    def _compact(self) -> None:
        """Rebuild the heap once half of it is outdated: O(n), but only after as many puts or cancels."""
        if len(self._heap) >= 2 * len(self.deadlines) + SLACK:
            self._heap = list(self.deadlines.values())
            heapq.heapify(self._heap)


def _keeps(policy: DelayPolicy, held: float, asked: float) -> bool:
    """Whether the deadline a key has outlives another that is asked for."""
    match policy:
        case DelayPolicy.EARLIEST:
            return held <= asked
        case DelayPolicy.LATEST:
            return held >= asked
        case DelayPolicy.REPLACE:
            return held == asked
