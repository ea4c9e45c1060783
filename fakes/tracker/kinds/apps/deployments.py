"""Deployments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    SCALE,
    container_cells,
    negative_causes,
    ready_of,
    template_metadata_causes,
    workload_selector_causes,
)
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template, pod_spec_causes
from ctrlkit.fakes.tracker.kinds.metadata import selector_text
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause


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
    yield from workload_selector_causes(spec, "empty selector is invalid for deployment")
    template = spec["template"]
    yield from template_metadata_causes(template["metadata"])
    yield from pod_spec_causes(template["spec"], "spec.template.spec")
    if template["spec"]["restartPolicy"] in ("OnFailure", "Never"):
        yield Cause.unsupported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ("Always",))
    strategy = spec["strategy"]
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        yield Cause.unsupported("spec.strategy.type", strategy["type"], ("Recreate", "RollingUpdate"))
    elif strategy["type"] == "Recreate" and "rollingUpdate" in strategy:
        text = "may not be specified when strategy `type` is 'Recreate'"
        yield Cause.forbidden("spec.strategy.rollingUpdate", text)
    yield from negative_causes(spec, ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"), "spec")
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        text = "must be greater than minReadySeconds"
        yield Cause.wrong("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], text)
    if old is not None and spec.get("selector") != old["spec"]["selector"]:
        yield Cause.wrong("spec.selector", spec.get("selector"), "field is immutable")


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
    validate=_validate,
    generation=True,
    cells=_cells,
    kept_by_status=("metadata.labels",),
)
