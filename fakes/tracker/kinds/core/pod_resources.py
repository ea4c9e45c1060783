"""Resources: what containers, pods and overheads may request, how requests add up, and a pod's class of service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import added, quantity_value, rounded_up

NOT_NEGATIVE = "must be greater than or equal to 0"

_HUGE_PAGES = "hugepages-"
_COMPUTE = ("cpu", "memory")
_OF_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
_OF_PODS = ("cpu", "memory")
_COUNTED = (
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
)
_STANDARD = frozenset(
    (
        *(f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in _OF_CONTAINERS),
        *_COUNTED,
        "storage",
        "requests.storage",
    )
)

Amounts = Mapping[str, Any]
Rule = Callable[[str, str], Iterable[Cause]]


# ---- names and amounts -----------------------------------------------------------------------------------------------


def _name_causes(name: str, path: str) -> Iterator[Cause]:
    complaints = formats.label_key(name)
    yield from Cause.all_wrong(path, name, complaints)
    is_standard = name in _STANDARD or name.startswith((_HUGE_PAGES, f"requests.{_HUGE_PAGES}"))
    if not complaints and "/" not in name and not is_standard:
        yield Cause.wrong(path, name, "must be a standard resource type or fully qualified")


def container_name_causes(name: str, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the name of a container's resource breaks."""
    if name in _OF_CONTAINERS:
        return
    yield from _name_causes(name, path)
    if name.count("/") == 0:
        if not name.startswith(_HUGE_PAGES):
            yield Cause.wrong(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and not is_extended(name):
        yield Cause.wrong(path, name, "doesn't follow extended resource name standard")


def _pod_name_causes(name: str, path: str) -> Iterator[Cause]:
    found = list(_name_causes(name, path))
    yield from found
    if not found and not is_of_pods(name):
        yield Cause.unsupported(path, name, ("cpu", _HUGE_PAGES, "memory"))


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Whether a resource is one that a cluster adds to those of Kubernetes."""
    return not _is_native(name) and not name.startswith("requests.") and not formats.label_key(f"requests.{name}")


def is_of_pods(name: str) -> bool:
    """Whether a whole pod may ask for a resource, and not its containers alone."""
    return name in _OF_PODS or name.startswith(_HUGE_PAGES)


def _overcommits(name: str) -> bool:
    return _is_native(name) and not name.startswith(_HUGE_PAGES)


def amount_causes(name: str, amount: str, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that an amount of a resource breaks."""
    value = quantity_value(amount)
    if value < 0:
        yield Cause.wrong(path, amount, NOT_NEGATIVE)
    if (name in _COUNTED or is_extended(name)) and value != value.to_integral_value():
        yield Cause.wrong(path, amount, "must be an integer")


def _huge_page_causes(name: str, amount: str, path: str) -> Iterator[Cause]:
    try:
        size = quantity_value(name.removeprefix(_HUGE_PAGES))
    except ValueError:
        size = Decimal(0)
    if size <= 0 or size != size.to_integral_value() or quantity_value(amount) % size:
        yield Cause.wrong(path, amount, f"{amount} is not positive integer multiple of {name}")


# ---- requests and limits ---------------------------------------------------------------------------------------------


def resource_causes(
    resources: Object, path: str, claims: Collection[str] = (), *, name_rule: Rule = container_name_causes
) -> Iterator[Cause]:
    """
    Yield a cause for each rule that requests and limits break.

    Shape   `claims` are the names of the pod's resource claims. A server looks at resources in any order; here it is
            that of their names.
    """
    if not resources:
        return
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name in sorted(limits):
        yield from _one_causes(name, limits[name], f"{path}.limits[{name}]", name_rule)
    for name in sorted(requests):
        here = f"{path}.requests[{name}]"
        yield from name_rule(name, here)
        yield from amount_causes(name, requests[name], here)
        yield from _limit_causes(name, requests[name], limits.get(name), path)
        if name.startswith(_HUGE_PAGES):
            yield from _huge_page_causes(name, requests[name], here)
    names = {*limits, *requests}
    if any(name.startswith(_HUGE_PAGES) for name in names) and not names.intersection(_COMPUTE):
        yield Cause.forbidden(path, "HugePages require cpu or memory")
    yield from _claim_causes(resources.get("claims") or (), f"{path}.claims", claims)


def _one_causes(name: str, amount: str, path: str, name_rule: Rule) -> Iterator[Cause]:
    yield from name_rule(name, path)
    yield from amount_causes(name, amount, path)
    if name.startswith(_HUGE_PAGES):
        yield from _huge_page_causes(name, amount, path)


def _limit_causes(name: str, amount: str, limit: str | None, path: str) -> Iterator[Cause]:
    if limit is None:
        if not _overcommits(name):
            yield Cause.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    value, most = quantity_value(amount), quantity_value(limit)
    if value != most and not _overcommits(name):
        yield Cause.wrong(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
    elif value > most:
        yield Cause.wrong(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


def _claim_causes(claims: Iterable[Object], path: str, known: Collection[str]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, claim in enumerate(claims):
        here, name, request = f"{path}[{index}]", claim["name"], claim.get("request")
        if not name:
            yield Cause.required(here)
            continue
        if name in names:
            yield Cause.duplicate(here, name)
        else:
            key = f"{name}/{request}" if request else name
            if request:
                yield from Cause.all_wrong(f"{here}.request", request, formats.dns_label(request))
            if key in names:
                yield Cause.duplicate(here, key)
            elif not request:
                yield from (Cause.duplicate(here, name) for one in names if one.partition("/")[0] == name)
            names.add(key)
        if name not in known:
            listed = f": {', '.join(sorted(known))}" if known else " which is empty"
            text = f"must be one of the names in pod.spec.resourceClaims{listed}"
            yield Cause(here, "FieldValueNotFound", f'Not found: "{name}": {text}')


def rounded_amounts(amounts: Mapping[str, str]) -> dict[str, str]:
    """Return amounts as they are kept, without anything smaller than a thousandth."""
    return {name: rounded_up(amount) for name, amount in amounts.items()}


def round_amounts(holder: Plain, *fields: str) -> None:
    """
    Round the amounts in some fields of an object, in place.

    >>> resources = {"requests": {"cpu": "1500u"}}
    >>> round_amounts(resources, "limits", "requests")
    >>> resources
    {'requests': {'cpu': '2m'}}
    """
    for name in fields:
        amounts = holder.get(name)
        if amounts and (rounded := rounded_amounts(amounts)) != amounts:
            holder[name] = rounded


def fill_in_claim_spec(spec: Plain) -> None:
    """Fill in the defaults of what is asked of a volume."""
    spec.setdefault("volumeMode", "Filesystem")
    if spec.get("resources"):
        round_amounts(spec["resources"], "limits", "requests")


# ---- the resources of a pod ------------------------------------------------------------------------------------------


def pod_resource_causes(spec: Object, path: str, claims: Collection[str]) -> Iterator[Cause]:
    """Yield a cause for each rule that the resources of a whole pod break; `path` is that of its spec."""
    resources, here = spec["resources"], f"{path}.resources"
    if (spec.get("os") or {}).get("name") == "windows":
        yield Cause.forbidden(here, "may not be set for a windows pod")
        return
    if resources.get("claims"):
        yield Cause.forbidden(f"{here}.claims", "claims may not be set for Resources at pod-level")
    yield from resource_causes(resources, here, claims, name_rule=_pod_name_causes)
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for part, whole, names in (("requests", requests, requests), ("limits", limits, _huge(limits))):
        for name, sum_ in of_containers(spec, part).items():
            if name in names and quantity_value(sum_) > quantity_value(whole[name]):
                text = f"must be greater than or equal to aggregate container {part} of {sum_}"
                yield Cause.wrong(f"{here}.{part}[{name}]", whole[name], text)
    for index, container in enumerate(spec.get("containers") or ()):
        for name, limit in (container["resources"].get("limits") or {}).items():
            if name in limits and quantity_value(limit) > quantity_value(limits[name]):
                text = f"must be less than or equal to pod limits of {limits[name]}"
                yield Cause.wrong(f"{here}.containers[{index}][{name}].limits", limit, text)


def _huge(amounts: Amounts) -> list[str]:
    return [name for name in amounts if name.startswith(_HUGE_PAGES)]


def fill_in_pod_resources(spec: Plain) -> None:
    """Fill in what the resources of a whole pod leave out, from those of its containers."""
    resources = spec["resources"]
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    if not limits and not requests:
        return
    for name, amount in of_containers(spec, "limits").items():
        if name.startswith(_HUGE_PAGES) and name not in requests:
            limits.setdefault(name, amount)
    if limits:
        resources["limits"] = limits
        for name, amount in of_containers(spec, "requests").items():
            if is_of_pods(name) and _overcommits(name):
                requests.setdefault(name, amount)
        for name in limits:
            if is_of_pods(name):
                requests.setdefault(name, limits[name])
        if requests:
            resources["requests"] = requests


def of_containers(spec: Object, part: str) -> dict[str, str]:
    """
    Return what all containers of a pod need together; `part` is requests or limits.

    Init containers run one after the other, beside the sidecars that were started before them.
    """
    sums: dict[str, str] = {}
    for container in spec.get("containers") or ():
        _add(sums, section(section(container, "resources"), part))
    sidecars: dict[str, str] = {}
    most: dict[str, str] = {}
    for container in spec.get("initContainers") or ():
        amounts = section(section(container, "resources"), part)
        if container.get("restartPolicy") == "Always":
            _add(sums, amounts)
            _add(sidecars, amounts)
            _raise(most, sidecars)
        else:
            needed = dict(amounts)
            _add(needed, sidecars)
            _raise(most, needed)
    _raise(sums, most)
    return sums


def _add(sums: dict[str, str], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        sums[name] = added(sums[name], amount) if name in sums else amount


def _raise(most: dict[str, str], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        if name not in most or quantity_value(amount) > quantity_value(most[name]):
            most[name] = amount


# ---- the class of service --------------------------------------------------------------------------------------------


def quality_of_service(spec: Object) -> str:
    """
    Return a pod's QoS class: Guaranteed, Burstable or BestEffort.

    >>> quality_of_service({"containers": [{"resources": {"requests": {"cpu": "1"}}}]})
    'Burstable'
    """
    if "resources" in spec:
        counted = [spec["resources"]]
    else:
        counted = [one["resources"] for kind in ("containers", "initContainers") for one in spec.get(kind) or ()]
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    is_limited = True
    for resources in counted:
        if not resources:
            is_limited = False
            continue
        _add(requests, _compute(resources.get("requests")))
        limited = _compute(resources.get("limits"))
        _add(limits, limited)
        is_limited = is_limited and len(limited) == len(_COMPUTE)
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if is_limited and _values(requests) == _values(limits) else "Burstable"


def _compute(amounts: Amounts | None) -> Amounts:
    return {name: one for name, one in (amounts or {}).items() if name in _COMPUTE and quantity_value(one) > 0}


def _values(amounts: Amounts) -> dict[str, Decimal]:
    return {name: quantity_value(amount) for name, amount in amounts.items()}
