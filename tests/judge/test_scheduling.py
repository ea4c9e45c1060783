"""Pods are placed where the real kube-scheduler places them, and told in its words why they fit nowhere."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.client import Client
from ctrlkit.errors import NotFound
from ctrlkit.fakes import ControlPlane, NoControlPlane
from ctrlkit.fakes.cluster.loops.pods import condition
from ctrlkit.fakes.cluster.loops.scheduling.cycle import Cycle
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import read_pod
from ctrlkit.fakes.cluster.loops.scheduling.preemption import GiveWay, who_gives_way
from ctrlkit.fakes.cluster.loops.scheduling.scores import scores
from ctrlkit.fakes.cluster.loops.scheduling.state import ClusterState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import no_fit, without_help
from ctrlkit.manager import connect
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import NAMESPACES, NODES, PODS, PRIORITY_CLASSES
from tests.judge.controllers import controllers, programs

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]

ROUNDS, NODES_MAX, PODS_EACH = 10, 4, 14
WITHIN_S = 20.0
APPS, ZONES = ("web", "db"), ("a", "b")
CLASSES = {"some": 10, "much": 1000}
TEAMS = {"one": {"team": "one"}, "two": {"team": "two"}}
"""Namespaces and their labels."""


@pytest.fixture
def kubernetes() -> Path:
    """The folder of all four programs; skips where they are not."""
    try:
        return programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))


def a_node(name: str, dice: random.Random) -> dict[str, Any]:
    room = {"cpu": str(dice.randint(1, 4)), "memory": f"{dice.randint(1, 4)}Gi", "pods": str(dice.randint(3, 9))}
    labels = {"kubernetes.io/hostname": name, "size": str(dice.randint(1, 3))}
    if dice.random() < 0.8:
        labels["zone"] = dice.choice(ZONES)
    effect = dice.choice(("NoSchedule", "PreferNoSchedule", "NoExecute"))
    taints = [{"key": "gpu", "value": "x", "effect": effect}] if dice.random() < 0.3 else None
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints, "unschedulable": dice.random() < 0.1},
        "status": {"allocatable": room, "capacity": room},
    }


def a_pod(name: str, dice: random.Random) -> dict[str, Any]:
    app, other = dice.choice(APPS), dice.choice(APPS)
    container: dict[str, Any] = {"name": "c", "image": "web:1"}
    if dice.random() < 0.7:
        asked = {"cpu": f"{dice.randint(1, 9)}00m", "memory": f"{dice.randint(1, 9)}00Mi"}
        container["resources"] = {"requests": dict(dice.sample(sorted(asked.items()), dice.randint(1, 2)))}
    if dice.random() < 0.2:
        container["ports"] = [{"containerPort": 80, "hostPort": 8080}]
    spec: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": 0}
    if dice.random() < 0.3:
        always = {"restartPolicy": "Always"} if dice.random() < 0.5 else {}
        requests = {"requests": {"cpu": f"{dice.randint(1, 20)}00m"}}
        spec["initContainers"] = [{"name": "i", "image": "web:1", "resources": requests, **always}]
    if dice.random() < 0.3:
        spec["tolerations"] = [{"key": "gpu", "operator": "Exists"}]
    if dice.random() < 0.2:
        spec["priorityClassName"] = dice.choice(sorted(CLASSES))
    if dice.random() < 0.5:
        spec["affinity"] = an_affinity(other, dice)
    if dice.random() < 0.3:
        constraint: dict[str, Any] = {
            "maxSkew": dice.randint(1, 2),
            "topologyKey": dice.choice(("zone", "kubernetes.io/hostname")),
            "whenUnsatisfiable": dice.choice(("DoNotSchedule", "ScheduleAnyway")),
            "labelSelector": {"matchLabels": {"app": other}},
            "nodeTaintsPolicy": dice.choice(("Honor", "Ignore")),
            "nodeAffinityPolicy": dice.choice(("Honor", "Ignore")),
        }
        if constraint["whenUnsatisfiable"] == "DoNotSchedule" and dice.random() < 0.3:
            constraint["minDomains"] = dice.randint(1, 3)
        if dice.random() < 0.3:
            constraint["matchLabelKeys"] = ["rank"]
        spec["topologySpreadConstraints"] = [constraint]
    labels = {"app": app, "rank": str(dice.randint(1, 2))}
    metadata = {"name": name, "namespace": dice.choice(sorted(TEAMS)), "labels": labels}
    return {"metadata": metadata, "spec": spec}


def an_affinity(app: str, dice: random.Random) -> dict[str, Any]:
    size = {"key": "size", "operator": dice.choice(("Gt", "Lt")), "values": ["2"]}
    nodes = {"matchExpressions": [size]}
    pods: dict[str, Any] = {
        "topologyKey": dice.choice(("zone", "kubernetes.io/hostname")),
        "labelSelector": {"matchLabels": {"app": app}},
    }
    where = dice.choice((None, {}, {"matchLabels": {"team": "one"}}, {"matchLabels": {"team": "none"}}))
    if where is not None:
        pods["namespaceSelector"] = where
    if dice.random() < 0.3:
        pods["namespaces"] = ["two"]
    strict, soft = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
    weight = dice.randint(1, 100)
    return dice.choice(
        (
            {"nodeAffinity": {strict: {"nodeSelectorTerms": [nodes]}}},
            {"nodeAffinity": {soft: [{"weight": weight, "preference": nodes}]}},
            {"podAffinity": {strict: [pods]}},
            {"podAffinity": {soft: [{"weight": weight, "podAffinityTerm": pods}]}},
            {"podAntiAffinity": {strict: [pods]}},
            {"podAntiAffinity": {soft: [{"weight": weight, "podAffinityTerm": pods}]}},
        )
    )


async def decided(client: Client, key: ObjectKey) -> Unstructured:
    """The pod once the scheduler has placed it, or said that it fits nowhere."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            pod = await client.get(PODS, key)
            if pod.at("spec.nodeName") or condition(pod, "PodScheduled") is not None:
                return pod
            await asyncio.sleep(0.02)


