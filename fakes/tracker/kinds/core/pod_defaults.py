"""What the server fills into pods and pod templates. All functions change a typed spec of their own in place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctrlkit.fakes.tracker.schema.quantities import quantity_value

Plain = dict[str, Any]

_FILE_MODE = 0o644
_NOT_READY_SECONDS = 300
_UNREACHABLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


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
        _container(container, shares_host_ports=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _volume(volume)


def fill_in_pod(spec: Plain) -> None:
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


def _container(container: Plain, *, shares_host_ports: bool) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image") or ""))
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if shares_host_ports:
            port.setdefault("hostPort", port.get("containerPort"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _http_get(handler)
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


def _probe(probe: Plain) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _http_get(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _http_get(handler: Plain) -> None:
    if "httpGet" in handler:
        handler["httpGet"].setdefault("path", "/")
        handler["httpGet"].setdefault("scheme", "HTTP")


def _volume(volume: Plain) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "projected", "downwardAPI"):
        if name in volume:
            volume[name].setdefault("defaultMode", _FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _downward_item(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _downward_item(item)


def _downward_item(item: Plain) -> None:
    if "fieldRef" in item:
        item["fieldRef"].setdefault("apiVersion", "v1")
