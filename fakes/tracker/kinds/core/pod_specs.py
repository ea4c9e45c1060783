"""Pod specs, in pods and in templates of them: their defaults and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ctrlkit.fakes.tracker.kinds.metadata import label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

_FILE_MODE = 0o644
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NOT_NEGATIVE = "must be greater than or equal to 0"

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
    for container in containers_of(spec):
        _fill_in_container(container, shares_host_ports=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _fill_in_volume(volume)


def containers_of(spec: Plain) -> Iterable[Plain]:
    """Return all containers of a pod spec, init containers first."""
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


def _fill_in_container(container: Plain, *, shares_host_ports: bool) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image") or ""))
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if shares_host_ports:
            port.setdefault("hostPort", port.get("containerPort"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _fill_in_probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _fill_in_http_get(handler)
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if "fieldRef" in source:
            source["fieldRef"].setdefault("apiVersion", "v1")
        if "resourceFieldRef" in source:
            source["resourceFieldRef"].setdefault("divisor", "0")


def _pull_policy(image: str) -> str:
    """The default pull policy: Always for the tag latest, which an image without tag and digest has."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _fill_in_probe(probe: Plain) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _fill_in_http_get(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _fill_in_http_get(handler: Plain) -> None:
    if "httpGet" in handler:
        handler["httpGet"].setdefault("path", "/")
        handler["httpGet"].setdefault("scheme", "HTTP")


