"""How many pods a PodDisruptionBudget lets go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.cluster.loops.percentages import of_total
from ctrlkit.fakes.cluster.loops.pods import DISRUPTION_TARGET, condition, is_final, moment_of, ready_since
from ctrlkit.model import Unstructured

DELETION_TIMEOUT_S = 120.0
"""So long a pod whose eviction was allowed counts as gone, though it is still there."""

_BY_KUBELET = "TerminationByKubelet"
_CONDITION = "DisruptionAllowed"


def needs_scale(spec: Mapping[str, Any]) -> bool:
    """Whether a budget counts the pods that there should be, not those that there are."""
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


@dataclass(frozen=True, slots=True)
class Expected:
    """How many pods a budget expects, and how many of them must be healthy."""

    pods: int
    healthy: int


def expect(spec: Mapping[str, Any], pods: int, scale: int) -> Expected:
    """
    Return what a budget expects of the pods that it selects; `scale` is what their controllers want in sum.

    >>> expect({"maxUnavailable": "25%"}, pods=3, scale=4), expect({"minAvailable": 2}, pods=3, scale=0)
    (Expected(pods=4, healthy=3), Expected(pods=3, healthy=2))
    """
    if spec.get("maxUnavailable") is not None:
        return Expected(scale, max(scale - of_total(spec["maxUnavailable"], scale, round_up=True), 0))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return Expected(scale, of_total(least, scale, round_up=True))
    return Expected(pods if least is not None else 0, least or 0)


def disrupted(budget: Unstructured, pods: Iterable[Unstructured], now: datetime) -> dict[str, str]:
    """Return the pods that are about to go because their eviction was allowed, with the time when it was."""
    there = {pod.key.name for pod in pods if not pod.at("metadata.deletionTimestamp")}
    allowed: Mapping[str, str] = budget.at("status.disruptedPods") or {}
    return {name: since for name, since in allowed.items() if name in there and _end(since) >= now}


def overdue(budget: Unstructured, pods: Iterable[Unstructured], now: datetime) -> list[Unstructured]:
    """Return the pods that were to go, as their eviction was allowed, and are still there."""
    allowed: Mapping[str, str] = budget.at("status.disruptedPods") or {}
    there = (pod for pod in pods if not pod.at("metadata.deletionTimestamp"))
    return [pod for pod in there if pod.key.name in allowed and _end(allowed[pod.key.name]) < now]


def stale_in_s(pod: Unstructured, now: datetime) -> float | None:
    """
    Return in how many seconds a pod is no target of a disruption any more, as it has not been deleted.

    None for one that is none, or goes, or has ended, and for one that its kubelet is about to end.
    """
    told = condition(pod, DISRUPTION_TARGET)
    if told is None or told["status"] != "True" or told.get("reason") == _BY_KUBELET:
        return None
    if is_final(pod) or pod.at("metadata.deletionTimestamp"):
        return None
    return max((_end(told["lastTransitionTime"]) - now).total_seconds(), 0.0)


def check_in_s(gone: Mapping[str, str], now: datetime) -> float | None:
    """Return in how many seconds the next of the disrupted pods counts again; None if there is none."""
    return min(((_end(since) - now).total_seconds() for since in gone.values()), default=None)


def status_of(
    budget: Unstructured, pods: Iterable[Unstructured], expected: Expected, gone: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """Compute the status of a budget."""
    healthy = sum(
        ready_since(pod) is not None and not pod.at("metadata.deletionTimestamp") and pod.key.name not in gone
        for pod in pods
    )
    allowed = max(healthy - expected.healthy, 0) if expected.pods > 0 else 0
    generation = budget.metadata.generation
    reason = "SufficientPods" if allowed else "InsufficientPods"
    return {
        "observedGeneration": generation,
        **({"disruptedPods": dict(gone)} if gone else {}),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": expected.healthy,
        "expectedPods": expected.pods,
        "conditions": _conditions(budget, _condition("True" if allowed else "False", generation, reason), now),
    }


def failed(budget: Unstructured, message: str, now: datetime) -> dict[str, Any]:
    """Return the status of a budget that cannot be computed: nothing may go."""
    status = dict(budget.get("status") or {})
    new = _condition("False", status.get("observedGeneration", 0), "SyncFailed", message)
    return status | {"disruptionsAllowed": 0, "conditions": _conditions(budget, new, now)}


def _condition(status: str, generation: int, reason: str, message: str = "") -> dict[str, Any]:
    observed = {"observedGeneration": generation} if generation else {}
    return {"type": _CONDITION, "status": status, **observed, "reason": reason, "message": message}


def _conditions(budget: Unstructured, new: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    """Set a condition; its time changes with its status alone."""
    conditions = [dict(one) for one in budget.at("status.conditions") or ()]
    old = next((one for one in conditions if one["type"] == new["type"]), None)
    is_same = old is not None and old["status"] == new["status"]
    timed = {**new, "lastTransitionTime": old["lastTransitionTime"] if old and is_same else clock.timestamp(now)}
    return [timed if one is old else one for one in conditions] if old is not None else [*conditions, timed]


def _end(since: str) -> datetime:
    return moment_of(since) + timedelta(seconds=DELETION_TIMEOUT_S)
