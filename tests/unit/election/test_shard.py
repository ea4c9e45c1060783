"""One shard on one replica: what its work is told, in which order, and when its Lease is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from ctrlkit.election import Elector, LeadershipLost, LeaseTimes
from ctrlkit.election.shard import Shard, ShardState
from ctrlkit.telemetry import logger


class Stub:
    """An Elector whose fate the test decides; `log` is shared with the work."""

    lease = "demo/net-shard-3"
    times = LeaseTimes()

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.free = asyncio.Event()
        self.lost = asyncio.Event()
        self.leads = False

    async def acquire(self) -> None:
        await self.free.wait()
        self.leads = True
        self.log.append("acquired")

    async def hold(self) -> None:
        try:
            await self.lost.wait()
        finally:
            self.log.append("renews no more")
        self.leads = False
        raise LeadershipLost("gone")

    async def release(self) -> bool:
        self.leads = False
        self.log.append("released")
        return True

    def is_leading(self) -> bool:
        return self.leads


class Work:
    """What it is told; a drain lasts until `drained`."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.drained = asyncio.Event()
        self.drained.set()
        self.error: Exception | None = None

    def begin(self, shard: int) -> None:
        self.log.append(f"begin {shard}")
        if self.error is not None:
            raise self.error

    async def end(self, shard: int) -> None:
        self.log.append(f"end {shard}")
        await self.drained.wait()
        self.log.append(f"ended {shard}")

    def cut_off(self, shard: int) -> None:
        self.log.append(f"cut off {shard}")


class Scene:
    """A shard at work."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.elector, self.work = Stub(self.log), Work(self.log)
        self.shard = Shard(3, cast("Elector", self.elector), log=logger("sharding"))
        self.task: asyncio.Task[None]

    def told(self) -> list[str]:
        """What was told since the last question."""
        told, self.log[:] = list(self.log), []
        return told


async def turns() -> None:
    """Let everything happen that can happen now."""
    await cast("Any", asyncio.get_running_loop()).wait_all_blocked()


@asynccontextmanager
async def wanted(*, held: bool = True) -> AsyncIterator[Scene]:
    scene = Scene()
    scene.shard.want()
    scene.task = asyncio.create_task(scene.shard.run(scene.work))
    if held:
        scene.elector.free.set()
        await turns()
        assert scene.told() == ["acquired", "begin 3"]
    yield scene
    scene.task.cancel()
    await asyncio.wait([scene.task])


async def test_it_is_begun_after_it_was_acquired_and_may_be_acted_on_from_then() -> None:
    async with wanted(held=False) as scene:
        await turns()
        assert scene.shard.state is ShardState.ACQUIRING
        assert not scene.shard.acts()
        scene.elector.free.set()
        await turns()
        assert scene.told() == ["acquired", "begin 3"]
        assert scene.shard.acts()


async def test_a_handover_ends_what_runs_and_only_then_stops_to_renew_and_releases() -> None:
    async with wanted() as scene:
        scene.work.drained.clear()
        scene.shard.let_go()
        await turns()
        assert scene.told() == ["end 3"]
        assert scene.shard.state is ShardState.HANDING_OVER
        assert not scene.shard.acts()
        scene.work.drained.set()
        await turns()
        assert scene.told() == ["ended 3", "renews no more", "released"]
        assert scene.shard.is_at_rest
        assert scene.task.done()


@pytest.mark.behaviour("L3")
async def test_a_lost_lease_cuts_off_and_the_shard_is_taken_again_once_nothing_runs() -> None:
    async with wanted() as scene:
        scene.work.drained.clear()
        scene.elector.free.clear()
        scene.elector.lost.set()
        await turns()
        assert scene.told() == ["renews no more", "cut off 3", "end 3"]
        assert scene.shard.state is ShardState.LOST
        scene.elector.free.set()
        scene.elector.lost.clear()
        await turns()
        assert scene.told() == []  # something of it still runs here
        scene.work.drained.set()
        await turns()
        assert scene.told() == ["ended 3", "acquired", "begin 3"]


@pytest.mark.behaviour("L13", "M5")
async def test_what_goes_on_after_its_lease_is_lost_is_unhealthy_once_another_may_act() -> None:
    async with wanted() as scene:
        scene.work.drained.clear()
        scene.elector.free.clear()
        await asyncio.sleep(60)
        assert scene.shard.check() == ""
        scene.elector.lost.set()
        await asyncio.sleep(4.9)
        assert scene.shard.check() == ""
        await asyncio.sleep(0.2)
        assert scene.shard.check() == "shard 3: lost 5.1 s ago, and what ran of it goes on although it was cut off"
        scene.work.drained.set()
        await turns()
        assert scene.shard.check() == ""


async def test_a_lease_that_is_lost_in_the_middle_of_a_handover_cuts_off() -> None:
    async with wanted() as scene:
        scene.work.drained.clear()
        scene.shard.let_go()
        await turns()
        scene.elector.lost.set()
        await turns()
        assert scene.told() == ["end 3", "renews no more", "cut off 3"]
        scene.work.drained.set()
        await turns()
        assert scene.told() == ["ended 3", "released"]


async def test_whoever_asks_first_finds_that_the_time_to_act_is_over() -> None:
    """The loop was held up: hold() has not seen it yet. A renewal that comes late does not make up for the no."""
    async with wanted() as scene:
        scene.elector.leads = False
        assert not scene.shard.acts()
        await turns()
        assert scene.told() == ["cut off 3", "end 3", "ended 3", "renews no more", "acquired", "begin 3"]

        scene.elector.leads = False
        assert not scene.shard.acts()
        scene.elector.leads = True
        await turns()
        assert scene.told() == ["end 3", "ended 3", "renews no more", "acquired", "begin 3"]


async def test_what_is_let_go_before_it_was_acquired_is_not_begun() -> None:
    """And released all the same: a claim may have been on its way."""
    async with wanted(held=False) as scene:
        await turns()
        scene.shard.let_go()
        scene.shard.let_go()
        await turns()
        assert scene.told() == ["released"]
        assert scene.shard.is_at_rest


async def test_what_is_let_go_in_the_moment_it_is_acquired_is_not_begun() -> None:
    async with wanted(held=False) as scene:
        await turns()
        scene.elector.free.set()
        scene.shard.let_go()
        await turns()
        assert scene.told() == ["acquired", "released"]
        assert scene.shard.is_at_rest


async def test_what_is_wanted_again_while_it_waits_goes_on_waiting() -> None:
    async with wanted(held=False) as scene:
        await turns()
        scene.shard.let_go()
        scene.shard.want()
        await turns()
        assert scene.shard.state is ShardState.ACQUIRING
        assert scene.told() == []


async def test_cancelled_it_cuts_off_and_does_not_release() -> None:
    """Nobody knows what still runs: the Lease has to expire."""
    async with wanted() as scene:
        scene.task.cancel()
        await turns()
        assert scene.told() == ["renews no more", "cut off 3"]
        assert scene.task.cancelled()


async def test_what_the_work_raises_cuts_off_and_is_raised() -> None:
    scene = Scene()
    scene.work.error = ZeroDivisionError("a mistake")
    scene.elector.free.set()
    scene.shard.want()
    with pytest.raises(ExceptionGroup) as caught:
        await scene.shard.run(scene.work)
    assert caught.group_contains(ZeroDivisionError)
    assert scene.told() == ["acquired", "begin 3", "cut off 3"]
