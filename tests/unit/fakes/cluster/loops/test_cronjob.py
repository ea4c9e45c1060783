"""A CronJob in a world makes Jobs when they are due; the world's time begins with the year 2026."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrlkit.errors import ServiceUnavailable
from ctrlkit.fakes import Calls, World
from ctrlkit.fakes.cluster import ALL, Cluster, InProcessRuntime, Loop
from ctrlkit.fakes.cluster.loops.cronjob_plan import CronPlan, plan
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import CRON_JOBS, EVENTS, JOBS, PODS

ALONE = frozenset({Loop.CRON_JOBS, Loop.GARBAGE})
"""Nobody runs the Jobs: they stay unfinished."""

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def cron_job(schedule: str, *command: str, **spec: Any) -> dict[str, Any]:
    """A CronJob whose pods run a command."""
    pods = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "work", "command": list(command)}]}
    template = {"metadata": {"labels": {"app": "c"}}, "spec": {"template": {"spec": pods}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "c", "namespace": "default"},
        "spec": {"schedule": schedule, "jobTemplate": template, **spec},
    }


def status(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.tracker.get(CRON_JOBS, "default/c").get("status") or {}
    return found


def told(world: World) -> list[tuple[str, str, str]]:
    """The Events about the CronJob."""
    found = [one for one in world.tracker.list(EVENTS) if one["involvedObject"]["kind"] == "CronJob"]
    assert {one["source"]["component"] for one in found} <= {"cronjob-controller"}
    return [(one["type"], one["reason"], one["message"]) for one in found]


def minutes(world: World) -> list[int]:
    """The minutes that Jobs were made for, since the beginning."""
    names = [one.metadata.name for one in world.tracker.list(JOBS)]
    return sorted(int(name.removeprefix("c-")) - int(BEGIN.timestamp()) // 60 for name in names)


async def test_a_job_is_made_when_it_is_due_and_old_ones_go() -> None:
    async with World(cron_job("*/10 * * * *", "true"), cluster=ALL) as world:
        await world.settle()
        assert (status(world), world.tracker.list(JOBS)) == ({}, [])
        await world.advance("1h5s")
        assert minutes(world) == [40, 50, 60], "three are kept"
        assert status(world)["lastScheduleTime"] == "2026-01-01T01:00:00Z"
        assert status(world)["lastSuccessfulTime"].startswith("2026-01-01T01:00:0")
        assert "active" not in status(world)
        job = world.tracker.get(JOBS, f"default/c-{int(BEGIN.timestamp()) // 60 + 60}")
        metadata = job.metadata
        assert (metadata.labels or {})["app"] == "c"
        assert (metadata.annotations or {}) == {
            "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T01:00:00Z"
        }
        assert metadata.controller is not None
        assert metadata.controller.kind == "CronJob"
        name = metadata.name
        assert ("Normal", "SuccessfulCreate", f"Created job {name}") in told(world)
        assert ("Normal", "SawCompletedJob", f"Saw completed job: {name}, condition: Complete") in told(world)
        assert len([one for one in told(world) if one[1] == "SuccessfulDelete"]) == 3
        world.tracker.delete(CRON_JOBS, "default/c")
        await world.settle()
        assert world.tracker.list(JOBS) == world.tracker.list(PODS) == []


async def test_jobs_that_failed_are_kept_apart_from_those_that_succeeded() -> None:
    spec = cron_job("* * * * *", "false", failedJobsHistoryLimit=2)
    spec["spec"]["jobTemplate"]["spec"]["backoffLimit"] = 0
    async with World(spec, cluster=ALL) as world:
        await world.advance("5m1s")
        assert minutes(world) == [4, 5]
        assert "lastSuccessfulTime" not in status(world)


@pytest.mark.parametrize(
    ("policy", "made", "active"), [("Allow", [1, 2, 3], 3), ("Forbid", [1], 1), ("Replace", [3], 1)]
)
async def test_a_job_that_runs_still_is_joined_or_kept_alone_or_replaced(
    policy: str, made: list[int], active: int
) -> None:
    async with World(cron_job("* * * * *", concurrencyPolicy=policy), cluster=ALONE) as world:
        await world.advance("3m1s")
        assert minutes(world) == made
        names = [f"c-{minute + int(BEGIN.timestamp()) // 60}" for minute in made]
        assert [one["name"] for one in status(world)["active"]] == names
        assert len(names) == active
        if policy == "Forbid":
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            assert ("Normal", "JobAlreadyActive", text) in told(world)


async def test_a_forbidden_job_is_made_up_for_once_the_other_has_finished() -> None:
    async with World(cron_job("* * * * *", "sleep", "90", concurrencyPolicy="Forbid"), cluster=ALL) as world:
        await world.advance("2m31s")
        assert minutes(world) == [1, 2], "the second one half a minute late"


async def test_a_schedule_is_in_its_zone() -> None:
    async with World(cron_job("30 9 * * *", timeZone="Asia/Kolkata"), cluster=ALONE) as world:
        await world.advance("4h1s")
        (job,) = world.tracker.list(JOBS)
        when = (job.metadata.annotations or {})["batch.kubernetes.io/cronjob-scheduled-timestamp"]
        assert when == "2026-01-01T09:30:00+05:30"
        assert status(world)["lastScheduleTime"] == "2026-01-01T04:00:00Z"


async def test_a_suspended_one_makes_nothing_and_later_one_job_for_all_that_it_missed() -> None:
    async with World(cron_job("* * * * *", suspend=True), cluster=ALONE) as world:
        await world.advance("5m30s")
        assert world.tracker.list(JOBS) == []
        world.tracker.patch(CRON_JOBS, "default/c", MergePatch({"spec": {"suspend": False}}))
        await world.settle()
        assert minutes(world) == [5]


async def test_a_new_schedule_counts_from_its_next_time() -> None:
    async with World(cron_job("0 12 * * *"), cluster=ALONE) as world:
        await world.advance("10m30s")
        world.tracker.patch(CRON_JOBS, "default/c", MergePatch({"spec": {"schedule": "*/5 * * * *"}}))
        await world.settle()
        assert world.tracker.list(JOBS) == []
        await world.advance("5m")
        assert minutes(world) == [15]


async def test_a_job_that_is_made_by_hand_is_unexpected_and_one_that_went_is_missed() -> None:
    async with World(cron_job("* * * * *"), cluster=ALONE) as world:
        await world.advance("61s")
        (job,) = world.tracker.list(JOBS)
        by_hand = {**job, "metadata": {"name": "mine", "namespace": "default"}, "status": {}}
        by_hand["metadata"]["ownerReferences"] = job["metadata"]["ownerReferences"]
        by_hand["spec"] = {"template": {"spec": job.at("spec.template.spec")}}
        await world.client.create(JOBS, by_hand)
        await world.settle()
        text = "Saw a job that the controller did not create or forgot: mine"
        assert ("Warning", "UnexpectedJob", text) in told(world)
        world.tracker.delete(JOBS, job.key)
        await world.settle()
        assert ("Normal", "MissingJob", f"Active job went missing: {job.key.name}") in told(world)
        assert "active" not in status(world)


async def test_a_job_is_made_once_though_its_note_was_lost() -> None:
    """The write of the status fails, and the Job is there already when the time is looked at again."""
    async with World(cluster=()) as world, InProcessRuntime(images={}) as runtime:
        world.start(Cluster(world.client, runtime, loops=ALONE))
        await world.client.create(CRON_JOBS, cron_job("* * * * *"))
        await world.settle()
        world.faults.fail(Calls("update", "cronjobs/status"), ServiceUnavailable("busy"), times=2)
        await world.advance("1m30s")
        assert minutes(world) == [1]
        assert [one["name"] for one in status(world)["active"]] == [one.key.name for one in world.tracker.list(JOBS)]


# ---- the plan --------------------------------------------------------------------------------------------------------


def planned(schedule: str, *, after: str, was: dict[str, Any] | None = None, **spec: Any) -> CronPlan:
    """What a CronJob that was made at the beginning does some time later."""
    one = cron_job(schedule, **spec)
    one["metadata"] = {**one["metadata"], "creationTimestamp": "2026-01-01T00:00:00Z"}
    hours, minutes_, seconds = map(float, after.split(":"))
    now = BEGIN + timedelta(hours=hours, minutes=minutes_, seconds=seconds)
    return plan(Unstructured(one), was or {}, now)


def test_of_times_that_were_missed_the_last_one_counts() -> None:
    made = planned("*/10 * * * *", after="0:35:0")
    assert (made.start, made.told) == (BEGIN + timedelta(minutes=30), [])
    many = planned("* * * * *", after="2:0:30")
    assert many.start == BEGIN + timedelta(hours=2)
    assert [one[1] for one in many.told] == ["TooManyMissedTimes"]
    every = planned("@every 7m", after="0:20:0")
    assert every.start == BEGIN + timedelta(minutes=14)
    gaps = planned("0 6-16/4 * * 1-5", after="127:0:0")
    assert gaps.start == BEGIN + timedelta(days=5, hours=6), "a Tuesday, with a weekend before it"


def test_what_is_due_for_longer_than_the_deadline_is_missed() -> None:
    late = planned("0 * * * *", after="1:5:0", startingDeadlineSeconds=60)
    assert late.start is None
    assert late.check_in_s == 55 * 60 + 0.1
    in_time = planned("0 * * * *", after="1:0:50", startingDeadlineSeconds=60)
    assert in_time.start == BEGIN + timedelta(hours=1)


@pytest.mark.parametrize(
    ("schedule", "spec", "reason", "text"),
    [
        (
            "59 23 31 2 *",
            {},
            "InvalidSchedule",
            "invalid schedule: 59 23 31 2 * : time difference between two schedules is less than 1 second",
        ),
        ("x", {}, "UnparseableSchedule", 'unparseable schedule: "x" : expected exactly 5 fields, found 1: [x]'),
        (
            "* * * * *",
            {"timeZone": "Mars/Olympus"},
            "UnknownTimeZone",
            'invalid timeZone: "Mars/Olympus": unknown time zone Mars/Olympus',
        ),
    ],
)
def test_a_schedule_that_makes_no_sense_is_told_and_waits_for_a_change(
    schedule: str, spec: dict[str, Any], reason: str, text: str
) -> None:
    made = planned(schedule, after="1:0:0", **spec)
    assert (made.start, made.check_in_s) == (None, None)
    assert [(one[1], one[2]) for one in made.told] == [(reason, text)]


def test_a_zone_in_the_schedule_counts_and_is_told() -> None:
    made = planned("TZ=Asia/Kolkata 30 9 * * *", after="4:0:30", timeZone="UTC")
    assert made.start == BEGIN + timedelta(hours=4)
    assert [one[1] for one in made.told] == ["UnsupportedSchedule"]


def test_a_time_that_was_served_is_not_served_again() -> None:
    was = {"lastScheduleTime": "2026-01-01T00:10:00Z"}
    made = planned("*/10 * * * *", after="0:12:0", was=was)
    assert (made.start, made.check_in_s) == (None, 8 * 60 + 0.1)
    key = ObjectKey("default", f"c-{int(BEGIN.timestamp()) // 60 + 10}")
    assert planned("*/10 * * * *", after="0:12:0", was={"active": [{"name": key.name, "uid": "1"}]}).start is None
