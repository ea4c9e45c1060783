"""
Candidates for one Lease, each with a clock and a way to the server of its own, and a judge who looks on.

In      A script's events: crashes, restarts, releases, wall clocks that jump, troubles on a way.
Out     AssertionError as soon as two may act at once, one acts for too long or takes over too soon, somebody's lease is
        blanked by another, or somebody sends too many requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field, replace
from random import Random

from ctrlkit.client import Client
from ctrlkit.election import Elector, LeadershipLost, LeaseTimes
from ctrlkit.election.lease import LeaseRecord
from ctrlkit.errors import Conflict, InternalError, NotFound, Timeout, TooManyRequests
from ctrlkit.fakes.loop import SKEW, Skew
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, ObjectKey, Unstructured
from ctrlkit.model.kinds import LEASES
from tests.support.bad_network import Ending, Fate, Network, Way
from tests.support.clocks import CLOCK, LocalClock, SkewedLoop

LEASE = ObjectKey("default", "net-controller")
LATENCY_S = 0.02
"""The longest way there, and the longest back, of a network without troubles."""

NEVER = float("-inf")
EPSILON_S = 1e-6
WINDOW_S = 10.0

TROUBLES: dict[str, Fate] = {
    "none": Fate(),
    "cut": Fate(request=Ending.SILENT),
    "refused": Fate(request=Ending.BROKEN),
    "answers lost": Fate(answer=Ending.SILENT),
    "answers broken": Fate(answer=Ending.BROKEN),
    "slow there": Fate(there_s=3.0),
    "very slow there": Fate(there_s=12.0),
    "slow back": Fate(back_s=3.0),
    "both slow": Fate(there_s=2.0, back_s=2.5),
    "overloaded": Fate(refusal=TooManyRequests("slow down", retry_after_s=1)),
    "failing": Fate(refusal=InternalError("boom")),
    "conflicts": Fate(refusal=Conflict("the object has been modified")),
    "done and denied": Fate(complaint=Timeout("the server gave up on the request")),
    "done and conflict": Fate(complaint=Conflict("the object has been modified")),
}


@dataclass(slots=True, eq=False)
class Candidate:
    """One process: an elector that acquires, holds, and starts anew when it has lost."""

    name: str
    clock: LocalClock
    skew: Skew
    elector: Elector
    way: Way
    context: Context
    task: asyncio.Task[None] | None = None
    troubles: list[tuple[float, Fate]] = field(default_factory=list)
    sent_at: deque[float] = field(default_factory=deque)

    @property
    def runs(self) -> bool:
        return self.task is not None

    def is_leading(self) -> bool:
        """As the process itself sees it, by its own clock."""
        return self.context.copy().run(self.elector.is_leading)


class Election:
    """
    The candidates, the server, and the judge.

    Shape   `clocks` makes one candidate each; identities are unique in time, unless one is restarted under its own.
            `terms` are those who came to lead, each with the true time from when on.
    """

    def __init__(self, clocks: list[LocalClock], times: LeaseTimes, network: Network, tracker: Tracker) -> None:
        self.times = times
        self.tracker = tracker
        self.terms: list[tuple[float, str]] = []
        self.wrongs: list[str] = []
        self._network = network
        self._chance = Random(1)
        self._births = 0
        self._last: Unstructured | None = None
        self._carried_out: dict[str, float] = {}
        network.arrived = self._judge_write
        self.candidates = [self._born(clock, Skew()) for clock in clocks]
        self.dead: list[Candidate] = []

    def _born(self, clock: LocalClock, skew: Skew, identity: str = "") -> Candidate:
        self._births += 1
        way = self._network.way(identity or f"c{self._births}")
        elector = Elector(Client(way), LEASE, identity=way.name, times=self.times)
        context = Context()
        context.run(CLOCK.set, clock)
        context.run(SKEW.set, skew)
        candidate = Candidate(way.name, clock, skew, elector, way, context)
        way.fate = lambda: self._fate(candidate)
        return candidate

    def _fate(self, candidate: Candidate) -> Fate:
        """The trouble that is at work, on top of the ordinary latency."""
        while candidate.troubles and candidate.troubles[0][0] <= true_time():
            candidate.troubles.pop(0)
        trouble = candidate.troubles[0][1] if candidate.troubles else TROUBLES["none"]
        self._count(candidate)
        there_s, back_s = self._chance.uniform(0, LATENCY_S), self._chance.uniform(0, LATENCY_S)
        return replace(trouble, there_s=trouble.there_s + there_s, back_s=trouble.back_s + back_s)

    # ---- what happens to them ----------------------------------------------------------------------------------------

    def start(self, candidate: Candidate) -> None:
        assert candidate.task is None
        loop = asyncio.get_running_loop()
        candidate.task = loop.create_task(self._run(candidate), name=candidate.name, context=candidate.context)

    async def _run(self, candidate: Candidate) -> None:
        while True:
            await candidate.elector.acquire()
            self.judge()
            self.terms.append((true_time(), candidate.name))
            with suppress(LeadershipLost):
                await candidate.elector.hold()

    async def stop(self, candidate: Candidate) -> bool:
        """End it in order: it releases, by its own clock, and may be started again."""
        await self._end(candidate)
        loop = asyncio.get_running_loop()
        return await loop.create_task(candidate.elector.release(), context=candidate.context)

    async def crash(self, candidate: Candidate) -> None:
        """End it in the middle of what it does: what is on its way arrives, and nothing else is sent."""
        candidate.way.sever()
        await self._end(candidate)

    async def _end(self, candidate: Candidate) -> None:
        task, candidate.task = candidate.task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    def reborn(self, place: int, *, identity: str = "") -> Candidate:
        """A new process on the machine of a candidate that crashed."""
        old = self.candidates[place]
        self.dead.append(old)
        new = self.candidates[place] = self._born(old.clock, old.skew, identity)
        new.troubles = old.troubles
        return new

    def trouble(self, candidate: Candidate, troubles: Sequence[tuple[str, float]]) -> None:
        """Have one thing after the other happen to whatever it sends, each for some seconds."""
        ends_at = candidate.troubles[-1][0] if candidate.troubles else true_time()
        for name, lasts_s in troubles:
            ends_at += lasts_s
            candidate.troubles.append((ends_at, TROUBLES[name]))

    def heal(self) -> None:
        for candidate in self.candidates:
            candidate.troubles.clear()

    async def end(self) -> None:
        for candidate in self.candidates:
            await self._end(candidate)

    # ---- the judge ---------------------------------------------------------------------------------------------------

    def leaders(self) -> list[Candidate]:
        """Those that may act now."""
        return [candidate for candidate in self.candidates if candidate.runs and candidate.is_leading()]

    def judge(self) -> None:
        """Never two that may act at once, and none for longer than it may after the server last heard it."""
        leaders = self.leaders()
        self._hold_against(len(leaders) > 1, f"{[leader.name for leader in leaders]} lead at once")
        for leader in leaders:
            age_s = (true_time() - self._carried_out.get(leader.name, NEVER)) * leader.clock.rate
            self._hold_against(
                age_s > self.times.renew_s + EPSILON_S, f"{leader.name} leads {age_s:.3f} s after its claim"
            )

    def _count(self, candidate: Candidate) -> None:
        """A try is at most four calls, and tries are `retry_s` apart, but for a few where a lease or a term ends."""
        now, sent_at = true_time() * candidate.clock.rate, candidate.sent_at
        sent_at.append(now)
        while sent_at[0] < now - WINDOW_S:
            sent_at.popleft()
        too_many = len(sent_at) > 4 * (WINDOW_S / self.times.retry_s + 4)
        self._hold_against(too_many, f"{candidate.name} sent {len(sent_at)} requests within {WINDOW_S:g} s")

    def _judge_write(self, way: Way, action: Action) -> None:
        try:
            lease = self.tracker.get(LEASES, LEASE)
        except NotFound:
            return
        before, self._last = self._last, lease
        if before is not None and before.metadata.resource_version == lease.metadata.resource_version:
            return
        old, new = LeaseRecord.of(before or {}).holder, LeaseRecord.of(lease).holder
        self._hold_against(new not in ("", way.name), f"{way.name} wrote {new} into the lease")
        self._hold_against(not new and old not in ("", way.name), f"{way.name} blanked the lease of {old}")
        if new == way.name and old not in ("", way.name):
            waited_s = (true_time() - self._carried_out[old]) * self._clock_of(way).rate
            self._hold_against(
                waited_s < self.times.lease_s - EPSILON_S, f"{way.name} took over after {waited_s:.3f} s"
            )
        if new == way.name:
            self._carried_out[new] = true_time()
            others = [leader.name for leader in self.leaders() if leader.name != way.name]
            self._hold_against(bool(others), f"{way.name} claimed the lease while {others} lead")
        self.judge()

    def _clock_of(self, way: Way) -> LocalClock:
        return next(one.clock for one in (*self.candidates, *self.dead) if one.way is way)

    def _hold_against(self, wrong: bool, what: str) -> None:
        if wrong:
            self.wrongs.append(f"{what}, at {true_time():.3f}")

    async def watch(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Let true time pass, with the judge looking on all the time; whether it ended early."""
        ends_at = true_time() + seconds
        while true_time() < ends_at:
            await asyncio.sleep(0.25)
            self.judge()
            assert not self.wrongs, self.wrongs[0]
            if until():
                return True
        return False


def true_time() -> float:
    """What no candidate knows."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SkewedLoop)
    return loop.true_time()
