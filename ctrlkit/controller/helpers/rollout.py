"""How far a Deployment, StatefulSet or DaemonSet is with its pods: what `kubectl rollout status` asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ctrlkit.model import to_plain

_FAILURE: Final = "ReplicaFailure"
_TOO_SLOW: Final = "ProgressDeadlineExceeded"
_KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet")


class Rollout(NamedTuple):
    """
    How far the pods of a workload are: `done` once all are new and available; `message` says how many are, and why not
    more where the workload's conditions tell.
    """

    done: bool
    message: str


class _Pods(NamedTuple):
    """How many are wanted, how many of these are to be new, and what there is."""

    wanted: int
    to_be_new: int
    new: int
    available: int
    old: int = 0


def rollout_of(workload: object) -> Rollout:
    """
    Say how far the pods of a Deployment, StatefulSet or DaemonSet are, typed or as a dict with its kind.

    >>> status = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 1}
    >>> web = {"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}
    >>> rollout_of(web)
    Rollout(done=False, message='1 of 3 are available')
    >>> rollout_of(web | {"metadata": {"generation": 3}})
    Rollout(done=False, message='the new spec was not looked at yet')

    Why pods cannot be made, as for a quota, a Deployment tells in its conditions; of a StatefulSet and a DaemonSet only
    Events do.

    >>> quota = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    >>> rollout_of(web | {"status": status | {"updatedReplicas": 1, "conditions": [quota]}}).message
    '1 of 3 are new: exceeded quota: q'

    Errors  TypeError for an object of another kind.
    """
    plain: Mapping[str, Any] = to_plain(workload)
    spec, status = plain.get("spec") or {}, plain.get("status") or {}
    kind = str(plain.get("kind") or type(workload).__name__)
    if kind not in _KINDS:
        raise TypeError(f"tell the rollout of a {kind}: only {', '.join(_KINDS)} have one")
    if status.get("observedGeneration", 0) < (plain.get("metadata") or {}).get("generation", 0):
        return Rollout(done=False, message="the new spec was not looked at yet")
    done, message = _counted(_PODS[kind](spec, status))
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or ()
    slow = [each for each in conditions if each.get("reason") == _TOO_SLOW]
    if slow:
        done, message = False, slow[0].get("message") or "its pods took longer than its progress deadline"
    if done:
        return Rollout(done=True, message=message)
    reasons = [each.get("message") or each.get("reason") or "" for each in conditions if _is_failure(each)]
    if spec.get("paused"):
        reasons.append("it is paused")
    return Rollout(done=False, message=": ".join([message.rstrip("."), *filter(None, reasons)]))


def _counted(pods: _Pods) -> tuple[bool, str]:
    if pods.new < pods.to_be_new:
        return False, f"{pods.new} of {pods.to_be_new} are new"
    if pods.old:
        return False, f"{pods.old} old ones are still there"
    return pods.available >= pods.wanted, f"{pods.available} of {pods.wanted} are available"


def _is_failure(condition: Mapping[str, Any]) -> bool:
    """Whether it says that pods cannot be made, such as for a quota."""
    return condition.get("type") == _FAILURE and condition.get("status") == "True"


def _of_deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Pods:
    wanted, new = _replicas(spec), status.get("updatedReplicas", 0)
    return _Pods(wanted, wanted, new, status.get("availableReplicas", 0), max(0, status.get("replicas", 0) - new))


def _of_stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Pods:
    """A partition keeps those below it; new pods are counted as such during an update alone."""
    wanted = _replicas(spec)
    strategy = spec.get("updateStrategy") or {}
    kept = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    is_over = status.get("updateRevision", "") == status.get("currentRevision", "")
    new = status.get("replicas", 0) if is_over else status.get("updatedReplicas", 0)
    to_be_new = 0 if strategy.get("type") == "OnDelete" else max(0, wanted - kept)
    return _Pods(wanted, to_be_new, new, status.get("availableReplicas", 0))


def _of_daemon_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Pods:
    wanted, new = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    to_be_new = 0 if (spec.get("updateStrategy") or {}).get("type") == "OnDelete" else wanted
    return _Pods(wanted, to_be_new, new, status.get("numberAvailable", 0))


def _replicas(spec: Mapping[str, Any]) -> int:
    """As many as are wanted; one where nothing is said."""
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


_PODS: Final = dict(zip(_KINDS, (_of_deployment, _of_stateful_set, _of_daemon_set), strict=True))