def _fill_in_volume(volume: Plain) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "projected", "downwardAPI"):
        if name in volume:
            volume[name].setdefault("defaultMode", _FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _fill_in_downward_item(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _fill_in_downward_item(item)


def _fill_in_downward_item(item: Plain) -> None:
    if "fieldRef" in item:
        item["fieldRef"].setdefault("apiVersion", "v1")


# ---- rules -----------------------------------------------------------------------------------------------------------


def pod_spec_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that a pod spec breaks; `path` is where it is."""
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from _volume_causes(volume, f"{path}.volumes[{index}]", volumes)
        volumes.add(volume["name"])
    if not spec.get("containers"):
        yield Cause.required(f"{path}.containers")
    names: set[str] = set()
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            here = f"{path}.{kind}[{index}]"
            yield from _container_causes(container, here, volumes)
            if container["name"] in names:
                yield Cause.duplicate(f"{here}.name", container["name"])
            names.add(container["name"])
    if spec["restartPolicy"] not in _RESTART_POLICIES:
        yield Cause.unsupported(f"{path}.restartPolicy", spec["restartPolicy"], _RESTART_POLICIES)
    if spec["dnsPolicy"] not in _DNS_POLICIES:
        yield Cause.unsupported(f"{path}.dnsPolicy", spec["dnsPolicy"], _DNS_POLICIES)
    yield from label_causes(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from _name_causes(spec, path)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline < 2**31:
        text = "must be between 1 and 2147483647, inclusive"
        yield Cause.wrong(f"{path}.activeDeadlineSeconds", deadline, text)


def _name_causes(spec: Object, path: str) -> Iterator[Cause]:
    rules = (
        ("serviceAccountName", formats.subdomain),
        ("nodeName", formats.subdomain),
        ("hostname", formats.dns_label),
        ("subdomain", formats.dns_label),
    )
    for name, complaints in rules:
        if spec.get(name):
            yield from Cause.all_wrong(f"{path}.{name}", spec[name], complaints(spec[name]))


def _volume_causes(volume: Object, path: str, names: set[str]) -> Iterator[Cause]:
    name = volume["name"]
    if not name:
        yield Cause.required(f"{path}.name")
    else:
        yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
    if name in names:
        yield Cause.duplicate(f"{path}.name", name)
    sources = [one for one in volume if one != "name"]
    for extra in sources[1:]:
        yield Cause.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
    if not sources:
        yield Cause.required(path, "must specify a volume type")
    if "configMap" in volume and not volume["configMap"].get("name"):
        yield Cause.required(f"{path}.configMap.name")
    if "secret" in volume and not volume["secret"].get("secretName"):
        yield Cause.required(f"{path}.secret.secretName")
    if "persistentVolumeClaim" in volume and not volume["persistentVolumeClaim"].get("claimName"):
        yield Cause.required(f"{path}.persistentVolumeClaim.claimName")
    if "hostPath" in volume and not volume["hostPath"].get("path"):
        yield Cause.required(f"{path}.hostPath.path")


def _container_causes(container: Object, path: str, volumes: set[str]) -> Iterator[Cause]:
    name = container["name"]
    if not name:
        yield Cause.required(f"{path}.name")
    else:
        yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
    image = container.get("image") or ""
    if not image:
        yield Cause.required(f"{path}.image")
    elif image != image.strip():
        yield Cause.wrong(f"{path}.image", image, "must not have leading or trailing whitespace")
    if container["terminationMessagePolicy"] not in _MESSAGE_POLICIES:
        value = container["terminationMessagePolicy"]
        yield Cause.unsupported(f"{path}.terminationMessagePolicy", value, _MESSAGE_POLICIES)
    yield from _port_causes(container, path)
    for index, variable in enumerate(container.get("env") or ()):
        yield from _variable_causes(variable, f"{path}.env[{index}]")
    yield from _mount_causes(container, path, volumes)
    if container["imagePullPolicy"] not in _PULL_POLICIES:
        yield Cause.unsupported(f"{path}.imagePullPolicy", container["imagePullPolicy"], _PULL_POLICIES)
    yield from _resource_causes(container["resources"], f"{path}.resources")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            yield from _probe_causes(container[probe], f"{path}.{probe}", is_readiness=probe == "readinessProbe")


def _port_causes(container: Object, path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(container.get("ports") or ()):
        here = f"{path}.ports[{index}]"
        name = port.get("name")
        if name:
            complaints = formats.port_name(name)
            yield from Cause.all_wrong(f"{here}.name", name, complaints)
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


def _variable_causes(variable: Object, path: str) -> Iterator[Cause]:
    name = variable["name"]
    if not name:
        yield Cause.required(f"{path}.name")
    else:
        yield from Cause.all_wrong(f"{path}.name", name, formats.variable_name(name))
    source = variable.get("valueFrom")
    if source is None:
        return
    if not any(one in source for one in _SOURCES):
        options = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield Cause.wrong(f"{path}.valueFrom", "", f"must specify one of: {options}")
    elif variable.get("value"):
        yield Cause.wrong(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    elif len(source) > 1:
        yield Cause.wrong(f"{path}.valueFrom", "", "may not have more than one field specified at a time")
    for reference in ("configMapKeyRef", "secretKeyRef"):
        if reference in source:
            here = f"{path}.valueFrom.{reference}"
            if not source[reference].get("name"):
                yield Cause.required(f"{here}.name")
            key = source[reference].get("key")
            if not key:
                yield Cause.required(f"{here}.key")
            else:
                yield from Cause.all_wrong(f"{here}.key", key, formats.config_key(key))


def _mount_causes(container: Object, path: str, volumes: set[str]) -> Iterator[Cause]:
    places: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        here = f"{path}.volumeMounts[{index}]"
        if not mount["name"]:
            yield Cause.required(f"{here}.name")
        elif mount["name"] not in volumes:
            yield Cause.missing(f"{here}.name", mount["name"])
        place = mount["mountPath"]
        if not place:
            yield Cause.required(f"{here}.mountPath")
        if place in places:
            yield Cause.wrong(f"{here}.mountPath", place, "must be unique")
        places.add(place)


def _resource_causes(resources: Object, path: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for part, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            if quantity_value(value) < 0:
                yield Cause.wrong(f"{path}.{part}[{name}]", value, _NOT_NEGATIVE)
    for name, value in requests.items():
        if name in limits and quantity_value(value) > quantity_value(limits[name]):
            text = f"must be less than or equal to {name} limit of {limits[name]}"
            yield Cause.wrong(f"{path}.requests", value, text)


def _probe_causes(probe: Object, path: str, *, is_readiness: bool) -> Iterator[Cause]:
    handlers = [one for one in _HANDLERS if one in probe]
    for extra in handlers[1:]:
        yield Cause.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    if not handlers:
        yield Cause.required(path, "must specify a handler type")
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(name, 0) < 0:
            yield Cause.wrong(f"{path}.{name}", probe[name], _NOT_NEGATIVE)
    if not is_readiness and probe.get("successThreshold") != 1:
        yield Cause.wrong(f"{path}.successThreshold", probe.get("successThreshold"), "must be 1")
