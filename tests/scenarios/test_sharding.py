"""Three replicas share a hundred objects: each key runs on one of them at a time, whoever comes, goes or dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ctrlkit.cache import InformerOptions
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager, Settings
from ctrlkit.model import MergePatch, ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES

OBJECTS = 60
SHARDS = 12
SETTINGS = Settings(shards=SHARDS, lease_name="net", grace_s=60.0)
RECONCILE_S = 0.4
CRASH_S = 20.0
"""After so long the shards of one that crashed are served by others: lease_s + 2 x retry_s, and a little."""


@dataclass
class Runs:
    """What was reconciled where; `wrongs` names the keys that ran twice at a time."""

    running: dict[ObjectKey, str] = field(default_factory=dict)
    began: list[tuple[float, ObjectKey, str]] = field(default_factory=list)
    finished: Counter[ObjectKey] = field(default_factory=Counter)
    cut_off: Counter[ObjectKey] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    takes_s: float = RECONCILE_S

    def of(self, name: str) -> set[ObjectKey]:
        """The keys that ran on a replica."""
        return {key for _, key, who in self.began if who == name}

    def since(self, moment: float) -> dict[str, set[ObjectKey]]:
        """The keys that began since, by replica."""
        found: dict[str, set[ObjectKey]] = {}
        for at, key, who in self.began:
            if at >= moment:
                found.setdefault(who, set()).add(key)
        return found

    async def run(self, key: ObjectKey, who: str) -> None:
        if key in self.running:
            self.wrongs.append(f"{key} runs on {who} and on {self.running[key]} at {monotonic():.3f}")
        self.running[key] = who
        self.began.append((monotonic(), key, who))
        try:
            await asyncio.sleep(self.takes_s)
            self.finished[key] += 1
        except asyncio.CancelledError:
            self.cut_off[key] += 1
            raise
        finally:
            del self.running[key]


class Scene:
    """A world of ConfigMaps, and the replicas that reconcile them."""

    def __init__(self) -> None:
        self.runs = Runs()
        names = (f"net-{number}" for number in range(OBJECTS))
        self.world = World(
            *(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "demo"}, "data": {}}
                for name in names
            )
        )

    def start(self, name: str) -> Manager:
        def build(manager: Manager) -> Controller:
            async def reconcile(request: Request) -> Outcome:
                await self.runs.run(request.key, name)
                return DONE

            maps = manager.informer(CONFIG_MAPS, InformerOptions(namespaces=["demo"]))
            return Controller(name="nets", reconcile=reconcile, watches=[Watch(maps, to_self)], workers=8)

        return self.world.manage(build, settings=SETTINGS, name=name)

    def touch_all(self) -> float:
        """Change every object; returns when."""
        for number in range(OBJECTS):
            self.world.tracker.patch(CONFIG_MAPS, f"demo/net-{number}", MergePatch({"data": {"at": str(monotonic())}}))
        return monotonic()

    async def touched(self) -> dict[str, set[ObjectKey]]:
        """Change every object and let everything settle; which keys ran where, each of them once."""
        began_at, finished = self.touch_all(), self.runs.finished.copy()
        await self.world.settle()
        assert self.runs.finished - finished == Counter(self.keys)
        where = self.runs.since(began_at)
        assert sum(map(len, where.values())) == OBJECTS
        return where

    @property
    def keys(self) -> list[ObjectKey]:
        return [ObjectKey("demo", f"net-{number}") for number in range(OBJECTS)]

    def leases_of_shards(self) -> Counter[str]:
        return Counter(
            str(self.world.tracker.get(LEASES, f"default/net-shard-{shard}").at("spec.holderIdentity"))
            for shard in range(SHARDS)
        )


@asynccontextmanager
async def three_replicas() -> AsyncIterator[tuple[Scene, list[Manager]]]:
    """Settled; in the end nothing ran twice at a time."""
    scene = Scene()
    async with scene.world as world:
        managers = [scene.start(name) for name in ("a", "b", "c")]
        await world.settle()
        yield scene, managers
        await world.settle()
        assert scene.runs.wrongs == []


async def test_each_key_is_reconciled_by_one_replica_and_all_have_their_share() -> None:
    async with three_replicas() as (scene, _):
        assert scene.runs.finished == Counter(scene.keys)
        assert scene.leases_of_shards() == {"a-1": 4, "b-1": 4, "c-1": 4}
        where = await scene.touched()
        assert set(where) == {"a", "b", "c"}
        assert where == {name: scene.runs.of(name) for name in "abc"}
        await scene.world.advance("5m")
        assert await scene.touched() == where  # nothing moved


async def test_the_keys_of_one_that_crashes_are_served_by_the_others() -> None:
    """Those it was at, too: they are begun elsewhere after its lease, and changes meanwhile are not lost."""
    async with three_replicas() as (scene, [first, *_]):
        world, runs = scene.world, scene.runs
        its_own = runs.of("a")
        runs.takes_s = 5.0
        scene.touch_all()
        await world.pass_time("1s")
        assert "a" in runs.running.values()
        await world.crash(first)
        crashed_at = monotonic()
        runs.takes_s = RECONCILE_S
        scene.touch_all()
        await world.pass_time(CRASH_S)
        await world.settle()
        served = {key: at for at, key, who in runs.began if who != "a" and at >= crashed_at and key in its_own}
        assert set(served) == its_own
        assert min(served.values()) >= crashed_at + 15.0 - 2.0  # what the lease had left
        assert set(scene.leases_of_shards().values()) == {6}
        where = await scene.touched()
        assert set(where) == {"b", "c"}

        world.restart(first)
        await world.settle()
        assert set(await scene.touched()) == {"a", "b", "c"}


async def test_when_one_joins_keys_move_after_what_runs_has_ended() -> None:
    """Reconciles of a moving shard end before its Lease is given up, and none is cut off."""
    async with three_replicas() as (scene, _):
        before = await scene.touched()
        scene.runs.takes_s = 8.0
        scene.touch_all()
        await scene.world.pass_time("1s")
        scene.start("d")
        await scene.world.settle()
        scene.runs.takes_s = RECONCILE_S
        after = await scene.touched()
        assert set(after) == {"a", "b", "c", "d"}
        assert set(scene.leases_of_shards().values()) == {3}
        stayed = sum(len(before[name] & after[name]) for name in "abc")
        assert stayed >= OBJECTS // 2
        assert scene.runs.cut_off == Counter()


async def test_one_that_is_stopped_finishes_and_hands_its_keys_over() -> None:
    """Two-phase: nothing is cut off, and others serve its keys within a few seconds, not after a lease."""
    async with three_replicas() as (scene, [first, *_]):
        its_own = scene.runs.of("a")
        scene.runs.takes_s = 3.0
        scene.touch_all()
        await scene.world.pass_time("1s")
        stopped_at = monotonic()
        await scene.world.stop(first)
        await scene.world.pass_time("5s")
        assert scene.leases_of_shards() == {"b-1": 6, "c-1": 6}
        await scene.world.settle()
        assert scene.runs.cut_off == Counter()
        assert {key for at, key, who in scene.runs.began if who != "a" and at > stopped_at} >= its_own


async def test_one_that_is_cut_off_from_the_server_stops_before_others_begin() -> None:
    """Its reconciles are cancelled when its leases run out by its own clock; three_replicas() sees to the rest."""
    async with three_replicas() as (scene, [first, *_]):
        world, runs = scene.world, scene.runs
        runs.takes_s = 60.0
        scene.touch_all()
        await world.pass_time("1s")
        its_own = {key for key, who in runs.running.items() if who == "a"}
        assert its_own
        with world.faults_of(first).outage(Calls()):
            await world.pass_time("40s")
            assert "a" not in runs.running.values()
            assert set(runs.cut_off) == its_own
            assert {who for key, who in runs.running.items()} == {"b", "c"}
        runs.takes_s = RECONCILE_S
        await world.settle()
        assert set(await scene.touched()) == {"a", "b", "c"}
