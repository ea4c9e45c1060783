"""Endpoints and EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.containers import port_number_causes
from ctrlkit.fakes.tracker.kinds.metadata import label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import addresses, formats

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_SHOWN_MAX = 3
_ENDPOINTS_MAX, _ADDRESSES_MAX, _PORTS_MAX, _HINTS_MAX = 1_000, 100, 20_000, 8
_MANAGERS = {
    "endpoints.kubernetes.io/managed-by": ("endpoint-controller",),
    "endpointslice.kubernetes.io/managed-by": (
        "endpointslice-controller.k8s.io",
        "endpointslicemirroring-controller.k8s.io",
    ),
}
"""The controllers whose addresses a server does not warn about, by the label that names them."""


def _is_by_controller(plain: Object, label: str) -> bool:
    return section(plain["metadata"], "labels").get(label) in _MANAGERS[label]


def _shown(found: Sequence[str], count: int) -> str:
    more = f" + {count - _SHOWN_MAX} more..." if count > _SHOWN_MAX else ""
    return ",".join(found[:_SHOWN_MAX]) + more


# ---- Endpoints ------------------------------------------------------------------------------------------------------


def _fill_in(endpoints: Plain) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _endpoints_causes(endpoints: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and endpoints.get("subsets") == old.get("subsets"):
        return
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield Cause.required(path, "must specify `addresses` or `notReadyAddresses`")
        for name in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(name) or ()):
                yield from _address_causes(address, f"{path}.{name}[{place}]")
        ports = subset.get("ports") or ()
        for place, port in enumerate(ports):
            yield from _port_causes(port, f"{path}.ports[{place}]", is_name_needed=len(ports) > 1)


def _address_causes(address: Object, path: str) -> Iterator[Cause]:
    yield from Cause.all_wrong(f"{path}.ip", address["ip"], addresses.address(address["ip"]))
    if address.get("hostname"):
        yield from Cause.all_wrong(f"{path}.hostname", address["hostname"], formats.dns_label(address["hostname"]))
    node = address.get("nodeName")
    if node is not None:
        yield from Cause.all_wrong(f"{path}.nodeName", node, formats.subdomain(node))
    yield from Cause.all_wrong(f"{path}.ip", address["ip"], addresses.endpoint_address(address["ip"]))


def _port_causes(port: Object, path: str, *, is_name_needed: bool) -> Iterator[Cause]:
    name = port.get("name")
    if name:
        yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
    elif is_name_needed:
        yield Cause.required(f"{path}.name")
    yield from port_number_causes(port["port"], f"{path}.port")
    yield from _protocol_causes(port, path)


def _protocol_causes(port: Object, path: str) -> Iterator[Cause]:
    if port["protocol"] not in _PROTOCOLS:
        yield Cause.unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
    protocol = port.get("appProtocol")
    if protocol is not None:
        yield from Cause.all_wrong(f"{path}.appProtocol", protocol, formats.label_key(protocol))


def _endpoints_warnings(endpoints: Object, _old: object) -> Iterator[str]:
    if _is_by_controller(endpoints, "endpoints.kubernetes.io/managed-by"):
        return
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        for name in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(name) or ()):
                yield from addresses.address_warnings(f"subsets[{index}].{name}[{place}].ip", address["ip"])


def _endpoints_cells(endpoints: Object, now: datetime) -> list[Any]:
    shown: list[str] = []
    for subset in endpoints.get("subsets") or ():
        found = [address["ip"] for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        shown += [_host_port(one, port["port"]) for port in ports for one in found] if ports else found
    text = _shown(shown, len(shown)) if endpoints.get("subsets") else NONE
    return [name_of(endpoints), text, age_of(endpoints, now)]


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


ENDPOINTS = Strategy(
    deprecated="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    creates_on_update=True,
    defaults=_fill_in,
    validate=_endpoints_causes,
    warn=_endpoints_warnings,
    cells=_endpoints_cells,
)


# ---- EndpointSlices -------------------------------------------------------------------------------------------------


def _fill_in_slice(endpoint_slice: Plain) -> None:
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _drop_topology(endpoint_slice: Plain) -> None:
    """Version v1 knows no topology."""
    for endpoint in endpoint_slice.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def _drop_new_topology(endpoint_slice: Plain, old: Object) -> None:
    if endpoint_slice.get("endpoints") != old.get("endpoints"):
        _drop_topology(endpoint_slice)


def _slice_causes(endpoint_slice: Object, old: Object | None) -> Iterator[Cause]:
    kind = endpoint_slice["addressType"]
    if not kind:
        yield Cause.required("addressType")
    elif kind not in _ADDRESS_TYPES:
        yield Cause.unsupported("addressType", kind, _ADDRESS_TYPES)
    yield from _slice_port_causes(endpoint_slice.get("ports") or ())
    endpoints = endpoint_slice.get("endpoints") or ()
    if old is None or endpoints != (old.get("endpoints") or ()):
        if len(endpoints) > _ENDPOINTS_MAX:
            yield Cause.too_many("endpoints", len(endpoints), _ENDPOINTS_MAX)
        else:
            for index, endpoint in enumerate(endpoints):
                yield from _endpoint_causes(endpoint, f"endpoints[{index}]", kind)
    if old is not None:
        yield from Cause.changed("addressType", kind, old["addressType"])


def _slice_port_causes(ports: Sequence[Object]) -> Iterator[Cause]:
    if len(ports) > _PORTS_MAX:
        yield Cause.too_many("ports", len(ports), _PORTS_MAX)
        return
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port["name"]
        if name:
            yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
        if name in names:
            yield Cause.duplicate(f"{path}.name", name)
        names.add(name)
        yield from _protocol_causes(port, path)


def _endpoint_causes(endpoint: Object, path: str, kind: str) -> Iterator[Cause]:
    found = endpoint.get("addresses") or ()
    if not found:
        yield Cause.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(found) > _ADDRESSES_MAX:
        yield Cause.too_many(f"{path}.addresses", len(found), _ADDRESSES_MAX)
    for index, address in enumerate(found):
        if kind == "FQDN":
            yield from domain_causes(address, f"{path}.addresses[{index}]")
        elif kind in _ADDRESS_TYPES:
            yield from _slice_address_causes(address, f"{path}.addresses", index, kind)
    node, host = endpoint.get("nodeName"), endpoint.get("hostname")
    if node is not None:
        yield from Cause.all_wrong(f"{path}.nodeName", node, formats.subdomain(node))
    yield from label_causes(endpoint.get("deprecatedTopology"), f"{path}.deprecatedTopology")
    if host is not None:
        yield from Cause.all_wrong(f"{path}.hostname", host, formats.dns_label(host))
    hints = endpoint.get("hints") or {}
    yield from _hint_causes(hints.get("forZones") or (), f"{path}.hints.forZones", is_zone=True)
    yield from _hint_causes(hints.get("forNodes") or (), f"{path}.hints.forNodes", is_zone=False)


def _slice_address_causes(address: str, path: str, index: int, kind: str) -> Iterator[Cause]:
    here = f"{path}[{index}]"
    complaints = addresses.address(address) if kind == "IPv4" else addresses.canonical_address(address)
    yield from Cause.all_wrong(here, address, complaints)
    found = addresses.parsed(address)
    if complaints or found is None:
        return
    if f"IPv{found.version}" != kind:
        yield Cause.wrong(path, address, f"must be an {kind} address")
    yield from Cause.all_wrong(here, address, addresses.endpoint_address(address))


def domain_causes(text: str, path: str) -> Iterator[Cause]:
    """Yield a cause for a host that is not fully qualified, with at least two labels."""
    if not text:
        yield Cause.required(path)
        return
    name = text.removesuffix(".")
    complaints = formats.subdomain(name)
    if complaints:
        yield Cause.wrong(path, name, ",".join(complaints))
    elif "." not in name:
        yield Cause.wrong(path, name, "should be a domain with at least two segments separated by dots")
    else:
        too_long = next((label for label in name.split(".") if formats.dns_label(label)), None)
        if too_long is not None:
            yield Cause.wrong(path, too_long, ",".join(formats.dns_label(too_long)))


def _hint_causes(hints: Sequence[Object], path: str, *, is_zone: bool) -> Iterator[Cause]:
    if len(hints) > _HINTS_MAX:
        yield Cause.too_many(path, len(hints), _HINTS_MAX)
        return
    names: set[str] = set()
    for index, hint in enumerate(hints):
        here, name = f"{path}[{index}].name", hint["name"]
        if name in names:
            yield Cause.duplicate(here, name)
        names.add(name)
        yield from Cause.all_wrong(here, name, formats.label_value(name) if is_zone else formats.subdomain(name))


def _slice_warnings(endpoint_slice: Object, old: object) -> Iterator[str]:
    if old is None and endpoint_slice["addressType"] == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
    if _is_by_controller(endpoint_slice, "endpointslice.kubernetes.io/managed-by"):
        return
    for index, endpoint in enumerate(endpoint_slice.get("endpoints") or ()):
        for place, address in enumerate(endpoint.get("addresses") or ()):
            yield from addresses.address_warnings(f"endpoints[{index}].addresses[{place}]", address)


def _slice_cells(endpoint_slice: Object, now: datetime) -> list[Any]:
    ports = [str(port.get("port", port.get("name", "*"))) for port in endpoint_slice.get("ports") or ()]
    found = [one for endpoint in endpoint_slice.get("endpoints") or () for one in endpoint.get("addresses") or ()]
    return [
        name_of(endpoint_slice),
        endpoint_slice.get("addressType", ""),
        _shown(ports, len(ports)) or "<unset>",
        _shown(found, len(found)) or "<unset>",
        age_of(endpoint_slice, now),
    ]


ENDPOINT_SLICES = Strategy(
    generation=True,
    counted=lambda plain: ({**plain, "metadata": None}, section(plain["metadata"], "labels")),
    defaults=_fill_in_slice,
    begin=_drop_topology,
    keep=_drop_new_topology,
    validate=_slice_causes,
    warn=_slice_warnings,
    cells=_slice_cells,
)
