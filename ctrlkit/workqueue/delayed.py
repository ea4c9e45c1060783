"""
Keep track of the keys that become ready later. Pure.

In       A key with the moment it is due, in seconds on any one clock, and its priority.
Out      next_deadline(), and due(now): the keys whose moment has come, in order.
Owns     One deadline and one priority for each delayed key, and which of these keys wait for a retry.

L-a  A key has at most one deadline; DelayPolicy says which of two wins (B6). Of two priorities the higher wins (P1).
L-b  Keys come due by deadline; of equal deadlines the one set first comes first.
L-c  There are fewer than 2n + SLACK entries for n keys, however often deadlines move.

One heap of 100,000 entries is slow because they lie all over the memory: each step down is another miss of the
processor's caches. So entries are put into slots of SLOT_S seconds, unsorted, and only the first slot is a heap.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from enum import Enum
from typing import Final, Generic, TypeVar

from ctrlkit.workqueue.fifo import NORMAL

K = TypeVar("K", bound=Hashable)

SLACK: Final = 64
"""So many outdated entries are never worth a rebuild."""

SLOT_S: Final = 0.5
NEVER_S: Final = 1e12
"""All deadlines from here on, infinity too, are in one slot."""

_LAST_START: Final = int(NEVER_S / SLOT_S)


class DelayPolicy(Enum):
    """Which deadline holds when a delayed key is delayed again."""

    EARLIEST = "earliest"
    LATEST = "latest"
    REPLACE = "replace"


class DelayedKeys(Generic[K]):
    """
    The keys that become ready later, each with one deadline.

    >>> keys = DelayedKeys[str]()
    >>> keys.put("a", 5.0); keys.put("b", 4.0); keys.put("a", 3.0)      # the earlier of two deadlines wins
    >>> keys.next_deadline()
    3.0
    >>> keys.due(4.0)
    [('a', 0), ('b', 0)]

    Shape   `deadlines` maps a key to its entry (deadline, number, key); read it, never write it. `retries` holds the
            keys that wait for a retry, `batched` those that wait for more changes: add one once it was put; it leaves
            when it comes due or is cancelled.
    Cost    put and due O(log n) at most for each key; cancel O(1) on average, as its entry is dropped later.
    """

    __slots__ = (
        "_entries",
        "_heaped",
        "_number",
        "_priorities",
        "_slots",
        "_starts",
        "batched",
        "deadlines",
        "retries",
    )

    def __init__(self) -> None:
        self.deadlines: dict[K, tuple[float, int, K]] = {}
        self.retries: set[K] = set()
        self.batched: set[K] = set()
        self._priorities: dict[K, int] = {}  # where it is not NORMAL
        self._slots: dict[int, list[tuple[float, int, K]]] = {}
        self._starts: list[int] = []  # a heap of the slots
        self._heaped: int | None = None  # the slot that is a heap, or will be from its first entry on
        self._entries = 0  # in all slots
        self._number = 0  # of the entries so far: makes equal deadlines come in order, and no two entries compare keys

    def put(
        self,
        key: K,
        deadline: float,
        policy: DelayPolicy = DelayPolicy.EARLIEST,
        *,
        priority: int = NORMAL,
    ) -> None:
        """
        Let `key` come due at `deadline`, or at the one it has already, whichever `policy` prefers.

        Of `priority` and the one it has the higher holds.
        """
        held = self.deadlines.get(key)
        if held is None:
            self._set_priority(key, priority)
        else:
            self._set_priority(key, max(priority, self._priorities.get(key, NORMAL)))
            if _keeps(policy, held[0], deadline):
                return
        self._number += 1
        entry = self.deadlines[key] = (deadline, self._number, key)
        self._enter(entry)
        self._compact()

    def cancel(self, key: K) -> int | None:
        """Cancel the deadline of `key`; returns its priority, None if it had no deadline."""
        if self.deadlines.pop(key, None) is None:
            return None
        self._compact()
        return self._let_go(key)

    def priority(self, key: K) -> int | None:
        """With which priority `key` comes due; None if it has no deadline."""
        return self._priorities.get(key, NORMAL) if key in self.deadlines else None

    def next_deadline(self) -> float | None:
        """The earliest deadline, None when no key has one."""
        while self._starts:
            first = self._starts[0]
            slot = self._slots[first]
            if first != self._heaped:
                heapq.heapify(slot)
                self._heaped = first
            while slot:
                if self.deadlines.get(slot[0][2]) is slot[0]:
                    return slot[0][0]
                heapq.heappop(slot)
                self._entries -= 1
            del self._slots[heapq.heappop(self._starts)]
        return None

    def due(self, now: float) -> list[tuple[K, int]]:
        """Hand out the keys whose deadline is at or before `now`, in order, with their priorities."""
        keys: list[tuple[K, int]] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            key = heapq.heappop(self._slots[self._starts[0]])[2]
            self._entries -= 1
            del self.deadlines[key]
            keys.append((key, self._let_go(key)))
        return keys

    def clear(self) -> int:
        """Cancel all deadlines; returns how many there were."""
        count = len(self.deadlines)
        self.deadlines.clear()
        self.retries.clear()
        self.batched.clear()
        self._priorities.clear()
        self._rebuild()
        return count

    def _set_priority(self, key: K, priority: int) -> None:
        if priority != NORMAL:
            self._priorities[key] = priority
        elif self._priorities:
            self._priorities.pop(key, None)

    def _let_go(self, key: K) -> int:
        """It has no deadline any more; its priority."""
        self.retries.discard(key)
        self.batched.discard(key)
        return self._priorities.pop(key, NORMAL) if self._priorities else NORMAL

    def _enter(self, entry: tuple[float, int, K]) -> None:
        start = int(entry[0] / SLOT_S) if entry[0] < NEVER_S else _LAST_START
        slot = self._slots.get(start)
        if slot is None:
            self._slots[start] = [entry]
            heapq.heappush(self._starts, start)
        elif start == self._heaped:
            heapq.heappush(slot, entry)
        else:
            slot.append(entry)
        self._entries += 1

    def _compact(self) -> None:
        """Rebuild once half of the entries are outdated: O(n), but only after as many puts or cancels."""
        if self._entries >= 2 * len(self.deadlines) + SLACK:
            self._rebuild()

    def _rebuild(self) -> None:
        self._slots.clear()
        self._starts.clear()
        self._entries = 0
        for entry in self.deadlines.values():
            self._enter(entry)


def _keeps(policy: DelayPolicy, held: float, asked: float) -> bool:
    """Whether the deadline a key has outlives another that is asked for."""
    match policy:
        case DelayPolicy.EARLIEST:
            return held <= asked
        case DelayPolicy.LATEST:
            return held >= asked
        case DelayPolicy.REPLACE:
            return held == asked
