"""A cluster as a whole: it runs while its block does, ends with it, and runs real processes as well."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit.errors import ApiError, NotSynced
from ctrlkit.model import Action, Applied, Deleted
from ctrlkit.model.kinds import NODES, PODS, STATEFULSETS
from fakes.clientset import FakeClientset
from fakes.cluster import AlwaysReady, Cluster, InProcessRuntime, ProcessRuntime
from fakes.cluster.images import simulated_bitcoind
from fakes.world import World
from tests.support.processes import HAS_PIDFD, command_lines

POD = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [{"name": "main", "image": "web"}]}}


def images() -> dict[str, Any]:
    return {"web": lambda address, spec: AlwaysReady()}


async def until_ready(clientset: FakeClientset, name: str) -> None:
    """Follow the pods until one is ready."""
    async with clientset.client.watch(PODS, namespace="default") as events:
        async for event in events:
            match event:
                case Applied(record) if record.key.name == name:
                    conditions = record.value.at("status.conditions") or ()
                    if any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
                        return


async def until_gone(clientset: FakeClientset) -> None:
    """Follow the pods until none is left."""
    left = {pod.key for pod in await clientset.client.list(PODS)}
    async with clientset.client.watch(PODS, namespace="default") as events:
        async for event in events:
            match event:
                case Applied(record):
                    left.add(record.key)
                case Deleted(record):
                    left.discard(record.key)
            if not left:
                return


async def test_a_cluster_runs_while_its_block_does() -> None:
    """And its end is orderly: nothing is left behind."""
    clientset = FakeClientset()
    async with InProcessRuntime(images=images()) as runtime, Cluster(clientset.client, runtime):
        await clientset.client.create(PODS, POD)
        await until_ready(clientset, "web")
    clientset.clear_actions()
    await asyncio.sleep(3600)
    assert clientset.actions == ()


async def test_a_loop_that_cannot_begin_ends_the_block_with_the_cause() -> None:
    """A test does not wait for a cluster that is not there."""
    clientset = FakeClientset()

    def refuse(action: Action) -> None:
        raise ApiError("the server is out of order")

    clientset.add_reactor("list", NODES, refuse)
    with pytest.raises(NotSynced, match="out of order"):
        async with InProcessRuntime(images=images()) as runtime, Cluster(clientset.client, runtime):
            await asyncio.sleep(3600)


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    """Not wrapped into a group."""
    with pytest.raises(ZeroDivisionError):
        async with InProcessRuntime(images=images()) as runtime, Cluster(FakeClientset().client, runtime):
            raise ZeroDivisionError


class Stubborn(AlwaysReady):
    async def run(self) -> int:
        try:
            return await super().run()
        except asyncio.CancelledError:
            await asyncio.sleep(20)
            return 0


async def test_a_cluster_does_not_wait_for_grace_periods_when_it_ends() -> None:
    """The pod's containers end with the runtime in any case."""
    async with World() as world, InProcessRuntime(images={"web": lambda address, spec: Stubborn()}) as runtime:
        async with Cluster(world.client, runtime):
            await world.client.create(PODS, POD)
            await world.settle()
            await world.client.delete(PODS, "default/web")
            await asyncio.sleep(1)
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() == before


BITCOIND = {
    "name": "net-sts-ctr",
    "image": "christianb93/bitcoind:v1.0",
    "readinessProbe": {
        "exec": {"command": ["/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf", "getnetworkinfo"]},
        "periodSeconds": 1,
        "timeoutSeconds": 60,
    },
}


@pytest.mark.real_time
@pytest.mark.skipif(not HAS_PIDFD, reason="reads the processes of /proc (Linux)")
async def test_a_set_of_nodes_runs_as_processes() -> None:
    """They become ready one by one, each on an address of its own, and end with their set."""
    clientset = FakeClientset()
    spec = {
        "replicas": 2,
        "serviceName": "net-svc",
        "selector": {"matchLabels": {"app": "net"}},
        "template": {"metadata": {"labels": {"app": "net"}}, "spec": {"containers": [BITCOIND]}},
    }
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime, Cluster(clientset.client, runtime):
        mark = str(runtime.folder).encode()
        await clientset.client.create(STATEFULSETS, {"metadata": {"name": "net", "namespace": "default"}, "spec": spec})
        await until_ready(clientset, "net-1")
        pods = await clientset.client.list(PODS)
        addresses = {pod.at("status.podIP") for pod in pods}
        assert len(addresses) == 2
        running = [line for line in command_lines().values() if mark in line and b"-bind=" in line]
        assert len(running) == 2
        await clientset.client.delete(STATEFULSETS, "default/net")
        await until_gone(clientset)
        assert not [line for line in command_lines().values() if mark in line and b"-bind=" in line]
