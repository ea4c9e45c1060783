"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.durations import parse_duration


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_any_parts_add_up(hours: int, minutes: int, rest: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{rest}s") == hours * 3600 + minutes * 60 + rest


@pytest.mark.parametrize("text", ["", "5", "five", "1h 30m", "-1s", "1.s", "1w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write numbers with units"):
        parse_duration(text)


@pytest.mark.parametrize("number", [-1, float("nan")])
def test_a_negative_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        parse_duration(number)
