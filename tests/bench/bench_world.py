"""
What a test with our fakes costs: the first import, a whole story of the bitcoin controller, a write in a large tracker.

Budget   250 ms for `import ctrlkit.fakes` and a first World in a new process; 30 ms for the median story (a network is
         made, its pods become ready, its nodes are meshed, it is scaled up and down, and deleted); a write that 20
         watches are told of costs the same among 10,000 objects as among 100.
         The story misses its budget since networks have storage and rollouts: it took 32, 34, 36 and 41 ms on a quiet
         machine. It makes 128,000 calls of functions, where it made 228,000 and 354,000; 30 ms are some 90,000.
Sketch   The story is 10 passes of the controller, 7 of its statuses, and 41 requests of it and of the StatefulSets'
         controller. A third of its calls are these passes, and half of that are statuses; a change of a StatefulSet or
         of the spec, of which there are five, is thousands of calls on the simulated server.
Method   Fresh processes, the best of them, for the import; for the story the median of a batch, logs kept as pytest
         keeps them, and the best of some batches, because what else the machine does only adds; for the tracker a write
         and its delivery to all watches.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from time import perf_counter

from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, Lines, MergePatch, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, STATEFULSETS
from tests.bench.case import Case, Figure
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, NETWORKS, STATEFULSET_KEY, scene_with

STORIES = 15
BATCHES = 5
PROCESSES = 5
WATCHERS = 20
WRITES = 200

FIRST_WORLD = """
from time import perf_counter
began = perf_counter()
import asyncio
from ctrlkit.fakes import World
from ctrlkit.fakes.loop import VirtualTimeLoop

async def first_world():
    async with World() as world:
        await world.settle()

with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
    runner.run(first_world())
print(perf_counter() - began)
"""


def cases() -> list[Case | Figure]:
    """The three of them."""
    return [
        Figure(name="world: import and the first World", take=_first_world_ms, unit="ms", budget=250.0),
        Figure(name="world: a story of the bitcoin controller", take=_story_ms, unit="ms", budget=30.0),
        Case(
            name="tracker: a write with 20 watches, 10,000 objects against 100",
            subject=_writes(10_000),
            baseline=_writes(100),
            operations=WRITES,
            budget=1.25,
        ),
    ]


def _first_world_ms() -> float:
    command = [sys.executable, "-c", FIRST_WORLD]
    runs = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(PROCESSES))
    return min(float(done.stdout) for done in runs) * 1e3


def _story_ms() -> float:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return min(statistics.median(_timed_story() for _ in range(STORIES)) for _ in range(BATCHES)) * 1e3


def _timed_story() -> float:
    began = perf_counter()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())
    return perf_counter() - began


async def story() -> None:
    """A network from its making to its end, the cluster played by hand."""
    nodes = MemoryNodes()
    async with scene_with(nodes) as scene:
        scene.apply(3)
        await scene.world.settle()
        for count in (3, 4):
            scene.apply(count)
            await scene.world.settle()
            await scene.run_pods()
            assert set(nodes.connections.values()) == {count - 1}
        scene.apply(2)
        await scene.world.settle()
        assert scene.world.tracker.get(STATEFULSETS, STATEFULSET_KEY).at("spec.replicas") == 2
        scene.world.tracker.delete(NETWORKS, KEY)
        await scene.world.settle()


def _writes(objects: int) -> Callable[[], None]:
    """A tracker of so many objects; each call of what is returned writes some of them, and reads all watches."""
    loop = VirtualTimeLoop()
    tracker = Tracker()
    for number in range(objects):
        metadata = {"name": f"c{number:05}", "namespace": "default"}
        tracker.create(CONFIG_MAPS, {"metadata": metadata, "data": {"turn": "0"}})
    watches: list[Lines] = []
    exits = AsyncExitStack()
    turns = iter(range(1, 1_000_000))

    async def open_watches() -> None:
        for _ in range(WATCHERS):
            action = Action(verb=Verb.WATCH, resource=CONFIG_MAPS)
            lines = await exits.enter_async_context(tracker.watch(action))
            await anext(lines)
            watches.append(lines)

    async def write(_open: AsyncExitStack) -> None:
        for number in range(WRITES):
            name = f"default/c{number * (objects // 100) % objects:05}"
            tracker.patch(CONFIG_MAPS, name, MergePatch({"data": {"turn": str(next(turns))}}))
            for lines in watches:
                await anext(lines)

    loop.run_until_complete(open_watches())
    return lambda: loop.run_until_complete(write(exits))  # which keeps them open
