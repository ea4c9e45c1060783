"""Jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrlkit.fakes.durations import age, format_duration
from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    IMMUTABLE,
    NO_MATCH,
    container_cells,
    go_selector,
    name_warnings,
    selector_cell,
    selects,
)
from ctrlkit.fakes.tracker.kinds.batch.job_specs import INDEXED, fill_in_pods, go_failure, go_success, spec_causes
from ctrlkit.fakes.tracker.kinds.batch.job_status import status_causes
from ctrlkit.fakes.tracker.kinds.core.pod_features import drop_of_template
from ctrlkit.fakes.tracker.kinds.core.pod_warnings import template_warnings
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.internal import internal_text
from ctrlkit.model import value_at

if TYPE_CHECKING:
    pass

_UID_LABEL = "batch.kubernetes.io/controller-uid"
_NAME_LABEL = "batch.kubernetes.io/job-name"
_OLD_UID_LABEL = "controller-uid"
_OLD_NAME_LABEL = "job-name"
_BACKOFF_LIMIT = 6
_FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_GO_FORMS: Mapping[str, Callable[[Any], Any]] = {"podFailurePolicy": go_failure, "successPolicy": go_success}
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")
"""Fields of the pods' spec that may change while a Job is suspended; so may the affinity to nodes."""
_MANY = 100_000
_MANY_AT_ONCE = 10_000
_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
_STATES = ("Complete", "Failed", "Terminating", "Suspended", "FailureTarget", "SuccessCriteriaMet")
"""What the cell Status tells of, the most important first."""


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else _BACKOFF_LIMIT)
    _label(plain)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)
    fill_in_pods(spec)


def _label(plain: Plain) -> None:
    """Give a Job without labels those of its pods."""
    labels = plain["spec"]["template"]["metadata"].get("labels")
    if labels and not plain["metadata"].get("labels"):
        plain["metadata"] = plain["metadata"] | {"labels": dict(labels)}


