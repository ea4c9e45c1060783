"""The controller that deletes Jobs some time after they finished, where `ttlSecondsAfterFinished` says so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client, Propagation
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.fakes.cluster.loops.job_plan import is_true
from ctrlkit.fakes.cluster.loops.pods import moment_of
from ctrlkit.manager import Manager
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import JOBS


@dataclass(frozen=True, slots=True)
class FinishedJobs:
    """Reconciles Jobs that have finished."""

    client: Client
    jobs: Lister[Unstructured]

    async def reconcile(self, request: Request) -> Outcome:
        """Delete a Job with its pods, or wait until it is time."""
        job = self.jobs.find(request.key)
        left_s = None if job is None else expires_in_s(job, clock.now())
        if left_s is None:
            return DONE
        if left_s > 0:
            return RequeueAfter(left_s)
        with suppress(NotFound, Conflict):  # gone, or another by now
            fresh = await self.client.get(JOBS, request.key)  # it may be given more time since
            left_s = expires_in_s(fresh, clock.now())
            if left_s is not None and left_s <= 0:
                uid = fresh.metadata.uid
                await self.client.delete(JOBS, request.key, propagation=Propagation.FOREGROUND, uid=uid)
        return DONE


def expires_in_s(job: Unstructured, now: datetime) -> float | None:
    """
    Return in how many seconds a Job is to be deleted; None if it is not, or is being deleted.

    >>> from datetime import UTC
    >>> end = {"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    >>> job = Unstructured({"spec": {"ttlSecondsAfterFinished": 60}, "status": {"conditions": [end]}})
    >>> expires_in_s(job, datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC))
    40.0
    """
    ttl_s, status = job.at("spec.ttlSecondsAfterFinished"), job.get("status") or {}
    end = is_true(status, "Complete") or is_true(status, "Failed")
    if ttl_s is None or end is None or not end.get("lastTransitionTime") or job.metadata.deleting:
        return None
    passed_s = (now - moment_of(end["lastTransitionTime"])).total_seconds()
    return float(ttl_s) - passed_s


def add_finished_jobs(manager: Manager) -> None:
    """Add the controller to a manager."""
    jobs = manager.informer(JOBS)
    loop = FinishedJobs(manager.client, jobs.lister)

    def expires(change: Change[Any]) -> bool:
        return change.new is not None and expires_in_s(change.new.shared, clock.now()) is not None

    watches = [Watch(jobs, to_self, predicate=expires)]
    manager.add(Controller(name="finishedjobs", reconcile=loop.reconcile, watches=watches))
