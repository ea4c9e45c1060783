"""
Replicas that share shards, each with a clock and a way to the server of its own, and a judge who looks on.

In      What a script has happen to them: joins, leaves, crashes, troubles on a way.
Out     A wrong as soon as two act on one shard at once, or one acts again on what it has not ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from random import Random

from ctrlkit.client import Client
from ctrlkit.election import LeaseTimes, Sharding
from ctrlkit.fakes.loop import SKEW, Skew
from tests.support.bad_network import Fate, Network, Way
from tests.support.candidates import LATENCY_S, TROUBLES, true_time
from tests.support.clocks import CLOCK, LocalClock


@dataclass(eq=False)
class Work:
    """
    What a replica does with its shards: `acting` is what something runs of.

    Shape   `drain_s` is how long it takes until what runs has ended by itself; what is cut off ends at once. `log` has
            each call, with its true time.
    """

    name: str
    changed: Callable[[], None]
    drain_s: float = 0.0
    acting: set[int] = field(default_factory=set)
    log: list[tuple[float, str, int]] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    _cut: dict[int, asyncio.Event] = field(default_factory=dict)

    def begin(self, shard: int) -> None:
        if shard in self.acting:
            self.wrongs.append(f"{self.name} begins {shard} again at {true_time():.3f}")
        self.acting.add(shard)
        self._cut[shard] = asyncio.Event()
        self._note("begin", shard)

    async def end(self, shard: int) -> None:
        self._note("end", shard)
        try:
            async with asyncio.timeout(self.drain_s):
                await self._cut[shard].wait()
        except TimeoutError:
            pass
        self.acting.discard(shard)
        self._note("ended", shard)

    def cut_off(self, shard: int) -> None:
        if shard not in self.acting:
            self.wrongs.append(f"{self.name} cuts off {shard}, which it has not begun, at {true_time():.3f}")
        self.acting.discard(shard)
        self._cut[shard].set()
        self._note("cut off", shard)

    def _note(self, what: str, shard: int) -> None:
        self.log.append((true_time(), what, shard))
        self.changed()


@dataclass(eq=False)
class Replica:
    """One process: a sharding and its work."""

    name: str
    sharding: Sharding
    work: Work
    way: Way
    context: Context
    clock: LocalClock
    task: asyncio.Task[None] | None = None
    troubles: list[tuple[float, Fate]] = field(default_factory=list)
    is_leaving: bool = False

    @property
    def runs(self) -> bool:
        return self.task is not None

    def owned(self) -> set[int]:
        """The shards that it may act on, as it sees it itself."""
        return set(self.context.copy().run(self.sharding.status).held)


class Replicas:
    """The replicas that are there, those that were, and the judge."""

    def __init__(self, network: Network, *, shards: int, times: LeaseTimes) -> None:
        self.shards = shards
        self.times = times
        self.there: list[Replica] = []
        self.gone: list[Replica] = []
        self.wrongs: list[str] = []
        self._network = network
        self._chance = Random(1)

    # ---- what happens to them ----------------------------------------------------------------------------------------

    def join(self, clock: LocalClock = LocalClock(0.0, 1.0), *, skew_s: float = 0.0, drain_s: float = 0.0) -> Replica:  # noqa: B008 - a frozen value
        """Start one more, under a name of its own."""
        name = f"Replica_{len(self.there) + len(self.gone)}"  # no name that Kubernetes would take
        way = self._network.way(name)
        sharding = Sharding(
            Client(way), name="net", namespace="default", shards=self.shards, identity=name, times=self.times
        )
        context = Context()
        context.run(CLOCK.set, clock)
        context.run(SKEW.set, Skew(skew_s))
        work = Work(name, self.judge, drain_s)
        replica = Replica(name, sharding, work, way, context, clock)
        way.fate = lambda: self._fate(replica)
        loop = asyncio.get_running_loop()
        replica.task = loop.create_task(sharding.run(work), name=name, context=context)
        self.there.append(replica)
        return replica

    def _fate(self, replica: Replica) -> Fate:
        """The trouble that is at work, on top of the ordinary latency."""
        while replica.troubles and replica.troubles[0][0] <= true_time():
            replica.troubles.pop(0)
        trouble = replica.troubles[0][1] if replica.troubles else TROUBLES["none"]
        there_s, back_s = self._chance.uniform(0, LATENCY_S), self._chance.uniform(0, LATENCY_S)
        return replace(trouble, there_s=trouble.there_s + there_s, back_s=trouble.back_s + back_s)

    def trouble(self, replica: Replica, troubles: Sequence[tuple[str, float]]) -> None:
        """Have one thing after the other happen to whatever it sends, each for some seconds."""
        ends_at = replica.troubles[-1][0] if replica.troubles else true_time()
        for name, lasts_s in troubles:
            ends_at += lasts_s
            replica.troubles.append((ends_at, TROUBLES[name]))

    def heal(self) -> None:
        for replica in self.there:
            replica.troubles.clear()

    def leave(self, replica: Replica) -> None:
        """Ask it to end in order; it is gone once it has."""
        assert replica.task is not None
        replica.is_leaving = True
        replica.task.cancel()
        replica.task.add_done_callback(lambda _: self._forget(replica))

    async def crash(self, replica: Replica) -> None:
        """End it in the middle of what it does: what is on its way arrives, and nothing else is sent."""
        replica.way.sever()
        await self._end(replica)
        replica.work.acting.clear()

    async def _end(self, replica: Replica) -> None:
        if replica.task is None:
            return
        replica.task.cancel()
        await asyncio.sleep(0)
        replica.task.cancel()  # the first one asks, the second one orders
        await asyncio.wait([replica.task])
        self._forget(replica)

    def _forget(self, replica: Replica) -> None:
        if replica.task is not None and not replica.task.cancelled() and replica.task.exception() is not None:
            self.wrongs.append(f"{replica.name} failed: {replica.task.exception()!r}")
        replica.task = None
        if replica in self.there:
            self.there.remove(replica)
            self.gone.append(replica)
        if replica.is_leaving and replica.work.acting:
            self.wrongs.append(f"{replica.name} left while something ran of {replica.work.acting}")

    async def end(self) -> None:
        for replica in tuple(self.there):
            await self._end(replica)

    # ---- the judge ---------------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Never two that act on one shard."""
        for shard in range(self.shards):
            who = [replica.name for replica in (*self.there, *self.gone) if shard in replica.work.acting]
            if len(who) > 1:
                self.wrongs.append(f"{who} act on {shard} at once, at {true_time():.3f}")

    def moves(self) -> int:
        """How often a shard was begun or ended, so far."""
        return sum(len(replica.work.log) for replica in (*self.there, *self.gone))

    def is_settled(self) -> bool:
        """Whether each shard is acted on by one that is there to stay, and shares are even to one shard."""
        shares = sorted(len(replica.work.acting) for replica in self.there if not replica.is_leaving)
        return bool(shares) and sum(shares) == self.shards and shares[-1] - shares[0] <= 1

    def reports(self) -> dict[str, tuple[str, ...]]:
        """Who is busy with what."""
        return {replica.name: replica.context.copy().run(replica.sharding.busy) for replica in self.there}

    async def watch(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Let true time pass, with the judge looking on all the time; whether it ended early."""
        ends_at = true_time() + seconds
        while true_time() < ends_at:
            await asyncio.sleep(0.25)
            self.judge()
            wrongs = [*self.wrongs, *(wrong for each in (*self.there, *self.gone) for wrong in each.work.wrongs)]
            assert not wrongs, wrongs[0]
            if until():
                return True
        return False
