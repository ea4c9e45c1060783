"""ReplicaSets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    SCALE,
    container_cells,
    lasting_template_causes,
    negative_causes,
    selector_and_template_causes,
    selector_cell,
    selector_change_causes,
    status_causes,
    workload_warnings,
)
from ctrlkit.fakes.tracker.kinds.core.pod_features import drop_of_template
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause

REPLICA_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
"""The numbers in the status of a set of replicas."""
BOUNDED_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
"""Those that are never more than all replicas."""


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("replicas", 1)
    fill_in_template(spec["template"]["spec"])


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from negative_causes(spec, ("replicas", "minReadySeconds"), "spec")
    yield from selector_and_template_causes(
        spec, lasting_template_causes(spec["template"], "ReplicaSet"), kind="deployment"
    )
    yield from selector_change_causes(spec, old and old["spec"])


def _validate_status(plain: Object, _old: Object) -> Iterator[Cause]:
    yield from status_causes(section(plain, "status"), (*REPLICA_COUNTS, "terminatingReplicas"), BOUNDED_COUNTS)


def replica_cells(replicas: Object, selector: str, now: datetime) -> list[Any]:
    """Make the cells of a set of replicas."""
    status = section(replicas, "status")
    return [
        name_of(replicas),
        section(replicas, "spec").get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age_of(replicas, now),
        *container_cells(replicas),
        selector,
    ]


def _cells(replica_set: Object, now: datetime) -> list[Any]:
    return replica_cells(replica_set, selector_cell(section(replica_set, "spec").get("selector")), now)


REPLICA_SETS = Strategy(
    scale=SCALE,
    first_status={"replicas": 0},
    defaults=_fill_in,
    drop=drop_of_template,
    validate=_validate,
    validate_status=_validate_status,
    warn=workload_warnings,
    generation=True,
    cells=_cells,
)
