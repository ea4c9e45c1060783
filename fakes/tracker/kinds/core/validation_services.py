"""What the server has against a Service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.validation_pods import port_number_causes
from ctrlkit.fakes.tracker.kinds.validation_metadata import label_causes
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

Plain = Mapping[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TRAFFIC_POLICIES = ("Cluster", "Local")


def service_causes(service: Plain, old: Plain | None) -> Iterator[Cause]:
    """What the server has against a Service, new or changed."""
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


def _address_causes(spec: Plain) -> Iterator[Cause]:
    for name in ("clusterIPs", "externalIPs"):
        for index, address in enumerate(spec.get(name) or ()):
            if name != "clusterIPs" or index or address != "None":
                yield from Cause.all_wrong(f"spec.{name}[{index}]", address, formats.ip_address(address))


def _traffic_causes(spec: Plain) -> Iterator[Cause]:
    for name in ("internalTrafficPolicy", "externalTrafficPolicy"):
        if name in spec and spec[name] not in _TRAFFIC_POLICIES:
            yield Cause.unsupported(f"spec.{name}", spec[name], _TRAFFIC_POLICIES)
    is_reachable = spec["type"] in ("NodePort", "LoadBalancer") or spec.get("externalIPs")
    if "externalTrafficPolicy" in spec and not is_reachable:
        text = "may only be set for externally-accessible services"
        yield Cause.wrong("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], text)


def _change_causes(spec: Plain, old: Plain) -> Iterator[Cause]:
    if "ExternalName" in (spec["type"], old.get("type")):
        return
    now, before = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
    if before and (not now or now[0] != before[0]):
        yield Cause.wrong("spec.clusterIPs[0]", now, "may not change once set")


def _external_name_causes(spec: Plain) -> Iterator[Cause]:
    if spec.get("clusterIP"):
        yield Cause.forbidden("spec.clusterIPs", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from Cause.all_wrong("spec.externalName", name, formats.subdomain(name))
    else:
        yield Cause.required("spec.externalName")


def _port_causes(port: Plain, path: str, names: set[str], *, is_name_needed: bool) -> Iterator[Cause]:
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


def _duplicate_causes(ports: tuple[Plain, ...] | list[Plain]) -> Iterator[Cause]:
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port["protocol"], port["port"])
        if key in seen:
            value = (
                f'{{"Name":"","Protocol":"{key[0]}","AppProtocol":null,"Port":{key[1]},"TargetPort":0,"NodePort":0}}'
            )
            yield Cause(f"spec.ports[{index}]", "FieldValueDuplicate", f"Duplicate value: {value}")
        seen.add(key)
