"""
The reviews that webhooks are sent are those of a real server.

`webhook_reviews.json` has requests in order, and the reviews that a kube-apiserver 1.36 sent to a mutating webhook `m`
(v1beta1) and a validating one `v` (v1) for them; without `reviews` a request only prepares others. Uids, versions,
times and generated names are masked.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from ctrlkit.fakes import ApiServer, Security, Tracker
from ctrlkit.fakes.tracker.exchanges import Question, Reply
from ctrlkit.fakes.world.webhooks import WorldWebhooks
from ctrlkit.model import Options
from ctrlkit.model.kinds import MUTATING_WEBHOOK_CONFIGURATIONS, NAMESPACES, VALIDATING_WEBHOOK_CONFIGURATIONS

pytestmark = [pytest.mark.real_time]

STEPS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("webhook_reviews.json").read_text())
MASKS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
    (r"20\d\d-\d\d-\d\dT[\d:.]+Z", "T"),
    (r'"resourceVersion": "\d+"', '"resourceVersion": "RV"'),
    (r"\bg-[a-z0-9]{5}\b", "g-*****"),
)


class Noting(WorldWebhooks):
    """Allows everything, and notes what was asked."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__(tracker)
        self.reviews: list[list[Any]] = []

    async def ask(self, question: Question, body: bytes) -> Reply:
        """Note a review, and allow the request."""
        review = msgspec.json.decode(body)
        self.reviews.append([question.name[0], masked(review)])
        head = {"kind": review["kind"], "apiVersion": review["apiVersion"]}
        return Reply(body=msgspec.json.encode({**head, "response": {"uid": review["request"]["uid"], "allowed": True}}))


def masked(value: Any) -> Any:
    """Return a value with what differs from server to server masked."""
    text = json.dumps(value, sort_keys=True)
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return json.loads(text)


def configured(tracker: Tracker) -> None:
    """Configure two webhooks for everything in the namespaces with a label, as when the file was recorded."""
    owner = Options(field_manager="probe")
    tracker.create(NAMESPACES, {"metadata": {"name": "wh", "labels": {"wh": "yes"}}}, options=owner)
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    for kind, name, versions in (
        (VALIDATING_WEBHOOK_CONFIGURATIONS, "v", ["v1"]),
        (MUTATING_WEBHOOK_CONFIGURATIONS, "m", ["v1beta1", "v1"]),
    ):
        hook = {
            "name": f"{name}.probe.io",
            "admissionReviewVersions": versions,
            "sideEffects": "None",
            "clientConfig": {"url": "https://hooks.test/x"},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"wh": "yes"}},
        }
        tracker.create(kind, {"metadata": {"name": name}, "webhooks": [hook]})


async def test_the_reviews_are_those_of_a_real_server() -> None:
    tracker = Tracker()
    configured(tracker)
    tracker.webhooks = webhooks = Noting(tracker)
    wrong = {}
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        aiohttp.ClientSession() as session,
    ):
        for step in STEPS:
            webhooks.reviews.clear()
            headers = {"Content-Type": step.get("type", "application/json"), "User-Agent": "probe/1"}
            body = json.dumps(step["body"]) if "body" in step else None
            url = server.url + step["path"]
            async with session.request(step["method"], url, data=body, headers=headers) as answer:
                status = answer.status
            if "reviews" in step and (status, webhooks.reviews) != (step["status"], step["reviews"]):
                wrong[step["name"]] = (status, webhooks.reviews)
    assert not wrong
