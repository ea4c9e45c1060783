"""The cells of server-side tables: for each built-in kind a function of one object, in the order of its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ctrlkit.fakes.durations import age
from ctrlkit.fakes.tracker.kinds.core.events_v1 import exchanged

Plain = Mapping[str, Any]
Printer = Callable[[Plain, datetime], list[Any]]
NONE = "<none>"

_ACCESS_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def default_cells(thing: Plain, now: datetime) -> list[Any]:
    """Name and creation time: for kinds without columns of their own."""
    return [_name(thing), _part(thing, "metadata").get("creationTimestamp")]


def namespace_cells(namespace: Plain, now: datetime) -> list[Any]:
    """Name, Status, Age."""
    return [_name(namespace), _part(namespace, "status").get("phase", ""), _age(namespace, now)]


def config_map_cells(config_map: Plain, now: datetime) -> list[Any]:
    """Name, Data, Age."""
    count = len(_part(config_map, "data")) + len(_part(config_map, "binaryData"))
    return [_name(config_map), count, _age(config_map, now)]


def secret_cells(secret: Plain, now: datetime) -> list[Any]:
    """Name, Type, Data, Age."""
    return [_name(secret), secret.get("type", ""), len(_part(secret, "data")), _age(secret, now)]


def service_account_cells(account: Plain, now: datetime) -> list[Any]:
    """Name, Age."""
    return [_name(account), _age(account, now)]


def service_cells(service: Plain, now: datetime) -> list[Any]:
    """Name, Type, Cluster-IP, External-IP, Port(s), Age, Selector."""
    spec = _part(service, "spec")
    cluster_ip = next(iter(spec.get("clusterIPs") or ()), spec.get("clusterIP"))
    return [
        _name(service),
        spec.get("type", ""),
        cluster_ip or NONE,
        _external_ip(service),
        ",".join(_port(port) for port in spec.get("ports") or ()) or NONE,
        _age(service, now),
        _pairs(spec.get("selector")),
    ]


def _external_ip(service: Plain) -> str:
    spec = _part(service, "spec")
    addresses = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            ingress = _part(_part(service, "status"), "loadBalancer").get("ingress") or ()
            addresses = [point.get("ip") or point.get("hostname", "") for point in ingress] + addresses
            return ",".join(addresses) or "<pending>"
    return ",".join(addresses) or NONE


def _port(port: Plain) -> str:
    outside = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', '')}{outside}/{port.get('protocol', 'TCP')}"


def stateful_set_cells(stateful_set: Plain, now: datetime) -> list[Any]:
    """Name, Ready, Age, Containers, Images."""
    return [_name(stateful_set), _ready_of(stateful_set), _age(stateful_set, now), *_containers(stateful_set)]


def deployment_cells(deployment: Plain, now: datetime) -> list[Any]:
    """Name, Ready, Up-to-date, Available, Age, Containers, Images, Selector."""
    status = _part(deployment, "status")
    return [
        _name(deployment),
        _ready_of(deployment),
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(deployment, now),
        *_containers(deployment),
        _label_selector(_part(_part(deployment, "spec"), "selector")),
    ]


def controller_revision_cells(revision: Plain, now: datetime) -> list[Any]:
    """Name, Controller, Revision, Age."""
    owners = _part(revision, "metadata").get("ownerReferences") or ()
    owner = next((owner for owner in owners if owner.get("controller")), None)
    controller = NONE
    if owner:
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        kind = str(owner.get("kind", "")).lower()
        controller = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [_name(revision), controller, revision.get("revision", 0), _age(revision, now)]


def lease_cells(lease: Plain, now: datetime) -> list[Any]:
    """Name, Holder, Age."""
    return [_name(lease), _part(lease, "spec").get("holderIdentity") or "", _age(lease, now)]


def role_binding_cells(binding: Plain, now: datetime) -> list[Any]:
    """Name, Role, Age, Users, Groups, ServiceAccounts; cluster role bindings have the same."""
    role = _part(binding, "roleRef")
    subjects: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in binding.get("subjects") or ():
        name = subject.get("name", "")
        is_account = subject.get("kind") == "ServiceAccount"
        subjects.setdefault(subject.get("kind", ""), []).append(
            f"{subject.get('namespace', '')}/{name}" if is_account else name
        )
    return [
        _name(binding),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        _age(binding, now),
        *(", ".join(subjects[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]


def claim_cells(claim: Plain, now: datetime) -> list[Any]:
    """A PersistentVolumeClaim's Name, Status, Volume, Capacity, Access Modes, classes, Age, VolumeMode."""
    spec, status = _part(claim, "spec"), _part(claim, "status")
    phase = "Terminating" if _part(claim, "metadata").get("deletionTimestamp") else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    modes = status.get("accessModes") or () if bound else ()
    return [
        _name(claim),
        phase,
        spec.get("volumeName", ""),
        str(_part(status, "capacity").get("storage", "")) if bound else "",
        ",".join(_ACCESS_MODES.get(mode, mode) for mode in modes),
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>",
        _age(claim, now),
        spec.get("volumeMode") or "<unset>",
    ]


