"""A DaemonSet in a world puts a pod on each node that fits, replaces what ends, and rolls out what is new."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.client import Propagation
from ctrlkit.errors import AlreadyExists, NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.fakes.cluster.loops.daemonset_plan import target_of
from ctrlkit.fakes.cluster.loops.pods import is_active
from ctrlkit.fakes.cluster.node.declarations import NODE
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import CONTROLLER_REVISIONS, DAEMONSETS, EVENTS, NODES, PODS, RESOURCE_QUOTAS
from tests.support.effort import tries

ALONE = frozenset({Loop.DAEMON_SETS})
KEY = "default/agent"
READY = {"type": "Ready", "status": "True", "lastTransitionTime": None}
UP = {"phase": "Running", "conditions": [READY]}


def daemon_set(**spec: Any) -> dict[str, Any]:
    """A DaemonSet, changed by fields of its spec."""
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template, **spec},
    }


def node(name: str, **spec: Any) -> dict[str, Any]:
    """A node that nobody runs."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}


def image(name: str) -> MergePatch:
    """A change of the image."""
    return MergePatch({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}})


def status(world: World) -> dict[str, Any]:
    return dict(world.tracker.get(DAEMONSETS, KEY)["status"])


def revisions(world: World) -> list[int]:
    return sorted(one["revision"] for one in world.tracker.list(CONTROLLER_REVISIONS))


def texts(world: World, reason: str) -> list[str]:
    """The messages of the Events of a reason."""
    return [event["message"] for event in world.tracker.list(EVENTS) if event["reason"] == reason]


def images(world: World) -> dict[str, str]:
    """Which image runs on which node."""
    return {target_of(pod["spec"]): pod.at("spec.containers")[0]["image"] for pod in world.tracker.list(PODS)}


def set_status(world: World, pod: Unstructured, wanted: dict[str, Any]) -> None:
    world.tracker.patch(PODS, pod.key, MergePatch({"status": wanted}), subresource="status")


async def bind(world: World, pod: Unstructured) -> None:
    """Put a pod on the node that it is for."""
    if not pod.at("spec.nodeName"):
        target = {"apiVersion": "v1", "kind": "Node", "name": target_of(pod["spec"])}
        metadata = {"name": pod.key.name, "namespace": pod.key.namespace}
        await world.client.subresource(PODS, pod.key, "binding").create({"metadata": metadata, "target": target})


async def come_to_rest(world: World) -> None:
    """Play the scheduler and all kubelets until nothing is left to do."""
    while True:
        await world.settle()
        pods = world.tracker.list(PODS)
        ready = {pod.key for pod in pods if pod.at("status.phase") == "Running"}
        begun = [pod for pod in pods if is_active(pod) and pod.key not in ready]
        ending = [pod for pod in pods if pod.metadata.deleting]
        if not begun and not ending:
            return
        for pod in begun:
            await bind(world, pod)
            set_status(world, pod, UP)
        for pod in ending:
            await world.client.delete(PODS, pod.key, grace_period_s=0)


async def test_a_daemon_set_runs_on_the_node_and_goes_with_all_it_made() -> None:
    async with World(daemon_set(), cluster=ALL) as world:
        await world.settle()
        assert status(world) == {
            "currentNumberScheduled": 1,
            "desiredNumberScheduled": 1,
            "numberMisscheduled": 0,
            "numberReady": 1,
            "numberAvailable": 1,
            "updatedNumberScheduled": 1,
            "observedGeneration": 1,
        }
        (pod,) = world.tracker.list(PODS)
        assert pod.at("spec.nodeName") == NODE
        assert texts(world, "SuccessfulCreate") == [f"Created pod: {pod.key.name}"]
        world.tracker.delete(DAEMONSETS, KEY)
        await world.settle()
        assert world.tracker.list(PODS) == world.tracker.list(CONTROLLER_REVISIONS) == []


