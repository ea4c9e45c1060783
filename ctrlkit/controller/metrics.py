"""
What controllers do, as Prometheus samples.

    REGISTRY.register(ControllerCollector(lambda: manager.controllers))

Names, labels and buckets are those of controller-runtime (row K15), so its dashboards and alerts work unchanged:

    reconcile_total{result}      success        done
                                 requeue_after  requeue_after
                                 error          error and terminal_error, as there
                                 conflict       conflict: a result of our own, which no panel calls an error (B11)
                                 requeue        retry_later: again, and no error
    reconcile_errors_total       error and terminal_error
    terminal_reconcile_errors_total, reconcile_panics_total (what was unforeseen), reconcile_timeouts_total

Each reconcile counts once in reconcile_total and once in reconcile_time_seconds. One that was cut off has no result,
and is counted in controller_cancelled_total alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ctrlkit.controller.controller import Controller
from ctrlkit.controller.tally import ControllerStatistics
from ctrlkit.controller.verdict import Result
from ctrlkit.histogram import HistogramStatistics
from ctrlkit.names import told_apart
from ctrlkit.samples import add_sample


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    help: str
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily] | type[HistogramMetricFamily]
    label: str = ""

    def empty(self) -> GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily:
        """The family without samples."""
        return self.kind(self.name, self.help, labels=("controller", self.label) if self.label else ("controller",))


_GAUGE, _COUNTER, _HISTOGRAM = GaugeMetricFamily, CounterMetricFamily, HistogramMetricFamily
METRICS: Final = (
    _Family("controller_runtime_reconcile_total", "Reconciles by result.", _COUNTER, "result"),
    _Family("controller_runtime_reconcile_errors_total", "Reconciles that failed.", _COUNTER),
    _Family("controller_runtime_terminal_reconcile_errors_total", "Those of them not tried again.", _COUNTER),
    _Family("controller_runtime_reconcile_panics_total", "Reconciles that raised what nobody foresaw.", _COUNTER),
    _Family("controller_runtime_reconcile_timeouts_total", "Reconciles that took too long.", _COUNTER),
    _Family("controller_runtime_reconcile_time_seconds", "How long reconciles took.", _HISTOGRAM),
    _Family("controller_runtime_max_concurrent_reconciles", "Workers.", _GAUGE),
    _Family("controller_runtime_active_workers", "Workers that reconcile now.", _GAUGE),
    _Family("controller_cancelled_total", "Reconciles that were cut off.", _COUNTER),
    _Family("controller_causes_total", "What led to reconciles.", _COUNTER, "cause"),
    _Family("controller_stuck_keys", "Reconciles that have run for too long.", _GAUGE),
    _Family("controller_source_failures_total", "Mappers, predicates and the like that raised.", _COUNTER),
    _Family("controller_synced", "1 once what was there at the beginning is in the queue.", _GAUGE),
)


class ControllerCollector(Collector):
    """
    Samples of controllers; `controllers` says which, at each scrape.

    Two of one name are told apart by `#2` after it; a name is free again when its controller is gone (K3, B20).
    """

    def __init__(self, controllers: Callable[[], Iterable[Controller]]) -> None:
        self._controllers = controllers

    def describe(self) -> Iterator[Metric]:
        """The families, without samples."""
        return (family.empty() for family in METRICS)

    def collect(self) -> Iterator[Metric]:
        """The families, with a sample for each controller there is now, and for each result from the beginning (K4)."""
        families = {family.name: family.empty() for family in METRICS}
        for name, controller in named(self._controllers()):
            for family, more, value in _samples(controller.statistics(), synced=controller.has_synced()):
                add_sample(families[family], (name, *more), value)
        return iter(families.values())


def named(controllers: Iterable[Controller]) -> Iterator[tuple[str, Controller]]:
    """Each with what its samples call it."""
    return told_apart((controller.name, controller) for controller in controllers)


_Sample = tuple[str, tuple[str, ...], float | HistogramStatistics]


def _samples(of: ControllerStatistics, *, synced: bool) -> Iterator[_Sample]:
    results = _their_results(of.results)
    for result, count in results.items():
        yield "controller_runtime_reconcile_total", (result,), count
    yield "controller_runtime_reconcile_errors_total", (), results["error"]
    yield "controller_runtime_terminal_reconcile_errors_total", (), of.results[Result.TERMINAL_ERROR]
    yield "controller_runtime_reconcile_panics_total", (), of.unforeseen
    yield "controller_runtime_reconcile_timeouts_total", (), of.timeouts
    yield "controller_runtime_reconcile_time_seconds", (), of.took
    yield "controller_runtime_max_concurrent_reconciles", (), of.workers
    yield "controller_runtime_active_workers", (), len(of.running)
    yield "controller_cancelled_total", (), of.cancelled
    for kind, count in of.causes.items():
        yield "controller_causes_total", (kind.value,), count
    yield "controller_stuck_keys", (), len(of.stuck)
    yield "controller_source_failures_total", (), of.source_failures
    yield "controller_synced", (), synced


def _their_results(results: Mapping[Result, int]) -> dict[str, int]:
    """Our results by the names of their label."""
    return {
        "error": results[Result.ERROR] + results[Result.TERMINAL_ERROR],
        "requeue_after": results[Result.REQUEUE_AFTER],
        "requeue": results[Result.RETRY_LATER],
        "success": results[Result.DONE],
        "conflict": results[Result.CONFLICT],
    }
