"""Prometheus metrics of webhooks, with controller-runtime's names where it has one (row W4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from ctrlkit.samples import COUNTER, GAUGE, HISTOGRAM, Family, Sample, SampleCollector
from ctrlkit.webhooks.configurations import CONVERT_PATH
from ctrlkit.webhooks.webhooks import Webhooks

_LABELS = ("webhook",)


class WebhookCollector(SampleCollector):
    """Collects what webhooks answered; `webhooks` returns the set at each scrape. The label `webhook` is the path."""

    families: ClassVar[tuple[Family, ...]] = (
        Family(
            "controller_runtime_webhook_latency_seconds",
            "The time from a review to its answer.",
            HISTOGRAM,
            _LABELS,
        ),
        Family(
            "controller_runtime_webhook_requests_total",
            "Reviews by the code of their answer: 200 for what was allowed or converted.",
            COUNTER,
            (*_LABELS, "code"),
        ),
        Family("controller_runtime_webhook_requests_in_flight", "Reviews that are not answered yet.", GAUGE, _LABELS),
        Family(
            "controller_runtime_webhook_panics_total",
            "Reviews for admission whose function raised what is no refusal.",
            COUNTER,
        ),
        Family(
            "controller_runtime_conversion_webhook_panics_total",
            "Reviews for conversion one of whose functions raised.",
            COUNTER,
        ),
    )

    def __init__(self, webhooks: Callable[[], Webhooks]) -> None:
        self._webhooks = webhooks

    def samples(self) -> Iterator[Sample]:
        """The samples of each path there is now."""
        found = self._webhooks().statistics()
        for path, of in found.items():
            yield "controller_runtime_webhook_latency_seconds", (path,), of.latency
            for code, count in of.answers.items():
                yield "controller_runtime_webhook_requests_total", (path, str(code)), count
            yield "controller_runtime_webhook_requests_in_flight", (path,), of.in_flight
        failures = {path: of.failures for path, of in found.items()}
        converting = failures.pop(CONVERT_PATH, 0)
        if found:
            yield "controller_runtime_webhook_panics_total", (), sum(failures.values())
            yield "controller_runtime_conversion_webhook_panics_total", (), converting
