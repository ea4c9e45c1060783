"""
What the simulated cluster costs a test: a Deployment's way to Available, many of them, a story of bitcoin nodes.

Budget   8 ms for a Deployment of three from create to Available; 8 s for 1,000 of them, each the cost of the first
         ones; 55 ms for the bitcoin story in a world with all loops. Wanted are 5 ms, 5 s and 30 ms. A Deployment makes
         23,600 calls of functions, Python's and C's as sys.setprofile tells of them, and the story 393,000: since
         networks have storage and rollouts it does not keep to its budget.
Sketch   A Deployment of three is 16 calls to the server (its own, those for a ReplicaSet and three pods, three bindings
         and statuses, four statuses of sets), nineteen Events that are made when somebody looks, and 9 reconciles. In
         calls of functions the server and the client make 7,800, what records Events 2,100, the bodies of reconciles
         5,800, taking keys 2,500, which is 280 a reconcile, caches and handlers of changes 4,300; the rest is what
         waits for the world and the event loop (counted when it made 24,400).
         The story is 190 calls to the server and 222 reconciles.
Method   The median of a batch, logs kept as pytest keeps them, and the best of some batches, because what else the
         machine does only adds. Whether a Deployment among 1,000 costs what one among 100 does is measured with garbage
         collected before each hundred: a full collection takes a fifth of the time of a hundred, and would fall into
         one of them by chance. It counts for the 1,000.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import io
import statistics
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any, TypeVar

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import DEPLOYMENTS
from tests.bench.case import Case, Figure
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, NETWORKS, node, scene_with

T = TypeVar("T")

DEPLOYMENTS_OF_A_BATCH = 30
STORIES = 15
BATCHES = 3
MANY = 1_000
PART = 100
NODES = 4
"""A node has room for 1,000 pods."""


def cases() -> list[Case | Figure]:
    """The four of them."""
    return [
        Figure(name="cluster: a Deployment of three to Available", take=_deployment_ms, unit="ms", budget=8.0),
        Figure(name="cluster: 1,000 Deployments of three", take=_many_ms, unit="ms", budget=8_000.0),
        Figure(
            name="cluster: a Deployment among 1,000, against one among 100",
            take=_last_ms,
            unit="ms each",
            budget=1.25,
            baseline=_first_ms,
        ),
        Figure(name="cluster: a story of the bitcoin controller, all loops", take=_story_ms, unit="ms", budget=55.0),
    ]


def deployment(name: str) -> dict[str, Any]:
    """A Deployment of three pods."""
    labels = {"app": name}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
        },
    }


async def make(world: World, name: str) -> None:
    """Make a Deployment, and wait until nothing is left to do."""
    await world.client.create(DEPLOYMENTS, deployment(name))
    await world.settle()
    made = await world.client.get(DEPLOYMENTS, ObjectKey("default", name))
    assert made.at("status.availableReplicas") == 3


async def _batch() -> list[float]:
    times = []
    async with World(cluster=ALL) as world:
        await make(world, "first")  # with which the loops begin
        for number in range(DEPLOYMENTS_OF_A_BATCH):
            began = perf_counter()
            await make(world, f"web-{number}")
            times.append(perf_counter() - began)
    return times


async def _many(before_each_part: Callable[[], object]) -> list[float]:
    """How long each hundred of them takes."""
    times = []
    async with World(cluster=ALL, nodes=NODES) as world:
        for part in range(MANY // PART):
            before_each_part()
            began = perf_counter()
            for number in range(PART):
                await world.client.create(DEPLOYMENTS, deployment(f"web-{part}-{number}"))
            await world.settle()
            times.append(perf_counter() - began)
        found = await world.client.list(DEPLOYMENTS)
        assert [one.at("status.availableReplicas") for one in found] == [3] * MANY
    return times


async def story() -> None:
    """A network from its making to its end; the cluster runs its pods."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=ALL) as scene:
        for count in (3, 4, 2):
            scene.apply(count)
            await scene.world.advance(60)
            assert nodes.connections == {node(ordinal): count - 1 for ordinal in range(count)}
        scene.world.tracker.delete(NETWORKS, KEY)
        await scene.world.settle()


def _run(body: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with contextlib.redirect_stderr(io.StringIO()), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(body())


def _deployment_ms() -> float:
    return min(statistics.median(_run(_batch)) for _ in range(BATCHES)) * 1e3


def _many_ms() -> float:
    return sum(_run(lambda: _many(lambda: None))) * 1e3


@functools.cache
def _parts() -> list[float]:
    return _run(lambda: _many(gc.collect))


def _first_ms() -> float:
    """What one of the first hundred costs."""
    return _parts()[0] / PART * 1e3


def _last_ms() -> float:
    """What one of the last hundred costs."""
    return _parts()[-1] / PART * 1e3


def _story_ms() -> float:
    def timed() -> float:
        began = perf_counter()
        _run(story)
        return perf_counter() - began

    return min(statistics.median(timed() for _ in range(STORIES)) for _ in range(BATCHES)) * 1e3
