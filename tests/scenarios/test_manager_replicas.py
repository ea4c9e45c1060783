"""Several replicas of one program: who works, when the work passes on, and what is sent in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Replicas, Request, Watch, to_self
from ctrlkit.election import Elector, LeadershipLost
from ctrlkit.errors import ServiceUnavailable
from ctrlkit.events import EventType
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.world.world import NeverSettled, World
from ctrlkit.manager import Build, GraceExceeded, Manager, Settings
from ctrlkit.model import ObjectKey, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS, LEASES
from tests.support.greetings import GREETINGS, greeter, greeting

LED = Settings(leader_elect=True, lease_name="greeter")
SHARED = Settings(shards=8, lease_name="greeter")


def holder(world: World, lease: str = "default/greeter") -> str:
    return str(world.tracker.get(LEASES, lease).at("spec.holderIdentity"))


@dataclass
class Slow:
    """A reconciler that takes its time over each Greeting, and notes who worked on what and how it ended."""

    takes_s: float = 0.0
    replicas: Replicas = Replicas.LEADER
    began: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    after: Callable[[Manager, Unstructured], Any] | None = None

    def build(self, manager: Manager) -> Controller:
        greetings = manager.informer(GREETINGS)
        recorder = manager.recorder("slow")

        async def reconcile(request: Request) -> Outcome:
            self.began.append(request.name)
            try:
                await asyncio.sleep(self.takes_s)
            except asyncio.CancelledError:
                self.ended.append(f"{request.name} cut off at {monotonic():g}")
                raise
            self.ended.append(f"{request.name} done at {monotonic():g}")
            if self.after is not None:
                found = greetings.lister.get(request.key)
                await self.after(manager, found)
                recorder.event(found.metadata, GREETINGS, EventType.NORMAL, "Done", "did it")
            return DONE

        watches = [Watch(greetings, to_self)]
        return Controller(name="slow", reconcile=reconcile, watches=watches, replicas=self.replicas, workers=4)


# ---- one leader ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("M6", "M1", "K17")
async def test_one_works_and_the_other_stands_by_with_filled_caches() -> None:
    """M6, K17: the second one's caches follow, its queue is empty, and a world with it is settled."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        first = world.manage(greeter(), settings=LED, name="first")
        await world.settle()
        second = world.manage(greeter(), settings=LED, name="second")
        await world.settle()
        assert (first.elected.is_set(), second.elected.is_set()) == (True, False)
        assert holder(world) == "first-1"
        assert [str(entry.by) for entry in world.trace.entries if "reconcile began" in str(entry)] == [
            "first: greetings demo/hello"
        ] * 2
        assert second.informers[0].lister.find("demo/hello") is not None
        (waiting,) = second.controllers
        assert waiting.has_synced()
        assert waiting.statistics().queue.ready == 0
        await world.advance("10m")
        assert (holder(world), second.elected.is_set()) == ("first-1", False)


@pytest.mark.behaviour("M6")
async def test_alone_it_may_work_as_soon_as_its_caches_are_filled() -> None:
    """M6: there is nothing to wait for."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        assert not manager.elected.is_set()
        await world.settle()
        assert manager.elected.is_set()
        assert world.tracker.list(LEASES) == []


@pytest.mark.behaviour("M1", "M3")
async def test_a_stopped_leader_is_followed_at_once_and_a_crashed_one_after_its_lease() -> None:
    """M3: a world is settled when somebody leads again. The released lease is free at once, the other runs out."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        first = world.manage(greeter(), settings=LED, name="first")
        await world.settle()
        second, third = (world.manage(greeter(), settings=LED, name=name) for name in ("second", "third"))
        await world.settle()
        await world.stop(first)
        assert holder(world) == ""
        await world.settle()
        assert 0 < monotonic() <= 4.4
        leader, other = (second, third) if second.elected.is_set() else (third, second)
        assert not other.elected.is_set()
        crashed_at = monotonic()
        await world.crash(leader)
        assert monotonic() == crashed_at
        world.seed(greeting("new"))
        await world.pass_time(8)
        assert not other.elected.is_set()
        await world.settle()
        assert other.elected.is_set()
        assert monotonic() - crashed_at <= 15 + 4.4
        assert world.tracker.get(CONFIG_MAPS, "demo/new")["data"] == {"text": "hello, world"}


