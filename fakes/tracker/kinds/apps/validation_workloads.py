"""What the server has against StatefulSets and Deployments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.validation_pods import pod_spec_causes
from ctrlkit.fakes.tracker.kinds.validation_metadata import annotation_causes, label_causes, selector_causes
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.verbs.selection import selector_text
from ctrlkit.model import LabelSelector

Plain = Mapping[str, Any]

_NOT_NEGATIVE = "must be greater than or equal to 0"
_IMMUTABLE = "field is immutable"
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


def stateful_set_causes(plain: Plain, old: Plain | None) -> Iterator[Cause]:
    """What the server has against a StatefulSet; of the template's spec it checks next to nothing."""
    spec: Plain = plain["spec"]
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
    yield from _negative_causes(spec, ("replicas", "minReadySeconds"), "spec")
    yield from _selector_causes(spec, "empty selector is invalid for statefulset")
    template = spec["template"]
    yield from _template_metadata_causes(template["metadata"])
    if template["spec"]["restartPolicy"] != "Always":
        yield Cause.unsupported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ("Always",))
    if template["spec"].get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in StatefulSet is not Supported"
        yield Cause.forbidden("spec.template.spec.activeDeadlineSeconds", text)
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        names = ", ".join(f"'{name}'" for name in _MAY_CHANGE[:-1])
        text = f"updates to statefulset spec for fields other than {names} and '{_MAY_CHANGE[-1]}' are forbidden"
        yield Cause.forbidden("spec", text)


def _update_strategy_causes(strategy: Plain) -> Iterator[Cause]:
    if strategy["type"] not in ("RollingUpdate", "OnDelete"):
        yield Cause.wrong("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and "rollingUpdate" in strategy:
        text = "only allowed for updateStrategy 'RollingUpdate'"
        yield Cause.wrong("spec.updateStrategy.rollingUpdate", strategy["rollingUpdate"], text)
    elif strategy["type"] == "RollingUpdate" and strategy["rollingUpdate"]["partition"] < 0:
        partition = strategy["rollingUpdate"]["partition"]
        yield Cause.wrong("spec.updateStrategy.rollingUpdate.partition", partition, _NOT_NEGATIVE)


def deployment_causes(plain: Plain, old: Plain | None) -> Iterator[Cause]:
    """What the server has against a Deployment."""
    spec: Plain = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from _negative_causes(spec, ("replicas",), "spec")
    yield from _selector_causes(spec, "empty selector is invalid for deployment")
    template = spec["template"]
    yield from _template_metadata_causes(template["metadata"])
    yield from pod_spec_causes(template["spec"], "spec.template.spec")
    if template["spec"]["restartPolicy"] in ("OnFailure", "Never"):
        yield Cause.unsupported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ("Always",))
    strategy = spec["strategy"]
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        yield Cause.unsupported("spec.strategy.type", strategy["type"], ("Recreate", "RollingUpdate"))
    elif strategy["type"] == "Recreate" and "rollingUpdate" in strategy:
        text = "may not be specified when strategy `type` is 'Recreate'"
        yield Cause.forbidden("spec.strategy.rollingUpdate", text)
    yield from _negative_causes(spec, ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"), "spec")
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        text = "must be greater than minReadySeconds"
        yield Cause.wrong("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], text)
    if old is not None and spec.get("selector") != old["spec"]["selector"]:
        yield Cause.wrong("spec.selector", spec.get("selector"), _IMMUTABLE)


def _fixed(spec: Plain) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in _MAY_CHANGE}


def _negative_causes(plain: Plain, names: tuple[str, ...], path: str) -> Iterator[Cause]:
    for name in names:
        if plain.get(name, 0) < 0:
            yield Cause.wrong(f"{path}.{name}", plain[name], _NOT_NEGATIVE)


def _selector_causes(spec: Plain, text_if_empty: str) -> Iterator[Cause]:
    """The selector itself, and whether it selects the pods that the template makes."""
    selector = spec.get("selector")
    labels = spec["template"]["metadata"].get("labels") or {}
    if selector is None:
        yield Cause.required("spec.selector")
        selects = False
    else:
        found = list(selector_causes(selector, "spec.selector"))
        yield from found
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield Cause.wrong("spec.selector", selector, text_if_empty)
        if found:
            return
        selects = LabelSelector.parse(selector_text(selector)).matches(labels)
    if not selects:
        text = "`selector` does not match template `labels`"
        yield Cause.wrong("spec.template.metadata.labels", labels or None, text)


def _template_metadata_causes(metadata: Plain) -> Iterator[Cause]:
    yield from label_causes(metadata.get("labels"), "spec.template.labels")
    yield from annotation_causes(metadata.get("annotations"), "spec.template.annotations")


def _status_causes(status: Plain) -> Iterator[Cause]:
    yield from _negative_causes(status, _COUNTS, "status")
    total = status.get("replicas", 0)
    for name in _COUNTS[1:]:
        if status.get(name, 0) > total:
            yield Cause.wrong(f"status.{name}", status[name], "cannot be greater than status.replicas")
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        text = "cannot be greater than status.readyReplicas"
        yield Cause.wrong("status.availableReplicas", status["availableReplicas"], text)
