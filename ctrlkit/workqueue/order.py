"""
Which ready key is next: priorities that age, and within one priority first in first out or flows in turn; pure.

In       A key that becomes ready, with its priority and the moment.
Out      The next key.
Owns     The place of every ready key.

A key's rank is the moment it became ready, minus `point_s` seconds for each point of its priority; the least rank is
next, of equal ranks the higher priority, then the one that became ready first. A rank never changes while time goes on,
so nothing is ever sorted again: a line for each priority, and the line whose head has the least rank.

O-a  A key of priority p is never overtaken by one of priority q that becomes ready more than (q - p) x point_s seconds
     after it. So it waits for what is ready when it comes, for what comes in the next (highest - p) x point_s seconds,
     and for nothing else: nothing starves, however many keys come later (P10, B7). With flows this is the wait until
     its line is next; in it flows take turns (flows.py, F-a), and who is at his limit is not waited for.
O-b  A raise puts a key at the end of the line of its new priority (P2), unless its rank is less where it stands: O-a
     holds from the moment it became ready, with its first priority, and from each raise, with the new one.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

from ctrlkit.workqueue.flows import FairLine, Flows, RunningFlows
from ctrlkit.workqueue.line import UNLISTED, Entry, Line

K = TypeVar("K", bound=Hashable)

SLACK: Final = 64
"""So many outdated listings are never worth a rebuild."""

POINT_S: Final = 6.0
"""By default a point of priority is worth six seconds of waiting: LOW is worth ten minutes."""


class Order(Generic[K]):
    """
    The ready keys.

    >>> order = Order[str](point_s=1.0)
    >>> order.append("low", -100, now=0.0); order.append("early", 0, now=99.0); order.append("late", 0, now=101.0)
    >>> [order.take()[0] for _ in range(3)]
    ['early', 'low', 'late']

    Shape   `ready` maps each key to its place. `only` is the one line there is, where there are no flows, no other line
            and no entry to pass over; ReadyKeys, being in a hurry, then appends to and takes from `ready` and
            `only.entries` itself. Nobody else writes them.
    Cost    append and take O(log m) for m priorities in use, O(1) for one; with flows O(log n) for n flows.
    Errors  ValueError unless `point_s` is a positive number of seconds; IndexError from take() unless has_next().
    """

    __slots__ = ("_lines", "_listings", "_number", "_point_s", "_raised", "_running", "only", "ready")

    def __init__(self, *, point_s: float = POINT_S, flows: Flows[K] | None = None) -> None:
        if not 0 < point_s < float("inf"):
            raise ValueError(f"Order: point_s must be a positive number of seconds, got {point_s}")
        self.ready: dict[K, Entry[K]] = {}
        self.only: Line[K] | None = None
        self._point_s = point_s
        self._running = None if flows is None else RunningFlows(flows)
        self._lines: dict[int, Line[K] | FairLine[K]] = {}
        self._raised: dict[K, int] = {}  # what was raised and stayed where it stood
        self._listings: list[tuple[float, int, int, Line[K] | FairLine[K]]] = []
        self._number = 0

    def append(self, key: K, priority: int, *, now: float, wanted_at: float | None = None) -> None:
        """`key` becomes ready now; it was first wanted at `wanted_at`, if not now."""
        flow = None if self._running is None else self._running.of(key)
        line = self._lines.get(priority)
        if line is None:
            line = self._open(priority)
        entry = self.ready[key] = (now, now if wanted_at is None else wanted_at, key, priority)
        if isinstance(line, FairLine):
            line.append(entry, flow)
        else:
            line.entries.append(entry)
        if line is not self.only and not line.listing:
            self._list(line)

    def lift(self, key: K, priority: int, *, now: float) -> None:
        """Raise a ready key to `priority`; nothing changes if it has as much already (O-b)."""
        ready_at, wanted_at, _, held = self.ready[key]
        if priority <= self._raised.get(key, held):
            return
        if self._rank(now, priority) <= self._rank(ready_at, held):
            self._raised.pop(key, None)
            line = self._lines[held]
            line.leave()
            self.append(key, priority, now=now, wanted_at=wanted_at)
            self._close_if_empty(line)
            self._look_for_only()
        else:
            self._raised[key] = priority
            self._set_apart()

    def take(self) -> tuple[K, int, float]:
        """The next key, its priority, and when it was first wanted."""
        line = self._first()
        if line is None:
            raise IndexError("take from Order: no key may run")
        _, wanted_at, key, priority = line.take()
        del self.ready[key]
        if self._raised:
            priority = self._raised.pop(key, priority)
        if line is not self.only:
            self._close_if_empty(line)
            self._look_for_only()
        return key, priority, wanted_at

    def ended(self, key: K) -> None:
        """`key` runs no more; the next of its flow may."""
        if self._running is not None and (room := self._running.ended(key)) is not None:
            for line in self._lines.values():
                if isinstance(line, FairLine):
                    line.make_room(room.flow)
                    self._list(line)

    def has_next(self) -> bool:
        """Whether take() has a key to give: one is ready, and its flow is not at its limit."""
        return self._first() is not None

    def depths(self) -> Mapping[int, int]:
        """How many keys of each priority are ready."""
        depths = Counter({priority: len(line) for priority, line in self._lines.items()})
        for key, priority in self._raised.items():
            depths[self.ready[key][3]] -= 1
            depths[priority] += 1
        return +depths

    def clear(self) -> None:
        """Forget every ready key; what runs still belongs to its flow."""
        self.ready.clear()
        self._raised.clear()
        self._lines.clear()
        self._listings.clear()
        self.only = None

    def _rank(self, ready_at: float, priority: int) -> float:
        return ready_at - priority * self._point_s

    def _open(self, priority: int) -> Line[K] | FairLine[K]:
        """A line for a priority that has none; the only one changes its priority instead if nobody stands in it."""
        if self._running is not None:
            line: Line[K] | FairLine[K] = FairLine(priority, self.ready, self._running)
        elif self.only is not None and not self.only.entries:
            line = self.only
            del self._lines[line.priority]
            line.priority = priority
        else:
            line = Line(priority, self.ready)
            if self._lines:
                self._set_apart()
            else:
                self.only = line
        self._lines[priority] = line
        return line

    def _list(self, line: Line[K] | FairLine[K]) -> None:
        """
        List the line under its head's rank, unless it is listed under that or less already.

        A head's rank only grows as keys are taken, and _first() corrects a listing that is too low when it meets it.
        """
        head_at = line.head_at()
        if head_at is None:
            return
        rank = self._rank(head_at, line.priority)
        if rank < line.listed:
            self._number += 1
            line.listed, line.listing = rank, self._number
            heapq.heappush(self._listings, (rank, -line.priority, self._number, line))
            if len(self._listings) > 2 * len(self._lines) + SLACK:  # most are outdated
                self._listings = [listing for listing in self._listings if listing[2] == listing[3].listing]
                heapq.heapify(self._listings)

    def _first(self) -> Line[K] | FairLine[K] | None:
        """The line whose head has the least rank."""
        if self.only is not None:
            return self.only if self.only.entries else None
        listings = self._listings
        while listings:
            listed, _, number, line = listings[0]
            head_at = line.head_at() if number == line.listing else None
            if head_at is None:
                heapq.heappop(listings)
                if number == line.listing:  # no key of it may run
                    line.listed, line.listing = UNLISTED, 0
            elif (rank := self._rank(head_at, line.priority)) > listed:
                line.listed = rank
                heapq.heapreplace(listings, (rank, -line.priority, number, line))
            else:
                return line
        return None

    def _close_if_empty(self, line: Line[K] | FairLine[K]) -> None:
        if not len(line):
            line.listed, line.listing = UNLISTED, 0
            del self._lines[line.priority]
            if not self._lines:
                self._listings.clear()

    def _set_apart(self) -> None:
        """The only line is one of several from now on, or one that needs care."""
        line, self.only = self.only, None
        if line is not None:
            self._list(line)

    def _look_for_only(self) -> None:
        """The last line that is left is the only one again as soon as nothing in it needs care."""
        if self._running is None and len(self._lines) == 1 and not self._raised:
            (line,) = self._lines.values()
            line.head_at()  # which passes over what left
            if isinstance(line, Line) and not line.left:
                self.only = line
                self._listings.clear()
                line.listed, line.listing = UNLISTED, 0
