"""Stories of Jobs and CronJobs."""

from __future__ import annotations

from typing import Any

from ctrlkit.client import Propagation
from ctrlkit.model.kinds import CRON_JOBS, JOBS
from tests.stories.scene import Scene, conditions, template

TIMES = ("startTime", "completionTime", "lastScheduleTime", "lastSuccessfulTime")


def job(image: str, **more: Any) -> dict[str, Any]:
    """The spec of a Job."""
    return {"template": {"spec": template(image, restartPolicy="Never")["spec"]}, **more}


async def told(scene: Scene, name: str = "once") -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """The counts and conditions of a Job."""
    found = await scene.get(JOBS, name)
    kept = {key: value for key, value in found["status"].items() if key not in (*TIMES, "conditions")}
    return kept, conditions(found)


async def a_job_completes(scene: Scene) -> None:
    """Two pods, one after the other, and it is complete; its pods are there until it goes."""
    await scene.make(JOBS, "once", job("done:1", completions=2))
    complete = {
        "SuccessCriteriaMet": ("True", "CompletionsReached"),
        "Complete": ("True", "CompletionsReached"),
    }
    status = {"succeeded": 2, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    await scene.becomes(lambda: told(scene), (status, complete))
    assert await scene.phases() == {"once-*": "Succeeded"}
    texts = {("SuccessfulCreate", "Created pod: once-*"), ("Completed", "Job completed")}

    async def events() -> set[tuple[str, str]]:
        return set(await scene.events("Job", "once"))

    await scene.becomes(events, texts)
    await scene.delete(JOBS, "once", propagation=Propagation.BACKGROUND)
    await scene.is_gone(JOBS, "once")
    await scene.becomes(scene.phases, {})


async def a_job_fails(scene: Scene) -> None:
    """Its pods fail more often than it may; it is failed, and says why."""
    await scene.make(JOBS, "once", job("fails:1", backoffLimit=0))
    failed = {
        "FailureTarget": ("True", "BackoffLimitExceeded"),
        "Failed": ("True", "BackoffLimitExceeded"),
    }
    status = {"failed": 1, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    await scene.becomes(lambda: told(scene), (status, failed))
    messages = {one["message"] for one in (await scene.get(JOBS, "once"))["status"]["conditions"]}
    assert messages == {"Job has reached the specified backoff limit"}
    assert await scene.phases() == {"once-*": "Failed"}


async def an_index_may_fail_alone(scene: Scene) -> None:
    """One index fails more often than it may, the others succeed, and the Job has failed with all of them counted."""
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [7]}}
    spec = job("by-index:1", completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=5)
    await scene.make(JOBS, "once", spec | {"podFailurePolicy": {"rules": [rule]}})
    failed = {"FailureTarget": ("True", "FailedIndexes"), "Failed": ("True", "FailedIndexes")}
    counts = {"succeeded": 1, "failed": 2, "completedIndexes": "0", "failedIndexes": "1,2"}
    status = {**counts, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    await scene.becomes(lambda: told(scene), (status, failed))
    assert await scene.phases() == {"once-0-*": "Succeeded", "once-1-*": "Failed", "once-2-*": "Failed"}


async def a_success_policy_ends_a_job(scene: Scene) -> None:
    """One index suffices; what runs for the others is stopped."""
    spec = job("by-index:1", completions=3, parallelism=3, completionMode="Indexed", backoffLimit=0)
    await scene.make(JOBS, "once", spec | {"suspend": True, "successPolicy": {"rules": [{"succeededIndexes": "0"}]}})
    waiting = {"ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    await scene.becomes(lambda: told(scene), (waiting, {"Suspended": ("True", "JobSuspended")}))
    await scene.change(JOBS, "once", {"spec": {"parallelism": 1, "suspend": False}})
    complete = {
        "Suspended": ("False", "JobResumed"),
        "SuccessCriteriaMet": ("True", "SuccessPolicy"),
        "Complete": ("True", "SuccessPolicy"),
    }

    async def ends() -> tuple[object, object]:
        counts, conditions_ = await told(scene)
        return (counts.get("completedIndexes"), counts.get("active")), conditions_

    await scene.becomes(ends, (("0", None), complete))


async def a_job_is_suspended_runs_and_goes(scene: Scene) -> None:
    """Suspended, it loses its pods; resumed, it makes others; past its deadline it fails, and then it goes."""
    await scene.make(JOBS, "once", job("web:1", parallelism=2, completions=2, ttlSecondsAfterFinished=1))
    running = {"active": 2, "ready": 2, "terminating": 0, "uncountedTerminatedPods": {}}
    await scene.becomes(lambda: told(scene), (running, {}))
    await scene.change(JOBS, "once", {"spec": {"suspend": True}})
    still = {"ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    await scene.becomes(lambda: told(scene), (still, {"Suspended": ("True", "JobSuspended")}))
    assert await scene.phases() == {}
    await scene.change(JOBS, "once", {"spec": {"suspend": False}})
    await scene.becomes(lambda: told(scene), (running, {"Suspended": ("False", "JobResumed")}))
    await scene.change(JOBS, "once", {"spec": {"activeDeadlineSeconds": 1}})
    await scene.is_gone(JOBS, "once")
    await scene.becomes(scene.phases, {})
    reasons = [reason for reason, _ in await scene.events("Job", "once")]
    assert {"Suspended", "Resumed", "DeadlineExceeded"} <= set(reasons)


async def a_cron_job_is_due_each_minute(scene: Scene) -> None:
    """At the next full minute it makes a Job, which completes."""
    made = await scene.make(CRON_JOBS, "each", {"schedule": "* * * * *", "jobTemplate": {"spec": job("done:1")}})

    async def done() -> list[tuple[str, bool]]:
        found = await scene.all_of(JOBS)
        return [
            (one.metadata.controller.uid, "Complete" in conditions(one)) for one in found if one.metadata.controller
        ][:1]

    await scene.becomes(done, [(made.metadata.uid, True)])

    async def scheduled() -> bool:
        status = (await scene.get(CRON_JOBS, "each")).get("status", {})
        return {"lastScheduleTime", "lastSuccessfulTime"} <= set(status)

    await scene.becomes(scheduled, True)
    await scene.delete(CRON_JOBS, "each")
    await scene.becomes(lambda: scene.all_of(JOBS), [])
    await scene.becomes(scene.phases, {})