def node_cells(node: Plain, now: datetime) -> list[Any]:
    """Name, Status, Roles, Age, Version, Internal-IP, External-IP, OS-Image, Kernel-Version, Container-Runtime."""
    info = _part(_part(node, "status"), "nodeInfo")
    return [
        _name(node),
        _node_status(node),
        ",".join(_node_roles(_part(node, "metadata"))) or NONE,
        _age(node, now),
        info.get("kubeletVersion", ""),
        _node_address(node, "InternalIP"),
        _node_address(node, "ExternalIP"),
        *(info.get(key) or "<unknown>" for key in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]


def _node_status(node: Plain) -> str:
    conditions = _part(node, "status").get("conditions") or ()
    ready = next((condition for condition in conditions if condition.get("type") == "Ready"), None)
    status = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return status + (",SchedulingDisabled" if _part(node, "spec").get("unschedulable") else "")


def _node_roles(metadata: Plain) -> list[str]:
    prefix = "node-role.kubernetes.io/"
    labels = _part(metadata, "labels")
    roles = {label.removeprefix(prefix) for label in labels if label.startswith(prefix)}
    roles.add(labels.get("kubernetes.io/role", ""))
    return sorted(role for role in roles if role)


def _node_address(node: Plain, address_type: str) -> str:
    addresses = _part(node, "status").get("addresses") or ()
    return next((point.get("address", "") for point in addresses if point.get("type") == address_type), NONE)


def event_cells(event: Plain, now: datetime) -> list[Any]:
    """Last Seen, Type, Reason, Object, Subobject, Source, Message, First Seen, Count, Name."""
    about, series = _part(event, "involvedObject"), _part(event, "series")
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or first
    kind = str(about.get("kind", "")).lower()
    return [
        age(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath", ""),
        _event_source(event),
        str(event.get("message", "")).strip(),
        age(first, now),
        series.get("count") or event.get("count") or 1,
        _name(event),
    ]


def newer_event_cells(event: Plain, now: datetime) -> list[Any]:
    """The same of an Event of events.k8s.io/v1."""
    return event_cells(exchanged(event), now)


def _event_source(event: Plain) -> str:
    source = _part(event, "source")
    component = source.get("component") or event.get("reportingComponent", "")
    place = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {place}" if place else str(component)


def pod_cells(pod: Plain, now: datetime) -> list[Any]:
    """Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates."""
    spec, status = _part(pod, "spec"), _part(pod, "status")
    containers = status.get("containerStatuses") or ()
    sidecars = _sidecars(pod)
    counted = [*containers, *sidecars]
    ready = sum(1 for container in counted if container.get("ready") and "running" in _part(container, "state"))
    total = len(spec.get("containers") or ()) + sum(1 for one in spec.get("initContainers") or () if _is_sidecar(one))
    address = next((point.get("ip") for point in status.get("podIPs") or ()), status.get("podIP"))
    return [
        _name(pod),
        f"{ready}/{total}",
        pod_status(pod),
        _restarts(pod, counted, now),
        _age(pod, now),
        address or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, status),
    ]


def pod_status(pod: Plain) -> str:
    """
    A pod's state in a word: a container that waits or ended says why, before the phase does.

    >>> waiting = {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    >>> pod_status({"status": {"phase": "Running", "containerStatuses": [waiting]}})
    'CrashLoopBackOff'
    """
    status = _part(pod, "status")
    reason = str(status.get("reason") or status.get("phase") or "")
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    if _part(conditions, "PodScheduled").get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    starting = _init_reason(pod)
    reason = starting or _container_reason(status, conditions, reason)
    if _part(pod, "metadata").get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _container_reason(status: Plain, conditions: Plain, reason: str) -> str:
    runs = False
    for container in reversed(status.get("containerStatuses") or ()):
        state = _part(container, "state")
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = _end_reason(ended)
        elif container.get("ready") and "running" in state:
            runs = True
    if reason == "Completed" and runs:
        return "Running" if _part(conditions, "Ready").get("status") == "True" else "NotReady"
    return reason


def _end_reason(ended: Plain) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _init_reason(pod: Plain) -> str:
    """What the first init container that has not done its part says; empty where all have."""
    wanted = _part(pod, "spec").get("initContainers") or ()
    sidecars = {container.get("name") for container in wanted if _is_sidecar(container)}
    for index, container in enumerate(_part(pod, "status").get("initContainerStatuses") or ()):
        state = _part(container, "state")
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if container.get("name") in sidecars and container.get("started"):
            continue
        if ended and ended.get("exitCode", 0) == 0:
            continue
        if ended:
            return f"Init:{_end_reason(ended)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(wanted)}"
    return ""


def _is_sidecar(container: Plain) -> bool:
    return container.get("restartPolicy") == "Always"


def _sidecars(pod: Plain) -> list[Plain]:
    names = {one.get("name") for one in _part(pod, "spec").get("initContainers") or () if _is_sidecar(one)}
    return [one for one in _part(pod, "status").get("initContainerStatuses") or () if one.get("name") in names]


def _restarts(pod: Plain, counted: list[Plain], now: datetime) -> str:
    if _init_reason(pod):
        counted = list(_part(pod, "status").get("initContainerStatuses") or ())
    restarts = sum(container.get("restartCount", 0) for container in counted)
    ends = [_part(_part(container, "lastState"), "terminated").get("finishedAt") or "" for container in counted]
    last = max(ends, default="")
    return f"{restarts} ({age(last, now)} ago)" if restarts and last else str(restarts)


def _readiness_gates(spec: Plain, status: Plain) -> str:
    gates = [gate.get("conditionType") for gate in spec.get("readinessGates") or ()]
    if not gates:
        return NONE
    held = {one.get("type") for one in status.get("conditions") or () if one.get("status") == "True"}
    return f"{sum(1 for gate in gates if gate in held)}/{len(gates)}"


PRINTERS: dict[tuple[str, str], Printer] = {
    ("", "namespaces"): namespace_cells,
    ("", "nodes"): node_cells,
    ("", "pods"): pod_cells,
    ("", "services"): service_cells,
    ("", "secrets"): secret_cells,
    ("", "configmaps"): config_map_cells,
    ("", "events"): event_cells,
    ("events.k8s.io", "events"): newer_event_cells,
    ("", "serviceaccounts"): service_account_cells,
    ("", "persistentvolumeclaims"): claim_cells,
    ("apps", "statefulsets"): stateful_set_cells,
    ("apps", "deployments"): deployment_cells,
    ("apps", "controllerrevisions"): controller_revision_cells,
    ("coordination.k8s.io", "leases"): lease_cells,
    ("rbac.authorization.k8s.io", "rolebindings"): role_binding_cells,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): role_binding_cells,
}
"""By group and plural; all other built-in kinds are printed by `default_cells`."""


