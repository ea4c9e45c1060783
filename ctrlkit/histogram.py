"""Histograms of durations as plain numbers, which a metrics collector reads when somebody scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

LATENCY_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds, of what should be quick, such as `informer_processing_latency_seconds`."""


@dataclass(frozen=True, slots=True)
class HistogramStatistics:
    """A snapshot of a histogram: `counts` has one entry for each of `bounds`, and one for longer durations."""

    counts: tuple[int, ...]
    sum_s: float
    bounds: tuple[float, ...] = LATENCY_BUCKETS_S

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.counts)

    def cumulative(self) -> list[tuple[str, float]]:
        """Each bound as text with the count up to it, as a HistogramMetricFamily takes them."""
        bounds = (*(repr(bound).removesuffix(".0") for bound in self.bounds), "+Inf")
        return list(zip(bounds, accumulate(self.counts), strict=True))

    @classmethod
    def total(cls, parts: Iterable[HistogramStatistics]) -> HistogramStatistics:
        """Add up several histograms with the same bounds, at least one."""
        all_parts = tuple(parts)
        counts = tuple(map(sum, zip(*(part.counts for part in all_parts), strict=True)))
        return cls(counts, sum(part.sum_s for part in all_parts), all_parts[0].bounds)


class Histogram:
    """
    Counts durations by bucket.

    >>> histogram = Histogram()
    >>> for seconds in (0.001, 0.004, 60.0):
    ...     histogram.observe(seconds)
    >>> histogram.statistics().counts
    (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)

    Shape   `bounds` ascend. Most durations in a row fall into one bucket, so the last one's is kept at hand: it takes
            what is above `low` and not above `high`, and `again` counts what it got since. Who observes so often that
            a call costs too much does `again += 1` and `sum_s += seconds` for itself while `low < seconds <= high`.
    """

    __slots__ = ("_bounds", "_counts", "_edges", "_place", "again", "high", "low", "sum_s")

    def __init__(self, bounds: Sequence[float] = LATENCY_BUCKETS_S) -> None:
        self._bounds = tuple(bounds)
        self._edges = (-inf, *bounds, inf)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum_s: float = 0.0
        self._keep_at_hand(0)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        if not self.low < seconds <= self.high:
            self._counts[self._place] += self.again
            self._keep_at_hand(bisect_left(self._bounds, seconds))
        self.again += 1
        self.sum_s += seconds

    def statistics(self) -> HistogramStatistics:
        """Return a snapshot."""
        counts = list(self._counts)
        counts[self._place] += self.again
        return HistogramStatistics(tuple(counts), self.sum_s, self._bounds)

    def _keep_at_hand(self, place: int) -> None:
        self._place = place
        self.low: float = self._edges[place]
        self.high: float = self._edges[place + 1]
        self.again: int = 0
