"""What a reconcile may answer."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.controller import DONE, Done, RequeueAfter


@pytest.mark.behaviour("K9")
@given(st.floats(min_value=0, max_value=1e12, exclude_min=True))
def test_any_positive_delay_is_an_outcome(delay_s: float) -> None:
    """K9: the delay is kept as it is."""
    assert RequeueAfter(delay_s).delay_s == delay_s


@pytest.mark.parametrize("delay_s", [0, -3, math.nan, math.inf, "30", None])
def test_any_other_delay_is_refused_at_once(delay_s: object) -> None:
    """The message names the class, the field, its unit and what was given."""
    with pytest.raises(
        ValueError, match=r"^RequeueAfter: delay_s must be a positive number of seconds, got "
    ) as caught:
        RequeueAfter(delay_s)  # type: ignore[arg-type]
    assert str(caught.value).endswith(repr(delay_s))


def test_done_is_a_value() -> None:
    """Any Done equals DONE."""
    assert Done() == DONE
