"""
Jobs made by chance fare as they did under the real controller.

job_histories.json has for each its spec, what happened to it, and what was seen at the beginning and 4.5 s after each
move: the status, the conditions and the pods. A move is [what, exit code or number, which pod]; there is no node, and
the ends of pods are long ago, so that no back-off holds their replacements up.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import Loop
from ctrlkit.model import MergePatch, ObjectKey, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import JOBS, PODS

HISTORIES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("job_histories.json").read_text())
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
PAUSE_S = 4.5
TIMES = ("startTime", "completionTime")


def annotation(pod: Unstructured, name: str) -> str:
    return (pod.metadata.annotations or {}).get(name, "")


def pods_of(world: World, name: str) -> list[Unstructured]:
    return [one for one in world.tracker.list(PODS) if (one.metadata.labels or {}).get("job-name") == name]


def seen(world: World, name: str, pods: list[Unstructured]) -> dict[str, Any]:
    """What is seen of a Job and its pods, as the record has it."""
    status = dict(world.tracker.get(JOBS, ObjectKey("default", name)).get("status") or {})
    conditions = [
        [one["type"], one["status"], one["reason"], re.sub(rf"/{name}-\S+", "/POD", one["message"])]
        for one in status.pop("conditions", ())
    ]
    status |= {key: "T" for key in TIMES if key in status}
    uncounted = status.get("uncountedTerminatedPods") or {}
    status["uncountedTerminatedPods"] = {key: len(uids) for key, uids in uncounted.items()}
    shown = sorted(
        [
            annotation(pod, INDEX),
            pod["status"]["phase"],
            pod.metadata.deleting,
            bool(pod.metadata.finalizers),
            annotation(pod, FAILURES),
            annotation(pod, IGNORED),
        ]
        for pod in pods
        if (pod.metadata.labels or {}).get("job-name") == name
    )
    return {"status": status, "conditions": conditions, "pods": shown}


def end_of(what: str, code: int) -> dict[str, Any]:
    """The status of a pod that has ended, or is ready."""
    if what == "ready":
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        return {"phase": "Running", "conditions": [ready]}
    state = {"exitCode": code, "startedAt": "2020-01-01T00:00:00Z", "finishedAt": "2020-01-01T00:00:01Z"}
    container = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    conditions = [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    return {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{**container, "state": {"terminated": state}}],
        "conditions": conditions if what == "disrupt" else [],
    }


def chosen(world: World, history: dict[str, Any], which: float) -> Unstructured | None:
    """The pod that a move is about, of those that are active."""
    active = [
        one
        for one in pods_of(world, history["name"])
        if one["status"]["phase"] in ("Pending", "Running") and not one.metadata.deleting
    ]
    active.sort(key=lambda one: (annotation(one, INDEX), one["status"]["phase"], one.metadata.creation_timestamp))
    if not active:
        return None
    return active[int(which * len(active))] if "completionMode" in history["spec"] else active[0]


async def move(world: World, history: dict[str, Any], what: str, number: int, which: float) -> None:
    """Let something happen to a Job."""
    name = ObjectKey("default", history["name"])
    changes: dict[str, dict[str, Any]] = {
        "parallelism": {"parallelism": number},
        "suspend": {"suspend": not world.tracker.get(JOBS, name).at("spec.suspend")},
        "elastic": {"parallelism": number, "completions": number} if "completionMode" in history["spec"] else {},
    }
    if what in changes:
        patch = MergePatch({"spec": changes[what]})
        await world.client.patch(JOBS, name, patch)
        return
    pod = chosen(world, history, which)
    if pod is None:
        return
    end = StrategicMergePatch({"status": end_of(what, number)})
    await world.client.patch(PODS, pod.key, end, subresource="status")


@pytest.mark.long
async def test_jobs_made_by_chance_fare_as_under_the_real_controller() -> None:
    template = {
        "spec": {"schedulerName": "by-hand", "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    }
    async with World(cluster=[Loop.JOBS, Loop.GARBAGE]) as world:
        for history in HISTORIES:
            metadata = {"name": history["name"], "namespace": "default"}
            await world.client.create(JOBS, {"metadata": metadata, "spec": {"template": template, **history["spec"]}})
        await world.advance(PAUSE_S)
        for step in range(len(HISTORIES[0]["seen"])):
            pods = world.tracker.list(PODS)
            for history in HISTORIES:
                assert seen(world, history["name"], pods) == history["seen"][step], (
                    history["spec"],
                    history["moves"][:step],
                )
            if step < len(HISTORIES[0]["moves"]):
                for history in HISTORIES:
                    await move(world, history, *history["moves"][step])
                await world.advance(PAUSE_S)
