"""StatefulSets have their pods: in order, under stable names, replaced when lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ctrlkit.errors import Conflict, Forbidden
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.fakes.cluster import AlwaysReady, Cluster, InProcessRuntime
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Action, MergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFULSETS

KEY = "default/net"
PROBE = {"exec": {"command": ["check"]}, "periodSeconds": 1}


@asynccontextmanager
async def cluster() -> AsyncIterator[World]:
    async with InProcessRuntime(images={"web": lambda address, spec: AlwaysReady()}) as runtime, World() as world:
        world.start(Cluster(world.client, runtime, tracker=world.tracker))
        await world.settle()
        yield world


def a_set(**spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "net"}, "annotations": {"note": "x"}},
        "spec": {"containers": [{"name": "main", "image": "web:1"}]},
    }
    spec = {"replicas": 3, "serviceName": "net-svc", "selector": {"matchLabels": {"app": "net"}}, **spec}
    return {"metadata": {"name": "net", "namespace": "default"}, "spec": {"template": template, **spec}}


async def pods_of(world: World) -> dict[str, Unstructured]:
    return {pod.key.name: pod for pod in await world.client.list(PODS)}


def created(world: World) -> list[str]:
    writes = world.clientset.writes
    return [write.key for write in writes if write == Write("create", PODS, write.key)]


async def test_pods_come_in_order_under_stable_names() -> None:
    """Each carries what its controller, its service and people find it by."""
    async with cluster() as world:
        stateful_set = await world.client.create(STATEFULSETS, a_set())
        await world.settle()
        assert created(world) == ["default/net-0", "default/net-1", "default/net-2"]
        pod = (await pods_of(world))["net-1"]
        labels = pod.at("metadata.labels")
        revision = labels.pop("controller-revision-hash")
        assert labels == {
            "app": "net",
            "statefulset.kubernetes.io/pod-name": "net-1",
            "apps.kubernetes.io/pod-index": "1",
        }
        assert pod.at("metadata.annotations") == {"note": "x"}
        assert (pod.at("spec.hostname"), pod.at("spec.subdomain")) == ("net-1", "net-svc")
        assert pod.metadata.is_controlled_by(stateful_set.metadata)
        status = (await world.client.get(STATEFULSETS, KEY)).at("status")
        numbers = ("replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas")
        assert [status[name] for name in numbers] == [3] * 5
        assert (status["observedGeneration"], status["collisionCount"]) == (1, 0)
        assert status["currentRevision"] == status["updateRevision"] == revision


async def test_a_pod_waits_until_those_below_are_ready() -> None:
    """net-1 is made only once the probe of net-0 held."""
    async with cluster() as world:
        stateful_set = a_set(replicas=2)
        container = stateful_set["spec"]["template"]["spec"]["containers"][0]
        container["readinessProbe"] = PROBE | {"initialDelaySeconds": 5}
        await world.client.create(STATEFULSETS, stateful_set)
        await world.settle()
        await world.advance(4)
        assert list(await pods_of(world)) == ["net-0"]
        await world.advance(1)
        assert list(await pods_of(world)) == ["net-0", "net-1"]


async def test_a_deleted_pod_is_replaced_under_its_name() -> None:
    """Its uid and its address are new."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set())
        await world.settle()
        before = await pods_of(world)
        await world.client.delete(PODS, "default/net-1")
        await world.settle()
        after = await pods_of(world)
        assert list(after) == ["net-0", "net-1", "net-2"]
        assert after["net-1"].metadata.uid != before["net-1"].metadata.uid
        assert after["net-1"].at("status.podIP") != before["net-1"].at("status.podIP")
        assert after["net-2"].metadata.uid == before["net-2"].metadata.uid


