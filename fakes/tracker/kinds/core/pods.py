"""Pods, and the pod specs that pods and templates share: their defaults and rules. What a pod may change is little."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Any

from ctrlkit.fakes.tracker.kinds.deletion import asked_grace_s
from ctrlkit.fakes.tracker.kinds.metadata import label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.refusals import Cause, bad_request
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.model import Action, Options, Verb, kinds, value_at

_FILE_MODE = 0o644
_NOT_READY_SECONDS = 300
_UNREACHABLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)

# ---- defaults of a pod spec ------------------------------------------------------------------------------------------


def fill_in_template(spec: Plain) -> None:
    """What holds of every pod spec, in a template or a pod."""
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


def _fill_in_pod(spec: Plain) -> None:
    """What holds of pods only, the admission plug-ins that are always on included."""
    for container in containers_of(spec):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.get("tolerations") or []
    missing = [key for key in _UNREACHABLE if not any(_tolerates(one, key) for one in tolerations)]
    if missing:
        rule = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _NOT_READY_SECONDS}
        spec["tolerations"] = [*tolerations, *({"key": key, **rule} for key in missing)]


def quality_of_service(spec: Plain) -> str:
    """
    A pod's class: Guaranteed, Burstable or BestEffort.

    >>> quality_of_service({"containers": [{"resources": {"requests": {"cpu": "1"}}}]})
    'Burstable'
    """
    all_given = [_compute(container["resources"]) for container in containers_of(spec)]
    if not any(requests or limits for requests, limits in all_given):
        return "BestEffort"
    is_guaranteed = all(set(limits) == {"cpu", "memory"} and requests == limits for requests, limits in all_given)
    return "Guaranteed" if is_guaranteed else "Burstable"


def containers_of(spec: Plain) -> Iterable[Plain]:
    """All containers of a pod spec, those of init first."""
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


def _compute(resources: Plain) -> tuple[Plain, Plain]:
    requests, limits = (
        {
            name: quantity_value(value)
            for name, value in (resources.get(part) or {}).items()
            if name in ("cpu", "memory") and quantity_value(value) > 0
        }
        for part in ("requests", "limits")
    )
    return requests, limits


def _tolerates(toleration: Plain, key: str) -> bool:
    fits_key = toleration.get("key") == key or (not toleration.get("key") and toleration.get("operator") == "Exists")
    return fits_key and toleration.get("effect") in (None, "NoExecute")


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
    """Always for the tag latest, which holds where neither tag nor digest is named."""
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


# ---- rules of a pod spec ---------------------------------------------------------------------------------------------


def pod_spec_causes(spec: Object, path: str) -> Iterator[Cause]:
    """What the server has against a pod spec, in a pod or a template that it checks."""
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


def _update_causes(spec: Object, old: Object) -> Iterator[Cause]:
    """What the server has against a change of a pod's spec; it adds a diff of its own types, which is left out here."""
    if len(spec.get("containers") or ()) != len(old["containers"]):
        yield Cause.forbidden("spec.containers", "pod updates may not add or remove containers")
        return
    if len(spec.get("initContainers") or ()) != len(old.get("initContainers") or ()):
        yield Cause.forbidden("spec.initContainers", "pod updates may not add or remove containers")
        return
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            if not container.get("image"):
                yield Cause.required(f"spec.{kind}[{index}].image")
    had = old.get("activeDeadlineSeconds")
    deadline = spec.get("activeDeadlineSeconds")
    if had is not None and deadline is None:
        yield Cause.wrong("spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value")
    elif had is not None and deadline > had:
        yield Cause.wrong("spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value")
    if _fixed(spec, old) != _fixed(old, old):
        yield Cause.forbidden("spec", _MAY_CHANGE)
    tolerations = _untimed(spec)
    if any(one not in tolerations for one in _untimed(old)):
        text = "existing toleration can not be modified except its tolerationSeconds"
        yield Cause.forbidden("spec.tolerations", text)


def _untimed(spec: Object) -> list[Object]:
    """What a pod tolerates, for however long."""
    tolerations = spec.get("tolerations") or ()
    return [{name: value for name, value in one.items() if name != "tolerationSeconds"} for one in tolerations]


def _fixed(spec: Object, old: Object) -> dict[str, Any]:
    """What of a pod's spec no update may change."""
    fixed = {name: value for name, value in spec.items() if name not in ("activeDeadlineSeconds", "tolerations")}
    for kind in ("containers", "initContainers"):
        if kind in fixed:
            fixed[kind] = [{**container, "image": ""} for container in fixed[kind]]
    if old.get("terminationGracePeriodSeconds", 0) < 0 and fixed.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    return fixed


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
    """What the server has against a number as a port."""
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


# ---- pods ------------------------------------------------------------------------------------------------------------


def as_binding(action: Action) -> Action:
    """The create of a Binding as the subresource of a pod that it stands for: the pod's name is in the body."""
    if action.verb is not Verb.CREATE:
        return action
    name = value_at(action.body, "metadata.name") if isinstance(action.body, Mapping) else None
    if not isinstance(name, (str, NoneType)):
        text = f"json: cannot unmarshal {json_type(name)} into Go struct field ObjectMeta.metadata.name of type string"
        raise bad_request(f'Binding in version "v1" cannot be handled as a Binding: {text}')
    return dataclasses.replace(action, resource=kinds.PODS, name=name or "", subresource="binding")


def _fill_in(pod: Plain) -> None:
    fill_in_template(pod["spec"])
    _fill_in_pod(pod["spec"])
    if pod["spec"]["terminationGracePeriodSeconds"] < 0:
        pod["spec"]["terminationGracePeriodSeconds"] = 1


def _begin(pod: Plain) -> None:
    pod["status"]["qosClass"] = quality_of_service(pod["spec"])


def _keep_status(pod: Plain, old: Object) -> None:
    quality = (old.get("status") or {}).get("qosClass")
    if quality:
        pod["status"] = {**(pod.get("status") or {}), "qosClass": quality}


def _validate(pod: Object, old: Object | None) -> Iterator[Cause]:
    spec = pod["spec"]
    if old is None:
        yield from pod_spec_causes(spec, "spec")
    elif spec is not old["spec"] and spec != old["spec"]:
        yield from _update_causes(spec, old["spec"])


def _selected_value(pod: Object, path: str) -> Any:
    value = value_at(pod, path)
    return bool(value) if path == "spec.hostNetwork" else value


def _grace_s(pod: Object, options: Options) -> int:
    """How long a pod may take to end: none where no kubelet runs it any more, or yet."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    grace = asked_grace_s(options)
    if grace is None:
        grace = int(spec.get("terminationGracePeriodSeconds", 30))
    return grace if grace >= 0 else 1


PODS = Strategy(
    resource=kinds.PODS,
    short_names=("po",),
    categories=("all",),
    subresources=frozenset({"status"}),
    unlisted_subresources=frozenset({"binding"}),
    selectable_fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    selected_value=_selected_value,
    defaults=_fill_in,
    first_status={"phase": "Pending"},
    begin=_begin,
    keep_status=_keep_status,
    validate=_validate,
    generation=True,
    set_by_server=(
        "spec.tolerations",
        "spec.priority",
        "spec.preemptionPolicy",
        "spec.serviceAccountName",
        "spec.serviceAccount",
        "spec.nodeName",
    ),
    kept_by_status=("metadata.deletionTimestamp", "metadata.ownerReferences"),
    grace_s=_grace_s,
    deleted_is_shown=True,
)
