"""The nodes of a network are connected, whatever became of their lists, and whichever of them fails."""

from __future__ import annotations

import pytest

from ctrlkit import clock
from tests.bitcoin.scene import STATUS, Scene, address, node


def assert_connected(scene: Scene, *ordinals: int) -> None:
    """Each of these nodes is connected with every other one, and with nobody else."""
    assert {name: scene.nodes.connections[name] for name in map(node, ordinals)} == dict.fromkeys(
        map(node, ordinals), len(ordinals) - 1
    )
    assert scene.pairs() == {frozenset((one, other)) for one in ordinals for other in ordinals if one < other}


async def test_ready_nodes_are_connected_with_each_other(scene: Scene) -> None:
    """Of every two one has the other on its list."""
    scene.apply(3)
    await scene.world.settle()
    for ordinal in range(3):
        scene.run_pod(ordinal)
        await scene.world.advance(10)
        assert_connected(scene, *range(ordinal + 1))
    assert scene.condition("Connected") == ("True", "FullMesh")


async def test_a_node_that_is_not_ready_is_asked_and_not_added(scene: Scene) -> None:
    """It may say what it waits for, and nobody is to wait for it."""
    scene.apply(3)
    await scene.world.settle()
    scene.run_pod(0)
    scene.run_pod(1)
    scene.run_pod(2, ready=False)
    await scene.world.advance(10)
    assert_connected(scene, 0, 1)
    assert {call.what for call in scene.nodes.calls if call.node == node(2)} == {"answer"}


async def test_a_replaced_pod_takes_its_predecessors_place(scene: Scene) -> None:
    """The old address leaves the lists when the new one comes."""
    await scene.running(3)
    scene.delete_pod(0)
    await scene.world.settle()
    scene.run_pod(0, ip="10.0.9.9")
    await scene.world.advance(60)
    assert_connected(scene, 0, 1, 2)
    assert address(0) not in {entry for entries in scene.nodes.lists.values() for entry in entries}


async def test_after_scaling_up_the_new_node_is_connected_with_all(scene: Scene) -> None:
    """And those that were there stay as they are."""
    await scene.running(3)
    scene.apply(4)
    await scene.world.settle()
    scene.run_pod(3)
    await scene.world.advance(10)
    assert_connected(scene, 0, 1, 2, 3)
    assert [write for write in scene.nodes.writes if write.startswith("remove")] == []


async def test_after_scaling_down_the_removed_node_leaves_the_lists(scene: Scene) -> None:
    """It is no node of the network any more."""
    await scene.running(3)
    scene.apply(2)
    await scene.world.advance(60)
    assert scene.pairs() == {frozenset((0, 1))}
    assert_connected(scene, 0, 1)


async def test_a_list_that_lost_an_entry_is_repaired_within_a_minute(scene: Scene) -> None:
    """A node that restarted without its pod noticing has an empty list; no change of any object tells of it."""
    await scene.running(3)
    scene.nodes.restart(node(1))
    await scene.world.advance(70)
    assert_connected(scene, 0, 1, 2)
    assert {write.rpartition(" on ")[2] for write in scene.nodes.writes} == {node(1)}


async def test_a_stranger_on_a_list_is_removed(scene: Scene) -> None:
    """The lists hold nodes of the network, and nobody else."""
    await scene.running(2)
    scene.nodes.add_strangers(node(0), 1)
    await scene.world.advance(60)
    assert_connected(scene, 0, 1)
    assert {entry for entries in scene.nodes.lists.values() for entry in entries} <= {address(0), address(1)}


async def test_a_node_that_does_not_answer_costs_the_others_nothing(scene: Scene) -> None:
    """The others are connected after one budget at most; event, condition and message name the silent one."""
    scene.nodes.faults[node(1)].silent = True
    scene.apply(3)
    await scene.world.settle()
    for ordinal in range(3):
        scene.run_pod(ordinal)
    await scene.world.pass_time(11)
    assert frozenset((0, 2)) in scene.pairs()
    assert scene.condition("Available") == ("False", "NodesUnreachable")
    ((reason, message),) = scene.events("Warning")
    assert (reason, "net-sts-1" in message) == ("NodesUnreachable", True)
    scene.nodes.faults[node(1)].silent = False
    await scene.world.advance(120)
    assert_connected(scene, 0, 1, 2)
    assert scene.condition("Available") == ("True", "NodesConnected")


async def test_a_node_that_does_not_answer_is_tried_again_with_back_off(scene: Scene) -> None:
    """Ever less often, and with a bounded number of writes to the API server."""
    await scene.running(3)
    scene.nodes.faults[node(1)].silent = True
    await scene.world.advance(3600)
    tries = len([call for call in scene.nodes.calls if call.node == node(1)])
    assert tries <= 2 * 60
    assert scene.world.clientset.writes.count(STATUS) <= 3
    scene.nodes.faults[node(1)].silent = False
    await scene.world.advance(120)
    assert scene.condition("Available") == ("True", "NodesConnected")
    assert len(scene.events("Warning")) == 1


async def test_nodes_are_asked_at_the_same_time(scene: Scene) -> None:
    """A pass over five nodes that each take a second for a call takes one second, and not five."""
    await scene.running(5)
    scene.nodes.call_s = 1.0
    scene.touch()
    began = clock.monotonic()
    await scene.world.settle()
    assert clock.monotonic() - began == pytest.approx(1.0)


async def test_a_new_spec_starts_over_however_long_the_old_one_failed(scene: Scene) -> None:
    """The next tries come quickly again, and not after the pause that an hour of failures had earned."""
    await scene.running(2)
    scene.nodes.faults[node(1)].silent = True
    await scene.world.pass_time(3600)
    scene.nodes.calls.clear()
    scene.apply(3)
    await scene.world.pass_time(12)
    assert [call for call in scene.nodes.calls if call.node == node(1)]
