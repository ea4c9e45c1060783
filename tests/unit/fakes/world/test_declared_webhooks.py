"""Webhooks that are declared beside reconcilers, in a World: the server calls them without sockets."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from ctrlkit import (
    DONE,
    Context,
    Denied,
    MergePatch,
    ObjectMeta,
    Outcome,
    Review,
    conversion,
    custom_resource,
    mutating,
    reconciler,
    validating,
)
from ctrlkit.crd import definition_of
from ctrlkit.errors import ApiError, Forbidden, InternalError
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Definition, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, PODS


class Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    size: int = 1
    image: str = ""


class Cache(msgspec.Struct, frozen=True, omit_defaults=True):
    metadata: ObjectMeta
    spec: Spec = Spec()


class SpecV2(msgspec.Struct, frozen=True, omit_defaults=True):
    replicas: int = 1
    image: str = ""


class CacheV2(msgspec.Struct, frozen=True, omit_defaults=True):
    metadata: ObjectMeta
    spec: SpecV2 = SpecV2()


CACHES = custom_resource(group="example.com", kind="Cache", plural="caches", definition=Definition(storage=False)).of(
    Cache
)
CACHES_V2 = custom_resource(
    group="example.com", version="v2", kind="Cache", plural="caches", definition=Definition(storage=True)
).of(CacheV2)


@mutating(CACHES)
def defaults(cache: Cache, _review: Review[Cache]) -> Cache | None:
    return None if cache.spec.image else replace(cache, spec=replace(cache.spec, image="redis:7"))


@validating(CACHES, operations=["CREATE", "UPDATE", "DELETE"])
async def check(cache: Cache, review: Review[Cache]) -> None:
    await asyncio.sleep(1)
    if review.operation == "DELETE":
        review.warn("a cache forgets")
    elif cache.spec.size < 1:
        raise Denied("spec.size: too small")


@conversion(CACHES, to=CACHES_V2)
def upgrade(cache: Cache) -> CacheV2:
    return CacheV2(metadata=cache.metadata, spec=SpecV2(replicas=cache.spec.size, image=cache.spec.image))


@conversion(CACHES_V2, to=CACHES)
def downgrade(cache: CacheV2) -> Cache:
    return Cache(metadata=cache.metadata, spec=Spec(size=cache.spec.replicas, image=cache.spec.image))


@reconciler(CACHES)
async def reconcile(_cache: Cache, _context: Context) -> Outcome:
    return DONE


def body(name: str = "a", **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def test_defaults_checks_and_conversions_stand_beside_a_reconciler(world: World) -> None:
    """One list of functions is a program; the server asks all of them, and the cache sees what they made."""
    await world.define(definition_of(CACHES, CACHES_V2))
    manager = world.manage([reconcile, defaults, check, upgrade, downgrade])
    made = await world.client.create(CACHES.of(Unstructured), body(size=3))
    assert made.at("spec.image") == "redis:7"
    newer = await world.client.get(CACHES_V2, "default/a")
    assert (newer.spec.replicas, newer.spec.image) == (3, "redis:7")
    with pytest.raises(Forbidden, match=r"check.caches.example.com.*spec.size: too small"):
        await world.client.create(CACHES.of(Unstructured), body("b", size=0))
    await world.settle()
    (informer,) = manager.informers
    assert informer.lister.find("default/a") is not None


async def test_a_program_that_has_ended_answers_no_more_until_it_is_back(world: World) -> None:
    world.serve(CACHES)
    first, second = (world.manage([defaults], name=name) for name in ("first", "second"))
    await world.stop(first)
    await world.client.create(CACHES.of(Unstructured), body(size=3))
    await world.crash(second)
    with pytest.raises(InternalError, match=r"failed calling webhook .* connect: connection"):
        await world.client.create(CACHES.of(Unstructured), body("b", size=3))
    world.restart(second)
    await world.client.create(CACHES.of(Unstructured), body("b", size=3))


def test_plain_calls_of_the_server_are_answered_without_waiting() -> None:
    with World.sync(kinds=[CACHES]) as world:
        world.manage([defaults])
        assert world.tracker.create(CACHES, body(size=1)).at("spec.image") == "redis:7"


async def test_pods_of_the_operator_and_of_the_control_plane_are_left_out(world: World) -> None:
    """A webhook that refuses all pods refuses none of those that its own program or the cluster needs to start."""

    @validating(PODS)
    def refuse(_pod: object, _review: Review[Unstructured]) -> None:
        raise Denied("no pods")

    world.manage([refuse])
    pod = {"spec": {"containers": [{"name": "a", "image": "a"}]}}
    world.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "operators"}})
    for namespace in ("operators", "kube-system"):
        await world.client.create(PODS, {"metadata": {"name": "a", "namespace": namespace}, **pod})
    with pytest.raises(ApiError, match="no pods"):
        await world.client.create(PODS, {"metadata": {"name": "a", "namespace": "default"}, **pod})


async def test_a_patch_or_an_object_changed_in_place_will_do(world: World) -> None:
    @mutating(CONFIG_MAPS)
    def label(_config_map: Unstructured, review: Review[Unstructured]) -> MergePatch:
        return MergePatch({"metadata": {"labels": {"made-by": review.user.name}}})

    @mutating(CONFIG_MAPS, name="z-in-place")
    def note(config_map: Unstructured, _review: Review[Unstructured]) -> None:
        config_map["data"]["seen"] = "yes"

    world.manage([label, note])
    made = await world.client.create(
        CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}, "data": {"a": "1"}}
    )
    assert made.at("data") == {"a": "1", "seen": "yes"}
    assert made.at("metadata.labels") == {"made-by": "admin"}
