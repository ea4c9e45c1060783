"""
The status of Jobs: what a write of it may say.

A rule about some fields counts only if the write changes one of them, so that a status that breaks it already can be
written all the same. Which rules depend on what stands beside each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.kinds.apps.workloads import NOT_NEGATIVE
from ctrlkit.fakes.tracker.kinds.batch.indexes import count_indexes, first_shared
from ctrlkit.fakes.tracker.kinds.batch.job_specs import INDEXED
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause

_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_LASTING = ("Failed", "Complete", "FailureTarget")
"""Conditions that stay True."""


class _Status(NamedTuple):
    """What the rules ask of a Job and its status."""

    spec: Object
    status: Object
    true: frozenset[str]
    """The types of the conditions that are True."""
    false: frozenset[str]

    @staticmethod
    def of(job: Object) -> _Status:
        status = section(job, "status")
        conditions = status.get("conditions") or ()

        def with_status(wanted: str) -> frozenset[str]:
            return frozenset(one["type"] for one in conditions if one.get("status") == wanted)

        return _Status(section(job, "spec"), status, with_status("True"), with_status("False"))

    @property
    def is_finished(self) -> bool:
        return bool(self.true & {"Complete", "Failed"})

    def get(self, name: str) -> Any:
        """A field of the status; for counts 0 stands for none."""
        return self.status.get(name)


def status_causes(plain: Object, old: Object) -> Iterator[Cause]:
    """Yield a cause for each rule that a Job's new status breaks."""
    new, was = _Status.of(plain), _Status.of(old)
    yield from _form_causes(new)
    for watched, rule in _RULES:
        if watched is None or any(watch(new) != watch(was) for watch in watched):
            yield from rule(new)
    yield from _change_causes(new, was)


def _form_causes(new: _Status) -> Iterator[Cause]:
    for name in _COUNTS:
        if (new.get(name) or 0) < 0:
            yield Cause.wrong(f"status.{name}", new.get(name), NOT_NEGATIVE)
    uncounted = new.get("uncountedTerminatedPods") or {}
    seen: set[str] = set()
    for name in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(name) or ()):
            path = f"status.uncountedTerminatedPods.{name}[{index}]"
            if not uid:
                yield Cause.wrong(path, uid, "must not be empty")
            elif uid in seen:
                yield Cause.duplicate(path, uid)
            seen.add(uid)


# ---- rules about one state, in the order of the server's answers -----------------------------------------------------


def _never_both(one: str, other: str, text: str) -> Callable[[_Status], Iterator[Cause]]:
    def rule(new: _Status) -> Iterator[Cause]:
        if {one, other} <= new.true:
            yield Cause.unfit("status.conditions", text)

    return rule


def _only_with(one: str, other: str, text: str) -> Callable[[_Status], Iterator[Cause]]:
    def rule(new: _Status) -> Iterator[Cause]:
        if one in new.true and other not in new.true:
            yield Cause.unfit("status.conditions", text)

    return rule


def _completion_time(new: _Status) -> Iterator[Cause]:
    time, is_complete = new.get("completionTime"), "Complete" in new.true
    if time is not None and not is_complete:
        text = "cannot set completionTime when there is no Complete=True condition"
        yield Cause.wrong("status.completionTime", time, text)
    if time is None and is_complete:
        yield Cause.required("status.completionTime", "completionTime is required for Complete jobs")


def _order_of_times(new: _Status) -> Iterator[Cause]:
    start, end = new.get("startTime"), new.get("completionTime")
    if start and end and datetime.fromisoformat(end) < datetime.fromisoformat(start):
        yield Cause.wrong("status.completionTime", end, "must be equal to or after `startTime`")


def _no_active_when_finished(new: _Status) -> Iterator[Cause]:
    if (new.get("active") or 0) > 0 and new.is_finished:
        yield Cause.wrong("status.active", new.get("active"), "active>0 is invalid for finished job")


def _started_when_finished(new: _Status) -> Iterator[Cause]:
    needs_none = new.spec.get("suspend") is True and new.spec.get("completions") == 0
    if new.get("startTime") is None and new.is_finished and not needs_none:
        yield Cause.required("status.startTime", "startTime is required for finished job")


def _all_counted_when_finished(new: _Status) -> Iterator[Cause]:
    uncounted = new.get("uncountedTerminatedPods") or {}
    if new.is_finished and (uncounted.get("failed") or uncounted.get("succeeded")):
        shown = {"Succeeded": uncounted.get("succeeded"), "Failed": uncounted.get("failed")}
        yield Cause.ordered("status.uncountedTerminatedPods", shown, "must be empty for finished job")


def _completed_form(new: _Status) -> Iterator[Cause]:
    indexes, completions = new.get("completedIndexes") or "", new.spec.get("completions")
    if completions is not None:
        yield from _indexes_form("completedIndexes", indexes, completions)


def _failed_form(new: _Status) -> Iterator[Cause]:
    indexes, completions = new.get("failedIndexes"), new.spec.get("completions")
    if completions is not None and "backoffLimitPerIndex" in new.spec and indexes is not None:
        yield from _indexes_form("failedIndexes", indexes, completions)


def _indexes_form(name: str, indexes: str, completions: int) -> Iterator[Cause]:
    try:
        count_indexes(indexes, completions)
    except ValueError as error:
        yield Cause.wrong(f"status.{name}", indexes, f"error parsing {name}: {error}")


def _completed_if_indexed(new: _Status) -> Iterator[Cause]:
    indexes = new.get("completedIndexes")
    if indexes and new.spec.get("completionMode") != INDEXED:
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield Cause.wrong("status.completedIndexes", indexes, text)


