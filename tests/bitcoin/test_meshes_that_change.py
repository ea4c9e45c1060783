"""A network that grows over what a full mesh holds and back is one network all along, on no more than 8 connections."""

from __future__ import annotations

import pytest

from ctrlkit.bitcoin.mesh import MANUAL_MAX
from tests.bitcoin.scene import CREDENTIALS, Scene, address, node


async def assert_whole(scene: Scene, nodes: int) -> None:
    """Within a minute all nodes are connected, have the same blocks, and nothing is left to do."""
    await scene.run_pods()
    scene.nodes.mine(node(0), 1)
    await scene.pass_time(60)
    assert scene.condition("Available")[0] == "True", scene.message("Available")
    assert scene.condition("Connected")[0] == "True", scene.message("Connected")
    assert len(set(scene.nodes.tips.values())) == 1
    assert len(scene.nodes.tips) == nodes
    assert max(scene.nodes.outbound.values()) <= MANUAL_MAX
    written = len(scene.nodes.writes)
    await scene.pass_time(180)
    assert len(scene.nodes.writes) == written


async def test_scaling_over_seventeen_and_back_keeps_one_network(scene: Scene) -> None:
    """The connections of the full mesh make room for those of the rings, and the other way round."""
    await scene.running(17)
    for nodes, topology in ((18, "Rings"), (24, "Rings"), (17, "FullMesh"), (3, "FullMesh")):
        scene.apply(nodes)
        await scene.world.settle()
        await assert_whole(scene, nodes)
        assert scene.network.at("status.topology") == topology
        assert set(scene.nodes.connections.values()) <= ({nodes - 1} if topology == "FullMesh" else set(range(2, 9)))


async def test_nodes_that_wait_for_their_new_neighbours_stay_connected(scene: Scene) -> None:
    """From 3 to 20, with pods that take minutes: that is no partition, and blocks go to every node meanwhile."""
    await scene.running(3)
    scene.apply(20)
    await scene.pass_time(180)
    scene.nodes.mine(node(0), 1)
    for ordinal in range(3, 20):
        await scene.pass_time(40)
        scene.run_pod(ordinal)
        assert scene.condition("Connected")[1] != "Partitioned"
        assert [scene.nodes.heights[node(at)] for at in range(3)] == [1, 1, 1]
    await assert_whole(scene, 20)
    assert "Partitioned" not in [reason for reason, _ in scene.events("Warning")]
    assert max(map(len, scene.nodes.lists.values())) <= 4


@pytest.mark.long
async def test_a_group_that_comes_between_turns_no_node_away(scene: Scene) -> None:
    """Nodes of the main group come before those of others, so each one more turns the direction of some pairs."""
    await scene.running(8, groups=[{"name": "b", "nodes": 6}])
    for nodes in (9, 10, 11, 8):
        scene.apply(nodes)
        await scene.world.settle()
        await assert_whole(scene, nodes + 6)
        assert set(scene.nodes.connections.values()) == {nodes + 5}


async def test_a_network_with_both_directions_on_its_lists_keeps_one_of_them(scene: Scene) -> None:
    """As one made before has: 11 entries on the list of each of 12 nodes, of which each connects to 8."""
    scene.put_secret()
    scene.apply(12, secret="rpc")
    await scene.world.settle()
    for ordinal in range(12):
        scene.run_pod(ordinal)
    for own in range(12):
        for other in range(12):
            if own != other:
                await scene.nodes.node(address(own), CREDENTIALS).add_node(address(other))
    await scene.pass_time(1)
    await assert_whole(scene, 12)
    assert len(scene.pairs()) == 66
    assert sum(map(len, scene.nodes.lists.values())) == 66
    assert set(scene.nodes.connections.values()) == {11}


@pytest.mark.long
@pytest.mark.parametrize("peers", [1, 6])
async def test_peers_of_the_spec_have_room_beside_the_others(scene: Scene, peers: int) -> None:
    """Each of them takes one of a node's 8 connections."""
    await scene.running(12, peers=[f"peer-{number}.example" for number in range(peers)])
    await assert_whole(scene, 12)
    assert max(scene.nodes.outbound.values()) <= MANUAL_MAX - peers
