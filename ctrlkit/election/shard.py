"""
One shard on one replica, from acquiring its Lease to releasing it.

    idle ─ want() ─► acquiring ─► held ─ let_go() ─► handing over ─ end() returned ─► releasing ─► idle
                        ▲           │ the lease is lost          │
                        │           ▼                            │
                        └──────── lost ◄─────────────────────────┘      cut_off() at once, then end()

In      want() and let_go(), as the plan of the moment says.
Out     ShardWork: begin() once the Lease was acquired; before another can, end() has returned or cut_off() was called.
Owns    The Elector of the shard. The Lease is renewed until end() has returned, however long that takes.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from ctrlkit.clock import monotonic
from ctrlkit.election.elector import Elector, LeadershipLost


class ShardWork(Protocol):
    """What to do with a shard; the manager implements it for its controllers."""

    def begin(self, shard: int) -> None:
        """Start to work on the keys of a shard, which this replica holds from now on."""
        ...

    async def end(self, shard: int) -> None:
        """Start no more work on a shard, and return when none runs. Also called after cut_off()."""
        ...

    def cut_off(self, shard: int) -> None:
        """Stop all work on a shard at once: its lease is lost."""
        ...


class ShardState(Enum):
    """The state of a shard on one replica."""

    IDLE = "idle"
    ACQUIRING = "acquiring"
    HELD = "held"
    HANDING_OVER = "handing over"
    LOST = "lost"
    RELEASING = "releasing"


class Shard:
    """
    A shard on one replica. `run` carries out what want() and let_go() ask for, and returns when nothing is to do.

    Owner   Whoever calls want() has `run` run while `is_at_rest` is false. Cancelled, it cuts off what runs and leaves
            the Lease to expire.
    """

    def __init__(self, number: int, elector: Elector, *, log: FilteringBoundLogger) -> None:
        self.number = number
        self.elector = elector
        self.state: ShardState = ShardState.IDLE
        self._wanted = False
        self._patience: asyncio.Timeout | None = None  # of the acquiring that goes on now
        self._over = asyncio.Event()  # the time to act is over: it is to be handed over, or lost
        self._work: ShardWork | None = None
        self._lost_at = 0.0
        self._log = log

    @property
    def is_at_rest(self) -> bool:
        """Whether there is nothing to do: neither wanted nor held."""
        return self.state is ShardState.IDLE and not self._wanted

    def want(self) -> None:
        """Acquire it: the plan gives it to this replica."""
        self._wanted = True

    def let_go(self) -> None:
        """Hand it over: the plan gives it to another replica, or this one ends."""
        self._wanted = False
        if self.state is ShardState.ACQUIRING and self._patience is not None and not self._patience.expired():
            self._patience.reschedule(monotonic())
        self._over.set()

    def acts(self) -> bool:
        """Whether this replica may act on the shard's keys now."""
        if self.state is not ShardState.HELD:
            return False
        if self.elector.is_leading():
            return True
        self._over.set()  # who asked was told no: even if a late renewal comes, the shard is to be begun anew
        return False

    def check(self) -> str:
        """Return "" when healthy, else why not: the lease is lost, another may act, and this replica still does."""
        lost_for_s = monotonic() - self._lost_at
        times = self.elector.times
        if self.state is not ShardState.LOST or lost_for_s <= times.lease_s - times.renew_s:
            return ""
        return f"shard {self.number}: lost {lost_for_s:.1f} s ago, and what ran of it goes on although it was cut off"

    async def run(self, work: ShardWork) -> None:
        """Acquire, act, hand over, as long as it is wanted; return when it is not and the Lease is given up."""
        self._work = work
        while self._wanted:
            if await self._acquired():
                await self._act(work)
            await self._give_back()
        self.state = ShardState.IDLE

    async def _acquired(self) -> bool:
        """Wait for the Lease; False where it was let go meanwhile."""
        self.state = ShardState.ACQUIRING
        try:
            async with asyncio.timeout(None) as self._patience:
                await self.elector.acquire()
        except TimeoutError:
            return False
        return self._wanted

    async def _give_back(self) -> None:
        if not self._wanted:
            self.state = ShardState.RELEASING
            await self.elector.release()

    async def _act(self, work: ShardWork) -> None:
        """Have its keys worked on until it is let go or lost; return when nothing of it runs any more."""
        self._over.clear()
        self.state = ShardState.HELD
        try:
            async with asyncio.TaskGroup() as tasks:
                holding = tasks.create_task(self._hold(), name=f"hold {self.elector.lease}")
                work.begin(self.number)
                await self._over.wait()
                if not self.elector.is_leading():
                    self._lose()
                await self._end(work)
                holding.cancel()
        except BaseException:
            self._lose()  # nobody renews it any more
            raise

    async def _end(self, work: ShardWork) -> None:
        if self.state is ShardState.HELD:
            self.state = ShardState.HANDING_OVER
        began = monotonic()
        await work.end(self.number)
        self._log.info("shard_ended", shard=self.number, took_ms=round((monotonic() - began) * 1000, 1))

    async def _hold(self) -> None:
        try:
            await self.elector.hold()
        except LeadershipLost:
            self._lose()

    def _lose(self) -> None:
        if self.state in (ShardState.HELD, ShardState.HANDING_OVER) and self._work is not None:
            self.state = ShardState.LOST
            self._lost_at = monotonic()
            self._log.warning("shard_cut_off", shard=self.number)
            self._work.cut_off(self.number)
            self._over.set()
