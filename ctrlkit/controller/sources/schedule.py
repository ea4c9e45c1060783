"""Keys by the clock: a source that has objects looked at every so often, or at certain times."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ctrlkit import clock
from ctrlkit.controller.sources.cron import Cron
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
    About every so many seconds.

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
    A source that has all keys of a function looked at when their time has come.

        Schedule("sweep", networks.lister.keys, Every(600))
        Schedule("nightly", lambda: ["demo/report"], Cron.parse("30 3 * * *"))

    Shape   `keys` is asked each time; if it raises, that is told and counted, and the next time comes all the same. A
            schedule remembers nothing: of several times that passed while the loop was held it knows one, and what
            passed before the start, or before the election, is not made up for: that looks at every object anyway.
    """

    def __init__(
        self, name: str, keys: Callable[[], Iterable[ObjectKey | str]], when: Every | Cron, *, priority: int = LOW
    ) -> None:
        if not isinstance(when, Every | Cron):
            raise TypeError(f"Schedule {name}: when is {when!r}; write Every(seconds) or Cron.parse(text)")
        self.name = name
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
