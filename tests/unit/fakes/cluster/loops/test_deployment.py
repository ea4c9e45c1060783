"""A Deployment in a world comes to life, rolls out, goes back, and says how it fares."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import DEPLOYMENTS, EVENTS, PODS, REPLICASETS, REPLICATION_CONTROLLERS, RESOURCE_QUOTAS

LOOPS = frozenset({Loop.DEPLOYMENTS, Loop.REPLICA_SETS})


def deployment(**spec: Any) -> dict[str, Any]:
    """A Deployment of two pods, changed by fields of its spec."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


def image(name: str) -> MergePatch:
    """A change of the image."""
    return MergePatch({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}})


def get(world: World) -> Unstructured:
    return world.tracker.get(DEPLOYMENTS, "default/web")


def condition(world: World, name: str) -> tuple[str, str]:
    """The status and reason of a condition of the Deployment."""
    found = next(one for one in get(world)["status"]["conditions"] if one["type"] == name)
    return found["status"], found["reason"]


async def test_a_deployment_becomes_available_and_goes_with_all_it_made() -> None:
    async with World(deployment(), cluster=ALL) as world:
        await world.settle()
        status = get(world)["status"]
        assert (status["replicas"], status["availableReplicas"], status["observedGeneration"]) == (2, 2, 1)
        assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
        assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
        world.tracker.delete(DEPLOYMENTS, "default/web")
        await world.settle()
        assert world.tracker.list(PODS) == world.tracker.list(REPLICASETS) == []


async def test_a_new_image_is_rolled_out_and_the_old_one_comes_back_as_a_new_revision() -> None:
    async with World(deployment(), cluster=ALL) as world:
        await world.settle()
        world.tracker.patch(DEPLOYMENTS, "default/web", image("img:2"))
        await world.settle()
        assert {pod.at("spec.containers")[0]["image"] for pod in world.tracker.list(PODS)} == {"img:2"}
        assert (get(world).metadata.annotations or {})["deployment.kubernetes.io/revision"] == "2"
        world.tracker.patch(DEPLOYMENTS, "default/web", image("img:1"))
        await world.settle()
        assert (get(world).metadata.annotations or {})["deployment.kubernetes.io/revision"] == "3"
        assert sorted(one.at("spec.replicas") for one in world.tracker.list(REPLICASETS)) == [0, 2]


@pytest.mark.parametrize("strategy", [{"type": "Recreate"}, {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}])
async def test_old_pods_go_first_where_there_is_no_room_for_more(strategy: dict[str, Any]) -> None:
    """A rolling update takes no notice of pods that are on their way out, Recreate waits for their end."""
    waits = strategy.get("type") == "Recreate"
    async with World(deployment(strategy=strategy), cluster=ALL) as world:
        await world.settle()
        world.tracker.patch(DEPLOYMENTS, "default/web", image("img:2"))
        await world.settle()
        assert get(world)["status"]["updatedReplicas"] == 2
        changes = [change for kind, change in world.tracker.history() if kind == "pods"]
        there: set[ObjectKey] = set()
        most = 0
        for change in changes:
            is_there = change.after is not None and (waits or not change.after.metadata.get("deletionTimestamp"))
            (there.add if is_there else there.discard)(change.key)
            most = max(most, len(there))
        assert most == 2


async def test_a_rollout_that_stands_still_has_failed_after_its_deadline() -> None:
    """Nobody makes the pods ready: there is no node."""
    async with World(deployment(progressDeadlineSeconds=60), cluster=LOOPS) as world:
        await world.settle()
        assert condition(world, "Progressing") == ("True", "ReplicaSetUpdated")
        await world.advance("70s")
        assert condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")
        assert condition(world, "Available") == ("False", "MinimumReplicasUnavailable")


async def test_pods_that_cannot_be_made_are_told_in_conditions_and_events() -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "default"},
        "spec": {"hard": {"pods": "1"}},
        "status": {"hard": {"pods": "1"}, "used": {"pods": "0"}},
    }
    async with World(quota, deployment(), cluster=LOOPS) as world:
        await world.settle()
        assert condition(world, "ReplicaFailure") == ("True", "FailedCreate")
        texts = [event["message"] for event in world.tracker.list(EVENTS) if event["reason"] == "FailedCreate"]
        assert any("exceeded quota: few" in text for text in texts)
        world.tracker.delete(RESOURCE_QUOTAS, "default/few")
        await world.advance("1m")
        assert get(world)["status"]["replicas"] == 2
        assert not [one for one in get(world)["status"]["conditions"] if one["type"] == "ReplicaFailure"]


async def test_a_pod_that_is_selected_is_adopted_and_one_that_is_not_any_more_is_released() -> None:
    labels = {"app": "web"}
    bare = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bare", "namespace": "default", "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "img:1"}]},
    }
    controller = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 1, "selector": labels, "template": {"metadata": {"labels": labels}, "spec": bare["spec"]}},
    }
    async with World(bare, controller, cluster=[Loop.REPLICATION_CONTROLLERS]) as world:
        await world.settle()
        (pod,) = world.tracker.list(PODS)
        assert pod.metadata.controller is not None
        assert pod.metadata.controller.kind == "ReplicationController"
        world.tracker.patch(PODS, "default/bare", MergePatch({"metadata": {"labels": {"app": "other"}}}))
        await world.settle()
        owners = {one.key.name: one.metadata.controller for one in world.tracker.list(PODS)}
        assert owners.pop("bare") is None
        assert len(owners) == 1
        assert world.tracker.get(REPLICATION_CONTROLLERS, "default/web")["status"]["replicas"] == 1


async def test_what_has_the_name_of_its_replica_set_is_evaded_by_another_hash() -> None:
    async with World(deployment(), cluster=LOOPS) as world:
        await world.settle()
        (made,) = world.tracker.list(REPLICASETS)
    stranger = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": made.key.name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": made.at("spec.template.spec")},
        },
    }
    async with World(stranger, deployment(), cluster=LOOPS) as world:
        await world.settle()
        assert get(world)["status"]["collisionCount"] == 1
        assert get(world)["status"]["updatedReplicas"] == 2
