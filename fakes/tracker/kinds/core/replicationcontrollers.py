"""ReplicationControllers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.replicasets import BOUNDED_COUNTS, REPLICA_COUNTS, replica_cells
from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    NO_MATCH,
    SCALE,
    labels_cell,
    lasting_pod_causes,
    negative_causes,
    status_causes,
    workload_warnings,
)
from ctrlkit.fakes.tracker.kinds.core.pod_features import drop_of_template
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template, template_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.model import value_at


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("replicas", 1)
    if "template" not in spec:
        return
    labels = spec["template"]["metadata"].get("labels")
    if labels:
        spec["selector"] = spec.get("selector") or dict(labels)
    _label(plain)
    fill_in_template(spec["template"]["spec"])


def _label(plain: Plain) -> None:
    labels = plain["spec"].get("template", {}).get("metadata", {}).get("labels")
    if labels and not plain["metadata"].get("labels"):
        plain["metadata"] = plain["metadata"] | {"labels": dict(labels)}


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from negative_causes(spec, ("minReadySeconds",), "spec")
    selector = spec.get("selector") or {}
    if not selector:
        yield Cause.required("spec.selector")
    yield from negative_causes(spec, ("replicas",), "spec")
    template = spec.get("template")
    if template is None:
        yield Cause.required("spec.template")
        return
    labels = template["metadata"].get("labels") or {}
    if not selector.items() <= labels.items():
        yield Cause.wrong("spec.template.metadata.labels", labels or None, NO_MATCH)
    yield from template_causes(template, "spec.template")
    yield from lasting_pod_causes(template["spec"], "spec.template.spec", "ReplicationController")


def _validate_status(plain: Object, _old: Object) -> Iterator[Cause]:
    yield from status_causes(section(plain, "status"), REPLICA_COUNTS, BOUNDED_COUNTS)


def _selected_value(plain: Object, path: str) -> Any:
    return str(value_at(plain, path) or 0) if path == "status.replicas" else value_at(plain, path)


def _cells(controller: Object, now: datetime) -> list[Any]:
    return replica_cells(controller, labels_cell(section(controller, "spec").get("selector")), now)


REPLICATION_CONTROLLERS = Strategy(
    scale=SCALE,
    checks_base=False,
    first_status={"replicas": 0},
    selectable_fields=("status.replicas",),
    selected_value=_selected_value,
    defaults=_fill_in,
    defaults_beside_spec=_label,
    drop=drop_of_template,
    validate=_validate,
    validate_status=_validate_status,
    warn=workload_warnings,
    generation=True,
    orphans=True,
    cells=_cells,
)