async def test_a_failed_pod_is_replaced() -> None:
    """As after an eviction."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set(replicas=1))
        await world.settle()
        before = await pods_of(world)
        await world.client.patch(
            PODS, "default/net-0", MergePatch({"status": {"phase": "Failed"}}), subresource="status"
        )
        await world.settle()
        after = await pods_of(world)
        assert after["net-0"].metadata.uid != before["net-0"].metadata.uid
        assert after["net-0"].at("status.phase") == "Running"


async def test_scaling_removes_from_the_top_and_adds_to_it() -> None:
    """The others are not touched."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set())
        await world.settle()
        world.clientset.clear_actions()
        await world.client.set_scale(STATEFULSETS, KEY, 1)
        await world.settle()
        deleted = [write.key for write in world.clientset.writes if (write.verb, write.resource) == ("delete", PODS)]
        assert list(dict.fromkeys(deleted)) == ["default/net-2", "default/net-1"]
        await world.client.set_scale(STATEFULSETS, KEY, 2)
        await world.settle()
        assert list(await pods_of(world)) == ["net-0", "net-1"]
        assert (await world.client.get_scale(STATEFULSETS, KEY)).status_replicas == 2


async def test_a_new_template_reaches_all_pods() -> None:
    """Afterwards the new revision is the current one."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set())
        await world.settle()
        before = (await world.client.get(STATEFULSETS, KEY)).at("status.currentRevision")
        fields = {"spec": {"template": {"metadata": {"labels": {"app": "net", "tier": "b"}}}}}
        await world.client.patch(STATEFULSETS, KEY, MergePatch(fields))
        await world.settle()
        pods = await pods_of(world)
        assert [pod.at("metadata.labels.tier") for pod in pods.values()] == ["b"] * 3
        status = (await world.client.get(STATEFULSETS, KEY)).at("status")
        assert status["currentRevision"] == status["updateRevision"] != before
        assert status["updatedReplicas"] == 3


async def test_a_parallel_set_makes_all_its_pods_at_once() -> None:
    """Though none of them is ready."""
    async with cluster() as world:
        stateful_set = a_set(podManagementPolicy="Parallel")
        stateful_set["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx"
        await world.client.create(STATEFULSETS, stateful_set)
        await world.settle()
        assert list(await pods_of(world)) == ["net-0", "net-1", "net-2"]


async def test_the_pods_of_a_deleted_set_are_collected() -> None:
    """By their owner references."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set())
        await world.settle()
        await world.client.delete(STATEFULSETS, KEY)
        await world.settle()
        assert await pods_of(world) == {}


