"""The walk-through of the original, in a cluster whose own loops make and delete the pods; nodes are in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ctrlkit.fakes.cluster import ALL
from ctrlkit.model.kinds import POD_DISRUPTION_BUDGETS, PODS, SECRETS, SERVICES, STATEFULSETS
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, NETWORKS, STATEFULSET_KEY, Scene, node, scene_with


@asynccontextmanager
async def clustered() -> AsyncIterator[Scene]:
    """A scene in which StatefulSets get pods, pods run nodes in memory, and orphans are collected."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=ALL) as scene:
        yield scene


def _ready(scene: Scene) -> dict[str, str]:
    """The addresses of the ready nodes, by name, as the status tells them."""
    return {node["nodeName"]: node["ip"] for node in scene.network.at("status.nodes") if node["ready"]}


def _assert_whole(scene: Scene, count: int) -> None:
    """So many nodes are ready, connected with all others, and at one tip."""
    names = [node(ordinal) for ordinal in range(count)]
    assert [f"demo/{name}" for name in _ready(scene)] == names
    assert scene.nodes.connections == dict.fromkeys(names, count - 1)
    assert len(set(scene.nodes.tips.values())) == 1
    assert scene.condition("Available") == ("True", "NodesConnected")


async def test_the_walk_through() -> None:
    """Up, a pod deleted, scaled up, scaled down, scaled by hand, deleted: every promise of the original."""
    async with clustered() as scene:
        scene.apply(3)
        await scene.world.advance(60)
        _assert_whole(scene, 3)
        scene.nodes.mine(node(0), 101)
        await scene.world.advance(10)
        _assert_whole(scene, 3)

        before = _ready(scene)
        uid = scene.world.tracker.get(PODS, "demo/net-sts-0").metadata.uid
        await scene.world.client.delete(PODS, "demo/net-sts-0")
        await scene.world.advance(60)
        assert scene.world.tracker.get(PODS, "demo/net-sts-0").metadata.uid != uid
        assert {name: ip for name, ip in _ready(scene).items() if name != "net-sts-0"}.items() <= before.items()
        _assert_whole(scene, 3)

        scene.apply(4)
        await scene.world.advance(60)
        _assert_whole(scene, 4)

        scene.apply(2)
        await scene.world.advance(60)
        _assert_whole(scene, 2)

        await scene.world.client.set_scale(STATEFULSETS, STATEFULSET_KEY, 5)
        await scene.world.advance(60)
        assert len(scene.world.tracker.list(PODS, "demo")) == 2
        _assert_whole(scene, 2)

        assert set(scene.nodes.heights.values()) == {101}
        assert scene.nodes.went_back == []

        await scene.world.client.delete(NETWORKS, KEY)
        await scene.world.advance(60)
        for resource in (NETWORKS, STATEFULSETS, SERVICES, PODS, SECRETS, POD_DISRUPTION_BUDGETS):
            assert scene.world.tracker.list(resource, "demo") == []


async def test_a_network_deleted_and_made_again_gets_children_of_its_own() -> None:
    """The namesake's are first collected; until then their names are taken, and that is said and passes."""
    async with clustered() as scene:
        scene.apply(2)
        await scene.world.advance(30)
        uid = scene.network.metadata.uid
        scene.world.tracker.delete(NETWORKS, KEY)
        scene.apply(2)
        await scene.world.advance(120)
        assert scene.network.metadata.uid != uid
        (owner,) = scene.statefulset.metadata.owner_references or ()
        assert owner.uid == scene.network.metadata.uid
        reasons = {reason for reason, _ in scene.events("Warning")}
        assert "NameTaken" in reasons
        _assert_whole(scene, 2)
