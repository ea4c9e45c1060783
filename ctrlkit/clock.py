"""
The one source of time and of randomness.

The running event loop is the clock: on a loop with virtual time (ctrlkit.fakes.loop) every back-off, lease and resync
runs without one real second, always in the same order. Nothing here is passed through constructors: code that waits
uses asyncio, code that needs a time stamp calls `now()`, code that needs jitter calls `random_source()`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

_CHANCE = random.Random()
_formatted: list[tuple[datetime | None, str]] = [(None, "")]
"""The last time that was formatted: while virtual time stands still it is asked for again and again."""


def monotonic() -> float:
    """Return the seconds on the running loop's clock; only differences mean something."""
    return asyncio.get_running_loop().time()


def reader() -> Callable[[], float]:
    """
    Return the running loop's clock as a function, for code that reads it often: a fifth of the cost of monotonic().

    It is `time.monotonic` for asyncio's own loops, and where no loop runs.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # no loop runs here: plain synchronous code
        return time.monotonic
    return time.monotonic if type(loop).time is asyncio.BaseEventLoop.time else loop.time


def is_in_task() -> bool:
    """Return whether a task runs this, which can wait and be cancelled; not so in plain synchronous code."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def now() -> datetime:
    """Return the wall time in UTC: that of the loop where it keeps one (virtual time), else the machine's."""
    try:
        loop: Any = asyncio.get_running_loop()
        wall_now: Callable[[], datetime] = loop.wall_now
    except (RuntimeError, AttributeError):  # plain synchronous code, and loops on real time
        return datetime.fromtimestamp(time.time(), tz=UTC)
    return wall_now()


def random_source() -> random.Random:
    """Return the generator of all jitter: that of the loop where it has one (seeded in tests), else the process's."""
    try:
        return getattr(asyncio.get_running_loop(), "random_source", _CHANCE)
    except RuntimeError:
        return _CHANCE


def timestamp(moment: datetime) -> str:
    """
    Format a time as RFC 3339 in whole seconds, as the API server writes `metav1.Time`.

    >>> timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    last, text = _formatted[0]
    if moment is not last:
        here = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        text = here.isoformat(timespec="seconds")[: -len("+00:00")] + "Z"
        _formatted[0] = (moment, text)
    return text


def micro_timestamp(moment: datetime) -> str:
    """
    Format a time as RFC 3339 in microseconds, as the API server writes `metav1.MicroTime` (Leases, Events).

    >>> micro_timestamp(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    '2026-01-02T03:04:05.000006Z'
    """
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"
