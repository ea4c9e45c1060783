"""A StatefulSet keeps the past of its template, adopts what it finds, and lets claims go with it where it should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.model import MergePatch, Options, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import CONTROLLER_REVISIONS, EVENTS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFULSETS

KEY = "default/db"
LOOPS = frozenset({Loop.STATEFUL_SETS, Loop.GARBAGE})
CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def db(replicas: int = 2, **spec: Any) -> dict[str, Any]:
    """A StatefulSet, changed by fields of its spec."""
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}
    selector = {"matchLabels": {"app": "db"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {"replicas": replicas, "serviceName": "db", "selector": selector, "template": template, **spec},
    }


def change(world: World, **spec: Any) -> None:
    world.tracker.patch(STATEFULSETS, KEY, MergePatch({"spec": spec}))


def image(world: World, name: str) -> None:
    change(world, template={"spec": {"containers": [{"name": "c", "image": name}]}})


def pods(world: World) -> dict[str, Unstructured]:
    return {pod.key.name: pod for pod in world.tracker.list(PODS)}


def images(world: World) -> dict[str, str]:
    return {name: pod.at("spec.containers")[0]["image"] for name, pod in pods(world).items()}


def numbers(world: World) -> dict[str, int]:
    """The numbers of the revisions, by the images of their templates."""
    return {
        one.at("data.spec.template.spec.containers")[0]["image"]: one["revision"]
        for one in world.tracker.list(CONTROLLER_REVISIONS)
    }


def make_ready(world: World, name: str, since: str = "2000-01-01T00:00:00Z") -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    status = {"status": {"phase": "Running", "conditions": [ready]}}
    world.tracker.patch(PODS, f"default/{name}", StrategicMergePatch(status), subresource="status")


def owners(world: World, claim: str) -> list[str]:
    found = world.tracker.get(PERSISTENT_VOLUME_CLAIMS, f"default/{claim}").at("metadata.ownerReferences") or ()
    return [f"{one['kind']}/{one['name']}" for one in found]


async def test_each_template_is_a_revision_and_one_that_comes_back_gets_a_new_number() -> None:
    """The pods' label, the name of the revision and the status agree."""
    async with World(db(), cluster=ALL) as world:
        await world.settle()
        image(world, "img:2")
        await world.settle()
        assert numbers(world) == {"img:1": 1, "img:2": 2}
        image(world, "img:1")
        await world.settle()
        assert numbers(world) == {"img:1": 3, "img:2": 2}
        newest = max(world.tracker.list(CONTROLLER_REVISIONS), key=lambda one: int(one["revision"]))
        status = world.tracker.get(STATEFULSETS, KEY)["status"]
        assert status["currentRevision"] == status["updateRevision"] == newest.key.name
        assert {(pod.metadata.labels or {})["controller-revision-hash"] for pod in pods(world).values()} == {
            newest.key.name
        }
        assert (newest.metadata.labels or {}).keys() == {"app", "controller.kubernetes.io/hash"}


async def test_no_more_revisions_are_kept_than_the_limit_says_but_those_that_live() -> None:
    async with World(db(revisionHistoryLimit=1), cluster=ALL) as world:
        for number in range(1, 5):
            image(world, f"img:{number}")
            await world.settle()
        assert numbers(world).keys() == {"img:3", "img:4"}


async def test_a_revision_of_the_same_name_with_other_data_is_evaded() -> None:
    """The collision is counted, and the pods have the other name."""
    async with World(db(), cluster=LOOPS) as world:
        await world.settle()
        (made,) = world.tracker.list(CONTROLLER_REVISIONS)
    stranger = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": made.key.name, "namespace": "default"},
        "data": {"other": 1},
        "revision": 7,
    }
    async with World(stranger, db(), cluster=LOOPS) as world:
        await world.settle()
        status = world.tracker.get(STATEFULSETS, KEY)["status"]
        assert status["collisionCount"] == 1
        assert status["updateRevision"] != made.key.name
        assert (pods(world)["db-0"].metadata.labels or {})["controller-revision-hash"] == status["updateRevision"]


async def test_pods_below_the_partition_come_back_as_they_were() -> None:
    async with World(db(replicas=3), cluster=ALL) as world:
        await world.settle()
        change(world, updateStrategy={"rollingUpdate": {"partition": 1}})
        image(world, "img:2")
        await world.settle()
        before = images(world)
        world.tracker.delete(PODS, "default/db-0")
        await world.settle()
        assert images(world) == before == {"db-0": "img:1", "db-1": "img:2", "db-2": "img:2"}


async def test_a_pod_is_available_once_it_has_been_ready_for_long_enough() -> None:
    """The next one waits for that."""
    async with World(db(minReadySeconds=30), cluster=ALL) as world:
        await world.settle()
        await world.advance("20s")
        assert list(pods(world)) == ["db-0"]
        status = world.tracker.get(STATEFULSETS, KEY)["status"]
        assert (status["readyReplicas"], status["availableReplicas"]) == (1, 0)
        await world.advance("70s")
        assert world.tracker.get(STATEFULSETS, KEY)["status"]["availableReplicas"] == 2


