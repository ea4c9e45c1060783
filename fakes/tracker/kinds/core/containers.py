"""Containers of all kinds: their defaults and their rules."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.kinds.core.downward import fill_in_reference, reference_causes, resource_reference_causes
from ctrlkit.fakes.tracker.kinds.core.pod_resources import NOT_NEGATIVE, resource_causes
from ctrlkit.fakes.tracker.kinds.core.pod_security import container_security_causes
from ctrlkit.fakes.tracker.kinds.core.pod_volumes import (
    PULL_POLICIES,
    descending_path_causes,
    no_backsteps_causes,
)
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_IN_VARIABLES = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY = ("Disabled", "Enabled", "IfPossible")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RESTART_ACTIONS = ("Restart", "RestartAllContainers")
_RULES_MAX, _EXIT_CODES_MAX = 20, 255
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_NOT_FOR_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    *PROBES,
    "lifecycle",
)
_ID = re.compile("[a-f0-9]{64}")
_IMAGE_NAME = re.compile(
    r"(?:(?P<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


class Surroundings(NamedTuple):
    """What the rules of a container depend on; `volumes` are those of the pod without fault, by name."""

    volumes: Mapping[str, Object]
    claims: Collection[str] = ()
    restart_policy: str = "Always"
    grace_s: int | None = 30
    host_users: bool = True


# ---- defaults --------------------------------------------------------------------------------------------------------


def fill_in_container(container: Plain) -> None:
    """Fill in the defaults of a container."""
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", pull_policy(container.get("image") or ""))
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for name in PROBES:
        if name in container:
            _fill_in_probe(container[name])
    if "lifecycle" in container:
        _fill_in_lifecycle(container)
    for variable in container.get("env") or ():
        if "valueFrom" in variable:
            source = variable["valueFrom"]
            fill_in_reference(source)
            if "fileKeyRef" in source:
                source["fileKeyRef"].setdefault("optional", False)


def pull_policy(image: str) -> str:
    """
    Return the default pull policy: Always for the tag latest, which an image without tag and digest has.

    >>> pull_policy("nginx"), pull_policy("nginx:1.27"), pull_policy("no Image")
    ('Always', 'IfNotPresent', 'IfNotPresent')
    """
    found = _IMAGE_NAME.fullmatch(image)
    if found is None or _ID.fullmatch(image):  # that would be an ID
        return "IfNotPresent"
    return "Always" if (found["tag"] or ("" if found["digest"] else "latest")) == "latest" else "IfNotPresent"


def _fill_in_probe(probe: Plain) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _fill_in_http_get(probe)
    if "grpc" in probe and probe["grpc"].get("service") is None:
        probe["grpc"]["service"] = ""


def _fill_in_lifecycle(container: Plain) -> None:
    lifecycle = container["lifecycle"]
    for handler in ("postStart", "preStop"):
        _fill_in_http_get(lifecycle.get(handler) or {})


def _fill_in_http_get(handler: Plain) -> None:
    if "httpGet" in handler:
        handler["httpGet"].setdefault("path", "/")
        handler["httpGet"].setdefault("scheme", "HTTP")


# ---- rules -----------------------------------------------------------------------------------------------------------


def containers_causes(containers: Iterable[Object], path: str, around: Surroundings) -> Iterator[Cause]:
    """Yield a cause for each rule that a pod's containers break."""
    if not containers:
        yield Cause.required(path)
        return
    names: set[str] = set()
    host_ports: set[str] = set()
    conflicts: list[Cause] = []
    for index, container in enumerate(containers):
        here = f"{path}[{index}]"
        yield from container_causes(container, here, around)
        if container["name"] in names:
            yield Cause.duplicate(f"{here}.name", container["name"])
        names.add(container["name"])
        yield from _running_causes(container, here, around)
        if "restartPolicy" in container or "restartPolicyRules" in container:
            yield from _restart_causes(container, here)
        conflicts += _host_port_causes(container, here, host_ports)
    yield from conflicts


def init_containers_causes(
    containers: Iterable[Object], others: Iterable[Object], path: str, around: Surroundings
) -> Iterator[Cause]:
    """Yield a cause for each rule that init containers break; `others` are the other containers of the pod."""
    names = {container["name"] for container in others}
    for index, container in enumerate(containers):
        here, name = f"{path}[{index}]", container["name"]
        yield from container_causes(container, here, around)
        if "restartPolicy" in container:
            yield from _restart_causes(container, here)
        elif container.get("restartPolicyRules"):
            yield Cause.required(f"{here}.restartPolicy", _NEEDS_POLICY)
        if name in names:
            yield Cause.duplicate(f"{here}.name", name)
        if name:
            names.add(name)
        yield from _host_port_causes(container, f"{path}[0]", set())
        if container.get("restartPolicy") == "Always":
            yield from _running_causes(container, here, around)
        else:
            yield from _ending_causes(container, here)


