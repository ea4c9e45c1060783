"""Times are read as Go reads them; the messages are those that a real server gave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.tracker.schema.times import MICROSECONDS, SECONDS, NoTime, canonical_time

IN_SECONDS = 'parsing time "{0}" as "2006-01-02T15:04:05Z07:00": cannot parse "{1}" as "{2}"'
IN_MICROSECONDS = 'parsing time "{0}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "{1}" as "{2}"'


@pytest.mark.parametrize(
    ("text", "seconds", "microseconds"),
    [
        ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z"),
        ("2026-01-01T00:00:00.000000+02:00", "2025-12-31T22:00:00Z", "2025-12-31T22:00:00.000000Z"),
        ("2026-01-01T0:00:00.000000Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"),
        ("2026-01-01T00:00:00,123456Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z"),
    ],
)
def test_what_is_read(text: str, seconds: str, microseconds: str) -> None:
    assert (canonical_time(text, SECONDS), canonical_time(text, MICROSECONDS)) == (seconds, microseconds)


@pytest.mark.parametrize(
    ("text", "layout", "message"),
    [
        ("2026-01-01T00:00:00Z", MICROSECONDS, IN_MICROSECONDS.format("2026-01-01T00:00:00Z", "Z", ".000000")),
        (
            "2026-01-01T00:00:00.1234567Z",
            MICROSECONDS,
            IN_MICROSECONDS.format("2026-01-01T00:00:00.1234567Z", "7Z", "Z07:00"),
        ),
        ("2026-13-01T00:00:00Z", SECONDS, 'parsing time "2026-13-01T00:00:00Z": month out of range'),
        ("2026-02-30T00:00:00Z", SECONDS, 'parsing time "2026-02-30T00:00:00Z": day out of range'),
        ("2026-01-01T00:00:60Z", SECONDS, 'parsing time "2026-01-01T00:00:60Z": second out of range'),
        ("2026-1-01T00:00:00Z", SECONDS, IN_SECONDS.format("2026-1-01T00:00:00Z", "1-01T00:00:00Z", "01")),
        ("2026-01-01 00:00:00Z", SECONDS, IN_SECONDS.format("2026-01-01 00:00:00Z", " 00:00:00Z", "T")),
        ("2026-01-01T00:00:00", SECONDS, IN_SECONDS.format("2026-01-01T00:00:00", "", "Z07:00")),
        ("2026-01-01T00:00:00Zx", SECONDS, 'parsing time "2026-01-01T00:00:00Zx": extra text: "x"'),
        ("", SECONDS, IN_SECONDS.format("", "", "2006")),
        ("now", SECONDS, IN_SECONDS.format("now", "now", "2006")),
    ],
)
def test_what_is_no_time(text: str, layout: str, message: str) -> None:
    with pytest.raises(NoTime) as refused:
        canonical_time(text, layout)
    assert str(refused.value) == message


@given(
    st.datetimes(min_value=datetime.fromisoformat("0002-01-01"), max_value=datetime.fromisoformat("9998-01-01")),
    st.integers(min_value=-720, max_value=720),
)
def test_for_any_time_and_zone_the_moment_stays(when: datetime, minutes: int) -> None:
    """And what was read once stays as it is."""
    moment = when.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    read = canonical_time(moment.isoformat(timespec="microseconds"), MICROSECONDS)
    assert datetime.fromisoformat(read) == moment.astimezone(UTC)
    assert canonical_time(read, MICROSECONDS) == read
