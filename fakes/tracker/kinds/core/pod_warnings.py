"""What the server warns about in pods and pod templates that it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_annotations import (
    APPARMOR,
    SECCOMP_OF_CONTAINER,
    SECCOMP_OF_POD,
    apparmor_profile,
)
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import PREFERRED, REQUIRED
from ctrlkit.fakes.tracker.kinds.core.pod_security import visited
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

OLD_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
"""Labels of nodes that are not used any more, and what is said about them."""

_OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'v1.11+; use the "sysctls" field instead',
}
_OLD_SOURCES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SHOWN_SOURCES = {"storageos": "storageOS"}
_NO_SELECTOR = "a null labelSelector results in matching no pod"


def pod_warnings(pod: Object, old: Object | None) -> Iterator[str]:
    """Yield what the server warns about in a new pod."""
    if old is not None:
        return
    complaints = formats.dns_label(pod["metadata"]["name"])
    if complaints:
        yield (
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label "
            f"is recommended: [{' '.join(complaints)}]"
        )
    yield from _warnings(pod, "", is_template=False)


def template_warnings(template: Object, path: str) -> Iterator[str]:
    """Yield what the server warns about in a new or changed pod template; `path` is such as `spec.template`."""
    return _warnings(template, f"{path}.", is_template=True)


def _warnings(holder: Object, prefix: str, *, is_template: bool) -> Iterator[str]:
    """Yield all warnings; `prefix` is what stands before `spec` and `metadata`."""
    spec, path = holder["spec"], f"{prefix}spec"
    annotations = (holder.get("metadata") or {}).get("annotations") or {}
    if spec.keys() & _PLACED:
        yield from _node_warnings(spec, path)
        yield from _spread_warnings(spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints")
    for key in filter(annotations.__contains__, _OLD_ANNOTATIONS):
        yield f"{prefix}metadata.annotations[{key}]: non-functional in {_OLD_ANNOTATIONS[key]}"
    if "volumes" in spec:
        yield from _volume_warnings(spec["volumes"], f"{path}.volumes")
    if spec.keys() & {"hostAliases", "imagePullSecrets", "overhead"}:
        yield from _name_warnings(spec, path)
        yield from _fraction_warnings(spec.get("overhead") or {}, f"{path}.overhead")
    if annotations:
        yield from _profile_warnings(spec, annotations, f"{prefix}metadata.annotations", is_template=is_template)
    yield from _container_warnings(spec, path)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {text}"
    if "affinity" in spec:
        yield from _affinity_warnings(spec["affinity"], f"{path}.affinity")
    if spec.keys() & {"dnsConfig", "hostAliases"}:
        yield from _address_warnings(spec, path)


_PLACED = {"nodeSelector", "affinity", "topologySpreadConstraints"}

# ---- where pods run --------------------------------------------------------------------------------------------------


def _node_warnings(spec: Object, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in OLD_LABELS:
            yield f"{path}.nodeSelector[{key}]: {OLD_LABELS[key]}"
    nodes = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    here = f"{path}.affinity.nodeAffinity"
    for index, term in enumerate((nodes.get(REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from _term_warnings(term, f"{here}.{REQUIRED}.nodeSelectorTerms[{index}]", checks_values=False)
    for index, one in enumerate(nodes.get(PREFERRED) or ()):
        yield from _term_warnings(one["preference"], f"{here}.{PREFERRED}[{index}].preference", checks_values=True)


def _term_warnings(term: Object, path: str, *, checks_values: bool) -> Iterator[str]:
    for index, one in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        if one["key"] in OLD_LABELS:
            yield f"{here}.key: {one['key']} is {OLD_LABELS[one['key']]}"
        for place, value in enumerate(one.get("values") or () if checks_values else ()):
            for text in formats.label_value(value):
                yield f"{here}.values[{place}]: {value} is invalid, {text}"


def _spread_warnings(constraints: Iterable[Object], path: str) -> Iterator[str]:
    for index, one in enumerate(constraints):
        key = one["topologyKey"]
        if key in OLD_LABELS:
            yield f"{path}[{index}].topologyKey: {key} is {OLD_LABELS[key]}"
        if "labelSelector" not in one:
            yield f"{path}[{index}].labelSelector: {_NO_SELECTOR}"


def _affinity_warnings(affinity: Object, path: str) -> Iterator[str]:
    for name in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(name) or {}
        for index, term in enumerate(terms.get(REQUIRED) or ()):
            if "labelSelector" not in term:
                yield f"{path}.{name}.{REQUIRED}[{index}].labelSelector: {_NO_SELECTOR}"
        for index, one in enumerate(terms.get(PREFERRED) or ()):
            if "labelSelector" not in one["podAffinityTerm"]:
                yield f"{path}.{name}.{PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_SELECTOR}"


# ---- names, addresses and amounts ------------------------------------------------------------------------------------


def _name_warnings(spec: Object, path: str) -> Iterator[str]:
    for field, name in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for index, item in enumerate(spec.get(field) or ()):
            value = item.get(name) or ""
            if value in seen:
                yield f'{path}.{field}[{index}].{name}: duplicate {name} "{value}"'
            seen.add(value)
    for index, item in enumerate(spec.get("imagePullSecrets") or ()):
        if not item.get("name"):
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'


def _address_warnings(spec: Object, path: str) -> Iterator[str]:
    servers = (spec.get("dnsConfig") or {}).get("nameservers") or ()
    places = [(f"{path}.dnsConfig.nameservers[{index}]", server) for index, server in enumerate(servers)]
    aliases = spec.get("hostAliases") or ()
    places += [(f"{path}.hostAliases[{index}].ip", alias["ip"]) for index, alias in enumerate(aliases)]
    for here, address in places:
        text = formats.ip_address_warning(address)
        if text:
            yield f"{here}: {text}"


def status_warnings(pod: Object) -> Iterator[str]:
    """Yield what the server warns about in the status of a pod that was written."""
    for field in ("podIPs", "hostIPs"):
        for index, point in enumerate((pod.get("status") or {}).get(field) or ()):
            text = formats.ip_address_warning(point["ip"])
            if text:
                yield f"status.{field}[{index}].ip: {text}"


def _fraction_warnings(amounts: Object, path: str) -> Iterator[str]:
    for name in ("memory", "ephemeral-storage"):
        if name in amounts:
            yield from _whole_warnings(amounts[name], f"{path}[{name}]")


def _whole_warnings(amount: str, path: str) -> Iterator[str]:
    value = quantity_value(amount)
    if value != value.to_integral_value():
        yield f'{path}: fractional byte value "{amount}" is invalid, must be an integer'


# ---- volumes ---------------------------------------------------------------------------------------------------------


def _volume_warnings(volumes: Iterable[Object], path: str) -> Iterator[str]:
    for index, volume in enumerate(volumes):
        here = f"{path}[{index}]"
        for name, text in _OLD_SOURCES.items():
            if name in volume:
                yield f"{here}.{_SHOWN_SOURCES.get(name, name)}: {text}"
        template: Any = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        for part in ("requests", "limits") if template else ():
            amount = (template["spec"]["resources"].get(part) or {}).get("storage")
            if amount is not None:
                yield from _whole_warnings(
                    amount, f"{here}.ephemeral.volumeClaimTemplate.spec.resources.{part}[storage]"
                )
    for volume in volumes:
        yield from _overlap_warnings(volume)


Placed = tuple[str, str]
"""A path in a volume, and what puts a file there ("" for the volume itself)."""


def _overlap_warnings(volume: Object) -> Iterator[str]:
    name = volume["name"]
    for kind, field, title in (("configMap", "name", "ConfigMap"), ("secret", "secretName", "Secret")):
        source = volume.get(kind) or {}
        what = f'{title} "{source.get(field) or ""}"'
        yield from _collisions(name, what, [(item["path"], "") for item in source.get("items") or ()])
    files = (volume.get("downwardAPI") or {}).get("items") or ()
    yield from _collisions(name, "DownwardAPI", [(item["path"], "") for item in files])
    placed: list[Placed] = []
    for source in (volume.get("projected") or {}).get("sources") or ():
        if not source:
            yield f'volume "{name}" (Projected) has no sources provided'
        placed += _projected_paths(source)
    yield from _collisions(name, "Projected", placed)


def _projected_paths(source: Object) -> list[Placed]:
    for kind, title in (("configMap", "ConfigMap"), ("secret", "Secret"), ("downwardAPI", "DownwardAPI")):
        one = source.get(kind) or {}
        if one.get("items"):
            what = title if kind == "downwardAPI" else f'{title} "{one.get("name") or ""}"'
            return [(item["path"], what) for item in one["items"]]
    token = source.get("serviceAccountToken")
    return [(token["path"], "ServiceAccountToken")] if token else []


def _collisions(name: str, what: str, paths: list[Placed]) -> Iterator[str]:
    seen: list[Placed] = []
    for path, source in paths:
        one = (path.rstrip("/"), source)
        for other in seen if one[0] else ():
            if other[0] and (f"{other[0]}/".startswith(f"{one[0]}/") or f"{one[0]}/".startswith(f"{other[0]}/")):
                yield f'volume "{name}" ({what}): overlapping paths: {_shown(one)} with {_shown(other)}'
        seen.append(one)


def _shown(placed: Placed) -> str:
    path, source = placed
    return f'"{path}" ({source})' if source else f'"{path}"'


# ---- containers ------------------------------------------------------------------------------------------------------


def _profile_warnings(spec: Object, annotations: Object, path: str, *, is_template: bool) -> Iterator[str]:
    old = 'non-functional in v1.27+; use the "seccompProfile" field instead'
    context = spec.get("securityContext") or {}
    if "seccompProfile" not in context and SECCOMP_OF_POD in annotations:
        yield f"{path}[{SECCOMP_OF_POD}]: {old}"
    for container, _ in visited(spec, ""):
        own = container.get("securityContext") or {}
        key = SECCOMP_OF_CONTAINER + container["name"]
        if "seccompProfile" not in own and key in annotations:
            yield f"{path}[{key}]: {old}"
        key = APPARMOR + container["name"]
        if is_template and "appArmorProfile" not in own and key in annotations:
            profile = context.get("appArmorProfile")
            if profile is None or profile != apparmor_profile(annotations[key]):
                yield f'{path}[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _container_warnings(spec: Object, path: str) -> Iterator[str]:
    ports: list[tuple[str, Any]] = []
    for container, here in visited(spec, path):
        for part in ("limits", "requests") if container["resources"] else ():
            amounts = container["resources"].get(part) or {}
            if "memory" in amounts:
                yield from _whole_warnings(amounts["memory"], f"{here}.resources.{part}[memory]")
        for part in ("limits", "requests") if container["resources"] else ():
            amounts = container["resources"].get(part) or {}
            if "ephemeral-storage" in amounts:
                place = f"{here}.resources.{part}[ephemeral-storage]"
                yield from _whole_warnings(amounts["ephemeral-storage"], place)
        if "env" in container:
            yield from _variable_warnings(container["env"], f"{here}.env")
        ports += [(f"{here}.ports[{index}]", port) for index, port in enumerate(container.get("ports") or ())]
    if ports:
        yield from _port_warnings(ports)


def _variable_warnings(variables: Iterable[Object], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        name = variable["name"]
        reference, value = f"$({name})", variable.get("value") or ""
        if name in seen and ("valueFrom" in variable or value == reference or reference not in value):
            yield f'{path}[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _port_warnings(ports: list[tuple[str, Any]]) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, Any]]] = {}
    for here, port in ports:
        if port.get("hostIP") and not port.get("hostPort"):
            shown = (
                f"{{Name:{port.get('name', '')} HostPort:0 ContainerPort:{port['containerPort']} "
                f"Protocol:{port['protocol']} HostIP:{port['hostIP']}}}"
            )
            yield f"{here}: hostIP set without hostPort: {shown}"
        others = known.setdefault((port["containerPort"], port["protocol"]), [])
        for place, other in others:
            what = _clash(port, other)
            if what:
                yield f"{here}: {what} port definition with {place}"
        others.append((here, port))
    names: dict[str, str] = {}
    for here, port in ports:
        name = port.get("name")
        if name in names:
            first = names[name]
            text = f'duplicate port name "{name}" with {first}, services and probes that select ports by name will use'
            yield f"{here}: {text} {first}"
        elif name:
            names[name] = here


def _clash(port: Object, other: Object) -> str:
    number, number2 = port.get("hostPort", 0), other.get("hostPort", 0)
    address, address2 = port.get("hostIP", ""), other.get("hostIP", "")
    if (address, number) == (address2, number2):
        return "duplicate"
    if not number or not number2:
        return "overlapping"
    return "dangerously ambiguous" if number == number2 and bool(address) != bool(address2) else ""
