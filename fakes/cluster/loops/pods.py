"""What controllers of workloads know about pods: which count, since when they are ready, how one is made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.model import AnyResource, ObjectMeta, StrategicMergePatch, Unstructured, to_plain

DISRUPTION_TARGET = "DisruptionTarget"
"""The condition of a pod that is to go, which its own controller did not ask for."""

FINAL_PHASES = frozenset({"Succeeded", "Failed"})
"""The phases that a pod does not leave."""


def is_active(pod: Unstructured) -> bool:
    """Whether a pod counts as one that runs or is going to."""
    return not is_final(pod) and not pod.at("metadata.deletionTimestamp")


def is_final(pod: Unstructured) -> bool:
    """Whether a pod has ended, in success or failure."""
    return pod.at("status.phase") in FINAL_PHASES


def is_terminating(pod: Unstructured) -> bool:
    """Whether a pod is being deleted and has not ended yet."""
    return bool(pod.at("metadata.deletionTimestamp")) and not is_final(pod)


def condition(thing: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return a condition of a status by its type."""
    found = ((thing.get("status") or {}).get("conditions")) or ()
    return next((one for one in found if one.get("type") == name), None)


def ready_since(pod: Unstructured) -> datetime | None:
    """
    Return since when a pod is ready; None if it is not.

    >>> ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    >>> ready_since(Unstructured({"status": {"conditions": [ready]}})).year
    2026
    """
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    return moment_of(ready.get("lastTransitionTime"))


def moment_of(text: str | None) -> datetime:
    """Read a time stamp of the API; one that is missing is long ago."""
    return datetime.fromisoformat(text or "0001-01-01T00:00:00Z")


def available_in(pod: Unstructured, min_ready_s: float, now: datetime) -> float | None:
    """Return in how many seconds a pod has been ready for long enough: 0 if it has; None if it is not ready."""
    since = ready_since(pod)
    if since is None:
        return None
    if not min_ready_s:
        return 0.0
    return max(0.0, (since + timedelta(seconds=min_ready_s) - now).total_seconds())


def next_check_s(pods: Iterable[Unstructured], min_ready_s: float, now: datetime) -> float | None:
    """Return in how many seconds the next of some pods has been ready for long enough; None if none is about to."""
    return min((left for pod in pods if (left := available_in(pod, min_ready_s, now))), default=None)


def condition_patch(conditions: Iterable[Mapping[str, Any]], new: Mapping[str, Any]) -> dict[str, Any]:
    """
    Build the part of a strategic merge patch of a status that sets a condition; one that is new stands last.

    >>> condition_patch([{"type": "Ready"}], {"type": "PodScheduled"})["$setElementOrder/conditions"]
    [{'type': 'Ready'}, {'type': 'PodScheduled'}]
    """
    types = dict.fromkeys([*(one["type"] for one in conditions), new["type"]])
    return {"conditions": [new], "$setElementOrder/conditions": [{"type": name} for name in types]}


def status_patch(
    pod: Unstructured, *, condition: Mapping[str, Any] | None = None, **fields: Any
) -> StrategicMergePatch:
    """Build the patch that sets fields of a pod's status, and a condition: a new one stands last, as from Go."""
    status = dict(fields)
    if condition is not None:
        status |= condition_patch(pod.at("status.conditions") or (), condition)
    return StrategicMergePatch({"metadata": {"uid": pod.metadata.uid}, "status": status})


def pods_on(pods: Lister[Unstructured], node: str) -> list[Unstructured]:
    """Return the pods that are bound to a node. It looks at all pods, so it is for what is rare."""
    return [pod for pod in pods.list() if pod.at("spec.nodeName") == node]


def pod_of_template(template: Mapping[str, Any], owner: ObjectMeta, owners: AnyResource) -> dict[str, Any]:
    """Build a pod of a template, with a name that the server chooses, controlled by an owner."""
    metadata = template.get("metadata") or {}
    kept = {name: to_plain(metadata[name]) for name in ("labels", "annotations", "finalizers") if metadata.get(name)}
    return {
        "metadata": {
            **kept,
            "generateName": f"{owner.name}-",
            "namespace": owner.namespace,
            "ownerReferences": [to_plain(owners.owner_reference(owner))],
        },
        "spec": to_plain(template.get("spec") or {}),
    }
