"""Whatever nodes and pods there are: no pod is where it must not be, and none waits that could be placed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.scheduling.cycle import Cycle
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import fixed_obstacle, ports_conflict
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts, read_pod
from ctrlkit.fakes.cluster.loops.scheduling.preemption import Budget, GiveWay, who_gives_way
from ctrlkit.fakes.cluster.loops.scheduling.scores import best
from ctrlkit.fakes.cluster.loops.scheduling.state import ClusterState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Verdict
from ctrlkit.model import LabelSelector, Unstructured

APPS = ("web", "db")
ZONES = ("a", "b")
TAINT = {"key": "gpu", "effect": "NoSchedule"}


@st.composite
def nodes(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for index in range(draw(st.integers(1, 4))):
        labels = {"kubernetes.io/hostname": f"n{index}"}
        if draw(st.booleans()):
            labels["zone"] = draw(st.sampled_from(ZONES))
        spec: dict[str, Any] = {"unschedulable": draw(st.integers(0, 5)) == 0}
        if draw(st.integers(0, 3)) == 0:
            spec["taints"] = [TAINT]
        room = {"cpu": f"{draw(st.integers(1, 10))}00m", "pods": str(draw(st.integers(1, 6)))}
        found.append(
            {"metadata": {"name": f"n{index}", "labels": labels}, "spec": spec, "status": {"allocatable": room}}
        )
    return found


@st.composite
def pods(draw: st.DrawFn) -> list[PodFacts]:
    return [read_pod(draw(a_pod(index))) for index in range(draw(st.integers(1, 12)))]


@st.composite
def a_pod(draw: st.DrawFn, index: int) -> Unstructured:
    selector = {"labelSelector": {"matchLabels": {"app": draw(st.sampled_from(APPS))}}}
    container: dict[str, Any] = {"name": "c", "resources": {"requests": {"cpu": f"{draw(st.integers(0, 5))}00m"}}}
    if draw(st.integers(0, 4)) == 0:
        container["ports"] = [{"containerPort": 80, "hostPort": 80}]
    spec: dict[str, Any] = {"containers": [container], "priority": draw(st.integers(0, 2))}
    if draw(st.integers(0, 3)) == 0:
        spec["tolerations"] = [{"key": "gpu", "operator": "Exists"}]
    if draw(st.integers(0, 3)) == 0:
        kind = draw(st.sampled_from(("podAffinity", "podAntiAffinity")))
        term = {"topologyKey": draw(st.sampled_from(("zone", "kubernetes.io/hostname"))), **selector}
        spec["affinity"] = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    if draw(st.integers(0, 3)) == 0:
        spec["topologySpreadConstraints"] = [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", **selector}
        ]
    metadata = {
        "name": f"p{index}",
        "namespace": "demo",
        "uid": str(index),
        "labels": {"app": draw(st.sampled_from(APPS))},
    }
    return Unstructured({"metadata": metadata, "spec": spec})


def no_labels(_namespace: str) -> dict[str, str]:
    return {}


def verdicts_of(state: ClusterState, pod: PodFacts) -> tuple[Cycle, dict[str, Verdict | None]]:
    cycle = Cycle.begin(pod, state.nodes(), no_labels)
    return cycle, {node.name: cycle.verdict(node) for node in state.nodes()}


def place_all(state: ClusterState, waiting: list[PodFacts]) -> list[PodFacts]:
    """Place pods one by one; return those that fit nowhere."""
    left = []
    for pod in waiting:
        _, found = verdicts_of(state, pod)
        fitting = [node for node in state.nodes() if found[node.name] is None]
        if fitting:
            selector = LabelSelector.of_labels({"app": pod.labels["app"]})
            node = best(pod, fitting, state.nodes(), selector=selector, labels_of=no_labels)
            assert node in fitting
            state.place(pod, node.name)
        else:
            left.append(pod)
    return left


def cluster(given_nodes: list[dict[str, Any]]) -> ClusterState:
    state = ClusterState()
    for node in given_nodes:
        state.set_node(node["metadata"]["name"], node)
    return state


def assert_sound(state: ClusterState) -> None:
    """No node is overbooked, and each pod is on a node that it may be on, with its ports."""
    for node in state.nodes():
        there = list(node.pods.values())
        for name, most in node.allocatable.items():
            asked = len(there) if name == "pods" else sum(pod.sizes.get(name, 0) for pod in there)
            assert asked == node.used[name] <= most
        for pod in there:
            assert not fixed_obstacle(pod.spec, node.node or {})
            others = [port for other in there if other is not pod for port in other.ports]
            assert not ports_conflict(pod.ports, others)
            for term in pod.terms.apart:
                domain = node.labels.get(term.topology)
                same = [one for one in state.nodes() if domain is not None and one.labels.get(term.topology) == domain]
                mates = [other for one in same for other in one.pods.values() if other is not pod]
                assert not any(term.matches(other, no_labels) for other in mates)


@given(nodes(), pods())
def test_no_node_is_overbooked_and_no_rule_broken(given_nodes: list[dict[str, Any]], waiting: list[PodFacts]) -> None:
    """For any nodes and pods, placed one after the other; the sums of a node are those of its pods."""
    state = cluster(given_nodes)
    place_all(state, waiting)
    assert_sound(state)


@given(nodes(), pods())
def test_sums_are_as_before_when_pods_have_gone(given_nodes: list[dict[str, Any]], waiting: list[PodFacts]) -> None:
    """For any pods that came and went."""
    state = cluster(given_nodes)
    place_all(state, waiting)
    for pod in list(state.pods()):
        state.displace(pod.uid)
    for node in state.nodes():
        assert not node.pods
        assert not any(node.used.values())
        assert (node.counted, +node.ports, node.with_terms) == ((0, 0), {}, {})


@given(nodes(), pods())
def test_what_gives_way_is_less_important_and_enough(
    given_nodes: list[dict[str, Any]], waiting: list[PodFacts]
) -> None:
    """For any pod that fits nowhere: once the others have gone it fits, and without one of them gone it does not."""
    state = cluster(given_nodes)
    for pod in place_all(state, waiting):
        cycle, found = verdicts_of(state, pod)
        told = {name: verdict for name, verdict in found.items() if verdict is not None}
        if len(told) < len(found):
            continue  # it fits by now
        outcome = who_gives_way(cycle, state, told, [])
        if not isinstance(outcome, GiveWay):
            continue
        assert outcome.victims
        assert all(victim.priority < pod.priority for victim in outcome.victims)
        for victim in outcome.victims:
            state.displace(victim.uid)
        assert verdicts_of(state, pod)[1][outcome.node] is None
        last = outcome.victims[-1]
        state.place(last, outcome.node)
        assert verdicts_of(state, pod)[1][outcome.node] is not None
        for victim in outcome.victims:
            state.place(victim, outcome.node)
        assert_sound(state)


def test_a_budget_that_is_used_up_is_broken_last() -> None:
    """Of two nodes the one is taken where no PodDisruptionBudget is broken."""
    state = cluster(
        [{"metadata": {"name": name}, "spec": {}, "status": {"allocatable": {"pods": "1"}}} for name in ("n1", "n2")]
    )
    for name, app in (("n1", "db"), ("n2", "web")):
        pod = {"metadata": {"name": app, "namespace": "demo", "uid": app, "labels": {"app": app}}}
        state.place(read_pod(Unstructured({**pod, "spec": {"containers": [], "priority": 0}})), name)
    metadata = {"name": "new", "namespace": "demo", "uid": "new"}
    cycle, found = verdicts_of(state, read_pod(Unstructured({"metadata": metadata, "spec": {"priority": 1}})))
    told = {name: verdict for name, verdict in found.items() if verdict is not None}
    budget = Unstructured(
        {"metadata": {"namespace": "demo"}, "spec": {"selector": {"matchLabels": {"app": "db"}}}, "status": {}}
    )
    free = who_gives_way(cycle, state, told, [])
    kept = who_gives_way(cycle, state, told, [Budget.read(budget)])
    assert isinstance(free, GiveWay)
    assert isinstance(kept, GiveWay)
    assert (free.node, kept.node) == ("n1", "n2")
