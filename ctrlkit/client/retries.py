"""Writes that lose against another writer, tried again on what is there now (row Q23)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from ctrlkit.clock import random_source
from ctrlkit.errors import Conflict

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """
    How often to try, and the waits between tries.

    >>> [round(delay, 3) for delay in RetryPolicy(tries=4, first_s=0.01, factor=5.0, jitter=0.0).delays_s(Random())]
    [0.01, 0.05, 0.25]

    Units   Seconds; a wait is uniform in [1, 1 + jitter] times `first_s`, which grows by `factor` each time.
    Errors  ValueError for fewer than one try, and negative numbers.
    """

    tries: int
    first_s: float
    factor: float = 1.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if self.tries < 1 or self.first_s < 0 or self.factor < 0 or self.jitter < 0:
            raise ValueError(f"RetryPolicy: at least one try, and no number below 0, got {self}")

    def delays_s(self, chance: Random) -> Iterator[float]:
        """The waits, one fewer than tries."""
        for number in range(self.tries - 1):
            yield self.first_s * self.factor**number * chance.uniform(1.0, 1.0 + self.jitter)


DEFAULT_RETRY: Final = RetryPolicy(tries=5, first_s=0.010)
"""For many writers who want little things each."""

DEFAULT_BACKOFF: Final = RetryPolicy(tries=4, first_s=0.010, factor=5.0)
"""For another busy writer, such as a controller that works on the same object."""


async def retry_on_conflict(attempt: Callable[[], Awaitable[T]], retries: RetryPolicy = DEFAULT_RETRY) -> T:
    """
    Call until it does not raise Conflict; `attempt` reads anew each time, or it loses again.

        async def mark() -> None:
            pod = await client.get(PODS, "demo/web-0")
            pod["metadata"].setdefault("labels", {})["seen"] = "yes"
            await client.update(PODS, pod)

        await retry_on_conflict(mark)

    A reconciler needs none of this: it lets Conflict go, and runs again when the cache has caught up.

    Errors  The last Conflict; any other error at once. A conflict between field managers is another error here: trying
            again does not mend it.
    """
    for delay_s in retries.delays_s(random_source()):
        try:
            return await attempt()
        except Conflict as error:
            if error.over_fields:
                raise
        await asyncio.sleep(delay_s)
    return await attempt()
