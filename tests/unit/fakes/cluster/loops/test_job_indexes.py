"""Sets of completion indexes are what sets of numbers are, at the cost of their intervals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.job_indexes import Indexes

NUMBERS = st.sets(st.integers(0, 30))


@given(NUMBERS, NUMBERS, st.integers(0, 40), st.integers(0, 10))
def test_for_any_sets_intervals_say_what_sets_say(ours: set[int], theirs: set[int], below: int, count: int) -> None:
    one, other = Indexes.of(ours), Indexes.of(theirs)
    assert one | other == Indexes.of(ours | theirs)
    assert one.shared(other) == len(ours & theirs)
    assert len(one) == len(ours)
    assert [number in one for number in range(40)] == [number in ours for number in range(40)]
    assert one.missing(below, count) == [number for number in range(below) if number not in ours][:count]


@given(NUMBERS, st.integers(0, 40))
def test_for_any_set_its_text_is_read_back_without_what_is_no_index_any_more(
    numbers: set[int], completions: int
) -> None:
    text = str(Indexes.of(numbers))
    assert Indexes.read(text, completions) == Indexes.of(number for number in numbers if number < completions)


def test_what_cannot_be_read_is_no_index() -> None:
    assert str(Indexes.read("1,x,3-y,5-6,7", 9)) == "1,5-7"
    assert Indexes.read("", 9) == Indexes()


def test_a_set_of_very_many_costs_what_is_written_of_it() -> None:
    nearly_all = Indexes.read("0-399999999,400000001-999999998", 10**9)
    assert len(nearly_all) == 10**9 - 2
    assert nearly_all.missing(10**9, 500) == [400000000, 999999999]
    assert "x" not in nearly_all
