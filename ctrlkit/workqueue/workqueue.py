"""
The work queue: joins what is ready, what is delayed and how long a failure waits, and lets workers wait for keys.

In       Keys, from handlers (add) and workers (add_after, add_rate_limited).
Out      Keys, one at a time, to workers (take), who give each back (done).
Owns     One timer on the running loop, for the earliest deadline, and the futures of the takes that wait. No task.

W-a  A key that was added before close() is handed out, or else counted as abandoned.
W-b  A key is with one worker at a time.
W-c  A take that is cancelled, even in the moment it was woken, leaves the key to the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import Context
from heapq import nsmallest
from operator import itemgetter
from typing import TypeVar

from ctrlkit.clock import monotonic
from ctrlkit.errors import CtrlkitError
from ctrlkit.workqueue.delayed import DelayedKeys, DelayPolicy
from ctrlkit.workqueue.fifo import NORMAL, Flows
from ctrlkit.workqueue.limits import ExponentialPerKey, RateLimiter
from ctrlkit.workqueue.order import POINT_S
from ctrlkit.workqueue.ready import ReadyKeys
from ctrlkit.workqueue.statistics import KeyPlace, Meter, QueueStatistics

K = TypeVar("K", bound=Hashable)


class QueueClosed(CtrlkitError):
    """The queue is closed and has no more keys to hand out: end the worker."""


class WorkQueue(ReadyKeys[K]):
    """
    A queue in which a key waits once and runs once at a time.

    >>> queue = WorkQueue[str]()
    >>> queue.add("demo/a"); queue.add("demo/b"); queue.add("demo/a")   # the third add changes nothing
    >>> queue.take_nowait()
    'demo/a'
    >>> queue.add("demo/a")                                             # it is running: remembered, not started
    >>> queue.done("demo/a"); queue.take_nowait()                       # so it now waits behind demo/b
    'demo/b'

    Order   Higher priorities first; within one first in first out, or with `flows` one flow after the other. Of two
            priorities for one run the higher holds. A point of priority is worth `point_s` seconds of waiting, so that
            nothing starves: a key of priority p is overtaken only by keys that become ready in the
            (highest - p) x point_s seconds after it. For the same reason a backlog older than that goes before whatever
            is new; so the distance from LOW to NORMAL should outlast the backlog of a restart.
    Shape   K is hashable. A key is ready, delayed or running, and may be wanted again (at once or later) while it runs;
            so the queue never holds more entries than there are distinct keys. There is no other bound.
    Units   `delay_s`: seconds on the running loop's clock, float; 0 or less means now.
    Cost    add, take, done O(1), with m priorities in use O(log m), with n flows O(log n); add_after and
            add_rate_limited O(log n) for n delayed keys. Only take() and drain() suspend.
    Errors  QueueClosed from take() when closed and empty; KeyError from done() for a key that is not running.
    Owner   One event loop; not thread-safe. Each take is paired with one done(), on every path: without it the key
            never runs again.
    Source  client-go's workqueue and controller-runtime's priority queue; docs/deviations.md has the differences.
    """

    __slots__ = (
        "_abandoned", "_closed", "_delayed", "_drained", "_fair", "_limiter", "_owner", "_requeues", "_takers",
        "_timer",
    )  # fmt: skip

    def __init__(
        self,
        *,
        limiter: RateLimiter[K] | None = None,
        flows: Flows[K] | None = None,
        point_s: float = POINT_S,
        meter: Meter | None = None,
    ) -> None:
        super().__init__(flows=flows, point_s=point_s, meter=meter)
        self._limiter: RateLimiter[K] = ExponentialPerKey[K]() if limiter is None else limiter
        self._delayed: DelayedKeys[K] = DelayedKeys()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._drained = asyncio.Event()
        self._abandoned = 0
        self._requeues = 0
        self._fair = flows is not None
        self._owner = ""

    def claim(self, owner: str) -> None:
        """
        Name the one owner of this queue: two controllers on one queue would take each other's keys.

        Errors  ValueError where it has one already.
        """
        if self._owner:
            raise ValueError(f"{owner}: its queue is that of {self._owner} already; give each a WorkQueue of its own")
        self._owner = owner

    def add_after(
        self, key: K, delay_s: float, *, policy: DelayPolicy = DelayPolicy.EARLIEST, priority: int | None = None
    ) -> None:
        """
        Add `key` after `delay_s` seconds; without a `priority`, with the one it runs or waits with.

        If it is delayed already, `policy` says which deadline holds. If a run of it is still to start anyway, the delay
        is dropped: that run decides what comes after it. The queue counts as idle meanwhile.
        """
        if not self._closed:
            self._add_later(key, delay_s, policy, priority)

    def add_batched(self, key: K, delay_s: float, *, priority: int = NORMAL) -> None:
        """
        Add `key` within `delay_s` seconds, together with whatever else is added for it until then.

        The delay counts from the first of these adds. The queue is not idle meanwhile.
        """
        if not delay_s > 0 or self._wants(key):
            self.add(key, priority)
        elif not self._closed:
            if not self._in_loop:
                self._enter_loop()
            due_at, delayed = self._loop_clock() + delay_s, self._delayed
            if key in delayed.batched and priority == NORMAL and delayed.deadlines[key][0] <= due_at:
                return  # as it mostly is: one of several changes, and not the first
            delayed.put(key, due_at, priority=priority)
            delayed.batched.add(key)
            self._set_timer()

    def add_rate_limited(self, key: K, *, priority: int | None = None) -> None:
        """
        Add `key` again after a failure, when the limiter says; of two delays the earlier wins.

        Until then the key waits for a retry, and the queue is not idle. Once closed, the retry counts as abandoned.
        """
        if self._closed:
            self._abandoned += 1
        elif self._add_later(key, self._limiter.when(key), DelayPolicy.EARLIEST, priority):
            self._delayed.retries.add(key)

    def cancel_after(self, key: K) -> bool:
        """Cancel the delay of `key`, a retry's included; returns whether it had one."""
        if self._delayed.cancel(key) is None:
            return False
        self._set_timer()
        return True

    def forget(self, key: K) -> None:
        """Count the failures of `key` from 0 again; it stays in the queue if it is there."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        """How many failures in a row the limiter counts for `key`."""
        return self._limiter.failures(key)

    async def take(self) -> K:
        """
        Wait for a key and start its run; takes that wait are served in order.

        Errors  QueueClosed when the queue is closed and nothing is ready. A key that is wanted again while it runs
                is then left to the worker that runs it, which takes it after its done().
        """
        if not self._in_loop:
            self._enter_loop()
        stand = self._takers.append
        while not (self._ready and self._order.has_next()):
            if self._closed and not self._ready:
                raise _closed_error()
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            stand(taker)
            stand = self._takers.appendleft  # who was woken for nothing keeps his place
            self._watched = True
            try:
                await taker
            except BaseException:
                taker.cancel()  # without effect if it was woken; and a coroutine that is closed did not cancel it yet
                if taker.cancelled():
                    with suppress(ValueError):  # passed over and removed by _wake_taker() before this line ran
                        self._takers.remove(taker)
                else:  # woken and cancelled in the same moment: the key is the next one's
                    self._wake_taker()
                raise
        key = self.take_nowait()
        if self._closed:
            self._notice_end()
        return key

    def close(self) -> None:
        """
        Accept no more keys; hand out those that are ready, re-runs of running keys included. May be called again.

        Keys that wait for their delay are dropped and counted as abandoned.
        """
        if self._closed:
            return
        self._closed = True
        self._watched = True
        self._abandoned += self._delayed.clear()
        self._set_timer()
        self._notice_end()

    async def drain(self) -> None:
        """Close, then wait until nothing is ready or running, re-runs included, or until abandon()."""
        self.close()
        await self._drained.wait()

    def abandon(self) -> None:
        """
        Close and drop every run that has not started, counting them. May be called again.

        Ends each drain() that waits, even while keys run; their workers still call done().
        """
        self.close()
        self._abandoned += self._drop_wanted()
        self._notice_end()
        self._drained.set()

    def busy(self) -> tuple[str, ...]:
        """
        Each key that is ready, running or waiting for a retry or a batch, in words such as `demo/a running`.

        Empty when the queue is idle; a key that add_after() delays does not count.
        """
        if not (self._running or self._ready or self._delayed.retries or self._delayed.batched):
            return ()  # many are, each time that a test waits for all of them
        running = (f"{key} running{', wanted again' if key in self._again else ''}" for key in self._running)
        ready = (f"{key} ready" for key in self._ready)
        waiting = (f"{key} waits for a retry" for key in self._delayed.retries if key not in self._running)
        batched = (f"{key} waits for more changes" for key in self._delayed.batched if key not in self._running)
        return (*running, *ready, *waiting, *batched)

    def retries(self) -> dict[K, float]:
        """When each key that waits for a retry comes due, on the loop's clock."""
        return {key: self._delayed.deadlines[key][0] for key in self._delayed.retries}

    def due_at(self, key: K) -> float | None:
        """When `key` comes due, on the loop's clock; None if it is not delayed."""
        entry = self._delayed.deadlines.get(key)
        return None if entry is None else entry[0]

    def place_of(self, key: K) -> KeyPlace:
        """Where a key is at this moment."""
        ready, again = self._ready.get(key), self._again.get(key)
        since = ready[1] if ready is not None else None if again is None else again[0]
        return KeyPlace(
            wanted_since=None if since is None else since - self._ahead_s,
            due_at=self.due_at(key),
            batched=key in self._delayed.batched,
        )

    def next_ready(self, first: int | None = None, where: Callable[[K], bool] | None = None) -> list[tuple[K, float]]:
        """
        The keys that pass `where` and wait for a taker, those that have waited longest in front, each with since when
        on the loop's clock; with `first` only so many.
        """
        entries = ((key, entry[1] - self._ahead_s) for key, entry in self._ready.items() if where is None or where(key))
        return nsmallest(len(self._ready) if first is None else first, entries, key=itemgetter(1))

    def next_due(self, first: int | None = None, where: Callable[[K], bool] | None = None) -> list[tuple[K, float]]:
        """
        The delayed keys that pass `where`, the next in front, each with when it comes due on the loop's clock; with
        `first` only so many.
        """
        deadlines = self._delayed.deadlines.values()
        many = len(deadlines) if first is None else first
        entries = (entry for entry in deadlines if where is None or where(entry[2]))
        return [(key, due_at) for due_at, _, key in nsmallest(many, entries)]

    @property
    def abandoned(self) -> int:
        """How many keys were dropped before they ran, as it was closed."""
        return self._abandoned

    def statistics(self) -> QueueStatistics:
        """Return a snapshot."""
        now = self._clock() if self._running else 0.0
        durations_s = [now - since for since, _ in self._running.values()]
        return QueueStatistics(
            ready=len(self._ready),
            running=len(self._running),
            delayed=len(self._delayed.deadlines),
            retries=len(self._delayed.retries),
            takers=len(self._takers),
            depth=self._depths(),
            unfinished_s=sum(durations_s),
            longest_s=max(durations_s, default=0.0),
            adds=self._adds(),
            requeues=self._requeues,
            abandoned=self._abandoned,
            waited=None if self._meter is None else self._meter.waited.statistics(),
            worked=None if self._meter is None else self._meter.worked.statistics(),
        )

    def _add_later(self, key: K, delay_s: float, policy: DelayPolicy, priority: int | None) -> bool:
        """Whether `key` is delayed by this, or has been already."""
        self._requeues += delay_s > 0
        asked = self._priority(key) if priority is None else priority
        if not delay_s > 0:
            self.add(key, asked)
            return False
        if self._wants(key):
            if priority is not None:
                self._add_again(key, priority)
            return False
        if not self._in_loop:
            self._enter_loop()
        self._delayed.put(key, self._loop_clock() + delay_s, policy, priority=asked)
        self._set_timer()
        return True

    def _priority(self, key: K) -> int:
        """The priority `key` runs with or is delayed with."""
        if (run := self._running.get(key)) is not None:
            return run[1]
        held = self._delayed.priority(key)
        return NORMAL if held is None else held

    def _admit(self, key: K, priority: int) -> int | None:
        if self._closed:
            return None
        held = self._delayed.cancel(key)
        if held is None:
            return priority
        self._set_timer()
        return max(held, priority)

    def _added(self) -> None:
        if self._order.has_next():
            self._wake_taker()

    def _ended(self, key: K) -> None:
        super()._ended(key)
        if self._takers and self._ready and self._order.has_next():
            self._wake_taker()
        if self._closed:
            self._notice_end()

    def _nothing_to_take(self) -> Exception:
        return _closed_error() if self._closed and not self._ready else asyncio.QueueEmpty()

    def _wake_taker(self) -> None:
        """Wake the take that waits longest, passing over those that were cancelled but have not run since."""
        woken = False
        while self._takers and not woken:
            taker = self._takers.popleft()
            woken = not taker.done()
            if woken:
                taker.set_result(None)
        self._watched = bool(self._takers) or self._closed or self._fair

    def _notice_end(self) -> None:
        """Once closed and empty, let the takes that wait end, and the drains once nothing runs either."""
        if self._closed and not self._ready:
            while self._takers:
                self._wake_taker()
            if not self._running:
                self._drained.set()

    def _set_timer(self) -> None:
        """Keep the one timer at the earliest deadline; none when no key is delayed. Its context is nobody's."""
        deadline = self._delayed.next_deadline()
        self._guarded = self._closed or deadline is not None
        if self._timer is not None:
            if self._timer.when() == deadline:
                return
            self._timer.cancel()
        self._timer = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline, self._on_deadline, deadline, context=Context())

    def _on_deadline(self, deadline: float) -> None:
        """Make ready what is due; a loop may be early by its clock's resolution, so at least `deadline` is past."""
        self._timer = None
        for key, priority in self._delayed.due(max(deadline, monotonic())):
            self.add(key, priority)
        self._set_timer()


def _closed_error() -> QueueClosed:
    return QueueClosed("take from the work queue: it is closed and has nothing ready; end the worker")