async def test_each_declared_node_has_its_pod_and_a_cordoned_one_too() -> None:
    async with World(daemon_set(), cluster=ALL, nodes=3) as world:
        await world.settle()
        names = {one.key.name for one in world.tracker.list(NODES)}
        assert {pod.at("spec.nodeName") for pod in world.tracker.list(PODS)} == names
        cordoned = min(names)
        world.tracker.patch(NODES, cordoned, MergePatch({"spec": {"unschedulable": True}}))
        world.tracker.patch(DAEMONSETS, KEY, image("img:2"))
        await world.advance("3m")
        assert images(world) == dict.fromkeys(names, "img:2")
        assert (status(world)["numberAvailable"], status(world)["updatedNumberScheduled"]) == (3, 3)


async def test_a_template_is_rolled_out_node_by_node_and_an_old_one_gets_the_newest_number() -> None:
    async with World(node("a"), node("b"), daemon_set(), cluster=ALONE) as world:
        await come_to_rest(world)
        assert revisions(world) == [1]
        world.tracker.patch(DAEMONSETS, KEY, image("img:2"))
        await come_to_rest(world)
        assert (images(world), revisions(world)) == ({"a": "img:2", "b": "img:2"}, [1, 2])
        world.tracker.patch(DAEMONSETS, KEY, image("img:1"))
        await come_to_rest(world)
        assert (images(world), revisions(world)) == ({"a": "img:1", "b": "img:1"}, [2, 3])
        assert status(world)["updatedNumberScheduled"] == status(world)["observedGeneration"] - 1 == 2


async def test_old_templates_are_forgotten_but_those_that_pods_have() -> None:
    on_delete = {"updateStrategy": {"type": "OnDelete"}}
    async with World(node("a"), daemon_set(revisionHistoryLimit=1, **on_delete), cluster=ALONE) as world:
        for number in range(2, 6):
            await come_to_rest(world)
            world.tracker.patch(DAEMONSETS, KEY, image(f"img:{number}"))
        await come_to_rest(world)
        assert images(world) == {"a": "img:1"}
        assert revisions(world) == [1, 5]
        (pod,) = world.tracker.list(PODS)
        await world.client.delete(PODS, pod.key, grace_period_s=0)
        await come_to_rest(world)
        assert images(world) == {"a": "img:5"}


async def test_what_has_the_name_of_its_revision_is_evaded_by_another_hash() -> None:
    async with World(node("a"), daemon_set(), cluster=ALONE) as world:
        await world.settle()
        (made,) = world.tracker.list(CONTROLLER_REVISIONS)
    stranger = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": made.key.name, "namespace": "default"},
        "data": {"spec": {}},
        "revision": 7,
    }
    async with World(stranger, node("a"), daemon_set(), cluster=ALONE) as world:
        await world.settle()
        assert status(world)["collisionCount"] == 1
        assert status(world)["updatedNumberScheduled"] == 1


async def test_two_revisions_of_one_template_become_one() -> None:
    """One without the label of its hash gets its name for it; pods of the one that goes are those of the other."""
    async with World(node("a"), daemon_set(), cluster=ALONE) as world:
        await come_to_rest(world)
        (made,) = world.tracker.list(CONTROLLER_REVISIONS)
        twin = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": "twin", "namespace": "default", "labels": {"app": "agent"}},
            "data": made["data"],
            "revision": 4,
        }
        world.tracker.create(CONTROLLER_REVISIONS, twin)
        await come_to_rest(world)
        (kept,) = world.tracker.list(CONTROLLER_REVISIONS)
        (pod,) = world.tracker.list(PODS)
        assert kept.key.name == "twin"
        assert (pod.metadata.labels or {})["controller-revision-hash"] == "twin"


async def test_failed_pods_are_deleted_ever_more_slowly() -> None:
    async with World(node("a"), daemon_set(), cluster=ALONE) as world:
        await world.settle()
        waited = 0
        for delay_s in (0, 1, 2, 4):
            (pod,) = world.tracker.list(PODS)
            set_status(world, pod, {"phase": "Failed"})
            await world.settle()
            if delay_s:
                await world.advance(delay_s - 0.5)
                assert [one.key for one in world.tracker.list(PODS)] == [pod.key]
                await world.advance(0.5)
            (successor,) = world.tracker.list(PODS)
            assert successor.key != pod.key
            waited += delay_s
        assert waited == 7
        assert any("on node a, will try to kill it" in text for text in texts(world, "FailedDaemonPod"))


