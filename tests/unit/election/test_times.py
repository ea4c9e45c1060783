"""The three times of an election, and what may be asked of them."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.election import LeaseTimes


@pytest.mark.behaviour("L1", "M14")
def test_the_customary_times() -> None:
    """15, 10 and 2 seconds."""
    assert LeaseTimes() == LeaseTimes(15.0, 10.0, 2.0)


@pytest.mark.behaviour("L1")
@pytest.mark.parametrize(
    ("lease_s", "renew_s", "retry_s", "says"),
    [
        (10.0, 10.0, 2.0, "lease_s must be longer than renew_s"),
        (15.0, 2.4, 2.0, "renew_s must be longer than 1.2 x retry_s"),
        (15.0, 10.0, 0.0, "positive"),
        (15.0, 10.0, -2.0, "positive"),
        (math.inf, 10.0, 2.0, "positive"),
        (3601.0, 10.0, 2.0, "lease_s must be 3600 at most"),
        (15.0, math.nan, 2.0, "lease_s must be longer"),
        (15.0, 10.0, math.nan, "positive"),
    ],
)
def test_times_that_cannot_work_are_refused(lease_s: float, renew_s: float, retry_s: float, says: str) -> None:
    """With the numbers, and what is wrong about them."""
    with pytest.raises(ValueError, match=says):
        LeaseTimes(lease_s, renew_s, retry_s)


@pytest.mark.behaviour("L4", "L7")
@pytest.mark.parametrize(("lease_s", "recorded"), [(15.0, 15), (2.5, 3), (0.5, 1)])
def test_a_lease_is_recorded_in_whole_seconds_rounded_up(lease_s: float, recorded: int) -> None:
    """Others go by what is recorded: they must not be early, and a server refuses 0."""
    assert LeaseTimes(lease_s, lease_s / 2, lease_s / 10).duration_s == recorded


@pytest.mark.behaviour("L16")
@pytest.mark.parametrize(("renew_s", "limit_s"), [(10.0, 5.0), (1.0, 1.0)])
def test_a_call_may_take_half_the_renew_deadline_but_a_second_at_least(renew_s: float, limit_s: float) -> None:
    """As controller-runtime sets its client's time-out."""
    assert LeaseTimes(15.0, renew_s, 0.5).call_limit_s == limit_s


@pytest.mark.behaviour("L3", "L16")
@given(st.floats(0.5, 600.0), st.floats(0.01, 0.8))
def test_a_renewal_that_hangs_leaves_time_for_another(renew_s: float, retries: float) -> None:
    """For any times: the first try of a term is not its last one, and is not cut short for that either."""
    times = LeaseTimes(renew_s * 1.5, renew_s, retry_s=renew_s * retries)
    left_s = renew_s - times.retry_s
    limit_s = times.renewal_limit_s(left_s)
    assert limit_s >= min(times.call_limit_s, left_s / 2)
    assert left_s - limit_s > times.last_try_s


@pytest.mark.behaviour("L3", "L16")
def test_the_last_call_of_a_term_has_what_is_left() -> None:
    """There is none after it."""
    times = LeaseTimes()
    assert times.renewal_limit_s(times.last_try_s) == times.last_try_s == 0.5


@pytest.mark.behaviour("L2")
@given(st.randoms(use_true_random=False), st.floats(0.01, 8.0))
def test_rests_are_between_one_and_2_2_retry_periods(chance: Random, retry_s: float) -> None:
    """For any chance."""
    times = LeaseTimes(15.0, 10.0, retry_s)
    assert retry_s <= times.rest_s(chance) <= times.longest_rest_s == pytest.approx(2.2 * retry_s)
