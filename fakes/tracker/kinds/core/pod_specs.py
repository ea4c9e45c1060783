"""Pod specs, in pods and in templates of them: their defaults and their rules."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.containers import (
    Surroundings,
    containers_causes,
    ephemeral_containers_causes,
    fill_in_container,
    init_containers_causes,
    pull_policy,
)
from ctrlkit.fakes.tracker.kinds.core.pod_annotations import MIRROR, annotation_causes, matching_causes
from ctrlkit.fakes.tracker.kinds.core.pod_resources import pod_resource_causes, resource_causes, round_amounts
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import (
    affinity_causes,
    gate_causes,
    spread_causes,
    toleration_causes,
)
from ctrlkit.fakes.tracker.kinds.core.pod_security import (
    CONTAINERS,
    host_process_causes,
    host_users_causes,
    os_causes,
    pod_security_causes,
    visited,
)
from ctrlkit.fakes.tracker.kinds.core.pod_volumes import fill_in_volume, volume_causes
from ctrlkit.fakes.tracker.kinds.metadata import annotation_causes as any_annotation_causes
from ctrlkit.fakes.tracker.kinds.metadata import label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.internal import internal_text

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_NAMESERVERS_MAX, _SEARCHES_MAX, _SEARCH_CHARS_MAX = 3, 32, 2048
_HOSTNAME_MAX = 64
_DEADLINE_MAX_S = 2**31 - 1

# ---- defaults --------------------------------------------------------------------------------------------------------


def fill_in_template(spec: Plain) -> None:
    """Fill in the defaults of a pod spec, in a template or a pod."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in (*containers_of(spec), *(spec.get("ephemeralContainers") or ())):
        fill_in_container(container)
        if container["resources"]:
            round_amounts(container["resources"], "limits", "requests")
    for volume in spec.get("volumes") or ():
        fill_in_volume(volume, pull_policy)
    round_amounts(spec, "overhead")
    if "resources" in spec:
        round_amounts(spec["resources"], "limits", "requests")


def containers_of(spec: Plain) -> Iterable[Plain]:
    """Return all containers of a pod spec, init containers first."""
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


# ---- rules -----------------------------------------------------------------------------------------------------------


def template_causes(template: Object, path: str) -> Iterator[Cause]:
    """
    Yield a cause for each rule that a pod template breaks; `path` is where it is, such as `spec.template`.

    A server names labels and annotations without `metadata` here.
    """
    meta, spec = template["metadata"], template["spec"]
    annotations = meta.get("annotations") or {}
    yield from label_causes(meta.get("labels"), f"{path}.labels")
    if annotations:
        yield from any_annotation_causes(annotations, f"{path}.annotations")
        yield from annotation_causes(annotations, spec, f"{path}.annotations")
    yield from pod_spec_causes(spec, f"{path}.spec")
    yield from matching_causes(annotations, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        yield Cause.forbidden(f"{path}.spec.ephemeralContainers", text)


def pod_spec_causes(spec: Object, path: str, pod: Object | None = None) -> Iterator[Cause]:
    """
    Yield a cause for each rule that a pod spec breaks.

    Shape   `path` is where it is; `pod` is the metadata of the pod, None if the spec is that of a template.
    """
    volumes: dict[str, Object] = {}
    if "volumes" in spec:
        yield from volume_causes(spec["volumes"], (pod or {}).get("name") or "", f"{path}.volumes", volumes)
    claims = {claim["name"] for claim in spec.get("resourceClaims") or () if claim["name"]}
    if "resourceClaims" in spec:
        yield from _claims_causes(spec["resourceClaims"], f"{path}.resourceClaims", pod)
    around = Surroundings(
        volumes=volumes,
        claims=claims,
        restart_policy=spec["restartPolicy"],
        grace_s=spec.get("terminationGracePeriodSeconds"),
        host_users=spec.get("hostUsers") is not False,
    )
    containers, first = spec.get("containers") or (), spec.get("initContainers") or ()
    yield from containers_causes(containers, f"{path}.containers", around)
    if first:
        yield from init_containers_causes(first, containers, f"{path}.initContainers", around)
    if spec.get("ephemeralContainers"):
        here = f"{path}.ephemeralContainers"
        yield from ephemeral_containers_causes(spec["ephemeralContainers"], (*containers, *first), here, around)
    if "resources" in spec:
        yield from pod_resource_causes(spec, path, claims)
    if spec.get("hostNetwork"):
        yield from _host_network_causes(containers, f"{path}.containers", is_pod=pod is not None)
    yield from _policy_causes(spec, path)
    for name, rule in _rules(tuple(spec)):
        yield from rule(spec, f"{path}.{name}")
    if any("env" in container for kind in CONTAINERS for container in spec.get(kind) or ()):
        yield from _file_key_causes(spec, path)


@functools.lru_cache(maxsize=1024)
def _rules(names: tuple[str, ...]) -> tuple[tuple[str, Callable[[Object, str], Iterable[Cause]]], ...]:
    """Return the rules of the fields that a spec has, in their order."""
    return tuple((name, rule) for name, rule in _FIELDS.items() if name in names)


def _policy_causes(spec: Object, path: str) -> Iterator[Cause]:
    if spec["restartPolicy"] not in _RESTART_POLICIES:
        yield Cause.unsupported(f"{path}.restartPolicy", spec["restartPolicy"], _RESTART_POLICIES)
    if spec["dnsPolicy"] not in _DNS_POLICIES:
        yield Cause.unsupported(f"{path}.dnsPolicy", spec["dnsPolicy"], _DNS_POLICIES)


def _claims_causes(claims: Iterable[Object], path: str, pod: Object | None) -> Iterator[Cause]:
    names: set[str] = set()
    for index, claim in enumerate(claims):
        if pod and MIRROR in (pod.get("annotations") or {}):
            yield Cause.forbidden("[]", "static pods do not support resource claims")
            continue
        here, name = f"{path}[{index}]", claim["name"]
        if not name:
            yield Cause.required(f"{here}.name")
        elif name in names:
            yield Cause.duplicate(f"{here}.name", name)
        else:
            yield from Cause.all_wrong(f"{here}.name", name, formats.dns_label(name))
            names.add(name)
        given = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if field in claim]
        if len(given) > 1:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield Cause.invalid(here, internal_text("PodResourceClaim", claim), text)
        if not given:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            yield Cause.invalid(here, internal_text("PodResourceClaim", claim), text)
        for field in given:
            yield from Cause.all_wrong(f"{here}.{field}", claim[field], formats.subdomain(claim[field]))


