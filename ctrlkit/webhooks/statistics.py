"""How often webhooks answered, with which codes, and how long it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ctrlkit.histogram import Histogram, HistogramStatistics


@dataclass(frozen=True, slots=True)
class WebhookStatistics:
    """
    A picture of the answers of one webhook.

    Shape   `answers` counts them by their code: 200 for what was allowed or converted, else that of the refusal.
            `failures` are those of functions that raised what is no refusal; `latency` has the durations in seconds.
    """

    answers: Mapping[int, int]
    failures: int
    in_flight: int
    latency: HistogramStatistics


class Counts:
    """Counts the answers of one webhook."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.failures = 0
        self._answers: Counter[int] = Counter({200: 0, 500: 0})
        self._latency = Histogram()

    def answered(self, code: int, seconds: float) -> None:
        """Count an answer."""
        self._answers[code] += 1
        self._latency.observe(seconds)

    def statistics(self) -> WebhookStatistics:
        """Return a picture."""
        return WebhookStatistics(dict(self._answers), self.failures, self.in_flight, self._latency.statistics())