async def test_the_steady_state_writes_nothing() -> None:
    """A level-triggered loop rests where there is nothing to do."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set())
        await world.settle()
        world.clientset.clear_actions()
        await world.advance(3600)
        assert world.clientset.writes == []


async def test_a_refused_pod_is_an_event_and_is_tried_again() -> None:
    """The set is complete once the server lets it."""
    async with cluster() as world:
        refusals = 2

        def refuse(action: Action) -> None:
            nonlocal refusals
            refusals -= 1
            if refusals >= 0:
                raise Forbidden("exceeded quota")

        world.clientset.prepend_reactor("create", PODS, refuse)
        await world.client.create(STATEFULSETS, a_set(replicas=1))
        await world.advance("1m")
        assert list(await pods_of(world)) == ["net-0"]
        messages = {event.at("message") for event in await world.client.list(EVENTS)}
        assert "Create Pod net-0 in StatefulSet net failed error: exceeded quota" in messages


async def test_a_pod_of_that_name_that_is_not_ours_is_left_alone() -> None:
    """The set waits for its end, without a storm of attempts."""
    async with cluster() as world:
        other = {"metadata": {"name": "net-0", "namespace": "default"}, "spec": a_set()["spec"]["template"]["spec"]}
        await world.client.create(PODS, other)
        await world.settle()
        await world.client.create(STATEFULSETS, a_set(replicas=1))
        await world.settle()
        assert (await pods_of(world))["net-0"].metadata.controller is None
        assert world.clientset.writes.count(Write("create", PODS, "default/net-0")) <= 4


async def test_each_pod_has_its_claims_which_outlive_it() -> None:
    """They are made before the pod, take the place of the template's volume of their name, and are used again."""
    claim = {
        "metadata": {"name": "data", "labels": {"tier": "disk"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    spec = a_set(replicas=2, volumeClaimTemplates=[claim])
    container = {"name": "main", "image": "web:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volumes = [{"name": "tmp", "emptyDir": {}}]
    spec["spec"]["template"]["spec"] = {"containers": [container], "volumes": volumes}
    async with cluster() as world:
        await world.client.create(STATEFULSETS, spec)
        await world.settle()
        claims = {one.key.name: one for one in world.tracker.list(PERSISTENT_VOLUME_CLAIMS)}
        assert sorted(claims) == ["data-net-0", "data-net-1"]
        assert claims["data-net-0"].metadata.labels == {"tier": "disk", "app": "net"}
        pod = (await pods_of(world))["net-1"]
        found = {one["name"]: one for one in pod.at("spec.volumes")}
        assert list(found) == ["data", "tmp"]
        assert found["data"]["persistentVolumeClaim"] == {"claimName": "data-net-1"}
        await world.client.patch(STATEFULSETS, KEY, MergePatch({"spec": {"replicas": 1}}))
        await world.settle()
        await world.client.patch(STATEFULSETS, KEY, MergePatch({"spec": {"replicas": 2}}))
        await world.settle()
        after = {one.key.name: one.metadata.uid for one in world.tracker.list(PERSISTENT_VOLUME_CLAIMS)}
        assert after == {name: one.metadata.uid for name, one in claims.items()}


def a_set_with_claims_that_go(**spec: Any) -> dict[str, Any]:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    return a_set(
        podManagementPolicy="Parallel",
        volumeClaimTemplates=[claim],
        persistentVolumeClaimRetentionPolicy=policy,
        **spec,
    )


async def scale(world: World, replicas: int) -> None:
    await world.client.patch(STATEFULSETS, KEY, MergePatch({"spec": {"replicas": replicas}}))


def claim_names(world: World) -> list[str]:
    return [one.key.name for one in world.tracker.list(PERSISTENT_VOLUME_CLAIMS)]


async def test_a_pod_that_is_too_many_goes_only_when_its_claim_is_its_own() -> None:
    """Somebody else changes the claim in just that moment: it is tried again, and the pod stays until then."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set_with_claims_that_go(replicas=2))
        await world.settle()
        calls = Calls("update", PERSISTENT_VOLUME_CLAIMS, "default/data-net-1")
        world.faults.fail(calls, Conflict("it changed"), times=2)
        await scale(world, 1)
        await world.settle()
        assert (list(await pods_of(world)), claim_names(world)) == (["net-0"], ["data-net-0"])


async def test_a_claim_that_the_cache_does_not_show_goes_with_a_pod_that_is_too_many() -> None:
    """A set that is scaled up and down again at once, while changes of claims are told late."""
    async with cluster() as world:
        await world.client.create(STATEFULSETS, a_set_with_claims_that_go(replicas=1))
        await world.settle()
        with world.faults.stall_watches(Calls(resource=PERSISTENT_VOLUME_CLAIMS)):
            await scale(world, 2)
            await world.pass_time(1)
            await scale(world, 1)
            await world.pass_time(60)
        await world.settle()
        assert (list(await pods_of(world)), claim_names(world)) == (["net-0"], ["data-net-0"])


async def test_a_claim_that_is_shown_late_goes_with_its_set() -> None:
    async with cluster() as world:
        with world.faults.stall_watches(Calls(resource=PERSISTENT_VOLUME_CLAIMS)):
            await world.client.create(STATEFULSETS, a_set_with_claims_that_go(replicas=1))
            await world.pass_time(60)
        await world.settle()
        await world.client.delete(STATEFULSETS, KEY)
        await world.settle()
        assert claim_names(world) == []
