"""StatefulSets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.kinds.apps.workloads import (
    SCALE,
    above_all_causes,
    collision_causes,
    container_cells,
    count_of,
    int_or_percent_causes,
    lasting_pod_causes,
    negative_causes,
    ready_of,
    selector_and_template_causes,
    spec_template_warnings,
    status_causes,
)
from ctrlkit.fakes.tracker.kinds.core.claims import claim_spec_causes, fill_in_claim
from ctrlkit.fakes.tracker.kinds.core.pod_features import drop_of_template
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template, template_causes
from ctrlkit.fakes.tracker.kinds.metadata import annotation_causes, label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
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
_BOUNDED = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_COUNTS = ("replicas", *_BOUNDED, "observedGeneration", "collisionCount")


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec["updateStrategy"]
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        strategy["rollingUpdate"].setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    policy.setdefault("whenDeleted", "Retain")
    policy.setdefault("whenScaled", "Retain")
    fill_in_template(spec["template"]["spec"])
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        fill_in_claim(claim)


def _begin(plain: Plain) -> None:
    """The update strategy has a field that servers drop unless they are told otherwise."""
    plain["spec"]["updateStrategy"].get("rollingUpdate", {}).pop("maxUnavailable", None)


def _keep(plain: Plain, old: Object) -> None:
    if (
        "maxUnavailable" not in (old["spec"]["updateStrategy"].get("rollingUpdate") or {})
        and plain["spec"] is not old["spec"]
    ):
        _begin(plain)


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
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
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or () if old is None else ()):
        yield from claim_spec_causes(claim["spec"], f"spec.volumeClaimTemplates[{index}].spec")
    yield from negative_causes(spec, ("replicas", "minReadySeconds"), "spec")
    yield from negative_causes(spec.get("ordinals") or {}, ("start",), "spec.ordinals")
    if old is None and spec.get("serviceName"):
        yield from Cause.all_wrong("spec.serviceName", spec["serviceName"], formats.dns_label(spec["serviceName"]))
    yield from selector_and_template_causes(spec, _template_causes(spec), kind="statefulset", text_if_unreadable="")
    yield from lasting_pod_causes(spec["template"]["spec"], "spec.template.spec", "StatefulSet")
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        names = ", ".join(f"'{name}'" for name in _MAY_CHANGE[:-1])
        text = f"updates to statefulset spec for fields other than {names} and '{_MAY_CHANGE[-1]}' are forbidden"
        yield Cause.forbidden("spec", text)


def _template_causes(spec: Object) -> Iterator[Cause]:
    """Check the template as its pods will be: with a volume for each claim, and names that are given to them."""
    template = spec["template"]
    pod = {name: value for name, value in template["spec"].items() if name not in ("hostname", "subdomain")}
    claims = [claim["metadata"].get("name") or "" for claim in spec.get("volumeClaimTemplates") or ()]
    if claims:
        volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(claims)]
        pod["volumes"] = [*volumes, *(one for one in pod.get("volumes") or () if one["name"] not in claims)]
    yield from template_causes({**template, "spec": pod}, "spec.template")
    yield from label_causes(template["metadata"].get("labels"), "spec.template.labels")  # again, as a server does
    yield from annotation_causes(template["metadata"].get("annotations"), "spec.template.annotations")


def _update_strategy_causes(strategy: Object) -> Iterator[Cause]:
    rolling, path = strategy.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate"
    shown = None
    if rolling is not None:
        # As the server's own type has it.
        shown = {"Partition": rolling.get("partition", 0), "MaxUnavailable": rolling.get("maxUnavailable")}
    match strategy["type"]:
        case "OnDelete":
            if rolling is not None:
                value = msgspec.json.encode(shown).decode()
                yield Cause.invalid(path, value, "only allowed for updateStrategy 'RollingUpdate'")
        case "RollingUpdate":
            yield from negative_causes(rolling or {}, ("partition",), path)
            if rolling and "maxUnavailable" in rolling:
                yield from int_or_percent_causes(rolling["maxUnavailable"], f"{path}.maxUnavailable")
                if not count_of(rolling["maxUnavailable"]):
                    yield Cause.wrong(f"{path}.maxUnavailable", rolling["maxUnavailable"], "cannot be 0")
                yield from above_all_causes(rolling["maxUnavailable"], f"{path}.maxUnavailable")
        case other:
            value = msgspec.json.encode({"Type": other, "RollingUpdate": shown}).decode()
            yield Cause.invalid("spec.updateStrategy", value, "must be 'RollingUpdate' or 'OnDelete'")


def _fixed(spec: Object) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in _MAY_CHANGE}


def _validate_status(plain: Object, old: Object) -> Iterator[Cause]:
    status = section(plain, "status")
    yield from status_causes(status, _COUNTS, _BOUNDED, "cannot be greater than status.readyReplicas")
    yield from collision_causes(plain, old)


def _warnings(plain: Object, old: Object | None) -> Iterator[str]:
    yield from spec_template_warnings(plain, old)
    if plain["spec"]["revisionHistoryLimit"] < 0:
        yield (
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        )


def _cells(stateful_set: Object, now: datetime) -> list[Any]:
    return [name_of(stateful_set), ready_of(stateful_set), age_of(stateful_set, now), *container_cells(stateful_set)]


STATEFULSETS = Strategy(
    scale=SCALE,
    name_rule=formats.dns_label,
    defaults=_fill_in,
    drop=drop_of_template,
    begin=_begin,
    keep=_keep,
    validate=_validate,
    validate_status=_validate_status,
    warn=_warnings,
    generation=True,
    cells=_cells,
)
