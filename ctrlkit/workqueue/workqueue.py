"""
The async face of the three pure parts: what is ready, what comes later, how long a failure waits.

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
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from ctrlkit.clock import monotonic
from ctrlkit.errors import CtrlkitError
from ctrlkit.workqueue.delayed import DelayedKeys, DelayPolicy
from ctrlkit.workqueue.limits import ExponentialPerKey, RateLimiter
from ctrlkit.workqueue.ready import ReadyKeys

K = TypeVar("K", bound=Hashable)


class QueueClosed(CtrlkitError):
    """The queue takes no more keys and has none left to hand out: its worker can go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """
    How much a queue holds at one moment.

    `ready` and `running` count keys; `delayed` counts keys with a deadline, `retries` those of them that failed;
    `takers` are the takes that wait; `abandoned` counts the runs owed that closing dropped, since the beginning.
    """

    ready: int
    running: int
    delayed: int
    retries: int
    takers: int
    abandoned: int


class WorkQueue(Generic[K]):
    """
    A first-in first-out queue in which a key waits once and runs once at a time.

    >>> queue = WorkQueue[str]()
    >>> queue.add("demo/a"); queue.add("demo/b"); queue.add("demo/a")   # the third add changes nothing
    >>> queue.take_nowait()
    'demo/a'
    >>> queue.add("demo/a")                                             # it is running: remembered, not started
    >>> queue.done("demo/a"); queue.take_nowait()                       # so it now waits behind demo/b
    'demo/b'

    Shape   K is hashable. A key is ready, delayed or running, and may be wanted again (at once or later) while it runs;
            so the queue never holds more entries than there are distinct keys. There is no other bound.
    Units   `delay_s`: seconds on the running loop's clock, float; 0 or less means now.
    Cost    add, take, done O(1); add_after and add_rate_limited O(log n). Only take() and drain() suspend.
    Errors  QueueClosed from take() when closed and empty; KeyError from done() for a key that is not running.
    Owner   One event loop; not thread-safe. Each take is paired with one done(), on every path: without it the key
            never runs again.
    Source  Rows Q1 to Q11, Q16, P1, P3, B6 and B23; where we differ on purpose: docs/deviations.md.
    """

    __slots__ = ("_abandoned", "_closed", "_delayed", "_drained", "_limiter", "_ready", "_takers", "_timer")

    def __init__(self, *, limiter: RateLimiter[K] | None = None) -> None:
        self._limiter: RateLimiter[K] = ExponentialPerKey[K]() if limiter is None else limiter
        self._ready: ReadyKeys[K] = ReadyKeys()
        self._delayed: DelayedKeys[K] = DelayedKeys()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._drained = asyncio.Event()
        self._abandoned = 0

    def add(self, key: K) -> None:
        """Have `key` run as soon as its turn comes; this consumes a delay it has (B6). Ignored once closed."""
        if self._closed:
            return
        if self._delayed.deadlines and self._delayed.cancel(key):
            self._set_timer()
        if self._ready.add(key) and self._takers:
            self._wake_taker()

    def add_after(self, key: K, delay_s: float, *, policy: DelayPolicy = DelayPolicy.EARLIEST) -> None:
        """
        Have `key` run once `delay_s` seconds have passed.

        If it is delayed already, `policy` says which moment holds (Q7, B6). If a run of it is still to start anyway,
        the delay is dropped (P3): that run will say what comes after it. The queue counts as idle meanwhile.
        """
        if self._closed:
            return
        if not delay_s > 0:
            self.add(key)
        elif not self._ready.wants(key):
            self._delayed.put(key, monotonic() + delay_s, policy)
            self._set_timer()

    def add_rate_limited(self, key: K) -> None:
        """
        Have `key` run again after a failure, when the limiter says (Q16); of two delays the earlier wins.

        Until then the key is owed a retry, and the queue is not idle. Once closed, the retry counts as abandoned.
        """
        if self._closed:
            self._abandoned += 1
            return
        delay_s = self._limiter.when(key)
        if not delay_s > 0:
            self.add(key)
        elif not self._ready.wants(key):
            self._delayed.put_retry(key, monotonic() + delay_s)
            self._set_timer()

    def cancel_after(self, key: K) -> bool:
        """Take away the delay of `key`, a retry's included (B6); whether it had one."""
        if not self._delayed.cancel(key):
            return False
        self._set_timer()
        return True

    def forget(self, key: K) -> None:
        """Count the failures of `key` from 0 again (Q16); it stays in the queue if it is there."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        """How many failures in a row the limiter counts for `key`."""
        return self._limiter.failures(key)

    async def take(self) -> K:
        """
        Wait for a key and start its run; takes that wait are served in order.

        Errors  QueueClosed when the queue is closed and nothing is ready (Q5). A key that is wanted again while it runs
                is then left to the worker that runs it, which takes it after its done().
        """
        while not self._ready.order:
            if self._closed:
                raise _closed_error()
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except BaseException:
                taker.cancel()  # without effect if it was woken; and a coroutine that is closed did not cancel it yet
                if taker.cancelled():
                    with suppress(ValueError):  # passed over and removed by _wake_taker() before this line ran
                        self._takers.remove(taker)
                elif self._ready.order:  # woken and cancelled in the same moment: the key is the next one's
                    self._wake_taker()
                raise
        return self._ready.take()

    def take_nowait(self) -> K:
        """As take(), but asyncio.QueueEmpty instead of waiting."""
        if self._ready.order:
            return self._ready.take()
        raise _closed_error() if self._closed else asyncio.QueueEmpty

    def done(self, key: K) -> None:
        """
        End the run of `key`; if it was wanted meanwhile, it is ready again, behind the others (Q2).

        Errors  KeyError for a key that is not running.
        """
        if self._ready.done(key):
            if self._takers:
                self._wake_taker()
        elif self._closed:
            self._note_drained()

    def close(self) -> None:
        """
        Take in nothing more; hand out what is ready, re-runs of running keys included (Q5). May be called again.

        Keys that wait for their delay are dropped and counted as abandoned.
        """
        if self._closed:
            return
        self._closed = True
        self._abandoned += self._delayed.clear()
        self._set_timer()
        for _ in range(len(self._takers)):
            self._wake_taker()
        self._note_drained()

    async def drain(self) -> None:
        """Close, then wait until nothing is ready or running, re-runs included (Q6), or until abandon()."""
        self.close()
        await self._drained.wait()

    def abandon(self) -> None:
        """
        Close and drop every run that has not started, counting them (B23). May be called again.

        Ends each drain() that waits, even while keys run; their workers still call done().
        """
        self.close()
        self._abandoned += self._ready.drop_wanted()
        self._drained.set()

    def is_idle(self) -> bool:
        """Whether nothing is ready, running or owed a retry; a key that add_after() delays is idle."""
        return not self._ready.states and not self._delayed.retries

    def busy(self) -> tuple[str, ...]:
        """Each key that keeps the queue from being idle, with the reason, such as `demo/a running`."""
        active = tuple(f"{key} {state.value}" for key, state in self._ready.states.items())
        return active + tuple(f"{key} owed a retry" for key in self._delayed.retries if key not in self._ready.states)

    def retries(self) -> dict[K, float]:
        """When each key that is owed a retry comes due, on the loop's clock."""
        return {key: self._delayed.deadlines[key][0] for key in self._delayed.retries}

    def statistics(self) -> Statistics:
        """How much the queue holds now."""
        return Statistics(
            ready=len(self._ready.order),
            running=self._ready.running_count(),
            delayed=len(self._delayed.deadlines),
            retries=len(self._delayed.retries),
            takers=len(self._takers),
            abandoned=self._abandoned,
        )

    def _wake_taker(self) -> None:
        """Wake the take that waits longest, passing over those that were cancelled but have not run since."""
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    def _set_timer(self) -> None:
        """Keep the one timer at the earliest deadline; none when no key is delayed."""
        deadline = self._delayed.next_deadline()
        if self._timer is not None:
            if self._timer.when() == deadline:
                return
            self._timer.cancel()
        self._timer = (
            None if deadline is None else asyncio.get_running_loop().call_at(deadline, self._on_deadline, deadline)
        )

    def _on_deadline(self, deadline: float) -> None:
        """Make ready what is due; a loop may be early by its clock's resolution, so at least `deadline` is past."""
        self._timer = None
        for key in self._delayed.due(max(deadline, monotonic())):
            if self._ready.add(key) and self._takers:
                self._wake_taker()
        self._set_timer()

    def _note_drained(self) -> None:
        if not self._ready.states:
            self._drained.set()


def _closed_error() -> QueueClosed:
    return QueueClosed("take from the work queue: it is closed and has nothing ready; end the worker")
