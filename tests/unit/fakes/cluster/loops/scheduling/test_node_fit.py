"""What keeps a pod from a node, in the scheduler's words."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.fakes.cluster.loops.scheduling import node_fit
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import (
    HostPort,
    fixed_obstacle,
    host_ports,
    nodes_named,
    ports_conflict,
    shortages,
    sizes_of_pod,
    untolerated_taint,
)

LABELS = {"zone": "a", "size": "12", "empty": ""}


def a_node(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n1", "labels": LABELS}, "spec": spec}


def with_affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("one", "fits"),
    [
        (expression("zone", "In", "a", "b"), True),
        (expression("zone", "In", "b"), False),
        (expression("zone", "NotIn", "b"), True),
        (expression("zone", "NotIn", "a"), False),
        (expression("missing", "NotIn", "a"), True),
        (expression("empty", "Exists"), True),
        (expression("missing", "Exists"), False),
        (expression("missing", "DoesNotExist"), True),
        (expression("size", "Gt", "11"), True),
        (expression("size", "Gt", "12"), False),
        (expression("size", "Lt", "13"), True),
        (expression("zone", "Lt", "13"), False),
        (expression("missing", "Gt", "1"), False),
    ],
)
def test_an_affinity_compares_labels_by_each_operator(one: dict[str, Any], *, fits: bool) -> None:
    """A label that is missing is neither greater nor less, and not in any set."""
    found = fixed_obstacle(with_affinity({"matchExpressions": [one]}), a_node())
    assert found == ("" if fits else node_fit.NOT_SELECTED)


def test_terms_are_alternatives_and_the_parts_of_a_term_hold_together() -> None:
    """An empty term matches no node."""
    here, there = expression("zone", "In", "a"), expression("zone", "In", "b")
    by_name = expression("metadata.name", "In", "n1")
    assert not fixed_obstacle(with_affinity({"matchExpressions": [there]}, {"matchExpressions": [here]}), a_node())
    assert not fixed_obstacle(with_affinity({"matchExpressions": [here], "matchFields": [by_name]}), a_node())
    assert fixed_obstacle(with_affinity({"matchExpressions": [here, there]}), a_node())
    assert fixed_obstacle(with_affinity({"matchExpressions": [there], "matchFields": [by_name]}), a_node())
    assert fixed_obstacle(with_affinity({}), a_node())


def test_the_node_selector_and_the_affinity_must_both_match() -> None:
    """Each alone is not enough."""
    affinity = with_affinity({"matchExpressions": [expression("zone", "In", "a")]})
    assert not fixed_obstacle({**affinity, "nodeSelector": {"size": "12"}}, a_node())
    assert fixed_obstacle({**affinity, "nodeSelector": {"size": "13"}}, a_node()) == node_fit.NOT_SELECTED


def test_an_affinity_by_names_says_which_nodes_are_looked_at() -> None:
    """All its terms have to name nodes."""
    one, other = ({"matchFields": [expression("metadata.name", "In", name)]} for name in ("n1", "n2"))
    assert nodes_named(with_affinity(one, other)) == frozenset({"n1", "n2"})
    assert nodes_named(with_affinity(one, {"matchExpressions": [expression("zone", "Exists")]})) is None
    assert nodes_named({}) is None
    both = {"matchFields": [*one["matchFields"], *other["matchFields"]]}
    assert nodes_named(with_affinity(both)) == frozenset()


@pytest.mark.parametrize(
    ("toleration", "is_tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Equal", "value": "yes"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "disk", "operator": "Exists"}, False),
        ({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "gpu", "operator": "Exists", "tolerationSeconds": 0}, True),
        ({"key": "gpu", "operator": "Gt", "value": "1"}, False),
    ],
)
def test_a_taint_keeps_pods_away_that_do_not_tolerate_it(toleration: dict[str, Any], *, is_tolerated: bool) -> None:
    """By key, value and effect; for how long it is tolerated does not matter here."""
    node = a_node(taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    assert fixed_obstacle({"tolerations": [toleration]}, node) == ("" if is_tolerated else node_fit.TAINTED)


def test_a_taint_that_only_prefers_keeps_nobody_away() -> None:
    """And one may ask for other effects."""
    soft = {"key": "gpu", "effect": "PreferNoSchedule"}
    assert not fixed_obstacle({}, a_node(taints=[soft]))
    assert untolerated_taint({}, [soft], {"PreferNoSchedule"}) == soft
    assert untolerated_taint({}, [{"key": "gpu", "effect": "NoSchedule"}], {"NoExecute"}) is None


def test_a_cordoned_node_takes_who_tolerates_the_taint_of_cordons() -> None:
    """As pods of DaemonSets do."""
    tolerant = {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}
    assert fixed_obstacle({}, a_node(unschedulable=True)) == node_fit.CORDONED
    assert not fixed_obstacle(tolerant, a_node(unschedulable=True))


def test_a_pod_of_another_node_does_not_fit() -> None:
    """Told before taints and labels."""
    node = a_node(taints=[{"key": "gpu", "effect": "NoSchedule"}])
    assert fixed_obstacle({"nodeName": "n2"}, node) == node_fit.OTHER_NAME


def test_ports_conflict_by_number_protocol_and_address() -> None:
    """Those of sidecars count, those of other init containers do not; 0.0.0.0 is every address."""

    def container(**port: Any) -> dict[str, Any]:
        return {"ports": [{"containerPort": 80, **port}]}

    spec = {
        "containers": [container(hostPort=80), container()],
        "initContainers": [{**container(hostPort=81), "restartPolicy": "Always"}, container(hostPort=82)],
    }
    assert host_ports(spec) == {HostPort("0.0.0.0", "TCP", 80), HostPort("0.0.0.0", "TCP", 81)}
    one = HostPort("10.0.0.1", "TCP", 80)
    assert ports_conflict(host_ports(spec), [one])
    assert not ports_conflict([one], [HostPort("10.0.0.2", "TCP", 80), HostPort("10.0.0.1", "UDP", 80)])


def test_a_pod_asks_for_all_its_containers_and_its_overhead() -> None:
    """Init containers run one by one, sidecars beside the others; what the pod says for itself goes before."""

    def container(cpu: str, **more: str) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec: dict[str, Any] = {"containers": [container("100m"), container("200m")], "overhead": {"cpu": "1m"}}
    assert sizes_of_pod(spec) == {"cpu": 301}
    spec["initContainers"] = [container("50m", restartPolicy="Always"), container("400m")]
    assert sizes_of_pod(spec) == {"cpu": 451}
    spec["resources"] = {"requests": {"cpu": "2"}}
    assert sizes_of_pod(spec) == {"cpu": 2001}


def test_each_resource_that_is_short_is_told() -> None:
    """Whether the node could take the pod when empty is known too."""
    found = shortages(
        {"cpu": 500, "memory": 10, "example.com/gpu": 1},
        {"cpu": 600, "memory": 5, "pods": 3},
        {"cpu": 1000, "memory": 100, "pods": 3},
    )
    assert [one.reason for one in found] == ["Too many pods", "Insufficient cpu", "Insufficient example.com/gpu"]
    assert [one.is_hopeless for one in found] == [False, False, True]
