"""A world for plain functions: the same as for coroutines, without await."""

from __future__ import annotations

import asyncio
import inspect
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ctrlkit import clock, reconciler
from ctrlkit.controller import Outcome
from ctrlkit.errors import CtrlkitError, ServiceUnavailable
from ctrlkit.fakes import Calls, NeverSettled, SyncWorld, UnforeseenFailure, World, Write
from ctrlkit.fakes.world.common import CommonWorld
from ctrlkit.model.kinds import CONFIG_MAPS, DEPLOYMENTS
from tests.support.greetings import GREETINGS, greeter, greeting

HELLO = "demo/hello"


def test_a_controller_is_tested_by_a_plain_function() -> None:
    """It is managed, settles, meets faults, and is crashed and restarted."""
    with World.sync(greeting(), kinds=[GREETINGS], seed=7) as world:
        manager = world.manage(greeter())
        world.settle()
        assert world.clientset.writes == [Write("create", CONFIG_MAPS, HELLO)]
        world.advance("1h")
        assert clock.monotonic() == 3600.0
        world.tracker.delete(CONFIG_MAPS, HELLO)
        assert world.until(lambda: world.tracker.get(CONFIG_MAPS, HELLO))
        world.faults.outage(Calls("create", CONFIG_MAPS), lasts="1m")
        world.tracker.delete(CONFIG_MAPS, HELLO)
        world.pass_time("30s")
        world.crash(manager)
        world.stop(world.restart(manager))
        assert world.tracker.list(CONFIG_MAPS, "demo") == []


def test_what_the_test_changes_bears_the_time_of_the_world() -> None:
    """Its own calls are as those of a coroutine."""
    with World.sync() as world:
        world.pass_time("1d")
        made = world.tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
        assert made.at("metadata.creationTimestamp") == "2026-01-02T00:00:00Z"
        listed = world.run(world.client.list(CONFIG_MAPS))
        assert [one.metadata.name for one in listed] == ["a"]
        assert clock.now() == datetime(2026, 1, 2, tzinfo=UTC)
    assert clock.now() > datetime(2026, 1, 3, tzinfo=UTC)


def test_files_are_found_beside_the_test() -> None:
    with World.sync("printed/state.yaml") as world:
        assert len(world.tracker.list(CONFIG_MAPS, "demo")) == 1
    with World.sync() as world:
        world.seed(Path("printed") / "managed.json")
        assert len(world.tracker.list(DEPLOYMENTS, "demo")) == 1


def test_every_wait_of_a_world_has_its_plain_twin() -> None:
    """With the same parameters; nothing else differs, since all else is in one class."""
    waits = {name: one for name, one in vars(World).items() if inspect.iscoroutinefunction(one) and name[0] != "_"}
    assert waits
    for name, wait in waits.items():
        twin = vars(SyncWorld)[name]
        assert not inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin) == inspect.signature(wait)
    public = {name for name in (*vars(World), *vars(SyncWorld)) if not name.startswith("_")}
    assert public == {*waits, "sync", "run"}
    assert not [name for name, one in vars(CommonWorld).items() if inspect.iscoroutinefunction(one) and name[0] != "_"]


def test_failures_are_those_of_a_world() -> None:
    """With the end of the trace."""
    with World.sync(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        world.faults.fail(Calls("create", CONFIG_MAPS), ServiceUnavailable("the disk is full"), times=None)
        with pytest.raises(NeverSettled, match="the disk is full"):
            world.settle()
        world.faults.clear()

    @reconciler(GREETINGS)
    async def mistaken(_greeting: Any, _context: Any) -> Outcome:
        raise KeyError("text")

    with (  # noqa: PT012
        pytest.raises(UnforeseenFailure, match="KeyError"),
        World.sync(greeting(), kinds=[GREETINGS]) as world,
    ):
        world.manage(mistaken)
        world.pass_time("1s")


async def test_in_a_coroutine_it_says_what_to_write_there() -> None:
    with pytest.raises(CtrlkitError, match=r"a loop runs here.*in a coroutine write `async with World\(...\)`"):
        World.sync()


def test_where_it_cannot_wait_it_says_why() -> None:
    """Inside of its own waits, after its end, and in another world's block."""
    with World.sync() as world:
        with pytest.raises(CtrlkitError, match="the world runs this code itself; wait in the test's own code"):
            world.until(world.settle)
        with pytest.raises(CtrlkitError, match="another such world's block"):
            World.sync()
    with pytest.raises(CtrlkitError, match="this is outside of its block or thread"):
        world.settle()
    with pytest.raises(RuntimeError, match="enter the world: it has ended"), world:
        pass
    World.sync()  # never entered: nothing is left open
    with pytest.raises(ValueError, match="no such kind is registered"):
        World.sync(greeting())


def test_what_is_no_coroutine_is_not_run() -> None:
    """A wait of the world itself, which is over when it is passed, and a function that was not called."""
    with World.sync() as world:
        for wrong in (world.settle(), world.client.list, 7):  # type: ignore[func-returns-value]
            with pytest.raises(TypeError, match=r"it is no coroutine; .*as settle\(\), is a plain call"):
                world.run(wrong)  # type: ignore[arg-type]


def test_an_interrupted_wait_ends_the_world_and_is_told() -> None:
    """After Ctrl-C nothing is left that would keep another world, or another loop, from running."""

    async def interrupted() -> None:
        await asyncio.sleep(1)
        raise KeyboardInterrupt

    for _ in range(2):
        with (  # noqa: PT012
            pytest.raises(KeyboardInterrupt),
            World.sync(greeting(), kinds=[GREETINGS]) as world,
        ):
            world.manage(greeter())
            world.run(interrupted())
        assert asyncio._get_running_loop() is None


def test_worlds_of_several_threads_know_nothing_of_each_other() -> None:
    """Each has its own loop and its own time."""

    def pass_time(hours: int) -> float:
        with World.sync(greeting(), kinds=[GREETINGS]) as world:
            world.manage(greeter())
            world.advance(f"{hours}h")
            return clock.monotonic()

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(pass_time, range(1, 6))) == [hours * 3600.0 for hours in range(1, 6)]


def test_loops_of_others_work_before_and_after() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    with World.sync() as world:
        assert world.run(answer()) == 42
    assert asyncio.run(answer()) == 42


class TestWithUnittest(unittest.TestCase):
    """As in a project that knows no pytest."""

    def setUp(self) -> None:
        self.world = self.enterContext(World.sync(greeting(), kinds=[GREETINGS]))

    def test_it_settles(self) -> None:
        """The same calls."""
        self.world.manage(greeter())
        self.world.settle()
        assert self.world.clientset.writes == [Write("create", CONFIG_MAPS, HELLO)]
