"""Services: their defaults and rules; service_allocation.py gives them addresses and node ports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.containers import port_number_causes
from ctrlkit.fakes.tracker.kinds.core.service_allocation import (
    ServiceIps,
    cluster_ip_causes,
    is_headless,
    is_reachable,
    needs_health_check,
)
from ctrlkit.fakes.tracker.kinds.metadata import label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import addresses, formats

_STICKY_SECONDS = 10_800
_STICKY_SECONDS_MAX = 86_400
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TRAFFIC_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_IP_MODES = ("Proxy", "VIP")
_HINTS = "service.kubernetes.io/topology-aware-hints"
_MODE = "service.kubernetes.io/topology-mode"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_LOAD_BALANCERS_ONLY = "may only be used when `type` is 'LoadBalancer'"


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    kind = spec.setdefault("type", "ClusterIP")
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _STICKY_SECONDS}}
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    if is_reachable(spec):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if kind == "ExternalName" and spec.get("internalTrafficPolicy") in _TRAFFIC_POLICIES:
        del spec["internalTrafficPolicy"]  # a server keeps it and does not show it


def _fill_in_status(plain: Plain, _old: Object) -> None:
    """An address of a load balancer is one of its own, unless the status says otherwise."""
    balancer = section(section(plain, "status"), "loadBalancer")
    if plain["spec"].get("type") == "LoadBalancer" and balancer.get("ingress"):
        points = [
            {**point, "ipMode": point.get("ipMode", "VIP")} if point.get("ip") else point
            for point in balancer["ingress"]
        ]
        plain["status"] = {**plain["status"], "loadBalancer": {**balancer, "ingress": points}}


# ---- rules ----------------------------------------------------------------------------------------------------------


def _validate(service: Object, old: Object | None) -> Iterator[Cause]:
    spec = service["spec"]
    if old is not None:
        if spec is old["spec"] and service["metadata"].get("annotations") == old["metadata"].get("annotations"):
            return
        yield from _change_causes(spec, old["spec"])
    annotations = service["metadata"].get("annotations") or {}
    if _MODE in annotations and annotations.get(_HINTS, annotations[_MODE]) != annotations[_MODE]:
        text = f"must match annotations[{_HINTS}] when both are specified"
        yield Cause.wrong(f"metadata.annotations[{_MODE}]", annotations[_MODE], text)
    yield from _type_causes(spec)
    ports = spec.get("ports") or ()
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _port_causes(port, f"spec.ports[{index}]", names, is_name_needed=len(ports) > 1)
    yield from label_causes(spec.get("selector"), "spec.selector")
    yield from _affinity_causes(spec)
    yield from cluster_ip_causes(spec, old["spec"] if old else None)
    yield from _external_address_causes(spec, (old["spec"].get("externalIPs") if old else None) or ())
    if spec["type"] not in _TYPES:
        yield Cause.unsupported("spec.type", spec["type"], _TYPES)
    yield from _node_port_causes(spec, ports)
    yield from _source_range_causes(service, old)
    yield from _load_balancer_causes(spec)
    yield from _traffic_causes(spec)


def _type_causes(spec: Object) -> Iterator[Cause]:
    kind = spec["type"]
    if not spec.get("ports") and not is_headless(spec) and kind != "ExternalName":
        yield Cause.required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        yield Cause.wrong("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(name):
                yield Cause.forbidden(f"spec.{name}", "may not be set for ExternalName services")
        host = (spec.get("externalName") or "").removesuffix(".")
        if host:
            yield from Cause.all_wrong("spec.externalName", host, formats.subdomain(host))
        else:
            yield Cause.required("spec.externalName")


def _port_causes(port: Object, path: str, names: set[str], *, is_name_needed: bool) -> Iterator[Cause]:
    name = port.get("name") or ""
    if not name and is_name_needed:
        yield Cause.required(f"{path}.name")
    elif name:
        yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
        if name in names:
            yield Cause.duplicate(f"{path}.name", name)
        names.add(name)
    yield from port_number_causes(port["port"], f"{path}.port")
    if port["protocol"] not in _PROTOCOLS:
        yield Cause.unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
    target = port["targetPort"]
    if isinstance(target, int):
        yield from port_number_causes(target, f"{path}.targetPort")
    else:
        yield from Cause.all_wrong(f"{path}.targetPort", target, formats.port_name(target))
    protocol = port.get("appProtocol")
    if protocol is not None:
        yield from Cause.all_wrong(f"{path}.appProtocol", protocol, formats.label_key(protocol))


def _affinity_causes(spec: Object) -> Iterator[Cause]:
    affinity = spec["sessionAffinity"]
    if affinity not in _AFFINITIES:
        yield Cause.unsupported("spec.sessionAffinity", affinity, _AFFINITIES)
    elif affinity == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 0 < seconds <= _STICKY_SECONDS_MAX:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield Cause.wrong(path, seconds, f"must be greater than 0 and less than {_STICKY_SECONDS_MAX}")


def _external_address_causes(spec: Object, had: Any) -> Iterator[Cause]:
    for index, address in enumerate(spec.get("externalIPs") or ()):
        path = f"spec.externalIPs[{index}]"
        complaints = () if address in had else addresses.address(address)
        yield from Cause.all_wrong(path, address, complaints or addresses.endpoint_address(address))


def _node_port_causes(spec: Object, ports: Any) -> Iterator[Cause]:
    if spec["type"] == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                yield Cause.forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    outside: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port["protocol"], port.get("nodePort", 0))
        if key[1] and key in outside:
            yield Cause.duplicate(f"spec.ports[{index}].nodePort", key[1])
        outside.add(key)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port["protocol"], port["port"])
        if key in seen:
            value = (
                f'{{"Name":"","Protocol":"{key[0]}","AppProtocol":null,"Port":{key[1]},"TargetPort":0,"NodePort":0}}'
            )
            yield Cause(f"spec.ports[{index}]", "FieldValueDuplicate", f"Duplicate value: {value}")
        seen.add(key)


def _source_range_causes(service: Object, old: Object | None) -> Iterator[Cause]:
    spec, path = service["spec"], "spec.LoadBalancerSourceRanges"
    is_balancer = spec["type"] == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges") or ()
    if ranges:
        if not is_balancer:
            yield Cause.forbidden(path, _LOAD_BALANCERS_ONLY)
        had = {one.strip() for one in (old["spec"].get("loadBalancerSourceRanges") if old else None) or ()}
        for index, one in enumerate(text.strip() for text in ranges):
            complaints = () if one in had else addresses.address_range(one)
            yield from Cause.all_wrong(f"{path}[{index}]", one, complaints)
        return
    given = (service["metadata"].get("annotations") or {}).get(_RANGES)
    if given is None:
        return
    path = f"metadata.annotations[{_RANGES}]"
    if not is_balancer:
        yield Cause.forbidden(path, _LOAD_BALANCERS_ONLY)
    before = (old["metadata"].get("annotations") or {}).get(_RANGES) if old else None
    if given != before and given.strip():
        for one in given.strip().split(","):
            yield from Cause.all_wrong(path, one.strip(), addresses.address_range(one.strip()))


def _load_balancer_causes(spec: Object) -> Iterator[Cause]:
    is_balancer = spec["type"] == "LoadBalancer"
    if "allocateLoadBalancerNodePorts" in spec and not is_balancer:
        yield Cause.forbidden("spec.allocateLoadBalancerNodePorts", _LOAD_BALANCERS_ONLY)
    yield from _class_causes(spec)


def _class_causes(spec: Object) -> Iterator[Cause]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return
    if spec["type"] == "LoadBalancer":
        yield from Cause.all_wrong("spec.loadBalancerClass", name, formats.label_key(name))
    else:
        yield Cause.forbidden("spec.loadBalancerClass", _LOAD_BALANCERS_ONLY)


def _traffic_causes(spec: Object) -> Iterator[Cause]:
    policy = spec.get("externalTrafficPolicy", "")
    if policy and not is_reachable(spec):
        text = "may only be set for externally-accessible services"
        yield Cause.wrong("spec.externalTrafficPolicy", policy, text)
    elif policy and policy not in _TRAFFIC_POLICIES:
        yield Cause.unsupported("spec.externalTrafficPolicy", policy, _TRAFFIC_POLICIES)
    port = spec.get("healthCheckNodePort", 0)
    if needs_health_check(spec):
        yield from port_number_causes(port, "spec.healthCheckNodePort")
    elif port:
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield Cause.wrong("spec.healthCheckNodePort", port, text)
    inside = spec.get("internalTrafficPolicy", "Cluster")
    if inside not in _TRAFFIC_POLICIES:
        yield Cause.unsupported("spec.internalTrafficPolicy", inside, _TRAFFIC_POLICIES)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield Cause.unsupported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)


def _change_causes(spec: Object, old: Object) -> Iterator[Cause]:
    if "ExternalName" not in (spec["type"], old.get("type")) and not (is_headless(spec) and is_headless(old)):
        now, before = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
        for index in range(min(len(now), len(before)) if len(now) == len(before) else 1):
            if now[index : index + 1] != before[index : index + 1]:
                yield Cause.wrong(f"spec.clusterIPs[{index}]", now, "may not change once set")
        if is_headless(spec) == is_headless(old):
            now, before = spec.get("ipFamilies") or [], old.get("ipFamilies") or []
            if now[:1] != before[:1]:
                yield Cause.wrong("spec.ipFamilies[0]", now, "may not change once set")
    name = spec.get("loadBalancerClass")
    if old.get("type") == spec["type"] == "LoadBalancer" and name != old.get("loadBalancerClass"):
        yield Cause.wrong("spec.loadBalancerClass", name, "may not change once set")
    yield from _class_causes(spec)
    port = "healthCheckNodePort"
    if needs_health_check(spec) and needs_health_check(old) and spec.get(port) != old.get(port):
        yield Cause.forbidden(f"spec.{port}", "field is immutable")


def _status_causes(service: Object, old: Object) -> Iterator[Cause]:
    points = section(section(service, "status"), "loadBalancer").get("ingress") or ()
    path = "status.loadBalancer.ingress"
    if points and service["spec"]["type"] != "LoadBalancer":
        yield Cause.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    before = section(section(old, "status"), "loadBalancer").get("ingress") or ()
    yield from load_balancer_causes(points, path, {point.get("ip") for point in before})


def load_balancer_causes(points: Any, path: str, had: Any) -> Iterator[Cause]:
    """Yield a cause for each rule that the points of a load balancer's status break; `had` are addresses it had."""
    for index, point in enumerate(points):
        here, address, host, mode = f"{path}[{index}]", point.get("ip"), point.get("hostname"), point.get("ipMode")
        if address and address not in had:
            yield from Cause.all_wrong(f"{here}.ip", address, addresses.address(address))
        if mode is not None and not address:
            yield Cause.forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set")
        elif mode is not None and mode not in _IP_MODES:
            yield Cause.unsupported(f"{here}.ipMode", mode, _IP_MODES)
        if host:
            yield from Cause.all_wrong(f"{here}.hostname", host, formats.subdomain(host))
            if addresses.parsed(host) is not None:
                yield Cause.wrong(f"{here}.hostname", host, "must be a DNS name, not an IP address")