def _ending_causes(container: Object, path: str) -> Iterator[Cause]:
    """Check what a container that ends before others begin must not have."""
    for field in ("lifecycle", *PROBES):
        if field in container:
            text = "may not be set for init containers without restartPolicy=Always"
            yield Cause.forbidden(f"{path}.{field}", text)
    for place, policy in enumerate(container.get("resizePolicy") or ()):
        if policy["restartPolicy"] == "RestartContainer":
            text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            yield Cause.wrong(f"{path}.resizePolicy[{place}].restartPolicy", policy["restartPolicy"], text)


_NEEDS_POLICY = "must specify restartPolicy when restart rules are used"


def ephemeral_containers_causes(
    containers: Iterable[Object], others: Iterable[Object], path: str, around: Surroundings
) -> Iterator[Cause]:
    """Yield a cause for each rule that ephemeral containers break; `others` are the other containers of the pod."""
    targets = {container["name"] for container in others}
    names = set(targets)
    for index, container in enumerate(containers):
        here, name = f"{path}[{index}]", container["name"]
        yield from container_causes(container, here, around)
        yield from image_space_causes(container, here)
        if name in names:
            yield Cause.duplicate(f"{here}.name", name)
        names.add(name)
        target = container.get("targetContainerName")
        if target and target not in targets:
            yield Cause.missing(f"{here}.targetContainerName", target)
        for field in _NOT_FOR_EPHEMERAL:
            if container.get(field):
                yield Cause.forbidden(f"{here}.{field}", "cannot be set for an Ephemeral Container")
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    text = "cannot be set for an Ephemeral Container"
                    yield Cause.forbidden(f"{here}.volumeMounts[{place}].{field}", text)


def image_space_causes(container: Object, path: str) -> Iterator[Cause]:
    """Yield a cause if the image of a container of a pod has white space around it."""
    image = container.get("image") or ""
    if image != image.strip():
        yield Cause.wrong(f"{path}.image", image, "must not have leading or trailing whitespace")


def container_causes(container: Object, path: str, around: Surroundings) -> Iterator[Cause]:
    """Yield a cause for each rule that a container of any kind breaks."""
    name = container["name"]
    if not name:
        yield Cause.required(f"{path}.name")
    else:
        yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
    if not container.get("image"):
        yield Cause.required(f"{path}.image")
    if container["terminationMessagePolicy"] not in _MESSAGE_POLICIES:
        value = container["terminationMessagePolicy"]
        yield Cause.unsupported(f"{path}.terminationMessagePolicy", value, _MESSAGE_POLICIES)
    for field, rule in _rules(tuple(container)):
        yield from rule(container, f"{path}.{field}", around)


Rule = Callable[[Object, str, Surroundings], Iterable[Cause]]


@functools.lru_cache(maxsize=1024)
def _rules(names: tuple[str, ...]) -> tuple[tuple[str, Rule], ...]:
    """Return the rules of the fields that a container has, in their order."""
    return tuple((name, rule) for name, rule in _FIELDS.items() if name in names)


def _running_causes(container: Object, path: str, around: Surroundings) -> Iterator[Cause]:
    """Check what only a container that keeps running may have."""
    if "lifecycle" in container:
        for name in ("postStart", "preStop"):
            if name in container["lifecycle"]:
                yield from _handler_causes(container["lifecycle"][name], f"{path}.lifecycle.{name}", around.grace_s)
    for name in PROBES:
        if name in container:
            yield from _probe_causes(container[name], f"{path}.{name}", name)


# ---- ports -----------------------------------------------------------------------------------------------------------


def _ports(container: Object, path: str, _around: Surroundings) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(container["ports"]):
        here = f"{path}[{index}]"
        name = port.get("name")
        if name:
            complaints = formats.port_name(name)
            yield from Cause.all_wrong(f"{path}[{index}].name", name, complaints)
            if not complaints and name in names:
                yield Cause.duplicate(f"{here}.name", name)
            names.add(name)
        if not port["containerPort"]:
            yield Cause.required(f"{here}.containerPort")
        else:
            yield from port_number_causes(port["containerPort"], f"{here}.containerPort")
        if port.get("hostPort"):
            yield from port_number_causes(port["hostPort"], f"{here}.hostPort")
        if port["protocol"] not in _PROTOCOLS:
            yield Cause.unsupported(f"{here}.protocol", port["protocol"], _PROTOCOLS)


