"""Formats of strings that stand for times and bytes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_GO_DURATION = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|[+-]?0")
_LONG_UNIT = re.compile(
    r"\s*(\d+)\s*(nanoseconds?|nanos?|ns|microseconds?|micros?|us|µs|milliseconds?|millis?|milis?|ms|seconds?|secs?|s"
    r"|minutes?|mins?|m|hours?|hrs?|hr|h|days?|d|weeks?|wks?|wk|w)\s*"
)
_LENGTHS = {"n": 1, "u": 10**3, "µ": 10**3, "s": 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9, "w": 7 * 86400 * 10**9}


def long_duration(text: str) -> int:
    """
    Return the nanoseconds of a duration in words such as `2 days`.

    >>> long_duration("2 days") // 10**9
    172800

    Errors  ValueError if it is none.
    """
    found = _LONG_UNIT.findall(text)
    if not found or _LONG_UNIT.sub("", text):
        raise ValueError(f"unable to parse {text} as duration")
    return sum(int(count) * _length(unit) for count, unit in found)


def _length(unit: str) -> int:
    if unit.startswith("m"):
        if unit.startswith("mic"):
            return 10**3
        return 10**6 if unit == "ms" or unit.startswith("mil") else 60 * 10**9
    return _LENGTHS[unit[0]]


def _is_duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    try:
        long_duration(text)
    except ValueError:
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and dt.date.fromisoformat(text) is not None
    except ValueError:
        return False


def _is_date_time(text: str) -> bool:
    day, separator, time = text.upper().partition("T")
    return bool(separator) and _is_date(day) and _TIME.fullmatch(time) is not None


TIME_FORMATS: dict[str, Callable[[str], bool]] = {
    "byte": lambda text: _BASE64.fullmatch(text) is not None,
    "date": _is_date,
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "duration": _is_duration,
}
"""Whether a string has a format, by its name."""