async def test_a_pod_that_has_succeeded_is_replaced_at_once() -> None:
    async with World(node("a"), daemon_set(), cluster=ALONE) as world:
        await world.settle()
        (pod,) = world.tracker.list(PODS)
        set_status(world, pod, {"phase": "Succeeded"})
        await world.settle()
        assert [one.key != pod.key for one in world.tracker.list(PODS)] == [True]
        found = f"Found succeeded daemon pod {pod.key} on node a, will try to delete it"
        assert texts(world, "SucceededDaemonPod") == [found]


async def test_a_pod_is_available_once_it_has_been_ready_for_long_enough() -> None:
    async with World(node("a"), daemon_set(minReadySeconds=30), cluster=ALONE) as world:
        await world.settle()
        (pod,) = world.tracker.list(PODS)
        now = clock.timestamp(clock.now())
        set_status(world, pod, {**UP, "conditions": [READY | {"lastTransitionTime": now}]})
        await world.settle()
        assert (status(world)["numberReady"], status(world)["numberUnavailable"]) == (1, 1)
        await world.advance("31s")
        assert status(world)["numberAvailable"] == 1


async def test_pods_that_cannot_be_made_are_told_in_events_and_made_later() -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "default"},
        "spec": {"hard": {"pods": "0"}},
        "status": {"hard": {"pods": "0"}, "used": {"pods": "0"}},
    }
    async with World(quota, node("a"), node("b"), daemon_set(), cluster=ALONE) as world:
        await world.settle()
        assert any("exceeded quota: few" in text for text in texts(world, "FailedCreate"))
        assert status(world)["desiredNumberScheduled"] == 2
        world.tracker.delete(RESOURCE_QUOTAS, "default/few")
        await world.advance("10s")
        assert status(world)["currentNumberScheduled"] == 2


async def test_what_is_orphaned_is_adopted_by_the_next_and_what_is_not_selected_is_released() -> None:
    async with World(node("a"), daemon_set(), cluster=ALL - {Loop.KUBELET, Loop.SCHEDULER}) as world:
        await come_to_rest(world)
        (pod,) = world.tracker.list(PODS)
        await world.client.delete(DAEMONSETS, KEY, propagation=Propagation.ORPHAN)
        await world.settle()
        world.tracker.create(DAEMONSETS, daemon_set())
        await come_to_rest(world)
        (adopted,) = world.tracker.list(PODS)
        assert adopted.key == pod.key
        assert (adopted.metadata.controller is not None, revisions(world)) == (True, [1])
        world.tracker.patch(PODS, pod.key, MergePatch({"metadata": {"labels": {"app": "free"}}}))
        await come_to_rest(world)
        owners = {one.key: one.metadata.controller for one in world.tracker.list(PODS)}
        assert owners.pop(pod.key) is None
        assert len(owners) == 1


async def test_a_taint_that_lets_pods_stay_is_seen_with_the_next_change_and_its_end_at_once() -> None:
    """As a real controller has it, which does not look at a DaemonSet that has nothing to do."""
    async with World(node("a"), daemon_set(), cluster=ALONE) as world:
        await come_to_rest(world)
        taints = [{"key": "gpu", "effect": "NoSchedule"}]
        world.tracker.patch(NODES, "a", MergePatch({"spec": {"taints": taints}}))
        await world.settle()
        assert status(world)["desiredNumberScheduled"] == 1
        world.tracker.patch(DAEMONSETS, KEY, MergePatch({"spec": {"minReadySeconds": 0, "revisionHistoryLimit": 3}}))
        await world.settle()
        assert (status(world)["desiredNumberScheduled"], status(world)["numberMisscheduled"]) == (0, 1)
        world.tracker.patch(NODES, "a", MergePatch({"spec": {"taints": None}}))
        await world.settle()
        assert (status(world)["desiredNumberScheduled"], status(world)["numberMisscheduled"]) == (1, 0)


