"""Computes a pod's status from the states of its containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ctrlkit.clock import timestamp
from ctrlkit.fakes.cluster.node.restart import RestartPolicy
from ctrlkit.fakes.cluster.node.runtime import Exited, Running
from ctrlkit.model import Unstructured


@dataclass(frozen=True, slots=True)
class Waiting:
    """The container is not running, with the reason."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """
    A container as the kubelet sees it.

    `last` is the end of the previous run; `id` and `last_id` are the container IDs of the two runs. `restarts` counts
    the starts after the first.
    """

    name: str
    image: str
    id: str
    state: Waiting | Running | Exited
    last: Exited | None = None
    last_id: str = ""
    ready: bool = False
    restarts: int = 0


def is_ready(pod: Unstructured) -> bool:
    """Whether a pod is running and its Ready condition is True."""
    return pod.at("status.phase") == "Running" and any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in pod.at("status.conditions") or ()
    )


def restart_policy(pod: Unstructured) -> RestartPolicy:
    """Return the pod's restart policy, by default Always."""
    return RestartPolicy(pod.at("spec.restartPolicy") or "Always")


def pod_phase(policy: RestartPolicy, containers: Sequence[ContainerView]) -> str:
    """
    Return the phase of a pod.

    >>> moment = datetime(2026, 1, 1)
    >>> ended = Exited(exit_code=0, started_at=moment, finished_at=moment)
    >>> view = ContainerView(name="c", image="i", id="", state=ended)
    >>> pod_phase(RestartPolicy.ALWAYS, [view]), pod_phase(RestartPolicy.NEVER, [view])
    ('Running', 'Succeeded')
    """
    if any(isinstance(view.state, Waiting) and view.last is None for view in containers):
        return "Pending"
    ends = [view.state for view in containers if isinstance(view.state, Exited)]
    if len(ends) < len(containers) or any(policy.restarts(end.exit_code) for end in ends):
        return "Running"
    return "Failed" if any(end.exit_code for end in ends) else "Succeeded"


def pod_status(
    pod: Unstructured, containers: Sequence[ContainerView], *, address: str, host: str, now: datetime
) -> dict[str, Any]:
    """
    Return the status to write; transition times stay where a condition has not changed. `host` is the node's address.

    Other fields of the status stay, because it is sent as a merge patch.
    """
    phase = pod_phase(restart_policy(pod), containers)
    unready = [view.name for view in containers if not view.ready]
    if phase in ("Succeeded", "Failed"):
        readiness = _condition("False", "PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    elif unready:
        readiness = _condition("False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    else:
        readiness = _condition("True", "", "")
    done = _condition("True", "", "")
    wanted = {"Initialized": done, "Ready": readiness, "ContainersReady": readiness, "PodScheduled": done}
    moment = timestamp(now)
    return {
        "phase": phase,
        "conditions": _conditions(pod.at("status.conditions") or (), wanted, moment),
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": pod.at("status.startTime") or moment,
        "containerStatuses": [_container_status(view) for view in containers],
    }


def differs(have: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """
    Whether a status has to be written. Nulls are ignored, because servers add them.

    >>> differs({"podIP": "10.0.0.1", "conditions": [{"lastProbeTime": None}]}, {"conditions": [{}]})
    False
    """
    return any(_without_nulls(have.get(name)) != value for name, value in wanted.items())


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_nulls(item) for name, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value]
    return value


def _condition(status: str, reason: str, message: str) -> dict[str, str]:
    said = {"reason": reason, "message": message}
    return {"status": status, **{name: text for name, text in said.items() if text}}


def _conditions(
    have: Sequence[Mapping[str, Any]], wanted: Mapping[str, Mapping[str, str]], moment: str
) -> list[dict[str, Any]]:
    before = {condition.get("type"): condition for condition in have}
    result: list[dict[str, Any]] = []
    for name, condition in wanted.items():
        old = before.get(name) or {}
        since = old.get("lastTransitionTime") if old.get("status") == condition["status"] else None
        result.append({"type": name, "lastTransitionTime": since or moment, **condition})
    return result + [dict(condition) for condition in have if condition.get("type") not in wanted]


def _container_status(view: ContainerView) -> dict[str, Any]:
    return {
        "name": view.name,
        "image": view.image,
        "imageID": "",
        "containerID": view.id,
        "ready": view.ready,
        "started": isinstance(view.state, Running),
        "restartCount": view.restarts,
        "state": _state(view.state, view.id),
        "lastState": _state(view.last, view.last_id) if view.last else {},
    }


def _state(state: Waiting | Running | Exited, container_id: str) -> dict[str, Any]:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(started_at):
            return {"running": {"startedAt": timestamp(started_at)}}
        case Exited():
            ended: dict[str, Any] = {
                "exitCode": state.exit_code,
                "reason": "Error" if state.exit_code else "Completed",
                "startedAt": timestamp(state.started_at),
                "finishedAt": timestamp(state.finished_at),
                "containerID": container_id,
            }
            extra = {"signal": state.signal, "message": state.message}
            return {"terminated": ended | {name: value for name, value in extra.items() if value}}