def _warnings(service: Object, _old: object) -> Iterator[str]:
    spec, kind = service["spec"], service["spec"]["type"]
    outside = spec.get("externalIPs") or ()
    if _HINTS in (service["metadata"].get("annotations") or {}):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    if not is_headless(spec):
        yield from _address_warnings(spec, "clusterIPs")
    is_bare = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    if is_bare:
        ignored = (
            (spec.get("loadBalancerIP"), "loadBalancerIP"),
            (outside, "externalIPs"),
            (spec["sessionAffinity"] != "None", "SessionAffinity"),
        )
        yield from (f"spec.{name} is ignored for headless services" for given, name in ignored if given)
    yield from _address_warnings(spec, "externalIPs")
    if outside and not is_bare and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("loadBalancerIP"):
        yield from addresses.address_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for index, one in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from addresses.range_warnings(f"spec.loadBalancerSourceRanges[{index}]", one)
    told = (
        (kind == "ExternalName" and outside, 'spec.externalIPs is ignored when spec.type is "ExternalName"'),
        (
            kind != "ExternalName" and spec.get("externalName"),
            'spec.externalName is ignored when spec.type is not "ExternalName"',
        ),
        (
            spec.get("trafficDistribution") == "PreferClose",
            'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
        ),
    )
    yield from (text for holds, text in told if holds)


