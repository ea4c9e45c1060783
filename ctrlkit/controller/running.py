"""
The reconciles that run now: who may see them, wait for them, cut them off, and wonder at their length (B32).

Owns     One timer, for the first of them that may become stuck. It is left to run out where that one ends before: no
         reconcile costs a timer of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ctrlkit.clock import monotonic
from ctrlkit.controller.observer import Run
from ctrlkit.model import ObjectKey


@dataclass(slots=True, eq=False)
class Running:
    """
    One of them.

    Shape   `limit` is the block that it runs in: whoever brings its deadline forward cuts it off. `cut_off` says that
            this was done on purpose; `told` that it was told of as stuck.
    """

    run: Run
    limit: asyncio.Timeout
    cut_off: bool = False
    told: bool = False

    @property
    def was_cut_off(self) -> bool:
        """Whether it was cut off, and noticed."""
        return self.cut_off and self.limit.expired()


class RunningKeys:
    """
    The table of them, the one that began first in front.

    Units   `stuck_after_s`: a reconcile that runs longer is stuck; `stuck` is then told of it, once.
    Owner   The workers of one controller, who begin and end each.
    """

    def __init__(self, *, stuck_after_s: float, stuck: Callable[[Run], None]) -> None:
        self._stuck_after_s = stuck_after_s
        self._tell_stuck = stuck
        self._by_key: dict[ObjectKey, Running] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Event] = []

    def __len__(self) -> int:
        return len(self._by_key)

    def begin(self, run: Run, limit: asyncio.Timeout) -> Running:
        """A reconcile begins."""
        running = self._by_key[run.key] = Running(run, limit)
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
        Tell of those that have become stuck, and look again when the next one may have.

        It is `when`, whatever the clock says: a loop may be early by its clock's resolution.
        """
        self._timer = None
        now = max(when, monotonic())
        for running in tuple(self._by_key.values()):
            if running.run.began_at + self._stuck_after_s > now:
                self._set_timer(running)
                return
            if not running.told:
                running.told = True
                self._tell_stuck(running.run)
