"""HorizontalPodAutoscalers as autoscaling/v2 has them, which is how they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import negative_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

CPU_PERCENT = 80
"""The use of the CPUs that is aimed at where nothing is asked for."""

_SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
"""The field that holds the source of each type of metric, in the order in which a server looks at them."""
_TARGETS = ("Utilization", "Value", "AverageValue")
_SELECT_POLICIES = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
_RULES: dict[str, Plain] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
    },
    "scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
}
_CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_RESOURCES = (
    *(f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in _CONTAINER_RESOURCES),
    *(
        "pods",
        "services",
        "resourcequotas",
        "replicationcontrollers",
        "secrets",
        "persistentvolumeclaims",
        "configmaps",
    ),
    *("storage", "requests.storage", "services.nodeports", "services.loadbalancers"),
)
_PERIOD_MAX_S = 1800
_WINDOW_MAX_S = 3600
_SHOWN_METRICS = 2
_UNKNOWN = "<unknown>"


def fill_in_metrics(spec: Plain) -> None:
    """Fill in the metric that is meant where none is given."""
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("minReplicas", 1)
    fill_in_metrics(spec)
    if "behavior" in spec:
        behavior: Object = spec["behavior"] or {}
        spec["behavior"] = {name: _with_defaults(behavior.get(name), rules) for name, rules in _RULES.items()}


def _with_defaults(given: Object | None, rules: Plain) -> Plain:
    filled = {name: [*value] if isinstance(value, list) else value for name, value in rules.items()}
    return filled | dict(given or {})


def _keep_status(plain: Plain, _old: Object) -> None:
    """An empty list of metrics is none, as a server reads what it has stored."""
    status = section(plain, "status")
    if "currentMetrics" in status:
        plain["status"] = {**status, "currentMetrics": status["currentMetrics"] or None}


# ---- rules -----------------------------------------------------------------------------------------------------------


def validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    """Yield a cause for each rule that an autoscaler breaks."""
    spec: Object = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    had: Object = old["spec"] if old is not None else {}
    yield from _replica_causes(spec, had)
    target = spec["scaleTargetRef"]
    was = had.get("scaleTargetRef") or {}
    is_same = old is not None and all(was.get(name) == target.get(name) for name in ("apiVersion", "kind"))
    yield from _reference_causes(
        target,
        "spec.scaleTargetRef",
        needs_group=target.get("kind") != "ReplicationController",
        is_known=is_same,
    )
    is_known = any(
        metric.get("type") == "Object" and _version_problem(section(metric, "object").get("describedObject") or {})
        for metric in had.get("metrics") or ()
    )
    metrics = spec.get("metrics") or ()
    for index, metric in enumerate(metrics):
        yield from _metric_causes(metric, f"spec.metrics[{index}]", is_known=is_known)
    if spec.get("minReplicas") == 0 and not {"Object", "External"} & {metric.get("type") for metric in metrics}:
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield Cause.forbidden("spec.metrics", text)
    for name in ("scaleUp", "scaleDown"):
        rules = section(spec, "behavior").get(name)
        if rules is not None:
            yield from _rules_causes(rules, f"spec.behavior.{name}")


def _replica_causes(spec: Object, had: Object) -> Iterator[Cause]:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    bound = 0 if had.get("minReplicas") == 0 else 1
    if least is not None and least < bound:
        yield Cause.wrong("spec.minReplicas", least, f"must be greater than or equal to {bound}")
    if most == 0:
        yield Cause.required("spec.maxReplicas", "must be set and greater than 0")
    elif most < 0:
        yield Cause.wrong("spec.maxReplicas", most, "must be greater than or equal to 1")
    if least is not None and most < least:
        yield Cause.wrong("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")


def _reference_causes(reference: Object, path: str, *, needs_group: bool, is_known: bool) -> Iterator[Cause]:
    for name in ("kind", "name"):
        value = reference.get(name) or ""
        if not value:
            yield Cause.required(f"{path}.{name}")
        else:
            yield from Cause.all_wrong(f"{path}.{name}", value, formats.path_segment(value))
    problem = "" if is_known else _version_problem(reference, needs_group=needs_group)
    if problem:
        yield Cause.wrong(f"{path}.apiVersion", reference.get("apiVersion") or "", problem)


def _version_problem(reference: Object, *, needs_group: bool = False) -> str:
    version = reference.get("apiVersion") or ""
    if version.count("/") > 1:
        return f"unexpected GroupVersion string: {version}"
    has_group = version.find("/") > 0
    return "apiVersion must specify API group" if needs_group and not has_group else ""


def _metric_causes(metric: Object, path: str, *, is_known: bool) -> Iterator[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        yield Cause.required(f"{path}.type", "must specify a metric source type")
    supported = sorted(_SOURCES)
    if kind not in _SOURCES:
        yield Cause.unsupported(f"{path}.type", kind, supported)
    present = [name for name in _SOURCES.values() if metric.get(name) is not None]
    if present:
        yield from _source_causes(present[0], metric[present[0]], f"{path}.{present[0]}", is_known=is_known)
    expected = _SOURCES.get(kind, "")
    if not expected:
        yield Cause.unsupported(f"{path}.type", kind, supported)
    elif expected not in present:
        yield Cause.required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) != 1:
        for name in present:
            if name != expected:
                yield Cause.forbidden(f"{path}.{name}", "must populate the given metric source only")


def _source_causes(name: str, source: Object, path: str, *, is_known: bool) -> Iterator[Cause]:
    target: Object = source.get("target") or {}
    if name == "object":
        described = source.get("describedObject") or {}
        yield from _reference_causes(described, f"{path}.describedObject", needs_group=False, is_known=is_known)
    if name in ("object", "external", "pods"):
        yield from _identifier_causes(section(source, "metric").get("name") or "", f"{path}.metric.name")
    else:
        yield from _resource_causes(name, source, path)
    yield from _target_causes(target, f"{path}.target")
    yield from _choice_causes(name, target, f"{path}.target")


def _identifier_causes(name: str, path: str) -> Iterator[Cause]:
    if not name:
        yield Cause.required(path, "must specify a metric name")
    else:
        yield from Cause.all_wrong(path, name, formats.path_segment(name))


def _resource_causes(kind: str, source: Object, path: str) -> Iterator[Cause]:
    name = source.get("name") or ""
    if not name:
        yield Cause.required(f"{path}.name", "must specify a resource name")
    elif kind == "containerResource":
        yield from _container_resource_causes(name, f"{path}.name")
    if kind != "containerResource":
        return
    container = source.get("container") or ""
    if not container:
        yield Cause.required(f"{path}.container", "must specify a container")
    else:
        yield from Cause.all_wrong(f"{path}.container", container, formats.dns_label(container))


def _container_resource_causes(name: str, path: str) -> Iterator[Cause]:
    complaints = formats.label_key(name)
    yield from Cause.all_wrong(path, name, complaints)
    if "/" in name:
        is_extended = not name.startswith("requests.") and not formats.label_key(f"requests.{name}")
        if "kubernetes.io/" not in name and not is_extended:
            yield Cause.wrong(path, name, "doesn't follow extended resource name standard")
        return
    if not complaints and name not in _RESOURCES and not name.startswith("hugepages-"):
        yield Cause.wrong(path, name, "must be a standard resource type or fully qualified")
    if name not in _CONTAINER_RESOURCES and not name.startswith("hugepages-"):
        yield Cause.wrong(path, name, "must be a standard resource for containers")


def _target_causes(target: Object, path: str) -> Iterator[Cause]:
    kind = target.get("type") or ""
    if not kind:
        yield Cause.required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        yield Cause.wrong(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        if name in target and quantity_value(target[name]) <= 0:
            yield Cause.wrong(f"{path}.{name}", target[name], "must be positive")
    if target.get("averageUtilization", 1) < 1:
        yield Cause.wrong(f"{path}.averageUtilization", target["averageUtilization"], "must be greater than 0")


_EITHER = {
    "object": ("value", "averageValue", "averageValue", "must set either a target value or averageValue"),
    "external": (
        *("value", "averageValue", "averageValue"),
        "must set either a target value for metric or a per-pod target",
    ),
    "pods": ("averageValue", "averageValue", "averageValue", "must specify a positive target averageValue"),
    "resource": (
        *("averageUtilization", "averageValue", "averageUtilization"),
        "must set either a target raw value or a target utilization",
    ),
}
"""By source: two fields of a target of which one must be set, the field that is complained of, and how."""
_NOT_BOTH = {
    "external": ("value", "may not set both a target value for metric and a per-pod target"),
    "resource": ("averageValue", "may not set both a target raw value and a target utilization"),
}


def _choice_causes(source: str, target: Object, path: str) -> Iterator[Cause]:
    source = "resource" if source == "containerResource" else source
    one, other, named, text = _EITHER[source]
    if one not in target and other not in target:
        yield Cause.required(f"{path}.{named}", text)
    if source in _NOT_BOTH and one in target and other in target:
        named, text = _NOT_BOTH[source]
        yield Cause.forbidden(f"{path}.{named}", text)


def _rules_causes(rules: Object, path: str) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        text = "must be greater than or equal to zero"
        yield Cause.wrong(f"{path}.stabilizationWindowSeconds", window, text)
    if window is not None and window > _WINDOW_MAX_S:
        text = f"must be less than or equal to {_WINDOW_MAX_S}"
        yield Cause.wrong(f"{path}.stabilizationWindowSeconds", window, text)
    select = rules.get("selectPolicy")
    if select is not None and select not in _SELECT_POLICIES:
        yield Cause.unsupported(f"{path}.selectPolicy", select, _SELECT_POLICIES)
    policies = rules.get("policies") or ()
    if not policies:
        yield Cause.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        yield from _policy_causes(policy, f"{path}.policies[{index}]")
    if "tolerance" in rules and quantity_value(rules["tolerance"]) < 0:
        yield Cause.wrong(f"{path}.tolerance", rules["tolerance"], "must be greater than or equal to 0")


def _policy_causes(policy: Object, path: str) -> Iterator[Cause]:
    if policy.get("type") not in _POLICIES:
        yield Cause.unsupported(f"{path}.type", policy.get("type") or "", _POLICIES)
    for name in ("value", "periodSeconds"):
        if policy.get(name, 0) <= 0:
            yield Cause.wrong(f"{path}.{name}", policy.get(name, 0), "must be greater than zero")
    if policy.get("periodSeconds", 0) > _PERIOD_MAX_S:
        text = f"must be less than or equal to {_PERIOD_MAX_S}"
        yield Cause.wrong(f"{path}.periodSeconds", policy["periodSeconds"], text)


def validate_status(plain: Object, _old: Object) -> Iterator[Cause]:
    """Yield a cause for each rule that the status breaks."""
    yield from negative_causes(section(plain, "status"), ("currentReplicas", "desiredReplicas"), "status")


# ---- cells -----------------------------------------------------------------------------------------------------------


def cells(autoscaler: Object, now: datetime) -> list[Any]:
    """Make the cells of an autoscaler."""
    spec, status = section(autoscaler, "spec"), section(autoscaler, "status")
    target = section(spec, "scaleTargetRef")
    return [
        name_of(autoscaler),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics_cell(spec.get("metrics") or (), status.get("currentMetrics") or ()),
        str(spec.get("minReplicas", "<unset>")),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        age_of(autoscaler, now),
    ]


def _metrics_cell(metrics: Sequence[Object], current: Sequence[Object]) -> str:
    if not metrics:
        return NONE
    shown = [
        _metric_text(metric, current[index] if index < len(current) else {}) for index, metric in enumerate(metrics)
    ]
    text = ", ".join(shown[:_SHOWN_METRICS])
    return text if len(shown) <= _SHOWN_METRICS else f"{text} + {len(shown) - _SHOWN_METRICS} more..."


def _metric_text(metric: Object, status: Object) -> str:
    field = _SOURCES.get(metric.get("type", ""), "")
    if not field:
        return "<unknown type>"
    source = section(metric, field)
    target = section(source, "target")
    current = section(section(status, field), "current")
    name = f"{source.get('name', '')}: " if field in ("resource", "containerResource") else ""
    if "averageValue" in target:
        ending = " (avg)" if field in ("external", "object") else ""
        return f"{name}{current.get('averageValue', _UNKNOWN)}/{target['averageValue']}{ending}"
    if not name:
        return f"{current.get('value', _UNKNOWN)}/{target.get('value', '<nil>')}"
    used, wanted = current.get("averageUtilization"), target.get("averageUtilization")
    return f"{name}{_UNKNOWN if used is None else f'{used}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"


AUTOSCALERS = Strategy(
    defaults=_fill_in,
    keep_status=_keep_status,
    validate=validate,
    validate_status=validate_status,
    cells=cells,
)
