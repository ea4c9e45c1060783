"""
What the Endpoints and EndpointSlices of a Service say about the pods that it selects. Pure.

A pod that has an address counts until it has ended; while it is being deleted it is left out of Endpoints, and is
terminating in EndpointSlices. `publishNotReadyAddresses` makes every pod count as ready.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ctrlkit.fakes.cluster.loops.hashes import order_hash
from ctrlkit.fakes.cluster.loops.pods import condition, is_final, moment_of, ready_since
from ctrlkit.model import LabelSelector, Unstructured

Plain = dict[str, Any]

ADDRESSES_MAX = 1000
"""How many addresses Endpoints have at most."""
SLICE_MAX = 100
"""How many endpoints an EndpointSlice has at most."""

HEADLESS = "service.kubernetes.io/headless"
SERVICE_NAME = "kubernetes.io/service-name"
SLICE_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SLICE_MANAGER = "endpointslice-controller.k8s.io"
_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
_MANAGER = "endpoint-controller"
LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time"
_OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
_PREFER_SAME_NODE = "PreferSameNode"
_PREFER_CLOSE = ("PreferClose", "PreferSameZone", _PREFER_SAME_NODE)
_TOPOLOGY_MODES = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
"""Annotations that ask for hints by the CPUs of zones; the first one that is there counts."""
_SLICE_RESERVED = frozenset({SERVICE_NAME, SLICE_MANAGED_BY, HEADLESS})


def selector_of(service: Unstructured) -> LabelSelector | None:
    """Return which pods a Service selects; None for one whose endpoints are not made of pods."""
    selector = service.at("spec.selector")
    if selector is None or service.at("spec.type") == "ExternalName":
        return None
    return LabelSelector.of_labels(selector)


@dataclass(slots=True)
class Triggers:
    """The latest time each pod of a Service, and the Service itself, changed what its endpoints are."""

    pods: Mapping[str, datetime] = field(default_factory=dict)
    is_known: bool = False

    def last_change(self, service: Unstructured, pods: Iterable[Unstructured]) -> str:
        """Return the time of the earliest change since the last call, "" if there was none."""
        times = {
            pod.key.name: moment_of(ready["lastTransitionTime"])
            for pod in pods
            if (ready := condition(pod, "Ready")) is not None and ready.get("lastTransitionTime")
        }
        changed = [moment for name, moment in times.items() if name not in self.pods or moment > self.pods[name]]
        self.pods = times
        if not self.is_known:
            self.is_known = True
            created: str = service.at("metadata.creationTimestamp") or ""
            return created
        return min(changed).isoformat().replace("+00:00", "Z") if changed else ""


# ---- Endpoints -----------------------------------------------------------------------------------------------------


def endpoints_of(service: Unstructured, pods: Sequence[Unstructured]) -> list[Plain]:
    """
    Return the subsets of a Service's Endpoints.

    Shape   Ports that lead to the same pods stand together, in the order of their hashes, with addresses in order. A
            pod that has other ports than another is in several subsets.
    """
    publishes = bool(service.at("spec.publishNotReadyAddresses"))
    family = _family(service)
    behind: dict[tuple[tuple[str, Any], ...], dict[tuple[str, bool], Plain]] = {}
    for pod in pods:
        is_leaving = pod.at("metadata.deletionTimestamp") and not publishes
        if not _has_endpoint(pod) or not pod.at("spec.nodeName") or is_leaving:
            continue
        address = next(iter(_addresses(pod, family)), None)
        ports = ports_of(service, pod)
        if address is None or (not ports and service.at("spec.ports")):
            continue
        entry = {"ip": address, **_place(service, pod)}
        ready = publishes or ready_since(pod) is not None
        for port in ports or ({},):
            behind.setdefault(tuple(port.items()), {})[entry["targetRef"]["uid"], ready] = entry
    subsets: dict[frozenset[tuple[str, bool]], tuple[list[Plain], Mapping[tuple[str, bool], Plain]]] = {}
    for named, entries in behind.items():
        subsets.setdefault(frozenset(entries), ([], entries))[0].extend([dict(named)] if named else [])
    return sorted((_subset(ports, entries) for ports, entries in subsets.values()), key=repr)


def truncated(subsets: list[Plain]) -> tuple[list[Plain], bool]:
    """Keep `ADDRESSES_MAX` addresses, ready ones first; whether some were left out."""
    ready = sum(len(one.get("addresses", ())) for one in subsets)
    total = ready + sum(len(one.get("notReadyAddresses", ())) for one in subsets)
    if total <= ADDRESSES_MAX:
        return subsets, False
    room = {"addresses": min(ready, ADDRESSES_MAX), "notReadyAddresses": max(ADDRESSES_MAX - ready, 0)}
    kept = []
    for one in subsets:
        part: Plain = {"ports": one["ports"]} if "ports" in one else {}
        for name in room:
            taken = one.get(name, [])[: room[name]]
            room[name] -= len(taken)
            if taken:
                part[name] = taken
        if part.keys() - {"ports"}:
            kept.append(part)
    return kept, True


def endpoints_metadata(service: Unstructured, old: Mapping[str, Any], last_change: str, *, is_cut: bool) -> Plain:
    """Return the labels and annotations of a Service's Endpoints."""
    labels = {name: value for name, value in (service.metadata.labels or {}).items() if name != HEADLESS}
    if _is_headless(service):
        labels[HEADLESS] = ""
    annotations = {
        name: value
        for name, value in (old.get("annotations") or {}).items()
        if name not in (LAST_CHANGE, _OVER_CAPACITY)
    }
    if last_change:
        annotations[LAST_CHANGE] = last_change
    if is_cut:
        annotations[_OVER_CAPACITY] = "truncated"
    return {"labels": labels | {_MANAGED_BY: _MANAGER}} | ({"annotations": annotations} if annotations else {})