def port_number_causes(number: int, path: str) -> Iterator[Cause]:
    """Yield a cause for a number that is not a port."""
    for text in formats.port_number(number):
        yield Cause.wrong(path, number, text)


def _host_port_causes(container: Object, path: str, taken: set[str]) -> Iterator[Cause]:
    for index, port in enumerate(container.get("ports") or ()):
        if port.get("hostPort"):
            place = f"{port['protocol']}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if place in taken:
                yield Cause.duplicate(f"{path}.ports[{index}].hostPort", place)
            taken.add(place)


# ---- variables -------------------------------------------------------------------------------------------------------


def _env(container: Object, path: str, _around: Surroundings) -> Iterator[Cause]:
    for index, variable in enumerate(container["env"]):
        name = variable["name"]
        if not name:
            yield Cause.required(f"{path}[{index}].name")
        else:
            yield from Cause.all_wrong(f"{path}[{index}].name", name, formats.variable_name(name))
        if "valueFrom" in variable:
            yield from _value_causes(variable, f"{path}[{index}].valueFrom")


def _value_causes(variable: Object, path: str) -> Iterator[Cause]:
    source = variable["valueFrom"]
    if "fieldRef" in source:
        yield from reference_causes(source["fieldRef"], _IN_VARIABLES, f"{path}.fieldRef")
    if "resourceFieldRef" in source:
        here = f"{path}.resourceFieldRef"
        yield from resource_reference_causes(source["resourceFieldRef"], here, needs_container=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        if name in source:
            yield from _key_causes(source[name], f"{path}.{name}")
    if "fileKeyRef" in source:
        yield from _file_key_causes(source["fileKeyRef"], f"{path}.fileKeyRef")
    if not source:
        options = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield Cause.wrong(path, "", f"must specify one of: {options}")
    elif variable.get("value"):
        yield Cause.wrong(path, "", "may not be specified when `value` is not empty")
    elif len(source) > 1:
        yield Cause.wrong(path, "", "may not have more than one field specified at a time")


def _key_causes(reference: Object, path: str) -> Iterator[Cause]:
    name, key = reference.get("name") or "", reference.get("key")
    yield from Cause.all_wrong(f"{path}.name", name, formats.subdomain(name))
    if not key:
        yield Cause.required(f"{path}.key")
    else:
        yield from Cause.all_wrong(f"{path}.key", key, formats.config_key(key))


def _file_key_causes(reference: Object, path: str) -> Iterator[Cause]:
    rules: Mapping[str, Callable[[str], formats.Complaints]] = {
        "key": formats.variable_name,
        "volumeName": formats.dns_label,
        "path": lambda _: (),
    }
    for name, rule in rules.items():
        value = reference.get(name)
        if not value:
            yield Cause.required(f"{path}.{name}")
        else:
            yield from Cause.all_wrong(f"{path}.{name}", value, rule(value))
    yield from no_backsteps_causes(reference.get("path") or "", f"{path}.path")


def _env_from(container: Object, path: str, _around: Surroundings) -> Iterator[Cause]:
    for index, source in enumerate(container["envFrom"]):
        here = f"{path}[{index}]"
        if source.get("prefix"):
            yield from Cause.all_wrong(f"{here}.prefix", source["prefix"], formats.variable_name(source["prefix"]))
        given = [name for name in ("configMapRef", "secretRef") if name in source]
        for reference in given:
            name = source[reference].get("name")
            if not name:
                yield Cause.required(f"{here}.{reference}.name")
            else:
                whole = f"{name[:-1]}a" if name.endswith("-") and len(name) > 1 else name
                yield from Cause.all_wrong(f"{here}.{reference}.name", name, formats.subdomain(whole))
        if not given:
            yield Cause.wrong(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield Cause.wrong(path, "", "may not have more than one field specified at a time")


# ---- mounts ----------------------------------------------------------------------------------------------------------


def _volume_mounts(container: Object, path: str, around: Surroundings) -> Iterator[Cause]:
    devices = {device["name"]: device["devicePath"] for device in container.get("volumeDevices") or ()}
    places: set[str] = set()
    for index, mount in enumerate(container["volumeMounts"]):
        here, name, place = f"{path}[{index}]", mount["name"], mount["mountPath"]
        if not name:
            yield Cause.required(f"{here}.name")
        if name not in around.volumes:
            yield Cause.missing(f"{here}.name", name)
        if not place:
            yield Cause.required(f"{here}.mountPath")
        if place in places:
            yield Cause.wrong(f"{here}.mountPath", place, "must be unique")
        places.add(place)
        if name in devices:
            yield Cause.wrong(f"{here}.name", name, "must not already exist in volumeDevices")
        if place in devices.values():
            yield Cause.wrong(f"{here}.mountPath", place, "must not already exist as a path in volumeDevices")
        yield from _sub_path_causes(mount, path, here)
        if "mountPropagation" in mount:
            yield from _propagation_causes(mount["mountPropagation"], container, f"{path}.mountPropagation")
        if "recursiveReadOnly" in mount:
            yield from _read_only_causes(mount, f"{path}.recursiveReadOnly")


def _sub_path_causes(mount: Object, path: str, here: str) -> Iterator[Cause]:
    sub_path, expression = mount.get("subPath"), mount.get("subPathExpr")
    if sub_path:
        yield from descending_path_causes(sub_path, f"{path}.subPath")
    if expression:
        if sub_path:
            text = "subPathExpr and subPath are mutually exclusive"
            yield Cause.wrong(f"{here}.subPathExpr", expression, text)
        yield from descending_path_causes(expression, f"{path}.subPathExpr")


def _propagation_causes(value: str, container: Object, path: str) -> Iterator[Cause]:
    if value not in _PROPAGATIONS:
        yield Cause.unsupported(path, value, _PROPAGATIONS)
    if value == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        yield Cause.forbidden(path, "Bidirectional mount propagation is available only to privileged containers")


def _read_only_causes(mount: Object, path: str) -> Iterator[Cause]:
    value = mount["recursiveReadOnly"]
    if value not in _READ_ONLY:
        yield Cause.unsupported(path, value, _READ_ONLY)
    elif value != "Disabled":
        if not mount.get("readOnly"):
            yield Cause.forbidden(path, "may only be specified when readOnly is true")
        if mount.get("mountPropagation", "None") != "None":
            yield Cause.forbidden(path, "may only be specified when mountPropagation is None or not specified")


def _volume_devices(container: Object, path: str, around: Surroundings) -> Iterator[Cause]:
    mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts") or ()}
    names: set[str] = set()
    places: set[str] = set()
    for index, device in enumerate(container["volumeDevices"]):
        here, name, place = f"{path}[{index}]", device["name"], device["devicePath"]
        volume = around.volumes.get(name)
        yield from _device_name_causes(name, names, volume, f"{here}.name")
        if not place:
            yield Cause.required(f"{here}.devicePath")
        if place in places:
            yield Cause.wrong(f"{here}.devicePath", place, "must be unique")
        if ".." in place.split("/"):
            yield Cause.wrong(f"{here}.devicePath", place, "can not contain backsteps ('..')")
        else:
            places.add(place)
        if name in mounts:
            yield Cause.wrong(f"{here}.name", name, "must not already exist in volumeMounts")
        if place in mounts.values():
            yield Cause.wrong(f"{here}.devicePath", place, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)


def _device_name_causes(name: str, names: set[str], volume: Object | None, path: str) -> Iterator[Cause]:
    if not name:
        yield Cause.required(path)
    if name in names:
        yield Cause.wrong(path, name, "must be unique")
    if volume is None:
        yield Cause.missing(path, name)
    elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
        text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield Cause.wrong(path, name, text)


# ---- probes and handlers ---------------------------------------------------------------------------------------------


def _probe_causes(probe: Object, path: str, name: str) -> Iterator[Cause]:
    yield from _handler_causes(probe, path, None)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(field, 0) < 0:
            yield Cause.wrong(f"{path}.{field}", probe[field], NOT_NEGATIVE)
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        yield Cause.wrong(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if name == "readinessProbe":
        if grace is not None:
            text = "must not be set for readinessProbes"
            yield Cause.wrong(f"{path}.terminationGracePeriodSeconds", grace, text)
    elif probe["successThreshold"] != 1:
        yield Cause.wrong(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _handler_causes(handler: Object, path: str, grace_s: int | None) -> Iterator[Cause]:
    given = [name for name in _HANDLERS if name in handler]
    if not given:
        yield Cause.required(path, "must specify a handler type")
        return
    yield from _HANDLERS[given[0]](handler[given[0]], f"{path}.{given[0]}", grace_s)
    for extra in given[1:]:
        yield Cause.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")


def _exec(action: Object, path: str, _grace_s: int | None) -> Iterator[Cause]:
    if not action.get("command"):
        yield Cause.required(f"{path}.command")


def _http_get(action: Object, path: str, _grace_s: int | None) -> Iterator[Cause]:
    yield from port_causes(action["port"], f"{path}.port")
    if action["scheme"] not in ("HTTP", "HTTPS"):
        yield Cause.unsupported(f"{path}.scheme", action["scheme"], ("HTTP", "HTTPS"))
    for header in action.get("httpHeaders") or ():
        yield from Cause.all_wrong(f"{path}.httpHeaders", header["name"], formats.http_header(header["name"]))


def _port(action: Object, path: str, _grace_s: int | None) -> Iterator[Cause]:
    yield from port_causes(action["port"], f"{path}.port")


def _sleep(action: Object, path: str, grace_s: int | None) -> Iterator[Cause]:
    if grace_s is not None and not 0 <= action["seconds"] <= grace_s:
        text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
        yield Cause.wrong(path, action["seconds"], text)


def port_causes(port: int | str, path: str) -> Iterator[Cause]:
    """Yield a cause for what is neither the number nor the name of a port."""
    if isinstance(port, str):
        yield from Cause.all_wrong(path, port, formats.port_name(port))
    else:
        yield from port_number_causes(port, path)


_HANDLERS: Mapping[str, Callable[[Any, str, int | None], Iterator[Cause]]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _port,
    "grpc": _port,
    "sleep": _sleep,
}


# ---- the rest --------------------------------------------------------------------------------------------------------


def _pull_policy(container: Object, path: str, _around: Surroundings) -> Iterable[Cause]:
    policy = container["imagePullPolicy"]
    return () if policy in PULL_POLICIES else (Cause.unsupported(path, policy, PULL_POLICIES),)


def _resources(container: Object, path: str, around: Surroundings) -> Iterable[Cause]:
    resources = container["resources"]
    return resource_causes(resources, path, around.claims) if resources else ()


def _resize_policy(container: Object, path: str, around: Surroundings) -> Iterator[Cause]:
    names: set[str] = set()
    for index, policy in enumerate(container["resizePolicy"]):
        name, restart = policy["resourceName"], policy["restartPolicy"]
        if name in names:
            yield Cause.duplicate(f"{path}[{index}]", name)
        names.add(name)
        for value, values in ((name, ("cpu", "memory")), (restart, _RESIZE_POLICIES)):
            if not value:
                yield Cause.required(path)
            elif value not in values:
                yield Cause.unsupported(path, value, values)
        if around.restart_policy == "Never" and restart != "NotRequired":
            yield Cause.wrong(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _security_context(container: Object, path: str, around: Surroundings) -> Iterator[Cause]:
    return container_security_causes(container["securityContext"], path, host_users=around.host_users)


def _restart_causes(container: Object, path: str) -> Iterator[Cause]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        yield Cause.required(f"{path}.restartPolicy", _NEEDS_POLICY)
    elif policy not in _RESTART_POLICIES:
        yield Cause.unsupported(f"{path}.restartPolicy", policy, _RESTART_POLICIES)
    if len(rules) > _RULES_MAX:
        yield Cause.too_many(f"{path}.restartPolicyRules", len(rules), _RULES_MAX)
    for index, rule in enumerate(rules):
        here, codes = f"{path}.restartPolicyRules[{index}]", rule.get("exitCodes")
        if rule.get("action") not in _RESTART_ACTIONS:
            yield Cause.unsupported(f"{here}.action", rule.get("action") or "", _RESTART_ACTIONS)
        if codes is None:
            yield Cause.required(f"{here}.exitCodes", "must be specified")
            continue
        if codes.get("operator") not in ("In", "NotIn"):
            yield Cause.unsupported(f"{here}.exitCodes.operator", codes.get("operator") or "", ("In", "NotIn"))
        if len(codes.get("values") or ()) > _EXIT_CODES_MAX:
            yield Cause.too_many(f"{here}.exitCodes.values", len(codes["values"]), _EXIT_CODES_MAX)


_FIELDS: Mapping[str, Rule] = {
    "ports": _ports,
    "env": _env,
    "envFrom": _env_from,
    "volumeMounts": _volume_mounts,
    "volumeDevices": _volume_devices,
    "imagePullPolicy": _pull_policy,
    "resources": _resources,
    "resizePolicy": _resize_policy,
    "securityContext": _security_context,
}
"""The rules of the fields that every container may have, in the order in which a server looks at them."""
