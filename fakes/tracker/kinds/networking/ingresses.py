"""Ingresses and their classes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.containers import port_number_causes
from ctrlkit.fakes.tracker.kinds.core.services import load_balancer_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import addresses, formats

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_SCOPES = ("Cluster", "Namespace")
_PATH_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_PATH_ENDS = ("/..", "/.")
_CONTROLLER_MAX = 250
_HOSTS_MAX = 3
_ADDRESS_WIDTH = 16


def _causes(ingress: Object, old: Object | None) -> Iterator[Cause]:
    spec = ingress["spec"]
    if not spec.get("rules") and "defaultBackend" not in spec:
        yield Cause.wrong("spec", None, "either `defaultBackend` or `rules` must be specified")
    if "defaultBackend" in spec:
        yield from _backend_causes(spec["defaultBackend"], "spec.defaultBackend")
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from _rule_causes(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        path = f"spec.tls[{index}]"
        for place, host in enumerate(tls.get("hosts") or ()):
            yield from Cause.all_wrong(f"{path}.hosts[{place}]", host, _host(host))
        if tls.get("secretName"):
            yield from Cause.all_wrong(f"{path}.secretName", tls["secretName"], formats.subdomain(tls["secretName"]))
    name = spec.get("ingressClassName")
    if name is not None:
        yield from Cause.all_wrong("spec.ingressClassName", name, formats.subdomain(name))
    noted = section(ingress["metadata"], "annotations").get(CLASS_ANNOTATION)
    if old is None and None not in (noted, name) and noted != name:
        text = "must match `ingressClassName` when both are specified"
        yield Cause.wrong(f"annotations.{CLASS_ANNOTATION}", noted, text)


def _host(host: str) -> formats.Complaints:
    return formats.wildcard_subdomain(host) if "*" in host else formats.subdomain(host)


def _rule_causes(rule: Object, path: str) -> Iterator[Cause]:
    host = rule.get("host")
    if host:
        if addresses.parsed(host) is not None:
            yield Cause.wrong(f"{path}.host", host, "must be a DNS name, not an IP address")
        yield from Cause.all_wrong(f"{path}.host", host, _host(host))
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        yield Cause.required(f"{path}.http.paths")
    for index, one in enumerate(http.get("paths") or ()):
        yield from _path_causes(one, f"{path}.http.paths[{index}]")


def _path_causes(one: Object, path: str) -> Iterator[Cause]:
    kind, text = one.get("pathType"), one.get("path", "")
    if kind is None:
        yield Cause.required(f"{path}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        yield Cause.unsupported(f"{path}.pathType", kind, _PATH_TYPES)
    elif not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        yield Cause.wrong(f"{path}.path", text, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        for part in _PATH_PARTS:
            if part in text:
                yield Cause.wrong(f"{path}.path", text, f"must not contain '{part}'")
        for end in _PATH_ENDS:
            if text.endswith(end):
                yield Cause.wrong(f"{path}.path", text, f"cannot end with '{end}'")
    yield from _backend_causes(one["backend"], f"{path}.backend")


def _backend_causes(backend: Object, path: str) -> Iterator[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield Cause.wrong(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from _reference_causes(resource, f"{path}.resource")
    elif service is not None:
        yield from _service_causes(service, path)
    else:
        yield Cause.wrong(path, "", "resource or service backend is required")


def _service_causes(service: Object, path: str) -> Iterator[Cause]:
    name, port = service["name"], service.get("port") or {}
    if name:
        yield from Cause.all_wrong(f"{path}.service.name", name, formats.dns_label(name))
    else:
        yield Cause.required(f"{path}.service.name")
    if port.get("name") and port.get("number"):
        yield Cause.wrong(path, "", "cannot set both port name & port number")
    elif port.get("name"):
        yield from Cause.all_wrong(f"{path}.service.port.name", port["name"], formats.port_name(port["name"]))
    elif port.get("number"):
        yield from port_number_causes(port["number"], f"{path}.service.port.number")
    else:
        yield Cause.required(path, "port name or number is required")


def _reference_causes(reference: Object, path: str) -> Iterator[Cause]:
    group = reference.get("apiGroup")
    if group is not None:
        yield from Cause.all_wrong(f"{path}.apiGroup", group, formats.subdomain(group))
    for name in ("kind", "name"):
        if reference[name]:
            yield from Cause.all_wrong(f"{path}.{name}", reference[name], formats.path_segment(reference[name]))
        else:
            yield Cause.required(f"{path}.{name}")


def _status_causes(ingress: Object, old: Object) -> Iterator[Cause]:
    had = {point.get("ip") for point in _points(old)}
    yield from load_balancer_causes(_points(ingress), "status.loadBalancer.ingress", had)


def _points(ingress: Object) -> Any:
    return section(section(ingress, "status"), "loadBalancer").get("ingress") or ()


def _warnings(ingress: Object, old: object) -> Iterator[str]:
    is_noted = CLASS_ANNOTATION in section(ingress["metadata"], "annotations")
    if old is None and is_noted and ingress["spec"].get("ingressClassName") is None:
        yield f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"


def _cells(ingress: Object, now: datetime) -> list[Any]:
    spec = section(ingress, "spec")
    rules = spec.get("rules") or ()
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    more = f" + {len(rules) - _HOSTS_MAX} more..." if len(hosts) > _HOSTS_MAX else ""
    found = ",".join(sorted({point.get("ip") or point.get("hostname", "") for point in _points(ingress)} - {""}))
    return [
        name_of(ingress),
        spec.get("ingressClassName", NONE),
        (",".join(hosts[:_HOSTS_MAX]) + more) or "*",
        f"{found[: _ADDRESS_WIDTH - 3]}..." if len(found) > _ADDRESS_WIDTH else found,
        "80, 443" if spec.get("tls") else "80",
        age_of(ingress, now),
    ]


INGRESSES = Strategy(
    generation=True,
    validate=_causes,
    validate_status=_status_causes,
    warn=_warnings,
    cells=_cells,
    set_by_server=("spec.ingressClassName",),
)


# ---- classes --------------------------------------------------------------------------------------------------------


def _fill_in_class(ingress_class: Plain) -> None:
    parameters = ingress_class["spec"].get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def _class_causes(ingress_class: Object, old: Object | None) -> Iterator[Cause]:
    spec = ingress_class["spec"]
    controller = spec.get("controller", "")
    if old is not None:
        yield from Cause.changed("spec.controller", controller, old["spec"].get("controller", ""))
    if len(controller) > _CONTROLLER_MAX:
        yield Cause.too_long("spec.controller", _CONTROLLER_MAX)
    yield from prefixed_path_causes(controller, "spec.controller")
    parameters = spec.get("parameters")
    if parameters is not None:
        yield from _reference_causes(parameters, "spec.parameters")
        yield from _scope_causes(parameters, "spec.parameters")


def _scope_causes(parameters: Object, path: str) -> Iterator[Cause]:
    scope, namespace = parameters["scope"], parameters.get("namespace")
    if scope not in _SCOPES:
        yield Cause.unsupported(f"{path}.scope", scope, _SCOPES)
    elif scope == "Cluster" and namespace is not None:
        yield Cause.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif namespace is not None:
        yield from Cause.all_wrong(f"{path}.namespace", namespace, formats.dns_label(namespace))
    elif scope == "Namespace":
        yield Cause.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")


def prefixed_path_causes(text: str, path: str) -> Iterator[Cause]:
    """Yield a cause for a text that is not a domain, a slash and a path."""
    host, _, rest = text.partition("/")
    if not text:
        yield Cause.required(path)
    elif not host or not rest:
        yield Cause.wrong(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from Cause.all_wrong(path, host, formats.subdomain(host))
        yield from Cause.all_wrong(path, rest, formats.url_path(rest))


def _class_cells(ingress_class: Object, now: datetime) -> list[Any]:
    spec = section(ingress_class, "spec")
    is_default = section(section(ingress_class, "metadata"), "annotations").get(DEFAULT_ANNOTATION) == "true"
    parameters = spec.get("parameters")
    shown = NONE
    if parameters:
        kind = ".".join(one for one in (parameters["kind"], parameters.get("apiGroup")) if one is not None)
        shown = f"{kind}/{parameters['name']}"
    return [
        name_of(ingress_class) + (" (default)" if is_default else ""),
        spec.get("controller", ""),
        shown,
        age_of(ingress_class, now),
    ]


INGRESS_CLASSES = Strategy(generation=True, defaults=_fill_in_class, validate=_class_causes, cells=_class_cells)
