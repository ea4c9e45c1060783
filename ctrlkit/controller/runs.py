"""
The reconciles of one controller: those that run now, and counts of those that ended.

Running ones can be listed, awaited, cancelled and reported as stuck. Counts are plain numbers that cost nothing to
keep; metrics.py turns them into samples. Rows B32, K13 to K15.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from ctrlkit.clock import monotonic
from ctrlkit.controller.causes import CauseKind
from ctrlkit.controller.history import Failures
from ctrlkit.controller.observer import Run
from ctrlkit.controller.reconcile import ReconcileTimeout, Result, Verdict
from ctrlkit.controller.writes import GateStatistics
from ctrlkit.frames import place_of_task
from ctrlkit.histogram import Histogram, HistogramStatistics
from ctrlkit.model import ObjectKey
from ctrlkit.workqueue import QueueStatistics


@dataclass(slots=True, eq=False)
class Running:
    """
    One running reconcile.

    Shape   `limit` is the block that it runs in: whoever brings its deadline forward cuts it off. `cut_off` says that
            this was done on purpose, `waiting` for what it then waited; `reported` that it was logged as stuck. `task`
            is the one that it runs in.
    """

    run: Run
    limit: asyncio.Timeout
    task: asyncio.Task[object] | None = None
    cut_off: bool = False
    waiting: str = ""
    reported: bool = False

    @property
    def was_cut_off(self) -> bool:
        """Whether it was cut off, and noticed."""
        return self.cut_off and self.limit.expired()


class RunningKeys:
    """
    The reconciles that run now, the one that began first in front.

    Units   `stuck_after_s`: a reconcile that runs longer is stuck; `on_stuck` is then called, once.
    Owner   The workers of one controller, who begin and end each.
    """

    def __init__(self, *, stuck_after_s: float, on_stuck: Callable[[Run], None]) -> None:
        self._stuck_after_s = stuck_after_s
        self._on_stuck = on_stuck
        self._by_key: dict[ObjectKey, Running] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Event] = []

    def begin(self, run: Run, limit: asyncio.Timeout) -> Running:
        """A reconcile begins."""
        running = self._by_key[run.key] = Running(run, limit, asyncio.current_task())
        if self._timer is None:
            self._set_timer(running)
        return running

    def end(self, key: ObjectKey) -> None:
        """It ended, however."""
        del self._by_key[key]
        for waiter in self._waiters:
            waiter.set()

    def close(self) -> None:
        """Nothing runs any more, and nothing will."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def keys(self) -> tuple[ObjectKey, ...]:
        """What runs."""
        return tuple(self._by_key)

    def runs(self) -> tuple[Run, ...]:
        """The same, with all that is known of it."""
        return tuple(running.run for running in self._by_key.values())

    def place(self, key: ObjectKey) -> str:
        """Which line of own code a run waits at, as `sites.py:64 in sites`; empty where it is not known."""
        running = self._by_key.get(key)
        return "" if running is None or running.task is None else place_of_task(running.task)

    def stuck(self) -> tuple[ObjectKey, ...]:
        """What has run for too long."""
        if not self._by_key:
            return ()  # also where no loop runs
        now = monotonic()
        return tuple(key for key, each in self._by_key.items() if each.run.began_at + self._stuck_after_s <= now)

    def cut_off(self, where: Callable[[ObjectKey], bool]) -> None:
        """Cancel the reconciles of these keys, and nobody else."""
        now = monotonic()
        for key, running in self._by_key.items():
            if where(key) and not running.limit.expired():
                running.cut_off = True
                running.limit.reschedule(now)

    async def quiet(self, where: Callable[[ObjectKey], bool]) -> None:
        """Return when none of these keys runs."""
        moved = asyncio.Event()
        self._waiters.append(moved)
        try:
            while any(map(where, self._by_key)):
                moved.clear()
                await moved.wait()
        finally:
            self._waiters.remove(moved)

    def _set_timer(self, first: Running) -> None:
        when = first.run.began_at + self._stuck_after_s
        self._timer = asyncio.get_running_loop().call_at(when, self._look, when)

    def _look(self, when: float) -> None:
        """
        Report those that have become stuck, and look again when the next one may have.

        It is `when`, whatever the clock says: a loop may be early by its clock's resolution.
        """
        self._timer = None
        now = max(when, monotonic())
        for running in tuple(self._by_key.values()):
            if running.run.began_at + self._stuck_after_s > now:
                self._set_timer(running)
                return
            if not running.reported:
                running.reported = True
                self._on_stuck(running.run)


BUCKETS_S: Final = tuple(
    chain(
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        (1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0),
        (15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0),
    )
)
"""The upper bounds of `controller_runtime_reconcile_time_seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerStatistics:
    """
    Statistics of one controller, at one moment.

    Shape   `results` counts reconciles by result, `took` is how long these ran. `unforeseen` are those of them that
            raised what is no CtrlkitError, `timeouts` those that the controller's own time limit ended;
            `cancelled` were cut off and have no result. `causes` counts by kind what led to reconciles.
            `source_failures` counts mappers, predicates and the like that raised. `failures` are the keys whose last
            run failed, by its result; `waiting` those that wait for something else (RetryLater). `running` are the
            reconciles that run now, by as many as `workers` at a time; the `stuck` among them have run for too long.
    """

    results: Mapping[Result, int]
    took: HistogramStatistics
    unforeseen: int
    timeouts: int
    cancelled: int
    causes: Mapping[CauseKind, int]
    source_failures: int
    failures: Mapping[str, Failures]
    waiting: Failures
    running: tuple[Run, ...]
    stuck: tuple[ObjectKey, ...]
    workers: int
    queue: QueueStatistics
    gate: GateStatistics

    @property
    def failing(self) -> int:
        """How many keys fail."""
        return sum(failures.keys for failures in self.failures.values())

    @property
    def failing_since(self) -> datetime | None:
        """Since when the key fails that has failed longest."""
        return min((each.since for each in self.failures.values() if each.since is not None), default=None)


class ReconcileCounters:
    """
    Counts the reconciles that ended, and what led to reconciles.

    >>> counters = ReconcileCounters()
    >>> counters.ended(Verdict(result=Result.DONE), took_s=0.02)
    >>> counters.results[Result.DONE], counters.took.statistics().counts[2]
    (1, 1)
    """

    def __init__(self) -> None:
        self.results: Counter[Result] = Counter()
        self.causes: Counter[CauseKind] = Counter()
        self.unforeseen: int = 0
        self.timeouts: int = 0
        self.cancelled = 0
        self.took: Histogram = Histogram(BUCKETS_S)

    def ended(self, verdict: Verdict, *, took_s: float) -> None:
        """A reconcile came to an end of its own."""
        self.results[verdict.result] += 1
        self.unforeseen += not verdict.foreseen
        self.timeouts += isinstance(verdict.error, ReconcileTimeout)
        self.took.observe(took_s)
