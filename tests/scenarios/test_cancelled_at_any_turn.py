"""
A manager that is cancelled in any turn of the event loop, once and several times, ends and leaves nothing behind.

A turn is as short as time gets for asyncio: between two of them every await of the manager, its election and its
recorders is met once. What a signal does is the same as one cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.events import EventType
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.manager import Manager, Settings, manager_from
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES

NAMES = "abc"
WAYS = {
    "alone": Settings(),
    "leader": Settings(leader_elect=True, lease_name="a-lease", lease_namespace="demo", identity="me"),
    "shards": Settings(shards=2, lease_name="a-lease", lease_namespace="demo", identity="me"),
}


class CountingLoop(VirtualTimeLoop):
    """Does something in a turn of one's choice."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.then: dict[int, Callable[[], Any]] = {}

    def _run_once(self) -> None:
        self.turn += 1
        self.then.pop(self.turn, lambda: None)()
        super()._run_once()  # type: ignore[misc]


@dataclass
class Ending:
    """How it ended."""

    turns: int = 0
    ended_at: float = 0.0
    cancelled: bool = False
    left: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    holders: set[str] = field(default_factory=set)
    errors: list[Any] = field(default_factory=list)


def add_controller(manager: Manager, runs: list[str]) -> None:
    config_maps, recorder = manager.informer(CONFIG_MAPS), manager.recorder("test")

    async def reconcile(request: Request) -> Outcome:
        runs.append("begun")
        await asyncio.sleep(1)
        recorder.event(config_maps.lister.get(request.key).metadata, CONFIG_MAPS, EventType.NORMAL, "Half", "half")
        await asyncio.sleep(1)
        runs.append("done")
        return DONE

    manager.add(Controller(name="test", reconcile=reconcile, watches=[Watch(config_maps, to_self)]))


def play(way: str, cancelled_in: Sequence[int], *, lasts_s: float = 1000.0) -> Ending:
    """Run a manager, cancel it in these turns, and see how it ends."""
    ending = Ending()

    async def live() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        loop.set_exception_handler(lambda _loop, context: ending.errors.append(context))
        objects = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n, "namespace": "demo"}} for n in NAMES
        ]
        clientset = FakeClientset(None, *objects)
        clientset.faults.delay(Calls(), 0.01, times=None)
        manager = manager_from(WAYS[way], clientset.client)
        manager.endpoints = None
        add_controller(manager, ending.runs)
        work, began = asyncio.create_task(manager.run()), loop.turn
        loop.then = {began + turn: work.cancel for turn in cancelled_in}
        await asyncio.wait([work], timeout=lasts_s)
        ending.turns = loop.turn - began
        work.cancel()
        await asyncio.wait([work], timeout=1000)
        ending.ended_at, ending.cancelled = loop.time(), work.cancelled()
        ending.left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        ending.holders = {str(lease.at("spec.holderIdentity")) for lease in clientset.tracker.list(LEASES)} - {
            "",
            "None",
        }

    with capture_logs() as lines, asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(live())
    ending.errors += [line for line in lines if line["log_level"] == "error"]
    return ending


@pytest.mark.behaviour("M3", "B2", "L11")
@pytest.mark.parametrize("way", WAYS)
def test_cancelled_once_it_finishes_what_runs_and_gives_the_lease_back(way: str) -> None:
    """B2: in each turn from its start until it is idle."""
    turns = play(way, [], lasts_s=8).turns
    assert turns > 30
    for turn in range(1, turns):
        ending = play(way, [turn])
        assert (ending.cancelled, ending.left, ending.holders, ending.errors) == (True, [], set(), []), turn
        assert ending.runs.count("begun") == ending.runs.count("done"), turn
        assert ending.ended_at < 10, turn


@pytest.mark.behaviour("M4")
@pytest.mark.parametrize("times", [40, pytest.param(150, marks=pytest.mark.long)])
@pytest.mark.parametrize("way", WAYS)
def test_cancelled_again_and_again_it_ends_all_the_same(way: str, times: int) -> None:
    """M4: whatever it is in the middle of, the end included; no task is left behind and no error is made of it."""
    chance = Random(1)
    for _ in range(times):
        turns = [chance.randrange(1, 75)]
        for _ in range(chance.choice([1, 2, 4, 8])):
            turns.append(turns[-1] + chance.choice([1, 1, 2, 3, 5, 8, 13, 20, 40]))
        ending = play(way, turns)
        assert (ending.cancelled, ending.left, ending.errors) == (True, [], []), turns
