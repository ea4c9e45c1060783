"""What a DaemonSet does about its pods next, whatever happened to nodes, pods and its template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.daemonset_plan import (
    DaemonPod,
    DaemonSteps,
    Place,
    Update,
    affinity_to,
    by_node,
    counts,
    daemon_spec,
    place_of,
    plan,
    target_of,
)
from tests.support.effort import tries

UP = {"is_ready": True, "is_available": True}
OLD = {"is_updated": False}


def place(name: str, *, runs: bool = True, keeps: bool = True) -> Place:
    """A node where pods belong."""
    return Place(name, runs=runs, keeps=keeps)


def pod(name: str, node: str, **more: Any) -> DaemonPod:
    """A pod on a node."""
    return DaemonPod(name=name, uid=name, node=node, **more)


def steps(update: Update, places: Sequence[Place], *pods: DaemonPod, held: Sequence[str] = ()) -> tuple[list[str], ...]:
    """The nodes that get a pod, the names of the pods that go, and the nodes that wait."""
    found = plan(update, places, by_node(pods), held)
    return list(found.create), [one.name for one in found.delete], list(found.waiting)


def test_a_node_gets_one_pod_and_keeps_the_oldest() -> None:
    a, b = place("a"), place("b")
    many = [pod("p", "a", created="2"), pod("q", "a", created="1"), pod("r", "a", created="0", is_bound=False)]
    assert steps(Update(), [a, b], pod("x", "b")) == (["a"], [], [])
    assert steps(Update(), [a], *many) == ([], ["p", "r"], [])
    assert steps(Update(), [a], pod("p", "a", is_deleting=True)) == ([], [], [])
    assert steps(Update(), [a], pod("p", "a", is_deleting=True, phase="Failed")) == (["a"], [], [])


def test_a_pod_stays_where_it_may_and_goes_where_it_may_not() -> None:
    cordoned, hostile = place("a", runs=False), place("b", runs=False, keeps=False)
    assert steps(Update(), [cordoned, hostile], pod("p", "a"), pod("q", "b")) == ([], ["q"], [])
    assert steps(Update(), [cordoned]) == ([], [], [])
    waiting_for_a_node_that_has_gone = pod("r", "zz", is_bound=False)
    assert steps(Update(), [], pod("p", "zz"), waiting_for_a_node_that_has_gone) == ([], ["r"], [])


def test_pods_that_have_ended_go_and_failed_ones_one_at_a_time() -> None:
    failed, other = pod("f", "a", phase="Failed"), pod("g", "a", phase="Failed")
    done = pod("s", "a", phase="Succeeded")
    assert steps(Update(), [place("a")], failed, other, done) == ([], ["f", "s"], ["a"])
    assert steps(Update(), [place("a")], failed, done, held=["a"]) == ([], ["s"], ["a"])


def test_a_rolling_update_takes_pods_that_are_down_first_and_no_more_than_it_may() -> None:
    places = [place(name) for name in "abc"]
    old = [pod(f"{name}1", name, **OLD, **UP) for name in "abc"]
    assert steps(Update(), places, *old) == ([], ["a1"], [])
    assert steps(Update(max_unavailable="50%"), places, *old) == ([], ["a1", "b1"], [])
    assert steps(Update(max_unavailable=0), places, *old) == ([], ["a1"], [])
    down = replace(old[2], is_ready=False, is_available=False)
    assert steps(Update(), places, *old[:2], down) == ([], ["c1"], [])
    assert steps(Update(), places, *old[:2], pod("c2", "c")) == ([], [], [])
    assert steps(Update(), places, *old[:2], pod("c2", "c", **UP)) == ([], ["a1"], [])
    assert steps(Update(is_rolling=False), places, *old) == ([], [], [])


def test_a_surge_makes_new_pods_beside_old_ones_which_go_once_the_new_are_available() -> None:
    surge = Update(max_unavailable=0, max_surge=1)
    places = [place("a"), place("b")]
    old = [pod("a1", "a", **OLD, **UP), pod("b1", "b", **OLD, **UP)]
    assert steps(surge, places, *old) == (["a"], [], [])
    assert steps(surge, places, *old, pod("a2", "a", created="9")) == ([], [], [])
    assert steps(surge, places, *old, pod("a2", "a", created="9", **UP)) == ([], ["a1"], [])
    broken = replace(old[1], is_ready=False, is_available=False)
    assert steps(surge, places, old[0], broken) == (["b", "a"], [], [])
    assert steps(surge, places, old[0], broken, pod("b2", "b", created="9")) == ([], ["b1"], [])


def test_a_surge_leaves_a_node_only_when_enough_others_are_available() -> None:
    surge = Update(max_unavailable=0, max_surge=1)
    leaving = pod("a1", "a", **OLD, **UP)
    places = [place("a", runs=False), place("b")]
    assert steps(surge, places, leaving, pod("b2", "b")) == ([], [], [])
    assert steps(surge, places, leaving, pod("b2", "b", **UP)) == ([], ["a1"], [])


def test_the_status_counts_nodes() -> None:
    places = [place("a"), place("b"), place("c", runs=False), place("d", runs=False)]
    pods = [pod("a1", "a", **UP), pod("b1", "b", **OLD, is_ready=True), pod("c1", "c", **UP)]
    assert counts(places, by_node(pods)) == {
        "currentNumberScheduled": 2,
        "numberMisscheduled": 1,
        "desiredNumberScheduled": 2,
        "numberReady": 2,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
        "numberUnavailable": 1,
    }


@pytest.mark.parametrize(
    ("key", "effect", "runs", "keeps"),
    [
        ("gpu", "NoSchedule", False, True),
        ("gpu", "NoExecute", False, False),
        ("gpu", "PreferNoSchedule", True, True),
        ("node.kubernetes.io/unschedulable", "NoSchedule", True, True),
        ("node.kubernetes.io/not-ready", "NoExecute", True, True),
        ("node.kubernetes.io/not-ready", "NoSchedule", False, True),
        ("node.kubernetes.io/network-unavailable", "NoSchedule", False, True),
    ],
)
def test_taints_decide_about_a_node(key: str, effect: str, runs: bool, keeps: bool) -> None:
    """Pods stay on nodes in trouble; only those on the network of their node come before that of pods works."""
    node = {"metadata": {"name": "a"}, "spec": {"taints": [{"key": key, "effect": effect}]}}
    assert place_of(daemon_spec({}), node) == Place("a", runs=runs, keeps=keeps)
    with_its_network = place_of(daemon_spec({"hostNetwork": True}), node)
    assert with_its_network.runs == (runs or key.endswith("network-unavailable"))


def test_a_toleration_of_the_template_that_differs_by_its_seconds_alone_is_replaced() -> None:
    limited = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    found = daemon_spec({"tolerations": [{**limited, "tolerationSeconds": 5}, {"key": "mine", "operator": "Exists"}]})
    assert found["tolerations"][:3] == [
        limited,
        {"key": "mine", "operator": "Exists"},
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
    ]
    assert len(found["tolerations"]) == 7


def test_a_pod_is_for_the_one_node_that_its_affinity_names() -> None:
    preferred: dict[str, Any] = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
        "podAffinity": {},
    }
    affinity = affinity_to(preferred, "a")
    assert affinity.keys() == {"nodeAffinity", "podAffinity"}
    assert "preferredDuringSchedulingIgnoredDuringExecution" in affinity["nodeAffinity"]
    assert target_of({"affinity": affinity}) == "a"
    two = {"key": "metadata.name", "operator": "In", "values": ["a", "b"]}
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [two]}]}}
    assert target_of({"affinity": {"nodeAffinity": terms}}) == ""


# ---- whatever happens ------------------------------------------------------------------------------------------------

NODES = ("a", "b", "c", "d")


@dataclass
class Simulation:
    """A DaemonSet, nodes and kubelets; pods become ready, and end, when they are told to."""

    update: Update
    places: dict[str, Place] = field(default_factory=lambda: {name: place(name) for name in NODES})
    pods: dict[str, DaemonPod] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)

    def happen(self, what: str, node: str) -> None:
        match what:
            case "template":
                self.change(self.pods.values(), is_updated=False)
            case "ready":
                self.change(self.on(node), **UP)
            case "not ready":
                self.change(self.on(node), is_ready=False, is_available=False)
            case "fail":
                self.change(self.on(node), phase="Failed", is_ready=False, is_available=False)
            case "end":
                self.pods = {name: one for name, one in self.pods.items() if not (one.is_deleting and one.node == node)}
            case "cordon" | "evict" | "return":
                self.places[node] = place(node, runs=what == "return", keeps=what != "evict")
            case "lose":
                self.places.pop(node, None)
                self.pods = {name: one for name, one in self.pods.items() if one.node != node}
            case _:
                raise AssertionError(what)

    def on(self, node: str) -> list[DaemonPod]:
        return [one for one in self.pods.values() if one.node == node and not one.is_deleting]

    def change(self, pods: Any, **to: Any) -> None:
        for one in list(pods):
            self.pods[one.name] = replace(one, **to)

    def available(self) -> int:
        """On how many nodes a pod is available."""
        return len({one.node for one in self.pods.values() if one.is_available and not one.is_deleting})

    def reconcile(self) -> DaemonSteps:
        found = plan(self.update, list(self.places.values()), by_node(self.pods.values()))
        for node in found.create:
            name = f"p{next(self.numbers):04}"
            self.pods[name] = pod(name, node, created=name)
        for one in found.delete:
            self.pods[one.name] = replace(one, is_deleting=True, is_ready=False, is_available=False)
        return found

    def come_to_rest(self) -> None:
        """Let the kubelets do all that they have to."""
        for _ in range(100):
            if not any(self.reconcile().create) and not any(one.is_deleting for one in self.pods.values()):
                stable = all(one.is_ready or one.phase == "Failed" for one in self.pods.values())
                if stable and not self.reconcile().delete:
                    return
            for node in NODES:
                self.happen("end", node)
                self.change([one for one in self.on(node) if one.phase != "Failed"], **UP)
        raise AssertionError(f"no rest: {self.pods}")


UPDATES = st.sampled_from(
    [
        Update(),
        Update(max_unavailable="60%"),
        Update(max_unavailable=0, max_surge=1),
        Update(max_unavailable=0, max_surge="50%"),
        Update(max_unavailable=0),
    ]
)
NODE = st.sampled_from(NODES)
ANYTHING = st.tuples(
    st.sampled_from(["template", "ready", "not ready", "fail", "end", "cordon", "evict", "return", "lose"]), NODE
)
ROLLOUTS = st.tuples(st.sampled_from(["template", "ready", "end"]), NODE)


@settings(max_examples=tries(20, thorough=1000))
@given(UPDATES, st.lists(ANYTHING, max_size=25))
def test_for_any_changes_each_node_ends_with_the_one_pod_that_belongs_there(
    update: Update, changes: list[tuple[str, str]]
) -> None:
    """It is of the newest template and available; where pods may only stay, there is at most one."""
    simulation = Simulation(update)
    for what, node in changes:
        simulation.happen(what, node)
        simulation.reconcile()
    simulation.come_to_rest()
    for one in simulation.places.values():
        there = simulation.on(one.name)
        assert len(there) == 1 if one.runs else len(there) <= one.keeps
        assert all(found.is_updated and found.is_available for found in there if one.runs)


@settings(max_examples=tries(20, thorough=1000))
@given(UPDATES, st.lists(ROLLOUTS, max_size=25))
def test_for_any_changes_of_the_template_no_more_nodes_are_without_an_available_pod_than_may_be(
    update: Update, changes: list[tuple[str, str]]
) -> None:
    simulation = Simulation(update)
    simulation.come_to_rest()
    _, unavailable = update.limits(len(NODES))
    for what, node in changes:
        simulation.happen(what, node)
        for _ in range(3):
            simulation.reconcile()
            assert simulation.available() >= len(NODES) - unavailable
