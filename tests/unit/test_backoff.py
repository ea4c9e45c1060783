"""Delays that grow."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.backoff import Backoff


@given(failures=st.integers(0, 10**6), seed=st.integers())
def test_for_any_count_of_failures_a_delay_lies_between_floor_and_ceiling(failures: int, seed: int) -> None:
    """Huge counts included: nothing overflows."""
    curve = Backoff(base_s=0.8, cap_s=30)
    assert curve.ceiling_s(failures) <= 30
    assert curve.ceiling_s(failures) / 2 <= curve.delay_s(failures, Random(seed)) <= curve.ceiling_s(failures)


@pytest.mark.parametrize("wrong", [{"base_s": 0}, {"factor": 0.5}, {"cap_s": 0.1}, {"floor": 2}])
def test_numbers_that_make_no_curve_are_refused(wrong: dict[str, float]) -> None:
    """The error names them."""
    with pytest.raises(ValueError, match="base_s must be > 0"):
        Backoff(**wrong)
