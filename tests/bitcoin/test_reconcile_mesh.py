"""The nodes of a network know each other, whatever became of their lists, and whichever of them fails."""

from __future__ import annotations

import pytest

from ctrlkit import clock
from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import PODS, STATEFULSETS
from tests.bitcoin.scene import CREDENTIALS, KEY, NETWORKS, Scene, address, mesh


async def test_ready_nodes_are_added_to_each_others_lists(scene: Scene) -> None:
    """A full mesh: every node but itself is on each list."""
    scene.apply(3)
    await scene.world.settle()
    for ordinal in range(3):
        scene.run_pod(ordinal)
        await scene.world.settle()
        assert scene.nodes.lists == mesh(ordinal + 1)


async def test_a_node_that_is_not_ready_is_neither_asked_nor_added(scene: Scene) -> None:
    """It would not answer."""
    scene.apply(3)
    await scene.world.settle()
    scene.run_pod(0)
    scene.run_pod(1)
    scene.run_pod(2, ready=False)
    await scene.world.settle()
    assert scene.nodes.lists == mesh(2)


async def test_a_node_no_longer_ready_is_removed_from_the_others_lists(scene: Scene) -> None:
    """And added again when it comes back."""
    await scene.running(3)
    scene.run_pod(2, ready=False)
    await scene.world.settle()
    assert {own: scene.nodes.lists[own] for own in mesh(2)} == mesh(2)
    scene.run_pod(2)
    await scene.world.settle()
    assert scene.nodes.lists == mesh(3)


async def test_a_replaced_pod_takes_its_predecessors_place(scene: Scene) -> None:
    """The old address leaves the lists with the old pod, the new one comes with the new."""
    await scene.running(3)
    scene.delete_pod(0)
    await scene.world.settle()
    assert all(address(0) not in scene.nodes.lists[address(ordinal)] for ordinal in (1, 2))
    scene.run_pod(0, ip="10.0.9.9")
    await scene.world.settle()
    assert scene.nodes.lists["10.0.9.9"] == {address(1), address(2)}
    assert scene.nodes.lists[address(1)] == {"10.0.9.9", address(2)}


async def test_a_pod_that_is_being_deleted_leaves_the_lists_at_once(scene: Scene) -> None:
    """It still passes its probe, but it is on its way out."""
    await scene.running(2)
    scene.world.tracker.patch(PODS, "demo/net-sts-1", MergePatch({"metadata": {"finalizers": ["example.com/wait"]}}))
    scene.delete_pod(1)
    await scene.world.settle()
    assert scene.nodes.lists[address(0)] == set()


async def test_after_scaling_up_the_new_node_knows_all_and_is_known_to_all(scene: Scene) -> None:
    """The mesh grows by one."""
    await scene.running(3)
    scene.apply(4)
    await scene.world.settle()
    scene.run_pod(3)
    await scene.world.settle()
    assert scene.nodes.lists == mesh(4)


async def test_after_scaling_down_the_removed_node_leaves_the_lists(scene: Scene) -> None:
    """At once: it is no node of the network any more, even while its pod still runs."""
    await scene.running(3)
    scene.apply(2)
    await scene.world.settle()
    assert {own: scene.nodes.lists[own] for own in mesh(2)} == mesh(2)


async def test_a_list_that_lost_an_entry_is_repaired_within_a_minute(scene: Scene) -> None:
    """A node that restarted without its pod noticing has an empty list; no change of any object tells of it."""
    await scene.running(3)
    scene.nodes.lists[address(1)].clear()
    await scene.world.advance(60)
    assert scene.nodes.lists == mesh(3)
    assert sorted(scene.nodes.writes) == [f"add {address(0)} to {address(1)}", f"add {address(2)} to {address(1)}"]
    assert scene.world.clientset.writes == []


async def test_a_stranger_on_a_list_is_removed(scene: Scene) -> None:
    """The lists hold the ready nodes of the network, and nobody else."""
    await scene.running(2)
    scene.nodes.lists[address(0)].add("192.0.2.1")
    await scene.world.advance(60)
    assert scene.nodes.lists == mesh(2)


