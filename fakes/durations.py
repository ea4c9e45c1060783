"""Durations as text: `parse_duration` reads "1h30m", `format_duration` writes "90m" as kubectl does."""

from __future__ import annotations

import re
from datetime import datetime

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(duration: float | str) -> float:
    """
    Convert a duration to seconds; a number is returned as it is.

    >>> parse_duration("1h30m"), parse_duration("250ms"), parse_duration("7d"), parse_duration(2)
    (5400.0, 0.25, 604800.0, 2.0)

    Errors  ValueError for text that is not a duration, and for negative numbers; TypeError for anything else.
    """
    if isinstance(duration, str):
        parts = _PART.findall(duration)
        if not parts or "".join(number + unit for number, unit in parts) != duration:
            raise ValueError(f"read duration {duration!r}: write numbers with units, such as 30s, 1h30m, 250ms or 7d")
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if not isinstance(duration, int | float):
        raise TypeError(f"read duration {duration!r}: write a number of seconds, or a text such as 30s")
    if not duration >= 0:
        raise ValueError(f"read duration {duration}: it must not be negative")
    return float(duration)


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400

_STEPS: tuple[tuple[int, int, str, int, str], ...] = (
    # below so many seconds: the large unit and its name, then the small unit (0: none) and its name
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (48 * _HOUR, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def format_duration(seconds: float) -> str:
    """
    Format a duration with two units at most, as `kubectl get` shows ages.

    >>> [format_duration(s) for s in (5, 119, 120, 605, 10_800, 29_000, 200_000, 900_000, 10**9)]
    ['5s', '119s', '2m', '10m', '3h', '8h', '2d7h', '10d', '31y']
    >>> format_duration(-0.5), format_duration(-10)
    ('0s', '<invalid>')

    Clocks may differ slightly: a moment less than two seconds in the future counts as now.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    for bound, large, large_name, small, small_name in _STEPS:
        if whole < bound:
            count, rest = divmod(whole, large)
            rest = rest // small if small else 0
            return f"{count}{large_name}" + (f"{rest}{small_name}" if rest else "")
    return f"{whole // _YEAR}y"


def age(timestamp: object, now: datetime) -> str:
    """
    Format the time since an RFC 3339 timestamp.

    >>> from datetime import UTC
    >>> age("2026-01-01T00:00:00Z", datetime(2026, 1, 1, 0, 5, tzinfo=UTC)), age(None, datetime.now(UTC))
    ('5m', '<unknown>')
    """
    if not timestamp:
        return "<unknown>"
    try:
        moment = datetime.fromisoformat(str(timestamp))
        return format_duration((now - moment).total_seconds())
    except (ValueError, TypeError):  # not a time, or one without a zone
        return "<invalid>"
