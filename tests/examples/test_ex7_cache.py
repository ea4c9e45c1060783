"""Example 7, as its author would test it: in a world with a cluster's loops, under the definition of its type."""

from __future__ import annotations

import pytest

from ctrlkit.crd import definition_of
from ctrlkit.errors import Forbidden
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.kinds import apps
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import EVENTS
from examples.ex7_cache import CACHES, Registry, caches, check, registry, sign
from tests.examples.conftest import EXAMPLES

ORDERS = "default/orders"
pytestmark = pytest.mark.world(definition_of(CACHES), cluster=ALL)


async def running(world: World) -> Registry:
    """A program at work on the Cache of the example's file, with nothing left to do; its registry."""
    outside = Registry()
    world.provide(registry, outside)
    world.manage([caches, check, sign])
    world.seed(EXAMPLES / "cache.yaml")
    await world.settle()
    return outside


async def test_a_cache_is_served_listed_and_scaled(world: World) -> None:
    """Its condition says so; kubectl scale finds its replicas and its pods."""
    outside = await running(world)
    cache = await world.client.get(CACHES, ORDERS)
    assert (cache.status.ready, cache.status.selector) == (2, "cache=orders")
    assert [(each.type, each.status, each.message) for each in cache.status.conditions] == [
        ("Ready", "True", "2 of 2 are available")
    ]
    assert outside.addresses == {cache.metadata.uid: "orders.default:6379"}

    await world.client.set_scale(CACHES, ORDERS, 3)
    await world.settle()
    assert (await world.client.get(apps.DEPLOYMENTS, ORDERS)).status.available_replicas == 3


async def test_another_configuration_rolls_the_pods_and_a_smaller_one_is_refused(world: World) -> None:
    """An Event says so, once."""
    await running(world)
    await world.client.patch(CACHES, ORDERS, MergePatch({"spec": {"memoryMb": 128}}))
    await world.settle()
    pods = await world.client.get(apps.DEPLOYMENTS, ORDERS)
    assert pods.metadata.generation == 2
    rolled = [each for each in world.tracker.list(EVENTS, "default") if each["reason"] == "Rolled"]
    assert [each["message"] for each in rolled] == ["the pods are replaced: memoryMb is 128"]
    with pytest.raises(Forbidden, match=r"spec.memoryMb: 32 is less than before"):
        await world.client.patch(CACHES, ORDERS, MergePatch({"spec": {"memoryMb": 32}}))


async def test_a_deletion_waits_for_the_registry_and_takes_all_with_it(world: World) -> None:
    """However often the registry fails."""
    outside = await running(world)

    async def down(uid: str, address: str) -> None:
        raise ConnectionError(f"no answer about {uid} {address}")

    outside.put, works = down, outside.put  # type: ignore[method-assign]
    await world.client.delete(CACHES, ORDERS)
    await world.pass_time("10s")
    assert (await world.client.get(CACHES, ORDERS)).metadata.deleting
    outside.put = works  # type: ignore[method-assign]
    await world.settle()
    assert list(outside.addresses.values()) == [""]
    assert await world.client.list(CACHES) == []
    assert await world.client.list(apps.DEPLOYMENTS) == []


async def test_who_made_it_is_written_down(world: World) -> None:
    """By the webhook, when it is made."""
    await running(world)
    made = await world.client.create(CACHES, {"metadata": {"name": "carts", "namespace": "default"}, "spec": {}})
    assert dict(made.metadata.annotations or {}) == {"demo.example.com/made-by": "admin"}
