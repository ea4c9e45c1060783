"""
HorizontalPodAutoscalers as autoscaling/v1 has them: with one metric, the use of CPUs, and all else in annotations.

Annotations hold what the form has no fields for, as JSON: the other metrics, what is known of all of them and the
conditions by the types of autoscaling/v1, and the behaviour by a type that the server has for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.conversion import Conversion
from ctrlkit.fakes.tracker.kinds import autoscaling
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.model import custom_resource

_STORED = custom_resource(
    group="autoscaling", version="v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers"
)
_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS = f"{_PREFIX}metrics"
_BEHAVIOR = f"{_PREFIX}behavior"
_CURRENT = f"{_PREFIX}current-metrics"
_CONDITIONS = f"{_PREFIX}conditions"
_OURS = (_METRICS, _BEHAVIOR, _CURRENT, _CONDITIONS, f"{_PREFIX}scale-down-tolerance", f"{_PREFIX}scale-up-tolerance")
_OF_SPEC = (_METRICS, _BEHAVIOR)
_OF_STATUS = (_CURRENT, _CONDITIONS)
_SOURCES = ("object", "pods", "resource", "containerResource", "external")
_CONDITION = ("type", "status", "lastTransitionTime", "reason", "message")
_REFERENCE = ("kind", "name", "apiVersion")
_NOTHING: Mapping[str, Any] = {}


def _show(plain: Object) -> Plain:
    spec, status = plain["spec"], section(plain, "status")
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    others = [_shown_metric(one, _shown_source) for one in metrics if not _is_cpu_use(one)]
    added: Plain = {}
    if others:
        added[_METRICS] = _json(others)
    if current:
        added[_CURRENT] = _json([_shown_metric(one, _shown_current) for one in current])
    if spec.get("behavior") is not None:
        added[_BEHAVIOR] = _json(_go_behavior(spec["behavior"]))
    if status.get("conditions"):
        added[_CONDITIONS] = _json([_in_order(one, _CONDITION) for one in status["conditions"]])
    shown = {**plain, "spec": {name: value for name, value in spec.items() if name not in ("metrics", "behavior")}}
    uses = [one["resource"]["target"]["averageUtilization"] for one in metrics if _is_cpu_use(one)]
    if uses:
        shown["spec"]["targetCPUUtilizationPercentage"] = uses[0]
    if "status" in plain:
        shown["status"] = _shown_status(status)
    return _with_annotations(shown, added)


def _shown_status(status: Object) -> Plain:
    shown = {name: value for name, value in status.items() if name not in ("currentMetrics", "conditions")}
    shown = {"currentReplicas": 0} | shown  # which the other form leaves out
    for one in status.get("currentMetrics") or ():
        resource = section(one, "resource")
        use = section(resource, "current").get("averageUtilization")
        if one.get("type") == "Resource" and resource.get("name") == "cpu" and use is not None:
            shown["currentCPUUtilizationPercentage"] = use
    return shown


def _store(plain: Object) -> Plain:
    spec, status = section(plain, "spec"), section(plain, "status")
    annotations = section(plain["metadata"], "annotations")
    stored = {name: value for name, value in spec.items() if name != "targetCPUUtilizationPercentage"}
    metrics = _fitting("metrics", [_stored_metric(one, _stored_source) for one in _read(annotations, _METRICS, list)])
    use = spec.get("targetCPUUtilizationPercentage")
    if use is not None:
        target = {"type": "Utilization", "averageUtilization": use}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    stored["metrics"] = metrics
    autoscaling.fill_in_metrics(stored)
    behavior = _fitting("behavior", _stored_behavior(_read(annotations, _BEHAVIOR, dict)))
    if behavior:
        stored["behavior"] = behavior
    result = {**plain, "spec": stored}
    if "status" in plain:
        result["status"] = _stored_status(status, annotations)
    return _with_annotations(result, {})


def _stored_status(status: Object, annotations: Object) -> Plain:
    stored = {name: value for name, value in status.items() if name != "currentCPUUtilizationPercentage"}
    if not stored.get("currentReplicas"):
        stored.pop("currentReplicas", None)
    use = status.get("currentCPUUtilizationPercentage")
    if use is not None:
        of_cpu = {"name": "cpu", "current": {"averageUtilization": use}}
        stored["currentMetrics"] = [{"type": "Resource", "resource": of_cpu}]
    current = [_stored_metric(one, _stored_current) for one in _read(annotations, _CURRENT, list)]
    for name, value in (("currentMetrics", current), ("conditions", _read(annotations, _CONDITIONS, list))):
        fitting = _fitting(name, value, part="status")
        if fitting:
            stored[name] = fitting
    return stored


# ---- metrics ---------------------------------------------------------------------------------------------------------

_Source = Callable[[str, Object], Plain]


def _is_cpu_use(metric: Object) -> bool:
    resource = section(metric, "resource")
    is_cpu = metric.get("type") == "Resource" and resource.get("name") == "cpu"
    return is_cpu and section(resource, "target").get("averageUtilization") is not None


def _shown_metric(metric: Object, convert: _Source) -> Plain:
    shown = {name: convert(name, metric[name]) for name in _SOURCES if metric.get(name) is not None}
    return {"type": metric.get("type", ""), **shown}


def _stored_metric(metric: Object, convert: _Source) -> Plain:
    stored = {name: convert(name, metric[name]) for name in _SOURCES if isinstance(metric.get(name), Mapping)}
    return {"type": metric.get("type", ""), **stored}


def _shown_source(kind: str, source: Object) -> Plain:
    target: Object = source.get("target") or _NOTHING
    name, selector = _identifier(source)
    value, average = target.get("value"), target.get("averageValue")
    match kind:
        case "object":
            shown = {"target": _in_order(source["describedObject"], _REFERENCE), "metricName": name}
            return _given(shown, targetValue=value or "0", selector=selector, averageValue=average)
        case "pods":
            return _given({"metricName": name}, targetAverageValue=average or "0", selector=selector)
        case "external":
            return _given({"metricName": name}, metricSelector=selector, targetValue=value, targetAverageValue=average)
    use = target.get("averageUtilization")
    shown = {"name": source.get("name", "")}
    return _given(shown, targetAverageUtilization=use, targetAverageValue=average, container=source.get("container"))


def _stored_source(kind: str, source: Object) -> Plain:
    get = source.get
    match kind:
        case "object":
            average, value = get("averageValue"), get("targetValue", "0")
            has_value = average is None or value != "0"
            target = _target("Value" if average is None else "AverageValue", value if has_value else None, average)
            return _measured(source, "selector", target) | {"describedObject": get("target") or {}}
        case "pods":
            return _measured(source, "selector", _target("AverageValue", None, get("targetAverageValue", "0")))
        case "external":
            kind = "AverageValue" if get("targetValue") is None else "Value"
            return _measured(source, "metricSelector", _target(kind, get("targetValue"), get("targetAverageValue")))
    use = get("targetAverageUtilization")
    target = _target("AverageValue" if use is None else "Utilization", None, get("targetAverageValue"))
    return _given(
        {"name": get("name", ""), "target": _given(target, averageUtilization=use)}, container=get("container")
    )


def _shown_current(kind: str, source: Object) -> Plain:
    current: Object = source.get("current") or _NOTHING
    name, selector = _identifier(source)
    value, average = current.get("value"), current.get("averageValue")
    match kind:
        case "object":
            shown = {"target": _in_order(source["describedObject"], _REFERENCE), "metricName": name}
            return _given(shown, currentValue=value or "0", selector=selector, averageValue=average)
        case "pods":
            return _given({"metricName": name}, currentAverageValue=average or "0", selector=selector)
        case "external":
            shown = {"metricName": name}
            return _given(shown, metricSelector=selector, currentValue=value or "0", currentAverageValue=average)
    use = current.get("averageUtilization")
    return _given(
        {"name": source.get("name", "")},
        currentAverageUtilization=use,
        currentAverageValue=average or "0",
        container=source.get("container"),
    )


def _stored_current(kind: str, source: Object) -> Plain:
    get = source.get
    match kind:
        case "object":
            current = _given({}, value=get("currentValue", "0"), averageValue=get("averageValue"))
            measured = _measured(source, "selector", current, "current")
            return measured | {"describedObject": get("target") or {}}
        case "pods":
            return _measured(source, "selector", {"averageValue": get("currentAverageValue", "0")}, "current")
        case "external":
            current = _given({}, value=get("currentValue", "0"), averageValue=get("currentAverageValue"))
            return _measured(source, "metricSelector", current, "current")
    current = _given(
        {}, averageUtilization=get("currentAverageUtilization"), averageValue=get("currentAverageValue", "0")
    )
    return _given({"name": get("name", ""), "current": current}, container=get("container"))


def _identifier(source: Object) -> tuple[str, Object | None]:
    metric: Object = source.get("metric") or _NOTHING
    return metric.get("name", ""), metric.get("selector")


def _measured(source: Object, selector: str, value: Plain, field: str = "target") -> Plain:
    metric = _given({"name": source.get("metricName", "")}, selector=source.get(selector))
    return {"metric": metric, field: value}


def _target(kind: str, value: str | None, average: str | None) -> Plain:
    return _given({"type": kind}, value=value, averageValue=average)


def _given(plain: Plain, **more: Any) -> Plain:
    return plain | {name: value for name, value in more.items() if value is not None}


# ---- behaviour, and annotations --------------------------------------------------------------------------------------

_GO_RULES = {
    "stabilizationWindowSeconds": "StabilizationWindowSeconds",
    "selectPolicy": "SelectPolicy",
    "policies": "Policies",
    "tolerance": "Tolerance",
}
_GO_POLICY = {"type": "Type", "value": "Value", "periodSeconds": "PeriodSeconds"}


def _go_behavior(behavior: Object) -> Plain:
    """A behaviour as the server's own type has it."""
    return {"ScaleUp": _go_rules(behavior.get("scaleUp")), "ScaleDown": _go_rules(behavior.get("scaleDown"))}


