"""
The status of a Job: pods that have ended are counted once each, and conditions say how the Job does. Pure.

A pod is counted in two writes, so that a controller that ends between them counts it neither twice nor never:

    1  its uid is noted in `uncountedTerminatedPods` (or its index in `completedIndexes`), then it loses its finalizer
    2  the uids of pods without the finalizer become part of `succeeded` or `failed`

In the same way a Job ends in two writes: SuccessCriteriaMet or FailureTarget stand in the first, Complete or Failed in
the second, once all pods are counted and none is on its way out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.loops.job_plan import COMPLETED, Ending, JobPlan, may_count
from ctrlkit.fakes.cluster.loops.job_pods import JobPod, JobSpec

UNCOUNTED_MAX = 500
"""How many pods may be noted as ended at once."""

Status = dict[str, Any]
Told = tuple[EventType, str, str]
"""An Event: its type, reason and message."""

_COUNTS = ("active", "succeeded", "failed")
"""Fields of a status that are left out where they are 0."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done of a plan: pods that were deleted, those of them that were ready, and pods that were made."""

    deleted: int = 0
    deleted_ready: int = 0
    created: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """
    The first of the two writes, and what comes after it.

    Shape   `status` is the new one. Pods in `release` lose their finalizer after it is written. `ending` is how the Job
            ends, if it does; `is_last` is false while more pods wait to be noted. `told` are Events.
    """

    status: Status
    release: Sequence[JobPod]
    ending: Ending | None
    is_last: bool
    told: Sequence[Told]


def started(job: JobSpec, status: Mapping[str, Any], now: datetime) -> Status:
    """Return a status with what it has from a Job's first reconcile on."""
    new = {"uncountedTerminatedPods": {}, **status}
    if not job.is_suspended:
        new.setdefault("startTime", clock.timestamp(now))
    return new


def track(
    job: JobSpec, status: Mapping[str, Any], pods: Sequence[JobPod], *, plan: JobPlan, done: Done, now: datetime
) -> Tracking:
    """Return the status after a plan was carried out as far as `done` says, and what comes after it."""
    new = dict(status)
    active = [pod for pod in pods if pod.is_active]
    new["active"] = len(active) - done.deleted + done.created
    new["ready"] = sum(pod.is_ready for pod in active) - done.deleted_ready
    new["terminating"] = sum(pod.is_terminating for pod in pods) + done.deleted
    ending, told = plan.ending, []
    if ending is not None and done.deleted != len(active):
        ending = None  # the rest of them first
    elif ending is None and _is_complete(job, plan.sums.succeeded, new["active"]):
        ending = COMPLETED
    elif ending is None and not job.is_deleting:
        told = _suspend_or_resume(job, new, now)
    new = counted(new, {pod.uid for pod in pods if pod.is_tracked})
    release, is_last = _note_ended(job, new, pods, plan, ending)
    if job.is_indexed:
        _write_indexes(new, plan)
    if ending is not None and not ending.stands:
        name = "SuccessCriteriaMet" if ending.is_success else "FailureTarget"
        new["conditions"] = [*(new.get("conditions") or ()), _condition(name, "True", ending, now)]
    return Tracking(status=_compact(new), release=release, ending=ending, is_last=is_last, told=told)


def counted(status: Mapping[str, Any], tracked: Collection[str]) -> Status:
    """
    Count the pods that are noted as ended and have no finalizer any more.

    >>> counted({"failed": 1, "uncountedTerminatedPods": {"failed": ["a", "b"]}}, {"b"})
    {'failed': 2, 'uncountedTerminatedPods': {'failed': ['b']}}
    """
    new = dict(status)
    uncounted: dict[str, list[str]] = {}
    for name, uids in (status.get("uncountedTerminatedPods") or {}).items():
        left = [uid for uid in uids or () if uid in tracked]
        gone = len(uids or ()) - len(left)
        if gone:
            new[name] = new.get(name, 0) + gone
        if left:
            uncounted[name] = left
    new["uncountedTerminatedPods"] = uncounted
    return new


def finish(
    job: JobSpec, status: Mapping[str, Any], tracked: Collection[str], tracking: Tracking, now: datetime
) -> tuple[Status, Sequence[Told]]:
    """
    Return the status of the second write, and the Events about it.

    Shape   `status` is what the first write led to, `tracked` are the uids of the pods that have the finalizer still.
    """
    new = counted(status, tracked)
    ending = tracking.ending
    if ending is None or not tracking.is_last or new["uncountedTerminatedPods"] or new.get("terminating"):
        return _compact(new), ()
    name = "Complete" if ending.is_success else "Failed"
    new["conditions"] = [*(new.get("conditions") or ()), _condition(name, "True", ending, now)]
    if ending.is_success:
        new["completionTime"] = clock.timestamp(now)
    return _compact(new), tuple(_told_at_end(job, new, ending))


