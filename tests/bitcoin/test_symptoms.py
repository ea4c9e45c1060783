"""What docs/troubleshooting.md quotes of bitcoin networks is what their conditions say in that state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.crd import definition_of
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Image, Node, Pull
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, PODS, SECRETS
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.specs import mistakes
from tests.operate.symptoms import missing

NETWORKS = BITCOIN_NETWORKS.of(Unstructured)
KEY = "demo/net"
MACHINES = [Node("a"), Node("b"), Node("c")]
BROKEN = "registry.example.com/core:99"


@asynccontextmanager
async def a_network(**spec: Any) -> AsyncIterator[tuple[World, MemoryNodes]]:
    """A network of three nodes in a cluster, as it is after a minute."""
    nodes = MemoryNodes()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    body = {
        "apiVersion": BITCOIN_NETWORKS.api_version,
        "kind": "BitcoinNetwork",
        "metadata": {"name": "net", "namespace": "demo"},
        "spec": {"nodes": 3, **spec},
    }
    there = (namespace, definition_of(BITCOIN_NETWORKS))
    async with World(*there, body, cluster=ALL, images=nodes.images, furnished=True, nodes=MACHINES) as world:
        nodes.follow(world.tracker)
        world.manage(lambda manager: build(manager, bitcoind=nodes), name="first")
        await world.pass_time(60)
        yield world, nodes


def told(world: World) -> str:
    """Reason and message of each condition, in lines."""
    conditions = world.tracker.get(NETWORKS, KEY).at("status.conditions")
    return "\n".join(f"{one['reason']}: {one['message']}" for one in conditions)


async def test_an_image_that_cannot_be_pulled_stops_the_rollout_at_the_first_node() -> None:
    """Which says why, while the rollout says until when."""
    async with a_network() as (world, _):
        world.images[BROKEN] = Image(pull=Pull(error=f"{BROKEN}: not found"))
        world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"image": BROKEN}}))
        await world.pass_time(60)
        printed = told(world)
        assert missing("Nodes of a bitcoin network do not run", printed) == []
        assert missing("A rollout does not go on", printed) == []


def test_values_of_another_type_are_refused_in_the_words_of_the_server() -> None:
    """No rule of ours is asked before the types are right."""
    answers = "\n".join(line for mistake in mistakes() for line in mistake.answer)
    assert missing("A value of a bitcoin network is of the wrong type", answers) == []


async def test_nodes_that_are_cut_off_from_each_other_are_told() -> None:
    """The largest part first."""
    async with a_network() as (world, nodes):
        nodes.partition(["demo/net-sts-0", "demo/net-sts-1"], ["demo/net-sts-2"])
        await world.pass_time(300)
        assert missing("The nodes do not see each other", told(world)) == []


async def test_a_secret_that_is_not_there_is_told() -> None:
    """As what all wait for."""
    async with a_network(secret="rpc-login") as (world, _):
        assert missing("Nodes wait for their credentials", told(world)) == []


@pytest.mark.long
async def test_a_node_that_crashes_again_and_again_is_told_once_and_written_once() -> None:
    """Each of its runs ends with the same words at another time: that is no news."""
    async with a_network() as (world, nodes):
        nodes.faults["demo/net-sts-1"].disk_full = True
        world.tracker.delete(PODS, "demo/net-sts-1")
        await world.pass_time(120)
        before = world.tracker.get(NETWORKS, KEY).metadata.resource_version
        await world.pass_time(1800)
        assert world.tracker.get(PODS, "demo/net-sts-1").at("status.containerStatuses")[0]["restartCount"] > 5
        assert world.tracker.get(NETWORKS, KEY).metadata.resource_version == before
        warnings = [event for event in world.tracker.list(EVENTS, "demo") if event["reason"] == "NodesFailing"]
        assert [event["count"] for event in warnings] == [1]
        assert "bitcoind ended with exit code 1: Error: Disk space is too low" in told(world)


@pytest.mark.long
async def test_a_lost_kubernetes_node_is_told_and_its_pod_comes_back_with_its_chain_when_it_does() -> None:
    """Nobody is told to end a pod by force."""
    async with a_network() as (world, nodes):
        nodes.mine("demo/net-sts-0", 5)
        await world.pass_time(60)
        where = world.tracker.get(PODS, "demo/net-sts-2").at("spec.nodeName")
        world.lose_node(where)
        await world.pass_time(400)
        assert f"Kubernetes node {where} does not answer" in told(world)
        world.recover_node(where)
        await world.pass_time(300)
        assert "NodesConnected: all 3 nodes" in told(world)
        assert nodes.heights["demo/net-sts-2"] == 5


@pytest.mark.long
async def test_an_ordinary_life_is_told_without_a_warning() -> None:
    """Rollouts, a rotation, other topologies, groups, rest: all that goes on by itself is no trouble of anybody."""
    data = {"BC_RPC_USER": "dXNlcg==", "BC_RPC_PASSWORD": "b3RoZXI="}
    async with a_network() as (world, nodes):
        nodes.mine("demo/net-sts-0", 5)
        world.tracker.create(SECRETS, {"metadata": {"name": "rpc", "namespace": "demo"}, "data": data})
        lives: list[dict[str, Any]] = [
            {"version": "29.1"},
            {"secret": "rpc"},
            {"nodes": 20},
            {"nodes": 3, "groups": [{"name": "old", "nodes": 1, "version": "28.0"}]},
            {"paused": True, "version": "30.2"},
            {"paused": False},
            {"nodes": 0, "groups": []},
            {"nodes": 2},
        ]
        for spec in lives:
            world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": spec}))
            await world.pass_time(180)
        assert "NodesConnected: all 2 nodes" in told(world)
        assert set(nodes.heights.values()) == {5}
        warnings = [event for event in world.tracker.list(EVENTS, "demo") if event["type"] == "Warning"]
        assert [event["message"] for event in warnings if event.at("involvedObject.kind") == "BitcoinNetwork"] == []