async def test_a_node_that_does_not_answer_costs_the_others_nothing(scene: Scene) -> None:
    """The others know each other after one timeout; event, condition and message name the silent one."""
    scene.nodes.silent = {address(1)}
    scene.apply(3)
    await scene.world.settle()
    for ordinal in range(3):
        scene.run_pod(ordinal)
    await scene.pass_time(scene.nodes.timeout_s + 0.001)
    assert scene.nodes.lists == {address(0): {address(1), address(2)}, address(2): {address(0), address(1)}}
    assert scene.condition("Available") == ("False", "NodesUnreachable")
    assert scene.condition("Progressing") == ("True", "Connecting")
    want = "could not connect net-sts-1 (NodeUnreachable); the others are served"
    assert scene.events("Warning") == [("NodesUnreachable", want)]
    scene.nodes.silent = set()
    await scene.world.settle()
    assert scene.nodes.lists == mesh(3)


async def test_a_node_that_does_not_answer_is_tried_again_with_back_off(scene: Scene) -> None:
    """Ever less often, with no write to the API server; when it answers, the mesh is complete and all is forgotten."""
    await scene.running(3)
    scene.nodes.silent = {address(1)}
    scene.run_pod(0, ip="10.0.9.9")
    await scene.pass_time(300)
    tries = scene.nodes.calls.count(f"list {address(1)}")
    assert 10 < tries < 25
    assert scene.world.clientset.writes.count(Write("patch", NETWORKS, KEY, subresource="status")) == 1
    scene.nodes.silent = set()
    await scene.world.settle()
    assert scene.nodes.lists[address(1)] == {"10.0.9.9", address(2)}
    assert scene.condition("Available") == ("True", "NodesConnected")
    assert len(scene.events("Warning")) == 1


async def test_nodes_are_asked_at_the_same_time(scene: Scene) -> None:
    """A pass over five nodes that each take a second for a call takes one second, and not five."""
    await scene.running(5)
    scene.nodes.call_s = 1.0
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"labels": {"a": "b"}}}))
    began = clock.monotonic()
    await scene.world.settle()
    assert clock.monotonic() - began == pytest.approx(1.0)


async def test_a_network_with_a_silent_node_does_not_hold_up_another_network(scene: Scene) -> None:
    """There are several workers, and each network has one of them at most."""
    await scene.running(2)
    scene.nodes.silent = {address(1)}
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"labels": {"a": "b"}}}))
    await scene.pass_time(1)
    metadata = {"name": "net", "namespace": "other"}
    body = {"apiVersion": NETWORKS.api_version, "kind": NETWORKS.kind, "metadata": metadata, "spec": {"nodes": 1}}
    seed(scene.world.tracker, body)
    await scene.pass_time(0)
    assert scene.world.tracker.get(STATEFULSETS, "other/net-sts").at("spec.replicas") == 1
    scene.nodes.silent = set()
    await scene.world.settle()


async def test_a_network_without_a_secret_whose_nodes_want_one_is_told_to_name_it(scene: Scene) -> None:
    """The defaults are refused: the way out is another one than for a secret that changed."""
    scene.nodes.accepted = CREDENTIALS
    scene.apply(1)
    await scene.world.settle()
    scene.run_pod(0)
    await scene.pass_time(1)
    assert scene.condition("Available") == ("False", "CredentialsRefused")
    assert scene.message("Available").endswith("name the secret with the right ones in spec.secret")


async def test_a_new_spec_starts_over_however_long_the_old_one_failed(scene: Scene) -> None:
    """The next tries come quickly again, and not after the pause that an hour of failures had earned."""
    await scene.running(2)
    scene.nodes.silent = {address(1)}
    await scene.pass_time(3600)
    before = scene.passes
    await scene.pass_time(60)
    assert scene.passes - before <= 1
    scene.apply(3)
    await scene.pass_time(60)
    assert scene.passes - before >= 10  # each takes the 5 s for which the node is silent
