"""ResourceQuota: what a write uses is counted in the quotas of its namespace, and refused where it exceeds one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.admission import Attributes
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.storage.volumes import class_of
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.kinds.tables import name_of, section
from ctrlkit.fakes.tracker.plugins.amounts import added, grown, of_pod, requests_of, shown
from ctrlkit.fakes.tracker.refusals import forbidden
from ctrlkit.fakes.tracker.schema.quantities import quantity_value, whole
from ctrlkit.fakes.tracker.store import Identity, Stored
from ctrlkit.model import AnyResource

QUOTAS: Identity = ("", "resourcequotas")
_COUNTED: Mapping[Identity, str] = {
    ("", "configmaps"): "configmaps",
    ("", "replicationcontrollers"): "replicationcontrollers",
    ("", "resourcequotas"): "resourcequotas",
    ("", "secrets"): "secrets",
}
"""Kinds whose number has an old name of its own in quotas."""

_BY_CLASS = ".storageclass.storage.k8s.io/"
_REQUIRED = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
"""What the containers of a pod must say where a quota limits it."""

_OF_PODS = ("cpu", "memory", "ephemeral-storage")
_BY_PODS = (*_REQUIRED, "pods", "ephemeral-storage", "limits.ephemeral-storage")
"""What pods use, besides extended resources and huge pages."""


def check(core: Core, attributes: Attributes, plain: Object | None) -> None:
    """
    Count a write in the quotas of its namespace.

    What the status of a quota says is hard counts, as the quota controller copies it from the spec. Errors: Forbidden.
    """
    served, old = attributes.served, attributes.old
    if plain is None or not _handles(attributes, plain):
        return
    namespace = plain["metadata"].get("namespace")
    quotas = list(core.store.collection(QUOTAS).within(namespace)) if namespace else []
    limiting = [quota for quota in quotas if _limits(quota, served.resource, plain)]
    if not limiting:
        return
    for quota in limiting:
        _check_said(served.resource, plain, quota)
    usage = usage_of(served.resource)
    uses = usage(plain)
    written: list[tuple[Stored, dict[str, str]]] = []
    for quota in limiting:
        status = section(quota.plain, "status")
        hard, used = section(status, "hard"), section(status, "used")
        delta = uses
        if old is not None and selects(quota.plain, served.resource, old):
            delta = grown(uses, usage(old))
        asked = {name: size for name, size in delta.items() if name in hard and quantity_value(size) != 0}
        if not asked:
            continue
        now = added(used, asked)
        exceeded = [name for name in asked if quantity_value(now[name]) > quantity_value(hard[name])]
        if exceeded and attributes.subresource != "status":
            text = (
                f"exceeded quota: {quota.key.name}, requested: {shown(asked, exceeded)}, used: "
                f"{shown(used, exceeded)}, limited: {shown(hard, exceeded)}"
            )
            raise forbidden(served.resource, name_of(plain), text)
        written.append((quota, now))
    if not attributes.dry_run:
        _write(core, written)


def _handles(attributes: Attributes, plain: Object) -> bool:
    """Whether a write may use more: one that makes an object, or an update after which an object may use more."""
    old = attributes.old
    if old is None:
        return attributes.of_object is not None
    match attributes.operation, attributes.served.resource.plural, attributes.subresource:
        case ("UPDATE", "services" | "persistentvolumeclaims", "") | ("UPDATE", "pods", "resize"):
            return attributes.served.resource.group == ""
        case "UPDATE", "pods", "":
            return _is_terminating(old["spec"]) != _is_terminating(plain["spec"])
        case "UPDATE", "persistentvolumeclaims", "status":
            return _claim_uses(old) != _claim_uses(plain)
    return False


def _limits(quota: Stored, resource: AnyResource, plain: Object) -> bool:
    """Whether a quota is about an object."""
    return bool(_limited(quota, resource)) and selects(quota.plain, resource, plain)


def _limited(quota: Stored, resource: AnyResource) -> list[str]:
    """Return what a quota limits of what objects of a kind may use."""
    return sorted(name for name in section(section(quota.plain, "status"), "hard") if is_counted(resource, name))


def _write(core: Core, written: Iterable[tuple[Stored, dict[str, str]]]) -> None:
    strategy = core.registry.find("", "v1", "resourcequotas")
    for quota, used in written:
        if strategy is not None:
            status = {**section(quota.plain, "status"), "used": used}
            core.write(strategy, quota.key, {**quota.plain, "status": status})


def _check_said(resource: AnyResource, plain: Object, quota: Stored) -> None:
    """Refuse a pod that does not say what it needs, and a write under a quota whose use is not known yet."""
    limited, used = _limited(quota, resource), section(section(quota.plain, "status"), "used")
    missing = _unsaid(plain, limited) if resource.identity == ("", "pods") else ""
    if missing:
        raise forbidden(resource, name_of(plain), f"failed quota: {quota.key.name}: must specify {missing}")
    if any(name not in used for name in limited):
        text = f"status unknown for quota: {quota.key.name}, resources: {','.join(limited)}"
        raise forbidden(resource, name_of(plain), text)


def _unsaid(pod: Object, limited: Iterable[str]) -> str:
    spec = pod["spec"]
    if section(section(spec, "resources"), "requests") or section(section(spec, "resources"), "limits"):
        return ""
    parts = []
    for name in limited:
        if name not in _REQUIRED:
            continue
        kind, _, resource = name.rpartition(".")
        names = sorted(
            {
                one["name"]
                for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
                if resource not in section(section(one, "resources"), kind or "requests")
            }
        )
        if names:
            parts.append(f"{name} for: {','.join(names)}")
    return "; ".join(parts)


# ---- what is used ---------------------------------------------------------------------------------------------------


def _count_name(resource: AnyResource) -> str:
    return "count/" + ".".join(filter(None, (resource.plural, resource.group)))


def usage_of(resource: AnyResource) -> Callable[[Object], dict[str, str]]:
    """Return the function that says what an object of a kind uses."""
    special = _SPECIAL.get(resource.identity)
    count, alias = _count_name(resource), _COUNTED.get(resource.identity)

    def usage(plain: Object) -> dict[str, str]:
        own = special(plain) if special else {}
        return {count: "1"} | ({alias: "1"} if alias else {}) | own

    return usage


def _of_service(service: Object) -> dict[str, str]:
    spec = service["spec"]
    ports, kind = spec.get("ports") or (), spec.get("type")
    outside = 0
    if kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)):
        outside = len(ports)
    elif kind == "LoadBalancer":
        outside = sum(1 for port in ports if port.get("nodePort"))
    return {
        "services": "1",
        "services.loadbalancers": "1" if kind == "LoadBalancer" else "0",
        "services.nodeports": str(outside),
    }


def _of_claim(claim: Object) -> dict[str, str]:
    size, name = _storage_of(claim), class_of(claim)
    found = {"persistentvolumeclaims": "1"} | ({"requests.storage": size} if size else {})
    return found | ({f"{name}{_BY_CLASS}{what}": amount for what, amount in found.items()} if name else {})


def _storage_of(claim: Object) -> str | None:
    """Return what a claim uses: what it asks for, or is given on its way to less, in whole bytes."""
    asked = section(section(claim["spec"], "resources"), "requests").get("storage")
    given = section(section(claim, "status"), "allocatedResources").get("storage")
    if asked is not None and given is not None and quantity_value(given) > quantity_value(asked):
        asked = given
    return None if asked is None else whole(asked)


def _claim_uses(claim: Object) -> tuple[str | None, set[str]]:
    return section(section(claim, "status"), "allocatedResources").get("storage"), _attributes_classes(claim)


def _of_pod(pod: Object) -> dict[str, str]:
    if section(pod, "status").get("phase") in ("Succeeded", "Failed"):
        return {}
    spec = pod["spec"]
    requests = requests_of(spec)
    limits = of_pod(spec, "limits")
    found = {"pods": "1"}
    for name, size in requests.items():
        if name in _OF_PODS or name.startswith("hugepages-"):
            found[name] = size
        found[f"requests.{name}"] = size
    found |= {f"limits.{name}": size for name, size in limits.items() if name in _OF_PODS}
    return found


_SPECIAL: Mapping[Identity, Callable[[Object], dict[str, str]]] = {
    ("", "persistentvolumeclaims"): _of_claim,
    ("", "pods"): _of_pod,
    ("", "services"): _of_service,
}


def is_counted(resource: AnyResource, name: str) -> bool:
    """Whether a name in a quota is about a kind: its objects are counted, or may use what it names."""
    return name in (_count_name(resource), _COUNTED.get(resource.identity)) or may_use(resource, name)


def may_use(resource: AnyResource, name: str) -> bool:
    """Whether objects of a kind may use a resource at all."""
    match resource.identity:
        case ("", "pods"):
            return name in _BY_PODS or name.startswith(("hugepages-", "requests."))
        case ("", "services"):
            return name in ("services", "services.loadbalancers", "services.nodeports")
        case ("", "persistentvolumeclaims"):
            return name.rpartition(_BY_CLASS)[2] in ("persistentvolumeclaims", "requests.storage")
    return False


# ---- scopes ---------------------------------------------------------------------------------------------------------


def selects(quota: Object, resource: AnyResource, plain: Object) -> bool:
    """Whether a quota's scopes select an object."""
    spec = section(quota, "spec")
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    scopes += section(spec, "scopeSelector").get("matchExpressions") or ()
    if not scopes:
        return True
    match resource.identity:
        case ("", "pods"):
            return all(_in_scope(scope, plain["spec"]) for scope in scopes)
        case ("", "persistentvolumeclaims"):
            return all(_is_of_attributes(scope, _attributes_classes(plain)) for scope in scopes)
    return False


