"""StatefulSets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    NOT_NEGATIVE,
    SCALE,
    container_cells,
    negative_causes,
    ready_of,
    template_metadata_causes,
    workload_selector_causes,
)
from ctrlkit.fakes.tracker.kinds.core.claims import fill_in_claim
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_MAY_CHANGE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_MANAGEMENT = ("OrderedReady", "Parallel")
_COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec["updateStrategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    policy.setdefault("whenDeleted", "Retain")
    policy.setdefault("whenScaled", "Retain")
    fill_in_template(spec["template"]["spec"])
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        fill_in_claim(claim)


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    """Check a StatefulSet; a server checks almost nothing of the template's spec."""
    spec: Object = plain["spec"]
    if old is not None:
        yield from _status_causes(plain.get("status") or {})
        if spec is old["spec"]:
            return
    if spec["podManagementPolicy"] not in _MANAGEMENT:
        yield Cause.wrong(
            "spec.podManagementPolicy", spec["podManagementPolicy"], "must be 'OrderedReady' or 'Parallel'"
        )
    yield from _update_strategy_causes(spec["updateStrategy"])
    for name in ("whenDeleted", "whenScaled"):
        policy = spec["persistentVolumeClaimRetentionPolicy"][name]
        if policy not in ("Retain", "Delete"):
            field = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
            yield Cause.unsupported(field, policy, ("Retain", "Delete"))
    yield from negative_causes(spec, ("replicas", "minReadySeconds"), "spec")
    yield from workload_selector_causes(spec, "empty selector is invalid for statefulset")
    template = spec["template"]
    yield from template_metadata_causes(template["metadata"])
    if template["spec"]["restartPolicy"] != "Always":
        yield Cause.unsupported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ("Always",))
    if template["spec"].get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in StatefulSet is not Supported"
        yield Cause.forbidden("spec.template.spec.activeDeadlineSeconds", text)
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        names = ", ".join(f"'{name}'" for name in _MAY_CHANGE[:-1])
        text = f"updates to statefulset spec for fields other than {names} and '{_MAY_CHANGE[-1]}' are forbidden"
        yield Cause.forbidden("spec", text)


def _update_strategy_causes(strategy: Object) -> Iterator[Cause]:
    if strategy["type"] not in ("RollingUpdate", "OnDelete"):
        yield Cause.wrong("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and "rollingUpdate" in strategy:
        text = "only allowed for updateStrategy 'RollingUpdate'"
        yield Cause.wrong("spec.updateStrategy.rollingUpdate", strategy["rollingUpdate"], text)
    elif strategy["type"] == "RollingUpdate" and strategy["rollingUpdate"]["partition"] < 0:
        partition = strategy["rollingUpdate"]["partition"]
        yield Cause.wrong("spec.updateStrategy.rollingUpdate.partition", partition, NOT_NEGATIVE)


def _fixed(spec: Object) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in _MAY_CHANGE}


def _status_causes(status: Object) -> Iterator[Cause]:
    yield from negative_causes(status, _COUNTS, "status")
    total = status.get("replicas", 0)
    for name in _COUNTS[1:]:
        if status.get(name, 0) > total:
            yield Cause.wrong(f"status.{name}", status[name], "cannot be greater than status.replicas")
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        text = "cannot be greater than status.readyReplicas"
        yield Cause.wrong("status.availableReplicas", status["availableReplicas"], text)


def _cells(stateful_set: Object, now: datetime) -> list[Any]:
    return [name_of(stateful_set), ready_of(stateful_set), age_of(stateful_set, now), *container_cells(stateful_set)]


STATEFULSETS = Strategy(
    scale=SCALE,
    name_rule=formats.dns_label,
    defaults=_fill_in,
    validate=_validate,
    generation=True,
    cells=_cells,
)
