"""
What a thousand bitcoin networks of three nodes cost, each from its making until it is available.

Budget   15 ms for a network, with the API server and the StatefulSets' controller that are simulated in the same
         process. On a quiet machine the benchmark made it 13.0, 13.7, 13.8 and 15.2 ms of 1,000 in four runs.
         A network makes 38,500 calls of functions, of Python and of C, where it made 47,000 and 72,000. Among three
         hundred a network costs the same as among a hundred.
Sketch   A network is made of two Secrets, a Service, a budget and a StatefulSet; its three pods get claims, addresses
         and become ready. That is 3 passes of the controller, 2 statuses and an Event; and as many writes of the
         cluster, in all some 36 requests. A third of the calls is what the controller asks for, of which its two
         statuses are 7,400 and the five objects 7,300; a quarter is the StatefulSets' controller and what that asks
         for; a tenth is what passes compute (counted when it made 47,000). A fourth pass, a second after
         the nodes were connected, writes nothing and is not counted.
Method   One World each; all networks are made at once, and pods are run in the order in which they come. Processor
         time, because it is the same whatever else the machine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from time import process_time

from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS
from tests.bench.case import Case, Figure
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import NETWORKS, scene_in, world_of

MANY = 1_000
SOME = 300
FEW = 100
NODES = 3


def cases() -> list[Case | Figure]:
    """One figure for a network, and that it does not depend on how many there are."""
    return [
        Figure(
            name="networks: a bitcoin network of three, of 1,000", take=lambda: _run_ms(MANY), unit="ms", budget=15.0
        ),
        Figure(
            name="networks: a bitcoin network of three, of 300 against 100",
            take=lambda: _run_ms(SOME),
            unit="ms",
            budget=1.5,
            baseline=lambda: _run_ms(FEW),
        ),
    ]


def _run_ms(count: int) -> float:
    """Processor time of each of so many networks."""
    with (
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        return runner.run(make(count)) / count * 1e3


async def make(count: int) -> float:
    """Make so many networks, run their pods until all are available, and return the processor time of that."""
    nodes = MemoryNodes()
    async with world_of(nodes, cluster=(Loop.STATEFUL_SETS,)) as world:
        await scene_in(world, nodes)
        began = process_time()
        for number in range(count):
            body = {"apiVersion": NETWORKS.api_version, "kind": NETWORKS.kind, "spec": {"nodes": NODES}}
            seed(world.tracker, body | {"metadata": {"name": f"net-{number}", "namespace": "demo"}})
        await world.settle()
        run_pods(world)
        await world.until(lambda: are_available(world, count), within=600)
        return process_time() - began


def run_pods(world: World) -> None:
    """Do what provisioner and kubelet would: bind each claim, and give each pod an address."""
    bound = MergePatch({"status": {"phase": "Bound"}})
    for claim in world.tracker.list(PERSISTENT_VOLUME_CLAIMS, "demo"):
        world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, claim.key, bound, subresource="status")
    for number, pod in enumerate(world.tracker.list(PODS, "demo"), start=1):
        status = {
            "phase": "Running",
            "podIP": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        world.tracker.patch(PODS, pod.key, MergePatch({"status": status}), subresource="status")


def are_available(world: World, count: int) -> bool:
    """Whether every network tells that it is available."""
    told = [
        network
        for network in world.tracker.list(NETWORKS, "demo")
        for item in network.at("status.conditions") or ()
        if (item["type"], item["status"]) == ("Available", "True")
    ]
    return len(told) == count
