"""Networks whose nodes are slow, flap, or see nobody: what is told of them, what it costs, and who else is served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from ctrlkit.bitcoin.asking import CHANGES_MAX, STEADY_S, YOUNG_S
from ctrlkit.bitcoin.reconciler import CHECK_S
from ctrlkit.bitcoin.rpc import Answer
from ctrlkit.clock import monotonic
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import PODS
from tests.bitcoin.memory import Run
from tests.bitcoin.scene import NETWORKS, STATUS, Scene, node


def status_writes(scene: Scene) -> int:
    """How many statuses of the network were written since all was well."""
    return scene.world.clientset.writes.count(STATUS)


def state_of(scene: Scene, ordinal: int) -> str:
    return str(scene.network.at("status.nodes")[ordinal]["state"])


# ---- B1: slow nodes with long lists


async def test_a_slow_node_with_twenty_thousand_entries_keeps_no_status_back(scene: Scene) -> None:
    """A new spec is told at once, and the nodes that answer are connected in the first pass."""
    await scene.running(3)
    scene.nodes.faults[node(0)].call_s = 4.9
    scene.nodes.add_strangers(node(0), 20_000)
    scene.apply(4)
    began = monotonic()
    await scene.world.until(
        lambda: scene.network.at("status.observedGeneration") == scene.network.metadata.generation, within=1
    )
    await scene.world.until(lambda: len(scene.world.tracker.list(PODS, "demo")) == 4, within=10)
    scene.run_pod(3)
    await scene.world.until(lambda: node(3) in scene.nodes.lists and bool(scene.nodes.lists[node(3)]), within=10)
    assert monotonic() - began <= 20
    left = len(scene.nodes.lists[node(0)])
    await scene.pass_time(10 * CHECK_S)
    assert len(scene.nodes.lists[node(0)]) < left


@pytest.mark.long
async def test_a_long_list_is_corrected_in_the_end_and_the_network_available_meanwhile(scene: Scene) -> None:
    """So many entries a pass; the nodes are connected all along."""
    await scene.running(3)
    scene.nodes.add_strangers(node(0), 10 * CHANGES_MAX)
    for _ in range(15):
        await scene.pass_time(CHECK_S)
        assert scene.condition("Available")[0] == "True"
    assert len(scene.nodes.lists[node(0)]) == 1


async def test_five_networks_of_slow_nodes_leave_the_workers_to_a_good_one(scene: Scene) -> None:
    """Five workers, five networks that take each its whole budget: the sixth waits for one of them at most."""
    names = [f"bad-{number}" for number in range(5)]
    for name in names:
        put_network(scene, name)
    await scene.running(3)
    await run_all_pods(scene)
    for name in names:
        for ordinal in range(2):
            scene.nodes.faults[f"demo/{name}-sts-{ordinal}"].call_s = 4.9
            scene.nodes.add_strangers(f"demo/{name}-sts-{ordinal}", 20_000)
    for _ in range(6):
        await scene.pass_time(17)
        scene.apply(4 if scene.network.at("spec.nodes") == 3 else 3)
        began = monotonic()
        await scene.world.until(is_told(scene), within=20)
        assert monotonic() - began <= 11
    for name in names:
        told = scene.world.tracker.get(NETWORKS, f"demo/{name}")
        assert told.at("status.observedGeneration") == told.metadata.generation


# ---- B2: nodes that flap


async def test_a_node_that_fails_every_second_call_costs_few_status_writes_and_passes(scene: Scene) -> None:
    """It is told as unsteady, once, and the network comes back no more often than with any failing node."""
    await scene.running(3)
    scene.nodes.faults[node(1)].fails_every = 2
    passes = scene.passes
    await scene.pass_time(10 * CHECK_S)
    assert state_of(scene, 1) == "Unsteady"
    assert status_writes(scene) <= 6
    told = scene.network.at("status")
    await scene.pass_time(3600)
    assert scene.network.at("status") == told
    assert status_writes(scene) <= 6
    assert scene.passes - passes <= 200
    assert len(scene.events("Warning")) <= 3


async def test_a_node_that_is_steady_again_is_told_so(scene: Scene) -> None:
    """After a while in which it answered."""
    await scene.running(3)
    scene.nodes.faults[node(1)].fails_every = 2
    await scene.pass_time(10 * CHECK_S)
    assert scene.condition("Available")[0] == "False"
    scene.nodes.faults[node(1)].fails_every = 0
    await scene.pass_time(STEADY_S + 3 * CHECK_S)
    assert (state_of(scene, 1), scene.condition("Available")[0]) == ("AtTip", "True")


@pytest.mark.parametrize("every", [pytest.param(2, marks=pytest.mark.long), 3, pytest.param(5, marks=pytest.mark.long)])
async def test_a_network_of_nothing_but_flapping_nodes_comes_to_rest(scene: Scene, every: int) -> None:
    """Each second, third or fifth call fails, of all nodes."""
    await scene.running(4)
    for ordinal in range(4):
        scene.nodes.faults[node(ordinal)].fails_every = every
    await scene.pass_time(1800)
    before = status_writes(scene)
    await scene.pass_time(3600)
    assert before <= 30
    assert status_writes(scene) - before <= 12


async def test_a_node_that_shows_another_picture_each_time_costs_a_pass_a_minute(scene: Scene) -> None:
    """It is behind, and says at one call that it is connected and at the next that it is not."""
    await scene.running(3)
    scene.nodes.mine(node(1), 20)
    await scene.pass_time(CHECK_S)
    honest, calls = scene.nodes.answer, count()

    def lie(run: Run) -> Answer:
        answer = honest(run)
        if run.key != node(0):
            return answer
        is_odd = next(calls) % 2 == 1
        return replace(
            answer, height=1, tip="ab" * 32, added=dict.fromkeys(answer.added, is_odd), connections=int(is_odd)
        )

    scene.nodes.answer = lie  # type: ignore[method-assign]
    await scene.pass_time(10 * CHECK_S)
    writes, passes = status_writes(scene), scene.passes
    await scene.pass_time(3600)
    assert scene.passes - passes <= 70
    assert status_writes(scene) - writes <= 70
    assert state_of(scene, 0) == "Behind"
    assert len(scene.events("Warning")) <= 3


# ---- B3: nodes that see nobody


async def test_right_lists_without_any_connection_are_no_network(scene: Scene) -> None:
    """Not available, partitioned, and an Event; and connected again when they see each other."""
    scene.apply(3)
    await scene.world.settle()
    for ordinal in range(3):
        scene.run_pod(ordinal)
    await scene.world.advance(0.01)
    scene.nodes.partition([node(0)], [node(1)], [node(2)])
    await scene.pass_time(YOUNG_S + CHECK_S)
    assert len(scene.pairs()) == 3
    assert set(scene.nodes.connections.values()) == {0}
    assert scene.condition("Available")[0] == "False"
    assert scene.condition("Connected") == ("False", "Partitioned")
    assert [reason for reason, _ in scene.events("Warning")].count("Partitioned") == 1
    assert {state_of(scene, ordinal) for ordinal in range(3)} == {"Isolated"}
    scene.nodes.heal()
    await scene.pass_time(scene.nodes.retry_s + CHECK_S + 1)
    assert scene.condition("Available")[0] == "True"
    assert scene.condition("Connected")[0] == "True"


async def test_a_partition_names_its_groups_and_the_longer_chain_wins_when_it_is_over(scene: Scene) -> None:
    """Three of five go on; the two others are isolated, and get the blocks afterwards."""
    await scene.running(5)
    scene.nodes.partition([node(0), node(1), node(2)], [node(3), node(4)])
    scene.nodes.mine(node(0), 4)
    scene.nodes.mine(node(3), 2)
    await scene.pass_time(2 * CHECK_S)
    assert scene.condition("Connected") == ("False", "Partitioned")
    assert "net-sts-3" in scene.message("Connected")
    assert [state_of(scene, ordinal) for ordinal in range(5)] == ["AtTip"] * 3 + ["Isolated"] * 2
    scene.nodes.heal()
    await scene.pass_time(2 * CHECK_S)
    assert scene.condition("Available")[0] == "True"
    assert set(scene.nodes.heights.values()) == {4}
    assert scene.network.at("status.height") == 4


async def test_a_partition_that_stays_costs_no_writes(scene: Scene) -> None:
    """It is told once, in the status and by an Event, and looked at once a minute."""
    await scene.running(4)
    scene.nodes.partition([node(0), node(1)], [node(2), node(3)])
    await scene.pass_time(2 * CHECK_S)
    before, passes = status_writes(scene), scene.passes
    await scene.pass_time(3600)
    assert status_writes(scene) == before
    assert scene.passes - passes <= 70
    assert [reason for reason, _ in scene.events("Warning")].count("Partitioned") == 1


async def test_a_node_behind_is_told_and_a_new_block_is_no_reason(scene: Scene) -> None:
    """Blocks every ten seconds, and nobody is behind but the node that gets none."""
    await scene.running(3)
    scene.nodes.partition([node(2)], [node(0), node(1)])
    for _ in range(30):
        scene.nodes.mine(node(0), 1)
        await scene.pass_time(10)
    assert [state_of(scene, ordinal) for ordinal in range(3)] == ["AtTip", "AtTip", "Isolated"]
    scene.nodes.heal()
    seen = set()
    for _ in range(30):
        scene.nodes.mine(node(1), 1)
        await scene.pass_time(10)
        seen.add(tuple(state_of(scene, ordinal) for ordinal in range(3)))
    assert all(states[:2] == ("AtTip", "AtTip") for states in seen)
    assert state_of(scene, 2) == "AtTip"


def is_told(scene: Scene) -> Callable[[], bool]:
    return lambda: scene.network.at("status.observedGeneration") == scene.network.metadata.generation


def put_network(scene: Scene, name: str) -> None:
    """Make another network, of two nodes."""
    seed(
        scene.world.tracker,
        {
            "apiVersion": NETWORKS.api_version,
            "kind": "BitcoinNetwork",
            "metadata": {"name": name, "namespace": "demo"},
            "spec": {"nodes": 2, "storage": {"ephemeral": True}},
        },
    )


async def run_all_pods(scene: Scene) -> None:
    """Be the kubelet of all pods that have no address yet."""
    for number, pod in enumerate(scene.world.tracker.list(PODS, "demo")):
        if not pod.at("status.podIP"):
            run_pod_at(scene, pod, f"10.1.0.{number + 1}")
    await scene.world.settle()


def run_pod_at(scene: Scene, pod: Unstructured, address: str) -> None:
    status = {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}
    scene.world.tracker.patch(PODS, pod.key, MergePatch({"status": status}), subresource="status")
