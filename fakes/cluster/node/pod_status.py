"""
Computes a pod's status from what is known of its containers, as a kubelet does, and what of it is to be written. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ctrlkit.clock import timestamp
from ctrlkit.fakes.cluster.loops.pods import FINAL_PHASES
from ctrlkit.fakes.cluster.node.pod_plan import Container, Role
from ctrlkit.fakes.cluster.node.restart import RuleAction
from ctrlkit.fakes.cluster.node.runtime import Exited, Running
from ctrlkit.fakes.tracker.plugins.amounts import of_pod
from ctrlkit.model import Unstructured

RESTARTING_ALL = "RestartingAllContainers"
"""The reason of containers that start anew as one of their pod has ended."""

LOST_CODE = 137
"""The exit code of a container of which nothing is known but that it does not run."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The container is not running, with the reason; "" says that it is about to start, as in a new pod."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The end of a container of which only a status tells, that of an earlier kubelet."""

    terminated: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """The exit code."""
        return int(self.terminated["exitCode"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """
    A container as the kubelet sees it.

    `last` is the end of the previous run; `id` and `last_id` are the container IDs of the two runs, `image` and
    `image_id` are of the present one; without it, `image` is what the spec says. `restarts` counts the starts after
    the first. `started` and `ready` are what its probes say of a container that runs.
    """

    container: Container
    state: Waiting | Running | Exited | Earlier
    id: str = ""
    image: str = ""
    image_id: str = ""
    last: Exited | Earlier | None = None
    last_id: str = ""
    started: bool = True
    ready: bool = True
    restarts: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether it runs and is ready; an init container is once it has succeeded."""
        if self.container.role is Role.INIT:
            return isinstance(self.state, Exited | Earlier) and not self.state.exit_code
        return self.is_started and self.ready and self.container.role is not Role.EPHEMERAL

    @property
    def is_started(self) -> bool:
        """Whether it runs and its startup probe has passed."""
        return isinstance(self.state, Running) and self.started

    @property
    def end(self) -> Exited | Earlier | None:
        """How it ended, if it has ended and not been started again."""
        if isinstance(self.state, Exited | Earlier):
            return self.state
        return self.last if isinstance(self.state, Waiting) else None

    @property
    def is_restarted(self) -> bool:
        """Whether it has ended and is started again."""
        end = self.end
        if isinstance(end, Earlier) and end.terminated.get("reason") == RESTARTING_ALL:
            return True
        return end is not None and self.container.rules.restarts(end.exit_code)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a kubelet ends a pod: it has failed, whatever its containers say."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """
    A pod as the kubelet sees it.

    `host` is the node's address, `address` the pod's own, "" as long as it has no sandbox. `has_sandbox`: it has one
    now. `is_over`: its containers have been stopped, and none will be started again. `restarts_all`: they are stopped
    to start anew. `failure`: why it is ended.
    """

    containers: Sequence[ContainerView]
    host: str
    address: str = ""
    has_sandbox: bool = True
    is_over: bool = False
    restarts_all: bool = False
    failure: Failure | None = None


def is_ready(pod: Unstructured) -> bool:
    """Whether a pod is running and its Ready condition is True."""
    return pod.at("status.phase") == "Running" and any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in pod.at("status.conditions") or ()
    )


# ---- the phase -------------------------------------------------------------------------------------------------------


def pod_phase(containers: Sequence[ContainerView], *, is_over: bool = False) -> str:
    """
    Return the phase of a pod with these containers.

    >>> from ctrlkit.fakes.cluster.node.pod_plan import containers_of
    >>> moment = datetime(2026, 1, 1)
    >>> ended = Exited(exit_code=0, started_at=moment, finished_at=moment)
    >>> for policy in ("Always", "Never"):
    ...     (main,) = containers_of(Unstructured({"spec": {"restartPolicy": policy, "containers": [{"name": "c"}]}}))
    ...     print(pod_phase([ContainerView(container=main, state=ended)]))
    Running
    Succeeded
    """
    regular = [view for view in containers if view.container.role is Role.REGULAR]
    if any(_has_failed_for_good(view) for view in containers if view.container.role is Role.INIT):
        return "Failed"
    was_initialized = any(view.id for view in regular)
    if any(_holds_back(view, was_initialized=was_initialized) for view in containers):
        return "Pending"
    if any(isinstance(view.state, Running) and view.container.role in _COUNTED for view in containers):
        return "Running"
    ends = [view for view in regular if view.end is not None]
    if not is_over and any(view.is_restarted for view in ends):
        return "Running"
    has_succeeded = all(isinstance(view.state, Exited | Earlier) and not view.state.exit_code for view in ends)
    return "Succeeded" if has_succeeded else "Failed"


_COUNTED = (Role.REGULAR, Role.SIDECAR)


def _has_failed_for_good(init: ContainerView) -> bool:
    return init.end is not None and init.end.exit_code != 0 and not init.is_restarted


def _holds_back(view: ContainerView, *, was_initialized: bool) -> bool:
    """Whether a pod is pending because of a container."""
    match view.container.role, view.state:
        case Role.INIT, Running():
            return True
        case Role.SIDECAR, Running():
            return not view.started and not was_initialized
        case Role.EPHEMERAL, _:
            return False
        case _, Waiting():
            return view.last is None
    return False


# ---- the status ------------------------------------------------------------------------------------------------------


def pod_status(pod: Unstructured, view: PodView, *, now: datetime) -> dict[str, Any]:
    """
    Return the status of a pod; transition times stay where a condition has not changed.

    It has no conditions of others, such as those of readiness gates, which are no business of a kubelet.
    """
    have: Mapping[str, Any] = pod.get("status") or {}
    moment = timestamp(now)
    wanted, failure = pod_phase(view.containers, is_over=view.is_over), view.failure
    if have.get("phase") in FINAL_PHASES:
        wanted, failure = have["phase"], None
    elif failure is not None:
        wanted = "Failed"
    generation = pod.at("metadata.generation") or 0
    conditions = _conditions(pod, view, wanted, moment, generation)
    phase = wanted
    if wanted in FINAL_PHASES and have.get("phase") not in FINAL_PHASES and not view.is_over:
        phase, failure = have.get("phase") or "Pending", None  # it is told once all have ended
    status = {
        **({"observedGeneration": generation} if generation else {}),
        "phase": phase,
        **({"reason": failure.reason, "message": failure.message} if failure else {}),
        "conditions": conditions,
        "hostIP": view.host,
        "hostIPs": [{"ip": view.host}],
        "startTime": have.get("startTime") or moment,
    }
    if view.address:
        status |= {"podIP": view.address, "podIPs": [{"ip": view.address}]}
    return status | _container_statuses(pod, view) | _pod_resources(pod.get("spec") or {})


def _conditions(pod: Unstructured, view: PodView, phase: str, moment: str, generation: int) -> list[dict[str, Any]]:
    have: Sequence[Mapping[str, Any]] = pod.at("status.conditions") or ()
    before = {condition.get("type"): condition for condition in have}
    containers_ready = _containers_ready(view.containers, phase)
    wanted = {
        "PodReadyToStartContainers": {"status": "True" if view.has_sandbox else "False"},
        "Initialized": _initialized(view.containers, phase),
        "Ready": _ready(pod, containers_ready, before),
        "ContainersReady": containers_ready,
        "PodScheduled": _TRUE,
    }
    if any(rule.action is RuleAction.RESTART_ALL for one in view.containers for rule in one.container.rules.rules):
        wanted["AllContainersRestarting"] = _restarting(phase, restarts_all=view.restarts_all)
    result: list[dict[str, Any]] = []
    for name, condition in wanted.items():
        old = before.get(name) or {}
        since = old.get("lastTransitionTime") if old.get("status") == condition["status"] else None
        seen = {"observedGeneration": generation} if generation and name != "AllContainersRestarting" else {}
        result.append({"type": name, **seen, "lastTransitionTime": since or moment, **condition})
    return result


_TRUE: Mapping[str, str] = {"status": "True"}


def _false(reason: str, message: str = "") -> Mapping[str, str]:
    return {"status": "False", "reason": reason, **({"message": message} if message else {})}


def _restarting(phase: str, *, restarts_all: bool) -> Mapping[str, str]:
    if phase in FINAL_PHASES:
        return _false(f"Pod{'Completed' if phase == 'Succeeded' else 'Failed'}")
    if not restarts_all:
        return {"status": "False"}
    message = "container exited with restart policy rule"
    return {"status": "True", "reason": "RestartAllContainersStarted", "message": message}


def _initialized(containers: Sequence[ContainerView], phase: str) -> Mapping[str, str]:
    if phase == "Succeeded":
        return {"status": "True", "reason": "PodCompleted"} if containers else _TRUE
    left = [view.container.name for view in containers if _is_left_to_initialize(view)]
    regular = (view for view in containers if view.container.role is Role.REGULAR)
    if not left or any(not isinstance(view.state, Waiting) for view in regular):
        return _TRUE
    return _false("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(left)}]")


def _is_left_to_initialize(view: ContainerView) -> bool:
    if view.container.role is Role.INIT:
        return not view.is_ready
    return view.container.role is Role.SIDECAR and not view.is_started


def _containers_ready(containers: Sequence[ContainerView], phase: str) -> Mapping[str, str]:
    if phase in FINAL_PHASES:
        return _false("PodCompleted" if phase == "Succeeded" else "PodFailed")
    unready = [view.container.name for view in containers if view.container.role in _COUNTED and not view.is_ready]
    if unready:
        return _false("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    return _TRUE


def _ready(
    pod: Unstructured, containers_ready: Mapping[str, str], conditions: Mapping[Any, Mapping[str, Any]]
) -> Mapping[str, str]:
    if containers_ready is not _TRUE:
        return containers_ready
    shut = [text for gate in pod.at("spec.readinessGates") or () if (text := _why_shut(gate, conditions))]
    return _false("ReadinessGatesNotReady", ", ".join(shut)) if shut else _TRUE


def _why_shut(gate: Mapping[str, Any], conditions: Mapping[Any, Mapping[str, Any]]) -> str:
    name = gate.get("conditionType", "")
    condition = conditions.get(name)
    if condition is None:
        return f'corresponding condition of pod readiness gate "{name}" does not exist.'
    status = condition.get("status")
    return "" if status == "True" else f'the status of pod readiness gate "{name}" is not "True", but {status}'


# ---- the statuses of containers --------------------------------------------------------------------------------------


def _container_statuses(pod: Unstructured, view: PodView) -> dict[str, Any]:
    waits_for = "PodInitializing" if pod.at("spec.initContainers") else "ContainerCreating"
    found: dict[str, list[dict[str, Any]]] = {}
    for one in view.containers:
        user = _user(one.container.spec.get("securityContext") or {}, pod.at("spec.securityContext") or {})
        found.setdefault(STATUSES[one.container.role], []).append(_container_status(one, waits_for, user))
    for name, statuses in found.items():
        if name != "initContainerStatuses" and len(statuses) > 1:
            statuses.sort(key=lambda status: str(status["name"]))
    return found


STATUSES = {
    Role.INIT: "initContainerStatuses",
    Role.SIDECAR: "initContainerStatuses",
    Role.REGULAR: "containerStatuses",
    Role.EPHEMERAL: "ephemeralContainerStatuses",
}
"""The field of a pod's status that says what became of containers."""


