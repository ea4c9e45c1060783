"""PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    above_all_causes,
    int_or_percent_causes,
    negative_causes,
    ordered_selector,
)
from ctrlkit.fakes.tracker.kinds.conditions import condition_causes
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        shown = {
            "MinAvailable": least,
            "Selector": ordered_selector(spec.get("selector")),
            "MaxUnavailable": most,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        yield Cause.ordered("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for name in ("minAvailable", "maxUnavailable"):
        if name in spec:
            yield from int_or_percent_causes(spec[name], f"spec.{name}")
            yield from above_all_causes(spec[name], f"spec.{name}")
    yield from selector_causes(spec.get("selector") or {}, "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTION_POLICIES:
        yield Cause.unsupported("spec.unhealthyPodEvictionPolicy", policy, _EVICTION_POLICIES)


def _validate_status(plain: Object, _old: Object) -> Iterator[Cause]:
    status = section(plain, "status")
    yield from condition_causes(status.get("conditions") or (), "status.conditions")
    yield from negative_causes(status, _COUNTS, "status")


def _cells(budget: Object, now: datetime) -> list[Any]:
    spec = section(budget, "spec")
    return [
        name_of(budget),
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        section(budget, "status").get("disruptionsAllowed", 0),
        age_of(budget, now),
    ]


POD_DISRUPTION_BUDGETS = Strategy(
    blind_updates=False,
    name_rule=formats.path_segment,
    checks_metadata=False,
    needs_known_finalizers=False,
    validate=_validate,
    validate_status=_validate_status,
    generation=True,
    cells=_cells,
)
