"""The base of all Prometheus collectors here: a table of metric families, and samples for them at each scrape."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ctrlkit.histogram import HistogramStatistics

GAUGE: Final = GaugeMetricFamily
COUNTER: Final = CounterMetricFamily
HISTOGRAM: Final = HistogramMetricFamily

AnyFamily = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily
Sample = tuple[str, tuple[str, ...], float | HistogramStatistics]
"""The name of a family, the values of its labels, and the value."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: its name, its help text, its type, and the names of its labels."""

    name: str
    help: str
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily] | type[HistogramMetricFamily]
    labels: tuple[str, ...] = ()

    def empty(self) -> AnyFamily:
        """The family without samples."""
        return self.kind(self.name, self.help, labels=self.labels)


class SampleCollector(Collector):
    """
    A collector that asks for numbers when somebody scrapes, and at no other time.

    >>> class Depths(SampleCollector):
    ...     families = (Family("depth", "How many wait.", GAUGE, ("name",)),)
    ...     def samples(self):
    ...         yield "depth", ("pods",), 3
    >>> [(sample.name, sample.labels, sample.value) for family in Depths().collect() for sample in family.samples]
    [('depth', {'name': 'pods'}, 3)]
    """

    families: ClassVar[tuple[Family, ...]]

    @abstractmethod
    def samples(self) -> Iterator[Sample]:
        """The samples there are now."""

    def describe(self) -> Iterator[Metric]:
        """The families without samples: to register a collector asks nobody anything."""
        return (family.empty() for family in self.families)

    def collect(self) -> Iterator[Metric]:
        """The families with their samples."""
        families = {family.name: family.empty() for family in self.families}
        for name, labels, value in self.samples():
            _add(families[name], labels, value)
        return iter(families.values())


def _add(family: Metric, labels: tuple[str, ...], value: float | HistogramStatistics) -> None:
    """Give a family one sample more."""
    if isinstance(value, HistogramStatistics):
        assert isinstance(family, HistogramMetricFamily)
        family.add_metric(labels, value.cumulative(), value.sum_s)
    else:
        assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)
        family.add_metric(labels, value)
