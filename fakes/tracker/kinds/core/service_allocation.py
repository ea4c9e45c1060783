"""The addresses, address families and node ports of Services: what the server fills in, keeps and gives back."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.refusals import Cause, internal_error, json_text, plain_failure, quoted
from ctrlkit.fakes.tracker.schema import addresses
from ctrlkit.fakes.tracker.store import Stored

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core

DEFAULT_RANGE = ipaddress.IPv4Network("10.96.0.0/12")
"""What kubeadm makes: the range of a server that has no ServiceCIDR, as a Tracker without what a new cluster has."""

_RANGES = ("networking.k8s.io", "v1", "servicecidrs")

NODE_PORTS = range(30000, 32768)
HEADLESS = "None"
FAMILY = "IPv4"
"""The one family that services have addresses of here."""

FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_OUTSIDE = ("NodePort", "LoadBalancer")
_POLICY = "spec.ipFamilyPolicy"


class ServiceIps:
    """
    The addresses and node ports of services that are taken.

    They are of the ranges of the ServiceCIDRs that there are. The first ones of a range are left to services that ask
    for them, such as that of the cluster's DNS.

    Owner   The strategy of one server. `assign` only chooses; `take` and `release` follow what is stored.
    """

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._ports: set[int] = set()
        self._next_address: dict[ipaddress.IPv4Network, int] = {}
        self._next_port = 0

    def assign(self, core: Core, service: Plain, old: Object) -> list[Cause]:
        """Fill in addresses, families and node ports, in place; return why a requested one cannot be had."""
        spec: Plain = service["spec"]
        old_spec: Object = old.get("spec") or {}
        if old_spec:
            _keep_assigned(spec, old_spec)
        _align_addresses(spec, old_spec)
        causes = (
            list(_choose_families(spec, old_spec))
            or list(self._assign_address(core, service["metadata"]["name"], spec, old_spec))
            or list(self._assign_ports(spec, old_spec))
        )
        if not causes and old_spec:
            _drop_what_no_longer_applies(service, old_spec)
        return causes

    def take(self, service: Object) -> None:
        """Record the addresses and ports of a service as taken."""
        self._addresses.update(_addresses(service))
        self._ports.update(_all_ports(service.get("spec") or {}))
        while len(self._ports) < len(NODE_PORTS) and NODE_PORTS[self._next_port] in self._ports:
            self._next_port = (self._next_port + 1) % len(NODE_PORTS)

    def release(self, service: Object) -> None:
        """Record the addresses and ports of a service as free."""
        self._addresses.difference_update(_addresses(service))
        self._ports.difference_update(_all_ports(service.get("spec") or {}))

    def writing(self, _core: object, before: Stored | None, after: Object) -> Callable[[], None]:
        """Return what is to be done after a service was stored; see `Strategy.writing`."""

        def hold() -> None:
            if before is not None:
                self.release(before.plain)
            self.take(after)

        return hold

    def removed(self, core: Core, _strategy: Strategy, gone: Stored) -> None:
        """Release the addresses and ports of a removed service, and remove its Endpoints."""
        self.release(gone.plain)
        endpoints = core.registry.find("", "v1", "endpoints")
        if endpoints is not None and core.find(endpoints, gone.key) is not None:
            core.remove(endpoints, gone.key)

    # ---- addresses ----

    def _assign_address(self, core: Core, name: str, spec: Plain, old: Object) -> Iterator[Cause]:
        have = spec.get("clusterIPs") or []
        is_bare = have[:1] == [HEADLESS]
        if spec.get("type") == "ExternalName" or is_bare or (old and _has_address(old)):
            return
        asked = have[0] if have else ""
        if asked:
            problem = self._problem(asked, _ranges(core))
            if problem:
                text = f"failed to allocate IP {asked}: {problem}"
                yield Cause.invalid("spec.clusterIPs", json_text(have), text)
        else:
            asked = self._free_address(_ranges(core), name)
        spec["clusterIP"], spec["clusterIPs"] = asked, [asked]

    def _problem(self, asked: str, ranges: Sequence[ipaddress.IPv4Network]) -> str:
        address = addresses.parsed(asked)
        if not any(address in one for one in ranges):
            return "the provided network does not match the current range"
        return "provided IP is already allocated" if asked in self._addresses else ""

    def _free_address(self, ranges: Sequence[ipaddress.IPv4Network], name: str) -> str:
        """Return a free address: one that is not left to those who ask for it, if there is one."""
        for one in ranges:
            kept, end = kept_back(one), one.num_addresses - 1
            begin = self._next_address.get(one, kept)
            for place in itertools.chain(range(begin, end), range(kept, begin), range(1, kept)):
                if (address := str(one[place])) not in self._addresses:
                    self._next_address[one] = place
                    return address
        raise internal_error(f"failed to allocate a serviceIP for Service {quoted(name)}: range is full")

    # ---- node ports ----

    def _assign_ports(self, spec: Plain, old: Object) -> Iterator[Cause]:
        chosen: dict[int, int] = {}
        mine = _all_ports(old)
        if spec.get("type") in _OUTSIDE:
            yield from self._assign_node_ports(spec, mine, chosen, is_new=not old)
        if needs_health_check(spec) and not (old and needs_health_check(old)):
            asked = spec.get("healthCheckNodePort", 0)
            if asked and (problem := self._port_problem(asked, {*mine, *chosen.values()}, mine)):
                raise internal_error(f"failed to allocate requested HealthCheck NodePort {asked}: {problem}")
            spec["healthCheckNodePort"] = asked or self._free_port(chosen.values())

    def _assign_node_ports(
        self, spec: Plain, mine: set[int], chosen: dict[int, int], *, is_new: bool
    ) -> Iterator[Cause]:
        """Fill in node ports; ports of one number share one in a new service. `chosen` has those of this service."""
        assigns = wants_node_ports(spec)
        ports = spec.get("ports") or ()
        seen: set[tuple[str, int]] = set()
        for index, port in enumerate(ports):
            asked: int = port.get("nodePort") or 0
            number: int = port["port"]
            if not asked and not assigns:
                continue
            shared = chosen.get(number, 0) if is_new else 0
            if is_new and not shared:
                asked = next((one["nodePort"] for one in ports if one["port"] == number and one.get("nodePort")), 0)
            if not asked:
                asked = shared or self._free_port({*chosen.values(), *mine})
            elif asked != shared and (is_new or asked not in {*mine, *chosen.values()}):
                problem = self._port_problem(asked, set(chosen.values()), mine)
                if problem:
                    yield Cause.invalid(f"spec.ports[{index}].nodePort", str(asked), problem)
                    return
            if is_new:
                port["nodePort"] = port.get("nodePort") or asked
            else:
                port["nodePort"] = asked
                if (port["protocol"], asked) in seen:
                    raise plain_failure(f"duplicate nodePort: {{{port['protocol']} {asked}}}")
                seen.add((port["protocol"], asked))
            chosen.setdefault(number if is_new else -1 - index, asked)

    def _port_problem(self, asked: int, chosen: set[int], mine: set[int]) -> str:
        if asked not in NODE_PORTS:
            valid = f"The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
            return f"provided port is not in the valid range. {valid}"
        is_taken = asked in chosen or (asked in self._ports and asked not in mine)
        return "provided port is already allocated" if is_taken else ""

    def _free_port(self, chosen: Collection[int]) -> int:
        """Return a free node port, the one after the last assigned if that is free."""
        first: int = NODE_PORTS[self._next_port]
        port: int
        for port in (*range(first, NODE_PORTS.stop), *range(NODE_PORTS.start, first)):
            if port not in self._ports and port not in chosen:
                return port
        raise internal_error("failed to allocate a nodePort: range is full")


def kept_back(one: ipaddress.IPv4Network) -> int:
    """
    Return how many addresses of a range, its own among them, are left to services that ask for one.

    >>> [kept_back(ipaddress.IPv4Network(text)) for text in ("10.96.0.0/12", "10.0.0.0/24", "10.0.0.0/28")]
    [256, 16, 1]
    """
    return 1 if one.num_addresses <= 16 else min(max(16, one.num_addresses // 16), 256)


def _ranges(core: Core) -> Sequence[ipaddress.IPv4Network]:
    """The ranges of the ServiceCIDRs that are not being deleted, of the one family that services have here."""
    served = core.registry.find(*_RANGES)
    stored = () if served is None else core.store.collection(served.resource.identity).all()
    plain = [one.plain for one in stored]
    texts = [
        text
        for one in plain
        if not one["metadata"].get("deletionTimestamp")
        for text in (one.get("spec") or {}).get("cidrs") or ()
    ]
    found = [one for text in texts if isinstance(one := ipaddress.ip_network(text), ipaddress.IPv4Network)]
    return found if plain else (DEFAULT_RANGE,)


def is_headless(spec: Object) -> bool:
    """Whether a service has no address on purpose."""
    return (spec.get("clusterIPs") or []) == [HEADLESS]


def is_reachable(spec: Object) -> bool:
    """Whether a service can be reached from outside of the cluster."""
    return spec.get("type") in _OUTSIDE or bool(spec.get("type") == "ClusterIP" and spec.get("externalIPs"))


def needs_health_check(spec: Object) -> bool:
    """Whether a load balancer asks nodes if they have endpoints of a service."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def wants_node_ports(spec: Object) -> bool:
    """Whether the server assigns node ports."""
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True))


