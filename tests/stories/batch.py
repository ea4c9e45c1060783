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
