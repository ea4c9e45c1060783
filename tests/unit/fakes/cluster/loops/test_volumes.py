"""Claims get volumes: those that are there, and those that are made for them; what is in use stays."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Cluster, Loop
from ctrlkit.fakes.tracker.kinds.storage.classes import default_of
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import (
    EVENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
    VOLUME_ATTRIBUTES_CLASSES,
)

WITHOUT_NODE = ALL - {Loop.KUBELET, Loop.SCHEDULER}


def volume(name: str, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "slow",
            "hostPath": {"path": "/mnt"},
            **spec,
        },
    }


def claim(name: str, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
    }


def storage_class(name: str, provisioner: str = "example.com/x", **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        **fields,
    }


def pod(name: str, *volumes: dict[str, Any], **spec: Any) -> dict[str, Any]:
    mounted = [{"name": f"v{number}", **one} for number, one in enumerate(volumes)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "img:1"}], "volumes": mounted, **spec},
    }


def found(world: World, name: str) -> Unstructured:
    return world.tracker.get(PERSISTENT_VOLUME_CLAIMS, f"default/{name}")


def phases(world: World) -> dict[str, str]:
    """The phases of all volumes and claims."""
    things = [*world.tracker.list(PERSISTENT_VOLUMES), *world.tracker.list(PERSISTENT_VOLUME_CLAIMS)]
    return {one.key.name: one.at("status.phase") for one in things}


def reasons(world: World, name: str) -> set[str]:
    """The reasons of the Events about what has a name."""
    return {one["reason"] for one in world.tracker.list(EVENTS) if one.at("involvedObject.name") == name}


async def test_many_claims_at_once_get_a_volume_each() -> None:
    volumes = [volume(f"v{number}", f"{number + 1}Gi") for number in range(8)]
    async with World(*volumes, cluster=WITHOUT_NODE) as world:
        for number in range(8):
            await world.client.create(PERSISTENT_VOLUME_CLAIMS, claim(f"c{number}", storageClassName="slow"))
        await world.settle()
        assert set(phases(world).values()) == {"Bound"}
        held = {one.at("spec.claimRef.name"): one.key.name for one in world.tracker.list(PERSISTENT_VOLUMES)}
        assert {f"c{n}": found(world, f"c{n}").at("spec.volumeName") for n in range(8)} == held


async def test_claims_that_wait_are_bound_when_a_volume_comes_or_is_freed() -> None:
    async with World(claim("a", storageClassName="slow"), claim("b", storageClassName="slow"), cluster=ALL) as world:
        await world.settle()
        assert phases(world) == {"a": "Pending", "b": "Pending"}
        await world.client.create(PERSISTENT_VOLUMES, volume("v"))
        await world.settle()
        first = next(name for name, phase in phases(world).items() if phase == "Bound" and name != "v")
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, f"default/{first}")
        await world.settle()
        assert phases(world)["v"] == "Released"
        await world.client.patch(PERSISTENT_VOLUMES, "v", MergePatch({"spec": {"claimRef": None}}))
        await world.settle()
        assert set(phases(world).values()) == {"Bound"}


async def test_a_class_that_comes_later_becomes_that_of_claims_without_one() -> None:
    loops = WITHOUT_NODE - {Loop.PROVISIONER}
    async with World(claim("a"), cluster=loops) as world:
        await world.settle()
        assert reasons(world, "a") == {"FailedBinding"}
        default = {"metadata": {"name": "late", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
        await world.client.create(STORAGE_CLASSES, storage_class("late") | default)
        await world.settle()
        assert found(world, "a").at("spec.storageClassName") == "late"
        assert reasons(world, "a") == {"FailedBinding", "ExternalProvisioning"}


@pytest.mark.parametrize("furnished", [True, False])
async def test_a_claim_without_a_class_gets_a_volume_of_the_clusters_own_provisioner_with_its_first_pod(
    *, furnished: bool
) -> None:
    async with World(cluster=ALL, furnished=furnished) as world:
        await world.client.create(PERSISTENT_VOLUME_CLAIMS, claim("a"))
        await world.settle()
        assert (phases(world), "WaitForFirstConsumer" in reasons(world, "a")) == ({"a": "Pending"}, True)
        await world.client.create(PODS, pod("p", {"persistentVolumeClaim": {"claimName": "a"}}))
        await world.settle()
        assert world.tracker.get(PODS, "default/p").at("status.phase") == "Running"
        made = found(world, "a")
        assert (made.at("status.phase"), made.at("spec.storageClassName")) == ("Bound", "standard")
        (own,) = world.tracker.list(PERSISTENT_VOLUMES)
        assert own.key.name == f"pvc-{made.metadata.uid}"
        assert own.metadata.finalizers == ("kubernetes.io/pv-protection",)
        assert reasons(world, "a") >= {"ExternalProvisioning", "Provisioning", "ProvisioningSucceeded"}
        await world.client.delete(PODS, "default/p")
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "default/a")
        await world.settle()
        assert phases(world) == {}


@pytest.mark.parametrize(
    ("provisioner", "driver"),
    [("kubernetes.io/aws-ebs", "ebs.csi.aws.com"), ("pd.csi.storage.gke.io", "pd.csi.storage.gke.io")],
)
async def test_the_drivers_of_public_clusters_are_played_from_the_claim_to_the_end_of_the_volume(
    provisioner: str, driver: str
) -> None:
    given = storage_class("slow", provisioner, reclaimPolicy="Delete", volumeBindingMode="Immediate")
    async with World(given, claim("a", storageClassName="slow"), cluster=WITHOUT_NODE) as world:
        await world.settle()
        (made,) = world.tracker.list(PERSISTENT_VOLUMES)
        assert made.at("spec.csi.driver") == driver
        assert "external-provisioner.volume.kubernetes.io/finalizer" in (made.metadata.finalizers or ())
        await world.client.delete(PERSISTENT_VOLUMES, made.key)
        await world.settle()
        assert phases(world) == {made.key.name: "Bound", "a": "Bound"}
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "default/a")
        await world.settle()
        assert phases(world) == {}


async def test_a_class_that_retains_leaves_the_volume_and_an_unknown_provisioner_leaves_the_claim() -> None:
    own = storage_class("own", "ctrlkit/local-path", reclaimPolicy="Retain", volumeBindingMode="Immediate")
    other = storage_class("other", reclaimPolicy="Retain", volumeBindingMode="Immediate")
    claims = claim("a", storageClassName="own"), claim("b", storageClassName="other")
    async with World(own, other, *claims, cluster=WITHOUT_NODE) as world:
        await world.settle()
        assert (phases(world)["a"], phases(world)["b"]) == ("Bound", "Pending")
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "default/a")
        await world.settle()
        assert sorted(phases(world).values()) == ["Pending", "Released"]


async def test_a_claim_of_a_class_that_waits_is_bound_once_a_node_is_selected() -> None:
    waiting = storage_class(
        "slow", "ctrlkit/local-path", reclaimPolicy="Delete", volumeBindingMode="WaitForFirstConsumer"
    )
    user = pod("p", {"persistentVolumeClaim": {"claimName": "a"}}, schedulerName="by-hand")
    async with World(waiting, claim("a", storageClassName="slow"), cluster=WITHOUT_NODE) as world:
        await world.settle()
        assert reasons(world, "a") == {"WaitForFirstConsumer"}
        await world.client.create(PODS, user)
        await world.advance("15s")
        assert reasons(world, "a") == {"WaitForFirstConsumer", "WaitForPodScheduled"}
        annotation = {"volume.kubernetes.io/selected-node": "n1"}
        patch = MergePatch({"metadata": {"annotations": annotation}})
        await world.client.patch(PERSISTENT_VOLUME_CLAIMS, "default/a", patch)
        await world.settle()
        (made,) = world.tracker.list(PERSISTENT_VOLUMES)
        (term,) = made.at("spec.nodeAffinity.required.nodeSelectorTerms")
        assert term["matchExpressions"][0]["values"] == ["n1"]
        assert phases(world)["a"] == "Bound"


async def test_a_claim_in_use_outlives_its_deletion_until_the_pod_has_gone() -> None:
    user = pod("p", {"persistentVolumeClaim": {"claimName": "a"}}, nodeName="n1")
    async with World(user, claim("a"), cluster=WITHOUT_NODE) as world:
        await world.settle()
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "default/a")
        await world.settle()
        assert found(world, "a").metadata.deleting
        await world.client.delete(PODS, "default/p", grace_period_s=0)
        await world.settle()
        assert phases(world) == {}


async def test_a_volume_that_is_taken_away_by_force_makes_its_claim_lost() -> None:
    async with World(volume("v"), claim("a", storageClassName="slow"), cluster=WITHOUT_NODE) as world:
        await world.settle()
        await world.client.delete(PERSISTENT_VOLUMES, "v")
        await world.client.patch(PERSISTENT_VOLUMES, "v", MergePatch({"metadata": {"finalizers": None}}))
        await world.settle()
        assert phases(world) == {"a": "Lost"}
        assert "ClaimLost" in reasons(world, "a")


async def test_an_attributes_class_in_use_outlives_its_deletion() -> None:
    attributes: dict[str, Any] = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttributesClass",
        "metadata": {"name": "gold"},
        "driverName": "example.com",
        "parameters": {"a": "b"},
    }
    async with World(attributes, claim("a", volumeAttributesClassName="gold"), cluster=WITHOUT_NODE) as world:
        await world.settle()
        patch = MergePatch({"metadata": {"finalizers": ["kubernetes.io/vac-protection"]}})
        await world.client.patch(VOLUME_ATTRIBUTES_CLASSES, "gold", patch)
        await world.client.delete(VOLUME_ATTRIBUTES_CLASSES, "gold")
        await world.settle()
        assert world.tracker.get(VOLUME_ATTRIBUTES_CLASSES, "gold").metadata.deleting
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "default/a")
        await world.settle()
        assert not world.tracker.list(VOLUME_ATTRIBUTES_CLASSES)


async def test_a_pod_gets_the_claims_that_it_brings_and_they_go_with_it() -> None:
    own = storage_class("own", "ctrlkit/local-path", reclaimPolicy="Delete", volumeBindingMode="Immediate")
    template = {"spec": claim("x", storageClassName="own")["spec"], "metadata": {"labels": {"a": "b"}}}
    async with World(own, cluster=WITHOUT_NODE) as world:
        await world.client.create(PODS, pod("p", {"ephemeral": {"volumeClaimTemplate": template}}))
        await world.settle()
        made = found(world, "p-v0")
        assert (made.metadata.labels, made.at("status.phase")) == ({"a": "b"}, "Bound")
        assert made.metadata.controller is not None
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, made.key)
        await world.settle()
        assert found(world, "p-v0").metadata.uid != made.metadata.uid
        await world.client.delete(PODS, "default/p", grace_period_s=0)
        await world.settle()
        assert phases(world) == {}


async def test_a_claim_in_the_way_of_a_pods_own_is_told_of() -> None:
    template = {"spec": claim("x")["spec"]}
    async with World(claim("p-v0"), cluster=WITHOUT_NODE) as world:
        await world.client.create(PODS, pod("p", {"ephemeral": {"volumeClaimTemplate": template}}))
        await world.settle()
        assert reasons(world, "p") >= {"FailedBinding"}
        await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "default/p-v0")
        await world.settle()
        assert found(world, "p-v0").metadata.controller is not None


@pytest.mark.parametrize("provisioner", ["ctrlkit/local-path", "ebs.csi.aws.com"])
async def test_a_claim_grows_at_once_or_when_a_pod_uses_its_file_system(provisioner: str) -> None:
    growing = storage_class(
        "slow", provisioner, reclaimPolicy="Delete", volumeBindingMode="Immediate", allowVolumeExpansion=True
    )
    async with World(growing, claim("a", storageClassName="slow"), cluster=WITHOUT_NODE) as world:
        await world.settle()
        patch = MergePatch({"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
        await world.client.patch(PERSISTENT_VOLUME_CLAIMS, "default/a", patch)
        await world.settle()
        assert reasons(world, "a") >= {"ExternalExpanding", "Resizing"}
        if provisioner == "ebs.csi.aws.com":
            status = found(world, "a")["status"]
            assert status["allocatedResourceStatuses"] == {"storage": "NodeResizePending"}
            assert [one["type"] for one in status["conditions"]] == ["FileSystemResizePending"]
            world.seed(
                pod("p", {"persistentVolumeClaim": {"claimName": "a"}}, nodeName="n") | {"status": {"phase": "Running"}}
            )
            await world.settle()
            assert "FileSystemResizeSuccessful" in reasons(world, "p")
        status = found(world, "a")["status"]
        assert (status["capacity"], "conditions" in status) == ({"storage": "2Gi"}, False)
        (made,) = world.tracker.list(PERSISTENT_VOLUMES)
        assert made.at("spec.capacity") == {"storage": "2Gi"}


async def test_a_claim_gets_the_attributes_of_a_class_and_of_another_once_there_is_such_a_one() -> None:
    def attributes(name: str) -> dict[str, Any]:
        kind = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "metadata": {"name": name}}
        return kind | {"driverName": "ebs.csi.aws.com", "parameters": {"a": "b"}}

    own = storage_class("slow", "ebs.csi.aws.com", reclaimPolicy="Delete", volumeBindingMode="Immediate")
    asking = claim("a", storageClassName="slow", volumeAttributesClassName="silver")
    async with World(own, asking, cluster=WITHOUT_NODE) as world:
        await world.settle()
        assert "ProvisioningFailed" in reasons(world, "a")
        await world.client.create(VOLUME_ATTRIBUTES_CLASSES, attributes("silver"))
        await world.advance("15s")
        assert found(world, "a").at("status.currentVolumeAttributesClassName") == "silver"
        patch = MergePatch({"spec": {"volumeAttributesClassName": "gold"}})
        await world.client.patch(PERSISTENT_VOLUME_CLAIMS, "default/a", patch)
        await world.settle()
        assert found(world, "a").at("status.modifyVolumeStatus.status") == "Pending"
        await world.client.create(VOLUME_ATTRIBUTES_CLASSES, attributes("gold"))
        await world.advance("15s")
        status = found(world, "a")["status"]
        assert (status["currentVolumeAttributesClassName"], "modifyVolumeStatus" in status) == ("gold", False)
        (made,) = world.tracker.list(PERSISTENT_VOLUMES)
        assert made.at("spec.volumeAttributesClassName") == "gold"


async def test_a_claim_for_the_content_of_a_snapshot_waits_for_those_who_have_snapshots() -> None:
    own = storage_class("slow", "ebs.csi.aws.com", reclaimPolicy="Delete", volumeBindingMode="Immediate")
    snapshot = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
    asking = claim("a", storageClassName="slow", dataSource=snapshot)
    async with World(own, asking, cluster=WITHOUT_NODE) as world:
        await world.settle()
        assert (phases(world), reasons(world, "a")) == ({"a": "Pending"}, {"ExternalProvisioning"})


async def test_the_own_class_is_there_for_who_names_reads_or_lists_it() -> None:
    """Whoever looks first finds it: a claim that names it is bound, and what a test has declared is there too."""
    using = pod("p", {"persistentVolumeClaim": {"claimName": "a"}})
    async with World(claim("a", storageClassName="standard"), using, cluster=ALL) as world:
        await world.settle()
        assert (phases(world)["a"], world.tracker.get(PODS, "default/p").at("status.phase")) == ("Bound", "Running")
    async with World(cluster=ALL) as world:
        listed = await world.client.list(STORAGE_CLASSES)
        assert default_of(listed) == "standard"
    async with World(cluster=ALL) as world:
        assert (await world.client.get(STORAGE_CLASSES, "standard")).at("allowVolumeExpansion")
    declared = storage_class("declared")
    async with World(declared, cluster=ALL) as world:
        classes = world.tracker.list(STORAGE_CLASSES)
        assert ([one.key.name for one in classes], default_of(classes)) == (["declared", "standard"], "")
    async with World(declared, cluster=WITHOUT_NODE - {Loop.PROVISIONER}) as world:
        assert [one.key.name for one in world.tracker.list(STORAGE_CLASSES)] == ["declared"]
    async with World(storage_class("standard"), cluster=ALL) as world:
        assert default_of(world.tracker.list(STORAGE_CLASSES)) == ""


async def test_storage_costs_nothing_where_nobody_uses_it() -> None:
    async with World(cluster=ALL) as world:
        await world.client.create(PODS, pod("p"))
        await world.settle()
        controllers = {controller.name for controller in _cluster(world).controllers}
        assert "garbage" in controllers
        assert not controllers & {"volumes", "claim-protection", "volume-protection", "provisioner", "volume-expansion"}
        assert not world.tracker.log.collection(STORAGE_CLASSES.identity)
        await world.client.create(PERSISTENT_VOLUME_CLAIMS, claim("a"))
        await world.settle()
        assert {controller.name for controller in _cluster(world).controllers} >= {"volumes", "provisioner"}


def _cluster(world: World) -> Manager:
    """The manager of the cluster's loops."""
    (manager,) = (part._manager for part in world._parts if isinstance(part, Cluster))
    return manager