def cluster_ip_causes(spec: Object, old: Object | None) -> Iterator[Cause]:
    """Yield a cause for each rule that clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy break together."""
    if spec.get("type") == "ExternalName":
        return
    every, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    yield from _agreement_causes(spec.get("clusterIP") or "", every)
    for index, family in enumerate(families):
        if family not in FAMILIES:
            yield Cause.unsupported(f"spec.ipFamilies[{index}]", family, FAMILIES)
        if family in families[:index]:
            yield Cause.duplicate(f"spec.ipFamilies[{index}]", family)
    if spec.get("ipFamilyPolicy") is not None and spec["ipFamilyPolicy"] not in FAMILY_POLICIES:
        yield Cause.unsupported(_POLICY, spec["ipFamilyPolicy"], FAMILY_POLICIES)
    wrong = list(_unreadable_causes(every, (old or {}).get("clusterIPs") or ()))
    yield from wrong
    if len(every) > 2:
        yield Cause.wrong("spec.clusterIPs", every, "may only hold up to 2 values")
    if not any(cause.field != "spec.clusterIPs" or "'None'" in cause.message for cause in wrong):
        yield from _family_causes(every, families)


def _agreement_causes(first: str, every: Sequence[str]) -> Iterator[Cause]:
    if first and not every:
        yield Cause.required("spec.clusterIPs")
    elif first and every[0] != first:
        yield Cause.wrong("spec.clusterIPs", every, "first value must match `clusterIP`")
    elif every and not first:
        yield Cause.wrong("spec.clusterIPs", every, "must be empty when `clusterIP` is not specified")


