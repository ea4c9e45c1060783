"""Cron schedules are due when the server's own library says so; cron_times.json has what that said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.tracker.kinds.batch.schedules import read_schedule, schedule_problem

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("cron_times.json").read_text())


def text_of(moment: datetime | None) -> str:
    """A time as the record has it."""
    return "none" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_schedules_are_due_when_the_servers_library_says() -> None:
    """With zones and their changes of the clock, steps, names, lists, both days, descriptors and intervals."""
    for case in RECORDED:
        schedule, moment = read_schedule(case["schedule"]), datetime.fromisoformat(case["after"])
        found: list[str] = []
        while len(found) < len(case["next"]):
            later = schedule.next_after(moment)
            found.append(text_of(later))
            moment = later or moment
        assert found == case["next"], case


NUMBERS = st.integers(0, 59)
MOMENTS = st.integers(0, 4 * 366 * 86400).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(NUMBERS, st.integers(0, 23), st.sampled_from(["", "TZ=Asia/Tokyo ", "TZ=America/New_York "]), MOMENTS)
def test_for_any_time_of_day_the_next_is_later_and_no_more_than_two_days_away(
    minute: int, hour: int, zone: str, moment: datetime
) -> None:
    """A day that skips the hour has none."""
    due = read_schedule(f"{zone}{minute} {hour} * * *").next_after(moment)
    assert due is not None
    assert timedelta(0) < due - moment <= timedelta(days=2, hours=1)
    assert (due.minute, due.second) == (minute, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("TZ=Mars/Olympus * * * * *", "provided bad location Mars/Olympus: unknown time zone Mars/Olympus"),
        ("TZ=UTC", "invalid schedule format: runtime error: slice bounds out of range [:-1]"),
        ("@fortnightly", "unrecognized descriptor: @fortnightly"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
    ],
)
def test_what_is_no_schedule_is_told_in_the_servers_words(text: str, problem: str) -> None:
    assert schedule_problem(text) == problem
