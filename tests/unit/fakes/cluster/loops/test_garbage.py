"""Objects without owners go, of every kind and however their owner was deleted; so do namespaces with all they hold."""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.client import Propagation
from ctrlkit.errors import NotFound
from ctrlkit.fakes.cluster import AlwaysReady, Cluster, InProcessRuntime
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Action, MergePatch, Unstructured, custom_resource, to_plain
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    SECRETS,
)

NETWORKS = custom_resource(group="example.com", kind="Network", plural="networks")
DEFINITION: dict[str, Any] = {
    "metadata": {"name": "networks.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "networks", "singular": "network", "kind": "Network"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}


@asynccontextmanager
async def cluster(*, kinds: Sequence[Any] = ()) -> AsyncIterator[World]:
    images = {"web": lambda address, spec: AlwaysReady()}
    async with InProcessRuntime(images=images) as runtime, World(kinds=kinds) as world:
        world.start(Cluster(world.client, runtime, kinds=kinds, tracker=world.tracker))
        await world.settle()
        yield world


async def make(
    world: World, name: str, *owners: Unstructured, namespace: str = "default", finalizers: Sequence[str] = ()
) -> Unstructured:
    references = [to_plain(CONFIG_MAPS.owner_reference(owner.metadata)) for owner in owners]
    for reference in references[1:]:
        reference.pop("controller")
    metadata = {"name": name, "namespace": namespace, "ownerReferences": references, "finalizers": list(finalizers)}
    return await world.client.create(CONFIG_MAPS, {"metadata": metadata})


async def names(world: World) -> list[str]:
    return [found.key.name for found in await world.client.list(CONFIG_MAPS, namespace="default")]


async def release(world: World, name: str) -> None:
    await world.client.patch(CONFIG_MAPS, f"default/{name}", MergePatch({"metadata": {"finalizers": None}}))
    await world.settle()


async def test_dependents_follow_their_owner_down_all_generations() -> None:
    """What is not theirs stays."""
    async with cluster() as world:
        await make(world, "child", owner := await make(world, "owner"))
        await make(world, "grandchild", await world.client.get(CONFIG_MAPS, "default/child"))
        await make(world, "other")
        await world.settle()
        await world.client.delete(CONFIG_MAPS, owner.key)
        await world.settle()
        assert await names(world) == ["other"]


async def test_a_dependent_with_two_owners_goes_with_the_second() -> None:
    """When the first goes, only the reference to it does."""
    async with cluster() as world:
        first, second = await make(world, "first"), await make(world, "second")
        await make(world, "child", first, second)
        await world.client.delete(CONFIG_MAPS, "default/first")
        await world.settle()
        child = await world.client.get(CONFIG_MAPS, "default/child")
        assert [owner.name for owner in child.metadata.owner_references or ()] == ["second"]
        await world.client.delete(CONFIG_MAPS, "default/second")
        await world.settle()
        assert await names(world) == []


async def test_a_foreground_deletion_ends_with_the_owner() -> None:
    """It waits for the child, which waits for its own finalizer."""
    async with cluster() as world:
        await make(world, "child", await make(world, "owner"), finalizers=["example.com/hold"])
        await world.settle()
        await world.client.delete(CONFIG_MAPS, "default/owner", propagation=Propagation.FOREGROUND)
        await world.settle()
        assert await names(world) == ["child", "owner"]
        assert (await world.client.get(CONFIG_MAPS, "default/child")).metadata.deleting
        await release(world, "child")
        assert await names(world) == []


async def test_orphans_stay_without_a_reference() -> None:
    """So a later collection does not find them either."""
    async with cluster() as world:
        await make(world, "child", await make(world, "owner"))
        await world.settle()
        await world.client.delete(CONFIG_MAPS, "default/owner", propagation=Propagation.ORPHAN)
        await world.settle()
        assert await names(world) == ["child"]
        child = await world.client.get(CONFIG_MAPS, "default/child")
        assert not child.metadata.owner_references


async def test_a_namesake_of_the_owner_is_not_the_owner() -> None:
    """Owners are told apart by uid."""
    async with cluster() as world:
        owner = await make(world, "owner")
        await world.settle()
        await world.client.delete(CONFIG_MAPS, "default/owner")
        await make(world, "owner")
        await make(world, "child", owner)
        await world.settle()
        assert await names(world) == ["owner"]


@pytest.mark.parametrize("version", ["example.com/v1", "v2"])
async def test_a_dependent_is_left_alone_if_one_of_its_owners_cannot_be_asked_for(version: str) -> None:
    """Better garbage than a loss: the kind is unknown, or not served in that version; the other owner may be gone."""
    async with cluster() as world:
        owner = await make(world, "owner")
        reference = to_plain(CONFIG_MAPS.owner_reference(owner.metadata))
        unknown = {"apiVersion": version, "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}
        for name, references in {"alone": [unknown], "both": [unknown, {**reference, "uid": "other"}]}.items():
            metadata = {"name": name, "namespace": "default", "ownerReferences": references}
            await world.client.create(CONFIG_MAPS, {"metadata": metadata})
        await world.settle()
        await world.client.delete(CONFIG_MAPS, "default/owner")
        await world.settle()
        assert await names(world) == ["alone", "both"]
        both = await world.client.get(CONFIG_MAPS, "default/both")
        assert len(both.metadata.owner_references or ()) == 2


async def test_a_dependent_goes_once_the_kind_of_its_owner_is_served_and_the_owner_is_not_there() -> None:
    """It was left alone only as long as nobody could know."""
    async with cluster() as world:
        owner = {"apiVersion": "example.com/v1", "kind": "Network", "name": "net", "uid": "some-uid"}
        metadata = {"name": "child", "namespace": "default", "ownerReferences": [owner]}
        await world.client.create(CONFIG_MAPS, {"metadata": metadata})
        await world.settle()
        assert await names(world) == ["child"]
        await world.client.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
        await world.settle()
        assert await names(world) == []


async def test_an_owner_may_be_named_in_any_version_that_is_served() -> None:
    """Also in one in which it is not stored; in one that is not served any more it cannot be asked for."""
    versions = [{**DEFINITION["spec"]["versions"][0], "name": name, "storage": name == "v1"} for name in ("v1", "v2")]
    async with cluster() as world:
        spec = {**DEFINITION["spec"], "versions": versions}
        await world.client.create(CUSTOM_RESOURCE_DEFINITIONS, {**DEFINITION, "spec": spec})
        await world.settle()
        network = await world.client.create(NETWORKS, {"metadata": {"name": "net", "namespace": "default"}})
        for version in ("v1", "v2", "v3"):
            owner = {**to_plain(NETWORKS.owner_reference(network.metadata)), "apiVersion": f"example.com/{version}"}
            metadata = {"name": version, "namespace": "default", "ownerReferences": [owner]}
            await world.client.create(CONFIG_MAPS, {"metadata": metadata})
        await world.settle()
        await world.client.delete(NETWORKS, "default/net")
        await world.settle()
        assert await names(world) == ["v3"]


@pytest.mark.parametrize("known", ["from the start", "by a definition"])
async def test_owners_may_be_of_custom_kinds(known: str) -> None:
    """Also where the kind comes while the cluster runs."""
    async with cluster(kinds=[NETWORKS] if known == "from the start" else ()) as world:
        if known == "by a definition":
            await world.client.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
            await world.settle()
        network = await world.client.create(NETWORKS, {"metadata": {"name": "net", "namespace": "default"}})
        reference = to_plain(NETWORKS.owner_reference(network.metadata))
        await world.client.create(
            CONFIG_MAPS, {"metadata": {"name": "child", "namespace": "default", "ownerReferences": [reference]}}
        )
        await world.settle()
        assert await names(world) == ["child"]
        await world.client.delete(NETWORKS, "default/net")
        await world.settle()
        assert await names(world) == []


async def test_garbage_from_before_the_cluster_is_found() -> None:
    """Level-triggered: the first list is enough."""
    async with World() as world, InProcessRuntime(images={}) as runtime:
        await make(world, "child", await make(world, "owner"))
        await world.client.delete(CONFIG_MAPS, "default/owner")
        world.start(Cluster(world.client, runtime, tracker=world.tracker))
        await world.settle()
        assert await names(world) == []


async def test_an_owner_waits_for_dependents_of_kinds_that_are_only_being_listed() -> None:
    """Right after the start, too, when custom kinds are not known yet."""
    async with World() as world, InProcessRuntime(images={}) as runtime:
        await world.client.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
        reference = to_plain(CONFIG_MAPS.owner_reference((await make(world, "owner")).metadata))
        metadata = {"name": "child", "namespace": "default", "finalizers": ["example.com/hold"]}
        await world.client.create(NETWORKS, {"metadata": metadata | {"ownerReferences": [reference]}})
        await world.client.delete(CONFIG_MAPS, "default/owner", propagation=Propagation.FOREGROUND)

        async def answer_late(action: Action) -> None:
            await asyncio.sleep(20)

        world.clientset.add_reactor("list", NETWORKS, answer_late)
        world.start(Cluster(world.client, runtime, tracker=world.tracker))
        await world.advance(60)
        assert await names(world) == ["owner"]
        assert (await world.client.get(NETWORKS, "default/child")).metadata.deleting


async def test_a_deleted_namespace_is_emptied_and_goes() -> None:
    """Pods end in their grace period first; custom objects go, too."""
    async with cluster() as world:
        await world.client.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
        await world.client.create(NAMESPACES, {"metadata": {"name": "demo"}})
        metadata = {"name": "x", "namespace": "demo"}
        await world.client.create(NETWORKS, {"metadata": metadata})
        await world.client.create(SECRETS, {"metadata": metadata})
        await world.client.create(PODS, {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "web"}]}})
        await make(world, "kept")
        await world.settle()
        await world.client.delete(NAMESPACES, "demo")
        await world.settle()
        assert "demo" not in [namespace.key.name for namespace in await world.client.list(NAMESPACES)]
        assert await world.client.list(PODS) == await world.client.list(SECRETS) == []
        assert await world.client.list(NETWORKS) == []
        assert await names(world) == ["kept"]