async def test_many_nodes_get_their_pods_with_few_reconciles() -> None:
    nodes = [node(f"n{number:02}") for number in range(60)]
    async with World(*nodes, daemon_set(), cluster=ALONE) as world:
        await world.settle()
        assert status(world)["currentNumberScheduled"] == 60
        writes = [change for kind, change in world.tracker.history() if kind == "daemonsets"]
        assert len(writes) < 10


# ---- whatever happens ------------------------------------------------------------------------------------------------

CHANGES = st.tuples(
    st.sampled_from(["template", "taint", "expel", "untaint", "label", "unlabel", "fail", "add", "select", "surge"]),
    st.sampled_from(["a", "b", "c"]),
)


async def change(world: World, what: str, name: str) -> None:
    """Change something about a node or the DaemonSet."""
    match what:
        case "template":
            world.tracker.patch(DAEMONSETS, KEY, image(f"img:{name}"))
        case "taint" | "expel" | "untaint":
            effect = "NoSchedule" if what == "taint" else "NoExecute"
            taints = [] if what == "untaint" else [{"key": "gpu", "effect": effect}]
            change_node(world, name, {"spec": {"taints": taints}})
        case "label" | "unlabel":
            change_node(world, name, {"metadata": {"labels": {"zone": "x" if what == "label" else None}}})
        case "fail":
            for pod in world.tracker.list(PODS):
                if target_of(pod["spec"]) == name:
                    set_status(world, pod, {"phase": "Failed"})
        case "add":
            with suppress(AlreadyExists):
                world.seed(node(name))
        case "select":
            selector = {"zone": "x"} if name == "a" else None
            world.tracker.patch(
                DAEMONSETS, KEY, MergePatch({"spec": {"template": {"spec": {"nodeSelector": selector}}}})
            )
        case _:
            surge = {"maxSurge": 1, "maxUnavailable": 0} if name == "a" else {"maxSurge": 0, "maxUnavailable": 1}
            world.tracker.patch(DAEMONSETS, KEY, MergePatch({"spec": {"updateStrategy": {"rollingUpdate": surge}}}))


def change_node(world: World, name: str, patch: dict[str, Any]) -> None:
    with suppress(NotFound):  # it may not be there yet
        world.tracker.patch(NODES, name, MergePatch(patch))


def belongs(world: World, one: Unstructured) -> tuple[bool, bool]:
    """Whether a pod of the DaemonSet belongs on a node, and whether it may stay there."""
    selector = world.tracker.get(DAEMONSETS, KEY).at("spec.template.spec.nodeSelector") or {}
    taints = {taint["effect"] for taint in one.at("spec.taints") or ()}
    selected = selector.items() <= (one.metadata.labels or {}).items()
    return selected and not taints, selected and "NoExecute" not in taints


@settings(max_examples=tries(5, thorough=60), deadline=None)
@given(st.lists(CHANGES, max_size=8))
async def test_for_any_changes_each_node_ends_with_the_pod_that_belongs_there(changes: list[tuple[str, str]]) -> None:
    async with World(node("a"), node("b"), daemon_set(), cluster=ALONE) as world:
        await come_to_rest(world)
        for what, name in changes:
            await change(world, what, name)
            await world.settle()
        await world.advance("30m")
        await come_to_rest(world)
        template = world.tracker.get(DAEMONSETS, KEY).at("spec.template.spec.containers")[0]["image"]
        for one in world.tracker.list(NODES):
            runs, keeps = belongs(world, one)
            there = [pod for pod in world.tracker.list(PODS) if target_of(pod["spec"]) == one.key.name]
            assert len(there) == 1 if runs else len(there) <= keeps
            assert all(pod.at("spec.containers")[0]["image"] == template for pod in there if runs)
