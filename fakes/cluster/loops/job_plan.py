"""
Plans what a Job does about its pods, and whether it has come to its end. Pure.

    how it ends    a decision that stands in the status, then the failure policy, the backoff limit, the deadline,
                   indexes that failed, the success policy, enough successes: the first of these that holds
    pods           those that are active are deleted when the Job ends or is suspended; otherwise there are as many as
                   `parallelism` says and completions are missing, and new ones wait for the back-off of failures

Indexes are intervals, and one reconcile makes or deletes `BURST` pods at most: what a plan costs grows with the pods
that there are, not with the numbers in a spec. What follows from the pods for the status is in job_status.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ctrlkit.fakes.cluster.loops.job_indexes import Indexes
from ctrlkit.fakes.cluster.loops.job_pods import Backoff, JobPod, JobSpec, restarts
from ctrlkit.fakes.cluster.loops.pods import moment_of, ready_since
from ctrlkit.fakes.cluster.loops.replicaset_plan import PHASES, restarts_for_rank

BURST = 500
"""How many pods one reconcile makes or deletes at most."""

_WAIT_MIN_S = 1.0
_NONE = Indexes()


class Ending(NamedTuple):
    """How a Job comes to its end: the reason and message of its conditions. One that `stands` is in the status."""

    reason: str
    message: str
    is_success: bool = False
    stands: bool = False


COMPLETED = Ending("CompletionsReached", "Reached expected number of succeeded pods", is_success=True)


@dataclass(frozen=True, slots=True)
class NewPod:
    """A pod to make: its completion index, and the failures of it before, where the Job counts those."""

    index: int | None = None
    failures: int | None = None
    ignored: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """
    What to do about a Job's pods.

    Shape   `delete` are deleted; without their finalizer if `uncounted`, since they are not to count as failures.
            `check_in_s` says when to look again, if nothing changes.
    """

    sums: Sums
    ending: Ending | None
    delete: Sequence[JobPod]
    uncounted: bool
    create: Sequence[NewPod]
    check_in_s: float | None


class Sums(NamedTuple):
    """
    What has ended so far.

    `completed` are the indexes that have succeeded, `before` those of them that the status has; `failed` are those that
    have failed, None where they are not counted. `last_failed` is the last pod of each index that is to be tried again:
    it keeps its finalizer until then, because its failures are told to the pod that replaces it.
    """

    succeeded: int
    failures: int
    backoff: Backoff
    before: Indexes
    completed: Indexes
    failed: Indexes | None
    last_failed: Mapping[int, JobPod]


def plan(job: JobSpec, status: Mapping[str, Any], pods: Sequence[JobPod], backoff: Backoff, now: datetime) -> JobPlan:
    """
    Plan what a Job does about its pods.

    >>> plan(JobSpec(name="j", namespace="d", parallelism=10**9, completions=2), {}, [], Backoff(), datetime.min).create
    (NewPod(index=None, failures=None, ignored=0), NewPod(index=None, failures=None, ignored=0))

    Shape   `pods` are those that the Job controls; `backoff` is what the last plan that was carried out left.
    """
    sums = _sum_up(job, status, pods, backoff)
    ending = _ending(job, status, pods, sums, now)
    active = [pod for pod in pods if pod.is_active]
    delete: Sequence[JobPod] = ()
    create: Sequence[NewPod] = ()
    left_s: list[float] = []
    if ending is not None:
        delete = active
    else:
        if job.deadline_s is not None and not job.is_suspended:
            left_s.append(job.deadline_s - _active_s(status, now))
        if not job.is_deleting:
            delete = _surplus(job, active, sums.succeeded)
            if not delete and not job.is_suspended:
                create, wait_s = _new_pods(job, pods, sums, now)
                left_s += [max(_WAIT_MIN_S, wait_s)] if wait_s else []
    return JobPlan(
        sums=sums,
        ending=ending,
        delete=delete,
        uncounted=ending is None,
        create=create,
        check_in_s=min(left_s, default=None),
    )


# ---- sums ------------------------------------------------------------------------------------------------------------


def may_count(job: JobSpec, pod: JobPod) -> bool:
    """Whether a pod counts for its Job: in an indexed one it needs an index that there is."""
    return not job.is_indexed or (pod.index is not None and pod.index < (job.completions or 0))


def _sum_up(job: JobSpec, status: Mapping[str, Any], pods: Sequence[JobPod], backoff: Backoff) -> Sums:
    uncounted = status.get("uncountedTerminatedPods") or {}
    successes, failures = uncounted.get("succeeded") or (), uncounted.get("failed") or ()
    fresh = [pod for pod in pods if pod.is_tracked and may_count(job, pod)]
    succeeded = [pod for pod in fresh if pod.has_succeeded and pod.uid not in successes]
    failed = [pod for pod in fresh if pod.has_failed and pod.uid not in failures]
    sums = Sums(
        succeeded=status.get("succeeded", 0) + len(succeeded) + len(successes),
        failures=status.get("failed", 0) + sum(pod.verdict.counts for pod in failed) + len(failures),
        backoff=backoff.after((pod.finished_at for pod in succeeded), (pod.finished_at for pod in failed)),
        before=_NONE,
        completed=_NONE,
        failed=None,
        last_failed={},
    )
    return _with_indexes(job, status, pods, sums) if job.is_indexed else sums


def _with_indexes(job: JobSpec, status: Mapping[str, Any], pods: Sequence[JobPod], sums: Sums) -> Sums:
    completions = job.completions or 0
    before = Indexes.read(status.get("completedIndexes") or "", completions)
    tracked = [pod for pod in pods if pod.is_tracked and may_count(job, pod)]
    completed = before | Indexes.of(pod.index for pod in tracked if pod.has_succeeded and pod.index is not None)
    sums = sums._replace(succeeded=len(completed), before=before, completed=completed)
    if job.backoff_limit_per_index is None:
        return sums
    limit = job.backoff_limit_per_index
    failed = Indexes.read(status.get("failedIndexes") or "", completions)
    failed |= Indexes.of(pod.index for pod in tracked if _fails_index(pod, limit) and pod.index is not None)
    return sums._replace(failed=failed, last_failed=_last_failed(pods, tracked, completed | failed))


def _fails_index(pod: JobPod, limit: int) -> bool:
    return pod.has_failed and (pod.verdict.fails_index or (pod.verdict.counts and pod.failures >= limit))


def _last_failed(pods: Iterable[JobPod], tracked: Iterable[JobPod], ended: Indexes) -> dict[int, JobPod]:
    """Find the last failed pod of each index that has neither an active pod nor come to its end."""
    active = {pod.index for pod in pods if pod.is_active}
    found: dict[int, JobPod] = {}
    for pod in tracked:
        index = pod.index
        if not pod.has_failed or index is None or index in ended or index in active:
            continue
        last = found.get(index)
        if last is None or (last.all_failures <= pod.all_failures and pod.finished_at >= last.finished_at):
            found[index] = pod
    return found


# ---- the end ---------------------------------------------------------------------------------------------------------


def is_true(status: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return a condition of a status if it is True."""
    found = (one for one in status.get("conditions") or () if one["type"] == name and one["status"] == "True")
    return next(found, None)