async def test_a_namespace_waits_for_what_holds_its_objects() -> None:
    """Until the finalizer is gone, and no longer."""
    async with cluster() as world:
        await world.client.create(NAMESPACES, {"metadata": {"name": "demo"}})
        await make(world, "held", namespace="demo", finalizers=["example.com/hold"])
        await world.client.delete(NAMESPACES, "demo")
        await world.advance(60)
        assert (await world.client.get(NAMESPACES, "demo")).at("status.phase") == "Terminating"
        await world.client.patch(CONFIG_MAPS, "demo/held", MergePatch({"metadata": {"finalizers": None}}))
        await world.settle()
        assert "demo" not in [namespace.key.name for namespace in await world.client.list(NAMESPACES)]


async def test_one_bad_kind_stops_neither_the_collector_nor_the_end_of_a_namespace() -> None:
    """A kind of which no version is served, and one that goes as soon as it has come."""
    unserved = copy.deepcopy(DEFINITION)
    unserved["metadata"]["name"] = "sites.example.com"
    unserved["spec"]["names"] = {"plural": "sites", "kind": "Site"}
    unserved["spec"]["versions"][0]["served"] = False
    async with cluster() as world:
        world.tracker.create(CUSTOM_RESOURCE_DEFINITIONS, unserved)
        world.tracker.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
        await asyncio.sleep(0)
        world.tracker.delete(CUSTOM_RESOURCE_DEFINITIONS, "networks.example.com")
        world.tracker.create(NAMESPACES, {"metadata": {"name": "gone"}})
        owner = await make(world, "owner")
        await make(world, "dependent", owner)
        await make(world, "elsewhere", namespace="gone")
        world.tracker.delete(NAMESPACES, "gone")
        world.tracker.delete(CONFIG_MAPS, "default/owner")
        await world.pass_time(30)
        assert await names(world) == []
        with pytest.raises(NotFound):
            world.tracker.get(NAMESPACES, "gone")


