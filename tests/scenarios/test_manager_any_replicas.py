"""For any lives of replicas: no two work at once, no key is worked on twice at once, and no change is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.election import LeadershipLost
from ctrlkit.errors import Unreachable
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Build, Manager, Settings
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import LEASES
from tests.support.effort import tries
from tests.support.greetings import GREETINGS, greeting

KEYS = 6

# What happens, to which replica (counted among those that live), and for how long.
STEP = st.tuples(
    st.sampled_from(["start", "stop", "crash", "cut off", "lose replies", "skew", "change", "wait"]),
    st.integers(0, 3),
    st.sampled_from([0.1, 1.0, 2.5, 7.0, 11.0, 16.0]),
)
HISTORY = st.lists(STEP, min_size=3, max_size=14)


@dataclass
class Judge:
    """Sees every reconcile begin and end, in all replicas; as long as it is restless, each key runs nearly always."""

    one_leader: bool
    restless: bool = True
    running: dict[tuple[str, str], float] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)

    def builder(self, name: str) -> Build:
        """The build function of one replica."""

        def build(manager: Manager) -> Controller:
            greetings = manager.informer(GREETINGS)

            async def reconcile(request: Request) -> Outcome:
                text = str(greetings.lister.get(request.key).at("spec.text"))
                self.begin(name, request.name)
                try:
                    await asyncio.sleep(20)  # longer than from the end of a lost term to the next one
                    self.seen[request.name] = text
                finally:
                    del self.running[name, request.name]
                return RequeueAfter(0.5) if self.restless else DONE

            return Controller(name="judged", reconcile=reconcile, watches=[Watch(greetings, to_self)], workers=KEYS)

        return build

    def begin(self, name: str, key: str) -> None:
        for other, running in self.running:
            if other != name and (self.one_leader or running == key):
                self.wrongs.append(f"{name} begins {key} at {monotonic():g} while {other} works on {running}")
        self.running[name, key] = monotonic()


@dataclass
class Story:
    """One history, as it happens to the replicas of a world."""

    world: World
    judge: Judge
    settings: Settings
    alive: dict[str, Manager] = field(default_factory=dict)
    started: int = 0
    changed: int = 0

    async def go(self, what: str, which: int, seconds: float) -> None:
        if what == "start" and len(self.alive) < 3:
            self.started += 1
            name = f"r{self.started}"
            self.alive[name] = self.world.manage(self.judge.builder(name), settings=self.settings, name=name)
        elif what == "change":
            self.changed += 1
            patch = MergePatch({"spec": {"text": f"text {self.changed}"}})
            self.world.tracker.patch(GREETINGS, f"demo/g{which}", patch)
        elif self.alive and what != "wait":
            await self.strike(what, sorted(self.alive)[which % len(self.alive)], seconds)
        await self.patiently(self.world.pass_time(seconds))

    async def strike(self, what: str, name: str, seconds: float) -> None:
        manager = self.alive[name]
        match what:
            case "stop":
                del self.alive[name]
                await self.patiently(self.world.stop(manager))
            case "crash":
                del self.alive[name]
                await self.world.crash(manager)
            case "cut off":
                faults = self.world.faults_of(manager)
                faults.outage(Calls(), lasts=seconds, error=Unreachable("the network is down")).optional()
            case "lose replies":
                faults = self.world.faults_of(manager)
                faults.lose_reply(Calls(resource=LEASES), times=max(1, int(seconds))).optional()
            case "skew":
                self.world.skew(manager, 100 * (seconds - 5))

    async def patiently(self, step: object) -> None:
        """A replica that lost its lease ends, as it should; its pod would be started again."""
        try:
            await step  # type: ignore[misc]
        except LeadershipLost as lost:
            for name, manager in tuple(self.alive.items()):
                if manager.elector is not None and f"as {manager.elector.identity}:" in str(lost):
                    del self.alive[name]
                    await self.world.crash(manager)

    async def end_well(self) -> None:
        """All faults are over, and there is a replica: everything that was changed is seen."""
        self.judge.restless = False
        self.world.faults.clear()
        for manager in self.alive.values():
            self.world.faults_of(manager).clear()
        await self.patiently(self.world.pass_time(60))
        if not self.alive:
            await self.go("start", 0, 1.0)
        await self.world.advance(120)


def tell(history: Sequence[tuple[str, int, float]], wanted: Settings) -> None:
    """Live through a history, on a virtual loop of its own."""

    async def live() -> None:
        objects = [greeting(f"g{number}") for number in range(KEYS)]
        async with World(*objects, kinds=[GREETINGS], seed=1) as world:
            judge = Judge(one_leader=wanted.leader_elect)
            story = Story(world, judge, wanted)
            await story.go("start", 0, 5.0)
            for step in history:
                await story.go(*step)
            await story.end_well()
            texts = {item.key.name: str(item.at("spec.text")) for item in world.tracker.list(GREETINGS)}
            assert judge.wrongs == []
            assert judge.seen == texts
            for manager in story.alive.values():
                await world.stop(manager)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(live())


CALM = settings(max_examples=tries(3, thorough=25), suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.behaviour("M3", "M5", "M8", "B2")
@given(HISTORY)
@example([("start", 0, 1.0), ("change", 0, 0.1), ("stop", 0, 0.1)])
@example([("start", 0, 1.0), ("wait", 0, 11.0), ("cut off", 0, 16.0), ("change", 1, 11.0)])
@CALM
def test_no_two_leaders_work_at_once(history: list[tuple[str, int, float]]) -> None:
    """M3, M5: for any history of starts, stops, crashes, outages, lost replies and skewed wall clocks."""
    tell(history, Settings(leader_elect=True, lease_name="judged"))


@pytest.mark.behaviour("B2")
@given(HISTORY)
@example([("start", 0, 11.0), ("change", 0, 0.1), ("stop", 0, 0.1)])
@example([("start", 0, 16.0), ("cut off", 0, 16.0), ("change", 1, 11.0)])
@CALM
def test_no_key_is_worked_on_by_two_replicas_at_once(history: list[tuple[str, int, float]]) -> None:
    """For any such history, the shards included that change hands in it."""
    tell(history, Settings(shards=4, lease_name="judged"))
