"""Pods come to the nodes that fit them, by Bindings; those that fit none are told so, and wait for a change."""

from __future__ import annotations

from typing import Any

from ctrlkit.controller import Controller
from ctrlkit.errors import ApiError, NotFound
from ctrlkit.fakes.cluster.loops.scheduler import add_scheduler
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import Action, MergePatch, Options, custom_resource
from ctrlkit.model.kinds import (
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    PRIORITY_CLASSES,
    SERVICES,
    STORAGE_CLASSES,
)

BINDINGS = custom_resource(group="", kind="Binding", plural="bindings")
LATE: dict[str, Any] = {
    "metadata": {"name": "late"},
    "provisioner": "example.com/x",
    "volumeBindingMode": "WaitForFirstConsumer",
}
A_LATE_CLAIM: dict[str, Any] = {
    "metadata": {"name": "data", "namespace": "default"},
    "spec": {
        "storageClassName": "late",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


def a_pod(name: str, cpu: str = "", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": "web:1"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    metadata = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


def a_node(
    name: str, cpu: str = "1", pods: int = 10, labels: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    room = {"cpu": cpu, "memory": "1Gi", "pods": str(pods)}
    labels = {"kubernetes.io/hostname": name, **(labels or {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"allocatable": room, "capacity": room, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def scheduler(manager: Manager) -> tuple[Controller, ...]:
    add_scheduler(manager)
    return ()


def places(world: World) -> dict[str, str]:
    return {pod.key.name: pod.at("spec.nodeName") or "" for pod in world.tracker.list(PODS)}


def told(world: World, name: str, reason: str = "Unschedulable") -> str:
    """What the condition of a pod says."""
    conditions = world.tracker.get(PODS, f"default/{name}").at("status.conditions") or ()
    (found,) = (one for one in conditions if one["type"] == "PodScheduled")
    assert (found["status"], found["reason"]) == ("False", reason)
    return str(found["message"])


def events(world: World, reason: str) -> list[str]:
    return [event.at("message") for event in world.tracker.list(EVENTS) if event["reason"] == reason]


NO_HELP = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)


async def test_a_pod_that_is_gone_before_it_is_bound_harms_no_other() -> None:
    """Its Binding is refused as not found, which says nothing about those of later pods."""
    bound: list[str] = []

    def bind(action: Action) -> dict[str, Any]:
        if action.name == "early":
            world.tracker.delete(PODS, "default/early")
            raise NotFound('pods "early" not found')
        bound.append(action.name)
        return {"metadata": {"name": action.name}}

    async with World() as world:
        world.seed(a_node("a"))
        world.clientset.prepend_reactor("create", "pods/binding", bind)
        world.manage(scheduler)
        await world.client.create(PODS, a_pod("early"))
        await world.settle()
        await world.client.create(PODS, a_pod("late"))
        await world.settle()
    assert bound == ["late"]


async def test_without_nodes_a_pod_waits_for_one() -> None:
    """And says so in a condition and an Event."""
    async with World() as world:
        world.manage(scheduler)
        world.tracker.create(PODS, a_pod("a"))
        await world.settle()
        assert told(world, "a") == "no nodes available to schedule pods"
        assert events(world, "FailedScheduling") == ["no nodes available to schedule pods"]
        world.seed(a_node("n"))
        await world.settle()
        assert places(world) == {"a": "n"}
        assert events(world, "Scheduled") == ["Successfully assigned default/a to n"]


async def test_pods_beyond_a_nodes_room_wait_until_others_have_ended() -> None:
    """At once, without looking again from time to time."""
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n", pods=2))
        for name in ("a", "b", "c", "d"):
            world.tracker.create(PODS, a_pod(name))
        await world.settle()
        assert places(world) == {"a": "n", "b": "n", "c": "", "d": ""}
        assert told(world, "c") == (
            "0/1 nodes are available: 1 Too many pods. no new claims to deallocate, "
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        )
        world.tracker.delete(PODS, "default/a", Options(grace_period_s=0))
        await world.settle()
        assert places(world) == {"b": "n", "c": "n", "d": ""}
        world.tracker.patch(PODS, "default/b", MergePatch({"status": {"phase": "Succeeded"}}), subresource="status")
        await world.settle()
        assert places(world) == {"b": "n", "c": "n", "d": "n"}


async def test_a_pod_waits_until_a_node_changes_in_what_keeps_it() -> None:
    """A change of something else is not tried."""
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n", labels={"disk": "slow"}))
        world.tracker.create(PODS, a_pod("a", nodeSelector={"disk": "fast"}))
        await world.settle()
        assert (
            told(world, "a")
            == f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {NO_HELP}"
        )
        world.tracker.patch(NODES, "n", MergePatch({"spec": {"unschedulable": True}}))
        await world.settle()
        assert len(events(world, "FailedScheduling")) == 1
        world.tracker.patch(NODES, "n", MergePatch({"metadata": {"labels": {"disk": "fast"}}}))
        await world.settle()
        assert told(world, "a") == f"0/1 nodes are available: 1 node(s) were unschedulable. {NO_HELP}"
        world.tracker.patch(NODES, "n", MergePatch({"spec": {"unschedulable": None}}))
        await world.settle()
        assert places(world) == {"a": "n"}


async def test_pods_of_other_schedulers_and_with_gates_are_left_alone() -> None:
    """A pod whose gates are gone is placed."""
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n"))
        world.tracker.create(PODS, a_pod("other", schedulerName="mine"))
        world.tracker.create(PODS, a_pod("gated", schedulingGates=[{"name": "example.com/wait"}]))
        await world.settle()
        assert places(world) == {"other": "", "gated": ""}
        assert events(world, "FailedScheduling") == []
        world.tracker.patch(PODS, "default/gated", MergePatch({"spec": {"schedulingGates": []}}))
        await world.settle()
        assert places(world) == {"other": "", "gated": "n"}


async def test_the_emptiest_node_is_best_and_pods_of_a_service_are_spread() -> None:
    """Bare pods too: of equal nodes the one with the fewest pods is taken."""
    async with World() as world:
        world.manage(scheduler)
        for name in ("n1", "n2", "n3"):
            world.seed(a_node(name))
        world.tracker.create(
            SERVICES,
            {
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
            },
        )
        await world.settle()
        for name in ("a", "b", "c"):
            world.tracker.create(PODS, a_pod(name, cpu="100m", labels={"app": "web"}))
            await world.settle()
        assert places(world) == {"a": "n1", "b": "n2", "c": "n3"}
        world.tracker.create(PODS, a_pod("large", cpu="800m"))
        await world.settle()
        world.tracker.create(PODS, a_pod("small", cpu="50m"))
        await world.settle()
        assert (places(world)["large"], places(world)["small"]) == ("n1", "n2")


async def test_a_claim_is_bound_where_its_pod_is_placed_and_the_pod_waits_for_it() -> None:
    """Its node is written to the claim; only when the claim is bound, the pod is."""
    async with World() as world:
        world.manage(scheduler)
        for name in ("n1", "n2"):
            world.seed(a_node(name))
        world.tracker.create(STORAGE_CLASSES, LATE)
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        world.tracker.create(PODS, a_pod("a", volumes=volumes, nodeSelector={"kubernetes.io/hostname": "n2"}))
        await world.settle()
        assert told(world, "a") == '0/2 nodes are available: persistentvolumeclaim "data" not found. not found'
        world.tracker.create(PERSISTENT_VOLUME_CLAIMS, A_LATE_CLAIM)
        await world.settle()
        waiting = world.tracker.get(PERSISTENT_VOLUME_CLAIMS, "default/data")
        assert (waiting.metadata.annotations or {})["volume.kubernetes.io/selected-node"] == "n2"
        assert places(world) == {"a": ""}
        assert world.tracker.get(PODS, "default/a").at("status.nominatedNodeName") == "n2"
        done = {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": "v"}}
        world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, "default/data", MergePatch(done))
        await world.settle()
        assert places(world) == {"a": "n2"}


async def test_a_volume_that_cannot_be_made_lets_the_pod_be_placed_anew() -> None:
    """A provisioner takes the node from the claim; a volume that is not made in ten minutes counts as failed too."""
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n"))
        world.tracker.create(STORAGE_CLASSES, LATE)
        world.tracker.create(PERSISTENT_VOLUME_CLAIMS, A_LATE_CLAIM)
        world.tracker.create(PODS, a_pod("a", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]))
        await world.settle()
        node = "volume.kubernetes.io/selected-node"
        nothing = MergePatch({"metadata": {"annotations": {node: None}}})
        world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, "default/data", nothing)
        await world.settle()
        problem = 'running PreBind plugin "VolumeBinding": binding volumes: '
        assert events(world, "FailedScheduling") == [f'{problem}provisioning failed for PVC "data"']
        await world.advance("5s")
        annotations = world.tracker.get(PERSISTENT_VOLUME_CLAIMS, "default/data").metadata.annotations or {}
        assert annotations[node] == "n"
        await world.advance("601s")
        assert told(world, "a", "SchedulerError") == f"{problem}context deadline exceeded"


async def test_pods_that_share_a_claim_come_to_the_node_that_was_chosen_for_the_first() -> None:
    """Though the cache does not show yet which it is."""
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n1"), a_node("n2"))
        world.tracker.create(STORAGE_CLASSES, LATE)
        world.tracker.create(PERSISTENT_VOLUME_CLAIMS, A_LATE_CLAIM)
        volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        for name in ("a", "b", "c"):
            world.tracker.create(PODS, a_pod(name, volumes=volumes))
        await world.settle()
        found = world.tracker.get(PERSISTENT_VOLUME_CLAIMS, "default/data")
        node = (found.metadata.annotations or {})["volume.kubernetes.io/selected-node"]
        done = {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": "v"}}
        world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, "default/data", MergePatch(done))
        await world.settle()
        assert places(world) == dict.fromkeys("abc", node)
        assert events(world, "FailedScheduling") == []


async def test_a_pod_that_somebody_else_has_bound_counts_where_it_is() -> None:
    """A Binding that comes too late is refused; the place that it was for is free."""

    def bind_elsewhere(action: Action) -> None:
        if action.name == "a" and not places(world)["a"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": "n2"}
            metadata = {"name": "a", "namespace": "default"}
            world.tracker.create(BINDINGS, {"metadata": metadata, "target": target})

    async with World() as world:
        for name in ("n1", "n2"):
            world.seed(a_node(name))
        world.clientset.prepend_reactor("create", "pods/binding", bind_elsewhere)
        world.manage(scheduler)
        for name in ("a", "b", "c"):
            world.tracker.create(PODS, a_pod(name, cpu="1"))
            await world.settle()
        assert places(world) == {"a": "n2", "b": "n1", "c": ""}


async def test_a_failed_call_is_made_again_and_no_pod_is_lost() -> None:
    """What the pod would take of its node is free meanwhile."""
    failures = ["once", "twice"]

    def refuse(action: Action) -> None:
        if failures:
            failures.pop()
            raise ApiError("no", code=500, reason="InternalError")

    async with World() as world:
        world.clientset.prepend_reactor("create", "pods/binding", refuse)
        world.seed(a_node("n"))
        world.manage(scheduler)
        world.tracker.create(PODS, a_pod("a", cpu="1"))
        await world.advance("10s")
        assert places(world) == {"a": "n"}


async def test_a_more_important_pod_makes_others_give_way() -> None:
    """The least important of the smallest number goes; its place is kept for the pod that it was taken for."""
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n"))
        for name, value in (("some", 1), ("much", 10)):
            world.tracker.create(PRIORITY_CLASSES, {"metadata": {"name": name}, "value": value})
        world.tracker.create(PODS, a_pod("low", cpu="600m", priorityClassName="some"))
        world.tracker.create(PODS, a_pod("lower", cpu="400m"))
        await world.settle()
        world.tracker.create(PODS, a_pod("high", cpu="300m", priorityClassName="much"))
        await world.settle()
        high = world.tracker.get(PODS, "default/high")
        assert high.at("status.nominatedNodeName") == "n"
        assert told(world, "high") == "0/1 nodes are available: 1 Insufficient cpu."
        victim = world.tracker.get(PODS, "default/lower")
        assert victim.metadata.deleting
        (reason,) = (one for one in victim.at("status.conditions") if one["type"] == "DisruptionTarget")
        assert reason["reason"] == "PreemptionByScheduler"
        assert events(world, "Preempted") == [f"Preempted by pod {high.metadata.uid} on node n"]
        world.tracker.create(PODS, a_pod("late", cpu="350m"))
        await world.settle()
        assert places(world)["late"] == ""
        world.tracker.delete(PODS, "default/lower", Options(grace_period_s=0))
        await world.settle()
        assert places(world) == {"low": "n", "high": "n", "late": ""}
        assert world.tracker.get(PODS, "default/high").at("status.nominatedNodeName") is None


async def test_a_bound_pod_has_the_labels_of_its_nodes_zone_and_region() -> None:
    """As the scheduler binds it through the pod's own subresource, where admission adds them."""
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n", labels={zone: "a", region: "r", "other": "x"}))
        world.tracker.create(PODS, a_pod("web", labels={"app": "web", zone: "mine"}))
        await world.settle()
        labels = world.tracker.get(PODS, "default/web").at("metadata.labels")
        assert labels == {"app": "web", zone: "a", region: "r"}


async def test_each_reason_why_a_pod_waits_is_told() -> None:
    """Once the pod has changed, as it does when its condition does, a failure is another Event."""
    async with World() as world:
        world.manage(scheduler)
        world.tracker.create(PODS, a_pod("web", cpu="2"))
        await world.settle()
        world.seed(a_node("n"))
        await world.settle()
        assert sorted(events(world, "FailedScheduling")) == [
            f"0/1 nodes are available: 1 Insufficient cpu. {NO_HELP}",
            "no nodes available to schedule pods",
        ]


async def test_a_pod_for_which_nobody_has_to_go_any_more_lets_others_keep_their_nomination() -> None:
    """Its victim ends already, for a less important pod: nothing is to be done, and that pod goes on to wait."""
    async with World() as world:
        world.manage(scheduler)
        world.seed(a_node("n", cpu="2"))
        for name, value in (("some", 1), ("much", 10)):
            world.tracker.create(PRIORITY_CLASSES, {"metadata": {"name": name}, "value": value})
        for name in ("low", "lower"):
            world.tracker.create(PODS, a_pod(name, cpu="1"))
        await world.settle()
        world.tracker.create(PODS, a_pod("high", cpu="1", priorityClassName="some"))
        await world.settle()
        world.tracker.create(PODS, a_pod("higher", cpu="1", priorityClassName="much"))
        await world.settle()
        nominated = {pod.key.name: pod.at("status.nominatedNodeName") for pod in world.tracker.list(PODS)}
        assert nominated == {"low": None, "lower": None, "high": "n", "higher": "n"}
        assert len(events(world, "Preempted")) == 1