def _host_network_causes(containers: Iterable[Object], path: str, *, is_pod: bool) -> Iterator[Cause]:
    for index, container in enumerate(containers):
        for place, port in enumerate(container.get("ports") or ()):
            on_host = port.get("hostPort", 0)
            if (is_pod or on_host) and on_host != port["containerPort"]:
                text = "must match `containerPort` when `hostNetwork` is true"
                yield Cause.wrong(f"{path}[{index}].ports[{place}].hostPort", on_host, text)


def _file_key_causes(spec: Object, path: str) -> Iterator[Cause]:
    for container, here in visited(spec, path):
        for index, variable in enumerate(container.get("env") or ()):
            reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if reference is None:
                continue
            name = reference.get("volumeName") or ""
            volume = next((one for one in reversed(spec.get("volumes") or ()) if one["name"] == name), None)
            field = f"{here}.env[{index}].valueFrom.fileKeyRef.volumeName"
            if volume is None:
                yield Cause.missing(field, name)
            elif "emptyDir" not in volume:
                yield Cause.wrong(field, name, "referenced volume must be of type emptyDir")


# ---- the rules of single fields --------------------------------------------------------------------------------------


def _dns_config(spec: Object, path: str) -> Iterator[Cause]:
    """Check the configuration of DNS, which may be missing."""
    config = spec.get("dnsConfig")
    path = f"{path.rpartition('.')[0]}.dnsConfig"
    if spec["dnsPolicy"] == "None":
        if config is None:
            yield Cause.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        elif not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield Cause.required(f"{path}.nameservers", text)
            return
    if config:
        yield from _resolver_causes(config, path)


def _resolver_causes(config: Object, path: str) -> Iterator[Cause]:
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _NAMESERVERS_MAX:
        yield Cause.wrong(f"{path}.nameservers", servers, f"must not have more than {_NAMESERVERS_MAX} nameservers")
    for index, server in enumerate(servers):
        yield from Cause.all_wrong(f"{path}.nameservers[{index}]", server, formats.legacy_ip_address(server))
    if len(searches) > _SEARCHES_MAX:
        yield Cause.wrong(f"{path}.searches", searches, f"must not have more than {_SEARCHES_MAX} search paths")
    if len(" ".join(searches)) > _SEARCH_CHARS_MAX:
        text = f"must not have more than {_SEARCH_CHARS_MAX} characters (including spaces) in the search list"
        yield Cause.wrong(f"{path}.searches", searches, text)
    for index, search in enumerate(searches):
        bare = search.removesuffix(".")
        if search != ".":
            yield from Cause.all_wrong(f"{path}.searches[{index}]", bare, formats.search_path(bare))
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield Cause.required(f"{path}.options[{index}]", "must not be empty")