def expect(state: ClusterState, made: Unstructured) -> tuple[set[str], str, GiveWay | None]:
    """Where a pod may come to, what is told where it fits nowhere, and who gives way then."""
    pod, nodes = read_pod(made), state.nodes()
    cycle = Cycle.begin(pod, nodes, state.namespace_labels)
    found = {node.name: cycle.verdict(node) for node in nodes}
    fitting = [node for node in nodes if found[node.name] is None]
    if fitting:
        totals = scores(pod, fitting, nodes, selector=None, labels_of=state.namespace_labels)
        best = {node.name for node, total in zip(fitting, totals, strict=True) if total == max(totals)}
        return best if len(fitting) > 1 else {fitting[0].name}, "", None
    verdicts = {name: verdict for name, verdict in found.items() if verdict is not None}
    told = no_fit(len(nodes), (reason for verdict in verdicts.values() for reason in verdict.reasons))
    outcome = who_gives_way(cycle, state, verdicts, [])
    if isinstance(outcome, GiveWay):
        return set(), told, outcome
    return set(), without_help(told, outcome.told), None


async def seen(client: Client) -> ClusterState:
    state = ClusterState()
    for name, labels in TEAMS.items():
        state.set_namespace(name, labels)
    for node in await client.list(NODES):
        state.set_node(node.key.name, node)
    for pod in await client.list(PODS):
        if pod.at("spec.nodeName"):
            state.place(read_pod(pod), pod.at("spec.nodeName"))
    return state


async def clear(client: Client) -> None:
    for pod in await client.list(PODS):
        await client.delete(PODS, pod.key, grace_period_s=0)
    for node in await client.list(NODES):
        await client.delete(NODES, node.key)


async def place(client: Client, seed: int) -> list[str]:
    """Make nodes and pods by chance; what is otherwise than expected, a line each."""
    dice = random.Random(seed)
    wrong: list[str] = []
    for index in range(dice.randint(1, NODES_MAX)):
        node = a_node(f"n{seed}-{index}", dice)
        await client.create(NODES, node)
        await client.patch(NODES, node["metadata"]["name"], MergePatch({"spec": {"taints": node["spec"]["taints"]}}))
    await asyncio.sleep(0.5)
    for index in range(PODS_EACH):
        state = await seen(client)
        made = await client.create(PODS, a_pod(f"p{seed}-{index}", dice))
        places, told, way = expect(state, made)
        pod = await decided(client, made.key)
        node, found = pod.at("spec.nodeName"), condition(pod, "PodScheduled") or {}
        if node:
            if node not in places and way is None:  # where others give way, it may be placed before it is looked at
                wrong.append(f"{pod.key} is on {node}, want {sorted(places) or told}: {pod['spec']}")
        elif found.get("message") != told:
            wrong.append(f"{pod.key} is told {found.get('message')!r}, want {told or sorted(places)!r}")
        elif way is not None:
            wrong += await gives_way(client, pod, way)
        if node:  # by when they started it is decided which of equally important pods gives way
            started = MergePatch({"status": {"startTime": f"2026-01-01T00:00:{index:02}Z"}})
            await client.patch(PODS, pod.key, started, subresource="status")
        else:
            await client.delete(PODS, pod.key, grace_period_s=0)
    await clear(client)
    return wrong


async def gives_way(client: Client, pod: Unstructured, way: GiveWay) -> list[str]:
    """Compare who gave way, where only one node could be chosen for it."""
    await asyncio.sleep(0.5)
    gone = []
    for victim in way.victims:
        try:
            await client.get(PODS, victim.key)
        except NotFound:
            gone.append(victim.key)
    if len(gone) in (0, len(way.victims)):
        return []  # all of them, or those of another node that is as good
    return [f"{pod.key}: {way.victims} give way on {way.node}, {gone} have"]


async def test_pods_come_where_a_real_scheduler_brings_them(kubernetes: Path) -> None:
    """For nodes and pods made by chance: each is on one of the best nodes, or is told the same."""
    with ControlPlane(kubernetes) as plane, controllers(plane.kubeconfig, "--controllers=*,-node-lifecycle-controller"):
        async with connect(kubeconfig=plane.kubeconfig) as client:
            for name, value in CLASSES.items():
                await client.create(PRIORITY_CLASSES, {"metadata": {"name": name}, "value": value})
            for name, labels in TEAMS.items():
                await client.create(NAMESPACES, {"metadata": {"name": name, "labels": labels}})
            wrong = [line for seed in range(ROUNDS) for line in await place(client, seed)]
    assert not wrong, "\n".join(wrong)