def _address_warnings(spec: Object, name: str) -> Iterator[str]:
    for index, address in enumerate(spec.get(name) or ()):
        yield from addresses.address_warnings(f"spec.{name}[{index}]", address)


def _cells(service: Object, now: datetime) -> list[Any]:
    spec = section(service, "spec")
    cluster_ip = next(iter(spec.get("clusterIPs") or ()), spec.get("clusterIP"))
    return [
        name_of(service),
        spec.get("type", ""),
        cluster_ip or NONE,
        _external_ip(service),
        ",".join(_port(port) for port in spec.get("ports") or ()) or NONE,
        age_of(service, now),
        ",".join(f"{name}={value}" for name, value in sorted((spec.get("selector") or {}).items())) or NONE,
    ]


def _external_ip(service: Object) -> str:
    spec = section(service, "spec")
    addresses = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            ingress = section(section(service, "status"), "loadBalancer").get("ingress") or ()
            addresses = [point.get("ip") or point.get("hostname", "") for point in ingress] + addresses
            return ",".join(addresses) or "<pending>"
    return ",".join(addresses) or NONE


def _port(port: Object) -> str:
    outside = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', '')}{outside}/{port.get('protocol', 'TCP')}"


def services() -> Strategy:
    """Return a new strategy of services, with all addresses free."""
    ips = ServiceIps()
    return Strategy(
        selectable_fields=("spec.clusterIP", "spec.type"),
        name_rule=formats.dns_label,
        defaults=_fill_in,
        allocate=ips.assign,
        keep_status=_fill_in_status,
        validate=_validate,
        validate_status=_status_causes,
        warn=_warnings,
        cells=_cells,
        set_by_server=("spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"),
        writing=ips.writing,
        removed=ips.removed,
        deleted_is_shown=True,
        creates_on_update=True,
    )