def _failed_if_limited(new: _Status) -> Iterator[Cause]:
    indexes = new.get("failedIndexes")
    if indexes is not None and "backoffLimitPerIndex" not in new.spec:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield Cause.wrong("status.failedIndexes", indexes, text)


def _no_overlap(new: _Status) -> Iterator[Cause]:
    failed, completions = new.get("failedIndexes"), new.spec.get("completions")
    if failed is None or completions is None:
        return
    shared = first_shared(new.get("completedIndexes") or "", failed, completions)
    if shared is not None:
        text = f"failedIndexes and completedIndexes overlap at index: {shared}"
        yield Cause.wrong("status.failedIndexes", failed, text)


def _none_terminating_when_finished(new: _Status) -> Iterator[Cause]:
    if (new.get("terminating") or 0) > 0 and new.is_finished:
        text = "terminating>0 is invalid for finished job"
        yield Cause.wrong("status.terminating", new.get("terminating"), text)


def _ready_are_active(new: _Status) -> Iterator[Cause]:
    ready = new.get("ready")
    if ready is not None and ready > (new.get("active") or 0):
        yield Cause.wrong("status.ready", ready, "cannot set more ready pods than active")


def _success_policy(new: _Status) -> Iterator[Cause]:
    if "successPolicy" in new.spec and "Complete" in new.true and "SuccessCriteriaMet" not in new.true:
        text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        yield Cause.unfit("status.conditions", text)


# ---- which change makes a rule count ---------------------------------------------------------------------------------

_Watch = Callable[[_Status], Any]


def _condition(kind: str) -> _Watch:
    return lambda one: kind in one.true


def _field(name: str) -> _Watch:
    return lambda one: one.get(name)


def _count(name: str) -> _Watch:
    return lambda one: one.get(name) or 0


def _finished(one: _Status) -> bool:
    return one.is_finished


def _uncounted(one: _Status) -> Any:
    return {name: uids for name, uids in (one.get("uncountedTerminatedPods") or {}).items() if uids}


_COMPLETE, _FAILED = _condition("Complete"), _condition("Failed")
_TARGET, _MET = _condition("FailureTarget"), _condition("SuccessCriteriaMet")
_START, _END = _field("startTime"), _field("completionTime")
_COMPLETED, _FAILED_INDEXES = _field("completedIndexes"), _field("failedIndexes")

_RULES: tuple[tuple[tuple[_Watch, ...] | None, Callable[[_Status], Iterator[Cause]]], ...] = (
    ((_COMPLETE, _FAILED), _never_both("Complete", "Failed", "cannot set Complete=True and Failed=true conditions")),
    (
        (_COMPLETE, _TARGET),
        _never_both("Complete", "FailureTarget", "cannot set Complete=True and FailureTarget=true conditions"),
    ),
    ((_COMPLETE, _END), _completion_time),
    ((_START, _END), _order_of_times),
    (
        (_FAILED, _FAILED_INDEXES),
        _only_with(
            "Failed", "FailureTarget", "cannot set Failed=True condition without the FailureTarget=true condition"
        ),
    ),
    (
        (_COMPLETE, _MET),
        _only_with(
            "Complete",
            "SuccessCriteriaMet",
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        ),
    ),
    ((_finished, _count("active")), _no_active_when_finished),
    ((_finished, _START), _started_when_finished),
    ((_finished, _uncounted), _all_counted_when_finished),
    ((_COMPLETED,), _completed_form),
    ((_FAILED_INDEXES,), _failed_form),
    ((_COMPLETED,), _completed_if_indexed),
    ((_FAILED_INDEXES,), _failed_if_limited),
    ((_FAILED_INDEXES, _COMPLETED), _no_overlap),
    ((_finished, _field("terminating")), _none_terminating_when_finished),
    ((_field("ready"), _count("active")), _ready_are_active),
    (
        None,
        _never_both("SuccessCriteriaMet", "Failed", "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
    ),
    (
        None,
        _never_both(
            "SuccessCriteriaMet",
            "FailureTarget",
            "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
        ),
    ),
    (None, _success_policy),
)


# ---- rules about a change --------------------------------------------------------------------------------------------


def _change_causes(new: _Status, was: _Status) -> Iterator[Cause]:
    for kind in _LASTING:
        if kind in was.true and kind not in new.true:
            yield Cause.unfit("status.conditions", f"cannot disable the terminal {kind}=True condition")
    can_shrink = new.spec.get("completionMode") == INDEXED and new.spec.get("completions") == new.spec.get(
        "parallelism"
    )
    for name in ("failed",) if can_shrink else ("failed", "succeeded"):
        if (new.get(name) or 0) < (was.get(name) or 0):
            yield Cause.wrong(f"status.{name}", new.get(name) or 0, f"cannot decrease the {name} counter")
    yield from _time_change_causes(new, was)
    if "SuccessCriteriaMet" in was.true and "SuccessCriteriaMet" not in new.true:
        yield Cause.unfit("status.conditions", "cannot disable the SuccessCriteriaMet=True condition")
    if "Complete" in was.true and "SuccessCriteriaMet" in new.true - was.true:
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield Cause.unfit("status.conditions", text)


def _time_change_causes(new: _Status, was: _Status) -> Iterator[Cause]:
    end, had_end = new.get("completionTime"), was.get("completionTime")
    if end and had_end and end != had_end:
        yield Cause.wrong("status.completionTime", end, "field is immutable")
    start, had_start = new.get("startTime"), was.get("startTime")
    resumes = "Suspended" in was.true and "Suspended" in new.false
    if had_start and start != had_start and not new.spec.get("suspend") and not resumes:
        yield Cause.wrong("status.startTime", start, "field is immutable for unsuspended job once set")
