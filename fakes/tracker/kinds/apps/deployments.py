"""Deployments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    SCALE,
    above_all_causes,
    collision_causes,
    container_cells,
    count_of,
    int_or_percent_causes,
    lasting_template_causes,
    negative_causes,
    ready_of,
    rolling_shown,
    selector_and_template_causes,
    selector_change_causes,
    status_causes,
    workload_warnings,
)
from ctrlkit.fakes.tracker.kinds.core.pod_features import drop_of_template
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template
from ctrlkit.fakes.tracker.kinds.metadata import selector_text
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause

_COUNTS = (
    *("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas"),
    *("unavailableReplicas", "terminatingReplicas", "collisionCount"),
)
_BOUNDED = ("updatedReplicas", "readyReplicas", "availableReplicas")


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("replicas", 1)
    strategy = spec["strategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    fill_in_template(spec["template"]["spec"])


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from negative_causes(spec, ("replicas",), "spec")
    yield from selector_and_template_causes(
        spec, lasting_template_causes(spec["template"], "ReplicaSet"), kind="deployment"
    )
    yield from _strategy_causes(spec["strategy"])
    yield from negative_causes(spec, ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"), "spec")
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        text = "must be greater than minReadySeconds"
        yield Cause.wrong("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], text)
    yield from selector_change_causes(spec, old and old["spec"])


def _strategy_causes(strategy: Object) -> Iterator[Cause]:
    rolling = strategy.get("rollingUpdate")
    path = "spec.strategy.rollingUpdate"
    match strategy["type"]:
        case "Recreate":
            if rolling is not None:
                yield Cause.forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]  # type: ignore[index]  # has a default
            yield from int_or_percent_causes(unavailable, f"{path}.maxUnavailable")
            yield from int_or_percent_causes(surge, f"{path}.maxSurge")
            if not count_of(unavailable) and not count_of(surge):
                yield Cause.wrong(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
            yield from above_all_causes(unavailable, f"{path}.maxUnavailable")
        case other:
            value = {"Type": other, "RollingUpdate": rolling_shown(rolling)}
            yield Cause.unsupported("spec.strategy", value, ("Recreate", "RollingUpdate"))


def _validate_status(plain: Object, old: Object) -> Iterator[Cause]:
    yield from status_causes(section(plain, "status"), _COUNTS, _BOUNDED)
    yield from collision_causes(plain, old)


def _keep_status(plain: Plain, old: Object) -> None:
    """A write of the status leaves the labels as they are."""
    labels = old["metadata"].get("labels")
    rest = {name: value for name, value in plain["metadata"].items() if name != "labels"}
    plain["metadata"] = rest | ({"labels": labels} if labels else {})


def _counted(plain: Object) -> tuple[Any, Any]:
    return plain["spec"], plain["metadata"].get("annotations")


def _cells(deployment: Object, now: datetime) -> list[Any]:
    status = section(deployment, "status")
    return [
        name_of(deployment),
        ready_of(deployment),
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age_of(deployment, now),
        *container_cells(deployment),
        selector_text(section(section(deployment, "spec"), "selector")) or NONE,
    ]


DEPLOYMENTS = Strategy(
    scale=SCALE,
    defaults=_fill_in,
    drop=drop_of_template,
    validate=_validate,
    validate_status=_validate_status,
    keep_status=_keep_status,
    warn=workload_warnings,
    generation=True,
    counted=_counted,
    cells=_cells,
    kept_by_status=("metadata.labels",),
)
