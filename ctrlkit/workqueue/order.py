"""
Decide which ready key is next: priorities that age, and within one priority first in, first out, or flow by flow. Pure.

In       A key that becomes ready, with its priority and the moment.
Out      The next key.
Owns     The place of every ready key.

A key's rank is the moment it became ready, minus `point_s` seconds for each point of its priority; the least rank is
next, of equal ranks the higher priority, then the one that became ready first. A rank never changes while time goes on,
so nothing is ever sorted again: a fifo for each priority, and the fifo whose head has the least rank.

O-a  A key of priority p is never overtaken by one of priority q that becomes ready more than (q - p) x point_s seconds
     after it. So it waits for what is ready when it comes, for what comes in the next (highest - p) x point_s seconds,
     and for nothing else: nothing starves, however many keys come later (P10, B7). With flows this is the wait until
     its fifo is next; in it flows take turns (fifo.py, F-a), and who is at his limit is not waited for.
O-b  A raise puts a key at the end of the fifo of its new priority (P2), unless its rank is less where it stands: O-a
     holds from the moment it became ready, with its first priority, and from each raise, with the new one.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

from ctrlkit.workqueue.fifo import UNLISTED, Entry, FairFifo, Fifo, Flows, RunningFlows

K = TypeVar("K", bound=Hashable)

SLACK: Final = 64
"""So many outdated listings are never worth a rebuild."""

POINT_S: Final = 6.0
"""By default a point of priority is worth six seconds of waiting: LOW is worth ten minutes."""


class Order(Generic[K]):
    """
    The ready keys in the order in which they run.

    >>> order = Order[str](point_s=1.0)
    >>> order.append("low", -100, now=0.0); order.append("early", 0, now=99.0); order.append("late", 0, now=101.0)
    >>> [order.take()[0] for _ in range(3)]
    ['early', 'low', 'late']

    Shape   `ready` maps each key to its place. `only` is the one fifo there is, where there are no flows, no other fifo
            and no entry to pass over; ReadyKeys, being in a hurry, then appends to and takes from `ready` and
            `only.entries` itself. Nobody else writes them.
    Cost    append and take O(log m) for m priorities in use, O(1) for one; with flows O(log n) for n flows.
    Errors  ValueError unless `point_s` is a positive number of seconds; IndexError from take() unless has_next().
    """

    __slots__ = ("_fifos", "_listings", "_number", "_point_s", "_raised", "_running", "only", "ready")

    def __init__(self, *, point_s: float = POINT_S, flows: Flows[K] | None = None) -> None:
        if not 0 < point_s < float("inf"):
            raise ValueError(f"Order: point_s must be a positive number of seconds, got {point_s}")
        self.ready: dict[K, Entry[K]] = {}
        self.only: Fifo[K] | None = None
        self._point_s = point_s
        self._running = None if flows is None else RunningFlows(flows)
        self._fifos: dict[int, Fifo[K] | FairFifo[K]] = {}
        self._raised: dict[K, int] = {}  # what was raised and stayed where it stood
        self._listings: list[tuple[float, int, int, Fifo[K] | FairFifo[K]]] = []
        self._number = 0

    def append(self, key: K, priority: int, *, now: float, wanted_at: float | None = None) -> None:
        """`key` becomes ready now; it was first wanted at `wanted_at`, if not now."""
        flow = None if self._running is None else self._running.of(key)
        fifo = self._fifos.get(priority)
        if fifo is None:
            fifo = self._open(priority)
        entry = self.ready[key] = (now, now if wanted_at is None else wanted_at, key, priority)
        if isinstance(fifo, FairFifo):
            fifo.append(entry, flow)
        else:
            fifo.entries.append(entry)
        if fifo is not self.only and not fifo.listing:
            self._list(fifo)

    def lift(self, key: K, priority: int, *, now: float) -> None:
        """Raise a ready key to `priority`; nothing changes if it has as much already."""
        ready_at, wanted_at, _, held = self.ready[key]
        if priority <= self._raised.get(key, held):
            return
        if self._rank(now, priority) <= self._rank(ready_at, held):
            self._raised.pop(key, None)
            fifo = self._fifos[held]
            fifo.leave()
            self.append(key, priority, now=now, wanted_at=wanted_at)
            self._close_if_empty(fifo)
            self._look_for_only()
        else:
            self._raised[key] = priority
            self._set_apart()

    def take(self) -> tuple[K, int, float]:
        """The next key, its priority, and when it was first wanted."""
        fifo = self._first()
        if fifo is None:
            raise IndexError("take from Order: no key may run")
        _, wanted_at, key, priority = fifo.take()
        del self.ready[key]
        if self._raised:
            priority = self._raised.pop(key, priority)
        if fifo is not self.only:
            self._close_if_empty(fifo)
            self._look_for_only()
        return key, priority, wanted_at

    def ended(self, key: K) -> None:
        """`key` runs no more; the next of its flow may."""
        if self._running is None:
            return
        flow, was_full = self._running.ended(key)
        for fifo in self._fifos.values() if was_full else ():
            if isinstance(fifo, FairFifo):
                fifo.make_room(flow)
                self._list(fifo)

    def has_next(self) -> bool:
        """Whether take() has a key to give: one is ready, and its flow is not at its limit."""
        return self._first() is not None

    def depths(self) -> Mapping[int, int]:
        """How many keys of each priority are ready."""
        depths = Counter({priority: len(fifo) for priority, fifo in self._fifos.items()})
        for key, priority in self._raised.items():
            depths[self.ready[key][3]] -= 1
            depths[priority] += 1
        return +depths

    def clear(self) -> None:
        """Forget every ready key; what runs still belongs to its flow."""
        self.ready.clear()
        self._raised.clear()
        self._fifos.clear()
        self._listings.clear()
        self.only = None

    def _rank(self, ready_at: float, priority: int) -> float:
        return ready_at - priority * self._point_s

    def _open(self, priority: int) -> Fifo[K] | FairFifo[K]:
        """A fifo for a priority that has none; the only one changes its priority instead if nobody stands in it."""
        if self._running is not None:
            fifo: Fifo[K] | FairFifo[K] = FairFifo(priority, self.ready, self._running)
        elif self.only is not None and not self.only.entries:
            fifo = self.only
            del self._fifos[fifo.priority]
            fifo.priority = priority
        else:
            fifo = Fifo(priority, self.ready)
            if self._fifos:
                self._set_apart()
            else:
                self.only = fifo
        self._fifos[priority] = fifo
        return fifo

    def _list(self, fifo: Fifo[K] | FairFifo[K]) -> None:
        """
        List the fifo under its head's rank, unless it is listed under that or less already.

        A head's rank only grows as keys are taken, and _first() corrects a listing that is too low when it meets it.
        """
        head_at = fifo.head_at()
        if head_at is None:
            return
        rank = self._rank(head_at, fifo.priority)
        if rank < fifo.listed:
            self._number += 1
            fifo.listed, fifo.listing = rank, self._number
            heapq.heappush(self._listings, (rank, -fifo.priority, self._number, fifo))
            if len(self._listings) > 2 * len(self._fifos) + SLACK:  # most are outdated
                self._listings = [listing for listing in self._listings if listing[2] == listing[3].listing]
                heapq.heapify(self._listings)

    def _first(self) -> Fifo[K] | FairFifo[K] | None:
        """The fifo whose head has the least rank."""
        if self.only is not None:
            return self.only if self.only.entries else None
        listings = self._listings
        while listings:
            listed, _, number, fifo = listings[0]
            head_at = fifo.head_at() if number == fifo.listing else None
            if head_at is None:
                heapq.heappop(listings)
                if number == fifo.listing:  # no key of it may run
                    fifo.listed, fifo.listing = UNLISTED, 0
            elif (rank := self._rank(head_at, fifo.priority)) > listed:
                fifo.listed = rank
                heapq.heapreplace(listings, (rank, -fifo.priority, number, fifo))
            else:
                return fifo
        return None

    def _close_if_empty(self, fifo: Fifo[K] | FairFifo[K]) -> None:
        if not len(fifo):
            fifo.listed, fifo.listing = UNLISTED, 0
            del self._fifos[fifo.priority]
            if not self._fifos:
                self._listings.clear()

    def _set_apart(self) -> None:
        """The only fifo is one of several from now on, or one that needs care."""
        fifo, self.only = self.only, None
        if fifo is not None:
            self._list(fifo)

    def _look_for_only(self) -> None:
        """The last fifo that is left is the only one again as soon as nothing in it needs care."""
        if self._running is None and len(self._fifos) == 1 and not self._raised:
            (fifo,) = self._fifos.values()
            fifo.head_at()  # which passes over what left
            if isinstance(fifo, Fifo) and not fifo.left:
                self.only = fifo
                self._listings.clear()
                fifo.listed, fifo.listing = UNLISTED, 0
