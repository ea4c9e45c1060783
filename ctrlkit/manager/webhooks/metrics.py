"""Prometheus metrics of the certificates of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ctrlkit.samples import COUNTER, GAUGE, Family, Sample, SampleCollector


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """When the certificate that is served ends, in seconds since 1970; how often which step went well, and failed."""

    ends: float | None
    steps: Mapping[str, int]
    failures: Mapping[str, int]


class WebhookCertificateCollector(SampleCollector):
    """Collects the certificates of one manager's webhooks; `facts` returns None where none are served."""

    families: ClassVar[tuple[Family, ...]] = (
        Family("webhook_certificate_end_seconds", "When the certificate that is served ends.", GAUGE),
        Family(
            "webhook_certificate_steps_total", "Certificates made and stored, caBundles patched.", COUNTER, ("step",)
        ),
        Family("webhook_certificate_failures_total", "Steps that failed, or came too late.", COUNTER, ("step",)),
    )

    def __init__(self, facts: Callable[[], CertificateFacts | None]) -> None:
        self._facts = facts

    def samples(self) -> Iterator[Sample]:
        """What there is now."""
        facts = self._facts()
        if facts is None:
            return
        if facts.ends is not None:
            yield "webhook_certificate_end_seconds", (), facts.ends
        for step, count in facts.steps.items():
            yield "webhook_certificate_steps_total", (step,), count
        for step, count in facts.failures.items():
            yield "webhook_certificate_failures_total", (step,), count
