"""
Plans what a ReplicaSet does about its pods, and counts them for its status. Pure.

A set that has too few makes new ones, one that has too many deletes those that are missed least: not scheduled before
scheduled, pending before running, not ready before ready, cheap before dear, crowded before alone, young before old.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ctrlkit.fakes.cluster.loops.pods import available_in, is_active, moment_of, ready_since
from ctrlkit.model import Unstructured

BURST = 500
"""How many pods one reconcile makes or deletes at most."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
"""The phases of active pods, those that are missed least first."""


@dataclass(frozen=True, slots=True)
class CreatePods:
    """Make so many pods."""

    count: int


@dataclass(frozen=True, slots=True)
class DeletePods:
    """Delete these pods."""

    pods: tuple[Unstructured, ...]


PodSteps = CreatePods | DeletePods


def plan(
    replicas: int, active: Sequence[Unstructured], related: Iterable[Unstructured], now: datetime
) -> PodSteps | None:
    """
    Plan how the number of a set's pods becomes what its spec says; None if it is.

    >>> plan(3, [], [], datetime.min)
    CreatePods(count=3)

    Shape   `active` are the set's pods that have neither ended nor are being deleted; `related` are the pods of all
            sets of the same owner, whose nodes count as crowded.
    Cost    O(n log n) in the number of pods, whatever `replicas` is.
    """
    surplus = len(active) - replicas
    if surplus < 0:
        return CreatePods(min(-surplus, BURST))
    if surplus == 0:
        return None
    crowd: dict[str, int] = {}
    for pod in filter(is_active, related):
        node = pod.at("spec.nodeName") or ""
        crowd[node] = crowd.get(node, 0) + 1
    ranked = sorted(active, key=lambda pod: _rank(pod, crowd, now))
    return DeletePods(tuple(ranked[: min(surplus, BURST)]))


def batches(count: int) -> Iterable[int]:
    """
    Divide pods to make into batches, each twice as large as the one before: the first failures then cost little.

    >>> list(batches(10))
    [1, 2, 4, 3]
    """
    size = 1
    while count > 0:
        yield min(size, count)
        count -= size
        size *= 2


def counts(
    template_labels: Mapping[str, str],
    min_ready_s: float,
    active: Sequence[Unstructured],
    now: datetime,
) -> dict[str, int]:
    """Count a set's pods, as the fields of its status; those that are 0 are left out, but for `replicas`."""
    wanted = template_labels.items()
    left = [available_in(pod, min_ready_s, now) for pod in active]
    found = {
        "fullyLabeledReplicas": sum(wanted <= (pod.metadata.labels or {}).items() for pod in active),
        "readyReplicas": sum(one is not None for one in left),
        "availableReplicas": sum(one == 0 for one in left),
    }
    return {"replicas": len(active)} | {name: count for name, count in found.items() if count}


def _rank(pod: Unstructured, crowd: Mapping[str, int], now: datetime) -> tuple[object, ...]:
    """Order pods by how little they are missed."""
    node = pod.at("spec.nodeName") or ""
    since = ready_since(pod)
    created = moment_of(pod.at("metadata.creationTimestamp"))
    return (
        bool(node),
        PHASES.get(pod.at("status.phase") or "Pending", 0),
        since is not None,
        _deletion_cost(pod),
        -crowd.get(node, 0),
        _age_class(since, now) if since is not None else 0,
        tuple(-restarts for restarts in restarts_for_rank(pod)),
        _age_class(created, now),
        pod.at("metadata.uid") or "",
    )


def _deletion_cost(pod: Unstructured) -> int:
    text = (pod.metadata.annotations or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def restarts_for_rank(pod: Unstructured) -> tuple[int, int]:
    """Return the most restarts of a container, and of a sidecar."""
    always = {one.get("name") for one in pod.at("spec.initContainers") or () if one.get("restartPolicy") == "Always"}
    sidecars = [one for one in pod.at("status.initContainerStatuses") or () if one.get("name") in always]
    return _most_restarts(pod.at("status.containerStatuses") or ()), _most_restarts(sidecars)


def _most_restarts(statuses: Iterable[Mapping[str, int]]) -> int:
    return max((one.get("restartCount", 0) for one in statuses), default=0)


def _age_class(since: datetime, now: datetime) -> int:
    """Return the logarithm of an age: pods of about the same age count as equally old."""
    age_ns = int((now - since).total_seconds() * 1e9)
    return int(math.log2(age_ns)) if age_ns > 0 else -1
