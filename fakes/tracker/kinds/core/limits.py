"""LimitRanges and ResourceQuotas; the plug-ins `limits` and `quotas` enforce them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_resources import is_extended, round_amounts
from ctrlkit.fakes.tracker.kinds.metadata import make_uid
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, struct_text
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import is_whole, quantity_value

_OF_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
_COUNTED = (
    *("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "persistentvolumeclaims"),
    *("configmaps", "services.nodeports", "services.loadbalancers"),
)
_COMPUTED = (*_OF_CONTAINERS, *(f"{kind}.{name}" for kind in ("requests", "limits") for name in _OF_CONTAINERS))
_QUOTA_RESOURCES = (*_COMPUTED, *_COUNTED, "requests.storage")
_RESOURCES = (*_COMPUTED, *_COUNTED, "storage")
_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")

Amounts = Mapping[str, str]


def _is_huge(name: str) -> bool:
    return name.startswith("hugepages-")


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


# ---- LimitRange -----------------------------------------------------------------------------------------------------


def _fill_in_limits(limit_range: Plain) -> None:
    for limit in limit_range["spec"].get("limits") or ():
        round_amounts(limit, *_AMOUNTS)
        if limit["type"] != "Container":
            continue
        default = {**section(limit, "max"), **section(limit, "default")}
        request = {**section(limit, "min"), **default, **section(limit, "defaultRequest")}
        for name, amounts in (("default", default), ("defaultRequest", request)):
            if amounts:
                limit[name] = amounts


def _limit_causes(limit_range: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and limit_range["spec"] is old["spec"]:
        return
    types: set[str] = set()
    for index, limit in enumerate(limit_range["spec"].get("limits") or ()):
        path, kind = f"spec.limits[{index}]", limit["type"]
        complaints = formats.label_key(kind)
        yield from Cause.all_wrong(f"{path}.type", kind, complaints)
        if not complaints and "/" not in kind and kind not in _TYPES:
            yield Cause.wrong(f"{path}.type", kind, "must be a standard limit type or fully qualified")
        if kind in types:
            yield Cause.duplicate(f"{path}.type", kind)
        types.add(kind)
        yield from _amount_causes(limit, path)
        yield from _order_causes(limit, path)


def _amount_causes(limit: Object, path: str) -> Iterator[Cause]:
    is_of_pods = limit["type"] == "Pod"
    for field in _AMOUNTS:
        if field in ("default", "defaultRequest") and is_of_pods:
            if limit.get(field):
                yield Cause.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
            continue
        is_unbounded = not any("storage" in section(limit, name) for name in ("min", "max"))
        if field == "maxLimitRequestRatio" and limit["type"] == "PersistentVolumeClaim" and is_unbounded:
            text = "either minimum or maximum storage value is required, but neither was provided"
            yield Cause.required(f"{path}.limits", text)
        for name in section(limit, field):
            yield from _name_causes(name, f"{path}.{field}[{name}]", limit["type"])


def _name_causes(name: str, path: str, kind: str) -> Iterator[Cause]:
    yield from resource_causes(name, path, _RESOURCES, "must be a standard resource type or fully qualified")
    if kind not in ("Pod", "Container"):
        return
    if "/" not in name:
        if name not in _OF_CONTAINERS and not _is_huge(name):
            yield Cause.wrong(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and (name.startswith("requests.") or formats.label_key(f"requests.{name}")):
        yield Cause.wrong(path, name, "doesn't follow extended resource name standard")


def resource_causes(name: str, path: str, known: Sequence[str], text: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the name of a resource breaks."""
    complaints = formats.label_key(name)
    yield from Cause.all_wrong(path, name, complaints)
    bare = name.removeprefix("requests.")
    if not complaints and "/" not in name and name not in known and not _is_huge(bare):
        yield Cause.wrong(path, name, text)