# ---- EndpointSlices ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slice:
    """The endpoints of a Service that have the same ports and kind of address."""

    address_type: str
    ports: tuple[Plain, ...]
    endpoints: tuple[Plain, ...]


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """Which EndpointSlices to make, to change (by name) and to delete."""

    create: tuple[Slice, ...]
    update: Mapping[str, Slice]
    delete: tuple[str, ...]


def slices_of(service: Unstructured, pods: Sequence[Unstructured], nodes: Mapping[str, str]) -> list[Slice]:
    """
    Return a Service's endpoints by kind of address and ports; `nodes` has the zone of each node, "" for none.

    A pod whose node there is not is no endpoint, unless it is published though not ready.
    """
    publishes = bool(service.at("spec.publishNotReadyAddresses"))
    placed = [pod for pod in pods if _has_endpoint(pod) and (publishes or (pod.at("spec.nodeName") or "") in nodes)]
    groups: dict[tuple[str, tuple[tuple[Any, ...], ...]], tuple[list[Plain], list[Plain]]] = {}
    for family in service.at("spec.ipFamilies") or ("IPv4",):
        for pod in placed:
            addresses = _addresses(pod, family)
            if addresses:
                ports = sorted(map(slice_port, ports_of(service, pod)), key=_slice_order)
                _, found = groups.setdefault((family, _key(ports)), (ports, []))
                found.append(_endpoint(service, pod, addresses, nodes))
    return [Slice(family, tuple(ports), tuple(found)) for (family, _), (ports, found) in groups.items()]


def plan_slices(families: Sequence[str], wanted: Sequence[Slice], existing: Mapping[str, Slice]) -> SlicePlan:
    """
    Plan how the EndpointSlices of a Service come to say what they should.

    An endpoint stays in the slice where it is; others fill the slices there are before new ones are made, and what is
    not needed any more becomes what is to be made. A Service without endpoints keeps one empty slice for each kind of
    address.
    """
    left = dict(existing)
    create: list[Slice] = []
    update: dict[str, Slice] = {}
    groups = list(wanted)
    groups += [Slice(family, (), ()) for family in families if all(one.address_type != family for one in wanted)]
    for group in groups:
        mine = {
            name: one
            for name, one in left.items()
            if one.address_type == group.address_type and one.ports == group.ports
        }
        filled = _fill(group, mine)
        for name, endpoints in filled.named.items():
            del left[name]
            changed = Slice(group.address_type, group.ports, endpoints)
            if changed != existing[name]:
                update[name] = changed
        create += [Slice(group.address_type, group.ports, endpoints) for endpoints in filled.new]
    for new in tuple(create):
        recycled = next((name for name, one in left.items() if one.address_type == new.address_type), None)
        if recycled is not None:
            del left[recycled]
            create.remove(new)
            update[recycled] = new
    return SlicePlan(tuple(create), update, tuple(left))