@pytest.mark.long
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="later interpreters have a limit of their own")
async def test_an_object_of_many_levels_is_collected_like_any_other() -> None:
    """With its owner, and with its namespace."""
    value: Any = 1
    for _ in range(9_000):
        value = {"a": value}
    async with cluster() as world:
        world.tracker.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
        world.tracker.create(NAMESPACES, {"metadata": {"name": "gone"}})
        owner = await make(world, "owner")
        await world.settle()
        references = [to_plain(CONFIG_MAPS.owner_reference(owner.metadata))]
        for namespace, owners in (("default", references), ("gone", [])):
            metadata = {"name": "deep", "namespace": namespace, "ownerReferences": owners}
            world.tracker.create(NETWORKS, {"metadata": metadata, "spec": value})
        await world.settle()
        world.tracker.delete(CONFIG_MAPS, "default/owner")
        world.tracker.delete(NAMESPACES, "gone")
        await world.settle()
        assert world.tracker.list(NETWORKS) == []
        with pytest.raises(NotFound):
            world.tracker.get(NAMESPACES, "gone")


async def test_an_owner_elsewhere_or_of_another_name_is_none() -> None:
    """What refers to it goes; an Event tells of an owner in another namespace, and the owner stays."""
    async with cluster() as world:
        await world.client.create(NAMESPACES, {"metadata": {"name": "other"}})
        owner = await make(world, "owner")
        await make(world, "elsewhere", owner, namespace="other")
        alias = Unstructured({**owner, "metadata": {**owner["metadata"], "name": "alias"}})
        await make(world, "renamed", alias)
        await make(world, "kept", owner)
        await world.settle()
        names = {(one.metadata.namespace, one.metadata.name) for one in await world.client.list(CONFIG_MAPS)}
        assert {("default", "owner"), ("default", "kept")} <= names
        assert not {("other", "elsewhere"), ("default", "renamed")} & names
        (event,) = [one for one in await world.client.list(EVENTS) if one["reason"] == "OwnerRefInvalidNamespace"]
        assert event["involvedObject"]["name"] == "elsewhere"
        which = f"v1/ConfigMap, namespace: other, name: owner, uid: {owner.metadata.uid}"
        assert event["message"] == f'ownerRef [{which}] does not exist in namespace "other"'