def is_finished(status: Mapping[str, Any]) -> bool:
    """Whether a Job is complete or has failed."""
    return is_true(status, "Complete") is not None or is_true(status, "Failed") is not None


def _ending(
    job: JobSpec, status: Mapping[str, Any], pods: Sequence[JobPod], sums: Sums, now: datetime
) -> Ending | None:
    for name, is_success in (("SuccessCriteriaMet", True), ("FailureTarget", False)):
        stands = is_true(status, name)
        if stands is not None:
            return Ending(stands.get("reason") or "", stands.get("message") or "", is_success, stands=True)
    for reason, message in _failures(job, status, pods, sums, now):
        return Ending(reason, message)
    for place, rule in enumerate(job.success_rules):
        if sums.completed.intervals and _meets(rule, sums.completed, job.completions or 0):
            return Ending("SuccessPolicy", f"Matched rules at index {place}", is_success=True)
    return None


def _failures(
    job: JobSpec, status: Mapping[str, Any], pods: Sequence[JobPod], sums: Sums, now: datetime
) -> Iterable[tuple[str, str]]:
    """Yield reasons and messages of what makes the Job fail, the first that counts first."""
    for pod in pods:
        if pod.has_failed and pod.verdict.fails_job:
            yield "PodFailurePolicy", pod.verdict.fails_job
    if sums.failures > job.backoff_limit or _restarts_exceed(job, pods):
        yield "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    if job.deadline_s is not None and not job.is_suspended and _active_s(status, now) >= job.deadline_s:
        yield "DeadlineExceeded", "Job was active longer than specified deadline"
    if sums.failed is not None:
        count = len(sums.failed)
        if job.failed_indexes_max is not None and count > job.failed_indexes_max:
            yield "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        if count and count + sums.succeeded >= (job.completions or 0):
            yield "FailedIndexes", "Job has failed indexes"