def _order_causes(limit: Object, path: str) -> Iterator[Cause]:
    least, most, default, request, ratio = (section(limit, name) for name in _ORDERED)
    if limit["type"] == "Pod":
        default = request = {}
    for name in dict.fromkeys(name for amounts in (most, least, default, request, ratio) for name in amounts):
        comparisons = (
            ("min", least, most, least, "min value {} is greater than max value {}"),
            ("defaultRequest", least, request, request, "min value {} is greater than default request value {}"),
            ("defaultRequest", request, most, request, "default request value {} is greater than max value {}"),
            (
                "defaultRequest",
                request,
                default,
                request,
                "default request value {} is greater than default limit value {}",
            ),
            ("default", least, default, least, "min value {} is greater than default value {}"),
            ("default", default, most, most, "default value {} is greater than max value {}"),
        )
        for field, lower, upper, shown, text in comparisons:
            if name in lower and name in upper and quantity_value(lower[name]) > quantity_value(upper[name]):
                yield Cause.wrong(f"{path}.{field}[{name}]", shown[name], text.format(lower[name], upper[name]))
        yield from _ratio_causes(name, path, ratio, least, most)
        is_fixed = not _is_native(name) or _is_huge(name)
        if is_fixed and name in default and name in request and default[name] != request[name]:
            text = f"default value {default[name]} must equal to defaultRequest value {request[name]} in {name}"
            yield Cause.wrong(f"{path}.defaultRequest[{name}]", request[name], text)


_ORDERED = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")


def _ratio_causes(name: str, path: str, ratio: Amounts, least: Amounts, most: Amounts) -> Iterator[Cause]:
    if name not in ratio:
        return
    here, value = f"{path}.maxLimitRequestRatio[{name}]", quantity_value(ratio[name])
    if value < 1:
        yield Cause.wrong(here, ratio[name], f"ratio {ratio[name]} is less than 1")
    if name in least and name in most and quantity_value(least[name]) != 0:
        bound = quantity_value(most[name]) / quantity_value(least[name])
        if value > bound:
            text = f"ratio {ratio[name]} is greater than max/min = {float(bound):.6f}"
            yield Cause.wrong(here, ratio[name], text)


def _name(limit_range: Plain) -> None:
    metadata = limit_range["metadata"]
    metadata["name"] = metadata["name"] or make_uid()


LIMIT_RANGES = Strategy(creates_on_update=True, defaults=_fill_in_limits, begin=_name, validate=_limit_causes)


# ---- ResourceQuota --------------------------------------------------------------------------------------------------

_POD_SCOPES = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
_SCOPES = (*_POD_SCOPES, "BestEffort", "VolumeAttributesClass")
_SCOPED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        _POD_SCOPES,
        ("pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"),
    ),
    "BestEffort": ("pods",),
    "VolumeAttributesClass": ("persistentvolumeclaims", "requests.storage"),
}
"""The resources that a scope can be used with."""

_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_EXISTING = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_EXISTS_TEXT = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _fill_in_quota(quota: Plain) -> None:
    round_amounts(quota["spec"], "hard")


def _fill_in_quota_status(quota: Plain) -> None:
    if quota.get("status"):
        round_amounts(quota["status"], "hard", "used")


def _quota_causes(quota: Object, old: Object | None) -> Iterator[Cause]:
    spec = quota["spec"]
    yield from _hard_causes(section(spec, "hard"), "spec.hard")
    yield from _scope_causes(spec)
    yield from _selector_causes(spec)
    if old is not None and set(spec.get("scopes") or ()) != set(old["spec"].get("scopes") or ()):
        yield Cause.wrong("spec.scopes", spec.get("scopes"), "field is immutable")


