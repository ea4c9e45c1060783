"""Monotonic clocks that disagree: a virtual loop on which what runs in some context has a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import TypeVarTuple

from ctrlkit.fakes.loop import VirtualTimeLoop

Ts = TypeVarTuple("Ts")

_ROUNDING_S = 1e-9
"""Timers fire this much late, so that no rounding has one fire before its local moment."""


@dataclass(frozen=True, slots=True)
class LocalClock:
    """
    A monotonic clock: where it started, and how many of its seconds pass in a true one.

    >>> hasty = LocalClock(starts_at=1000.0, rate=1.25)
    >>> hasty.local(8.0), hasty.true(1010.0)
    (1010.0, 8.0)
    """

    starts_at: float
    rate: float

    def local(self, true: float) -> float:
        return self.starts_at + true * self.rate

    def true(self, local: float) -> float:
        return (local - self.starts_at) / self.rate


CLOCK: ContextVar[LocalClock | None] = ContextVar("tests_local_clock", default=None)
"""The clock by which the tasks of this context live, their sleeps and time limits included; None is the true one."""


class SkewedLoop(VirtualTimeLoop):
    """A loop on virtual time that tells each context the time of its own clock."""

    def time(self) -> float:
        """By the clock of the context that asks."""
        clock = CLOCK.get()
        return super().time() if clock is None else clock.local(super().time())

    def true_time(self) -> float:
        """By the loop's own clock."""
        return super().time()

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """At a moment of the clock of the context that asks."""
        clock = CLOCK.get()
        moment = when if clock is None else clock.true(when) + _ROUNDING_S
        return super().call_at(moment, callback, *args, context=context)
