"""
Changes on their way from a store to its handlers: each handler has a buffer, an order and a pace of its own.

A handler is a plain function that takes a Change and returns quickly; most add a key to a work queue. It runs on the
event loop, a slice of its buffer at a time, so that a long relist holds the loop for one slice only. What it raises is
logged and counted, and neither the next change nor another handler notices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ctrlkit import telemetry
from ctrlkit.cache.change import Change
from ctrlkit.cache.pending import Delivery, Pending, pending_for
from ctrlkit.clock import monotonic
from ctrlkit.failures import FailureLog
from ctrlkit.histogram import Histogram, HistogramStatistics

T = TypeVar("T")
Handler = Callable[[Change[T]], None]

SLICE = 100
"""Changes handled in one turn of the loop."""
BEHIND_DEPTH = 1024
BEHIND_S = 1.0
"""A handler that has this many changes to see, one of them for this long, is told of as behind (row I6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerStatistics:
    """
    A picture of one handler.

    `depth` changes wait, the oldest for `oldest_s` seconds; `high_water` is the most that ever did. `handled` counts
    changes, those among them for which it raised are `failures`. `latency` is from a change in the store to its end in
    the handler, once for each slice.
    """

    name: str
    synced: bool
    depth: int
    oldest_s: float
    high_water: int
    handled: int
    failures: int
    latency: HistogramStatistics


class Registration(Generic[T]):
    """
    One handler of one informer, from `Informer.add_handler` to `remove`.

    Owner   The informer publishes into it; nobody else.
    Source  Rows I2, I5, I6, I8; B8, B9 and B13 where they differ: what a removal drops is reported, and an initial
            change that makes the handler raise counts as handled.
    """

    def __init__(
        self,
        handler: Handler[T],
        *,
        name: str,
        delivery: Delivery = Delivery.EVERY,
        removed: Callable[[Registration[T]], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.failures = 0
        self._handler = handler
        self._pending: Pending[T] = pending_for(delivery)
        self._told_removed = removed
        self._scheduled: asyncio.Handle | None = None
        self._initial_left: int | None = None
        self._synced = asyncio.Event()
        self._drained: asyncio.Event | None = None
        self._removed = False
        self._handled = 0
        self._high_water = 0
        self._warn_at = BEHIND_DEPTH
        self._latency = Histogram()
        self._arrivals: deque[tuple[int, float]] = deque()  # how many changes came before those of a turn, and when
        self._marked = False
        self._log = telemetry.logger("informer")
        self._failure_log = FailureLog(self._log)

    def has_synced(self) -> bool:
        """Whether every object of the first list was handled (row I5)."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once `has_synced`."""
        await self._synced.wait()

    @property
    def depth(self) -> int:
        """Changes published and not yet handled."""
        return len(self._pending)

    @property
    def oldest_s(self) -> float:
        """How long the oldest of them has waited; 0 where none waits."""
        return monotonic() - self._arrivals[0][1] if self._pending and self._arrivals else 0.0

    def statistics(self) -> HandlerStatistics:
        """A picture of now."""
        return HandlerStatistics(
            name=self.name,
            synced=self.has_synced(),
            depth=self.depth,
            oldest_s=self.oldest_s,
            high_water=max(self._high_water, self.depth),
            handled=self._handled,
            failures=self.failures,
            latency=self._latency.statistics(),
        )

    def publish(self, changes: Sequence[Change[T]]) -> None:
        """Queue changes; they are handled in this order, from the loop's next turn on."""
        if self._removed:
            return
        if not self._marked:
            self._marked = True
            self._arrivals.append((self._handled + len(self._pending), monotonic()))
        self._pending.extend(changes)
        if self._scheduled is None:
            self._schedule()

    def end_of_initial(self) -> None:
        """What was published so far is the first list; has_synced waits for it."""
        self._initial_left = len(self._pending)
        if self._scheduled is None:
            self._schedule()

    def remove(self) -> int:
        """Stop handling; returns how many changes were dropped unhandled. Removing twice drops nothing more."""
        self._leave()
        dropped = len(self._pending)
        self._pending.clear()
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if self._drained is not None:
            self._drained.set()
        return dropped

    async def drain(self) -> None:
        """Take no more changes, and return once those that wait were handled (B9), or `remove` dropped them."""
        self._leave()
        if self._pending:
            self._drained = self._drained or asyncio.Event()
            await self._drained.wait()

    def _leave(self) -> None:
        if not self._removed:
            self._removed = True
            self._told_removed(self)

    def _schedule(self) -> None:
        self._scheduled = asyncio.get_running_loop().call_soon(self._take_slice)

    def _take_slice(self) -> None:
        self._scheduled = None
        self._marked = False
        pending = self._pending
        self._high_water = max(self._high_water, len(pending))
        for _ in range(min(len(pending), SLICE)):
            if not pending:
                break  # the handler removed itself
            change = pending.popleft()
            self._handled += 1
            try:
                self._handler(change)
            except Exception as error:  # noqa: BLE001 - one handler's mistake is nobody else's
                self._report(change, error)
            if self._initial_left:
                self._initial_left -= 1
        if self._initial_left == 0:
            self._synced.set()
        self._account()
        if pending:
            self._schedule()
        elif self._drained is not None:
            self._drained.set()

    def _account(self) -> None:
        """After a slice: how late its first change was, and whether what is left waits too long."""
        arrivals, now = self._arrivals, monotonic()
        if arrivals:
            self._latency.observe(now - arrivals[0][1])
        if not self._pending:
            arrivals.clear()
            self._warn_at = BEHIND_DEPTH
            return
        while len(arrivals) > 1 and arrivals[1][0] <= self._handled:
            arrivals.popleft()
        oldest_s, depth = now - arrivals[0][1], len(self._pending)
        if depth >= self._warn_at and oldest_s >= BEHIND_S:
            self._warn_at = 2 * depth
            self._log.warning("handler_fell_behind", handler=self.name, depth=depth, oldest_s=round(oldest_s, 3))

    def _report(self, change: Change[T], error: Exception) -> None:
        self.failures += 1
        named = {"handler": self.name, "key": str(change.key), "change": change.kind.value}
        self._failure_log.tell("handler_failed", error, about=self.name, where=f"handler {self.name}", **named)
