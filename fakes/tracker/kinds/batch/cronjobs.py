"""CronJobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.durations import age
from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    go_selector,
    name_warnings,
    negative_causes,
    selector_cell,
    template_cells,
)
from ctrlkit.fakes.tracker.kinds.batch.job_specs import fill_in_pods, spec_causes
from ctrlkit.fakes.tracker.kinds.batch.jobs import spec_warnings
from ctrlkit.fakes.tracker.kinds.batch.schedules import has_zone, schedule_problem
from ctrlkit.fakes.tracker.kinds.core.pod_features import dropping_at
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause

_NAME_MAX = 52
"""Leaves room for what is added to make the name of a Job."""
_POLICIES = ("Allow", "Forbid", "Replace")
_ZONE_PART = r"[A-Za-z.\-_0-9+]{1,14}"
_JOB = "spec.jobTemplate.spec"


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    fill_in_pods(spec["jobTemplate"]["spec"])


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    had: Object = old["spec"] if old is not None else {}
    if not spec["schedule"]:
        yield Cause.required("spec.schedule")
    else:
        yield from _schedule_causes(spec, may_have_zone="TZ" in had.get("schedule", ""))
    yield from negative_causes(spec, ("startingDeadlineSeconds",), "spec")
    zone = spec.get("timeZone")
    if zone is not None and (old is None or zone != had.get("timeZone")):
        yield from _zone_causes(zone)
    if spec["concurrencyPolicy"] not in _POLICIES:
        yield Cause.unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], _POLICIES)
    yield from _template_causes(spec["jobTemplate"]["spec"])
    yield from negative_causes(spec, ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"), "spec")
    name = plain["metadata"]["name"]
    if old is None and len(name) > _NAME_MAX:
        yield Cause.wrong("metadata.name", name, f"must be no more than {_NAME_MAX} characters")


def _schedule_causes(spec: Object, *, may_have_zone: bool) -> Iterator[Cause]:
    schedule = spec["schedule"]
    problem = schedule_problem(schedule)
    if problem:
        yield Cause.wrong("spec.schedule", schedule, problem)
    if "TZ" not in schedule:
        return
    if not may_have_zone:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield Cause.wrong("spec.schedule", schedule, text)
    elif "timeZone" in spec:
        yield Cause.wrong("spec.schedule", schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _zone_causes(zone: str) -> Iterator[Cause]:
    path = "spec.timeZone"
    if not zone:
        yield Cause.wrong(path, zone, "timeZone must be nil or non-empty string")
        return
    parts = zone.split("/")
    if any(part in (".", "..") or part.startswith("-") or not re.fullmatch(_ZONE_PART, part) for part in parts):
        yield Cause.wrong(path, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield Cause.wrong(path, zone, text)
    if not has_zone(zone):
        yield Cause.wrong(path, zone, f"unknown time zone {zone}")


def _template_causes(spec: Object) -> Iterator[Cause]:
    yield from spec_causes(spec, _JOB)
    if "selector" in spec:
        yield Cause.invalid(f"{_JOB}.selector", go_selector(spec["selector"]), "`selector` will be auto-generated")
    if spec.get("manualSelector"):
        yield Cause.unsupported(f"{_JOB}.manualSelector", spec["manualSelector"], ("nil", "false"))


def _warnings(plain: Object, old: Object | None) -> Iterator[str]:
    yield from name_warnings(plain, old)
    if old is None or plain["spec"] is not old["spec"]:
        yield from spec_warnings(plain["spec"]["jobTemplate"]["spec"], _JOB)
    if old is not None and "TZ" in plain["spec"]["schedule"]:
        yield (
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )


def _nothing_to_check(_plain: Object, _old: Object) -> Iterator[Cause]:
    return iter(())


def _cells(cron_job: Object, now: datetime) -> list[Any]:
    spec, status = section(cron_job, "spec"), section(cron_job, "status")
    job = section(section(spec, "jobTemplate"), "spec")
    last = status.get("lastScheduleTime")
    suspend = spec.get("suspend")
    return [
        name_of(cron_job),
        spec.get("schedule", ""),
        spec.get("timeZone", NONE),
        NONE if suspend is None else str(suspend),
        len(status.get("active") or ()),
        age(last, now) if last else NONE,
        age_of(cron_job, now),
        *template_cells(section(job, "template")),
        selector_cell(job.get("selector")),
    ]


CRON_JOBS = Strategy(
    defaults=_fill_in,
    drop=dropping_at("spec", "jobTemplate", "spec", "template", "spec"),
    validate=_validate,
    validate_status=_nothing_to_check,
    warn=_warnings,
    generation=True,
    cells=_cells,
)
