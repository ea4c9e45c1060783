"""A budget says how many pods may go, and an eviction keeps to it."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit import clock
from ctrlkit.errors import TooManyRequests
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.cluster.loops.disruption_plan import Expected, disrupted, expect
from ctrlkit.fakes.cluster.loops.pods import moment_of
from ctrlkit.model import MergePatch, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import DEPLOYMENTS, EVENTS, POD_DISRUPTION_BUDGETS, PODS


def budget(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }


DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 4,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "img:1"}]},
        },
    },
}


UNMANAGED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "default", "labels": {"app": "web"}},
    "spec": DEPLOYMENT["spec"]["template"]["spec"],
}
UNKNOWN_OWNER = {"apiVersion": "example.com/v1", "kind": "Odd", "name": "x", "uid": "1", "controller": True}
LOST: dict[str, Any] = {**UNMANAGED, "metadata": {**UNMANAGED["metadata"], "ownerReferences": [UNKNOWN_OWNER]}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"maxUnavailable": 1}, Expected(10, 9)),
        ({"maxUnavailable": "25%"}, Expected(10, 7)),
        ({"maxUnavailable": 20}, Expected(10, 0)),
        ({"minAvailable": "25%"}, Expected(10, 3)),
        ({"minAvailable": 5}, Expected(8, 5)),
        ({}, Expected(0, 0)),
    ],
)
def test_expectations_are_of_the_scale_unless_a_number_must_be_there(spec: dict[str, Any], expected: Expected) -> None:
    assert expect(spec, pods=8, scale=10) == expected


def test_a_pod_that_was_to_go_and_is_still_there_counts_again_after_two_minutes() -> None:
    found = Unstructured({"status": {"disruptedPods": {"a": "2026-01-01T00:00:00Z", "gone": "2026-01-01T00:00:00Z"}}})
    pods = [Unstructured({"metadata": {"name": "a"}})]
    assert disrupted(found, pods, moment_of("2026-01-01T00:01:59Z")) == {"a": "2026-01-01T00:00:00Z"}
    assert disrupted(found, pods, moment_of("2026-01-01T00:02:01Z")) == {}


async def test_evictions_are_allowed_as_far_as_the_budget_goes() -> None:
    async with World(DEPLOYMENT, budget(maxUnavailable="25%"), cluster=ALL) as world:
        await world.settle()
        status = world.tracker.get(POD_DISRUPTION_BUDGETS, "default/b")["status"]
        assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (4, 3, 1)
        assert status["conditions"][0]["reason"] == "SufficientPods"
        first, second, *_ = world.tracker.list(PODS)
        await world.client.evict(first.key)
        with pytest.raises(TooManyRequests):
            await world.client.evict(second.key)
        await world.settle()
        assert world.tracker.get(POD_DISRUPTION_BUDGETS, "default/b")["status"]["currentHealthy"] == 4
        await world.client.evict(second.key)


async def test_a_pod_that_was_to_go_and_stays_is_told_of_and_no_target_any_more() -> None:
    """As where something refuses the deletion that an eviction had allowed; its budget has room for another one."""
    async with World(DEPLOYMENT, budget(maxUnavailable=1), cluster=ALL) as world:
        await world.settle()
        pod, *_ = world.tracker.list(PODS)
        now = clock.timestamp(clock.now())
        told = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "m"}
        patch = StrategicMergePatch({"status": {"conditions": [{**told, "lastTransitionTime": now}]}})
        await world.client.patch(PODS, pod.key, patch, subresource="status")
        gone = MergePatch({"status": {"disruptedPods": {pod.key.name: now}}})
        await world.client.patch(POD_DISRUPTION_BUDGETS, "default/b", gone, subresource="status")
        await world.advance(110)
        assert _target(world, pod) == {**told, "lastTransitionTime": now, "lastProbeTime": None}
        assert world.tracker.get(POD_DISRUPTION_BUDGETS, "default/b").at("status.disruptionsAllowed") == 0
        await world.advance(15)
        found = _target(world, pod)
        assert (found["status"], "reason" in found, "message" in found) == ("False", False, False)
        assert world.tracker.get(POD_DISRUPTION_BUDGETS, "default/b").at("status.disruptionsAllowed") == 1
        (event,) = [one for one in world.tracker.list(EVENTS) if one["reason"] == "NotDeleted"]
        assert event["involvedObject"]["name"] == pod.key.name


def _target(world: World, pod: Unstructured) -> dict[str, Any]:
    conditions = world.tracker.get(PODS, pod.key)["status"]["conditions"]
    (found,) = [dict(one) for one in conditions if one["type"] == "DisruptionTarget"]
    return found


async def test_a_pod_of_several_budgets_is_told_of() -> None:
    """As each of its evictions is going to be refused; each budget counts it nevertheless."""
    other = {**budget(minAvailable=1), "metadata": {"name": "a", "namespace": "default"}}
    async with World(budget(maxUnavailable=1), other, cluster=ALL) as world:
        await world.settle()
        await world.client.create(DEPLOYMENTS, DEPLOYMENT)
        await world.settle()
        pod, *_ = world.tracker.list(PODS)
        (told,) = [one for one in world.tracker.list(EVENTS) if _is_of_several_budgets(one, pod)]
        text = f'Pod "default"/"{pod.key.name}" matches multiple PodDisruptionBudgets.  Chose "a" arbitrarily.'
        assert (told["message"], told["type"]) == (text, "Warning")
        healthy = [one["status"]["currentHealthy"] for one in world.tracker.list(POD_DISRUPTION_BUDGETS)]
        assert healthy == [4, 4]


def _is_of_several_budgets(event: Unstructured, pod: Unstructured) -> bool:
    return (event["involvedObject"]["name"], event["reason"]) == (pod.key.name, "MultiplePodDisruptionBudgets")


async def test_pods_whose_controller_has_no_scale_stop_a_budget_that_needs_it() -> None:
    async with World(LOST, budget(maxUnavailable=1), cluster=ALL) as world:
        await world.settle()
        (condition,) = world.tracker.get(POD_DISRUPTION_BUDGETS, "default/b")["status"]["conditions"]
        assert (condition["reason"], condition["message"]) == ("SyncFailed", 'found no controllers for pod "a"')


@pytest.mark.parametrize(
    ("pods", "spec", "reason"),
    [
        ((), {"minAvailable": 1}, "NoPods"),
        ((), {"maxUnavailable": 1}, "NoPods"),
        ((UNMANAGED,), {"maxUnavailable": 1}, "UnmanagedPods"),
        ((LOST,), {"maxUnavailable": 1}, "CalculateExpectedPodCountFailed"),
    ],
)
async def test_what_is_told_of_a_new_budget_is_told_again_of_its_status(
    pods: tuple[dict[str, Any], ...], spec: dict[str, Any], reason: str
) -> None:
    """As a real controller looks again when it sees the status that it has written; then nothing changes any more."""
    async with World(*pods, cluster=ALL) as world:
        await world.settle()
        await world.client.create(POD_DISRUPTION_BUDGETS, budget(**spec))
        await world.settle()
        told = {one["reason"]: one["count"] for one in world.tracker.list(EVENTS) if _is_of_a_budget(one)}
        assert told == {reason: 2}
        await world.advance(600)
        assert {one["count"] for one in world.tracker.list(EVENTS) if _is_of_a_budget(one)} == {2}


def _is_of_a_budget(event: Unstructured) -> bool:
    return bool(event["involvedObject"]["kind"] == "PodDisruptionBudget")
