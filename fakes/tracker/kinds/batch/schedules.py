"""
Cron schedules as a CronJob has them: what is wrong with one, in the words of the server's parser, and when it is due.

A time is looked for in the schedule's zone, field by field: an hour that a clock skips is skipped, one that it repeats
counts twice. A schedule is due on days that fit both the day of the month and the day of the week if one of
the two has a star, else on days that fit one of them.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DESCRIPTORS: Mapping[str, Sequence[str]] = {
    "@yearly": ("0", "0", "1", "1", "*"),
    "@annually": ("0", "0", "1", "1", "*"),
    "@monthly": ("0", "0", "1", "*", "*"),
    "@weekly": ("0", "0", "*", "*", "0"),
    "@daily": ("0", "0", "*", "*", "*"),
    "@midnight": ("0", "0", "*", "*", "*"),
    "@hourly": ("0", "*", "*", "*", "*"),
}
_EVERY = "@every "
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_INT_BITS = 63
_YEARS_MAX = 5
"""How far ahead a time is looked for: on the 31st of February nothing is ever due."""


class _Field(NamedTuple):
    low: int
    high: int
    names: Mapping[str, int] = {}


_FIELDS = (
    _Field(0, 59),
    _Field(0, 23),
    _Field(1, 31),
    _Field(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


class Times(NamedTuple):
    """The numbers that a field names, and whether it has a star."""

    numbers: frozenset[int]
    has_star: bool


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """The times that five fields name, in a zone."""

    minute: Times
    hour: Times
    day: Times
    month: Times
    weekday: Times
    zone: tzinfo

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the next time after a moment, in UTC; None if there is none within five years."""
        local = moment.replace(microsecond=0).astimezone(UTC).astimezone(self.zone)
        local = _later(local, seconds=1)
        last_year = local.year + _YEARS_MAX
        while local.year <= last_year:
            if local.month not in self.month.numbers:
                local = _midnight(local.year + local.month // 12, local.month % 12 + 1, 1, self.zone)
            elif not self._fits_day(local):
                local = self._next_day(local)
            elif local.hour not in self.hour.numbers:
                local = _later(local, seconds=3600 - 60 * local.minute - local.second)
            elif local.minute not in self.minute.numbers or local.second:
                local = _later(local, seconds=60 - local.second)
            else:
                return local.astimezone(UTC)
        return None

    def _fits_day(self, local: datetime) -> bool:
        in_month, in_week = local.day in self.day.numbers, local.isoweekday() % 7 in self.weekday.numbers
        if self.day.has_star or self.weekday.has_star:
            return in_month and in_week
        return in_month or in_week

    def _next_day(self, local: datetime) -> datetime:
        following = local.replace(tzinfo=None) + timedelta(days=1)
        found = _midnight(following.year, following.month, following.day, self.zone)
        if found.hour:  # there is no midnight on this day
            found = _later(found, hours=24 - found.hour if found.hour > 12 else -found.hour)
            if found.date() <= local.date():
                found = _later(found, hours=1)
        return found


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """A time every so many whole seconds."""

    seconds: int

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the next time, counted from a moment."""
        return moment.replace(microsecond=0) + timedelta(seconds=self.seconds)


Schedule = CronSchedule | IntervalSchedule


def _later(local: datetime, *, hours: int = 0, seconds: int = 0) -> datetime:
    """Add real time to a local one."""
    return (local.astimezone(UTC) + timedelta(hours=hours, seconds=seconds)).astimezone(local.tzinfo)


def _midnight(year: int, month: int, day: int, zone: tzinfo) -> datetime:
    """Return the beginning of a day; where the clock skips midnight, a time within an hour of it."""
    wall = datetime(year, month, day, tzinfo=UTC)
    near = wall - (wall.astimezone(zone).utcoffset() or timedelta())
    return (wall - (near.astimezone(zone).utcoffset() or timedelta())).astimezone(zone)


def read_schedule(text: str) -> Schedule:
    """
    Read a schedule.

    >>> read_schedule("30 3 * * *").next_after(datetime(2026, 1, 1, 12, tzinfo=UTC)).isoformat()
    '2026-01-02T03:30:00+00:00'

    Errors  ValueError in the words of the server's parser.
    """
    zone: tzinfo = UTC
    if text.startswith(("TZ=", "CRON_TZ=")):
        name, text = _split_zone(text)
        zone = zone_of(name)
    if text.startswith("@"):
        if not text.startswith(_EVERY):
            return _read_fields(_DESCRIPTORS.get(text) or _unknown_descriptor(text), zone)
        return IntervalSchedule(_read_interval(text))
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    return _read_fields(fields, zone)


def schedule_problem(text: str) -> str:
    """
    Describe what is wrong with a schedule; "" if nothing is.

    >>> schedule_problem("*/5 9-17 * * mon-fri"), schedule_problem("@daily")
    ('', '')
    >>> schedule_problem("61 * * * *")
    'end of range (61) above maximum (59): 61'
    """
    try:
        read_schedule(text)
    except ValueError as error:
        return str(error)
    return ""


def has_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    if name in ("UTC", "Local"):
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def zone_of(name: str) -> tzinfo:
    """Return a time zone; "" is UTC. Errors: ValueError in the server's words."""
    if not has_zone(name or "UTC"):
        raise ValueError(f"unknown time zone {name}")
    return UTC if name in ("", "UTC", "Local") else zoneinfo.ZoneInfo(name)


def _split_zone(text: str) -> tuple[str, str]:
    start, end = text.index("=") + 1, text.find(" ")
    if end < 0:
        raise ValueError(f"invalid schedule format: runtime error: slice bounds out of range [:{end}]")
    zone = text[start:end]
    if zone and not has_zone(zone):
        raise ValueError(f"provided bad location {zone}: unknown time zone {zone}")
    return zone, text[end:].strip()


def _unknown_descriptor(text: str) -> Sequence[str]:
    raise ValueError(f"unrecognized descriptor: {text}")


def _read_fields(fields: Sequence[str], zone: tzinfo) -> CronSchedule:
    minute, hour, day, month, weekday = map(_read_field, fields, _FIELDS)
    return CronSchedule(minute, hour, day, month, weekday, zone)


def _read_field(text: str, bounds: _Field) -> Times:
    parts = [_read_range(part, bounds) for part in text.split(",") if part]
    return Times(frozenset().union(*(part.numbers for part in parts)), any(part.has_star for part in parts))


def _read_interval(text: str) -> int:
    duration = text.removeprefix(_EVERY)
    if not _DURATION.fullmatch(duration):
        raise ValueError(f"failed to parse duration {text}: time: {_duration_problem(duration)}")
    pairs = re.findall(r"(\d+\.?\d*|\.\d+)([a-zµμ]+)", duration)
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in pairs)
    return max(1, int(-seconds if duration.startswith("-") else seconds))


def _duration_problem(text: str) -> str:
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", text):
        return f'missing unit in duration "{text}"'
    unit = re.fullmatch(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))*(?:\d+\.?\d*|\.\d+)([^\d.]+).*", text)
    if unit:
        return f'unknown unit "{unit[1]}" in duration "{text}"'
    return f'invalid duration "{text}"'


def _read_range(text: str, bounds: _Field) -> Times:
    span, *steps = text.split("/")
    first, *lasts = span.split("-")
    if first in ("*", "?"):
        start, end = bounds.low, bounds.high
    else:
        start = end = _number(first, bounds.names)
        if len(lasts) > 1:
            raise ValueError(f"too many hyphens: {text}")
        if lasts:
            end = _number(lasts[0], bounds.names)
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = _number(steps[0], {}) if steps else 1
    if steps and not lasts:
        end = bounds.high
    if start < bounds.low:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ValueError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return Times(frozenset(range(start, end + 1, step)), has_star=first in ("*", "?") and step == 1)


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if number.bit_length() > _INT_BITS:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