def _go_rules(rules: Object | None) -> Plain | None:
    if rules is None:
        return None
    shown = {go_name: rules.get(name) for name, go_name in _GO_RULES.items()}
    policies = [{go_name: one.get(name) for name, go_name in _GO_POLICY.items()} for one in rules.get("policies") or ()]
    return shown | {"Policies": policies or None}


def _stored_behavior(behavior: Object) -> Plain:
    rules = {name: behavior.get(name[0].upper() + name[1:]) for name in ("scaleUp", "scaleDown")}
    return {name: _stored_rules(one) for name, one in rules.items() if isinstance(one, Mapping)}


def _stored_rules(rules: Object) -> Plain:
    stored = {name: rules[go_name] for name, go_name in _GO_RULES.items() if rules.get(go_name) is not None}
    if "policies" in stored:
        stored["policies"] = [
            {name: one[go_name] for name, go_name in _GO_POLICY.items() if go_name in one} for one in stored["policies"]
        ]
    return stored


def _read(annotations: Object, name: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    """Read an annotation; what cannot be read counts as none."""
    try:
        value = msgspec.json.decode(annotations.get(name, "null"))
    except msgspec.DecodeError:
        return kind()
    fits = all(isinstance(one, Mapping) for one in value) if isinstance(value, list) else True
    return value if isinstance(value, kind) and fits else kind()


def _fitting(name: str, value: Any, part: str = "spec") -> Any:
    """Return what an annotation says if it has the type of the stored field; else it counts as none."""
    try:
        read, _ = typed.read(types_of(), _STORED, {part: {name: value}}, {})
    except typed.DoesNotFit:
        return type(value)()
    return read[part].get(name, type(value)())


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _in_order(plain: Object, names: tuple[str, ...]) -> Plain:
    return {name: plain[name] for name in names if name in plain}


def _with_annotations(plain: Plain, added: Plain) -> Plain:
    """Return an object with these in place of the annotations that hold what there are no fields for."""
    annotations = {**section(plain["metadata"], "annotations")}
    kept = {name: text for name, text in annotations.items() if name not in _OURS} | added
    rest = {name: value for name, value in plain["metadata"].items() if name != "annotations"}
    return plain | {"metadata": rest | ({"annotations": kept} if kept else {})}


# ---- the strategy ----------------------------------------------------------------------------------------------------


def _fill_in(plain: Plain) -> None:
    """Fill in fields, and let the object be as it will be shown again."""
    plain["spec"].setdefault("minReplicas", 1)
    plain.update(_show(_store(plain)))


def _keep(plain: Plain, old: Object) -> None:
    _keep_annotations(plain, old, _OF_STATUS)
    plain.update(_show(_store(plain)))


def _keep_status(plain: Plain, old: Object) -> None:
    _keep_annotations(plain, old, _OF_SPEC)
    plain.update(_show(_store(plain)))


def _keep_annotations(plain: Plain, old: Object, names: tuple[str, ...]) -> None:
    """Restore the annotations that stand for the part of an object that is not written."""
    ours = {name: text for name, text in section(plain["metadata"], "annotations").items() if name not in names}
    theirs = {name: text for name, text in section(old["metadata"], "annotations").items() if name in names}
    rest = {name: value for name, value in plain["metadata"].items() if name != "annotations"}
    plain["metadata"] = rest | ({"annotations": ours | theirs} if ours or theirs else {})


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    return autoscaling.validate(_store(plain), None if old is None else _store(old))


AUTOSCALERS_V1 = Strategy(
    conversion=Conversion(_STORED, show=_show, store=_store),
    defaults=_fill_in,
    keep=_keep,
    keep_status=_keep_status,
    validate=_validate,
    validate_status=autoscaling.validate_status,
    answer_annotations=_OURS,
    cells=lambda plain, now: autoscaling.cells(_store(plain), now),
)
