"""
Times as Go's `time.Parse` reads them, with its messages: metav1.Time and metav1.MicroTime.

A time in seconds may have a fraction, which is dropped; one in microseconds must have six digits. An hour may have one
digit, and a comma may stand for the point, as Go has it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

SECONDS = "2006-01-02T15:04:05Z07:00"
MICROSECONDS = "2006-01-02T15:04:05.000000Z07:00"

_ELEMENTS = re.compile(r"2006|01|02|15|04|05|\.000000|Z07:00|.")
_PATTERNS = {
    "2006": r"\d{4}",
    "01": r"\d\d",
    "02": r"\d\d",
    "15": r"\d\d?",
    "04": r"\d\d",
    "05": r"\d\d",
    ".000000": r"[.,]\d{6}",
    "Z07:00": r"Z|[+-]\d\d:\d\d",
}
_RANGES = {"01": ("month", 1, 12), "15": ("hour", 0, 23), "04": ("minute", 0, 59), "05": ("second", 0, 59)}
_FRACTION = re.compile(r"[.,]\d+")


class NoTime(ValueError):
    """A text is no time; the message is Go's."""


def canonical_time(text: str, layout: str) -> str:
    """
    Return a time in UTC, in the form that a server sends.

    >>> canonical_time("2026-01-01T01:00:00.5+02:00", SECONDS)
    '2025-12-31T23:00:00Z'
    >>> canonical_time("2026-01-01T00:00:00Z", MICROSECONDS)
    Traceback (most recent call last):
      ...
    ctrlkit.fakes.tracker.schema.times.NoTime: parsing time "2026-01-01T00:00:00Z" as
        "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"

    Errors  NoTime.
    """
    rest, found = text, {}
    for element in _ELEMENTS.findall(layout):
        match = re.compile(_PATTERNS.get(element, re.escape(element))).match(rest)
        if match is None:
            raise NoTime(
                f"parsing time {_quoted(text)} as {_quoted(layout)}: cannot parse {_quoted(rest)} as {_quoted(element)}"
            )
        found[element], rest = match[0], rest[match.end() :]
        _check_range(text, element, match[0])
        if element == "05" and layout is SECONDS:
            fraction = _FRACTION.match(rest)
            rest = rest[fraction.end() :] if fraction else rest
    if rest:
        raise NoTime(f"parsing time {_quoted(text)}: extra text: {_quoted(rest)}")
    precision = "seconds" if layout is SECONDS else "microseconds"
    return f"{_in_utc(text, found).replace(tzinfo=None).isoformat(timespec=precision)}Z"


def _check_range(text: str, element: str, digits: str) -> None:
    if element in _RANGES:
        word, low, high = _RANGES[element]
        if not low <= int(digits) <= high:
            raise NoTime(f"parsing time {_quoted(text)}: {word} out of range")


def _in_utc(text: str, found: dict[str, str]) -> datetime:
    year, month, day = (int(found[element]) for element in ("2006", "01", "02"))
    hour, minute, second = (int(found[element]) for element in ("15", "04", "05"))
    microsecond = int(found.get(".000000", ".0")[1:])
    zone = found["Z07:00"]
    try:
        when = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
    except ValueError:
        raise NoTime(f"parsing time {_quoted(text)}: day out of range") from None
    if zone == "Z":
        return when
    hours, minutes = int(zone[1:3]), int(zone[4:])
    for word, number, high in (("hour", hours, 24), ("minute", minutes, 60)):
        if number > high:
            raise NoTime(f"parsing time {_quoted(text)}: time zone offset {word} out of range")
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    try:
        return when - offset
    except OverflowError:
        raise NoTime(f"parsing time {_quoted(text)}: year out of range") from None


def _quoted(text: str) -> str:
    """A text as Go quotes it in these messages."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if " " <= letter < "\x80" else "".join(f"\\x{byte:02x}" for byte in letter.encode())
