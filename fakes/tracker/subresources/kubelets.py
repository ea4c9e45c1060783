"""Where the kubelets of nodes would listen, and what a server says that cannot reach them, pods or services."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ctrlkit.errors import ServiceUnavailable
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import bad_request, not_found, plain_failure
from ctrlkit.fakes.tracker.subresources.connecting import admit_connection
from ctrlkit.model import Action, AnyResource, ObjectKey, kinds, value_at

_PREFERRED = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
_KUBELET_PORT = 10250
_ID = re.compile(r"(?:(https?|):)?([^:]+)(?::([^:]*))?")
"""`name`, `name:port` or `scheme:name:port`."""


class Host(NamedTuple):
    """The address of a kubelet, and why nobody answers there."""

    name: str
    port: int

    @property
    def authority(self) -> str:
        """`host:port`."""
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"

    @property
    def failure(self) -> str:
        """What a server says of the connection that it cannot make."""
        if _address(self.name) is None:
            return f"dial tcp: lookup {self.name}: no such host"
        return f"dial tcp {self.authority}: connect: connection refused"


def address_of(core: Core, node: str, *, missing: AnyResource = kinds.NODES) -> Host:
    """
    Return where a node's kubelet listens.

    Errors  NotFound, which names the node as an object of `missing`; one without a reason for a node without address.
    """
    found = core.store.collection(kinds.NODES.identity).find(ObjectKey("", node))
    if found is None:
        raise not_found(missing, node)
    known: list[Mapping[str, Any]] = value_at(found.plain, "status.addresses") or []
    port = value_at(found.plain, "status.daemonEndpoints.kubeletEndpoint.Port") or _KUBELET_PORT
    for kind in _PREFERRED:
        for address in known:
            if address.get("type") == kind:
                return Host(address.get("address", ""), port)
    shown = " ".join(f"{{{one.get('type', '')} {one.get('address', '')}}}" for one in known)
    raise plain_failure(f"no preferred addresses found; known addresses: [{shown}]")


def proxy(core: Core, served: Strategy, action: Action) -> bytes:
    """
    Refuse a request that is to be passed on: there is no network to pods, services and nodes.

    Errors  BadRequest, NotFound, ServiceUnavailable.
    """
    admit_connection(core, served, action)
    singular = served.resource.kind.lower()
    parts = _ID.fullmatch(action.name)
    if parts is None or (parts[1] is not None and parts[3] is None and parts[1]):
        raise bad_request(f'invalid {singular} request "{action.name}"')
    name, port = parts[2], parts[3] or ""
    match served.resource.plural:
        case "pods":
            raise _pod_unreached(core, served, ObjectKey(action.namespace, name), port)
        case "services":
            raise _service_unreached(core, served, ObjectKey(action.namespace, name), port)
    host = address_of(core, name)
    if _address(host.name) is None:
        raise bad_request(f"lookup {host.name}: no such host")
    if not _is_allowed(host.name):
        raise bad_request("address not allowed")
    raise _unreached(Host(host.name, int(port) if port.isdecimal() else host.port))


def _pod_unreached(core: Core, served: Strategy, key: ObjectKey, port: str) -> Exception:
    pod = core.get(served, key).plain
    if not port:
        ports = [
            one["containerPort"] for container in pod["spec"]["containers"] for one in container.get("ports") or ()
        ]
        port = str(ports[0]) if ports else "80"
    address = next((one.get("ip") for one in value_at(pod, "status.podIPs") or ()), "")
    if not address or not _is_allowed(address):
        return bad_request("address not allowed")
    return _unreached(Host(address, int(port) if port.isdecimal() else 0))


def _service_unreached(core: Core, served: Strategy, key: ObjectKey, port: str) -> Exception:
    service = core.get(served, key).plain
    ports = value_at(service, "spec.ports") or ()
    if port.isdecimal() and not any(one.get("port") == int(port) for one in ports):
        return ServiceUnavailable(f'no service port {int(port)} found for service "{key.name}"')
    return ServiceUnavailable(f'no endpoints available for service "{key.name}"')


def _unreached(host: Host) -> ServiceUnavailable:
    return ServiceUnavailable(f"error trying to reach service: {host.failure}")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_allowed(text: str) -> bool:
    """Whether a server passes requests on to an address: not to its own machine, nor its network segment."""
    address = _address(text)
    if address is None:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)
