"""Services: the addresses and node ports that the server gives them, and what it fills in with those."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.refusals import Cause, internal_error, json_text

Plain = dict[str, Any]
SERVICE_RANGE = ipaddress.IPv4Network("10.96.0.0/12")
NODE_PORTS = range(30000, 32768)
_HEADLESS = "None"


class ServiceIps:
    """
    Which addresses and node ports of services are taken.

    >>> ips = ServiceIps()
    >>> service = {"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}
    >>> ips.assign(service, {}), service["spec"]["clusterIP"]
    ([], '10.96.0.2')
    >>> ips.assign({"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.3"}}, {})
    []

    Owner   `ctrlkit.fakes.tracker.core.Core`. `assign` only chooses; `take` and `release` follow what is stored.
    """

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._ports: set[int] = set()
        self._next_address = 2
        self._next_port = 0

    def assign(self, service: Plain, old: Mapping[str, Any]) -> list[Cause]:
        """Fill in a service's addresses and node ports, in place; what the server has against those asked for."""
        spec: Plain = service["spec"]
        old_spec: Mapping[str, Any] = old.get("spec") or {}
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

    def take(self, service: Mapping[str, Any]) -> None:
        """Remember what a service holds."""
        self._addresses.update(_addresses(service))
        self._ports.update(_node_ports(service.get("spec") or {}))
        while len(self._ports) < len(NODE_PORTS) and NODE_PORTS[self._next_port] in self._ports:
            self._next_port = (self._next_port + 1) % len(NODE_PORTS)

    def release(self, service: Mapping[str, Any]) -> None:
        """Forget what a service held."""
        self._addresses.difference_update(_addresses(service))
        self._ports.difference_update(_node_ports(service.get("spec") or {}))

    def _assign_address(self, spec: Plain, old: Mapping[str, Any]) -> Iterator[Cause]:
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

    def _assign_ports(self, spec: Plain, old: Mapping[str, Any]) -> Iterator[Cause]:
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
        """The node ports that nobody has, those given out last at the end."""
        first = NODE_PORTS[self._next_port]
        for port in (*range(first, NODE_PORTS.stop), *range(NODE_PORTS.start, first)):
            if port not in self._ports:
                yield port


def _keep_assigned(spec: Plain, old: Mapping[str, Any]) -> None:
    """An update that leaves out what was assigned keeps it."""
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


def _addresses(service: Mapping[str, Any]) -> set[str]:
    return {one for one in (service.get("spec") or {}).get("clusterIPs") or () if one != _HEADLESS}


def _node_ports(spec: Mapping[str, Any]) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
