"""Nodes that are lost, cordoned and tainted, and what a cluster does about their pods, with the times of a real one."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit import clock
from ctrlkit.errors import NotFound
from ctrlkit.fakes.cluster import ALL, Node
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import DEPLOYMENTS, EVENTS, NODES, PODS, STATEFULSETS

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
}


def a_deployment(replicas: int) -> dict[str, Any]:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": spec,
    }


def a_stateful_set(replicas: int) -> dict[str, Any]:
    made = a_deployment(replicas)
    return {**made, "kind": "StatefulSet", "spec": {**made["spec"], "serviceName": "web"}}


def a_pod(name: str, node: str = "", **spec: Any) -> dict[str, Any]:
    body = {**TEMPLATE["spec"], **({"nodeName": node} if node else {}), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "demo"}, "spec": body}


def where(world: World) -> dict[str, list[str]]:
    """The names of the nodes, with those of their pods that are not to be deleted."""
    found: dict[str, list[str]] = {}
    for pod in world.tracker.list(PODS, "demo"):
        if not pod.at("metadata.deletionTimestamp"):
            found.setdefault(pod.at("spec.nodeName") or "", []).append(pod.key.name)
    return found


def condition(thing: Unstructured, name: str) -> dict[str, Any]:
    found = next(one for one in thing.at("status.conditions") if one["type"] == name)
    assert isinstance(found, dict)
    return found


def taints(world: World, node: str) -> set[tuple[str, str]]:
    found = world.tracker.get(NODES, node).at("spec.taints") or ()
    return {(one["key"].removeprefix("node.kubernetes.io/"), one["effect"]) for one in found}


def told(world: World, name: str) -> list[tuple[str, str, str]]:
    """Type, reason and message of the Events about an object."""
    events = [event for event in world.tracker.list(EVENTS) if event.at("involvedObject.name") == name]
    return [(event.at("type"), event.at("reason"), event.at("message")) for event in events]


async def test_a_deployment_moves_from_a_lost_node_to_others_when_its_time_is_up() -> None:
    """
    After 50 s without a sign of life the node is unreachable and its pods are not ready; 300 s later they are deleted.

    What is deleted stays Terminating until the node comes back.
    """
    async with World(a_deployment(6), cluster=ALL, nodes=3) as world:
        await world.settle()
        mine = where(world)["n1"]
        assert len(mine) == 2
        world.lose_node("n1")
        await world.advance(49)
        assert condition(world.tracker.get(NODES, "n1"), "Ready")["status"] == "True"
        await world.advance(1)
        node = world.tracker.get(NODES, "n1")
        assert {
            (one["type"], one["status"], one["reason"], one["message"]) for one in node.at("status.conditions")
        } == {
            (name, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
            for name in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
        }
        assert taints(world, "n1") == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
        assert condition(world.tracker.get(PODS, ObjectKey("demo", mine[0])), "Ready")["status"] == "False"
        assert world.tracker.get(DEPLOYMENTS, "demo/web").at("status.readyReplicas") == 4
        await world.advance(299)
        assert where(world)["n1"] == mine
        await world.advance(1)
        assert {node: len(pods) for node, pods in where(world).items()} == {"n2": 3, "n3": 3}
        gone = world.tracker.get(PODS, ObjectKey("demo", mine[0]))
        assert gone.at("metadata.deletionTimestamp")
        assert condition(gone, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
        assert [one["effect"] for one in world.tracker.get(NODES, "n1").at("spec.taints")] == [
            "NoSchedule",
            "NoExecute",
        ]
        assert ("Normal", "NodeNotReady", "Node n1 status is now: NodeNotReady") in told(world, "n1")
        assert ("Warning", "NodeNotReady", "Node is not ready") in told(world, mine[0])
        text = f"Marking for deletion Pod demo/{mine[0]}"
        assert ("Normal", "TaintManagerEviction", text) in told(world, mine[0])
        world.recover_node("n1")
        await world.settle()
        assert taints(world, "n1") == set()
        assert len(world.tracker.list(PODS, "demo")) == 6


async def test_a_pod_of_a_stateful_set_waits_for_its_node() -> None:
    """Nobody may make a second one of its name while the first may still run."""
    async with World(a_stateful_set(3), cluster=ALL, nodes=3) as world:
        await world.settle()
        (node, (name,)) = next(iter(where(world).items()))
        first = world.tracker.get(PODS, ObjectKey("demo", name)).metadata.uid
        world.lose_node(node)
        await world.advance(3600)
        stays = world.tracker.get(PODS, ObjectKey("demo", name))
        assert (stays.metadata.uid, bool(stays.at("metadata.deletionTimestamp"))) == (first, True)
        world.recover_node(node)
        await world.settle()
        assert world.tracker.get(PODS, ObjectKey("demo", name)).metadata.uid != first
        assert world.tracker.get(STATEFULSETS, "demo/web").at("status.readyReplicas") == 3


async def test_a_pod_of_a_stateful_set_moves_when_its_node_is_deleted() -> None:
    """The collector of pods removes it by force, forty seconds later."""
    async with World(a_stateful_set(1), cluster=ALL, nodes=2) as world:
        await world.settle()
        (node,) = where(world)
        first = world.tracker.get(PODS, "demo/web-0").metadata.uid
        world.lose_node(node)
        await world.advance(60)
        world.tracker.delete(NODES, node)
        await world.advance(39)
        assert world.tracker.get(PODS, "demo/web-0").metadata.uid == first
        await world.advance(1)
        moved = world.tracker.get(PODS, "demo/web-0")
        assert moved.metadata.uid != first
        assert (moved.at("status.phase"), moved.at("spec.nodeName") != node) == ("Running", True)


async def test_a_node_that_comes_back_in_time_keeps_its_pods() -> None:
    """Their deletion is cancelled, with an Event, and they start anew."""
    async with World(a_deployment(2), cluster=ALL, nodes=2) as world:
        await world.settle()
        before = where(world)
        world.lose_node("n1")
        await world.advance(200)
        world.recover_node("n1")
        await world.advance(3600)
        assert where(world) == before
        (name,) = before["n1"]
        text = f"Cancelling deletion of Pod demo/{name}"
        assert ("Normal", "TaintManagerEviction", text) in told(world, name)
        pod = world.tracker.get(PODS, ObjectKey("demo", name))
        assert (condition(pod, "Ready")["status"], pod.at("status.containerStatuses")[0]["restartCount"]) == ("True", 1)


async def test_where_all_nodes_are_lost_nothing_is_evicted() -> None:
    """The fault is then rather on this side; when the first comes back the others are tainted after 10 s."""
    async with World(a_deployment(4), cluster=ALL, nodes=2) as world:
        await world.settle()
        before = where(world)
        for node in ("n1", "n2"):
            world.lose_node(node)
        await world.advance(3600)
        assert where(world) == before
        assert taints(world, "n1") == {("unreachable", "NoSchedule")}
        world.recover_node("n2")
        await world.advance(309)
        assert where(world) == before
        await world.advance(1)
        assert set(where(world)) == {"n2"}


async def test_nodes_of_a_zone_are_tainted_one_after_the_other() -> None:
    """Ten seconds apart; those of another zone do not wait."""
    zones = [Node(f"n{number}", labels={"topology.kubernetes.io/zone": "ab"[number > 6]}) for number in range(1, 9)]
    async with World(cluster=ALL, nodes=zones) as world:
        await world.settle()
        for node in ("n1", "n2", "n8"):
            world.lose_node(node)
        await world.advance(50)
        evicting = [n for n in ("n1", "n2", "n8") if ("unreachable", "NoExecute") in taints(world, n)]
        assert evicting == ["n1", "n8"]
        await world.advance(10)
        assert ("unreachable", "NoExecute") in taints(world, "n2")


async def test_a_small_zone_of_which_most_nodes_are_lost_is_left_alone() -> None:
    async with World(a_deployment(8), cluster=ALL, nodes=4) as world:
        await world.settle()
        for node in ("n1", "n2", "n3"):
            world.lose_node(node)
        await world.advance(50)
        evicting = [n for n in ("n1", "n2", "n3") if ("unreachable", "NoExecute") in taints(world, n)]
        assert len(evicting) <= 1
        await world.advance(3600)
        assert [n for n in ("n1", "n2", "n3") if ("unreachable", "NoExecute") in taints(world, n)] == evicting


async def test_a_taint_drives_away_the_pods_that_do_not_tolerate_it() -> None:
    """At once, after their tolerationSeconds, or never."""
    tolerates = {"key": "x", "operator": "Exists"}
    async with World(
        a_pod("no", "n1"),
        a_pod("while", "n1", tolerations=[{**tolerates, "effect": "NoExecute", "tolerationSeconds": 60}]),
        a_pod("always", "n1", tolerations=[tolerates]),
        cluster=ALL,
        nodes=2,
    ) as world:
        await world.settle()
        taint = {"key": "x", "value": "y", "effect": "NoExecute"}
        world.tracker.patch(NODES, "n1", MergePatch({"spec": {"taints": [taint]}}))
        await world.settle()
        assert where(world) == {"n1": ["always", "while"]}
        await world.advance(60)
        assert where(world) == {"n1": ["always"]}
        world.tracker.create(PODS, a_pod("late", "n1"))
        await world.settle()
        assert where(world) == {"n1": ["always"]}


async def test_a_taint_that_a_pod_does_not_tolerate_ends_the_wait_for_another_one() -> None:
    """What was planned is told to be cancelled, and the pod goes at once; a shorter toleration shortens no wait."""
    keys = {key: {"key": key, "operator": "Exists", "effect": "NoExecute"} for key in ("x", "y")}
    tolerations = [{**keys["x"], "tolerationSeconds": 60}, {**keys["y"], "tolerationSeconds": 0}]
    pods = [a_pod("waits", "n1", tolerations=tolerations), a_pod("goes", "n1", tolerations=tolerations[:1])]
    async with World(*pods, cluster=ALL, nodes=2) as world:
        await world.settle()
        taints = [{"key": key, "effect": "NoExecute"} for key in "xy"]
        for some in (taints[:1], taints):
            world.tracker.patch(NODES, "n1", MergePatch({"spec": {"taints": some}}))
            await world.settle()
        assert where(world) == {"n1": ["waits"]}
        told = [one["message"] for one in world.tracker.list(EVENTS) if one["reason"] == "TaintManagerEviction"]
        assert sorted(told) == ["Cancelling deletion of Pod demo/goes", "Marking for deletion Pod demo/goes"]


@pytest.mark.parametrize(
    ("kind", "status", "taint"),
    [
        ("MemoryPressure", "True", "memory-pressure"),
        ("DiskPressure", "True", "disk-pressure"),
        ("PIDPressure", "True", "pid-pressure"),
        ("NetworkUnavailable", "True", "network-unavailable"),
    ],
)
async def test_a_condition_keeps_new_pods_away_while_it_holds(kind: str, status: str, taint: str) -> None:
    async with World(cluster=ALL, nodes=1) as world:
        await world.settle()
        assert taints(world, "ctrlkit-node") == set()
        have = world.tracker.get(NODES, "ctrlkit-node").at("status.conditions")
        for now, wanted in ((status, {(taint, "NoSchedule")}), ("False", set())):
            conditions = [one for one in have if one["type"] != kind] + [{"type": kind, "status": now}]
            patch = MergePatch({"status": {"conditions": conditions}})
            world.tracker.patch(NODES, "ctrlkit-node", patch, subresource="status")
            await world.settle()
            assert taints(world, "ctrlkit-node") == wanted


async def test_a_cordoned_node_is_tainted_until_it_is_uncordoned() -> None:
    async with World(cluster=ALL, nodes=2) as world:
        await world.settle()
        for cordoned, wanted in ((True, {("unschedulable", "NoSchedule")}), (None, set())):
            world.tracker.patch(NODES, "n1", MergePatch({"spec": {"unschedulable": cordoned}}))
            await world.settle()
            assert taints(world, "n1") == wanted


async def test_a_node_that_nobody_plays_is_unknown_when_its_time_is_up() -> None:
    """One that never posted a status after 60 s, one whose status says ready after 50 s; a renewed Lease counts."""
    ready = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]}
    async with World(cluster=ALL) as world:
        await world.settle()
        for name, status in (("silent", ready), ("never", {}), ("renewed", ready)):
            world.tracker.create(NODES, {"metadata": {"name": name}, "status": status})
        await world.advance(45)
        moment = clock.micro_timestamp(clock.now())
        spec = {"holderIdentity": "renewed", "leaseDurationSeconds": 40, "renewTime": moment}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
        world.seed({**lease, "metadata": {"name": "renewed", "namespace": "kube-node-lease"}})
        await world.advance(5)
        assert condition(world.tracker.get(NODES, "silent"), "Ready")["reason"] == "NodeStatusUnknown"
        assert condition(world.tracker.get(NODES, "renewed"), "Ready")["status"] == "True"
        await world.advance(10)
        assert condition(world.tracker.get(NODES, "never"), "Ready")["reason"] == "NodeStatusNeverUpdated"
        assert ("Normal", "RegisteredNode", "Node never event: Registered Node never in Controller") in told(
            world, "never"
        )
        await world.advance(34)
        assert condition(world.tracker.get(NODES, "renewed"), "Ready")["status"] == "True"
        await world.advance(1)
        assert condition(world.tracker.get(NODES, "renewed"), "Ready")["status"] == "Unknown"


async def test_pods_of_a_node_that_there_never_was_are_collected() -> None:
    """As failed, because their node is gone; a Node that comes in time keeps them."""
    async with World(a_pod("lost", "elsewhere"), a_pod("found", "later"), cluster=ALL) as world:
        await world.advance(30)
        world.tracker.create(NODES, {"metadata": {"name": "later"}})
        await world.advance(30)
        assert [pod.key.name for pod in world.tracker.list(PODS, "demo")] == ["found"]


async def test_pods_of_a_node_that_is_out_of_service_are_collected_when_they_are_to_go() -> None:
    async with World(a_stateful_set(1), cluster=ALL, nodes=2) as world:
        await world.settle()
        (node,) = where(world)
        world.lose_node(node)
        await world.advance(400)
        taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
        have = world.tracker.get(NODES, node).at("spec.taints")
        world.tracker.patch(NODES, node, MergePatch({"spec": {"taints": [*have, taint]}}))
        await world.advance(20)
        assert (world.tracker.get(PODS, "demo/web-0")).at("spec.nodeName") != node


async def test_a_pod_that_was_never_bound_and_is_held_by_a_finalizer_fails() -> None:
    """So that whoever holds it sees that it has ended."""
    pod = a_pod("held", nodeSelector={"no": "where"})
    pod["metadata"]["finalizers"] = ["example.com/hold"]
    async with World(pod, cluster=ALL) as world:
        await world.settle()
        world.tracker.delete(PODS, "demo/held")
        await world.advance(20)
        assert world.tracker.get(PODS, "demo/held").at("status.phase") == "Failed"


async def test_a_world_without_a_cluster_has_no_nodes_to_lose() -> None:
    async with World() as world:
        with pytest.raises(RuntimeError, match="give it cluster=ALL"):
            world.lose_node("n1")


async def test_hours_without_trouble_cost_nothing() -> None:
    """Nothing is written to say that all is well."""
    async with World(a_deployment(3), cluster=ALL, nodes=3) as world:
        await world.advance(60)
        before = world.tracker.list(NODES), world.tracker.version
        await world.advance("2h")
        assert (world.tracker.list(NODES), world.tracker.version) == before


async def test_a_pod_whose_node_is_gone_is_not_found_any_more() -> None:
    async with World(a_pod("web", "n1"), cluster=ALL, nodes=2) as world:
        await world.settle()
        world.lose_node("n1")
        world.tracker.delete(NODES, "n1")
        await world.advance(40)
        with pytest.raises(NotFound):
            world.tracker.get(PODS, "demo/web")


@pytest.mark.parametrize("nodes", [1, 3])
async def test_pods_that_are_there_from_the_start_find_nodes_that_are_ready(nodes: int) -> None:
    """Nobody warns of nodes that are about to register."""
    async with World(a_pod("first"), cluster=ALL, nodes=nodes) as world:
        await world.settle()
        events = told(world, "first")
        assert {"Scheduled", "Started"} <= {reason for _, reason, _ in events}
        assert not [event for event in events if event[0] == "Warning"]


async def test_nodes_that_are_lost_at_once_keep_no_pod_waiting() -> None:
    """Those that are left are enough to begin with; where none is, that is said."""
    for lost, reason in ((["n1"], "Scheduled"), (["n1", "n2"], "FailedScheduling")):
        async with World(a_pod("first"), cluster=ALL, nodes=2) as world:
            for name in lost:
                world.lose_node(name)
            await world.advance(1)
            assert reason in {event.at("reason") for event in world.tracker.list(EVENTS)}