def _hard_causes(amounts: Amounts, path: str) -> Iterator[Cause]:
    for name, size in amounts.items():
        here = f"{path}[{name}]"
        yield from resource_causes(
            name, here, _RESOURCES_OF_QUOTAS, "must be a standard resource type or fully qualified"
        )
        if "/" not in name and name not in _QUOTA_RESOURCES and not _is_huge(name.removeprefix("requests.")):
            yield Cause.wrong(here, name, "must be a standard resource for quota")
        value = quantity_value(size)
        if value < 0:
            yield Cause.wrong(here, size, "must be greater than or equal to 0")
        if not is_whole(value) and (name in _COUNTED or is_extended(name)):
            yield Cause.wrong(here, size, "must be an integer")


_RESOURCES_OF_QUOTAS = (*_RESOURCES, "requests.storage")


def _scope_causes(spec: Object) -> Iterator[Cause]:
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            yield Cause.wrong("spec.scopes", scopes, "unsupported scope")
        for _ in _unfit(scope, section(spec, "hard")):
            yield Cause.wrong("spec.scopes", scopes, "unsupported scope applied to resource")
    for pair in _OPPOSITES:
        if set(pair) <= set(scopes):
            yield Cause.wrong("spec.scopes", scopes, "conflicting scopes")


def _unfit(scope: str, hard: Amounts) -> Iterator[str]:
    """Yield the resources of a quota that a scope cannot be used with."""
    for name in sorted(hard):
        is_known = name in _QUOTA_RESOURCES or _is_huge(name.removeprefix("requests."))
        if is_known and scope in _SCOPED and name not in _SCOPED[scope]:
            yield name


def _selector_causes(spec: Object) -> Iterator[Cause]:
    selector = spec.get("scopeSelector")
    if selector is None:
        return
    path = "spec.scopeSelector.matchExpressions"
    expressions = selector.get("matchExpressions") or ()
    for one in expressions:
        scope, operator, values = one["scopeName"], one["operator"], one.get("values") or []
        if scope not in _SCOPES:
            yield Cause.wrong(f"{path}.scopeName", scope, "unsupported scope")
        for _ in _unfit(scope, section(spec, "hard")):
            yield Cause.invalid(path, _shown(expressions), "unsupported scope applied to resource")
        if scope in _EXISTING and operator != "Exists":
            yield Cause.wrong(f"{path}.operator", operator, _EXISTS_TEXT)
        yield from _operator_causes(operator, values, path)
    names = {one["scopeName"] for one in expressions}
    for pair in _OPPOSITES:
        if set(pair) <= names:
            yield Cause.wrong(path, spec.get("scopes"), "conflicting scopes")


def _operator_causes(operator: str, values: list[str], path: str) -> Iterator[Cause]:
    if operator in ("In", "NotIn") and not values:
        text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        yield Cause.required(f"{path}.values", text)
    elif operator in ("Exists", "DoesNotExist") and values:
        text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        yield Cause.wrong(f"{path}.values", values, text)
    elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        yield Cause.wrong(f"{path}.operator", operator, "not a valid selector operator")


def _shown(expressions: Sequence[Object]) -> str:
    """A scope selector as the server writes it into its sentences."""
    return struct_text(
        {
            "MatchExpressions": [
                {"ScopeName": one["scopeName"], "Operator": one["operator"], "Values": one.get("values")}
                for one in expressions
            ]
        }
    )


def _quota_status_causes(quota: Object, _old: object) -> Iterator[Cause]:
    for name in ("hard", "used"):
        yield from _hard_causes(section(section(quota, "status"), name), f"status.{name}")


def _quota_cells(quota: Object, now: datetime) -> list[Any]:
    status = section(quota, "status")
    hard, used = section(status, "hard"), section(status, "used")
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        (limits if name.startswith("limits") else requests).append(f"{name}: {used.get(name, '0')}/{hard[name]}")
    return [name_of(quota), ", ".join(requests), ", ".join(limits), age_of(quota, now)]


RESOURCE_QUOTAS = Strategy(
    defaults=_fill_in_quota,
    defaults_beside_spec=_fill_in_quota_status,
    validate=_quota_causes,
    validate_status=_quota_status_causes,
    cells=_quota_cells,
    deleted_is_shown=True,
)