def _unreadable_causes(every: Sequence[str], had: Sequence[str]) -> Iterator[Cause]:
    for index, address in enumerate(every):
        if index == 0 and address == HEADLESS:
            if len(every) > 1:
                yield Cause.wrong("spec.clusterIPs", every, "'None' must be the first and only value")
        elif address not in had:
            yield from Cause.all_wrong(f"spec.clusterIPs[{index}]", address, addresses.address(address))


def _family_causes(every: Sequence[str], families: Sequence[str]) -> Iterator[Cause]:
    if len(every) > 1 and len({family_of(one) for one in every}) < len(every):
        yield Cause.wrong("spec.clusterIPs", every, "may specify no more than one IP for each IP family")
    if every == [HEADLESS]:
        return
    for index, (address, family) in enumerate(zip(every, families, strict=False)):
        if family in FAMILIES and family != family_of(address):
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield Cause.wrong(f"spec.clusterIPs[{index}]", address, text)


def family_of(address: str) -> str:
    """Return the family of an address."""
    found = addresses.parsed(address)
    return "IPv6" if found is not None and found.version == 6 else "IPv4"


def _keep_assigned(spec: Plain, old: Object) -> None:
    """Keep what was assigned if an update leaves it out."""
    if "ExternalName" not in (spec.get("type"), old.get("type")):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and old.get("clusterIPs"):
            spec["clusterIPs"] = list(old["clusterIPs"])
    if wants_node_ports(old) and wants_node_ports(spec):
        used = node_ports(spec) & node_ports(old)
        by_name = {port.get("name", ""): port.get("nodePort") for port in old.get("ports") or ()}
        for port in spec.get("ports") or ():
            had = by_name.get(port.get("name", ""))
            if had and not port.get("nodePort") and had not in used:
                port["nodePort"] = had
    if needs_health_check(old) and needs_health_check(spec) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old["healthCheckNodePort"]


def _align_addresses(spec: Plain, old: Object) -> None:
    """Let clusterIPs follow clusterIP where a client knows that alone."""
    first, every = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if not old:
        if first and not every:
            spec["clusterIPs"] = [first]
        return
    had_first, had = old.get("clusterIP") or "", old.get("clusterIPs") or []
    if had and not every and had_first == first:
        spec["clusterIPs"] = list(had)
    elif first != had_first and every == had:
        if first or not had_first:
            spec["clusterIPs"] = [first]
        else:
            spec.pop("clusterIPs", None)


