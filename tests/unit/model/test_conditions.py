"""Status conditions."""

from __future__ import annotations

import asyncio

from ctrlkit.model import Condition, find_condition, read_conditions, set_conditions


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