def _container_status(view: ContainerView, waits_for: str, user: Mapping[str, Any]) -> dict[str, Any]:
    container = view.container
    status: dict[str, Any] = {
        "name": container.name,
        "image": view.image or container.image,
        "imageID": view.image_id,
        "ready": view.is_ready,
        "restartCount": view.restarts,
        "state": _state(view.state, view.id, waits_for),
        "lastState": _state(view.last, view.last_id, "") if view.last else {},
    }
    if container.role is not Role.EPHEMERAL:
        status["started"] = view.is_started
    if view.id:
        status["containerID"] = view.id
        status |= _resources(container.spec.get("resources") or {})
        status["user"] = {"linux": user}
    mounts = [_mount_status(mount) for mount in container.spec.get("volumeMounts") or ()]
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _resources(resources: Mapping[str, Any]) -> dict[str, Any]:
    """What a container was given, which is what it asks for."""
    requests = resources.get("requests")
    return {"resources": resources, **({"allocatedResources": requests} if requests else {})}


def _pod_resources(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a pod was given as a whole."""
    whole = {kind: amounts for kind in ("limits", "requests") if (amounts := of_pod(spec, kind))}
    return {"resources": whole, **({"allocatedResources": whole["requests"]} if "requests" in whole else {})}


def _user(own: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """As whom a container runs; an image's own user is root here."""
    uid, gid = (own.get(name, shared.get(name, 0)) for name in ("runAsUser", "runAsGroup"))
    group, others = shared.get("fsGroup"), shared.get("supplementalGroups") or ()
    return {"uid": uid, "gid": gid, "supplementalGroups": [gid, *([] if group is None else [group]), *others]}


def _mount_status(mount: Mapping[str, Any]) -> dict[str, Any]:
    status = {"name": mount["name"], "mountPath": mount["mountPath"]}
    return status | ({"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {})


def _state(state: Waiting | Running | Exited | Earlier, container_id: str, waits_for: str) -> dict[str, Any]:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason or waits_for, **({"message": message} if message else {})}}
        case Running(started_at):
            return {"running": {"startedAt": timestamp(started_at)}}
        case Earlier(terminated):
            return {"terminated": _without_nulls(terminated)}
        case Exited():
            ended: dict[str, Any] = {
                "exitCode": state.exit_code,
                "reason": state.reason or ("Error" if state.exit_code else "Completed"),
                "startedAt": timestamp(state.started_at),
                "finishedAt": timestamp(state.finished_at),
            }
            extra = {"message": state.message, "containerID": container_id}
            return {"terminated": ended | {name: value for name, value in extra.items() if value}}


# ---- what is written -------------------------------------------------------------------------------------------------


_MERGED_BY_ADDRESS = ("hostIPs", "podIPs")
"""The lists that a strategic merge adds to by address, where an address that no longer holds would stay."""


def status_patch(have: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what a strategic merge patch of a status has to say; nothing where nothing differs.

    Nulls are ignored, because servers add them. Of the conditions only those are sent that differ.

    >>> status_patch({"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "lastProbeTime": None}]},
    ...     {"phase": "Running", "conditions": [{"type": "Ready"}]})
    {'phase': 'Running'}
    """
    patch = {
        name: value
        for name, value in wanted.items()
        if name != "conditions" and _without_nulls(have.get(name)) != value
    }
    for name in _MERGED_BY_ADDRESS:
        if name in patch and have.get(name):
            patch[name] = [{"$patch": "replace"}, *patch[name]]
    before = {condition.get("type"): condition for condition in have.get("conditions") or ()}
    changed = [
        {**dict.fromkeys(before.get(one["type"]) or ()), **one}
        for one in wanted["conditions"]
        if _without_nulls(before.get(one["type"])) != one
    ]
    if changed:
        own = [{"type": one["type"]} for one in wanted["conditions"]]
        others = [{"type": name} for name in before if {"type": name} not in own]
        patch |= {"conditions": changed, "$setElementOrder/conditions": [*others, *own]}
    return patch


def status_change(have: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what a merge patch has to say of a status that is just as in `have`; nothing where nothing differs.

    >>> status_change({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    ...     {"phase": "Pending", "conditions": [{"type": "Ready", "status": "True"}]})
    {'conditions': [{'type': 'PodScheduled', 'status': 'True'}, {'type': 'Ready', 'status': 'True'}]}
    """
    change = {name: value for name, value in wanted.items() if name != "conditions" and not _is_same(have, name, value)}
    before = {one.get("type"): one for one in have.get("conditions") or ()}
    own = {one["type"]: one for one in wanted["conditions"]}
    if not all(_is_same(before, name, one) for name, one in own.items()):
        change["conditions"] = [*(one for name, one in before.items() if name not in own), *own.values()]
    return change


def _is_same(have: Mapping[str, Any], name: str, value: Any) -> bool:
    before = have.get(name)
    return bool(before == value or (before is not None and _without_nulls(before) == value))


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_nulls(item) for name, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value]
    return value


def last_status(pod: Unstructured, status: dict[str, Any]) -> dict[str, Any]:
    """
    Return the last status of a pod whose containers have been stopped: its phase is final, and each container that
    may have run has ended.
    """
    inits = status.get("initContainerStatuses") or []
    started = [place for place, one in enumerate(inits) if "waiting" not in one["state"] or one["lastState"]]
    ended = inits[: max(started, default=0) + 1]
    if not inits or _was_initialized(pod, status):
        ended = [*ended, *status.get("containerStatuses", ())]
    for one in ended:
        if "terminated" not in one["state"]:
            one["state"] = {"terminated": dict(_LOST)}
    phase = status["phase"]
    return status | {"phase": phase if phase in FINAL_PHASES else "Failed"}


_LOST: Mapping[str, Any] = {
    "exitCode": LOST_CODE,
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was terminated",
}


def _was_initialized(pod: Unstructured, status: Mapping[str, Any]) -> bool:
    if any("waiting" not in one["state"] or one["lastState"] for one in status.get("containerStatuses", ())):
        return True
    last = status["initContainerStatuses"][-1]
    if pod.at("spec.initContainers")[-1].get("restartPolicy") == "Always":
        return "running" in last["state"] and bool(last.get("started"))
    ends = (last["state"].get("terminated"), last["lastState"].get("terminated"))
    return any(end is not None and not end["exitCode"] for end in ends)
