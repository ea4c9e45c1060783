"""The status of a ResourceQuota says what its namespace uses, whatever comes and goes."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, PODS, RESOURCE_QUOTAS

QUOTA: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "q", "namespace": "default"},
    "spec": {"hard": {"pods": "2", "requests.cpu": "1", "count/configmaps": "9", "configmaps": "9"}},
}
CONTROL_PLANE = ALL - {Loop.SCHEDULER, Loop.KUBELET}


def pod(name: str) -> dict[str, Any]:
    container = {"name": "c", "image": "img:1", "resources": {"requests": {"cpu": "300m"}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container]}}


def used(world: World) -> dict[str, str]:
    quota: Unstructured = world.tracker.get(RESOURCE_QUOTAS, "default/q")
    found: dict[str, str] = quota["status"]["used"]
    return found


async def test_what_is_there_is_counted_and_what_goes_or_ends_is_given_back() -> None:
    async with World(cluster=CONTROL_PLANE) as world:
        world.tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
        world.tracker.create(PODS, pod("early"))
        world.tracker.create(RESOURCE_QUOTAS, QUOTA)
        await world.settle()
        assert used(world) == {"pods": "1", "requests.cpu": "300m", "count/configmaps": "1", "configmaps": "1"}
        world.tracker.create(PODS, pod("late"))
        assert used(world)["requests.cpu"] == "600m"
        world.tracker.patch(PODS, "default/late", MergePatch({"status": {"phase": "Succeeded"}}), subresource="status")
        world.tracker.delete(CONFIG_MAPS, "default/a")
        await world.settle()
        assert used(world) == {"pods": "1", "requests.cpu": "300m", "count/configmaps": "0", "configmaps": "0"}


async def test_a_changed_quota_says_at_once_what_is_hard() -> None:
    async with World(QUOTA, cluster=CONTROL_PLANE) as world:
        await world.settle()
        world.tracker.patch(RESOURCE_QUOTAS, "default/q", MergePatch({"spec": {"hard": {"pods": "7", "secrets": "1"}}}))
        await world.settle()
        status = world.tracker.get(RESOURCE_QUOTAS, "default/q")["status"]
        assert status["hard"]["pods"] == "7"
        assert status["used"]["secrets"] == "0"


async def test_what_no_served_kind_uses_is_not_said_to_be_used() -> None:
    """A name is counted from the moment in which a definition makes it that of a kind; Events never are."""
    hard = {"count/widgets.example.com": "1", "count/events.events.k8s.io": "9", "example.com/x": "1", "pods": "2"}
    quota = {**QUOTA, "spec": {"hard": hard}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    async with World(quota, cluster=CONTROL_PLANE) as world:
        await world.settle()
        assert used(world) == {"pods": "0"}
        await world.client.create(
            CUSTOM_RESOURCE_DEFINITIONS, {"metadata": {"name": "widgets.example.com"}, "spec": spec}
        )
        await world.settle()
        assert used(world) == {"pods": "0", "count/widgets.example.com": "0"}
