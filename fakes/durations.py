"""Durations as people write them: `30s`, `1h30m`."""

from __future__ import annotations

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds(duration: float | str) -> float:
    """
    A duration in seconds; a number is one already.

    >>> seconds("1h30m"), seconds("250ms"), seconds("7d"), seconds(2)
    (5400.0, 0.25, 604800.0, 2.0)

    Errors  ValueError for text that is no duration, and for what is negative.
    """
    if isinstance(duration, str):
        parts = _PART.findall(duration)
        if not parts or "".join(number + unit for number, unit in parts) != duration:
            raise ValueError(f"read duration {duration!r}: write numbers with units, such as 30s, 1h30m, 250ms or 7d")
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if not duration >= 0:
        raise ValueError(f"read duration {duration}: it must not be negative")
    return float(duration)
