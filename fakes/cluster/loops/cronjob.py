"""The CronJob controller: makes Jobs when they are due and deletes old ones, as cronjob_plan.py decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.client import Client, Propagation
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_owner, to_self
from ctrlkit.errors import AlreadyExists, ApiError, Forbidden, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import Claims, index_children
from ctrlkit.fakes.cluster.loops.cronjob_plan import (
    UnusableSchedule,
    new_job,
    next_in_s,
    observe,
    plan,
    schedule_of,
    surplus,
    with_active,
    without_active,
)
from ctrlkit.fakes.cluster.loops.failures import Refusals, is_namespace_ending
from ctrlkit.fakes.cluster.loops.job_status import Status, Told
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Unstructured
from ctrlkit.model.kinds import CRON_JOBS, JOBS

_WORKERS = 5
_Timing = tuple[str, str, str | None]
"""A CronJob's uid, its schedule and its zone."""


@dataclass(frozen=True, slots=True)
class CronJobs:
    """Reconciles CronJobs. One whose schedule has changed does nothing before its next time."""

    client: Client
    cron_jobs: Lister[Unstructured]
    jobs: Claims
    recorder: EventRecorder
    refusals: Refusals = field(default_factory=Refusals)
    _timings: dict[ObjectKey, _Timing] = field(default_factory=dict, init=False)

    async def reconcile(self, request: Request) -> Outcome:
        """Delete old Jobs, see what became of the others, and make one if it is time."""
        cron_job = self.cron_jobs.find(request.key)
        if cron_job is None:
            self._timings.pop(request.key, None)
            self.refusals.forget(request.key)
            return DONE
        old: Status = cron_job.get("status") or {}
        if self._is_new_schedule(cron_job):
            with suppress(UnusableSchedule):
                return _in(next_in_s(cron_job, old, schedule_of(cron_job["spec"]), clock.now()))
        jobs = self.jobs.controlled_by(cron_job.metadata.uid)
        status = await self._clean_up(cron_job, old, jobs)
        status, told = observe(status, jobs, await self._missing(status, jobs))
        planned = plan(cron_job, status, clock.now())
        self._tell(cron_job, [*told, *planned.told])
        failure: ApiError | None = None
        left_s = planned.check_in_s
        if planned.start is not None:
            status, failure = await self._start(cron_job, status, planned.start)
            if failure is None:
                left_s = next_in_s(cron_job, status, schedule_of(cron_job["spec"]), clock.now())
        if status != old:
            await self.client.update_status(CRON_JOBS, {**cron_job, "status": status})
        if isinstance(failure, Forbidden):
            return DONE if is_namespace_ending(failure) else self.refusals.again(request.key)
        self.refusals.forget(request.key)
        if failure is not None:
            raise failure
        return _in(left_s)

    def _is_new_schedule(self, cron_job: Unstructured) -> bool:
        spec = cron_job["spec"]
        timing = (cron_job.metadata.uid, spec["schedule"], spec.get("timeZone"))
        before = self._timings.get(cron_job.key)
        self._timings[cron_job.key] = timing
        return before is not None and before[0] == timing[0] and before != timing

    async def _missing(self, status: Status, jobs: Sequence[Unstructured]) -> list[Mapping[str, Any]]:
        """Return the active Jobs that there are not any more."""
        known = {job.metadata.uid for job in jobs}
        gone: list[Mapping[str, Any]] = []
        for one in status.get("active") or ():
            if one["uid"] not in known:
                try:
                    await self.client.get(JOBS, ObjectKey(one["namespace"], one["name"]))
                except NotFound:
                    gone.append(one)
        return gone

    async def _clean_up(self, cron_job: Unstructured, status: Status, jobs: Iterable[Unstructured]) -> Status:
        for job in surplus(cron_job["spec"], jobs):
            if await self._delete(cron_job, job) is None:
                status = without_active(status, job.metadata.uid)
        return status

    async def _delete(self, cron_job: Unstructured, job: Unstructured) -> ApiError | None:
        try:
            await self.client.delete(JOBS, job.key, propagation=Propagation.BACKGROUND)
        except ApiError as error:
            self._tell(cron_job, [(EventType.WARNING, "FailedDelete", f"Deleted job: {error.message}")])
            return error
        self._tell(cron_job, [(EventType.NORMAL, "SuccessfulDelete", f"Deleted job {job.metadata.name}")])
        return None

    async def _start(self, cron_job: Unstructured, status: Status, due: datetime) -> tuple[Status, ApiError | None]:
        """Make the Job for a time, in place of those that run if it is to replace them."""
        if cron_job.at("spec.concurrencyPolicy") == "Replace":
            for one in status.get("active") or ():
                try:
                    job = await self.client.get(JOBS, ObjectKey(one["namespace"], one["name"]))
                except ApiError as error:
                    self._tell(cron_job, [(EventType.WARNING, "FailedGet", f"Get job: {error.message}")])
                    return status, error
                failure = await self._delete(cron_job, job)
                if failure is not None:
                    return status, failure
                status = without_active(status, one["uid"])
        try:
            made = await self.client.create(JOBS, new_job(cron_job, due))
        except AlreadyExists:
            return await self._after_crash(cron_job, status, due), None
        except ApiError as error:
            if not is_namespace_ending(error):
                text = f"Error creating job: {error.message}"
                self._tell(cron_job, [(EventType.WARNING, "FailedCreate", text)])
            return status, error
        self._tell(cron_job, [(EventType.NORMAL, "SuccessfulCreate", f"Created job {made.metadata.name}")])
        return with_active(status, made, due), None

    async def _after_crash(self, cron_job: Unstructured, status: Status, due: datetime) -> Status:
        """Note a Job that was made for a time and is not noted yet; one that is somebody else's stays theirs."""
        job = await self.client.get(JOBS, ObjectKey(cron_job.key.namespace, new_job(cron_job, due)["metadata"]["name"]))
        return with_active(status, job, due) if job.metadata.is_controlled_by(cron_job.metadata) else status

    def _tell(self, cron_job: Unstructured, told: Iterable[Told]) -> None:
        for kind, reason, message in told:
            self.recorder.event(cron_job.metadata, CRON_JOBS, kind, reason, message)


def _in(left_s: float | None) -> Outcome:
    return DONE if left_s is None else RequeueAfter(max(left_s, 0.001))


def add_cron_jobs(manager: Manager) -> None:
    """Add the CronJob controller to a manager."""
    cron_jobs, jobs = manager.informer(CRON_JOBS), manager.informer(JOBS)
    index_children(jobs)
    claims = Claims(manager.client, CRON_JOBS, JOBS, jobs.lister)
    loop = CronJobs(manager.client, cron_jobs.lister, claims, manager.recorder("cronjob-controller"))
    watches: list[Watch[Any]] = [Watch(cron_jobs, to_self), Watch(jobs, to_owner(CRON_JOBS))]
    manager.add(Controller(name="cronjobs", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
