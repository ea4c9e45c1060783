"""Services: their defaults and rules, and the addresses and node ports that the server gives them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.containers import port_number_causes
from ctrlkit.fakes.tracker.kinds.metadata import label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, internal_error, json_text
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.store import Stored

SERVICE_RANGE = ipaddress.IPv4Network("10.96.0.0/12")
NODE_PORTS = range(30000, 32768)
_HEADLESS = "None"
_STICKY_SECONDS = 10_800
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TRAFFIC_POLICIES = ("Cluster", "Local")


class ServiceIps:
    """
    The addresses and node ports of services that are taken.

    >>> ips = ServiceIps()
    >>> service = {"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}
    >>> ips.assign(service, {}), service["spec"]["clusterIP"]
    ([], '10.96.0.2')
    >>> ips.assign({"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.3"}}, {})
    []

    Owner   The strategy of one server. `assign` only chooses; `take` and `release` follow what is stored.
    """

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._ports: set[int] = set()
        self._next_address = 2
        self._next_port = 0

    def assign(self, service: Plain, old: Object) -> list[Cause]:
        """Fill in addresses and node ports, in place; return a cause for each requested one that is not free."""
        spec: Plain = service["spec"]
        old_spec: Object = old.get("spec") or {}
        if spec.get("type") == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if name in old_spec:
                    spec.pop(name, None)
            return []
        _keep_assigned(spec, old_spec)
        causes = list(self._assign_address(spec, old_spec))
        _fill_in_families(spec)
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            causes += self._assign_ports(spec, old_spec)
        return causes

    def take(self, service: Object) -> None:
        """Record the addresses and ports of a service as taken."""
        self._addresses.update(_addresses(service))
        self._ports.update(_node_ports(service.get("spec") or {}))
        while len(self._ports) < len(NODE_PORTS) and NODE_PORTS[self._next_port] in self._ports:
            self._next_port = (self._next_port + 1) % len(NODE_PORTS)

    def release(self, service: Object) -> None:
        """Record the addresses and ports of a service as free."""
        self._addresses.difference_update(_addresses(service))
        self._ports.difference_update(_node_ports(service.get("spec") or {}))

    def writing(self, _core: object, before: Stored | None, after: Object) -> Callable[[], None]:
        """Return what is to be done after a service was stored; see `Strategy.writing`."""

        def hold() -> None:
            if before is not None:
                self.release(before.plain)
            self.take(after)

        return hold

    def removed(self, _core: object, _strategy: Strategy, gone: Stored) -> None:
        """Release the addresses and ports of a removed service."""
        self.release(gone.plain)

    def _assign_address(self, spec: Plain, old: Object) -> Iterator[Cause]:
        asked = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if not asked:
            asked = self._free_address()
        elif asked != _HEADLESS and asked != old.get("clusterIP"):
            problem = self._problem(asked)
            if problem:
                value = json_text([asked])
                yield Cause.invalid("spec.clusterIPs", value, f"failed to allocate IP {asked}: {problem}")
        spec["clusterIP"] = asked
        spec["clusterIPs"] = [asked, *(spec.get("clusterIPs") or ())[1:]]

    def _problem(self, asked: str) -> str:
        try:
            is_inside = ipaddress.ip_address(asked) in SERVICE_RANGE
        except ValueError:
            return ""  # the service's own rules speak of it
        if not is_inside:
            return f"the provided network does not match the current range {SERVICE_RANGE}"
        return "provided IP is already allocated" if asked in self._addresses else ""

    def _free_address(self) -> str:
        while True:
            address = str(SERVICE_RANGE[self._next_address])
            if address not in self._addresses:
                return address
            self._next_address += 1

    def _assign_ports(self, spec: Plain, old: Object) -> Iterator[Cause]:
        if spec.get("type") == "LoadBalancer" and not spec.get("allocateLoadBalancerNodePorts", True):
            return
        chosen: set[int] = set()
        mine = _node_ports(old)
        free = self._free_ports()
        for index, port in enumerate(spec.get("ports") or ()):
            asked = port.get("nodePort")
            path = f"spec.ports[{index}].nodePort"
            if not asked:
                asked = next((one for one in free if one not in chosen), 0)
                if not asked:
                    raise internal_error("failed to allocate a nodePort: range is full")
                port["nodePort"] = asked
            elif asked not in NODE_PORTS:
                valid = f"The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
                text = f"provided port is not in the valid range. {valid}"
                yield Cause.invalid(path, str(asked), text)
            elif asked in self._ports and asked not in mine:
                yield Cause.invalid(path, str(asked), "provided port is already allocated")
            chosen.add(asked)

    def _free_ports(self) -> Iterator[int]:
        """Yield the free node ports, the one after the last assigned first."""
        first = NODE_PORTS[self._next_port]
        for port in (*range(first, NODE_PORTS.stop), *range(NODE_PORTS.start, first)):
            if port not in self._ports:
                yield port


def _keep_assigned(spec: Plain, old: Object) -> None:
    """Keep what was assigned if an update leaves it out."""
    if not old or old.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIP"], spec["clusterIPs"] = old.get("clusterIP", ""), list(old.get("clusterIPs") or ())
    elif spec.get("clusterIP") and spec.get("clusterIPs") == old.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"], *(spec.get("clusterIPs") or ())[1:]]
    for name in ("ipFamilies", "ipFamilyPolicy"):
        if name in old:
            spec.setdefault(name, old[name])
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        return
    ports = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in old.get("ports") or ()}
    for port in spec.get("ports") or ():
        had = ports.get((port.get("protocol"), port.get("port")))
        if had and not port.get("nodePort"):
            port["nodePort"] = had


def _fill_in_families(spec: Plain) -> None:
    is_bare = spec["clusterIP"] == _HEADLESS and not spec.get("selector")
    spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if is_bare else ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "RequireDualStack" if is_bare else "SingleStack")


def _addresses(service: Object) -> set[str]:
    return {one for one in (service.get("spec") or {}).get("clusterIPs") or () if one != _HEADLESS}


def _node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def _fill_in(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    kind = spec.setdefault("type", "ClusterIP")
    if spec.setdefault("sessionAffinity", "None") == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", _STICKY_SECONDS)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _validate(service: Object, old: Object | None) -> Iterator[Cause]:
    spec = service["spec"]
    if old is not None:
        if spec is old["spec"]:
            return
        yield from _change_causes(spec, old["spec"])
    is_headless = spec.get("clusterIP") == "None"
    kind = spec["type"]
    if kind in ("LoadBalancer", "NodePort") and is_headless:
        yield Cause.wrong("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _external_name_causes(spec)
    ports = spec.get("ports") or ()
    if not ports and not is_headless and kind != "ExternalName":
        yield Cause.required("spec.ports")
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _port_causes(port, f"spec.ports[{index}]", names, is_name_needed=len(ports) > 1)
    yield from label_causes(spec.get("selector"), "spec.selector")
    if spec["sessionAffinity"] not in _AFFINITIES:
        yield Cause.unsupported("spec.sessionAffinity", spec["sessionAffinity"], _AFFINITIES)
    yield from _address_causes(spec)
    if kind not in _TYPES:
        yield Cause.unsupported("spec.type", kind, _TYPES)
    yield from _duplicate_causes(ports)
    yield from _traffic_causes(spec)


def _address_causes(spec: Object) -> Iterator[Cause]:
    for name in ("clusterIPs", "externalIPs"):
        for index, address in enumerate(spec.get(name) or ()):
            if name != "clusterIPs" or index or address != "None":
                yield from Cause.all_wrong(f"spec.{name}[{index}]", address, formats.ip_address(address))


def _traffic_causes(spec: Object) -> Iterator[Cause]:
    for name in ("internalTrafficPolicy", "externalTrafficPolicy"):
        if name in spec and spec[name] not in _TRAFFIC_POLICIES:
            yield Cause.unsupported(f"spec.{name}", spec[name], _TRAFFIC_POLICIES)
    is_reachable = spec["type"] in ("NodePort", "LoadBalancer") or spec.get("externalIPs")
    if "externalTrafficPolicy" in spec and not is_reachable:
        text = "may only be set for externally-accessible services"
        yield Cause.wrong("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], text)


def _change_causes(spec: Object, old: Object) -> Iterator[Cause]:
    if "ExternalName" in (spec["type"], old.get("type")):
        return
    now, before = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
    if before and (not now or now[0] != before[0]):
        yield Cause.wrong("spec.clusterIPs[0]", now, "may not change once set")


def _external_name_causes(spec: Object) -> Iterator[Cause]:
    if spec.get("clusterIP"):
        yield Cause.forbidden("spec.clusterIPs", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from Cause.all_wrong("spec.externalName", name, formats.subdomain(name))
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


def _duplicate_causes(ports: tuple[Object, ...] | list[Object]) -> Iterator[Cause]:
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port["protocol"], port["port"])
        if key in seen:
            value = (
                f'{{"Name":"","Protocol":"{key[0]}","AppProtocol":null,"Port":{key[1]},"TargetPort":0,"NodePort":0}}'
            )
            yield Cause(f"spec.ports[{index}]", "FieldValueDuplicate", f"Duplicate value: {value}")
        seen.add(key)


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
        name_rule=formats.label_1035,
        defaults=_fill_in,
        allocate=ips.assign,
        validate=_validate,
        cells=_cells,
        set_by_server=("spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"),
        writing=ips.writing,
        removed=ips.removed,
        deleted_is_shown=True,
    )