@pytest.mark.behaviour("M3", "M14", "B2", "B15", "L11", "L15")
async def test_the_lease_outlives_the_work_it_protects() -> None:
    """
    M3, test 25: a stop in the middle of a reconcile, and the log of all that was sent.

    The reconcile ends 20 s later, as it likes; the lease is renewed all the time, and released after the last write and
    the last Event. Nothing follows but the Event about the release.
    """

    async def write(manager: Manager, found: Unstructured) -> None:
        meta = found.metadata
        await manager.client.create(CONFIG_MAPS, {"metadata": {"name": meta.name, "namespace": meta.namespace}})

    slow = Slow(takes_s=25, after=write)
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(slow.build, settings=LED, name="first")
        await world.pass_time(5)
        stopping = asyncio.create_task(world.stop(manager))
        while not stopping.done():
            await world.pass_time(1)
            if not stopping.done() and monotonic() < 25:
                assert manager.elector is not None
                assert manager.elector.is_leading()
                assert holder(world) == "first-1"
        await stopping
        assert (slow.began, slow.ended) == (["hello"], ["hello done at 25"])
        assert holder(world) == ""
        writes = [f"{write.verb} {write.resource} {write.key.partition('.')[0]}" for write in world.clientset.writes]
        renewals = [write for write in writes if write.startswith("update leases")]
        assert writes[-4:] == [
            "create configmaps demo/hello",
            "create events demo/hello",
            "update leases.coordination.k8s.io default/greeter",
            "create events default/greeter",
        ]
        assert len(renewals) == 12 + 1  # every 2 s, and the release
        told = [(event["reason"], event["message"]) for event in world.tracker.list(EVENTS, "default")]
        assert sorted(told) == [
            ("LeaderElection", "first-1 became leader"),
            ("LeaderElection", "first-1 stopped leading"),
        ]
        (event, _) = world.tracker.list(EVENTS, "default")
        lease = world.tracker.get(LEASES, "default/greeter")
        assert event["involvedObject"]["uid"] == lease.metadata.uid


