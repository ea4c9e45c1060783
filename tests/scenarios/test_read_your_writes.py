"""A reconciler that makes what its cache does not show makes it once, however far the cache is behind (B1)."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_mapped
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS

PARENT = ObjectKey("default", "parent")
CHILDREN = {"app": "child"}


def build(manager: Manager) -> Controller:
    """One child with a name of the server's choice, for whoever sees none: no name can clash."""
    maps = manager.informer(CONFIG_MAPS)

    async def reconcile(_request: Request) -> Outcome:
        if not maps.lister.list(namespace="default", selector="app=child"):
            metadata = {"generateName": "child-", "namespace": "default", "labels": CHILDREN}
            await manager.client.create(CONFIG_MAPS, {"metadata": metadata})
        return DONE

    watches = [Watch(maps, to_mapped(lambda _record: [PARENT]))]
    return Controller(name="children", reconcile=reconcile, watches=watches)


@pytest.mark.behaviour("B1", "Q25", "D10")
@pytest.mark.parametrize("lasts", ["0.6s", "8s"])
async def test_one_child_is_made_though_the_watch_stands_still(lasts: str) -> None:
    """CR #3320: the key is woken again and again before the first run's child is in the cache."""
    parent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "parent", "namespace": "default"}}
    async with World(parent) as world:
        world.clientset.faults.stall_watches(Calls("watch", CONFIG_MAPS), lasts=lasts)
        manager = world.manage(build)
        await asyncio.sleep(0.1)
        (controller,) = manager.controllers
        for _ in range(4):
            controller.wake(PARENT)
            await asyncio.sleep(0.1)
        assert controller.busy() == ("controller:children default/parent waits to see what it wrote",)
        await world.settle()
        assert [found.metadata.labels for found in world.tracker.list(CONFIG_MAPS, "default")].count(CHILDREN) == 1
        assert controller.statistics().gate.timeouts == 0
