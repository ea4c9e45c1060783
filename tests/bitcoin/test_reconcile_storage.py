"""What the whole controller makes of growth, release and adoption: no node restarts, and the status tells it."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.bitcoin.controller import build
from ctrlkit.fakes.cluster import Loop
from ctrlkit.model import MergePatch, Options
from ctrlkit.model.kinds import NETWORK_POLICIES, PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS, STATEFULSETS, STORAGE_CLASSES
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, LIFE, NETWORKS, Scene, node, scene_with

GROWN: dict[str, Any] = {"storage": {"size": "20Gi"}}


def uids(scene: Scene, kind: Any = PODS) -> dict[str, str]:
    return {one.key.name: one.metadata.uid for one in scene.world.tracker.list(kind, "demo")}


async def test_claims_grow_while_the_nodes_go_on() -> None:
    """Not one pod is deleted, though its StatefulSet is made anew; the network is available and up to date."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=LIFE) as scene:
        await scene.running(3)
        pods, sets = uids(scene), uids(scene, STATEFULSETS)
        scene.apply(3, **GROWN)
        await scene.world.advance(300)
        assert uids(scene) == pods
        assert uids(scene, STATEFULSETS) != sets
        asked = [
            claim.at("spec.resources.requests.storage")
            for claim in scene.world.tracker.list(PERSISTENT_VOLUME_CLAIMS, "demo")
        ]
        assert asked == ["20Gi"] * 3
        conditions = [scene.condition(kind) for kind in ("Available", "UpToDate")]
        assert conditions == [("True", "NodesConnected"), ("True", "UpToDate")]
        assert "ReplacedPod" not in [reason for reason, _ in scene.events()]


async def test_growth_keeps_the_image_that_runs() -> None:
    """Nobody says which image it is any more, and for a moment no StatefulSet does: the pods and the status do."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=LIFE) as scene:
        await scene.running(2, image="bitcoin:28.1")
        pods = uids(scene)
        scene.apply(2, image=None, **GROWN)
        await scene.world.advance(300)
        assert uids(scene) == pods
        (container,) = scene.statefulset.at("spec.template.spec.containers")
        assert container["image"] == "bitcoin:28.1"


async def test_growth_and_a_rollout_at_once_replace_each_pod_once() -> None:
    """The StatefulSet that is made anew has the new image, and the rollout goes from node to node."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=LIFE) as scene:
        await scene.running(3, image="bitcoin:29.1")
        scene.apply(3, image="bitcoin:30.2", **GROWN)
        replaced = await scene.watch_rollout(300)
        assert sorted(name for _, name in replaced) == ["net-sts-0", "net-sts-1", "net-sts-2"]
        assert scene.condition("UpToDate") == ("True", "UpToDate")


async def test_nodes_are_told_as_before_while_their_statefulset_is_made_anew() -> None:
    """Their pods have no owner for a moment, and are theirs all the same: no status says that they wait."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=LIFE) as scene:
        await scene.running(2)
        scene.apply(2, **GROWN)
        await scene.world.advance(120)
        told = [action.body["status"] for action in scene.world.clientset.actions if action.subresource == "status"]
        assert told != []
        for status in told:
            assert status["readyNodes"] == 2
            assert ("Available", "True") in [(one["type"], one["status"]) for one in status["conditions"]]


async def test_a_class_that_forbids_growth_is_told_and_the_nodes_serve() -> None:
    """UpToDate says it in the server's words; with the class mended the claims grow by themselves."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=LIFE) as scene:
        scene.world.tracker.patch(STORAGE_CLASSES, "disk", MergePatch({"allowVolumeExpansion": False}))
        await scene.running(2)
        scene.apply(2, **GROWN)
        await scene.world.advance(60)
        assert scene.condition("UpToDate") == ("False", "ChangeRefused")
        assert "must support resize" in scene.message("UpToDate")
        assert scene.condition("Available") == ("True", "NodesConnected")
        scene.world.tracker.patch(STORAGE_CLASSES, "disk", MergePatch({"allowVolumeExpansion": True}))
        await scene.world.advance(700)
        assert scene.condition("UpToDate") == ("True", "UpToDate")