def _in_scope(scope: Object, spec: Object) -> bool:
    name = scope.get("scopeName")
    if name == "PriorityClass":
        return _is_selected(scope, spec.get("priorityClassName") or "")
    test = _SCOPES.get(name)
    return test is not None and test(spec)


def _is_of_attributes(scope: Object, names: set[str]) -> bool:
    """Whether a claim with these attributes classes is in a scope: one that is wanted, or that it has, is enough."""
    return scope.get("scopeName") == "VolumeAttributesClass" and any(_is_selected(scope, one) for one in names or {""})


def _attributes_classes(claim: Object) -> set[str]:
    status = section(claim, "status")
    named = (
        claim["spec"].get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        section(status, "modifyVolumeStatus").get("targetVolumeAttributesClassName"),
    )
    return {name for name in named if name}


def _is_terminating(spec: Object) -> bool:
    return spec.get("activeDeadlineSeconds") is not None


def _asked(spec: Object) -> Iterator[Any]:
    """Yield what decides the quality of service of a pod: what it asks for itself, or else its containers."""
    every = (spec,) if spec.get("resources") else (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    for container in every:
        for kind in ("requests", "limits"):
            yield from (
                name
                for name, size in section(section(container, "resources"), kind).items()
                if name in ("cpu", "memory") and quantity_value(size) > 0
            )


def _is_selected(scope: Object, value: str) -> bool:
    values = scope.get("values") or ()
    match scope.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "DoesNotExist":
            return not value
    return bool(value)


def _crosses_namespaces(affinity: Object) -> bool:
    terms: list[Object] = []
    for name in ("podAffinity", "podAntiAffinity"):
        rules = section(affinity, name)
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [section(one, "podAffinityTerm") for one in preferred]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


_SCOPES: Mapping[Any, Callable[[Object], bool]] = {
    "Terminating": _is_terminating,
    "NotTerminating": lambda spec: not _is_terminating(spec),
    "BestEffort": lambda spec: not any(_asked(spec)),
    "NotBestEffort": lambda spec: any(_asked(spec)),
    "CrossNamespacePodAffinity": lambda spec: _crosses_namespaces(section(spec, "affinity")),
}
"""Whether a pod is in a scope that has no values."""
