"""
How late the event loop is: a timer each second, and by how much it was missed.

Whatever holds the loop, a reconcile that computes or a call that blocks, holds up watches, lease renewals and all other
keys too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ctrlkit.clock import monotonic
from ctrlkit.histogram import Histogram, HistogramStatistics
from ctrlkit.telemetry import logger

BEAT_S: Final = 1.0
REMEMBERED_BEATS: Final = 60

LATE_MAX_S: Final = 5.0
"""A beat that is late by so much is told in the log, and makes this process unready for a minute."""


class Heartbeat:
    """
    Measures while `beating()` is entered.

    Owner   One event loop; it has one timer and no task.
    """

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=REMEMBERED_BEATS)
        self._histogram = Histogram()
        self._timer: asyncio.TimerHandle | None = None
        self._log = logger("endpoints")

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Measure for as long as this lasts."""
        self._set(monotonic() + BEAT_S)
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    @property
    def worst_s(self) -> float:
        """The longest delay in the last minute."""
        return max(self._late, default=0.0)

    def statistics(self) -> HistogramStatistics:
        """All delays so far."""
        return self._histogram.statistics()

    def _set(self, due: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(due, self._beat, due)

    def _beat(self, due: float) -> None:
        now = monotonic()
        late_s = max(0.0, now - due)
        self._late.append(late_s)
        self._histogram.observe(late_s)
        if late_s >= LATE_MAX_S:
            self._log.warning("loop_held", held_s=round(late_s, 1))
        self._set(now + BEAT_S)
