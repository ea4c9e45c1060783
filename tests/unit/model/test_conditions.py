"""Status conditions."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.model import (
    Condition,
    find_condition,
    is_condition,
    read_conditions,
    remove_conditions,
    set_conditions,
)


async def test_only_a_change_of_status_moves_the_transition_time() -> None:
    """Reason and message may change under the same time; other conditions stay."""
    first = set_conditions([], [Condition(type="Available", status="False", reason="Starting")])
    await asyncio.sleep(60)
    second = set_conditions(first, [Condition(type="Available", status="False", reason="Waiting", message="for 1")])
    await asyncio.sleep(60)
    third = set_conditions(second, [Condition(type="Available", status="True", reason="Ready")])
    times = [find_condition(conditions, "Available") for conditions in (first, second, third)]
    assert [found and found.last_transition_time for found in times] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:02:00Z",
    ]


async def test_a_condition_without_a_time_gets_one() -> None:
    """One that was written by hand: servers refuse a status with an empty time."""
    wanted = Condition(type="Available", status="True", reason="Ready")
    (found,) = set_conditions([wanted], [wanted])
    assert found.last_transition_time == "2026-01-01T00:00:00Z"


def test_conditions_that_do_not_fit_are_left_out() -> None:
    """So that they are set anew."""
    good = {"type": "A", "status": "True", "reason": "R"}
    assert [c.type for c in read_conditions({"conditions": [good, {"type": 5}]})] == ["A"]
    assert read_conditions({}) == ()


async def test_the_generation_that_was_looked_at_is_told() -> None:
    """For each wanted condition that does not name one; the others keep theirs."""
    old = Condition(type="Old", status="True", reason="R", observed_generation=1)
    mine = Condition(type="Mine", status="True", reason="R", observed_generation=5)
    new = Condition(type="New", status="True", reason="R")
    found = set_conditions([old], [mine, new], generation=7)
    assert [(each.type, each.observed_generation) for each in found] == [("Old", 1), ("Mine", 5), ("New", 7)]
    (again,) = set_conditions([new], [new], generation=8)
    assert again.observed_generation == 8


async def test_a_transition_may_have_a_time_of_its_own() -> None:
    """Which counts if there is a transition, and not otherwise."""
    then, later = "2025-12-31T00:00:00Z", "2026-06-01T00:00:00Z"
    first = set_conditions([], [Condition(type="A", status="False", reason="R", last_transition_time=then)])
    assert first[0].last_transition_time == then
    same = set_conditions(first, [Condition(type="A", status="False", reason="S", last_transition_time=later)])
    assert (same[0].last_transition_time, same[0].reason) == (then, "S")
    moved = set_conditions(first, [Condition(type="A", status="True", reason="R", last_transition_time=later)])
    assert moved[0].last_transition_time == later


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["True", "False", "Unknown"]), st.integers(0, 90))),
)
async def test_for_any_course_a_time_is_that_of_the_last_change_of_status(course: list[tuple[str, str, int]]) -> None:
    """One condition of each type; it says what was set last, and since when its status is what it is."""
    conditions: tuple[Condition, ...] = ()
    since: dict[str, tuple[str, str]] = {}
    for name, status, later in course:
        await asyncio.sleep(later)
        conditions = set_conditions(conditions, [Condition(type=name, status=status, reason="R")])
        if since.get(name, ("", ""))[0] != status:
            since[name] = (status, clock.timestamp(clock.now()))
        assert is_condition(conditions, name, status)
    assert {each.type: (each.status, each.last_transition_time) for each in conditions} == since
    assert len(conditions) == len(since)
    assert remove_conditions(conditions, "A", "B") == ()
