"""
What does an admission webhook add to a request?

Budget   in ratios to json.loads of the review, 20 us for a pod of 4.5 KB: 4 x where the pod is decoded with all its
         fields and looked at, 30 x where it is changed, 15 x for a merge patch of a dict-like one; so each is well
         under a millisecond of our own.
Sketch   a typed pod is one msgspec pass of 20 us. A change encodes it twice, decodes the raw object and the patched
         one, and walks through all: a dozen passes. The rest is a Review and a log line that is dropped.
Run      make bench ARGS=webhooks
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ctrlkit import MergePatch, Review, mutating, validating
from ctrlkit.kinds import PODS, core
from ctrlkit.model import Unstructured
from ctrlkit.telemetry import LogLevel, configure_logging
from ctrlkit.webhooks import AdmissionWebhook, Webhooks
from tests.bench.case import Case
from tests.bench.pods import POD

REVIEWS = 50


@validating(core.PODS)
def look(pod: core.Pod, _review: Review[core.Pod]) -> None:
    """Allow what it sees."""
    assert pod.spec.containers


@mutating(core.PODS)
def pull(pod: core.Pod, _review: Review[core.Pod]) -> core.Pod:
    """Change each container."""
    containers = tuple(replace(each, image_pull_policy="Never") for each in pod.spec.containers)
    return replace(pod, spec=replace(pod.spec, containers=containers))


@mutating(PODS)
def label(_pod: Unstructured, _review: Review[Unstructured]) -> MergePatch:
    """Add a label."""
    return MergePatch({"metadata": {"labels": {"seen": "yes"}}})


def review(pod: Any) -> bytes:
    """A review of a pod that is created."""
    request = {"uid": "1", "operation": "CREATE", "name": "a", "namespace": "demo", "object": pod}
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(body).encode()


def cases() -> Iterator[Case]:
    """One that looks, one that changes a typed pod, one that answers with a patch."""
    configure_logging(level=LogLevel.WARNING)
    body = review(POD)
    hooks: tuple[tuple[AdmissionWebhook[Any], str, float], ...] = (
        (look, "validated, typed", 4),
        (pull, "changed, typed", 30),
        (label, "patched, dict-like", 15),
    )
    for hook, name, budget in hooks:
        webhooks = Webhooks([hook])

        async def answer(webhooks: Webhooks = webhooks, path: str = hook.path) -> None:
            for _ in range(REVIEWS):
                await webhooks.answer(path, body)

        with asyncio.Runner() as runner:
            assert b'"allowed":true' in runner.run(webhooks.answer(hook.path, body)).body

        yield Case(
            name=f"webhooks: a review of a pod, {name}",
            subject=lambda answer=answer: asyncio.run(answer()),  # type: ignore[misc]
            baseline=lambda: [json.loads(body) for _ in range(REVIEWS)],
            operations=REVIEWS,
            budget=budget,
        )
