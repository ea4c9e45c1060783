"""
Plans what a CronJob does: which of its times is due, whether it makes a Job then, which finished Jobs go. Pure.

Of times that were missed the last one counts, unless it is longer ago than `startingDeadlineSeconds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.loops.job_plan import is_finished, is_true
from ctrlkit.fakes.cluster.loops.job_status import Told
from ctrlkit.fakes.cluster.loops.pods import moment_of
from ctrlkit.fakes.tracker.kinds.batch.schedules import Schedule, read_schedule, zone_of
from ctrlkit.model import Unstructured, to_plain
from ctrlkit.model.kinds import CRON_JOBS

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"

_DELAY_S = 0.1
"""How long after its time a Job is made: clocks differ."""
_MANY_MISSED = 100


class UnusableSchedule(Exception):
    """A schedule that says no times, or an unknown zone; with the Event about it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.told: Told = (EventType.WARNING, reason, message)


@dataclass(frozen=True, slots=True)
class CronPlan:
    """
    What a CronJob does now.

    Shape   `start` is the time that a Job is to be made for. `told` are Events. `check_in_s` says when to look again,
            None if only a change leads to anything.
    """

    start: datetime | None = None
    told: Sequence[Told] = ()
    check_in_s: float | None = None


def plan(cron_job: Unstructured, status: Mapping[str, Any], now: datetime) -> CronPlan:
    """Plan whether a CronJob makes a Job now; `status` is as its Jobs leave it."""
    spec: Mapping[str, Any] = cron_job["spec"]
    if cron_job.metadata.deleting:
        return CronPlan()
    told: list[Told] = []
    try:
        _check_zone(spec.get("timeZone"))
        if spec.get("suspend"):
            return CronPlan()
        told += _zone_told(spec)
        schedule = schedule_of(spec)
        due, is_many = _due(cron_job, status, schedule, now)
    except UnusableSchedule as error:
        return CronPlan(told=[*told, error.told])
    if is_many:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        told.append((EventType.WARNING, "TooManyMissedTimes", text))
    if due is not None:
        obstacles = _obstacles(cron_job, status, due, now)
        if obstacles is None:
            return CronPlan(start=due, told=told)
        told += obstacles
    return CronPlan(told=told, check_in_s=next_in_s(cron_job, status, schedule, now))


def _check_zone(zone: str | None) -> None:
    try:
        zone_of(zone or "")
    except ValueError as error:
        raise UnusableSchedule("UnknownTimeZone", f'invalid timeZone: "{zone}": {error}') from None


def _zone_told(spec: Mapping[str, Any]) -> Iterable[Told]:
    if "TZ" in spec["schedule"]:
        yield (
            EventType.WARNING,
            "UnsupportedSchedule",
            f'CRON_TZ or TZ used in schedule "{spec["schedule"]}" is not officially supported, see '
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
        )


def _is_done(cron_job: Unstructured, status: Mapping[str, Any], due: datetime) -> bool:
    """Whether a Job was made for a time."""
    name, last = job_name(cron_job, due), status.get("lastScheduleTime")
    return any(one["name"] == name for one in status.get("active") or ()) or (
        last is not None and moment_of(last) == due
    )


def _obstacles(
    cron_job: Unstructured, status: Mapping[str, Any], due: datetime, now: datetime
) -> Sequence[Told] | None:
    """Return the Events about what keeps a CronJob from making a Job that is due; None if nothing does."""
    spec: Mapping[str, Any] = cron_job["spec"]
    limit_s = spec.get("startingDeadlineSeconds")
    if limit_s is not None and due + timedelta(seconds=limit_s) < now:
        when = due.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        return [(EventType.WARNING, "MissSchedule", f"Missed scheduled time to start a job: {when}")]
    if _is_done(cron_job, status, due):
        return []
    if spec.get("concurrencyPolicy") == "Forbid" and status.get("active"):
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return [(EventType.NORMAL, "JobAlreadyActive", text)]
    return None


# ---- times -----------------------------------------------------------------------------------------------------------


def schedule_of(spec: Mapping[str, Any]) -> Schedule:
    """Read the schedule of a CronJob, in its zone. Errors: UnusableSchedule."""
    text, zone = spec["schedule"], spec.get("timeZone")
    try:
        return read_schedule(text if zone is None or "TZ" in text else f"TZ={zone} {text}")
    except ValueError as error:
        raise UnusableSchedule("UnparseableSchedule", f'unparseable schedule: "{text}" : {error}') from None


def _never(cron_job: Unstructured) -> UnusableSchedule:
    text = "time difference between two schedules is less than 1 second"
    return UnusableSchedule("InvalidSchedule", f"invalid schedule: {cron_job.at('spec.schedule')} : {text}")


@dataclass(frozen=True, slots=True)
class _Missed:
    """The times since the last one: from when they count, the last that is due, and how many there are about."""

    since: datetime
    last: datetime | None
    count: int = 0


def _missed(cron_job: Unstructured, since: datetime, schedule: Schedule, now: datetime) -> _Missed:
    first = schedule.next_after(since)
    if first is None:
        raise _never(cron_job)
    if now < first:
        return _Missed(since, None)
    second = schedule.next_after(first)
    if second is None:
        raise _never(cron_job)
    if now < second:
        return _Missed(since, first)
    between = second - first
    count = (now - first) // between + 1
    last, later = None, schedule.next_after(first + (count - 2) * between)
    while later is not None and later <= now:
        last, later = later, schedule.next_after(later)
    return _Missed(since, last, count)