@dataclass(frozen=True, slots=True)
class _Filled:
    named: Mapping[str, tuple[Plain, ...]]
    new: tuple[tuple[Plain, ...], ...]


def _fill(group: Slice, mine: Mapping[str, Slice]) -> _Filled:
    """Distribute endpoints among slices: each of the existing ones keeps what it has."""
    waiting = {_who(one): one for one in group.endpoints}
    kept: dict[str, list[Plain]] = {}
    for name, one in mine.items():
        stays = [waiting.pop(who) for each in one.endpoints if (who := _who(each)) in waiting]
        if stays:
            kept[name] = stays
    rest = list(waiting.values())
    for stays in kept.values():
        room = SLICE_MAX - len(stays)
        stays.extend(rest[:room])
        rest = rest[room:]
    spare = iter(name for name in mine if name not in kept)
    new: list[tuple[Plain, ...]] = []
    while rest or not (kept or new):
        part, rest = rest[:SLICE_MAX], rest[SLICE_MAX:]
        unused = next(spare, None)
        if unused is None:
            new.append(tuple(part))
        else:
            kept[unused] = part
    return _Filled({name: tuple(endpoints) for name, endpoints in kept.items()}, tuple(new))


def slice_labels(service: Unstructured) -> dict[str, str]:
    """Return the labels of a Service's EndpointSlices."""
    labels = {name: value for name, value in (service.metadata.labels or {}).items() if name not in _SLICE_RESERVED}
    if _is_headless(service):
        labels[HEADLESS] = ""
    return labels | {SERVICE_NAME: service.key.name, SLICE_MANAGED_BY: SLICE_MANAGER}


def read_slice(one: Unstructured) -> Slice:
    """Read an EndpointSlice."""
    return Slice(one.get("addressType") or "IPv4", tuple(one.get("ports") or ()), tuple(one.get("endpoints") or ()))


def slice_body(wanted: Slice) -> Plain:
    """Return what an EndpointSlice has beside its metadata."""
    return {
        "addressType": wanted.address_type,
        "endpoints": list(wanted.endpoints) or None,
        "ports": list(wanted.ports) or None,
    }


# ---- pods ----------------------------------------------------------------------------------------------------------


