"""Nodes are what was declared: registered once, ready while their kubelet works, silent when they are lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.client import Client
from ctrlkit.controller import Request, RequeueAfter
from ctrlkit.errors import NotFound
from ctrlkit.fakes.cluster import AlwaysReady, Cluster, InProcessRuntime, Loop, Node
from ctrlkit.fakes.cluster.node.declarations import Nodes, declared
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.cluster.node.node import NodeKeeper, add_nodes
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import EVENTS, LEASES, NODES, PODS

LEASE_OF_N1 = "kube-node-lease/n1"


@asynccontextmanager
async def nodes(given: Nodes, *objects: dict[str, Any], stop_s: float = 0.0) -> AsyncIterator[tuple[World, Cluster]]:
    images = {"web": lambda address, spec: AlwaysReady()}
    async with InProcessRuntime(images=images) as runtime, World(*objects) as world:
        cluster = Cluster(world.client, runtime, loops=frozenset({Loop.KUBELET}), nodes=given, stop_s=stop_s)
        world.start(cluster)
        await world.settle()
        yield world, cluster


def a_pod(name: str, node: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "web:1"}], "nodeName": node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def told(world: World) -> dict[str, int]:
    """How often each Event was told, by reason and message, in the order of their first times."""
    return {f"{one.at('reason')}: {one.at('message')}": one.at("count") for one in world.tracker.list(EVENTS)}


HEALTHY = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"]


def statuses(*reasons: str, node: str = "n1") -> list[str]:
    return [f"{reason}: Node {node} status is now: {reason}" for reason in reasons]


def condition(thing: Unstructured, name: str) -> dict[str, Any]:
    found = next(item for item in thing.at("status.conditions") if item["type"] == name)
    assert isinstance(found, dict)
    return found


async def test_a_node_says_what_was_declared_and_what_a_kubelet_says() -> None:
    """Its labels, taints and sizes; the conditions with a kubelet's reasons and messages; a Lease that it owns."""
    one = Node(
        "n1", labels={"zone": "a"}, taints=["gpu=yes:NoExecute", "x:NoSchedule"], cpu="4", extended={"x/gpu": "2"}
    )
    async with nodes([one]) as (world, _):
        node = world.tracker.get(NODES, "n1")
        assert node.metadata.labels == {
            "beta.kubernetes.io/arch": "amd64",
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": "n1",
            "kubernetes.io/os": "linux",
            "zone": "a",
        }
        declared_taints = [{"key": "gpu", "value": "yes", "effect": "NoExecute"}, {"key": "x", "effect": "NoSchedule"}]
        assert [taint for taint in node.at("spec.taints") if taint in declared_taints] == declared_taints
        sizes = {"cpu": "4", "ephemeral-storage": "1Ti", "memory": "256Gi", "pods": "1k", "x/gpu": "2"}
        assert (node.at("status.capacity"), node.at("status.allocatable")) == (sizes, sizes)
        assert [
            (one["type"], one["status"], one["reason"], one["message"]) for one in node.at("status.conditions")
        ] == [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ]
        lease = world.tracker.get(LEASES, LEASE_OF_N1)
        assert (lease.at("spec.holderIdentity"), lease.at("spec.leaseDurationSeconds")) == ("n1", 40)
        assert [owner["uid"] for owner in lease.at("metadata.ownerReferences")] == [node.metadata.uid]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (-1, "play -1 nodes: write a number from 0 to 254"),
        (255, "play 255 nodes: write a number from 0 to 254"),
        (["a", "b", "a"], "play the nodes a, b, a: a more than once; declare each once"),
        ("abc", "play the nodes 'abc': write how many, or a list such as \\['abc'\\]"),
        ([7], r"play the node 7: write its name, or a Node\(name, ...\)"),
    ],
)
def test_nodes_are_declared_once_and_not_too_many(given: Nodes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        declared(given)


@pytest.mark.parametrize("sizes", [{"cpu": "four"}, {"memory": "-1"}, {"pods": -1}, {"extended": {"a.b/gpu": ""}}])
def test_the_size_of_a_node_is_a_quantity(sizes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"declare node n1: [a-z./]+ cannot be '[^']*'; write a quantity such as 4"):
        Node("n1", **sizes)


def test_a_taint_is_written_as_kubectl_takes_it() -> None:
    with pytest.raises(ValueError, match=r"its taints are one text; write a list: \['gpu=yes:NoSchedule'\]"):
        Node("n1", taints="gpu=yes:NoSchedule")
    with pytest.raises(ValueError, match="declare node n1: 'gpu' is no taint; write key=value:NoSchedule"):
        Node("n1", taints=["gpu"])


async def test_each_node_runs_the_pods_that_are_bound_to_it() -> None:
    """With its address for theirs; a pod of a node that nobody plays waits."""
    async with nodes(2) as (world, _):
        for node in ("n1", "n2", "elsewhere"):
            await world.client.create(PODS, a_pod(f"on-{node}", node))
        await world.settle()
        found = {pod.key.name: (pod.at("status.phase"), pod.at("status.hostIP")) for pod in world.tracker.list(PODS)}
    assert found == {
        "on-n1": ("Running", "127.0.0.1"),
        "on-n2": ("Running", "127.0.0.2"),
        "on-elsewhere": ("Pending", None),
    }


async def test_a_node_registers_once_and_comes_back_with_its_machine() -> None:
    """As a real one: who deletes the Node of a kubelet that works waits for its restart."""
    async with nodes(1) as (world, cluster):
        await world.client.delete(NODES, "ctrlkit-node")
        await world.advance(600)
        assert world.tracker.list(NODES) == []
        cluster.fleet.lose("ctrlkit-node")
        cluster.fleet.recover("ctrlkit-node")
        await world.settle()
        assert condition(world.tracker.get(NODES, "ctrlkit-node"), "Ready")["status"] == "True"


async def test_a_node_that_is_said_not_to_be_ready_says_that_it_is() -> None:
    """With an Event, and since now; conditions of others and what is there besides stay."""
    async with nodes(1) as (world, _):
        await world.advance(60)
        before = told(world)
        gone = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": None}
        other = {"type": "NetworkUnavailable", "status": "False"}
        sizes = {"x/gpu": "1", "cpu": "64"}
        status = {"conditions": [gone, other], "capacity": sizes}
        world.tracker.patch(NODES, "ctrlkit-node", MergePatch({"status": status}), subresource="status")
        await world.settle()
        node = world.tracker.get(NODES, "ctrlkit-node")
        assert {one["type"] for one in node.at("status.conditions")} > {"Ready", "NetworkUnavailable"}
        assert condition(node, "Ready")["lastTransitionTime"] > node.at("metadata.creationTimestamp")
        assert node.at("status.capacity")["x/gpu"] == "1"
        again = [text for text, count in told(world).items() if count > before[text]]
        assert again == statuses(*HEALTHY, "NodeReady", node="ctrlkit-node")


async def test_a_kubelet_tells_of_its_start_and_of_a_reboot() -> None:
    """Once each time, in a kubelet's order, about a Node without a uid."""
    start = ["Starting: Starting kubelet.", *statuses(*HEALTHY)]
    start.append("NodeAllocatableEnforced: Updated Node Allocatable limit across pods")
    async with nodes(["n1"]) as (world, cluster):
        assert told(world) == dict.fromkeys([*start, *statuses("NodeReady")], 1)
        for event in world.tracker.list(EVENTS):
            assert event.at("involvedObject") == {"apiVersion": "v1", "kind": "Node", "name": "n1"}
        cluster.fleet.lose("n1")
        await world.advance(20)
        cluster.fleet.recover("n1")
        await world.advance(1)
        boot = world.tracker.get(NODES, "n1").at("status.nodeInfo.bootID")
        rebooted = {f"Rebooted: Node n1 has been rebooted, boot id: {boot}": 1}
        assert told(world) == dict.fromkeys(start, 2) | dict.fromkeys(statuses("NodeReady"), 1) | rebooted


async def test_a_kubelet_tells_that_its_node_is_cordoned_and_that_it_is_not_any_more() -> None:
    """Only when that changes."""
    async with nodes(["n1"]) as (world, _):
        before = told(world)
        for unschedulable in (True, True, None):
            world.tracker.patch(NODES, "n1", MergePatch({"spec": {"unschedulable": unschedulable}}))
            await world.settle()
        assert told(world) == before | dict.fromkeys(statuses("NodeNotSchedulable", "NodeSchedulable"), 1)


async def test_a_lost_node_says_no_more_and_its_containers_vanish() -> None:
    """What is deleted meanwhile stays Terminating; after its boot pods start anew, and what was deleted goes."""
    async with nodes(2) as (world, cluster):
        for name, node in (("stays", "n1"), ("goes", "n1"), ("other", "n2")):
            await world.client.create(PODS, a_pod(name, node))
        await world.advance(25)
        cluster.fleet.lose("n1")
        await world.settle()
        world.clientset.clear_actions()
        await world.client.delete(PODS, "default/goes")
        await world.client.create(PODS, a_pod("late", "n1"))
        await world.advance(600)
        assert world.clientset.writes == []
        assert world.tracker.get(PODS, "default/goes").at("metadata.deletionTimestamp")
        heard = world.tracker.get(LEASES, LEASE_OF_N1).at("spec.renewTime")
        assert heard[-len("20.000000Z") :] == "20.000000Z"  # the last renewal before 25 s
        before = world.tracker.get(PODS, "default/stays")
        cluster.fleet.recover("n1")
        await world.settle()
        (stays,) = world.tracker.get(PODS, "default/stays").at("status.containerStatuses")
        assert (before.at("status.containerStatuses")[0]["restartCount"], stays["restartCount"]) == (0, 1)
        assert "running" in stays["state"]
        assert world.tracker.get(PODS, "default/late").at("status.phase") == "Running"
        with pytest.raises(NotFound):
            world.tracker.get(PODS, "default/goes")


async def test_a_node_that_is_lost_while_its_containers_start_starts_none() -> None:
    async with nodes(1) as (world, cluster):
        pod = a_pod("web", "ctrlkit-node")
        pod["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "login", "optional": True}}]

        def lose(_: object) -> None:
            cluster.fleet.lose("ctrlkit-node")
            raise NotFound("none")

        world.clientset.prepend_reactor("get", "secrets", lose)
        await world.client.create(PODS, pod)
        await world.settle()
        assert not world.tracker.get(PODS, "default/web").at("status.containerStatuses")


@pytest.mark.parametrize("verb", ["lose", "recover"])
async def test_only_a_node_that_is_played_is_lost_and_only_a_lost_one_recovers(verb: str) -> None:
    async with nodes(["a", "b"]) as (_, cluster):
        with pytest.raises(KeyError, match="node c: it is not played here; there are a, b"):
            getattr(cluster.fleet, verb)("c")
        if verb == "lose":
            cluster.fleet.lose("a")
        with pytest.raises(RuntimeError, match=f"{verb} node a: it is"):
            getattr(cluster.fleet, verb)("a")


async def test_pods_take_a_moment_to_stop_where_that_is_asked_for() -> None:
    """Their containers are asked at once; who removes a pod by force does not wait."""
    async with nodes(1, stop_s=1.0) as (world, _):
        for name in ("web", "forced"):
            await world.client.create(PODS, a_pod(name, "ctrlkit-node"))
        await world.settle()
        await world.client.delete(PODS, "default/web")
        await world.client.delete(PODS, "default/forced", grace_period_s=0)
        await world.advance(0.9)
        assert [pod.key.name for pod in world.tracker.list(PODS)] == ["web"]
        await world.advance(0.1)
        assert world.tracker.list(PODS) == []


@pytest.mark.real_time
async def test_in_real_time_a_lease_is_to_be_renewed_every_ten_seconds() -> None:
    """On virtual time it is not, so that days may pass at no cost."""
    manager, fleet = Manager(Client(Tracker())), Fleet([Node("n1")])
    add_nodes(manager, fleet)
    keeper = NodeKeeper(
        manager.client,
        manager.informer(NODES).lister,
        fleet,
        lambda name: manager.recorder("kubelet", host=name),
        "1.36",
        clears_taint=False,
    )
    outcome = await keeper.reconcile(Request(ObjectKey("", "n1")))
    assert isinstance(outcome, RequeueAfter)
    assert 9.0 < outcome.delay_s <= 10.0