@pytest.mark.parametrize("size", ["20e9", "20971520Ki", "1E"])
async def test_a_claim_whose_size_is_written_otherwise_is_read_as_the_server_reads_it(size: str) -> None:
    """Kubernetes keeps an exponent as it is; passes go on, and the network follows its spec."""
    async with scene_with(MemoryNodes(), cluster=LIFE) as scene:
        await scene.running(2)
        asked = {"spec": {"resources": {"requests": {"storage": size}}}}
        scene.world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, "demo/data-net-sts-0", MergePatch(asked))
        await scene.running(3)
        assert scene.network.at("status.observedGeneration") == scene.network.metadata.generation
        assert scene.condition("Available") == ("True", "NodesConnected")
        assert scene.world.tracker.get(PERSISTENT_VOLUME_CLAIMS, "demo/data-net-sts-0").at(
            "spec.resources.requests.storage"
        ) in (size, "20Gi")


async def test_a_controller_in_a_pod_names_its_namespace_in_the_policies_of_networks() -> None:
    """Those that it made before, outside of a pod, too."""
    async with scene_with(MemoryNodes(), cluster=LIFE) as scene:
        await scene.running(1, networkPolicy={})
        await scene.world.crash(scene.manager)
        scene.world.manage(lambda manager: build(manager, bitcoind=scene.bitcoind, namespace="ops"), name="again")
        await scene.world.settle()
        (controller,) = scene.world.tracker.get(NETWORK_POLICIES, "demo/net-np").at("spec.ingress")[1]["from"]
        assert controller["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "ops"}}


@pytest.mark.parametrize("spec", [{}, {"paused": True}, {"secret": "no-such-secret"}])
async def test_a_network_with_orphan_leaves_its_nodes_to_the_next_one(spec: dict[str, Any]) -> None:
    """Pods, chains and credentials are the same before, between and after, however the network was when it went."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=LIFE) as scene:
        await scene.running(2)
        nodes.mine(node(0), 7)
        await scene.world.advance(60)
        scene.apply(2, deletionPolicy="Orphan", **spec)
        await scene.world.settle()
        pods = uids(scene)
        secrets = {one.key.name: one["data"] for one in scene.world.tracker.list(SECRETS, "demo")}
        scene.world.tracker.delete(NETWORKS, KEY, Options(propagation_policy="Background"))
        await scene.world.advance(60)
        assert scene.world.tracker.list(NETWORKS, "demo") == []
        assert uids(scene) == pods
        scene.apply(2)
        await scene.world.advance(120)
        assert uids(scene) == pods
        assert {one.key.name: one["data"] for one in scene.world.tracker.list(SECRETS, "demo")} == secrets
        assert nodes.heights == {node(0): 7, node(1): 7}
        assert scene.condition("Available") == ("True", "NodesConnected")
        for kind in (STATEFULSETS, SECRETS):
            for one in scene.world.tracker.list(kind, "demo"):
                assert [owner.uid for owner in one.metadata.owner_references or ()] == [scene.network.metadata.uid]


async def test_a_network_that_rests_wakes_with_its_chains() -> None:
    """With no nodes its objects and claims stay."""
    nodes = MemoryNodes()
    async with scene_with(nodes, cluster=(*LIFE, Loop.VOLUME_PROTECTION)) as scene:
        await scene.running(2)
        nodes.mine(node(0), 5)
        await scene.world.advance(60)
        scene.apply(0)
        await scene.world.advance(60)
        assert (uids(scene), scene.condition("Available")) == ({}, ("False", "NoNodes"))
        scene.apply(2)
        await scene.world.settle()
        await scene.run_pods()
        assert nodes.heights == {node(0): 5, node(1): 5}