def ports_of(service: Unstructured, pod: Unstructured) -> list[Plain]:
    """Return the ports at which a pod serves a Service; one whose name the pod does not have is left out."""
    found = []
    for port in service.at("spec.ports") or ():
        number = _port_number(port, pod)
        if number is not None:
            named = {"name": port["name"]} if port.get("name") else {}
            more = {"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}
            found.append({**named, "port": number, "protocol": port.get("protocol") or "TCP", **more})
    return found


def _port_number(port: Mapping[str, Any], pod: Unstructured) -> int | None:
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target or int(port["port"])
    sidecars = (one for one in pod.at("spec.initContainers") or () if one.get("restartPolicy") == "Always")
    for container in (*(pod.at("spec.containers") or ()), *sidecars):
        for one in container.get("ports") or ():
            if (one.get("name"), one.get("protocol", "TCP")) == (target, port.get("protocol") or "TCP"):
                return int(one["containerPort"])
    return None


def slice_port(port: Mapping[str, Any]) -> Plain:
    """Return a port of an EndpointSubset as one of an EndpointSlice."""
    head = {"name": port.get("name", ""), "protocol": port["protocol"], "port": port["port"]}
    return head | ({"appProtocol": port["appProtocol"]} if "appProtocol" in port else {})


def port_order(port: Mapping[str, Any]) -> int:
    """Return the place of a port of an EndpointSubset: by its hash, as a controller that is written in Go takes it."""
    head = f"Name:(string){port.get('name', '')} Port:(int32){port['port']} Protocol:(v1.Protocol){port['protocol']}"
    return order_hash(f"(v1.EndpointPort){{{head} AppProtocol:(*string){port.get('appProtocol', '<nil>')}}}")


def _slice_order(port: Mapping[str, Any]) -> int:
    """The place of a port of an EndpointSlice."""
    head = f"Name:(*string){port['name']} Protocol:(*v1.Protocol){port['protocol']} Port:(*int32){port['port']}"
    return order_hash(f"(v1.EndpointPort){{{head} AppProtocol:(*string){port.get('appProtocol', '<nil>')}}}")


def _has_endpoint(pod: Unstructured) -> bool:
    return not is_final(pod) and bool(pod.at("status.podIP") or pod.at("status.podIPs"))


def _addresses(pod: Unstructured, family: str) -> list[str]:
    """Return a pod's addresses of a family, IPv4 or IPv6."""
    given = [one["ip"] for one in pod.at("status.podIPs") or ()] or [pod.at("status.podIP")]
    return [one for one in given if f"IPv{ipaddress.ip_address(one).version}" == family]


def _family(service: Unstructured) -> str:
    families = service.at("spec.ipFamilies") or ("IPv4",)
    return str(families[0])


def _place(service: Unstructured, pod: Unstructured) -> Plain:
    """Return where an endpoint is: its node, its pod, and the name that it has in a headless Service."""
    node = pod.at("spec.nodeName")
    hostname = pod.at("spec.hostname")
    is_named = hostname and pod.at("spec.subdomain") == service.key.name
    target = {"kind": "Pod", "namespace": pod.key.namespace, "name": pod.key.name, "uid": pod.metadata.uid}
    return {
        **({"hostname": hostname} if is_named else {}),
        **({"nodeName": node} if node else {}),
        "targetRef": target,
    }


def _endpoint(service: Unstructured, pod: Unstructured, addresses: list[str], zones: Mapping[str, str]) -> Plain:
    serving = ready_since(pod) is not None
    terminating = bool(pod.at("metadata.deletionTimestamp"))
    ready = bool(service.at("spec.publishNotReadyAddresses")) or (serving and not terminating)
    node = pod.at("spec.nodeName") or ""
    zone = zones.get(node) or ""
    hints = _hints(service, node, zone) if ready else {}
    return {
        "addresses": addresses,
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        **_place(service, pod),
        **({"zone": zone} if zone else {}),
        **({"hints": hints} if hints else {}),
    }


def _hints(service: Unstructured, node: str, zone: str) -> Plain:
    """Return for which zones and nodes an endpoint is, where a Service prefers what is close."""
    prefers = service.at("spec.trafficDistribution")
    annotations = service.metadata.annotations or {}
    mode = next((annotations[name] for name in _TOPOLOGY_MODES if name in annotations), "")
    if prefers not in _PREFER_CLOSE or mode in ("Auto", "auto"):
        return {}
    is_of_nodes = bool(node) and prefers == _PREFER_SAME_NODE
    return ({"forZones": [{"name": zone}]} if zone else {}) | ({"forNodes": [{"name": node}]} if is_of_nodes else {})


def _who(endpoint: Mapping[str, Any]) -> str:
    return str((endpoint.get("targetRef") or {}).get("uid") or endpoint["addresses"])


def _subset(ports: list[Plain], entries: Mapping[tuple[str, bool], Plain]) -> Plain:
    def place(entry: Plain) -> tuple[bytes, str]:
        return ipaddress.ip_address(entry["ip"]).packed, entry["targetRef"]["uid"]

    lists = {
        name: sorted((entry for (_, ready), entry in entries.items() if ready is wanted), key=place)
        for name, wanted in (("addresses", True), ("notReadyAddresses", False))
    }
    filled = {name: addresses for name, addresses in lists.items() if addresses}
    return filled | ({"ports": sorted(ports, key=port_order)} if ports else {})


def _is_headless(service: Unstructured) -> bool:
    return service.at("spec.clusterIP") in (None, "", "None")


def _key(ports: Iterable[Mapping[str, Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(sorted(one.items())) for one in ports)
