"""DaemonSets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    NO_MATCH,
    above_all_causes,
    collision_causes,
    container_cells,
    count_of,
    go_selector,
    int_or_percent_causes,
    labels_cell,
    lasting_template_causes,
    negative_causes,
    rolling_shown,
    selector_cell,
    selector_change_causes,
    selects,
    spec_template_warnings,
)
from ctrlkit.fakes.tracker.kinds.core.pod_features import drop_of_template
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause

_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""The annotation that counts the changes of the template."""
_COUNTS = (
    *("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration"),
    *("updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount"),
)
_SHOWN = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    strategy = spec["updateStrategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    fill_in_template(spec["template"]["spec"])
    _count(plain, _counted(plain))


def _begin(plain: Plain) -> None:
    _count(plain, max(1, _counted(plain)))


def _keep(plain: Plain, old: Object) -> None:
    is_changed = plain["spec"]["template"] != old["spec"]["template"]
    _count(plain, _counted(old) + is_changed)


def _keep_status(plain: Plain, _old: Object) -> None:
    _count(plain, _counted(plain))


def _counted(plain: Object) -> int:
    text = section(plain["metadata"], "annotations").get(_TEMPLATE_GENERATION, "")
    return int(text) if re.fullmatch("[+-]?[0-9]+", text) else 0


def _count(plain: Plain, count: int) -> None:
    annotations = section(plain["metadata"], "annotations")
    plain["metadata"] = plain["metadata"] | {"annotations": {**annotations, _TEMPLATE_GENERATION: str(count)}}


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from selector_change_causes(spec, old and old["spec"])
    yield from _selector_causes(spec)
    yield from lasting_template_causes(spec["template"], "DaemonSet")
    yield from negative_causes(spec, ("minReadySeconds",), "spec")
    if _counted(plain) < 0:
        yield Cause.wrong("spec.templateGeneration", _counted(plain), "must be greater than or equal to 0")
    yield from _strategy_causes(spec["updateStrategy"])
    yield from negative_causes(spec, ("revisionHistoryLimit",), "spec")


def _selector_causes(spec: Object) -> Iterator[Cause]:
    selector = spec.get("selector")
    labels = spec["template"]["metadata"].get("labels")
    found = list(selector_causes(selector or {}, "spec.selector"))
    yield from found
    if not found and (selector is None or not selects(selector, labels)):
        yield Cause.wrong("spec.template.metadata.labels", labels or None, NO_MATCH)
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield Cause.invalid("spec.selector", go_selector(selector), "empty selector is invalid for daemonset")


def _strategy_causes(strategy: Object) -> Iterator[Cause]:
    rolling = strategy.get("rollingUpdate")
    match strategy["type"]:
        case "OnDelete":
            return
        case "RollingUpdate":
            yield from _rolling_causes(rolling or {}, "spec.updateStrategy.rollingUpdate")
        case other:
            value = {"Type": other, "RollingUpdate": rolling_shown(rolling)}
            yield Cause.unsupported("spec.updateStrategy", value, ("RollingUpdate", "OnDelete"))


def _rolling_causes(rolling: Object, path: str) -> Iterator[Cause]:
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    for check in (int_or_percent_causes, above_all_causes):
        yield from check(unavailable, f"{path}.maxUnavailable")
        yield from check(surge, f"{path}.maxSurge")
    if count_of(unavailable) and count_of(surge):
        yield Cause.wrong(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not count_of(unavailable) and not count_of(surge):
        yield Cause.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _validate_status(plain: Object, old: Object) -> Iterator[Cause]:
    yield from negative_causes(section(plain, "status"), _COUNTS, "status")
    yield from collision_causes(plain, old)


def _cells(daemon_set: Object, now: datetime) -> list[Any]:
    status, spec = section(daemon_set, "status"), section(daemon_set, "spec")
    return [
        name_of(daemon_set),
        *(status.get(name, 0) for name in _SHOWN),
        labels_cell(section(section(spec, "template"), "spec").get("nodeSelector")),
        age_of(daemon_set, now),
        *container_cells(daemon_set),
        selector_cell(spec.get("selector")),
    ]


DAEMON_SETS = Strategy(
    defaults=_fill_in,
    drop=drop_of_template,
    begin=_begin,
    keep=_keep,
    keep_status=_keep_status,
    validate=_validate,
    validate_status=_validate_status,
    warn=spec_template_warnings,
    answer_annotations=(_TEMPLATE_GENERATION,),
    generation=True,
    cells=_cells,
)