def _begin(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    if spec["manualSelector"]:
        return
    metadata = plain["metadata"]
    template = spec["template"]["metadata"]
    given = template.get("labels") or {}
    names = {_OLD_NAME_LABEL: metadata["name"], _NAME_LABEL: metadata["name"]}
    uids = {_OLD_UID_LABEL: metadata["uid"], _UID_LABEL: metadata["uid"]}
    labels = template["labels"] = names | uids | given
    if given and metadata.get("labels") == given:
        metadata["labels"] = dict(labels)  # those of the pods are shared, and so are additions
    selector = spec.setdefault("selector", {})
    selector["matchLabels"] = {_UID_LABEL: metadata["uid"]} | (selector.get("matchLabels") or {})


# ---- rules -----------------------------------------------------------------------------------------------------------


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from _generated_causes(plain, old)
    yield from _spec_causes(spec)
    if spec.get("completionMode") == INDEXED and spec.get("completions", 0) > 0:
        last = f"{plain['metadata']['name']}-{spec['completions'] - 1}"
        if formats.dns_label(last):
            text = f"will not able to create pod with invalid DNS label: {last}"
            yield Cause.wrong("metadata.name", plain["metadata"]["name"], text)
    if old is not None:
        yield from _spec_causes(spec)  # a server checks it twice
        yield from _change_causes(spec, old)


def _generated_causes(plain: Object, old: Object | None) -> Iterator[Cause]:
    """Check the labels and the selector that the server generates, in which a client may have had a say."""
    spec, metadata = plain["spec"], plain["metadata"]
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return
    had = section(value_at(old, "spec.template.metadata") or {}, "labels")
    names = {_OLD_UID_LABEL: metadata["uid"], _OLD_NAME_LABEL: metadata["name"]}
    if old is None or {_UID_LABEL, _NAME_LABEL} <= had.keys():
        names |= {_UID_LABEL: metadata["uid"], _NAME_LABEL: metadata["name"]}
    labels = spec["template"]["metadata"].get("labels") or {}
    for name, value in names.items():
        path = f"spec.template.metadata.labels[{name}]"
        if name not in labels:
            yield Cause.required(path, f"must be '{value}'")
        elif labels[name] != value:
            yield Cause.wrong(path, labels, f"must be '{value}'")
    if not [*selector_causes(selector, "")] and not selects(selector, names):
        yield Cause.invalid("spec.selector", go_selector(selector), "`selector` not auto-generated")


def _spec_causes(spec: Object) -> Iterator[Cause]:
    yield from spec_causes(spec, "spec")
    selector = spec.get("selector")
    labels = spec["template"]["metadata"].get("labels")
    found: list[Cause] = []
    if selector is None:
        yield Cause.required("spec.selector")
    else:
        found = list(selector_causes(selector, "spec.selector"))
        yield from found
    if not found and (selector is None or not selects(selector, labels)):
        yield Cause.wrong("spec.template.metadata.labels", labels or None, NO_MATCH)


def _change_causes(spec: Object, old: Object) -> Iterator[Cause]:
    had: Object = old["spec"]
    completions = spec.get("completions")
    if completions != had.get("completions"):
        if spec.get("completionMode") != INDEXED:
            yield Cause.wrong("spec.completions", completions, IMMUTABLE)
        elif completions is not None and completions != spec.get("parallelism"):
            text = "can only be modified in tandem with spec.parallelism"
            yield Cause.wrong("spec.completions", completions, text)
    if spec.get("selector") != had.get("selector"):
        yield Cause.invalid("spec.selector", go_selector(spec.get("selector")), IMMUTABLE)
    yield from _template_change_causes(spec["template"], old)
    for name in _FIXED:
        if spec.get(name) != had.get(name):
            yield Cause.ordered(f"spec.{name}", _GO_FORMS.get(name, _as_it_is)(spec.get(name)), IMMUTABLE)


def _as_it_is(value: Any) -> Any:
    return value


def _template_change_causes(template: Object, old: Object) -> Iterator[Cause]:
    status, had = section(old, "status"), old["spec"]["template"]
    is_suspended = bool(old["spec"].get("suspend"))
    conditions = {one["type"]: one.get("status") for one in status.get("conditions") or ()}
    has_stopped = "startTime" not in status or conditions.get("Suspended") == "True"
    if not is_suspended or not has_stopped or status.get("active"):
        if template != had:
            yield Cause.invalid("spec.template", internal_text("PodTemplateSpec", template), IMMUTABLE)
        return
    pods = _with_changes(had["spec"], template["spec"])
    if template["spec"] != pods:
        yield Cause.invalid("spec.template.spec", internal_text("PodSpec", template["spec"]), IMMUTABLE)


def _with_changes(had: Object, pods: Object) -> dict[str, Any]:
    """A pod spec with what may change in that of a suspended Job as it is in another one."""
    result = {name: value for name, value in had.items() if name not in (*_SCHEDULING, "affinity")}
    result |= {name: pods[name] for name in _SCHEDULING if name in pods}
    affinity = {name: value for name, value in (had.get("affinity") or {}).items() if name != "nodeAffinity"}
    affinity |= {name: value for name, value in (pods.get("affinity") or {}).items() if name == "nodeAffinity"}
    if affinity or ("affinity" in pods and not pods["affinity"]):
        result["affinity"] = affinity
    for kind in ("containers", "initContainers"):
        ours, theirs = had.get(kind) or [], pods.get(kind) or []
        if ours and len(ours) == len(theirs):
            result[kind] = [
                {**one, "resources": other.get("resources")} if one["name"] == other["name"] else one
                for one, other in zip(ours, theirs, strict=True)
            ]
    return result


def _warnings(plain: Object, old: Object | None) -> Iterator[str]:
    yield from name_warnings(plain, old)
    if old is None or plain["spec"] is not old["spec"]:
        yield from spec_warnings(plain["spec"], "spec")


def spec_warnings(spec: Object, path: str) -> Iterator[str]:
    """Warn about the template, and about more indexes than a server can keep account of."""
    if (
        spec.get("completionMode") == INDEXED
        and spec.get("completions", 0) > _MANY
        and spec.get("parallelism", 0) > _MANY_AT_ONCE
    ):
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    yield from template_warnings(spec["template"], f"{path}.template")


# ---- cells -----------------------------------------------------------------------------------------------------------


def _selected_value(plain: Object, path: str) -> Any:
    return str(value_at(plain, "status.succeeded") or 0) if path == "status.successful" else value_at(plain, path)


def _cells(job: Object, now: datetime) -> list[Any]:
    spec = section(job, "spec")
    return [
        name_of(job),
        _state_of(job),
        _completions_of(job),
        _duration_of(section(job, "status"), now),
        age_of(job, now),
        *container_cells(job),
        selector_cell(spec.get("selector")),
    ]


def _state_of(job: Object) -> str:
    conditions = section(job, "status").get("conditions") or ()
    states = {one["type"] for one in conditions if one.get("status") == "True"} - {"Terminating"}
    if "deletionTimestamp" in job["metadata"]:
        states.add("Terminating")
    return next((state for state in _STATES if state in states), "Running")


def _completions_of(job: Object) -> str:
    spec, done = section(job, "spec"), section(job, "status").get("succeeded", 0)
    if "completions" in spec:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration_of(status: Object, now: datetime) -> str:
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    if not end:
        return age(start, now)
    return format_duration((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


JOBS = Strategy(
    selectable_fields=("status.successful",),
    selected_value=_selected_value,
    unselectable='field label "{}" not supported for Job',
    defaults=_fill_in,
    defaults_beside_spec=_label,
    drop=drop_of_template,
    begin=_begin,
    validate=_validate,
    validate_status=status_causes,
    warn=_warnings,
    generation=True,
    orphans=True,
    delete_warning=_ORPHANS,
    cells=_cells,
)