def _part(thing: Plain, name: str) -> Plain:
    """A field that holds fields; empty where it is missing or null."""
    return thing.get(name) or {}


def _name(thing: Plain) -> str:
    return str(_part(thing, "metadata").get("name", ""))


def _age(thing: Plain, now: datetime) -> str:
    return age(_part(thing, "metadata").get("creationTimestamp"), now)


def _ready_of(workload: Plain) -> str:
    wanted = _part(workload, "spec").get("replicas")
    return f"{_part(workload, 'status').get('readyReplicas', 0)}/{1 if wanted is None else wanted}"


def _containers(workload: Plain) -> tuple[str, str]:
    pod = _part(_part(_part(workload, "spec"), "template"), "spec")
    containers = pod.get("containers") or ()
    names = ",".join(container.get("name", "") for container in containers)
    return names, ",".join(container.get("image", "") for container in containers)


def _pairs(labels: Plain | None) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items())) or NONE


def _label_selector(selector: Plain) -> str:
    parts = [f"{name}={value}" for name, value in sorted(_part(selector, "matchLabels").items())]
    for rule in selector.get("matchExpressions") or ():
        label, values = rule.get("key", ""), ",".join(sorted(rule.get("values") or ()))
        match rule.get("operator"):
            case "Exists":
                parts.append(label)
            case "DoesNotExist":
                parts.append(f"!{label}")
            case operator:
                parts.append(f"{label} {str(operator).lower()} ({values})")
    return ",".join(parts) or NONE
