"""The variables that tell a container of the Services around it, for programs that know no DNS. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Service = Mapping[str, Any]

_MASTER = ("default", "kubernetes")


def service_variables(services: Iterable[Service], namespace: str, *, links: bool) -> dict[str, str]:
    """
    Return the variables of a container: of its namespace's Services, and always of the API server's.

    >>> ports = [{"name": "https", "port": 443, "protocol": "TCP"}]
    >>> one = {"metadata": {"namespace": "default", "name": "kubernetes"}, "spec": {"clusterIP": "10.0.0.1"}}
    >>> one["spec"]["ports"] = ports
    >>> found = service_variables([one], "demo", links=False)
    >>> found["KUBERNETES_SERVICE_HOST"], found["KUBERNETES_PORT_443_TCP"], len(found)
    ('10.0.0.1', 'tcp://10.0.0.1:443', 8)

    Shape   With `links`, which is the pod's enableServiceLinks, all Services of the namespace are told of. Those
            without an address are not.
    """
    told: dict[str, Service] = {}
    for service in services:
        at = (service["metadata"].get("namespace"), service["metadata"]["name"])
        if service["spec"].get("clusterIP") in (None, "", "None"):
            continue
        if at[0] == namespace and links:
            told[at[1]] = service
        elif at == _MASTER:
            told.setdefault(at[1], service)
    return {name: value for service in told.values() for name, value in _variables(service)}


def _variables(service: Service) -> Iterator[tuple[str, str]]:
    prefix, address = _name(service["metadata"]["name"]), service["spec"]["clusterIP"]
    ports = service["spec"].get("ports") or ()
    yield f"{prefix}_SERVICE_HOST", address
    for index, port in enumerate(ports):
        number = str(port["port"])
        if index == 0:
            yield f"{prefix}_SERVICE_PORT", number
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_name(port['name'])}", number
        protocol = port.get("protocol") or "TCP"
        link = f"{prefix}_PORT_{number}_{protocol.upper()}"
        place = f"{protocol.lower()}://{f'[{address}]' if ':' in address else address}:{number}"
        if index == 0:
            yield f"{prefix}_PORT", place
        yield link, place
        yield f"{link}_PROTO", protocol.lower()
        yield f"{link}_PORT", number
        yield f"{link}_ADDR", address


def _name(text: str) -> str:
    return text.replace("-", "_").upper()
