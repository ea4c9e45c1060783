"""How long things took, as counts by bucket: plain numbers that a metrics collector reads when it is asked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds, in seconds, of `informer_processing_latency_seconds` (row R27)."""


@dataclass(frozen=True, slots=True)
class HistogramStatistics:
    """A picture of one histogram: `counts` has one entry for each of BUCKETS_S and one for what was longer."""

    counts: tuple[int, ...]
    sum_s: float

    @classmethod
    def total(cls, parts: Iterable[HistogramStatistics]) -> HistogramStatistics:
        """Several as one."""
        all_parts = tuple(parts)
        counts = tuple(map(sum, zip(*(part.counts for part in all_parts), strict=True)))
        return cls(counts, sum(part.sum_s for part in all_parts))


class Histogram:
    """
    Counts of durations.

    >>> histogram = Histogram()
    >>> for seconds in (0.001, 0.004, 60.0):
    ...     histogram.observe(seconds)
    >>> histogram.statistics().counts
    (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    """

    __slots__ = ("_counts", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sum_s += seconds

    def statistics(self) -> HistogramStatistics:
        """A picture of now."""
        return HistogramStatistics(tuple(self._counts), self._sum_s)
