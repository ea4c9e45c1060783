"""The row of a pod in a Table, as `kubectl get pods` shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ctrlkit.fakes.durations import age
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section

_ENDED = ("Succeeded", "Failed")


def pod_cells(pod: Object, now: datetime) -> list[Any]:
    """Make the cells of a pod's row."""
    spec, status = section(pod, "spec"), section(pod, "status")
    address = next((point.get("ip") for point in status.get("podIPs") or ()), status.get("podIP"))
    return [
        name_of(pod),
        _ready(pod),
        pod_status(pod),
        _restarts(pod, now),
        age_of(pod, now),
        address or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, status),
    ]


def pod_status(pod: Object) -> str:
    """
    Return a pod's status as kubectl prints it: the reason of a container, if one has it, else the phase.

    >>> waiting = {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    >>> pod_status({"status": {"phase": "Running", "containerStatuses": [waiting]}})
    'CrashLoopBackOff'
    """
    status = section(pod, "status")
    reason = str(status.get("reason") or status.get("phase") or "")
    conditions = status.get("conditions") or ()
    if any(one.get("type") == "PodScheduled" and one.get("reason") == "SchedulingGated" for one in conditions):
        reason = "SchedulingGated"
    reason = _init_reason(pod) or reason
    if _is_past_init(pod):
        reason = _container_reason(status, reason)
    if not section(pod, "metadata").get("deletionTimestamp"):
        return reason
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return reason if status.get("phase") in _ENDED else "Terminating"


def _container_reason(status: Object, reason: str) -> str:
    runs, failure = False, ""
    for container in reversed(status.get("containerStatuses") or ()):
        state = section(container, "state")
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = _end_reason(ended)
            failure = reason if ended.get("exitCode", 0) else failure
        elif container.get("ready") and "running" in state:
            runs = True
    if reason != "Completed":
        return reason
    if runs and _holds(status, "Ready"):
        return "Running"
    return failure or ("NotReady" if runs else reason)


def _end_reason(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _holds(status: Object, kind: str) -> bool:
    """Whether a condition of the pod is true."""
    return any(one.get("type") == kind and one.get("status") == "True" for one in status.get("conditions") or ())


def _is_past_init(pod: Object) -> bool:
    """Whether the row is about the containers of a pod, not the init containers."""
    return not _init_reason(pod) or _holds(section(pod, "status"), "Initialized")


def _init_reason(pod: Object) -> str:
    """What the first init container that has not done its part says; empty where all have."""
    wanted = section(pod, "spec").get("initContainers") or ()
    for index, container in enumerate(section(pod, "status").get("initContainerStatuses") or ()):
        state = section(container, "state")
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if _has_done_its_part(pod, container):
            continue
        if ended is not None:
            return f"Init:{_end_reason(ended)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(wanted)}"
    return ""


def _has_done_its_part(pod: Object, container: Object) -> bool:
    ended = section(container, "state").get("terminated")
    if ended is not None and ended.get("exitCode", 0) == 0:
        return True
    return bool(container.get("started")) and container.get("name") in _sidecars(pod)


def _sidecars(pod: Object) -> set[Any]:
    wanted = section(pod, "spec").get("initContainers") or ()
    return {one.get("name") for one in wanted if one.get("restartPolicy") == "Always"}


def _ready(pod: Object) -> str:
    spec, status = section(pod, "spec"), section(pod, "status")
    sidecars = _sidecars(pod)
    ready = 0
    for container in status.get("initContainerStatuses") or ():
        if not _has_done_its_part(pod, container):
            break
        ended = section(container, "state").get("terminated")
        ready += bool(container.get("ready") and ended is None)
    if _is_past_init(pod):
        containers = status.get("containerStatuses") or ()
        ready += sum(1 for one in containers if one.get("ready") and _runs(section(one, "state")))
    return f"{ready}/{len(spec.get('containers') or ()) + len(sidecars)}"


def _runs(state: Object) -> bool:
    return "running" in state and "terminated" not in state and not (state.get("waiting") or {}).get("reason")


def _restarts(pod: Object, now: datetime) -> str:
    status, sidecars = section(pod, "status"), _sidecars(pod)
    first = status.get("initContainerStatuses") or ()
    if _is_past_init(pod):
        told = [one for one in first if one.get("name") in sidecars]
        counted = [*told, *(status.get("containerStatuses") or ())]
    else:
        stop = next((index for index, one in enumerate(first) if not _has_done_its_part(pod, one)), len(first))
        counted = list(first[: stop + 1])
    restarts = sum(container.get("restartCount", 0) for container in counted)
    ends = [section(section(container, "lastState"), "terminated").get("finishedAt") or "" for container in counted]
    last = max(ends, default="")
    return f"{restarts} ({age(last, now)} ago)" if restarts and last else str(restarts)


def _readiness_gates(spec: Object, status: Object) -> str:
    gates = [gate.get("conditionType") for gate in spec.get("readinessGates") or ()]
    if not gates:
        return NONE
    held: dict[Any, bool] = {}
    for one in status.get("conditions") or ():
        held.setdefault(one.get("type"), one.get("status") == "True")
    return f"{sum(1 for gate in gates if held.get(gate))}/{len(gates)}"
