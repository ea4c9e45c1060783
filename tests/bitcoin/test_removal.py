"""Nodes that the spec has no more go only when their chain is somewhere else, where it would be lost with them."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.fakes.cluster import ALL
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import PODS, STATEFULSETS
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, LIFE, NETWORKS, Scene, node, scene_with

BLOCKS = 20
LOST: list[dict[str, Any]] = [{"ephemeral": True}, {"whenDeleted": "Delete", "whenScaled": "Delete"}]


def names(scene: Scene) -> list[str]:
    return sorted(one.key.name for one in scene.world.tracker.list(PODS, "demo"))


@pytest.mark.parametrize("storage", LOST)
async def test_a_group_that_is_renamed_hands_its_chain_on(storage: dict[str, Any]) -> None:
    """Removed and added in one edit: the old nodes stay until a new one has what they have, and the status says so."""
    async with scene_with(MemoryNodes(warmup_s=2), cluster=ALL) as scene:
        scene.apply(0, groups=[{"name": "old", "nodes": 2}], storage=storage)
        await scene.world.until(lambda: scene.condition("Available")[0] == "True", within=600)
        scene.nodes.mine(node(0, "old"), BLOCKS)
        await scene.world.advance(70)
        scene.apply(0, groups=[{"name": "new", "nodes": 2}], storage=storage)
        await scene.world.pass_time(1)
        assert [scene.condition(kind) for kind in ("UpToDate", "Progressing")] == [
            ("False", "RemovalWaits"),
            ("True", "RemovalWaits"),
        ]
        for _ in range(150):
            await scene.world.pass_time(1)
            assert BLOCKS in scene.nodes.heights.values()
        assert names(scene) == ["net-sts-new-0", "net-sts-new-1"]
        assert set(scene.nodes.heights.values()) == {BLOCKS}
        assert scene.condition("UpToDate") == ("True", "UpToDate")


@pytest.mark.parametrize("storage", LOST)
async def test_a_node_that_is_ahead_of_all_that_stay_is_not_scaled_away(storage: dict[str, Any]) -> None:
    """It goes when the one that stays has caught up."""
    async with scene_with(MemoryNodes(), cluster=LIFE) as scene:
        await scene.running(2, storage=storage)
        scene.nodes.partition({node(0)}, {node(1)})
        scene.nodes.mine(node(1), BLOCKS)
        await scene.world.advance(120)
        scene.apply(1, storage=storage)
        await scene.world.advance(120)
        assert names(scene) == ["net-sts-0", "net-sts-1"]
        assert scene.condition("UpToDate") == ("False", "RemovalWaits")
        scene.nodes.heal()
        await scene.world.advance(240)
        assert names(scene) == ["net-sts-0"]
        assert scene.nodes.heights == {node(0): BLOCKS}


async def test_a_node_of_which_nothing_was_heard_counts_as_ahead_until_its_pod_is_deleted() -> None:
    """A person decides so; and a pod that never ran has nothing to be kept."""
    async with scene_with(MemoryNodes(), cluster=LIFE) as scene:
        await scene.running(2, storage={"ephemeral": True})
        scene.apply(4, storage={"ephemeral": True})
        await scene.world.settle()
        scene.nodes.faults[node(2)].silent = True
        scene.run_pod(2)
        await scene.world.advance(30)
        scene.apply(2, storage={"ephemeral": True})
        await scene.world.advance(120)
        assert "net-sts-2" in names(scene)
        assert "net-sts-2, which the spec has no more" in scene.message("UpToDate")
        scene.delete_pod(2)
        await scene.world.advance(120)
        assert names(scene) == ["net-sts-0", "net-sts-1"]


@pytest.mark.parametrize("storage", LOST)
async def test_nodes_that_stayed_for_now_go_as_soon_as_a_pass_hears_that_they_may(storage: dict[str, Any]) -> None:
    """
    What the status told did not let them go; the pass that asks hears it, and is followed by another.

    Found by a walk-through, which scaled down before the status had the heights of nodes that were new.
    """
    async with scene_with(MemoryNodes(), cluster=LIFE) as scene:
        await scene.running(2, storage=storage)
        told = [{**one, "height": None} for one in scene.network.at("status.nodes")]
        scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"status": {"nodes": told}}), subresource="status")
        await scene.world.settle()
        scene.apply(1, storage=storage)
        await scene.world.advance(5)
        assert names(scene) == ["net-sts-0"]


@pytest.mark.parametrize("storage", [*LOST, {}])
async def test_a_network_is_laid_to_rest_at_once(storage: dict[str, Any]) -> None:
    """Without any node to stay there is nobody who could have the chain; it was asked for."""
    async with scene_with(MemoryNodes(), cluster=LIFE) as scene:
        await scene.running(2, storage=storage)
        scene.nodes.mine(node(1), BLOCKS)
        scene.apply(0, storage=storage)
        await scene.world.advance(5)
        assert names(scene) == []


async def test_replicas_that_a_hand_raised_are_put_back() -> None:
    """The pods above were never started, so there is nothing to wait for."""
    async with scene_with(MemoryNodes(), cluster=LIFE) as scene:
        await scene.running(2, storage={"ephemeral": True})
        scene.world.tracker.patch(STATEFULSETS, "demo/net-sts", MergePatch({"spec": {"replicas": 4}}))
        await scene.world.advance(5)
        assert names(scene) == ["net-sts-0", "net-sts-1"]
