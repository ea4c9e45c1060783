"""Plain numbers as Prometheus samples: what the collectors of all rooms share. Only they import it."""

from __future__ import annotations

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ctrlkit.histogram import HistogramStatistics


def add_sample(family: Metric, labels: tuple[str, ...], value: float | HistogramStatistics) -> None:
    """
    Give a family one sample more; a picture of a histogram goes into a family of histograms.

    >>> family = GaugeMetricFamily("depth", "How many wait.", labels=("name",))
    >>> add_sample(family, ("pods",), 3)
    >>> [(sample.labels, sample.value) for sample in family.samples]
    [({'name': 'pods'}, 3)]
    """
    if isinstance(value, HistogramStatistics):
        assert isinstance(family, HistogramMetricFamily)
        family.add_metric(labels, value.cumulative(), value.sum_s)
    else:
        assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)
        family.add_metric(labels, value)