async def test_a_set_that_was_deleted_without_its_pods_and_made_again_adopts_them() -> None:
    """And their revision: no pod is made again."""
    async with World(db(), cluster=ALL) as world:
        await world.settle()
        before = {name: pod.metadata.uid for name, pod in pods(world).items()}
        world.tracker.delete(STATEFULSETS, KEY, Options(propagation_policy="Orphan"))
        await world.settle()
        assert {pod.metadata.controller for pod in pods(world).values()} == {None}
        made = world.tracker.create(STATEFULSETS, db())
        await world.settle()
        assert {name: pod.metadata.uid for name, pod in pods(world).items()} == before
        (revision,) = world.tracker.list(CONTROLLER_REVISIONS)
        assert revision.metadata.is_controlled_by(made.metadata)
        assert all(pod.metadata.is_controlled_by(made.metadata) for pod in pods(world).values())
        assert world.tracker.get(STATEFULSETS, KEY)["status"]["readyReplicas"] == 2


async def test_a_pod_whose_labels_are_others_is_released_and_made_again_when_it_has_gone() -> None:
    async with World(db(), cluster=ALL) as world:
        await world.settle()
        world.tracker.patch(PODS, "default/db-1", MergePatch({"metadata": {"labels": {"app": "other"}}}))
        await world.settle()
        assert pods(world)["db-1"].metadata.controller is None
        assert world.tracker.get(STATEFULSETS, KEY)["status"]["replicas"] == 1
        world.tracker.delete(PODS, "default/db-1")
        await world.settle()
        assert world.tracker.get(STATEFULSETS, KEY)["status"]["readyReplicas"] == 2


async def test_pods_are_numbered_from_the_start_that_is_asked_for() -> None:
    """Those below it go once the new ones are ready."""
    async with World(db(), cluster=ALL) as world:
        await world.settle()
        change(world, ordinals={"start": 1})
        await world.settle()
        assert list(pods(world)) == ["db-1", "db-2"]


@pytest.mark.parametrize(
    ("policy", "owned"),
    [
        ({}, []),
        ({"whenDeleted": "Delete"}, ["StatefulSet/db"]),
        ({"whenScaled": "Delete"}, []),
        ({"whenDeleted": "Delete", "whenScaled": "Delete"}, ["StatefulSet/db"]),
    ],
)
async def test_claims_are_owned_by_the_set_where_they_go_with_it(policy: Mapping[str, str], owned: list[str]) -> None:
    """And by the pod once it is too many, if they go with it."""
    spec = db(volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy)
    async with World(spec, cluster=LOOPS) as world:
        await world.settle()
        make_ready(world, "db-0")
        await world.settle()
        make_ready(world, "db-1")
        await world.settle()
        assert [owners(world, "data-db-0"), owners(world, "data-db-1")] == [owned, owned]
        world.tracker.patch(PODS, "default/db-1", MergePatch({"metadata": {"finalizers": ["test.dev/hold"]}}))
        change(world, replicas=1)
        await world.settle()
        goes = policy.get("whenScaled") == "Delete"
        assert owners(world, "data-db-1") == (["Pod/db-1"] if goes else owned)
        assert owners(world, "data-db-0") == owned


async def test_a_pod_waits_for_the_end_of_its_claim() -> None:
    """One that is being deleted would go under it; the Event says so, and nobody tries in vain."""
    async with World(db(replicas=1, volumeClaimTemplates=[CLAIM]), cluster=LOOPS) as world:
        await world.settle()
        claim = "default/data-db-0"
        held = MergePatch({"metadata": {"finalizers": ["test.dev/hold"]}})
        world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, claim, held)
        world.tracker.delete(PERSISTENT_VOLUME_CLAIMS, claim)
        world.tracker.delete(PODS, "default/db-0")
        await world.settle()
        assert pods(world) == {}
        messages = [one["message"] for one in world.tracker.list(EVENTS)]
        assert "Create Pod db-0 in StatefulSet db failed error: pvc data-db-0 is being deleted" in messages
        free = MergePatch({"metadata": {"finalizers": None}})
        world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, claim, free)
        await world.settle()
        assert list(pods(world)) == ["db-0"]
        assert not world.tracker.get(PERSISTENT_VOLUME_CLAIMS, claim).metadata.deleting


async def test_a_pod_that_is_adopted_gets_the_labels_of_one_that_was_made() -> None:
    bare = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db-0", "namespace": "default", "labels": {"app": "db"}},
        "spec": {"containers": [{"name": "c", "image": "img:1"}]},
    }
    async with World(bare, db(replicas=1, updateStrategy={"type": "OnDelete"}), cluster=LOOPS) as world:
        make_ready(world, "db-0")
        await world.settle()
        labels = pods(world)["db-0"].metadata.labels
        assert labels == {
            "app": "db",
            "statefulset.kubernetes.io/pod-name": "db-0",
            "apps.kubernetes.io/pod-index": "0",
        }
        assert "Update Pod db-0 in StatefulSet db successful" in [one["message"] for one in world.tracker.list(EVENTS)]


async def test_two_thousand_million_replicas_cost_nothing() -> None:
    """Their ordinals are compared, never listed."""
    async with World(db(replicas=2_000_000_000), cluster=LOOPS) as world:
        await world.settle()
        make_ready(world, "db-0")
        await world.settle()
        change(world, replicas=1_999_999_999, ordinals={"start": 1})
        await world.settle()
        assert list(pods(world)) == ["db-0", "db-1"]
        assert len(world.tracker.history()) < 100
