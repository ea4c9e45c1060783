"""Which EndpointSlices mirror the Endpoints of a Service that selects no pods. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.cluster.loops.endpoints_plan import (
    LAST_CHANGE,
    SERVICE_NAME,
    SLICE_MANAGED_BY,
    Plain,
    Slice,
    SlicePlan,
    port_order,
    read_slice,
    slice_port,
)
from ctrlkit.model import Unstructured

MIRRORING_MANAGER = "endpointslicemirroring-controller.k8s.io"
ADDRESSES_MAX = 1000
"""How many addresses of an EndpointSubset are mirrored."""
_SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def is_mirrored(service: Unstructured | None, endpoints: Unstructured | None) -> bool:
    """Whether Endpoints are mirrored: a Service has them, selects no pods, and they do not ask for being left out."""
    if service is None or endpoints is None or service.at("spec.selector") is not None:
        return False
    metadata = endpoints.metadata
    return (metadata.labels or {}).get(_SKIP) not in _TRUE and _LEADER not in (metadata.annotations or {})


def mirror_metadata(endpoints: Unstructured) -> Plain:
    """Return the labels and annotations of the EndpointSlices: those of the Endpoints, and whose they are."""
    metadata = endpoints.metadata
    annotations = {
        name: value for name, value in (metadata.annotations or {}).items() if name not in (LAST_CHANGE, _LAST_APPLIED)
    }
    owned = {SERVICE_NAME: endpoints.key.name, SLICE_MANAGED_BY: MIRRORING_MANAGER}
    return {"labels": {**(metadata.labels or {}), **owned}} | ({"annotations": annotations} if annotations else {})


@dataclass(frozen=True, slots=True)
class Mirror:
    """What EndpointSlices say for Endpoints, and how many addresses they have no room for."""

    slices: tuple[Slice, ...]
    skipped: int


def mirror_of(endpoints: Unstructured) -> Mirror:
    """
    Return one Slice for each kind of address and set of ports.

    Ports that lead to the same addresses stand together, however the subsets have them.
    """
    slices: dict[str, Slice] = {}
    skipped = 0
    for ports, addresses in _repacked(endpoints.get("subsets") or ()):
        skipped += max(len(addresses) - ADDRESSES_MAX, 0)
        for address, is_ready in addresses[:ADDRESSES_MAX]:
            family = f"IPv{ipaddress.ip_address(address['ip']).version}"
            group = Slice(family, tuple(map(slice_port, ports)), (_endpoint(address, is_ready=is_ready),))
            before = slices.get(_kind(group))
            joined = before.endpoints + group.endpoints if before is not None else group.endpoints
            slices[_kind(group)] = Slice(family, group.ports, joined)
    return Mirror(tuple(slices.values()), skipped)


def plan_mirror(wanted: Sequence[Slice], existing: Mapping[str, Slice]) -> SlicePlan:
    """Plan how EndpointSlices come to say this: each keeps its ports if it can, and is changed before it is deleted."""
    left = dict(existing)
    new: list[Slice] = []
    update: dict[str, Slice] = {}
    for one in wanted:
        name = next((name for name, old in left.items() if _kind(old) == _kind(one)), None)
        if name is None:
            new.append(one)
        elif _said(left.pop(name)) != _said(one):
            update[name] = one
    create = []
    for one in new:
        name = next((name for name, old in left.items() if old.address_type == one.address_type), None)
        if name is None:
            create.append(one)
        else:
            del left[name]
            update[name] = one
    return SlicePlan(tuple(create), update, tuple(left))


def read_slices(slices: Sequence[Unstructured]) -> dict[str, Slice]:
    """Read EndpointSlices, by name."""
    return {one.key.name: read_slice(one) for one in slices}


def _repacked(subsets: Sequence[Mapping[str, Any]]) -> list[tuple[list[Plain], list[tuple[Plain, bool]]]]:
    """Return ports with the addresses they lead to, not ready ones last; an address that is both is not ready."""
    behind: dict[tuple[tuple[str, Any], ...], dict[str, tuple[Plain, bool]]] = {}
    none: Sequence[Plain] = ({},)
    for subset in subsets:
        for name, is_ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(name) or ():
                who = json.dumps([address["ip"], (address.get("targetRef") or {}).get("uid")])
                for port in subset.get("ports") or none:
                    behind.setdefault(tuple(sorted(port.items())), {})[who] = (address, is_ready)
    groups: dict[frozenset[tuple[str, bool]], tuple[list[Plain], list[tuple[Plain, bool]]]] = {}
    for items, found in behind.items():
        key = frozenset((who, is_ready) for who, (_, is_ready) in found.items())
        addresses = sorted(found.values(), key=lambda one: not one[1])
        groups.setdefault(key, ([], addresses))[0].extend([dict(items)] if items else [])
    return [(sorted(ports, key=port_order), addresses) for ports, addresses in groups.values()]


def _endpoint(address: Mapping[str, Any], *, is_ready: bool) -> Plain:
    more = {name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)}
    return {"addresses": [address["ip"]], "conditions": {"ready": is_ready}, **more}


def _kind(one: Slice) -> str:
    return json.dumps([one.address_type, sorted(json.dumps(port, sort_keys=True) for port in one.ports)])


def _said(one: Slice) -> list[str]:
    """Return what a Slice says, in no order of its endpoints."""
    return sorted(json.dumps(endpoint, sort_keys=True) for endpoint in one.endpoints)