@pytest.mark.behaviour("M3", "M4", "B2")
async def test_the_lease_is_released_after_what_was_cut_off_too() -> None:
    """M4: reconciles that outlast the grace period end first, however long their clean-up takes."""
    cleaned: list[float] = []

    def build(manager: Manager) -> Controller:
        async def reconcile(_request: Request) -> Outcome:
            try:
                await asyncio.sleep(1e6)
            finally:
                await asyncio.sleep(7)
                cleaned.append(monotonic())
                assert holder(world) == "first-1"
            return DONE

        return Controller(name="slow", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with World(greeting(), kinds=[GREETINGS]) as world:
        settings = Settings(leader_elect=True, lease_name="greeter", grace_s=20)
        manager = world.manage(build, settings=settings, name="first")
        await world.pass_time(5)
        with pytest.raises(GraceExceeded, match="slow demo/hello"):
            await world.stop(manager)
        assert cleaned == [5 + 20 + 7]
        assert holder(world) == ""


# ---- a lost lease ----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("M5", "L10", "L15")
@pytest.mark.parametrize("replicas", Replicas)
async def test_a_lost_lease_cuts_everything_off_at_once_and_ends_the_manager(replicas: Replicas) -> None:
    """M5: no grace, and an error; renewals fail for the renew deadline, which is before anybody else may take over."""
    slow = Slow(takes_s=1000, replicas=replicas)
    async with World(greeting(), greeting("other"), kinds=[GREETINGS]) as world:
        manager = world.manage([slow.build, greeter()], settings=LED, name="first")
        await world.pass_time(5)
        assert manager.elected.is_set()
        world.faults_of(manager).fail(Calls(resource=LEASES), ServiceUnavailable("etcd"), times=None)
        with pytest.raises(LeadershipLost, match="hold lease default/greeter as first-1"):
            await world.pass_time(60)
        assert sorted(slow.began) == ["hello", "other"]
        assert sorted(slow.ended) == ["hello cut off at 14", "other cut off at 14"]  # renewed at 4 for the last time
        assert not manager.elected.is_set()
        assert holder(world) == "first-1"  # not released: it runs out
        told = [event["message"] for event in world.tracker.list(EVENTS, "default")]
        assert told == ["first-1 became leader", "first-1 stopped leading"]
        await world.crash(manager)  # it has ended; the world need not tell of it again


@pytest.mark.behaviour("M5", "B3")
async def test_a_lease_taken_by_another_ends_it_too_and_nothing_more_is_started() -> None:
    """M5: keys that wait are left to the new leader, and its lease is left alone (B3)."""
    slow = Slow(takes_s=7)
    async with World(*(greeting(f"g{number}") for number in range(20)), kinds=[GREETINGS]) as world:
        manager = world.manage(slow.build, settings=LED, name="first")
        await world.pass_time(5)
        lease = dict(world.tracker.get(LEASES, "default/greeter"))
        lease["spec"] = {**lease["spec"], "holderIdentity": "somebody"}
        world.tracker.update(LEASES, lease)
        with pytest.raises(LeadershipLost):
            await world.pass_time(60)
        assert len(slow.began) == 4  # one for each worker
        assert [end.partition(" ")[2] for end in slow.ended] == ["cut off at 6"] * 4
        assert holder(world) == "somebody"
        await world.crash(manager)


@pytest.mark.behaviour("M5", "B31")
async def test_nothing_is_started_after_the_end_of_a_term_that_passed_while_the_loop_hung() -> None:
    """M5: whoever goes on first, workers or the election, the term is over by the clock."""
    began: list[str] = []

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            began.append(request.name)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            loop._now_s += 12  # a call that blocks
            return DONE

        return Controller(name="slow", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with World(greeting("a"), greeting("b"), kinds=[GREETINGS]) as world:
        manager = world.manage(build, settings=LED, name="first")
        with pytest.raises(LeadershipLost):
            await world.pass_time(60)
        assert began == ["a"]
        await world.crash(manager)


@pytest.mark.behaviour("M5", "B31")
async def test_a_renewal_that_is_heard_of_too_late_saves_no_term_in_which_keys_were_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """M5: workers that go on first are told no, and their keys are gone; so the term is over, whatever comes after."""
    async with World(greeting("a"), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter(), settings=LED, name="first")
        await world.settle()
        with monkeypatch.context() as late:  # the loop hung, and the worker goes on before the renewal is heard of
            late.setattr(Elector, "is_leading", lambda _: False)
            manager.controllers[0].wake(ObjectKey("demo", "a"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        with pytest.raises(LeadershipLost):
            await world.pass_time(60)
        await world.crash(manager)


@pytest.mark.behaviour("M5")
async def test_a_lease_lost_while_it_stops_ends_the_grace() -> None:
    """M5: the grace period is for those who still lead."""
    slow = Slow(takes_s=1000)
    async with World(greeting(), kinds=[GREETINGS]) as world:
        settings = Settings(leader_elect=True, lease_name="greeter", grace_s=100)
        manager = world.manage(slow.build, settings=settings, name="first")
        await world.pass_time(5)
        world.faults_of(manager).fail(Calls(resource=LEASES), ServiceUnavailable("etcd"), times=None)
        with pytest.raises(LeadershipLost):
            await world.stop(manager)
        assert slow.ended == ["hello cut off at 14"]


# ---- stops before the start ------------------------------------------------------------------------------------------


@pytest.mark.behaviour("M8", "M3")
async def test_a_stop_before_the_election_is_won_starts_nothing() -> None:
    """M8: neither a candidate that waits, nor one that wins in the moment of the stop, works or keeps the lease."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        first = world.manage(greeter(), settings=LED, name="first")
        await world.settle()
        slow = Slow()
        second = world.manage(slow.build, settings=LED, name="second")
        await world.settle()
        await world.stop(second)
        assert (slow.began, second.elected.is_set(), holder(world)) == ([], False, "first-1")
        await world.stop(first)
        for delay_s in (0.5, 1.0, 1.5):
            await stop_in_the_middle_of_the_election(world, delay_s)


async def stop_in_the_middle_of_the_election(world: World, delay_s: float) -> None:
    """Each call takes a second; the stop comes while the lease is read, when that answer comes, while it is claimed."""
    slow, stop = Slow(), asyncio.Event()
    world.faults.delay(Calls(resource=LEASES), 1.0, times=None)
    manager = world.manage(slow.build, settings=LED, name="late")
    asyncio.get_running_loop().call_later(delay_s, stop.set)
    await world.pass_time(delay_s)
    await world.stop(manager)
    world.faults.clear()
    assert (slow.began, manager.elected.is_set(), holder(world)) == ([], False, "")


@pytest.mark.behaviour("M1")
async def test_a_replica_whose_caches_do_not_fill_takes_no_lease() -> None:
    """M1: the other one, whose way to the server is in order, works."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        blind = world.manage(greeter(), settings=LED, name="blind")
        world.faults_of(blind).fail(Calls(resource=CONFIG_MAPS), ServiceUnavailable("no"), times=None)
        await world.pass_time(10)
        assert world.tracker.list(LEASES) == []
        seeing = world.manage(greeter(), settings=LED, name="seeing")
        await world.pass_time(1)
        assert (blind.elected.is_set(), seeing.elected.is_set()) == (False, True)
        await world.crash(blind)


async def test_a_world_with_a_candidate_that_cannot_reach_its_lease_says_so() -> None:
    """Nobody is known to hold it, so it is not settled."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.faults.fail(Calls(resource=LEASES), ServiceUnavailable("etcd is down"), times=None)
        manager = world.manage(greeter(), settings=LED)
        with pytest.raises(NeverSettled, match=r"manager waits for lease greeter: .*etcd is down"):
            await world.settle()
        await world.crash(manager)


# ---- controllers on every replica, and late ones ---------------------------------------------------------------------


@pytest.mark.behaviour("M1")
@pytest.mark.parametrize("settings", [LED, SHARED], ids=["elected", "shared"])
async def test_a_controller_for_all_replicas_works_on_each(settings: Settings) -> None:
    """M1: with and without the lease, and on all keys."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        everywhere = [Slow(replicas=Replicas.ALL), Slow(replicas=Replicas.ALL)]
        for number, slow in enumerate(everywhere):
            world.manage(slow.build, settings=settings, name=f"replica-{number}")
            await world.settle()
        assert [slow.began for slow in everywhere] == [["hello"], ["hello"]]


@pytest.mark.behaviour("M7")
async def test_a_controller_that_is_added_late_waits_for_the_election_like_the_others() -> None:
    """M7: added before it is won it warms up; added after it, it works at once; those for all replicas never wait."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        first = world.manage(greeter(), settings=LED, name="first")
        await world.settle()
        second = world.manage(greeter(), settings=LED, name="second")
        await world.settle()
        late, everywhere, latest = Slow(), Slow(replicas=Replicas.ALL), Slow()
        second.add(late.build(second))
        second.add(everywhere.build(second))
        await world.settle()
        assert (late.began, everywhere.began) == ([], ["hello"])
        assert second.controllers[1].has_synced()
        await world.stop(first)
        await world.settle()
        assert late.began == ["hello"]
        second.add(latest.build(second))
        await world.settle()
        assert latest.began == ["hello"]


# ---- shares ----------------------------------------------------------------------------------------------------------


class Ledger:
    """Who works on which key, checked at each beginning: never two at once."""

    def __init__(self, takes_s: float = 0.3) -> None:
        self.takes_s = takes_s
        self.running: dict[str, str] = {}
        self.runs: list[tuple[str, str]] = []
        self.wrongs: list[str] = []

    def builder(self, name: str) -> Build:
        def build(manager: Manager) -> Controller:
            async def reconcile(request: Request) -> Outcome:
                key = str(request.key)
                if key in self.running:
                    self.wrongs.append(f"{name} begins {key} at {monotonic():g} while {self.running[key]} runs it")
                self.running[key] = name
                self.runs.append((name, key))
                try:
                    await asyncio.sleep(self.takes_s)
                finally:
                    self.running.pop(key, None)
                return DONE

            watches = [Watch(manager.informer(GREETINGS), to_self)]
            return Controller(name="shared", reconcile=reconcile, watches=watches, workers=4)

        return build

    def workers_of(self, keys: set[str]) -> set[str]:
        return {name for name, key in self.runs if key in keys}


def touch_all(world: World, text: str) -> None:
    for item in world.tracker.list(GREETINGS):
        world.tracker.update(GREETINGS, {**item, "spec": {"text": text}})


async def test_replicas_share_the_keys_and_a_newcomer_gets_its_part() -> None:
    """Each key is worked on by one of them; what is handed over was not lost on the way."""
    ledger = Ledger()
    async with World(*(greeting(f"g{number}") for number in range(40)), kinds=[GREETINGS]) as world:
        first = world.manage(ledger.builder("first"), settings=SHARED, name="first")
        await world.settle()
        assert len(ledger.runs) == 40
        second = world.manage(ledger.builder("second"), settings=SHARED, name="second")
        await world.settle()
        assert first.sharding is not None
        assert second.sharding is not None
        held = first.sharding.status().held, second.sharding.status().held
        assert sorted((*held[0], *held[1])) == list(range(8))
        assert 1 <= len(held[1]) <= 7
        ledger.runs.clear()
        touch_all(world, "good day")
        await world.settle()
        assert len(ledger.runs) == 40
        for manager, name in ((first, "first"), (second, "second")):
            assert manager.sharding is not None
            ours = {key for by, key in ledger.runs if by == name}
            assert ours
            assert all(manager.sharding.owns(ObjectKey.parse(key)) for key in ours)
        assert ledger.wrongs == []


async def test_shards_that_come_together_are_taken_up_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is cached is looked at once for them, and not once for each."""
    looks: list[int] = []
    ledger, enqueue_known = Ledger(), Controller.enqueue_known

    def look(self: Controller, where: Callable[[ObjectKey], bool]) -> None:
        looks.append(sum(where(ObjectKey("demo", f"g{number}")) for number in range(40)))
        enqueue_known(self, where)

    monkeypatch.setattr(Controller, "enqueue_known", look)
    async with World(*(greeting(f"g{number}") for number in range(40)), kinds=[GREETINGS]) as world:
        world.manage(ledger.builder("first"), settings=SHARED, name="first")
        await world.settle()
        assert len(ledger.runs) == 40
        assert looks == [40]


@pytest.mark.behaviour("M3", "B2")
async def test_a_replica_that_stops_finishes_its_keys_before_others_have_them() -> None:
    """M3: its shards are released after its reconciles have ended, and others then work on what was left."""
    ledger = Ledger(takes_s=8)
    async with World(*(greeting(f"g{number}") for number in range(12)), kinds=[GREETINGS]) as world:
        first = world.manage(ledger.builder("first"), settings=SHARED, name="first")
        world.manage(ledger.builder("second"), settings=SHARED, name="second")
        await world.pass_time(60)
        ledger.runs.clear()
        touch_all(world, "good day")
        await world.pass_time(4)
        began = monotonic()
        assert "first" in ledger.running.values()
        await world.stop(first)
        assert 4 <= monotonic() - began <= 8
        assert "first" not in ledger.running.values()
        await world.settle()
        assert {key for _, key in ledger.runs} == {f"demo/g{number}" for number in range(12)}
        assert ledger.wrongs == []


@pytest.mark.behaviour("M3", "M8", "B2")
async def test_a_replica_that_stops_gives_away_at_once_what_it_does_nothing_for() -> None:
    """M3: one long reconcile holds up its own shard and no other; and what becomes free is not taken by who goes."""
    ledger = Ledger(takes_s=25)
    async with World(greeting("g0"), kinds=[GREETINGS]) as world:
        first = world.manage(ledger.builder("first"), settings=SHARED, name="first")
        await world.pass_time(10)
        assert first.sharding is not None
        busy_shard = first.sharding.shard_of(ObjectKey("demo", "g0"))
        assert ledger.running == {"demo/g0": "first"}
        second = world.manage(ledger.builder("second"), settings=SHARED, name="second")
        stopping = asyncio.create_task(world.stop(first))
        await world.pass_time(12)
        assert second.sharding is not None
        assert not stopping.done()
        assert set(second.sharding.status().held) == set(range(8)) - {busy_shard}
        await stopping
        await world.advance("60s")
        assert second.sharding.status().held == tuple(range(8))
        assert ledger.wrongs == []


@pytest.mark.behaviour("B2")
async def test_a_shard_is_handed_over_when_what_runs_of_it_has_ended() -> None:
    """The newcomer waits for it, however long it takes; what goes on in other shards is not its concern."""
    ledger = Ledger(takes_s=20)
    async with World(*(greeting(f"g{number}") for number in range(4)), kinds=[GREETINGS]) as world:
        world.manage(ledger.builder("first"), settings=SHARED, name="first")
        await world.pass_time(10)
        assert len(ledger.running) == 4
        second = world.manage(ledger.builder("second"), settings=SHARED, name="second")
        await world.pass_time(60)
        assert second.sharding is not None
        ours = {str(item.key) for item in world.tracker.list(GREETINGS) if second.sharding.owns(item.key)}
        assert ours
        assert {key for by, key in ledger.runs if by == "second"} == ours
        assert ledger.wrongs == []


async def test_a_replica_that_crashes_is_replaced() -> None:
    """What changed meanwhile is worked on by the one that is left."""
    ledger = Ledger()
    async with World(*(greeting(f"g{number}") for number in range(40)), kinds=[GREETINGS]) as world:
        first = world.manage(ledger.builder("first"), settings=SHARED, name="first")
        second = world.manage(ledger.builder("second"), settings=SHARED, name="second")
        await world.advance("30s")
        await world.crash(first)
        crashed_at = monotonic()
        assert crashed_at == 30
        ledger.running.clear()
        ledger.runs.clear()
        touch_all(world, "good day")
        await world.settle()
        assert 15 - 2 <= monotonic() - crashed_at <= 15 + 2 * 2 + 1
        assert second.sharding is not None
        assert second.sharding.status().held == tuple(range(8))
        assert ledger.workers_of({f"demo/g{number}" for number in range(40)}) == {"second"}
        assert {key for _, key in ledger.runs} == {f"demo/g{number}" for number in range(40)}
        assert ledger.wrongs == []


async def test_a_shard_whose_lease_is_lost_is_cut_off_and_the_others_go_on() -> None:
    """The manager lives: a share is not all of the work."""
    slow = Slow(takes_s=1000)
    async with World(*(greeting(f"g{number}") for number in range(4)), kinds=[GREETINGS]) as world:
        manager = world.manage(slow.build, settings=SHARED, name="first")
        await world.pass_time(20)
        assert manager.sharding is not None
        assert sorted(slow.began) == [f"g{number}" for number in range(4)]
        key = world.tracker.list(GREETINGS)[0].key
        (lease,) = [
            lease for lease in world.tracker.list(LEASES)
            if lease.key == manager.sharding.electors[1 + manager.sharding.shard_of(key)].lease
        ]  # fmt: skip
        world.tracker.update(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "somebody"}})
        await world.pass_time(5)
        of_shard = {
            item.key.name
            for item in world.tracker.list(GREETINGS)
            if manager.sharding.shard_of(item.key) == manager.sharding.shard_of(key)
        }
        assert {end.partition(" ")[0] for end in slow.ended} == of_shard
        assert not manager.sharding.owns(key)
        await world.crash(manager)
