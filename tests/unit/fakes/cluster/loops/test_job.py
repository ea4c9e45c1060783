"""A Job in a world makes its pods, counts how they end, and comes to its own end."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.client import Propagation
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Exits, Loop
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, JOBS, PODS, RESOURCE_QUOTAS

ALONE = frozenset({Loop.JOBS, Loop.GARBAGE})
"""No node: a pod's status is what the test writes."""

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


def job(*command: str, image: str = "work", restart: str = "Never", **spec: Any) -> dict[str, Any]:
    """A Job whose container runs a command."""
    container = {"name": "main", "image": image, "command": list(command)}
    template = {"spec": {"restartPolicy": restart, "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "default"},
        "spec": {"template": template, **spec},
    }


def get(world: World) -> Unstructured:
    return world.tracker.get(JOBS, "default/j")


def status(world: World) -> dict[str, Any]:
    found: dict[str, Any] = get(world)["status"]
    return found


def conditions(world: World) -> list[tuple[str, str, str]]:
    """The type, status and reason of each condition."""
    return [(one["type"], one["status"], one["reason"]) for one in status(world).get("conditions") or ()]


def told(world: World) -> list[tuple[str, str, str]]:
    """The Events about Jobs, without those about single pods."""
    found = [one for one in world.tracker.list(EVENTS) if one["involvedObject"]["kind"] == "Job"]
    assert {one["source"]["component"] for one in found} <= {"job-controller"}
    return [(one["type"], one["reason"], one["message"]) for one in found if "pod:" not in one["message"]]


async def end(world: World, code: int, *, index: str = "") -> None:
    """Let an active pod end, as its node would say."""
    active = [one for one in world.tracker.list(PODS) if one["status"].get("phase") == "Pending"]
    pod = next(one for one in active if not index or (one.metadata.annotations or {})[INDEX] == index)
    state = {"terminated": {"exitCode": code, "finishedAt": "2020-01-01T00:00:00Z"}}
    container = {"name": "main", "state": state, "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    change = {"status": {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}}
    await world.client.patch(PODS, pod.key, MergePatch(change), subresource="status")
    await world.settle()


async def test_a_job_is_complete_once_its_pods_have_succeeded() -> None:
    async with World(job("true", completions=3, parallelism=2), cluster=ALL) as world:
        await world.settle()
        assert conditions(world) == [
            ("SuccessCriteriaMet", "True", "CompletionsReached"),
            ("Complete", "True", "CompletionsReached"),
        ]
        assert {"succeeded": 3, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}.items() <= status(
            world
        ).items()
        assert status(world)["completionTime"] >= status(world)["startTime"]
        assert told(world) == [("Normal", "Completed", "Job completed")]
        pods = world.tracker.list(PODS)
        assert [one.metadata.finalizers for one in pods] == [None] * 3
        world.tracker.delete(JOBS, "default/j")
        await world.settle()
        assert world.tracker.list(JOBS) == []
        assert {one.metadata.controller for one in world.tracker.list(PODS)} == {None}, "orphaned, as by default"


async def test_a_pod_that_fails_is_replaced_after_a_back_off_until_the_limit() -> None:
    async with World(job("false", backoffLimit=2), cluster=ALL) as world:
        await world.settle()
        assert (status(world)["failed"], len(world.tracker.list(PODS))) == (1, 1)
        await world.advance("7s")
        assert len(world.tracker.list(PODS)) == 1
        await world.advance("4s")
        assert status(world)["failed"] == 2
        await world.advance("22s")
        assert conditions(world) == [
            ("FailureTarget", "True", "BackoffLimitExceeded"),
            ("Failed", "True", "BackoffLimitExceeded"),
        ]
        assert status(world)["failed"] == 3
        assert told(world) == [("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit")]


async def test_a_deadline_ends_a_job_and_its_pods_once_they_have_ended() -> None:
    async with World(job("sleep", "1h", activeDeadlineSeconds=60), cluster=ALL) as world:
        await world.settle()
        assert (status(world)["active"], status(world)["ready"]) == (1, 1)
        await world.advance("61s")
        assert conditions(world)[-1] == ("Failed", "True", "DeadlineExceeded")
        assert world.tracker.list(PODS) == []


async def test_a_script_ends_a_pod_in_its_time_and_an_image_may_have_a_program() -> None:
    async with World(job("sh", "-c", "sleep 30; exit 3", backoffLimit=1), cluster=ALL) as world:
        world.runtime.run_image("work", lambda address, spec: Exits(0, after_s=60))
        await world.advance("59s")
        assert conditions(world) == []
        await world.advance("1s")
        assert conditions(world)[-1][0] == "Complete"


async def test_pods_of_an_indexed_job_know_their_index() -> None:
    command = ("sh", "-c", "exit $JOB_COMPLETION_INDEX")
    spec = job(*command, completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=0)
    async with World(spec, cluster=ALL) as world:
        await world.settle()
        pods = world.tracker.list(PODS)
        indexes = [(one.metadata.annotations or {})[INDEX] for one in pods]
        assert sorted(indexes) == ["0", "1", "2"]
        assert [(one.metadata.labels or {})[INDEX] for one in pods] == indexes
        assert [one.at("spec.hostname") for one in pods] == [f"j-{index}" for index in indexes]
        assert all(one.metadata.name.startswith(f"j-{index}-") for one, index in zip(pods, indexes, strict=True))
        found = status(world)
        assert (found["completedIndexes"], found["failedIndexes"], found["failed"]) == ("0", "1,2", 2)
        assert conditions(world)[-1] == ("Failed", "True", "FailedIndexes")


async def test_a_new_pod_of_an_index_is_told_the_failures_before_it() -> None:
    spec = job(completions=2, parallelism=1, completionMode="Indexed", backoffLimitPerIndex=1)
    async with World(spec, cluster=ALONE) as world:
        await world.settle()
        await end(world, 1)
        pods = {
            (one.metadata.annotations or {})["batch.kubernetes.io/job-index-failure-count"]: one
            for one in world.tracker.list(PODS)
        }
        assert sorted(pods) == ["0", "1"]
        assert (pods["0"].metadata.finalizers, pods["1"].metadata.finalizers) == (None, (TRACKING,))


async def test_a_suspended_job_has_no_pods_and_begins_anew_when_it_is_resumed() -> None:
    async with World(job(parallelism=2, completions=2), cluster=ALL) as world:
        await world.settle()
        world.tracker.patch(JOBS, "default/j", MergePatch({"spec": {"suspend": True}}))
        await world.advance("31s")
        assert world.tracker.list(PODS) == []
        assert conditions(world) == [("Suspended", "True", "JobSuspended")]
        assert not {"startTime", "active", "failed"} & status(world).keys()
        world.tracker.patch(JOBS, "default/j", MergePatch({"spec": {"suspend": False}}))
        await world.settle()
        assert (conditions(world), status(world)["active"]) == ([("Suspended", "False", "JobResumed")], 2)
        assert told(world) == [("Normal", "Suspended", "Job suspended"), ("Normal", "Resumed", "Job resumed")]


async def test_an_indexed_job_grows_and_shrinks() -> None:
    async with World(job(completions=3, parallelism=3, completionMode="Indexed"), cluster=ALONE) as world:
        await world.settle()
        await end(world, 0, index="2")
        for size in (1, 2):
            world.tracker.patch(JOBS, "default/j", MergePatch({"spec": {"completions": size, "parallelism": size}}))
            await world.settle()
            active = [one for one in world.tracker.list(PODS) if one["status"]["phase"] == "Pending"]
            assert len(active) == size == status(world)["active"]
            assert "succeeded" not in status(world), "what is no index any more counts no more"


async def test_a_success_policy_ends_a_job_and_its_other_pods() -> None:
    rules = [{"succeededIndexes": "0", "succeededCount": 1}]
    spec = job(completions=3, parallelism=3, completionMode="Indexed", successPolicy={"rules": rules})
    async with World(spec, cluster=ALONE) as world:
        await world.settle()
        await end(world, 0, index="0")
        assert conditions(world) == [
            ("SuccessCriteriaMet", "True", "SuccessPolicy"),
            ("Complete", "True", "SuccessPolicy"),
        ]
        assert ("failed" in status(world), len(world.tracker.list(PODS))) == (False, 1)


async def test_a_failure_policy_fails_a_job_at_once() -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    spec = job(parallelism=2, completions=2, podFailurePolicy={"rules": [rule]})
    async with World(spec, cluster=ALONE) as world:
        await world.settle()
        await end(world, 42)
        assert conditions(world)[-1] == ("Failed", "True", "PodFailurePolicy")
        (one,) = world.tracker.list(PODS)
        text = (
            f"Container main for pod default/{one.key.name} failed with exit code 42 matching FailJob rule at index 0"
        )
        assert status(world)["conditions"][-1]["message"] == text
        assert status(world)["failed"] == 2


async def test_a_finished_job_is_deleted_with_its_pods_after_its_time() -> None:
    async with World(job("true", ttlSecondsAfterFinished=100), cluster=ALL) as world:
        await world.settle()
        await world.advance("98s")
        assert conditions(world)[-1][0] == "Complete"
        await world.advance("2s")
        assert world.tracker.list(JOBS) == world.tracker.list(PODS) == []


async def test_a_job_that_another_controller_manages_is_left_alone() -> None:
    async with World(job(managedBy="example.com/batch"), cluster=ALL) as world:
        await world.settle()
        assert world.tracker.list(PODS) == []
        assert not get(world).get("status")


@pytest.mark.parametrize("propagation", ["Foreground", "Background"])
async def test_a_deleted_jobs_pods_go_with_it_though_they_are_not_counted(propagation: str) -> None:

    async with World(job(), cluster=ALL) as world:
        await world.settle()
        await world.client.delete(JOBS, "default/j", propagation=Propagation(propagation))
        await world.advance("31s")
        assert world.tracker.list(JOBS) == world.tracker.list(PODS) == []


async def test_a_pod_that_is_selected_is_adopted_and_tracked_and_one_that_is_not_any_more_is_released() -> None:
    async with World(job(completions=2, parallelism=2), cluster=ALONE) as world:
        await world.settle()
        first, _ = world.tracker.list(PODS)
        world.tracker.patch(
            PODS, first.key, MergePatch({"metadata": {"labels": {"batch.kubernetes.io/controller-uid": "x"}}})
        )
        await world.settle()
        released = world.tracker.get(PODS, first.key)
        assert (released.metadata.controller, released.metadata.finalizers) == (None, None)
        assert len(world.tracker.list(PODS)) == 3
        uid = get(world).metadata.uid
        world.tracker.patch(
            PODS, first.key, MergePatch({"metadata": {"labels": {"batch.kubernetes.io/controller-uid": uid}}})
        )
        await world.settle()
        assert len(world.tracker.list(PODS)) == 2, "one of three was too many"
        assert all(TRACKING in (one.metadata.finalizers or ()) for one in world.tracker.list(PODS))


async def test_pods_that_cannot_be_made_are_told_and_tried_again() -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "default"},
        "spec": {"hard": {"pods": "1"}},
        "status": {"hard": {"pods": "1"}, "used": {"pods": "0"}},
    }
    async with World(quota, job(parallelism=3, completions=3), cluster=ALONE) as world:
        await world.settle()
        assert status(world)["active"] == 1
        assert any(reason == "FailedCreate" and "exceeded quota: few" in text for _, reason, text in told(world))
        world.tracker.delete(RESOURCE_QUOTAS, "default/few")
        await world.advance("1m")
        assert status(world)["active"] == 3


async def test_a_program_that_waits_is_told_to_end() -> None:
    async with World(job("work"), cluster=ALL) as world:
        await world.settle()
        (pod,) = world.tracker.list(PODS)
        world.runtime.end(pod.metadata.uid, 7, container="main")
        await world.settle()
        assert status(world)["failed"] == 1
        with pytest.raises(LookupError, match="settle the world first"):
            world.runtime.end(pod.metadata.uid)
