"""Which changes of nodes and pods have a pod tried again that did not fit."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.fakes.cluster.loops.scheduling.hints import NodeChange, PodChange, node_helps, pod_helps
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts, read_pod
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Plugin
from ctrlkit.model import Unstructured

PORTS = [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]
SELECTOR = {"labelSelector": {"matchLabels": {"app": "web"}}}
TERM = {"topologyKey": "zone", **SELECTOR}


def a_node(labels: dict[str, str] | None = None, cpu: str = "1", pods: str = "1", **spec: Any) -> dict[str, Any]:
    room = {"cpu": cpu, "pods": pods}
    return {"metadata": {"name": "n", "labels": labels or {}}, "spec": spec, "status": {"allocatable": room}}


def a_pod(labels: dict[str, str] | None = None, cpu: str = "", **spec: Any) -> PodFacts:
    container = {"name": "c", **({"resources": {"requests": {"cpu": cpu}}} if cpu else {})}
    metadata = {"name": "p", "namespace": "demo", "uid": "1", "labels": labels or {}}
    return read_pod(Unstructured({"metadata": metadata, "spec": {"containers": [container], **spec}}))


def affinity(kind: str) -> dict[str, Any]:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [TERM]}}


SPREAD = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", **SELECTOR}]
TAINTS = [{"key": "gpu", "effect": "NoSchedule"}]

NODE_CASES: list[tuple[Plugin, PodFacts, dict[str, Any] | None, dict[str, Any] | None, bool]] = [
    (Plugin.UNSCHEDULABLE, a_pod(), a_node(unschedulable=True), a_node(), True),
    (Plugin.UNSCHEDULABLE, a_pod(), a_node(), a_node(unschedulable=True), False),
    (Plugin.UNSCHEDULABLE, a_pod(), None, a_node(), True),
    (Plugin.TAINTS, a_pod(), a_node(taints=TAINTS), a_node(), True),
    (Plugin.TAINTS, a_pod(), a_node(), a_node(cpu="2"), False),
    (Plugin.TAINTS, a_pod(), None, a_node(taints=TAINTS), False),
    (Plugin.NODE_AFFINITY, a_pod(nodeSelector={"a": "b"}), a_node(), a_node({"a": "b"}), True),
    (Plugin.NODE_AFFINITY, a_pod(nodeSelector={"a": "b"}), a_node(), a_node({"a": "c"}), False),
    (Plugin.PORTS, a_pod(), None, a_node(), True),
    (Plugin.PORTS, a_pod(), a_node(), a_node(cpu="2"), False),
    (Plugin.FIT, a_pod(cpu="2"), a_node(), a_node(cpu="2"), True),
    (Plugin.FIT, a_pod(cpu="3"), a_node(), a_node(cpu="2"), False),
    (Plugin.FIT, a_pod(cpu="1"), a_node(), a_node({"a": "b"}), False),
    (Plugin.FIT, a_pod(), a_node(), a_node(pods="2"), True),
    (Plugin.FIT, a_pod(cpu="1"), a_node(), None, False),
    (Plugin.SPREAD, a_pod(topologySpreadConstraints=SPREAD), a_node(), a_node({"zone": "a"}), True),
    (Plugin.SPREAD, a_pod(topologySpreadConstraints=SPREAD), a_node({"zone": "a"}), None, True),
    (Plugin.SPREAD, a_pod(topologySpreadConstraints=SPREAD), a_node({"zone": "a"}), a_node({"zone": "a"}), False),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAffinity")), a_node(), a_node({"zone": "a"}), True),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAntiAffinity")), a_node({"zone": "a"}), a_node(), True),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAntiAffinity")), None, a_node(), True),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAffinity")), None, a_node(), False),
]


@pytest.mark.parametrize(("plugin", "pod", "old", "new", "helps"), NODE_CASES)
def test_a_change_of_a_node_helps_where_it_changes_what_kept_the_pod(
    plugin: Plugin, pod: PodFacts, old: dict[str, Any] | None, new: dict[str, Any] | None, *, helps: bool
) -> None:
    """And another change does not."""
    assert node_helps(frozenset({plugin}), pod, NodeChange(old, new)) is helps


WEB, DB = a_pod({"app": "web"}), a_pod({"app": "db"})
KEEPS_AWAY = a_pod(affinity=affinity("podAntiAffinity"))

POD_CASES: list[tuple[Plugin, PodFacts, PodFacts | None, PodFacts | None, bool]] = [
    (Plugin.FIT, a_pod(cpu="1"), WEB, None, True),
    (Plugin.FIT, a_pod(cpu="1"), None, WEB, False),
    (Plugin.FIT, a_pod(cpu="1"), a_pod(cpu="2"), a_pod(cpu="1"), True),
    (Plugin.PORTS, a_pod(containers=PORTS), a_pod(containers=PORTS), None, True),
    (Plugin.PORTS, a_pod(containers=PORTS), WEB, None, False),
    (Plugin.SPREAD, a_pod(topologySpreadConstraints=SPREAD), None, WEB, True),
    (Plugin.SPREAD, a_pod(topologySpreadConstraints=SPREAD), DB, None, False),
    (Plugin.SPREAD, a_pod(topologySpreadConstraints=SPREAD), WEB, DB, True),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAffinity")), None, WEB, True),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAffinity")), None, DB, False),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAntiAffinity")), WEB, None, True),
    (Plugin.AFFINITY, a_pod(affinity=affinity("podAntiAffinity")), WEB, DB, True),
    (Plugin.AFFINITY, WEB, KEEPS_AWAY, None, True),
    (Plugin.AFFINITY, DB, KEEPS_AWAY, None, False),
    (Plugin.TAINTS, WEB, DB, None, False),
]


@pytest.mark.parametrize(("plugin", "pod", "old", "new", "helps"), POD_CASES)
def test_a_change_of_another_pod_helps_where_it_changes_what_kept_the_pod(
    plugin: Plugin, pod: PodFacts, old: PodFacts | None, new: PodFacts | None, *, helps: bool
) -> None:
    """A pod that others keep away is helped when they go."""
    assert pod_helps(frozenset({plugin}), pod, PodChange(old, new), lambda _: {}) is helps


def test_without_nodes_any_change_helps() -> None:
    """Nothing in particular kept the pod."""
    assert node_helps(frozenset(), WEB, NodeChange(None, a_node()))
    assert pod_helps(frozenset(), WEB, PodChange(DB, None), lambda _: {})