def _choose_families(spec: Plain, old: Object) -> Iterator[Cause]:
    """Fill in ipFamilyPolicy and ipFamilies for a cluster with one family."""
    if spec.get("type") == "ExternalName" or (old and _prefers_as_before(spec, old)):
        return
    is_bare = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = old.get("ipFamilyPolicy") or ("RequireDualStack" if is_bare else "SingleStack")
    causes = list(cluster_ip_causes(spec, old or None))
    if causes:
        yield from causes
        return
    causes = list(_policy_causes(spec, old))
    families = list(spec.get("ipFamilies") or ())
    causes += _infer_families(spec.get("clusterIPs") or (), families)
    if not causes and not is_bare:
        causes = list(_unknown_family_causes(spec, families))
    yield from causes
    if not causes:
        spec["ipFamilies"] = families = families or [FAMILY]
        if is_bare and len(families) < 2 and spec["ipFamilyPolicy"] != "SingleStack":
            families.append("IPv6" if families[0] == "IPv4" else "IPv4")


def _infer_families(every: Sequence[str], families: list[str]) -> Iterator[Cause]:
    """Add the families of the addresses that have none yet."""
    for index, address in enumerate(every):
        if address == HEADLESS:
            return
        if index < len(families):
            continue
        if family_of(address) == FAMILY:
            families.append(FAMILY)
        else:
            text = f"{family_of(address)} is not configured on this cluster"
            yield Cause.wrong(f"spec.clusterIPs[{index}]", every, text)


def _unknown_family_causes(spec: Object, families: Sequence[str]) -> Iterator[Cause]:
    if spec["ipFamilyPolicy"] == "RequireDualStack":
        text = "this cluster is not configured for dual-stack services"
        yield Cause.wrong(_POLICY, "RequireDualStack", text)
    for index, family in enumerate(families):
        if family != FAMILY:
            yield Cause.wrong(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def _policy_causes(spec: Plain, old: Object) -> Iterator[Cause]:
    policy = spec["ipFamilyPolicy"]
    for name, one, many in (
        ("clusterIPs", "cluster IP", "cluster IPs"),
        ("ipFamilies", "IP family", "IP families"),
    ):
        now, had = spec.get(name) or [], old.get(name) or []
        if policy == "SingleStack":
            if old and now == had and len(now) > 1:
                spec[name] = now = now[:1]
            if len(now) == 2:
                text = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {many} are specified"
                yield Cause.wrong(_POLICY, policy, text)
        elif now and len(now) < len(had):
            yield Cause.wrong(_POLICY, policy, f"must be 'SingleStack' to release the secondary {one}")


def _prefers_as_before(spec: Object, old: Object) -> bool:
    """Whether a service that prefers two families stays as it is."""
    same = all((spec.get(name) or []) == (old.get(name) or []) for name in ("type", "clusterIPs", "ipFamilies"))
    return same and spec.get("ipFamilyPolicy") == old.get("ipFamilyPolicy") == "PreferDualStack"


def _drop_what_no_longer_applies(service: Plain, old: Object) -> None:
    """Remove what another type of service had, if the caller did not change it as well."""
    spec: Plain = service["spec"]
    kind = spec.get("type")
    if kind == "ExternalName" and old.get("type") != "ExternalName":
        if all(spec.get(name) == old.get(name) for name in ("clusterIP", "clusterIPs")):
            _drop(spec, "clusterIP", "clusterIPs")
        for name in ("ipFamilies", "ipFamilyPolicy"):
            if spec.get(name) == old.get(name):
                _drop(spec, name)
    if old.get("type") in _OUTSIDE and kind not in _OUTSIDE and node_ports(old) >= node_ports(spec):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    loses = (
        (needs_health_check(old) and not needs_health_check(spec), "healthCheckNodePort"),
        (old.get("type") == "LoadBalancer" != kind, "allocateLoadBalancerNodePorts"),
        (old.get("type") == "LoadBalancer" != kind, "loadBalancerClass"),
        (is_reachable(old) and not is_reachable(spec), "externalTrafficPolicy"),
    )
    for applies, name in loses:
        if applies and spec.get(name) == old.get(name):
            _drop(spec, name)
    if kind != "LoadBalancer" and "status" in service:
        service["status"] = {**service["status"], "loadBalancer": {}}


def _drop(spec: Plain, *names: str) -> None:
    for name in names:
        spec.pop(name, None)


def _has_address(spec: Object) -> bool:
    return spec.get("type") != "ExternalName"


def _addresses(service: Object) -> set[str]:
    return {one for one in (service.get("spec") or {}).get("clusterIPs") or () if one != HEADLESS}


def node_ports(spec: Object) -> set[int]:
    """Return the node ports of a service's ports."""
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def _all_ports(spec: Object) -> set[int]:
    return node_ports(spec) | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())