def _last_time(cron_job: Unstructured, status: Mapping[str, Any]) -> datetime:
    return moment_of(status.get("lastScheduleTime") or cron_job.metadata.creation_timestamp)


def _due(
    cron_job: Unstructured, status: Mapping[str, Any], schedule: Schedule, now: datetime
) -> tuple[datetime | None, bool]:
    """Return the last time that is due, and whether very many were missed."""
    since, limit_s = _last_time(cron_job, status), cron_job.at("spec.startingDeadlineSeconds")
    if limit_s is not None:
        since = max(since, now - timedelta(seconds=limit_s))
    missed = _missed(cron_job, since, schedule, now)
    return missed.last, missed.last is not None and missed.count > _MANY_MISSED


def next_in_s(cron_job: Unstructured, status: Mapping[str, Any], schedule: Schedule, now: datetime) -> float | None:
    """Return in how many seconds the next Job is to be made; None for never."""
    try:
        missed = _missed(cron_job, _last_time(cron_job, status), schedule, now)
    except UnusableSchedule:
        after = now
    else:
        after = missed.last or (now if missed.count else missed.since)
    later = schedule.next_after(after)
    return None if later is None else (later - now).total_seconds() + _DELAY_S


# ---- Jobs ------------------------------------------------------------------------------------------------------------


def surplus(spec: Mapping[str, Any], jobs: Iterable[Unstructured]) -> list[Unstructured]:
    """Return the finished Jobs that are more than a CronJob keeps, those that began first first."""
    finished: dict[str, list[Unstructured]] = {"Complete": [], "Failed": []}
    for job in jobs:
        for name, found in finished.items():
            if is_true(job.get("status") or {}, name) is not None:
                found.append(job)
    limits = {"Complete": spec.get("successfulJobsHistoryLimit"), "Failed": spec.get("failedJobsHistoryLimit")}
    gone: list[Unstructured] = []
    for name, found in finished.items():
        limit = limits[name]
        if limit is not None and len(found) > limit:
            gone += sorted(found, key=_begin)[: len(found) - limit]
    return gone


def _begin(job: Unstructured) -> tuple[bool, datetime, str]:
    start = job.at("status.startTime")
    return not start, moment_of(start), job.metadata.name


def without_active(status: Mapping[str, Any], uid: str) -> dict[str, Any]:
    """Take a Job off the list of active ones."""
    left = [one for one in status.get("active") or () if one["uid"] != uid]
    rest = {name: value for name, value in status.items() if name != "active"}
    return {"active": left, **rest} if left else rest


def observe(
    status: Mapping[str, Any], jobs: Sequence[Unstructured], gone: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[Told]]:
    """Return the status as a CronJob's Jobs leave it, and Events; `gone` are active ones that there are no more."""
    new = dict(status)
    told: list[Told] = []
    for job in jobs:
        metadata, of_job = job.metadata, job.get("status") or {}
        is_listed = any(one["uid"] == metadata.uid for one in new.get("active") or ())
        if not is_finished(of_job):
            if not is_listed:
                text = f"Saw a job that the controller did not create or forgot: {metadata.name}"
                told.append((EventType.WARNING, "UnexpectedJob", text))
            continue
        condition = "Complete" if is_true(of_job, "Complete") is not None else "Failed"
        if is_listed:
            new = without_active(new, metadata.uid)
            text = f"Saw completed job: {metadata.name}, condition: {condition}"
            told.append((EventType.NORMAL, "SawCompletedJob", text))
        end, last = of_job.get("completionTime"), new.get("lastSuccessfulTime")
        if condition == "Complete" and end and (last is None or moment_of(end) > moment_of(last)):
            new["lastSuccessfulTime"] = end
    for one in gone:
        new = without_active(new, one["uid"])
        told.append((EventType.NORMAL, "MissingJob", f"Active job went missing: {one['name']}"))
    return new, told


def with_active(status: Mapping[str, Any], job: Unstructured, due: datetime) -> dict[str, Any]:
    """Note a Job that was made for a time."""
    metadata = job.metadata
    reference = {
        "kind": "Job",
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
        "apiVersion": "batch/v1",
        "resourceVersion": metadata.resource_version,
    }
    active = [*(status.get("active") or ()), reference]
    return {**status, "active": active, "lastScheduleTime": clock.timestamp(due)}


def job_name(cron_job: Unstructured, due: datetime) -> str:
    """Return the name of the Job for a time: it ends with the minute."""
    return f"{cron_job.metadata.name}-{int(due.timestamp()) // 60}"


def new_job(cron_job: Unstructured, due: datetime) -> dict[str, Any]:
    """Build the Job for a time."""
    template = cron_job.at("spec.jobTemplate") or {}
    metadata = template.get("metadata") or {}
    when = due.astimezone(zone_of(cron_job.at("spec.timeZone") or "")).isoformat()
    return {
        "metadata": {
            "name": job_name(cron_job, due),
            "namespace": cron_job.metadata.namespace,
            "labels": dict(metadata.get("labels") or {}),
            "annotations": {**(metadata.get("annotations") or {}), SCHEDULED: when.replace("+00:00", "Z")},
            "ownerReferences": [to_plain(CRON_JOBS.owner_reference(cron_job.metadata))],
        },
        "spec": deepcopy(template.get("spec") or {}),
    }
