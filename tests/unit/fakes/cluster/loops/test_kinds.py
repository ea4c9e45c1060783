"""With the tracker of its server at hand, a cluster watches the kinds that have objects, and misses none of them."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Cluster, InProcessRuntime
from ctrlkit.model import AnyResource, to_plain
from ctrlkit.model.kinds import CONFIG_MAPS, JOBS, LEASES, NAMESPACES

LEASE: dict[str, Any] = {"spec": {"holderIdentity": "a"}}


def watched(world: World) -> set[AnyResource]:
    """Return the kinds that a world's parts have listed."""
    return {action.resource for action in world.clientset.actions}


async def test_an_object_of_a_kind_not_used_before_goes_with_its_owner() -> None:
    async with World(cluster=ALL) as world:
        await world.settle()
        owner = world.tracker.create(CONFIG_MAPS, {"metadata": {"name": "owner", "namespace": "default"}})
        references = [to_plain(CONFIG_MAPS.owner_reference(owner.metadata))]
        world.tracker.create(
            LEASES, {"metadata": {"name": "owned", "namespace": "default", "ownerReferences": references}, **LEASE}
        )
        await world.settle()
        world.tracker.delete(CONFIG_MAPS, "default/owner")
        await world.settle()
        with pytest.raises(NotFound):
            world.tracker.get(LEASES, "default/owned")


async def test_an_object_whose_owner_had_gone_before_the_first_of_its_kind_was_made_goes_too() -> None:
    async with World(cluster=ALL) as world:
        owner = world.tracker.create(CONFIG_MAPS, {"metadata": {"name": "owner", "namespace": "default"}})
        world.tracker.delete(CONFIG_MAPS, "default/owner")
        await world.settle()
        references = [to_plain(CONFIG_MAPS.owner_reference(owner.metadata))]
        world.tracker.create(
            LEASES, {"metadata": {"name": "owned", "namespace": "default", "ownerReferences": references}, **LEASE}
        )
        await world.settle()
        assert world.tracker.list(LEASES, "default") == []


async def test_a_namespace_ends_with_an_object_of_a_kind_that_was_made_in_the_same_moment() -> None:
    async with World(cluster=ALL) as world:
        await world.settle()
        world.tracker.create(NAMESPACES, {"metadata": {"name": "short"}})
        await world.settle()
        world.tracker.create(LEASES, {"metadata": {"name": "a", "namespace": "short"}, **LEASE})
        world.tracker.delete(NAMESPACES, "short")
        await world.settle()
        with pytest.raises(NotFound):
            world.tracker.get(NAMESPACES, "short")
        assert world.tracker.list(LEASES, "short") == []


async def test_kinds_without_objects_are_not_watched() -> None:
    async with World() as world, InProcessRuntime(images={}) as runtime:
        world.start(Cluster(world.client, runtime, tracker=world.tracker))
        await world.settle()
        assert JOBS not in watched(world)
        world.tracker.create(LEASES, {"metadata": {"name": "a", "namespace": "default"}, **LEASE})
        await world.settle()
        assert LEASES in watched(world)
