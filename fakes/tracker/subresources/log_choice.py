"""Which run of a container a log is asked of, by the pod's status, in a kubelet's words where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.errors import BadRequest

_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_PULLS = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


def asks_run_before(pod: Mapping[str, Any], container: str, *, previous: bool) -> bool:
    """
    Return whether the log is that of the run before the last one that was started.

    A container that waits to be started again has its last run behind it: that is then the previous one, and the one
    that is meant without `previous` too.

    >>> ended = {"terminated": {"containerID": "x://1"}}
    >>> status = {"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}
    >>> pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [status]}}
    >>> asks_run_before(pod, "web", previous=True), asks_run_before(pod, "web", previous=False)
    (False, False)

    A pod without any status of containers says nothing about them: what runs it decides.
    Errors  BadRequest where no such run is known.
    """
    all_statuses = tuple(_statuses(pod))
    if not all_statuses:
        return previous
    name = pod["metadata"]["name"]
    status = next((one for one in all_statuses if one["name"] == container), None)
    if status is None:
        raise BadRequest(f'container "{container}" in pod "{name}" is not available')
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
    if previous:
        if not (last and last.get("containerID")):
            raise BadRequest(f'previous terminated container "{container}" in pod "{name}" not found')
        return not state.get("waiting")
    trouble = _trouble(state, last)
    if trouble:
        raise BadRequest(f'container "{container}" in pod "{name}" is {trouble}')
    return False


def _trouble(state: Mapping[str, Any], last: Mapping[str, Any] | None) -> str:
    """Say why there is no log of the last run; "" if there is."""
    if "running" in state:
        return ""
    ended = state.get("terminated") or {}
    if ended.get("containerID") or (last and last.get("containerID")):
        return ""
    if ended or last:
        return "terminated"
    if "waiting" in state:
        reason = state["waiting"].get("reason", "")
        return f"waiting to start: {_PULLS.get(reason, reason)}"
    return "waiting to start - no logs yet"


def _statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status") or {}
    for field in _STATUSES:
        yield from status.get(field) or ()