async def test_an_object_of_the_whole_cluster_with_an_owner_in_a_namespace_is_left_alone() -> None:
    """Also when that owner goes; an Event in the namespace `default` tells of it."""
    async with cluster() as world:
        owner = await make(world, "owner")
        references = [to_plain(CONFIG_MAPS.owner_reference(owner.metadata))]
        metadata = {"name": "low", "ownerReferences": references}
        await world.client.create(PRIORITY_CLASSES, {"metadata": metadata, "value": 1})
        await world.settle()
        (event,) = [one for one in await world.client.list(EVENTS) if one["reason"] == "OwnerRefInvalidNamespace"]
        assert (event["involvedObject"]["kind"], event.metadata.namespace) == ("PriorityClass", "default")
        assert event["message"].endswith('does not exist in namespace ""')
        await world.client.delete(CONFIG_MAPS, owner.key)
        await world.settle()
        (left,) = [one for one in await world.client.list(PRIORITY_CLASSES) if one.metadata.name == "low"]
        assert left["metadata"]["ownerReferences"] == references


async def test_the_pods_of_a_namespace_go_before_all_else() -> None:
    """Until then nothing else is deleted, and the conditions say that nothing is left."""
    async with cluster() as world:
        await world.client.create(NAMESPACES, {"metadata": {"name": "shop"}})
        await make(world, "shelf", namespace="shop")
        spec = {"containers": [{"name": "web", "image": "web"}]}
        metadata = {"name": "till", "namespace": "shop", "finalizers": ["example.com/hold"]}
        await world.client.create(PODS, {"metadata": metadata, "spec": spec})
        await world.client.delete(NAMESPACES, "shop")
        await world.advance(6.0)
        shelf = await world.client.get(CONFIG_MAPS, "shop/shelf")
        assert not shelf.metadata.deleting
        conditions = {one["type"]: one for one in (await world.client.get(NAMESPACES, "shop"))["status"]["conditions"]}
        assert conditions["NamespaceContentRemaining"]["message"] == "All content successfully removed"
        await world.client.patch(PODS, "shop/till", MergePatch({"metadata": {"finalizers": None}}))
        await world.settle()
        with pytest.raises(NotFound):
            await world.client.get(NAMESPACES, "shop")


