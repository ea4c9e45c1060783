"""How healthy nodes are, and which are tainted for it: decided without a server, on times of the test."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.node_health import (
    EVICTIONS_EVERY_S,
    Disruption,
    Health,
    Zones,
    disruption,
    next_health,
    unknown_conditions,
    zone_of,
)


def node(name: str = "n", heartbeat: str = "", **labels: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}] if heartbeat else []
    return {"metadata": {"name": name, "labels": labels}, "status": {"conditions": conditions}}


def test_a_node_is_heard_of_when_its_heartbeat_changes() -> None:
    first = next_health(None, node(heartbeat="a"), now=10.0, created_at=0.0)
    assert first.silent_at == 60.0
    assert next_health(first, node(heartbeat="a"), now=40.0, created_at=0.0) == first
    assert next_health(first, node(heartbeat="b"), now=40.0, created_at=0.0).silent_at == 90.0


def test_a_node_without_a_status_has_longer_from_its_creation() -> None:
    """Its first status is heard of it."""
    first = next_health(None, node(), now=30.0, created_at=5.0)
    assert first == Health(5.0, None)
    assert first.silent_at == 65.0
    assert next_health(first, node(heartbeat="a"), now=40.0, created_at=5.0).silent_at == 90.0


def test_what_is_unknown_of_a_silent_node_are_the_conditions_of_its_kubelet() -> None:
    """Others stay; one that is known to be unknown is not written again."""
    silent = node(heartbeat="a")
    silent["status"]["conditions"].append({"type": "NetworkUnavailable", "status": "False"})
    found = unknown_conditions(silent, "now")
    assert [(one["type"], one["reason"]) for one in found] == [
        ("Ready", "NodeStatusUnknown"),
        ("MemoryPressure", "NodeStatusNeverUpdated"),
        ("DiskPressure", "NodeStatusNeverUpdated"),
        ("PIDPressure", "NodeStatusNeverUpdated"),
    ]
    silent["status"]["conditions"][0]["status"] = "Unknown"
    assert unknown_conditions(silent, "later") == []


@pytest.mark.parametrize(
    ("ready", "not_ready", "wanted"),
    [
        (0, 0, Disruption.NORMAL),
        (3, 2, Disruption.NORMAL),
        (9, 11, Disruption.PARTIAL),
        (10, 10, Disruption.NORMAL),
        (0, 5, Disruption.FULL),
    ],
)
def test_how_many_nodes_are_down_is_said_of_a_zone(ready: int, not_ready: int, wanted: Disruption) -> None:
    assert disruption(ready, not_ready) is wanted


def test_a_zone_is_a_region_with_a_zone_by_old_labels_before_new_ones() -> None:
    labels = {"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"}
    assert zone_of(node(**labels)) == "r\0z"
    assert zone_of(node(**labels, **{"failure-domain.beta.kubernetes.io/zone": "old"})) == "r\0old"
    assert zone_of(node()) == ""


def test_a_large_zone_of_which_most_are_down_is_tainted_slowly() -> None:
    zones, nodes = Zones(), [node(f"n{number}") for number in range(60)]
    zones.judge([(one, number < 20) for number, one in enumerate(nodes)], 0.0)
    for one in nodes[20:22]:
        zones.ask(one)
    assert zones.due(0.0) == (["n20"], 100.0)
    assert zones.due(99.0) == ([], 100.0)
    assert zones.due(100.0) == (["n21"], None)


def test_a_node_without_disruption_checks_does_not_count() -> None:
    """So where only such nodes are ready, all are down."""
    zones = Zones()
    control = node("control", **{"node.kubernetes.io/exclude-disruption": ""})
    assert zones.judge([(control, True), (node("n1"), False)], 0.0) == (True, False)
    assert zones.judge([(control, False), (node("n1"), True)], 0.0) == (False, True)


def test_who_is_ready_again_is_not_tainted() -> None:
    zones = Zones()
    zones.judge([(node("a"), False), (node("b"), True)], 0.0)
    zones.ask(node("a"))
    zones.forget("a")
    assert zones.due(0.0) == ([], None)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)), max_size=30))
def test_for_any_losses_nodes_of_a_zone_are_tainted_at_least_ten_seconds_apart(steps: list[tuple[int, int]]) -> None:
    """And each that was asked for is, as long as most are ready."""
    zones, nodes, now, tainted = Zones(), [node(f"n{number}") for number in range(100)], 0.0, []
    asked: set[str] = set()
    zones.judge([(one, True) for one in nodes], now)
    for passed, number in steps:
        now += passed
        zones.ask(nodes[number])
        asked.add(f"n{number}")
        tainted += [(now, name) for name in zones.due(now)[0]]
    while (due_at := zones.due(now)) != ([], None):
        tainted += [(now, name) for name in due_at[0]]
        now = due_at[1] if due_at[1] is not None else now
    times = [moment for moment, _ in tainted]
    assert all(later - sooner >= EVICTIONS_EVERY_S for sooner, later in itertools.pairwise(times))
    assert {name for _, name in tainted} == asked
