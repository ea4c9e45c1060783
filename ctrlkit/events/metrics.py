"""
What recorders count, as Prometheus samples.

In       `EventRecorder.statistics()`, when somebody scrapes and at no other time.
Out      One metric family for each name in METRICS, registered by whoever serves them:

             REGISTRY.register(EventCollector(lambda: manager.recorders))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ctrlkit.events.recorder import EventRecorder, RecorderStatistics

METRICS: Final = (
    ("event_recorder_recorded_total", "Events that controllers recorded.", (), CounterMetricFamily),
    ("event_recorder_merged_total", "Of these, told by a write that was due anyway.", (), CounterMetricFamily),
    ("event_recorder_aggregated_total", "Of these, combined with similar ones.", (), CounterMetricFamily),
    ("event_recorder_told_total", "Of these, known to the server as counts.", (), CounterMetricFamily),
    ("event_recorder_dropped_total", "Of these, not written.", ("reason",), CounterMetricFamily),
    ("event_recorder_recovered_total", "Of those dropped, told by a later count.", (), CounterMetricFamily),
    ("event_recorder_writes_total", "Writes that the server took.", ("verb",), CounterMetricFamily),
    ("event_recorder_pending", "Events that wait to be written.", (), GaugeMetricFamily),
    ("event_recorder_untold", "Recorded Events neither told nor dropped yet.", (), GaugeMetricFamily),
)


class EventCollector(Collector):
    """Samples of recorders; `recorders` says which, at each scrape. Those of one component and API are added up."""

    def __init__(self, recorders: Callable[[], Iterable[EventRecorder]]) -> None:
        self._recorders = recorders

    def describe(self) -> Iterator[Metric]:
        """The families, without samples."""
        return iter(_families().values())

    def collect(self) -> Iterator[Metric]:
        """The families, with the samples of each recorder there is now."""
        totals: Counter[tuple[str, tuple[str, ...]]] = Counter()
        for recorder in self._recorders():
            for name, more, value in _samples(recorder.statistics()):
                totals[name, (recorder.component, recorder.api.value, *more)] += value
        families = _families()
        for (name, labels), value in totals.items():
            families[name].add_metric(labels, value)
        return iter(families.values())


def _families() -> dict[str, CounterMetricFamily | GaugeMetricFamily]:
    return {name: kind(name, text, labels=("component", "api", *more)) for name, text, more, kind in METRICS}


def _samples(of: RecorderStatistics) -> Iterator[tuple[str, tuple[str, ...], int]]:
    yield "event_recorder_recorded_total", (), of.recorded
    yield "event_recorder_merged_total", (), of.merged
    yield "event_recorder_aggregated_total", (), of.aggregated
    yield "event_recorder_told_total", (), of.told
    for reason, count in of.dropped.items():
        yield "event_recorder_dropped_total", (reason.value,), count
    yield "event_recorder_recovered_total", (), of.recovered
    yield "event_recorder_writes_total", ("create",), of.created
    yield "event_recorder_writes_total", ("patch",), of.updated
    yield "event_recorder_pending", (), of.pending
    yield "event_recorder_untold", (), of.untold