async def test_an_object_whose_owner_stays_is_not_looked_at() -> None:
    """What goes is: the owner, once it is deleted, with what it leaves behind."""
    async with cluster() as world:
        owner = await make(world, "owner")
        await make(world, "child", owner)
        await world.settle()
        assert "garbage" not in world.trace.text()
        await world.client.delete(CONFIG_MAPS, owner.key)
        await world.settle()
        assert "garbage" in world.trace.text()
        assert "child" not in await names(world)


async def test_objects_that_own_each_other_go_in_a_foreground_deletion() -> None:
    """Each would wait for the other; so the one that is found first no longer blocks its owner."""
    async with cluster() as world:
        second = await make(world, "second", await make(world, "first"))
        reference = to_plain(CONFIG_MAPS.owner_reference(second.metadata))
        await world.client.patch(
            CONFIG_MAPS, "default/first", MergePatch({"metadata": {"ownerReferences": [reference]}})
        )
        await world.client.delete(CONFIG_MAPS, "default/first", propagation=Propagation.FOREGROUND)
        await world.settle()
        assert await names(world) == []


async def test_a_namespace_says_that_nothing_is_left_where_others_hold_it() -> None:
    """Its conditions are written before its own finalizer goes."""
    async with cluster() as world:
        await world.client.create(NAMESPACES, {"metadata": {"name": "shop", "finalizers": ["example.com/hold"]}})
        await world.client.delete(NAMESPACES, "shop")
        await world.settle()
        shop = await world.client.get(NAMESPACES, "shop")
        assert shop.at("spec.finalizers") is None
        assert {one["type"]: one["status"] for one in shop["status"]["conditions"]} == {
            "NamespaceDeletionDiscoveryFailure": "False",
            "NamespaceDeletionGroupVersionParsingFailure": "False",
            "NamespaceDeletionContentFailure": "False",
            "NamespaceContentRemaining": "False",
            "NamespaceFinalizersRemaining": "False",
        }


async def test_what_is_left_of_owner_references_stays_as_it_was_written() -> None:
    """A `blockOwnerDeletion` that says no is not the same as none."""
    async with cluster() as world:
        first, second = await make(world, "first"), await make(world, "second")
        owners: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": one.key.name, "uid": one.metadata.uid}
            for one in (first, second)
        ]
        owners[1] |= {"blockOwnerDeletion": False}
        metadata = {"name": "child", "namespace": "default", "ownerReferences": owners}
        await world.client.create(CONFIG_MAPS, {"metadata": metadata})
        await world.client.delete(CONFIG_MAPS, "default/first")
        await world.settle()
        assert (await world.client.get(CONFIG_MAPS, "default/child"))["metadata"]["ownerReferences"] == owners[1:]