def _restarts_exceed(job: JobSpec, pods: Iterable[JobPod]) -> bool:
    if not job.restarts_on_failure:
        return False
    return sum(restarts(pod.pod) for pod in pods) >= max(1, job.backoff_limit)


def _active_s(status: Mapping[str, Any], now: datetime) -> float:
    """Return how long a Job has been active."""
    start = status.get("startTime")
    return (now - moment_of(start)).total_seconds() if start else 0.0


def _meets(rule: Mapping[str, Any], completed: Indexes, completions: int) -> bool:
    count = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return count is not None and len(completed) >= count
    wanted = Indexes.read(rule["succeededIndexes"], completions)
    if not wanted.intervals:
        return False
    shared = wanted.shared(completed)
    return shared == len(wanted) or (count is not None and shared >= count)


# ---- pods ------------------------------------------------------------------------------------------------------------


def _wanted(job: JobSpec, active: int, succeeded: int) -> int:
    """Return how many pods are to be active."""
    if job.is_suspended:
        return 0
    if job.completions is None:
        return active if succeeded else job.parallelism
    return max(0, min(job.parallelism, job.completions - succeeded))


def _surplus(job: JobSpec, active: Sequence[JobPod], succeeded: int) -> Sequence[JobPod]:
    """Return active pods that are too many, or that stand for no index, or for one that another stands for."""
    least = max(0, len(active) - _wanted(job, len(active), succeeded))
    surplus, rest = _without_index(job, active) if job.is_indexed else ([], list(active))
    if len(surplus) < least:
        rest.sort(key=_rank)
        surplus += rest[: least - len(surplus)]
    return surplus if job.is_suspended else surplus[:BURST]


def _without_index(job: JobSpec, active: Iterable[JobPod]) -> tuple[list[JobPod], list[JobPod]]:
    surplus: list[JobPod] = []
    by_index: dict[int, list[JobPod]] = {}
    for pod in active:
        if pod.index is None or not may_count(job, pod):
            surplus.append(pod)
        else:
            by_index.setdefault(pod.index, []).append(pod)
    rest: list[JobPod] = []
    for _, same in sorted(by_index.items()):
        same.sort(key=_rank)
        surplus += same[:-1]
        rest.append(same[-1])
    return surplus, rest


def _rank(pod: JobPod) -> tuple[object, ...]:
    """Order pods by how little they are missed."""
    since = ready_since(pod.pod)
    return (
        bool(pod.pod.at("spec.nodeName")),
        PHASES.get(pod.pod.at("status.phase") or "Pending", 0),
        since is not None,
        -since.timestamp() if since is not None else 0.0,
        tuple(-count for count in restarts_for_rank(pod.pod)),
        -moment_of(pod.pod.metadata.creation_timestamp).timestamp(),
    )


def _new_pods(job: JobSpec, pods: Sequence[JobPod], sums: Sums, now: datetime) -> tuple[Sequence[NewPod], float]:
    """Return the pods to make, and in how many seconds more may be made; 0 if none wait."""
    active = sum(pod.is_active for pod in pods)
    waited_for = sum(pod.is_terminating for pod in pods) if job.replaces_failed_only else 0
    count = min(BURST, _wanted(job, active, sums.succeeded) - waited_for - active)
    if count <= 0:
        return (), 0.0
    if job.backoff_limit_per_index is None:
        wait_s = sums.backoff.left_s(now)
        if wait_s:
            return (), wait_s
        if not job.is_indexed:
            return (NewPod(),) * count, 0.0
        return tuple(map(NewPod, _pending(job, pods, sums, count))), 0.0
    waits: dict[int, float] = {}
    for index, last in sums.last_failed.items():
        waits[index] = Backoff(last.all_failures + 1, last.finished_at).left_s(now)
    pending = _pending(job, pods, sums, count)
    ready = tuple(_replacing(index, sums.last_failed.get(index)) for index in pending if not waits.get(index))
    return ready, min((waits[index] for index in pending if waits.get(index)), default=0.0)


def _pending(job: JobSpec, pods: Sequence[JobPod], sums: Sums, count: int) -> list[int]:
    """Return the first indexes that have neither a pod nor come to their end."""
    there = (
        pod.index
        for pod in pods
        if pod.index is not None and (pod.is_active or (job.replaces_failed_only and pod.is_terminating))
    )
    taken = sums.completed | Indexes.of(there) | (sums.failed or _NONE)
    return taken.missing(job.completions or 0, count)


def _replacing(index: int, last: JobPod | None) -> NewPod:
    if last is None:
        return NewPod(index, 0)
    counts = last.verdict.counts
    return NewPod(index, last.failures + counts, last.ignored + (not counts))
