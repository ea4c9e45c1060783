"""Ages as short text, the way `kubectl get` shows them."""

from __future__ import annotations

from datetime import datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400

_STEPS: tuple[tuple[int, int, str, int, str], ...] = (
    # below this many seconds: so many of the large unit, then the rest in the small one (0: none)
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (48 * _HOUR, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def human_duration(seconds: float) -> str:
    """
    A duration to two units at most.

    >>> [human_duration(s) for s in (5, 119, 120, 605, 10_800, 29_000, 200_000, 900_000, 10**9)]
    ['5s', '119s', '2m', '10m', '3h', '8h', '2d7h', '10d', '31y']
    >>> human_duration(-0.5), human_duration(-10)
    ('0s', '<invalid>')

    Clocks may differ by a little: less than two seconds in the future is now.
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
    How long ago an RFC 3339 timestamp was.

    >>> from datetime import UTC
    >>> age("2026-01-01T00:00:00Z", datetime(2026, 1, 1, 0, 5, tzinfo=UTC)), age(None, datetime.now(UTC))
    ('5m', '<unknown>')
    """
    if not timestamp:
        return "<unknown>"
    try:
        moment = datetime.fromisoformat(str(timestamp))
        return human_duration((now - moment).total_seconds())
    except (ValueError, TypeError):  # not a time, or one without a zone
        return "<invalid>"
