"""Times, durations and counts, as people say them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def duration(seconds: float) -> str:
    """
    A length of time in its two largest units.

    >>> [duration(value) for value in (0, 0.0004, 0.25, 4.25, 42, 125, 1143, 8000, 93600, 1e9)]
    ['0 s', '<1 ms', '250 ms', '4.2 s', '42 s', '2 min 5 s', '19 min', '2 h 13 min', '1 d 2 h', '11574 d 1 h']
    """
    if seconds < 1:
        return "0 s" if seconds <= 0 else "<1 ms" if seconds < 0.001 else f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s" if seconds < 10 else f"{int(seconds)} s"
    whole = int(seconds)
    if whole < 10 * _MINUTE_S:
        return _two(whole, _MINUTE_S, "min", 1, "s")
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return _two(whole, _HOUR_S, "h", _MINUTE_S, "min")
    return _two(whole, _DAY_S, "d", _HOUR_S, "h")


def _two(seconds: int, large: int, its_name: str, small: int, small_name: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large} {its_name}" + (f" {rest} {small_name}" if rest else "")


def spoken(seconds: float) -> str:
    """
    A length of time in a sentence.

    >>> [spoken(value) for value in (0.2, 1, 59, 60, 1143, 3600, 8000, 200000)]
    ['a moment', '1 second', '59 seconds', '1 minute', '19 minutes', '1 hour', '2 hours', '2 days']
    """
    for size, name in ((_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute"), (1, "second")):
        if seconds >= size:
            return many(int(seconds // size), name)
    return "a moment"


def many(count: int, name: str, plural: str = "") -> str:
    """
    A number and what it counts.

    >>> many(1, "key"), many(12345, "key"), many(0, "entry", "entries")
    ('1 key', '12,345 keys', '0 entries')
    """
    return f"{number(count)} {name if count == 1 else plural or f'{name}s'}"


def number(value: float) -> str:
    """
    A number with its thousands apart.

    >>> number(1234567), number(0.5)
    ('1,234,567', '0.5')
    """
    return f"{value:,}"


def clock_time(moment: str, now: str) -> str:
    """
    A time in UTC to the second, with its date where that is not today's.

    >>> clock_time("2026-01-02T03:04:05.678Z", now="2026-01-02T10:00:00Z")
    '03:04:05'
    >>> clock_time("2026-01-01T03:04:05Z", now="2026-01-02T10:00:00Z")
    '2026-01-01 03:04:05'
    """
    date, _, time = moment.partition("T")
    return time[:8] if date == now[:10] else f"{date} {time[:8]}"


def listed(names: Sequence[str]) -> str:
    """
    Names in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def label(field: str) -> str:
    """
    A field's name as words; units are said by the values.

    >>> label("last_event_age_s"), label("dropped")
    ('Last event age', 'Dropped')
    """
    words = field.removesuffix("_s").replace("_", " ")
    return words[:1].upper() + words[1:]


def plain(value: Any) -> str:
    """
    Any value as one line.

    >>> plain({"a": [1, True], "b": None})
    'a 1; yes, b '
    """
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value)
        case Mapping():
            return ", ".join(f"{name} {plain(part)}" for name, part in value.items())
        case Sequence() if not isinstance(value, str):
            return "; ".join(map(plain, value))
    return "" if value is None else str(value)
