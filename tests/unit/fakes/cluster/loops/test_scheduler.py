"""Every pod comes to the one node, by a Binding."""

from __future__ import annotations

from typing import Any

from ctrlkit.controller import Controller
from ctrlkit.errors import NotFound
from ctrlkit.fakes.cluster.loops.scheduler import BINDINGS, add_scheduler
from ctrlkit.fakes.cluster.node.declarations import NODE
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import Action, MergePatch, Options
from ctrlkit.model.kinds import EVENTS, NODES, PODS


def a_pod(name: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "web:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def scheduler(manager: Manager) -> tuple[Controller, ...]:
    add_scheduler(manager)
    return ()


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
        world.clientset.prepend_reactor("create", BINDINGS, bind)
        world.manage(scheduler)
        await world.client.create(PODS, a_pod("early"))
        await world.settle()
        await world.client.create(PODS, a_pod("late"))
        await world.settle()
    assert bound == ["late"]


async def test_pods_beyond_the_nodes_room_wait_until_others_have_ended() -> None:
    """With the Event that a scheduler writes; whatever is asked for, no more run."""

    def small(manager: Manager) -> tuple[Controller, ...]:
        add_scheduler(manager, pods_max=2)
        return ()

    def bound() -> list[str]:
        return [pod.key.name for pod in world.tracker.list(PODS) if pod.at("spec.nodeName")]

    async with World() as world:
        world.manage(small)
        for name in ("a", "b", "c", "d"):
            world.tracker.create(PODS, a_pod(name))
        await world.settle()
        assert bound() == ["a", "b"]
        (event, *_) = world.tracker.list(EVENTS)
        assert (event["reason"], event["message"]) == ("FailedScheduling", "0/1 nodes are available: 1 Too many pods.")
        world.tracker.delete(PODS, "default/a", Options(grace_period_s=0))
        await world.advance("6s")
        assert bound() == ["b", "c"]
        world.tracker.patch(PODS, "default/b", MergePatch({"status": {"phase": "Succeeded"}}), subresource="status")
        await world.advance("6s")
        assert bound() == ["b", "c", "d"]


async def test_a_pod_that_asks_for_another_node_waits_until_the_node_fits() -> None:
    """Its nodeSelector is compared with the node's labels, as they are whenever it is looked at again."""
    async with World() as world:
        world.manage(scheduler)
        world.tracker.create(NODES, {"metadata": {"name": NODE, "labels": {"disk": "slow"}}})
        pod = a_pod("a")
        pod["spec"]["nodeSelector"] = {"disk": "fast"}
        world.tracker.create(PODS, pod)
        await world.settle()
        assert world.tracker.get(PODS, "default/a").at("spec.nodeName") is None
        (event,) = world.tracker.list(EVENTS)
        told = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
        assert (event["reason"], event.at("message")) == ("FailedScheduling", told)
        world.tracker.patch(NODES, NODE, MergePatch({"metadata": {"labels": {"disk": "fast"}}}))
        await world.advance("5s")
        assert world.tracker.get(PODS, "default/a").at("spec.nodeName") == NODE
