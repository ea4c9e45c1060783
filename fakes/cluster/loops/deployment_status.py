"""
What a Deployment's status says: counts of its ReplicaSets, and whether the rollout makes progress. Pure.

Progressing is True while pods come or go, and again when all is done; Unknown while the Deployment is paused, and False
once nothing has happened for `spec.progressDeadlineSeconds`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ctrlkit.fakes.cluster.loops.conditions import Condition, with_condition, without_condition
from ctrlkit.fakes.cluster.loops.deployment_plan import Replicas
from ctrlkit.fakes.cluster.loops.pods import condition, moment_of

_FOREVER_S = 2**31 - 1
_PROGRESSING = "Progressing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """
    A Deployment as its status is computed from it.

    `status` is the one it has, `new` its ReplicaSet with its template, `made` whether that was made just now, `failure`
    the ReplicaFailure of a ReplicaSet. `deadline_s` is None where progress is not watched.
    """

    name: str
    generation: int
    replicas: int
    max_unavailable: int
    status: Mapping[str, Any]
    sets: Sequence[Replicas]
    new: Replicas | None
    made: bool = False
    deadline_s: int | None = None
    is_paused: bool = False
    is_scaled: bool = False
    failure: Condition | None = None


_NEVER_FAILS = ("ProgressDeadlineExceeded", "NewReplicaSetAvailable")
"""Reasons that stay when the deadline is over: what failed has failed, and a rollout that succeeded does not fail."""


def deadline_of(spec: Mapping[str, Any]) -> int | None:
    """Return after how many seconds without progress a rollout has failed; None for never."""
    seconds = spec.get("progressDeadlineSeconds")
    return None if seconds is None or seconds == _FOREVER_S else int(seconds)


def status_of(observed: Observed, now: datetime) -> dict[str, Any]:
    """Compute the status; its counts that are 0 are left out, as a server leaves them out."""
    sets, new = observed.sets, observed.new
    available = sum(one.available for one in sets)
    counts = {
        "replicas": sum(one.actual for one in sets),
        "updatedReplicas": new.actual if new is not None else 0,
        "readyReplicas": sum(one.ready for one in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(sum(one.replicas for one in sets) - available, 0),
    }
    status: dict[str, Any] = {"observedGeneration": observed.generation}
    status |= {name: count for name, count in counts.items() if count}
    status["terminatingReplicas"] = sum(one.terminating for one in sets)
    if "collisionCount" in observed.status:
        status["collisionCount"] = observed.status["collisionCount"]
    status["conditions"] = _conditions(observed, counts, now)
    return status


def is_complete(replicas: int, generation: int, status: Mapping[str, Any]) -> bool:
    """Whether all pods that a Deployment wants are there, of its template and available, and no others."""
    counts = (status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas"))
    return all(count == replicas for count in counts) and status.get("observedGeneration", 0) >= generation


def check_in_s(observed: Observed, status: Mapping[str, Any], now: datetime) -> float | None:
    """Return in how many seconds a rollout without progress has failed; None if there is nothing to wait for."""
    progressing = condition({"status": status}, _PROGRESSING)
    if observed.deadline_s is None or progressing is None or progressing.get("reason") in _NEVER_FAILS:
        return None
    if observed.is_paused or is_complete(observed.replicas, observed.generation, status):
        return None
    end = moment_of(progressing.get("lastUpdateTime")) + timedelta(seconds=observed.deadline_s)
    return max((end - now).total_seconds(), 0.0) + 1.0


def _conditions(observed: Observed, counts: Mapping[str, int], now: datetime) -> list[Condition]:
    conditions: list[Condition] = [dict(one) for one in observed.status.get("conditions") or ()]
    if observed.deadline_s is not None:
        conditions = with_pause(conditions, is_paused=observed.is_paused, now=now)
        conditions = _with_discovery(observed, conditions, now)
    conditions = with_condition(conditions, _availability(observed, counts), now)
    if observed.is_paused or observed.is_scaled:
        return conditions
    if observed.deadline_s is None:
        conditions = without_condition(conditions, _PROGRESSING)
    else:
        conditions = _with_progress(observed, counts, conditions, now)
    if observed.failure is not None:
        return with_condition(conditions, {**observed.failure, "lastUpdateTime": ""}, now)
    return without_condition(conditions, "ReplicaFailure")


def with_pause(conditions: list[Condition], *, is_paused: bool, now: datetime) -> list[Condition]:
    """Say that a rollout was paused or goes on, unless it had failed already."""
    old = condition({"status": {"conditions": conditions}}, _PROGRESSING)
    reason = old.get("reason") if old is not None else None
    if reason == "ProgressDeadlineExceeded" or is_paused == (reason == "DeploymentPaused"):
        return conditions
    word = "paused" if is_paused else "resumed"
    return with_condition(
        conditions, _progressing("Unknown", f"Deployment{word.title()}", f"Deployment is {word}"), now
    )


def _with_discovery(observed: Observed, conditions: list[Condition], now: datetime) -> list[Condition]:
    """Say that the new ReplicaSet was made, or found by a Deployment that has said nothing about progress so far."""
    if observed.new is None:
        return conditions
    if observed.made:
        text = f'Created new replica set "{observed.new.name}"'
        return with_condition(conditions, _progressing("True", "NewReplicaSetCreated", text), now)
    if condition({"status": {"conditions": conditions}}, _PROGRESSING) is None:
        text = f'Found new replica set "{observed.new.name}"'
        return with_condition(conditions, _progressing("True", "FoundNewReplicaSet", text), now)
    return conditions


def _availability(observed: Observed, counts: Mapping[str, int]) -> Condition:
    if counts["availableReplicas"] >= observed.replicas - observed.max_unavailable:
        status, reason, text = "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        status, reason, text = "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return {"type": "Available", "status": status, "lastUpdateTime": "", "reason": reason, "message": text}


def _with_progress(
    observed: Observed, counts: Mapping[str, int], conditions: list[Condition], now: datetime
) -> list[Condition]:
    before = condition({"status": observed.status}, _PROGRESSING)
    is_over = counts["replicas"] == counts["updatedReplicas"]
    if is_over and before is not None and before.get("reason") == "NewReplicaSetAvailable":
        return conditions
    what = f'ReplicaSet "{observed.new.name}"' if observed.new is not None else f'Deployment "{observed.name}"'
    if is_complete(observed.replicas, observed.generation, {**counts, "observedGeneration": observed.generation}):
        done = _progressing("True", "NewReplicaSetAvailable", f"{what} has successfully progressed.")
        return with_condition(conditions, done, now)
    if _moves(observed.status, counts):
        going = _progressing("True", "ReplicaSetUpdated", f"{what} is progressing.")
        kept = without_condition(conditions, _PROGRESSING)
        added = with_condition(kept, going, now)
        if before is not None and before["status"] == "True":
            added[-1]["lastTransitionTime"] = before["lastTransitionTime"]
        return added
    if _has_timed_out(observed, conditions, now):
        late = _progressing("False", "ProgressDeadlineExceeded", f"{what} has timed out progressing.")
        return with_condition(conditions, late, now)
    return conditions


def _moves(before: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    """Whether pods have come up or gone since the last status."""
    old: dict[str, int] = {name: before.get(name, 0) for name in counts}
    return (
        counts["updatedReplicas"] > old["updatedReplicas"]
        or counts["replicas"] - counts["updatedReplicas"] < old["replicas"] - old["updatedReplicas"]
        or counts["readyReplicas"] > old["readyReplicas"]
        or counts["availableReplicas"] > old["availableReplicas"]
    )


def _has_timed_out(observed: Observed, conditions: list[Condition], now: datetime) -> bool:
    progressing = condition({"status": {"conditions": conditions}}, _PROGRESSING)
    if progressing is None or observed.deadline_s is None or progressing["reason"] == "NewReplicaSetAvailable":
        return False
    if progressing["reason"] == "ProgressDeadlineExceeded":
        return True
    ends: datetime = moment_of(progressing["lastUpdateTime"]) + timedelta(seconds=observed.deadline_s)
    return ends < now


def _progressing(status: str, reason: str, message: str) -> Condition:
    return {"type": _PROGRESSING, "status": status, "lastUpdateTime": "", "reason": reason, "message": message}
