"""What a bitcoin network consists of on a real control plane: admitted, grown, released and adopted as in a World."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.bitcoin.layout import config_secret, desired_objects
from ctrlkit.bitcoin.names import NETWORK_LABEL
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, Group, NetworkPolicy, Ports, Resources, Spec
from ctrlkit.client import DryRun
from ctrlkit.controller import Applier
from ctrlkit.crd import definition_of
from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.world.live import LiveWorld
from ctrlkit.model import AnyResource, MergePatch, ObjectMeta, Unstructured
from ctrlkit.model.kinds import (
    NAMESPACES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    STORAGE_CLASSES,
)
from tests.bitcoin.keeping import STATE, Keeper, build_keeper
from tests.judge.controllers import controllers

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
NETWORKS = BITCOIN_NETWORKS.of(Unstructured)
KINDS: tuple[AnyResource, ...] = (SERVICES, POD_DISRUPTION_BUDGETS, NETWORK_POLICIES, STATEFULSETS)
RESTRICTED = MergePatch({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
STORAGE = {"className": "growing", "size": "10Gi", "whenDeleted": "Delete"}


@asynccontextmanager
async def cluster(own_control_plane: ControlPlane) -> AsyncIterator[LiveWorld]:
    """A namespace that enforces the restricted standard, with volumes of a class whose claims may grow."""
    with controllers(own_control_plane.kubeconfig):
        async with LiveWorld(kubeconfig=str(own_control_plane.kubeconfig)) as world:
            await world.client.patch(NAMESPACES, world.namespace, RESTRICTED)
            await world.define(definition_of(BITCOIN_NETWORKS))
            storage_class = {"metadata": {"name": "growing"}, "provisioner": "example.com/none"}
            await world.client.create(STORAGE_CLASSES, storage_class | {"allowVolumeExpansion": True})
            for number in range(3):
                spec = {
                    "capacity": {"storage": "100Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "growing",
                    "hostPath": {"path": f"/nowhere/{number}"},
                }
                await world.client.create(PERSISTENT_VOLUMES, {"metadata": {"name": f"v{number}"}, "spec": spec})
            yield world


async def there(world: LiveWorld, kind: AnyResource) -> dict[str, Any]:
    """All objects of a kind in the namespace, by name."""
    found = await world.client.list(kind.of(Unstructured), namespace=world.namespace)
    return {one.key.name: one for one in found}


async def uids(world: LiveWorld, kind: AnyResource) -> dict[str, str]:
    return {name: one.metadata.uid for name, one in (await there(world, kind)).items()}


async def versions(world: LiveWorld, kind: AnyResource) -> dict[str, str]:
    return {name: one.metadata.resource_version for name, one in (await there(world, kind)).items()}


async def the_set(world: LiveWorld) -> Unstructured:
    return await world.client.get(STATEFULSETS, f"{world.namespace}/net-sts")


def a_network(world: LiveWorld, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "net", "namespace": world.namespace},
        "spec": {"nodes": 2, "storage": STORAGE, "networkPolicy": {}, **spec},
    }


@pytest.mark.usefixtures("kubernetes")
async def test_bodies_are_taken(own_control_plane: ControlPlane) -> None:
    """Created and applied, as a dry run; and what the selector of a Service had before goes when ours is applied."""
    async with cluster(own_control_plane) as world:
        meta = ObjectMeta(name="net", namespace=world.namespace, uid="no-uid")
        spec = Spec(
            nodes=2,
            groups=[Group(name="old", nodes=1)],
            network_policy=NetworkPolicy(),
            ports=Ports(zmq=28332),
            resources=Resources(limits={"memory": "2Gi"}),
        )
        network = BitcoinNetwork(metadata=meta, spec=spec)
        objects = desired_objects(network, STATE, {"main": "bitcoin:1", "old": "bitcoin:1"})
        for resource, body in [*objects, (SECRETS, config_secret(network, STATE))]:
            kind, key = resource.of(Unstructured), f"{world.namespace}/{body['metadata']['name']}"
            await world.client.create(kind, body, dry_run=DryRun.ALL)
            await world.client.apply(kind, key, body, dry_run=DryRun.ALL)
        service = objects[0][1]
        former = {"metadata": {"name": "net-svc", "namespace": world.namespace}}
        await world.client.create(SERVICES, former | {"spec": {"clusterIP": "None", "selector": {"app": "net"}}})
        del service["metadata"]["ownerReferences"]
        after = (await Applier(world.client).apply(SERVICES, service)).object
        assert after.at("spec.selector") == {NETWORK_LABEL: "net"}


@pytest.mark.usefixtures("kubernetes")
async def test_claims_grow_and_objects_are_released_and_adopted_without_a_restart(
    own_control_plane: ControlPlane,
) -> None:
    """With the controllers of a real cluster: pods keep their uids and their revision throughout."""
    async with cluster(own_control_plane) as world:
        keepers: list[Keeper] = []
        world.manage(lambda manager: build_keeper(manager, keepers))
        await world.client.create(NETWORKS, a_network(world))
        await world.until(lambda: is_settled(world, size="10Gi"))
        made = await the_set(world)
        kept = [await uids(world, kind) for kind in (PODS, PERSISTENT_VOLUME_CLAIMS)]

        await change(world, {"spec": {"storage": {"size": "20Gi"}}})
        await world.until(lambda: is_settled(world, size="20Gi", but=made.metadata.uid))
        assert [await uids(world, kind) for kind in (PODS, PERSISTENT_VOLUME_CLAIMS)] == kept
        assert (await the_set(world)).at("status.updateRevision") == made.at("status.updateRevision")

        await change(world, {"spec": {"deletionPolicy": "Orphan"}})
        await world.until(lambda: has_finalizer(world))
        owned = [await uids(world, kind) for kind in KINDS]
        await world.client.delete(NETWORKS, f"{world.namespace}/net")
        await world.until(lambda: is_gone(world, NETWORKS))
        await asyncio.sleep(3)  # the garbage collector, another program, would have deleted what it may
        assert [await uids(world, kind) for kind in KINDS] == owned
        assert (await the_set(world)).metadata.owner_references is None

        await world.client.create(NETWORKS, a_network(world, storage=STORAGE | {"size": "20Gi"}))
        await world.until(lambda: is_adopted(world))
        assert [await uids(world, kind) for kind in KINDS] == owned
        assert await uids(world, PODS) == kept[0]

        await world.until(lambda: is_settled(world, size="20Gi"))
        before = [await versions(world, kind) for kind in KINDS]
        keepers[0].ensured.clear()
        await change(world, {"metadata": {"annotations": {"look": "again"}}})
        await world.until(lambda: keepers[0].ensured)
        assert [await versions(world, kind) for kind in KINDS] == before

        await world.client.delete(NETWORKS, f"{world.namespace}/net")
        await world.until(lambda: is_gone(world, *KINDS, PODS, PERSISTENT_VOLUME_CLAIMS))


async def change(world: LiveWorld, fields: dict[str, Any]) -> None:
    await world.client.patch(NETWORKS, f"{world.namespace}/net", MergePatch(fields))


async def is_settled(world: LiveWorld, *, size: str, but: str = "") -> bool:
    """Whether two pods and two bound claims of a size belong to the StatefulSet, which is another one than `but`."""
    statefulset = await the_set(world)
    pods, claims = [(await there(world, kind)).values() for kind in (PODS, PERSISTENT_VOLUME_CLAIMS)]
    owners = {owner.uid for one in [*pods, *claims] for owner in one.metadata.owner_references or ()}
    found = [(claim.at("status.phase"), claim.at("spec.resources.requests.storage")) for claim in claims]
    is_ours = owners == {statefulset.metadata.uid} and statefulset.metadata.uid != but
    return is_ours and found == [("Bound", size)] * 2 and statefulset.at("status.replicas") == 2


async def is_adopted(world: LiveWorld) -> bool:
    uid = (await world.client.get(NETWORKS, f"{world.namespace}/net")).metadata.uid
    found = [one for kind in KINDS for one in (await there(world, kind)).values()]
    return {owner.uid for one in found for owner in one.metadata.owner_references or ()} == {uid}


async def has_finalizer(world: LiveWorld) -> bool:
    return bool((await world.client.get(NETWORKS, f"{world.namespace}/net")).metadata.finalizers)


async def is_gone(world: LiveWorld, *kinds: AnyResource) -> bool:
    return not any([await there(world, kind) for kind in kinds])
