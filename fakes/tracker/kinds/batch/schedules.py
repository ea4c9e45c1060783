"""Cron schedules as a CronJob has them: what is wrong with one, in the words of the server's parser."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = "@every "
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_INT_BITS = 63


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


def schedule_problem(text: str) -> str:
    """
    Describe what is wrong with a schedule; "" if nothing is.

    >>> schedule_problem("*/5 9-17 * * mon-fri"), schedule_problem("@daily")
    ('', '')
    >>> schedule_problem("61 * * * *")
    'end of range (61) above maximum (59): 61'
    """
    try:
        _read(text)
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


def _read(text: str) -> None:
    if text.startswith(("TZ=", "CRON_TZ=")):
        text = _without_zone(text)
    if text.startswith("@"):
        _read_descriptor(text)
        return
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    for field, bounds in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            if part:
                _read_range(part, bounds)


def _without_zone(text: str) -> str:
    start, end = text.index("=") + 1, text.find(" ")
    if end < 0:
        raise ValueError(f"invalid schedule format: runtime error: slice bounds out of range [:{end}]")
    zone = text[start:end]
    if zone and not has_zone(zone):
        raise ValueError(f"provided bad location {zone}: unknown time zone {zone}")
    return text[end:].strip()


def _read_descriptor(text: str) -> None:
    if text in _DESCRIPTORS:
        return
    if not text.startswith(_EVERY):
        raise ValueError(f"unrecognized descriptor: {text}")
    duration = text.removeprefix(_EVERY)
    if not _DURATION.fullmatch(duration):
        raise ValueError(f"failed to parse duration {text}: time: {_duration_problem(duration)}")


def _duration_problem(text: str) -> str:
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", text):
        return f'missing unit in duration "{text}"'
    unit = re.fullmatch(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))*(?:\d+\.?\d*|\.\d+)([^\d.]+).*", text)
    if unit:
        return f'unknown unit "{unit[1]}" in duration "{text}"'
    return f'invalid duration "{text}"'


def _read_range(text: str, bounds: _Field) -> None:
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
