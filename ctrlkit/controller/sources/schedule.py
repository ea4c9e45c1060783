"""
A source that enqueues keys by the clock: every so often, or at the times of a cron expression.

Cron fields are `*`, numbers, names of months and days, ranges `a-b`, steps `*/n` and `a-b/n`, and lists of these.
Sunday is 0 and 7. Where both days are limited, a day that fits one of them is meant, as in cron since 1979. Times are
UTC.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from ctrlkit import clock
from ctrlkit.controller.sources.source import Sink, as_keys
from ctrlkit.model import ObjectKey
from ctrlkit.workqueue import LOW

SLICE: Final = 100
"""Keys added in one turn of the loop."""
LOOK_S: Final = 600.0
"""The longest wait for a time of the wall clock without a look at it: it may have been set meanwhile."""


@dataclass(frozen=True, slots=True)
class Every:
    """
    An interval of a Schedule, in seconds, with jitter.

    >>> Every(60).jitter
    0.1

    Units   `seconds`: at least 1. `jitter`: each wait is drawn anew, uniform in 1 - jitter to 1 + jitter times that.
    Errors  ValueError for anything else.
    """

    seconds: float
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.seconds < math.inf:
            raise ValueError(f"Every: seconds must be at least 1, got {self.seconds!r}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"Every: jitter must be a share of 1, got {self.jitter!r}")


class Schedule:
    """
    A source that enqueues all keys of a function, again and again.

        Schedule("sweep", networks.lister.keys, Every(600))
        Schedule("nightly", lambda: ["demo/report"], Cron.parse("30 3 * * *"))

    Shape   `keys` is called each time; what it raises is logged and counted, and the next time comes all the same.
            Missed times are not made up for: of several that passed while the loop was held one counts, and of
            those before the start, or before the election, none, as every object is reconciled then anyway.
    """

    def __init__(
        self, name: str, keys: Callable[[], Iterable[ObjectKey | str]], when: Every | Cron, *, priority: int = LOW
    ) -> None:
        if not isinstance(when, Every | Cron):
            raise TypeError(f"Schedule {name}: when is {when!r}; write Every(seconds) or Cron.parse(text)")
        self.name = name
        """Its name in log lines and reports."""
        self._keys = keys
        self._when = when
        self._priority = priority

    async def run(self, sink: Sink) -> None:
        """As Source.run: nothing is there at the beginning."""
        sink.synced()
        while True:
            await self._next()
            try:
                keys = iter(as_keys(self._keys(), f"the function of schedule {self.name}"))
            except Exception as error:  # noqa: BLE001 - a user's function; the next time comes all the same
                sink.failed("keys", error)
                continue
            while part := list(islice(keys, SLICE)):
                for key in part:
                    sink.remind(key, self.name, priority=self._priority)
                await asyncio.sleep(0)

    async def replay(self, sink: Sink) -> None:
        """As Source.replay: a schedule remembers nothing."""

    async def _next(self) -> None:
        match self._when:
            case Every(seconds, jitter):
                await asyncio.sleep(seconds * clock.random_source().uniform(1 - jitter, 1 + jitter))
            case Cron() as cron:
                due = cron.next_after(clock.now())
                while (left_s := (due - clock.now()).total_seconds()) > 0:  # noqa: ASYNC110 - the wall clock tells nobody
                    await asyncio.sleep(min(left_s, LOOK_S))


_YEARS = 41
"""The next 29 February that is a Sunday, say, is never further away."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five: what it is called, its numbers, and names for them; the first name stands for `names_from`."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    names_from: int = 0

    def read(self, text: str) -> frozenset[int]:
        """The numbers that a text names."""
        numbers: set[int] = set()
        for part in text.split(","):
            span, slash, step = part.partition("/")
            if slash and not (step.isascii() and step.isdigit() and int(step)):
                raise ValueError(f"{self.name} has the step {step!r}; want a number of at least 1")
            first, dash, last = span.partition("-")
            if span == "*":
                low, high = self.low, self.high
            else:
                low = self._number(first)
                high = self._number(last) if dash else self.high if slash else low
            if low > high:
                raise ValueError(f"{self.name} {span!r} ends before it begins")
            numbers.update(range(low, high + 1, int(step or 1)))
        return frozenset(numbers)

    def _number(self, word: str) -> int:
        if word in self.names:
            return self.names.index(word) + self.names_from
        if not (word.isascii() and word.isdigit() and self.low <= int(word) <= self.high):
            raise ValueError(f"{self.name} {word!r} is not within {self.low} to {self.high}")
        return int(word)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1),
    _Field("day of the week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """
    A cron expression.

    >>> nightly = Cron.parse("30 3 * * mon-fri")
    >>> nightly.next_after(datetime(2026, 1, 2, 3, 30, tzinfo=UTC)).isoformat()      # a Friday
    '2026-01-05T03:30:00+00:00'
    >>> Cron.parse("61 * * * *")
    Traceback (most recent call last):
      ...
    ValueError: cron '61 * * * *': minute '61' is not within 0 to 59

    Errors  ValueError from `parse` for what names no time, 31 February included.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Parse the text of five fields."""
        fields = text.lower().split()
        if len(fields) != len(_FIELDS):
            raise ValueError(f"cron {text!r}: want five fields (minute hour day month weekday), got {len(fields)}")
        try:
            minutes, hours, days, months, weekdays = (
                field.read(part) for field, part in zip(_FIELDS, fields, strict=True)
            )
        except ValueError as error:
            raise ValueError(f"cron {text!r}: {error}") from None
        weekdays = frozenset(day % 7 for day in weekdays)
        either_day = not fields[2].startswith("*") and not fields[4].startswith("*")
        cron = cls(text, minutes, hours, days, months, weekdays, either_day)
        cron.next_after(datetime(2000, 1, 1, tzinfo=UTC))
        return cron

    def next_after(self, moment: datetime) -> datetime:
        """The first time after a moment."""
        moment = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        minute = moment.hour * 60 + moment.minute
        day = moment.replace(hour=0, minute=0)
        end = day + timedelta(days=366 * _YEARS)
        times = sorted(60 * hour + minute for hour in self.hours for minute in self.minutes)
        while day < end:
            if self._has(day):
                found = next((time for time in times if time >= minute), None)
                if found is not None:
                    return day + timedelta(minutes=found)
            day, minute = day + timedelta(days=1), 0
        raise ValueError(f"cron {self.text!r}: there is no such day; correct the day or the month")

    def _has(self, day: datetime) -> bool:
        of_month, of_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        fits = of_month or of_week if self.either_day else of_month and of_week
        return day.month in self.months and fits
