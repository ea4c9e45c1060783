"""
The Job controller: makes pods until enough have succeeded, as job_plan.py decides, and counts them by job_status.py.

A new or changed spec is looked at at once, what happens to pods after a second, with what else happens until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import (
    DONE,
    Controller,
    Outcome,
    Request,
    RequeueAfter,
    Watch,
    generation_changed,
    to_owner,
    to_self,
)
from ctrlkit.errors import ApiError, Forbidden, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import BY_CONTROLLER, Claims, index_children, to_adopting
from ctrlkit.fakes.cluster.loops.failures import Refusals, is_namespace_ending
from ctrlkit.fakes.cluster.loops.finished_jobs import add_finished_jobs
from ctrlkit.fakes.cluster.loops.job_plan import JobPlan, NewPod, is_finished, plan
from ctrlkit.fakes.cluster.loops.job_pods import (
    FAILURES,
    IGNORED,
    INDEX,
    TRACKING,
    Backoff,
    JobPod,
    JobSpec,
    read_job,
    read_pod,
)
from ctrlkit.fakes.cluster.loops.job_status import Done, Status, finish, started, track
from ctrlkit.fakes.cluster.loops.pods import pod_of_template
from ctrlkit.fakes.cluster.loops.replicaset_plan import batches
from ctrlkit.manager import Manager
from ctrlkit.model import LabelSelector, ObjectKey, ObjectMeta, Record, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import JOBS, PODS

_WORKERS = 5
_BATCH_S = 1.0
_OURS = "kubernetes.io/job-controller"
_PREFIX_MAX = 58
"""Letters of a generated name before the random ones."""
_UNTRACKED = StrategicMergePatch({"metadata": {"$deleteFromPrimitiveList/finalizers": [TRACKING]}})


@dataclass(slots=True)
class _Taken:
    """What was done of a plan so far, and the first failure."""

    deleted: int = 0
    deleted_ready: int = 0
    created: int = 0
    failure: ApiError | None = None

    def failed(self, error: ApiError) -> None:
        self.failure = self.failure or error


@dataclass(frozen=True, slots=True)
class Jobs:
    """Reconciles Jobs. How often their pods have failed since the last success is kept here, by uid."""

    client: Client
    jobs: Lister[Unstructured]
    pods: Claims
    recorder: EventRecorder
    refusals: Refusals = field(default_factory=lambda: Refusals(first_s=1.0, most_s=60.0))
    _backoffs: dict[ObjectKey, tuple[str, Backoff]] = field(default_factory=dict, init=False)

    async def reconcile(self, request: Request) -> Outcome:
        """Make and delete pods, then count those that have ended."""
        one = self.jobs.find(request.key)
        if one is None or is_finished(one.get("status") or {}):
            self._backoffs.pop(request.key, None)
            self.refusals.forget(request.key)
            return DONE
        if not is_ours(one):
            return DONE
        job = read_job(one)
        pods = [read_pod(pod, job) for pod in await self.pods.claim(one, selector_of(one))]
        uid, backoff = self._backoffs.get(request.key, ("", Backoff()))
        if uid != one.metadata.uid:
            backoff = Backoff()
        status = started(job, one.get("status") or {}, clock.now())
        planned = plan(job, status, pods, backoff, clock.now())
        taken = await self._take(one, job, planned)
        await self._write_status(one, job, status, pods, planned=planned, taken=taken)
        if isinstance(taken.failure, Forbidden):
            return self.refusals.again(request.key)
        self.refusals.forget(request.key)
        if taken.failure is not None:
            raise taken.failure
        return DONE if planned.check_in_s is None else RequeueAfter(max(planned.check_in_s, 0.001))

    # ---- pods ----------------------------------------------------------------------------------------------------

    async def _take(self, one: Unstructured, job: JobSpec, planned: JobPlan) -> _Taken:
        taken = _Taken()
        for pod in planned.delete:
            await self._delete(one, pod, taken, uncounted=planned.uncounted)
        waiting = list(planned.create)
        for size in batches(len(waiting)):
            if taken.failure is not None:
                break  # the others would fail in the same way
            batch, waiting = waiting[:size], waiting[size:]
            for new in batch:
                await self._create(one, job, new, taken)
        return taken

    async def _delete(self, one: Unstructured, pod: JobPod, taken: _Taken, *, uncounted: bool) -> None:
        key = pod.pod.key
        taken.deleted_ready += pod.is_ready
        try:
            if uncounted and pod.is_tracked:
                await self.client.patch(PODS, key, _UNTRACKED)
            await self.client.delete(PODS, key, uid=pod.uid)
        except NotFound:
            pass
        except ApiError as error:
            self._record(one, EventType.WARNING, "FailedDelete", f"Error deleting: {error.message}")
            taken.failed(error)
            return
        else:
            self._record(one, EventType.NORMAL, "SuccessfulDelete", f"Deleted pod: {key.name}")
        taken.deleted += 1

    async def _create(self, one: Unstructured, job: JobSpec, new: NewPod, taken: _Taken) -> None:
        try:
            made = await self.client.create(PODS, new_pod(one, job, new))
        except ApiError as error:
            if not is_namespace_ending(error):
                self._record(one, EventType.WARNING, "FailedCreate", f"Error creating: {error.message}")
                taken.failed(error)
        else:
            self._record(one, EventType.NORMAL, "SuccessfulCreate", f"Created pod: {made.key.name}")
            taken.created += 1

    # ---- status --------------------------------------------------------------------------------------------------

    async def _write_status(
        self,
        one: Unstructured,
        job: JobSpec,
        status: Status,
        pods: Sequence[JobPod],
        *,
        planned: JobPlan,
        taken: _Taken,
    ) -> None:
        done = Done(taken.deleted, taken.deleted_ready, taken.created)
        first = track(job, status, pods, plan=planned, done=done, now=clock.now())
        for told in first.told:
            self._record(one, *told)
        if first.status != (one.get("status") or {}):
            one = await self.client.update_status(JOBS, {**one, "status": first.status})
            self._backoffs[one.key] = one.metadata.uid, planned.sums.backoff
        tracked = {pod.uid for pod in pods if pod.is_tracked}
        for pod in first.release:
            if await self._release(pod, taken):
                tracked.discard(pod.uid)
        second, told_at_end = finish(job, first.status, tracked, first, clock.now())
        if second != first.status:
            await self.client.update_status(JOBS, {**one, "status": second})
        for told in told_at_end:
            self._record(one, *told)

    async def _release(self, pod: JobPod, taken: _Taken) -> bool:
        """Take the finalizer off a pod; whether it has none any more."""
        try:
            await self.client.patch(PODS, pod.pod.key, _UNTRACKED)
        except NotFound:
            pass
        except ApiError as error:
            taken.failed(error)
            return False
        return True

    def _record(self, one: Unstructured, kind: EventType, reason: str, message: str) -> None:
        self.recorder.event(one.metadata, JOBS, kind, reason, message)


@dataclass(frozen=True, slots=True)
class Orphans:
    """Takes the finalizer off pods that no Job is going to count: theirs has ended, or gone."""

    client: Client
    jobs: Lister[Unstructured]
    pods: Lister[Unstructured]

    async def reconcile(self, request: Request) -> Outcome:
        """Take the finalizer off one pod."""
        pod = self.pods.find_record(request.key)
        if pod is not None and self.is_orphan(pod.meta):
            with suppress(NotFound):
                await self.client.patch(PODS, request.key, _UNTRACKED)
        return DONE

    def is_orphan(self, pod: ObjectMeta) -> bool:
        """Whether a pod waits to be counted in vain."""
        if TRACKING not in (pod.finalizers or ()):
            return False
        owner = pod.controller
        if owner is None:
            return True
        if (owner.kind, owner.group) != (JOBS.kind, JOBS.group):
            return False
        job = self.jobs.find(ObjectKey(pod.namespace, owner.name))
        if job is None or job.metadata.uid != owner.uid:
            return True
        return is_ours(job) and is_finished(job.get("status") or {})


def is_ours(job: Unstructured) -> bool:
    """Whether a Job is not managed by another controller."""
    return job.at("spec.managedBy") in (None, _OURS)


def selector_of(job: Unstructured) -> LabelSelector:
    """Return the selector of a Job."""
    return LabelSelector.of_object(job.at("spec.selector") or {})


def new_pod(one: Unstructured, job: JobSpec, new: NewPod) -> dict[str, Any]:
    """Build a pod of a Job's template, with its completion index if it has one."""
    pod = pod_of_template(one.at("spec.template") or {}, one.metadata, JOBS)
    metadata = pod["metadata"]
    if TRACKING not in (finalizers := metadata.setdefault("finalizers", [])):
        finalizers.append(TRACKING)
    if not job.is_indexed:
        return pod
    for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
        _add_index_variable(container)
    index = str(new.index)
    tail = f"-{index}-"
    metadata["generateName"] = job.name[: _PREFIX_MAX - len(tail)] + tail
    metadata.setdefault("labels", {})[INDEX] = index
    annotations = metadata.setdefault("annotations", {})
    annotations[INDEX] = index
    if new.failures is not None:
        annotations[FAILURES] = str(new.failures)
        annotations |= {IGNORED: str(new.ignored)} if new.ignored else {}
    pod["spec"]["hostname"] = f"{job.name}-{index}"
    return pod


