"""What a spec changes comes to the nodes one at a time, in a cluster whose own loops run the pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ctrlkit.bitcoin import providing, versions
from ctrlkit.fakes import Calls
from ctrlkit.fakes.cluster import ALL, Image, Pull
from ctrlkit.model import MergePatch, Options
from ctrlkit.model.kinds import EVENTS, PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES, STATEFULSETS
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, NETWORKS, SERVICE_KEY, Scene, node, scene_with

BLOCKS = 20


@dataclass
class Watched:
    """What somebody sees who looks at a network each second: the fewest nodes that served, and which pods were new."""

    fewest: int
    new: list[str] = field(default_factory=list)
    most_missing: int = 0


@asynccontextmanager
async def network_of(count: int, **spec: Any) -> AsyncIterator[Scene]:
    """A network that has a chain, all nodes at its tip."""
    async with scene_with(MemoryNodes(warmup_s=2), cluster=ALL) as scene:
        scene.apply(count, **spec)
        await scene.world.until(lambda: scene.condition("Available")[0] == "True", within=120)
        scene.nodes.mine(node(0), BLOCKS)
        await scene.world.advance(5)
        yield scene


def serving(scene: Scene) -> set[str]:
    """The nodes that are ready and at the tip, as pods and nodes themselves say."""
    heights = scene.nodes.heights
    return {str(pod.key) for pod in _pods(scene) if _is_ready(pod) and heights.get(str(pod.key)) == BLOCKS}


def _pods(scene: Scene) -> list[Any]:
    return scene.world.tracker.list(PODS, "demo")


def _warnings(scene: Scene) -> list[tuple[str, str]]:
    """What the controller told as warnings."""
    events = [event for event in scene.world.tracker.list(EVENTS, "demo") if event["type"] == "Warning"]
    return [(event["reason"], event["message"]) for event in events if event.at("involvedObject.name") == "net"]


def _is_ready(pod: Any) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod.at("status.conditions") or ())


def is_done(scene: Scene) -> bool:
    """Whether a network says that it has what its spec says."""
    of_today = scene.network.at("status.observedGeneration") == scene.network.metadata.generation
    return of_today and scene.condition("UpToDate")[0] == scene.condition("Available")[0] == "True"


def releases(scene: Scene, count: int) -> set[str]:
    """What so many nodes of the main group are."""
    return {scene.nodes.release(node(ordinal)).text for ordinal in range(count)}


async def watch(scene: Scene, seconds: int, *, to_the_end: bool = False) -> Watched:
    """Look at a network each second for a while, or until it has what its spec says."""
    known = {pod.key.name: pod.metadata.uid for pod in _pods(scene)}
    wanted, seen = len(known), Watched(fewest=len(serving(scene)))
    for _ in range(seconds):
        await scene.world.pass_time(1)
        now = {pod.key.name: pod.metadata.uid for pod in _pods(scene)}
        seen.new += [name for name, uid in now.items() if known.get(name) != uid]
        known |= now
        seen.fewest = min(seen.fewest, len(serving(scene)))
        seen.most_missing = max(seen.most_missing, wanted - len(serving(scene)))
        if to_the_end and is_done(scene):
            break
    assert not to_the_end or is_done(scene), scene.network.at("status.conditions")
    return seen


async def test_an_image_is_rolled_out_node_by_node_with_a_majority_at_the_tip() -> None:
    """Each pod is made anew once, one at a time; chains are kept, and the status tells how far it is."""
    async with network_of(3) as scene:
        scene.apply(3, version="31.0")
        seen = await watch(scene, 200, to_the_end=True)
        assert seen == Watched(fewest=2, new=["net-sts-2", "net-sts-1", "net-sts-0"], most_missing=1)
        assert releases(scene, 3) == {"31.0.0"}
        assert scene.nodes.heights == {node(ordinal): BLOCKS for ordinal in range(3)}
        assert scene.nodes.went_back == []
        assert scene.condition("UpToDate") == ("True", "UpToDate")
        assert scene.condition("Available") == ("True", "NodesConnected")
        assert _warnings(scene) == []


async def test_no_pod_is_replaced_while_another_one_goes() -> None:
    """Also if that happens after the pass began, in the seconds in which nodes answer."""
    async with network_of(3) as scene:
        for ordinal in range(3):
            scene.nodes.faults[node(ordinal)].call_s = 2.0
        scene.apply(3, version="29.3")
        await scene.world.pass_time(1)
        scene.world.tracker.delete(PODS, node(0), Options(grace_period_s=0))
        await scene.world.pass_time(4)
        assert serving(scene) >= {node(1), node(2)}
        assert (await watch(scene, 300, to_the_end=True)).fewest >= 2


async def test_what_is_changed_on_the_way_takes_the_place_of_what_was() -> None:
    """No node gets what nobody wants any more, but for the one that had it already."""
    async with network_of(3) as scene:
        scene.apply(3, version="31.0")
        await scene.world.until(lambda: scene.nodes.release(node(2)).text == "31.0.0", within=60)
        scene.apply(3, version="30.2", configuration={"dbcacheMiB": 300})
        seen = await watch(scene, 200, to_the_end=True)
        assert Counter(seen.new) <= Counter(["net-sts-2", "net-sts-1", "net-sts-0", "net-sts-1"])
        assert releases(scene, 3) == {"30.2.0"}
        assert seen.fewest == 2


async def test_an_image_that_is_not_there_costs_one_node_and_no_more() -> None:
    """The rollout stops there, and says why; the spec corrected, it goes on at this node."""
    async with network_of(3) as scene:
        scene.world.images["bitcoin:99"] = Image(pull=Pull(error="not found"))
        scene.apply(3, image="bitcoin:99")
        seen = await watch(scene, 30)
        assert (seen.new, seen.fewest) == (["net-sts-2"], 2)
        await scene.world.advance(900)
        assert serving(scene) == {node(0), node(1)}
        assert "image" in scene.message("Available")
        assert scene.condition("UpToDate") == ("False", "RolloutStopped")
        scene.apply(3, image="bitcoin:31.0")
        seen = await watch(scene, 200, to_the_end=True)
        assert (seen.new[0], sorted(seen.new)) == ("net-sts-2", ["net-sts-0", "net-sts-1", "net-sts-2"])
        assert scene.condition("Available") == ("True", "NodesConnected")


async def test_a_downgrade_that_the_chain_cannot_take_is_refused() -> None:
    """Nothing is changed, not even what a lost pod would come back with; the condition says what to do instead."""
    async with network_of(3) as scene:
        scene.apply(3, version="27.2")
        seen = await watch(scene, 30)
        assert (seen.new, seen.fewest) == ([], 3)
        assert scene.condition("UpToDate") == ("False", "ChangeRefused")
        assert "30.2" in scene.statefulset.at("spec.template.spec.containers")[0]["image"]
        scene.apply(3, version="29.1")
        await watch(scene, 200, to_the_end=True)
        assert releases(scene, 3) == {"29.1.0"}


async def test_groups_run_versions_of_their_own_in_one_network() -> None:
    """One mesh, one tip; a change of one group concerns no other, and a group that goes leaves the rest alone."""
    old = {"name": "old", "nodes": 2, "version": "29.1"}
    async with network_of(2, groups=[old]) as scene:
        assert set(scene.nodes.connections.values()) == {3}
        assert set(scene.nodes.heights.values()) == {BLOCKS}
        assert scene.nodes.release(node(0, "old")).text == "29.1.0"
        assert [group["updated"] for group in scene.network.at("status.groups")] == [2, 2]
        scene.apply(2, groups=[old | {"version": "29.2"}])
        seen = await watch(scene, 200, to_the_end=True)
        assert sorted(seen.new) == ["net-sts-old-0", "net-sts-old-1"]
        assert seen.fewest == 3
        scene.apply(2, groups=[])
        await scene.world.advance(120)
        assert [pod.key.name for pod in _pods(scene)] == ["net-sts-0", "net-sts-1"]
        assert scene.nodes.connections == {node(0): 1, node(1): 1}
        assert scene.condition("Available") == ("True", "NodesConnected")


async def test_of_a_paused_network_nothing_is_changed_but_the_status() -> None:
    """Not what the spec says, not what a hand did, no list of a node; afterwards all of it comes."""
    async with network_of(3) as scene:
        scene.apply(3, paused=True)
        await scene.world.settle()
        scene.world.clientset.clear_actions()
        scene.nodes.calls.clear()
        scene.apply(4, version="31.0")
        scene.world.tracker.patch(SERVICES, SERVICE_KEY, MergePatch({"spec": {"publishNotReadyAddresses": False}}))
        scene.nodes.restart(node(1))
        seen = await watch(scene, 30)
        assert seen.new == []
        assert {str(write) for write in scene.world.clientset.writes} <= {
            f"patch {NETWORKS}/status {KEY}",
            "create events demo/",
        }
        assert scene.nodes.writes == []
        assert scene.condition("Progressing") == ("False", "Paused")
        assert scene.network.at("status.observedGeneration") == scene.network.metadata.generation
        scene.apply(4, paused=False)
        await watch(scene, 300, to_the_end=True)
        assert scene.service.at("spec.publishNotReadyAddresses") is True
        assert releases(scene, 4) == {"31.0.0"}
        assert set(scene.nodes.connections.values()) == {3}


async def test_a_downgrade_that_a_chain_cannot_take_is_refused_also_while_a_network_rests() -> None:
    """Nobody says a version then; the status has kept the newest that ran, as long as the claims are there."""
    async with network_of(2, version="30.2") as scene:
        await scene.world.advance(70)
        scene.apply(0)
        await scene.world.advance(90)
        assert _pods(scene) == []
        assert [group["writtenBy"] for group in scene.network.at("status.groups")] == ["/Satoshi:30.2/"]
        scene.apply(2, version="27.2")
        await scene.world.advance(120)
        assert scene.condition("UpToDate") == ("False", "ChangeRefused")
        assert scene.condition("Available") == ("True", "NodesConnected")
        assert releases(scene, 2) == {"30.2.0"}
        assert set(scene.nodes.heights.values()) == {BLOCKS}


async def test_a_network_that_rests_without_claims_takes_any_version() -> None:
    """There is no chain that it could not read, and none is remembered for the next change."""
    async with network_of(1, version="30.2", storage={"whenScaled": "Delete"}) as scene:
        scene.apply(0)
        await scene.world.advance(90)
        assert scene.world.tracker.list(PERSISTENT_VOLUME_CLAIMS, "demo") == []
        scene.apply(1, version="27.1")
        await scene.world.advance(120)
        scene.apply(1, version="27.2")
        await scene.world.advance(120)
        assert scene.condition("UpToDate") == ("True", "UpToDate")
        assert releases(scene, 1) == {"27.2.0"}


async def test_an_upgrade_is_not_taken_back_once_a_node_ran_with_it() -> None:
    """Its image says what it wrote, before the node itself does; an image that never ran is taken back."""
    async with network_of(3, version="27.2") as scene:
        await scene.world.advance(70)
        scene.world.images["bitcoin:30.9"] = Image(pull=Pull(error="not found"))
        scene.apply(3, image="bitcoin:30.9", version=None)
        await scene.world.advance(60)
        assert {pod.at("spec.containers")[0]["image"] for pod in _pods(scene)} >= {"bitcoin:30.9"}
        scene.apply(3, image=None, version="27.2")
        await watch(scene, 120, to_the_end=True)
        scene.apply(3, version="30.2")
        await scene.world.until(lambda: scene.nodes.release(node(2)).text == "30.2.0", within=120)
        scene.apply(3, version="27.2")
        await scene.world.advance(200)
        assert scene.condition("UpToDate") == ("False", "ChangeRefused")
        assert scene.condition("Available") == ("True", "NodesConnected")
        assert releases(scene, 3) == {"30.2.0"}


async def test_an_image_that_never_was_is_corrected_where_nothing_keeps_the_chain() -> None:
    """No node ever ran, so there is no chain to lose and nobody to ask."""
    async with scene_with(MemoryNodes(warmup_s=2), cluster=ALL) as scene:
        scene.world.images["bitcoin:99"] = Image(pull=Pull(error="not found"))
        scene.apply(3, image="bitcoin:99", storage={"ephemeral": True})
        await scene.world.advance(30)
        assert scene.condition("Available") == ("False", "NodesFailing")
        scene.apply(3, image=None, version="30.2")
        await scene.world.until(lambda: scene.condition("Available")[0] == "True", within=120)
        assert scene.condition("UpToDate") == ("True", "UpToDate")


async def test_a_newer_default_is_told_and_rolls_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new controller leaves the nodes with the image that they were made with, until somebody says another."""
    async with network_of(3) as scene:
        await scene.world.stop(scene.manager)
        for module in (versions, providing):
            monkeypatch.setattr(module, "DEFAULT_IMAGE", "docker.io/bitcoin/bitcoin:32.0")
        scene.start()
        seen = await watch(scene, 30)
        assert seen.new == []
        assert scene.condition("UpToDate") == ("True", "NewerDefault")
        scene.apply(4)
        await scene.world.advance(60)
        assert releases(scene, 4) == {"30.2.0"}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"nodes": 3, "version": "31.0"}, id="rollout"),
        pytest.param({"nodes": 5}, id="up", marks=pytest.mark.long),
        pytest.param({"nodes": 1}, id="down", marks=pytest.mark.long),
        pytest.param({"nodes": 3, "groups": [{"name": "b", "nodes": 1}]}, id="group", marks=pytest.mark.long),
    ],
)
async def test_a_controller_that_is_lost_again_and_again_ends_alike(spec: dict[str, Any]) -> None:
    """Every few seconds another process takes over, which remembers nothing."""
    async with network_of(3) as scene:
        scene.apply(**spec)
        for _ in range(8):
            await scene.world.pass_time(5)
            await scene.world.crash(scene.manager)
            scene.start()
        await watch(scene, 300, to_the_end=True)
        count = spec["nodes"] + len(spec.get("groups", ()))
        assert len(serving(scene)) == len(_pods(scene)) == count
        assert scene.condition("Available") == ("True", "NodesConnected")
        assert scene.condition("UpToDate") == ("True", "UpToDate")
        assert {found.at("spec.replicas") for found in scene.world.tracker.list(STATEFULSETS, "demo")} <= {1, 3, 5}


async def test_no_other_pod_goes_while_the_watch_of_pods_stalls() -> None:
    """One silent node is made anew; the cache goes on showing its old pod when another falls silent, which stays."""
    async with network_of(5) as scene:
        scene.nodes.faults[node(3)].silent = True
        await scene.world.advance(130)
        scene.world.faults.stall_watches(Calls(resource=PODS), lasts=300)
        scene.apply(5, image="bitcoin:31.0")
        await scene.world.pass_time(20)
        scene.nodes.faults[node(4)].silent = True
        for _ in range(100):
            await scene.world.pass_time(1)
        assert [message for reason, message in scene.events() if reason == "ReplacedPod"] == [
            "deleted pod net-sts-3, which is made anew: 0 of 5 have what is wanted"
        ]
        assert "waits until the controller's cache shows the pods as the server has them" in scene.message("UpToDate")
        scene.nodes.faults.clear()
        await scene.world.until(lambda: scene.condition("UpToDate")[0] == "True", within=3600)