def _readiness_gates(spec: Object, path: str) -> Iterator[Cause]:
    for index, gate in enumerate(spec["readinessGates"]):
        kind = gate["conditionType"]
        yield from Cause.all_wrong(f"{path}[{index}].conditionType", kind, formats.label_key(kind))


def _hostname_override(spec: Object, path: str) -> Iterator[Cause]:
    for name in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(name):
            yield Cause.forbidden(path, f"may not be specified when {name} is true")
    name = spec["hostnameOverride"]
    if len(name.encode()) > _HOSTNAME_MAX:
        yield Cause.too_long(path, _HOSTNAME_MAX)
    yield from Cause.all_wrong(path, name, formats.subdomain(name))


def _deadline(spec: Object, path: str) -> Iterator[Cause]:
    if not 1 <= spec["activeDeadlineSeconds"] <= _DEADLINE_MAX_S:
        text = f"must be between 1 and {_DEADLINE_MAX_S}, inclusive"
        yield Cause.wrong(path, spec["activeDeadlineSeconds"], text)


def _host_aliases(spec: Object, path: str) -> Iterator[Cause]:
    for index, alias in enumerate(spec["hostAliases"]):
        here, address = f"{path}[{index}]", alias["ip"]
        yield from Cause.all_wrong(f"{here}.ip", address, formats.legacy_ip_address(address))
        for place, name in enumerate(alias.get("hostnames") or ()):
            yield from Cause.all_wrong(f"{here}.hostnames[{place}]", name, formats.subdomain(name))


def _preemption_policy(spec: Object, path: str) -> Iterator[Cause]:
    values = ("PreemptLowerPriority", "Never")
    if not spec["preemptionPolicy"]:
        yield Cause.required(path)
    elif spec["preemptionPolicy"] not in values:
        yield Cause.unsupported(path, spec["preemptionPolicy"], values)


def _host_users(spec: Object, path: str) -> Iterator[Cause]:
    if not spec["hostUsers"]:
        yield from host_users_causes(spec, path.rpartition(".")[0])


def _windows(spec: Object, path: str) -> Iterable[Cause]:
    """Check the processes of a Windows host, which any security context may ask for."""
    if spec["securityContext"] or any("securityContext" in one for kind in CONTAINERS for one in spec.get(kind) or ()):
        return host_process_causes(spec, path.rpartition(".")[0])
    return ()


def _os(spec: Object, path: str) -> Iterator[Cause]:
    return os_causes(spec, path.rpartition(".")[0])


def _named(name: str, complaints: Callable[[str], formats.Complaints]) -> Callable[[Object, str], Iterable[Cause]]:
    def causes(spec: Object, path: str) -> Iterable[Cause]:
        return Cause.all_wrong(path, spec[name], complaints(spec[name])) if spec[name] else ()

    return causes


def _of_value(name: str, rule: Callable[[Any, str], Iterable[Cause]]) -> Callable[[Object, str], Iterable[Cause]]:
    def causes(spec: Object, path: str) -> Iterable[Cause]:
        return rule(spec[name], path)

    return causes


_FIELDS: Mapping[str, Callable[[Object, str], Iterable[Cause]]] = {
    "nodeSelector": _of_value("nodeSelector", label_causes),
    "securityContext": pod_security_causes,
    "affinity": _of_value("affinity", affinity_causes),
    "dnsPolicy": _dns_config,
    "readinessGates": _readiness_gates,
    "schedulingGates": _of_value("schedulingGates", gate_causes),
    "topologySpreadConstraints": _of_value("topologySpreadConstraints", spread_causes),
    "containers": _windows,
    "hostUsers": _host_users,
    "hostnameOverride": _hostname_override,
    "serviceAccountName": _named("serviceAccountName", formats.subdomain),
    "nodeName": _named("nodeName", formats.subdomain),
    "activeDeadlineSeconds": _deadline,
    "hostname": _named("hostname", formats.dns_label),
    "subdomain": _named("subdomain", formats.dns_label),
    "tolerations": _of_value("tolerations", toleration_causes),
    "hostAliases": _host_aliases,
    "priorityClassName": _named("priorityClassName", formats.subdomain),
    "runtimeClassName": lambda spec, path: Cause.all_wrong(
        path, spec["runtimeClassName"], formats.subdomain(spec["runtimeClassName"])
    ),
    "preemptionPolicy": _preemption_policy,
    "overhead": lambda spec, path: resource_causes({"limits": spec["overhead"]}, path),
    "os": _os,
}
"""
The rules of the fields that a spec may have, in the order in which a server looks at them.

That of the configuration of DNS, and that of Windows hosts, stand at fields that every spec has.
"""
