"""
The metrics of one manager, in a registry of its own: many managers may live in one process (row B20).

In       The parts, asked when somebody scrapes and at no other time.
Out      Every family that docs/operating.md lists, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ctrlkit.cache.metrics import InformerCollector
from ctrlkit.controller.gate_metrics import GateCollector
from ctrlkit.controller.metrics import ControllerCollector
from ctrlkit.election.metrics import ElectionCollector
from ctrlkit.events.metrics import EventCollector
from ctrlkit.manager.endpoints.served import electors_of
from ctrlkit.wire.metrics import RestCollector
from ctrlkit.wire.transport import RestTransport
from ctrlkit.workqueue.metrics import QueueCollector

if TYPE_CHECKING:
    from ctrlkit.manager.endpoints.certificate import Certificate
    from ctrlkit.manager.endpoints.heartbeat import Heartbeat
    from ctrlkit.manager.endpoints.served import Served


def registry(
    manager: Served, *, heartbeat: Heartbeat | None = None, certificate: Certificate | None = None
) -> CollectorRegistry:
    """All that is measured of a manager and its process; what is not there has families without samples."""
    made = CollectorRegistry()
    for collector in (
        InformerCollector(lambda: manager.informers),
        QueueCollector(lambda: [(each.name, each.queue) for each in manager.controllers]),
        ControllerCollector(lambda: manager.controllers),
        GateCollector(lambda: manager.controllers),
        EventCollector(lambda: manager.recorders),
        ElectionCollector(lambda: electors_of(manager)),
        RestCollector(lambda: _transports(manager)),
        LoopCollector(heartbeat),
        CertificateCollector(certificate),
    ):
        made.register(collector)
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def _transports(manager: Served) -> tuple[RestTransport, ...]:
    """What speaks HTTP for a manager; nothing does in a world of fakes."""
    transport = manager.client.transport
    return (transport,) if isinstance(transport, RestTransport) else ()


class LoopCollector(Collector):
    """How late the event loop's timers are."""

    def __init__(self, heartbeat: Heartbeat | None) -> None:
        self._heartbeat = heartbeat

    def describe(self) -> Iterator[Metric]:
        """The family, without samples."""
        yield HistogramMetricFamily("event_loop_lag_seconds", "How late a timer of each second was.")

    def collect(self) -> Iterator[Metric]:
        """The family as it is now."""
        if self._heartbeat is None:
            yield from self.describe()
            return
        statistics = self._heartbeat.statistics()
        (family,) = self.describe()
        assert isinstance(family, HistogramMetricFamily)
        family.add_metric((), statistics.cumulative(), statistics.sum_s)
        yield family


class CertificateCollector(Collector):
    """How often the endpoints' certificate was read (row W11)."""

    def __init__(self, certificate: Certificate | None) -> None:
        self._certificate = certificate

    def describe(self) -> Iterator[Metric]:
        """The families, without samples."""
        yield CounterMetricFamily("certwatcher_read_certificate_total", "Times the certificate was read.")
        yield CounterMetricFamily("certwatcher_read_certificate_errors_total", "Times it could not be used.")

    def collect(self) -> Iterator[Metric]:
        """The families as they are now."""
        families = tuple(self.describe())
        if self._certificate is not None:
            statistics = self._certificate.statistics()
            for family, value in zip(families, (statistics.reads, statistics.failures), strict=True):
                assert isinstance(family, CounterMetricFamily)
                family.add_metric((), value)
        return iter(families)