def _told_at_end(job: JobSpec, status: Status, ending: Ending) -> Iterator[Told]:
    if not ending.is_success:
        yield EventType.WARNING, ending.reason, ending.message
        return
    if job.completions is not None and status.get("succeeded", 0) > job.completions:
        text = "Too many succeeded pods running after completion count reached"
        yield EventType.WARNING, "TooManySucceededPods", text
    yield EventType.NORMAL, "Completed", "Job completed"


def _is_complete(job: JobSpec, succeeded: int, active: int) -> bool:
    """Whether enough pods have succeeded, and none is active any more."""
    return not active and (succeeded > 0 if job.completions is None else succeeded >= job.completions)


# ---- pods that have ended --------------------------------------------------------------------------------------------


def _note_ended(
    job: JobSpec, new: Status, pods: Sequence[JobPod], plan: JobPlan, ending: Ending | None
) -> tuple[list[JobPod], bool]:
    """Note the pods that have ended; return those that may lose their finalizer, and whether these are all."""
    noted = {name: list(uids) for name, uids in new["uncountedTerminatedPods"].items()}
    release: list[JobPod] = []
    fresh = 0
    is_last = True
    for pod in sorted(pods, key=_place) if job.is_indexed else pods:
        if not pod.is_tracked or not _may_release(job, pod, plan, ending):
            continue
        release.append(pod)
        name = _counts_as(job, pod, noted, ending)
        if name == "succeeded" and job.is_indexed:
            fresh += pod.index not in plan.sums.before
        elif name:
            noted.setdefault(name, []).append(pod.uid)
        if fresh + sum(map(len, noted.values())) >= UNCOUNTED_MAX:
            is_last = False
            break
    new["uncountedTerminatedPods"] = noted
    return release, is_last


def _place(pod: JobPod) -> int:
    return -1 if pod.index is None else pod.index


def _may_release(job: JobSpec, pod: JobPod, plan: JobPlan, ending: Ending | None) -> bool:
    if job.is_deleting or ending is not None or pod.has_succeeded:
        return True
    waits = pod.index is not None and plan.sums.last_failed.get(pod.index) is pod
    return pod.has_failed and not waits


def _counts_as(job: JobSpec, pod: JobPod, noted: Mapping[str, Sequence[str]], ending: Ending | None) -> str:
    """Return as what a pod is to be noted; "" if it is noted, or counts as neither."""
    if not may_count(job, pod) or pod.uid in noted.get("failed", ()):
        return ""
    if pod.has_succeeded:
        return "" if pod.uid in noted.get("succeeded", ()) else "succeeded"
    has_failed = pod.has_failed or (ending is not None and not ending.is_success)
    return "failed" if has_failed and pod.verdict.counts else ""


def _write_indexes(new: Status, plan: JobPlan) -> None:
    new["succeeded"] = len(plan.sums.completed)
    new["completedIndexes"] = str(plan.sums.completed)
    new.pop("failedIndexes", None)
    if plan.sums.failed is not None:
        new["failedIndexes"] = str(plan.sums.failed)


# ---- conditions ------------------------------------------------------------------------------------------------------


def _suspend_or_resume(job: JobSpec, new: Status, now: datetime) -> list[Told]:
    """Write whether the Job is suspended, if that is news; return the Event about it."""
    value, news = (
        ("True", Ending("JobSuspended", "Job suspended"))
        if job.is_suspended
        else ("False", Ending("JobResumed", "Job resumed"))
    )
    conditions = list(new.get("conditions") or ())
    place = next((place for place, one in enumerate(conditions) if one["type"] == "Suspended"), None)
    if place is None and not job.is_suspended:
        return []
    wanted = _condition("Suspended", value, news, now)
    if place is None:
        conditions.append(wanted)
    elif conditions[place]["status"] == value:
        return []
    else:
        conditions[place] = wanted
    new["conditions"] = conditions
    new.pop("startTime", None)
    if not job.is_suspended:
        new["startTime"] = clock.timestamp(now)
    return [(EventType.NORMAL, news.reason.removeprefix("Job"), news.message)]


def _condition(name: str, status: str, ending: Ending, now: datetime) -> dict[str, Any]:
    moment = clock.timestamp(now)
    said = {"reason": ending.reason, "message": ending.message}
    return {"type": name, "status": status, "lastProbeTime": moment, "lastTransitionTime": moment} | {
        key: text for key, text in said.items() if text
    }


def _compact(status: Status) -> Status:
    """Leave out what a server leaves out."""
    empty = {name for name in _COUNTS if not status.get(name)}
    if not status.get("completedIndexes"):
        empty.add("completedIndexes")
    return {name: value for name, value in status.items() if name not in empty}
