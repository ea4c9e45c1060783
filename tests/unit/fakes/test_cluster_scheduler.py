"""Every pod comes to the one node, by a Binding."""

from __future__ import annotations

from typing import Any

from ctrlkit.controller import Controller
from ctrlkit.errors import NotFound
from ctrlkit.manager import Manager
from ctrlkit.model import Action
from ctrlkit.model.kinds import PODS
from fakes.cluster.scheduler import BINDINGS, add_scheduler
from fakes.world import World


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
