"""What the gates of controllers count, as Prometheus samples (row B1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ctrlkit.controller.controller import Controller
from ctrlkit.controller.metrics import named

GATE_METRICS = (
    ("controller_write_gate_held_keys", "Keys that wait to see what they wrote.", GaugeMetricFamily),
    ("controller_write_gate_holds_total", "Times a key had to wait for its own writes.", CounterMetricFamily),
    ("controller_write_gate_timeouts_total", "Times its writes were not seen in time.", CounterMetricFamily),
    ("controller_write_gate_wait_seconds_total", "How long keys waited, in all.", CounterMetricFamily),
)


class GateCollector(Collector):
    """Samples of controllers' gates; `controllers` says which, at each scrape."""

    def __init__(self, controllers: Callable[[], Iterable[Controller]]) -> None:
        self._controllers = controllers

    def describe(self) -> Iterator[Metric]:
        """The families, without samples."""
        return (kind(name, text, labels=("controller",)) for name, text, kind in GATE_METRICS)

    def collect(self) -> Iterator[Metric]:
        """The families, with a sample for each controller there is now."""
        families = [kind(name, text, labels=("controller",)) for name, text, kind in GATE_METRICS]
        for name, controller in named(self._controllers()):
            gate = controller.statistics().gate
            values = (gate.held, gate.holds, gate.timeouts, gate.waited_s)
            for family, value in zip(families, values, strict=True):
                family.add_metric((name,), value)
        return iter(families)
