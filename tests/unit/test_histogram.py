"""Durations counted by bucket."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.histogram import Histogram, HistogramStatistics

BOUNDS = (0.1, 1.0, 10.0)


def of(*durations_s: float) -> HistogramStatistics:
    histogram = Histogram(BOUNDS)
    for seconds in durations_s:
        histogram.observe(seconds)
    return histogram.statistics()


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    """What is longer than all bounds has a bucket of its own, and so have zero and less, in the first."""
    assert of(0.1, 0.11, 1.0, 10.0, 10.1, 1e9, 0.0, -1.0).counts == (3, 2, 1, 2)


def test_the_cumulative_form_is_what_prometheus_shows() -> None:
    """Whole numbers without a point, and the last count is that of all."""
    assert of(0.05, 5.0, 50.0).cumulative() == [("0.1", 1), ("1", 1), ("10", 2), ("+Inf", 3)]


def test_several_add_up() -> None:
    """As the handlers of one name do."""
    total = HistogramStatistics.total([of(0.05, 5.0), of(5.0, 50.0)])
    assert total == of(0.05, 5.0, 5.0, 50.0)
    assert total.count == 4


_DURATIONS_S = st.lists(st.floats(-1, 20) | st.sampled_from([0.1, 1.0, 10.0]))


@given(_DURATIONS_S)
def test_any_durations_are_counted_where_they_belong(durations_s: list[float]) -> None:
    """Whether or not they fall into the bucket at hand, and also for who counts these himself."""
    histogram, by_hand = Histogram(BOUNDS), Histogram(BOUNDS)
    for seconds in durations_s:
        histogram.observe(seconds)
        if by_hand.low < seconds <= by_hand.high:
            by_hand.again += 1
            by_hand.sum_s += seconds
        else:
            by_hand.observe(seconds)
    edges = (float("-inf"), *BOUNDS, float("inf"))
    counts = tuple(sum(low < seconds <= high for seconds in durations_s) for low, high in pairwise(edges))
    assert histogram.statistics().counts == counts
    assert by_hand.statistics() == histogram.statistics()
    assert histogram.statistics().sum_s == sum(durations_s)
