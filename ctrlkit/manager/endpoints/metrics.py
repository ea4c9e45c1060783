"""
The metrics of one manager, in a registry of its own: many managers may live in one process (row B20).

In       The parts, asked when somebody scrapes and at no other time.
Out      `registry`: every family that docs/operating.md lists, and no other. `families`: these, and those that the
         program itself has registered with prometheus_client.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from prometheus_client import REGISTRY, CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric

from ctrlkit.cache.metrics import InformerCollector
from ctrlkit.controller.metrics import ControllerCollector
from ctrlkit.election.metrics import ElectionCollector
from ctrlkit.events.metrics import EventCollector
from ctrlkit.manager.webhooks.metrics import WebhookCertificateCollector
from ctrlkit.names import own_version
from ctrlkit.samples import COUNTER, GAUGE, HISTOGRAM, Family, Sample, SampleCollector
from ctrlkit.webhooks.metrics import WebhookCollector
from ctrlkit.wire.metrics import RestCollector
from ctrlkit.wire.transport import RestTransport
from ctrlkit.workqueue.metrics import QueueCollector

if TYPE_CHECKING:
    from ctrlkit.manager.endpoints.access import Certificate
    from ctrlkit.manager.endpoints.health import Heartbeat
    from ctrlkit.manager.manager import Manager


_PROGRAM: Final = ("program", "version")


def registry(
    manager: Manager, *, heartbeat: Heartbeat | None = None, certificate: Certificate | None = None
) -> CollectorRegistry:
    """All that is measured of a manager and its process; what is not there has families without samples."""
    made = CollectorRegistry()
    for collector in (
        InformerCollector(lambda: manager.informers),
        QueueCollector(lambda: [(each.name, each.queue) for each in manager.controllers]),
        ControllerCollector(lambda: manager.controllers),
        EventCollector(lambda: manager.recorders),
        ElectionCollector(lambda: manager.electors),
        WebhookCollector(lambda: manager.webhooks),
        WebhookCertificateCollector(
            lambda: None if manager.webhook_server is None else manager.webhook_server.statistics()
        ),
        RestCollector(lambda: _transports(manager)),
        LoopCollector(heartbeat),
        CertificateCollector(certificate),
        ProgramCollector(manager),
    ):
        made.register(collector)
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def families(ours: CollectorRegistry, theirs: CollectorRegistry = REGISTRY) -> list[Metric]:
    """
    What a scrape shows: our families, and of a program's own registry those whose names are not ours.

    prometheus_client puts what a program counts, `Counter("notes_total", ...)`, into its registry for the process; that
    has collectors for the process and for Python besides, as ours has.
    """
    found = list(ours.collect())
    names = {family.name for family in found}
    return found + [family for family in theirs.collect() if family.name not in names]


def _transports(manager: Manager) -> tuple[RestTransport, ...]:
    """What speaks HTTP for a manager; nothing does in a world of fakes."""
    transport = manager.client.transport
    return (transport,) if isinstance(transport, RestTransport) else ()


class ProgramCollector(SampleCollector):
    """Collects what this is, so that a dashboard finds all programs, and an alert sees that one is gone."""

    families: ClassVar[tuple[Family, ...]] = (
        Family("ctrlkit_info", "1; the labels say which program this is, and which ctrlkit.", GAUGE, _PROGRAM),
    )

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def samples(self) -> Iterator[Sample]:
        """One, always 1."""
        yield "ctrlkit_info", (self._manager.client.field_manager, own_version()), 1


class LoopCollector(SampleCollector):
    """Collects how late the event loop's timers are."""

    families: ClassVar[tuple[Family, ...]] = (
        Family("event_loop_lag_seconds", "How late a timer of each second was.", HISTOGRAM),
    )

    def __init__(self, heartbeat: Heartbeat | None) -> None:
        self._heartbeat = heartbeat

    def samples(self) -> Iterator[Sample]:
        """The delays so far."""
        if self._heartbeat is not None:
            yield "event_loop_lag_seconds", (), self._heartbeat.statistics()


class CertificateCollector(SampleCollector):
    """Collects how often the endpoints' certificate was read."""

    families: ClassVar[tuple[Family, ...]] = (
        Family("certwatcher_read_certificate_total", "Times the certificate was read.", COUNTER),
        Family("certwatcher_read_certificate_errors_total", "Times it could not be used.", COUNTER),
    )

    def __init__(self, certificate: Certificate | None) -> None:
        self._certificate = certificate

    def samples(self) -> Iterator[Sample]:
        """The counts so far."""
        if self._certificate is not None:
            statistics = self._certificate.statistics()
            yield "certwatcher_read_certificate_total", (), statistics.reads
            yield "certwatcher_read_certificate_errors_total", (), statistics.failures