def _add_index_variable(container: dict[str, Any]) -> None:
    name = "JOB_COMPLETION_INDEX"
    variables = container.get("env") or []
    if not any(one["name"] == name for one in variables):
        path = f"metadata.labels['{INDEX}']"
        container["env"] = [*variables, {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}]


def add_jobs(manager: Manager) -> None:
    """Add the Job controller to a manager, and what takes care of Jobs that are over and of their pods."""
    jobs, pods = manager.informer(JOBS), manager.informer(PODS)
    index_children(pods)
    claims = Claims(manager.client, JOBS, PODS, pods.lister, finalizer=TRACKING)
    loop = Jobs(manager.client, jobs.lister, claims, manager.recorder("job-controller"))
    watches: list[Watch[Any]] = [
        Watch(jobs, to_self, predicate=generation_changed),
        Watch(jobs, to_self, predicate=~generation_changed, batch_s=_BATCH_S),
        Watch(pods, to_owner(JOBS), batch_s=_BATCH_S),
        Watch(pods, to_adopting(jobs.lister, selector_of), batch_s=_BATCH_S),
    ]
    manager.add(Controller(name="jobs", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
    orphans = Orphans(manager.client, jobs.lister, pods.lister)

    def orphaned(record: Record[Any]) -> Iterable[ObjectKey]:
        return [record.key] if orphans.is_orphan(record.meta) else []

    def left(record: Record[Any]) -> Iterable[ObjectKey]:
        theirs = pods.lister.by_index(BY_CONTROLLER, record.meta.uid)
        return [pod.key for pod in theirs if TRACKING in (pod.metadata.finalizers or ())]

    leave: list[Watch[Any]] = [
        Watch(pods, orphaned, predicate=_is_tracked_now),
        Watch(jobs, left, predicate=_has_ended),
    ]
    manager.add(Controller(name="joborphans", reconcile=orphans.reconcile, watches=leave))
    add_finished_jobs(manager)


def _is_tracked_now(change: Change[Any]) -> bool:
    return change.new is not None and TRACKING in (change.new.meta.finalizers or ())


def _has_ended(change: Change[Any]) -> bool:
    return change.new is None or is_finished(change.new.shared.get("status") or {})
