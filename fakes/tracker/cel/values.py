"""Values of expressions that Python has no type for, and what holds for all values: equality, order, size, text."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.schema.go_text import double_text

INT_RANGE = range(-(2**63), 2**63)
UINT_RANGE = range(2**64)
CALL_LIMIT = 1_000_000
"""What one evaluation may cost."""

NO_OVERLOAD = "no such overload"
_SECOND = 10**9
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class EvaluationError(Exception):
    """An expression has no value; the message is the server's."""


class OutOfBudget(Exception):
    """An evaluation has cost more than it may."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


class Uint(int):
    """A number that is not negative, of a type of its own."""


@dataclass(frozen=True, order=True, slots=True)
class Duration:
    """A length of time, in nanoseconds."""

    nanoseconds: int

    def __str__(self) -> str:
        return f"{_fraction(self.nanoseconds)}s"


@dataclass(frozen=True, order=True, slots=True)
class Timestamp:
    """
    A point in time, in nanoseconds since 1970 in UTC.

    Shape   `offset` is that of the zone in which it was written, in seconds.
    """

    nanoseconds: int
    offset: int = field(default=0, compare=False)

    def __str__(self) -> str:
        part = self.nanoseconds % _SECOND
        local = self.moment() + dt.timedelta(seconds=self.offset)
        text = local.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        minutes = abs(self.offset) // 60
        zone = f"{'-' if self.offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}" if self.offset else "Z"
        return text + (f".{part:09d}".rstrip("0") if part else "") + zone

    def moment(self) -> dt.datetime:
        """The point in time, to the second below."""
        return _EPOCH + dt.timedelta(seconds=self.nanoseconds // _SECOND)


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be there or not."""

    value: Any = None
    there: bool = True


NONE = Optional(there=False)
"""The optional value that is not there."""


class SetList(list[Any]):
    """A list whose order does not matter, without duplicates."""


class MapList(list[Any]):
    """A list whose items are told apart by some of their fields."""

    def __init__(self, items: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def key(self, item: Any) -> tuple[Any, ...]:
        """What tells an item apart."""
        return tuple(item.get(name) for name in self.keys)


class Built(dict[str, Any]):
    """A message that an expression has written out."""

    def __init__(self, kind: Type) -> None:
        super().__init__()
        self.type = kind


class Opaque:
    """A value of one of Kubernetes' own types; its class says which."""

    __slots__ = ()
    type: ClassVar[Type]


# ---- equality and order ----------------------------------------------------------------------------------------------


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal; those of different types are not, but for numbers."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list):
        return isinstance(other, list) and _lists_equal(one, other)
    if isinstance(one, dict):
        is_same = isinstance(other, dict) and len(one) == len(other) and type_of(one) == type_of(other)
        return is_same and _maps_equal(one, other)
    if isinstance(one, Optional) and isinstance(other, Optional):
        return one.there == other.there and equal(one.value, other.value)
    return bool(one == other)


def _lists_equal(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    if isinstance(one, SetList):
        return all(contains(one, item) for item in other)
    if isinstance(one, MapList):
        mine = {one.key(item): item for item in one}
        return all(one.key(item) in mine and equal(mine[one.key(item)], item) for item in other)
    return all(equal(mine, its) for mine, its in zip(one, other, strict=True))


def _maps_equal(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    return all(key in other and equal(value, other[key]) for key, value in one.items())


def contains(items: list[Any], item: Any) -> bool:
    """Whether an item is in a list."""
    return any(equal(one, item) for one in items)


_ORDERED = (bool, (int, float), str, bytes, Timestamp, Duration)


def compared(one: Any, other: Any) -> int:
    """Return -1, 0 or 1: how one value lies to another. Errors: EvaluationError if they have no order."""
    if not any(isinstance(one, kinds) and isinstance(other, kinds) for kinds in _ORDERED):
        raise EvaluationError(NO_OVERLOAD)
    if one != one or other != other:  # noqa: PLR0124  # not a number
        raise EvaluationError("NaN values cannot be ordered")
    return int((one > other) - (one < other))


def size(value: Any) -> int:
    """Return the size that costs are reckoned by: 1 for what has none."""
    if isinstance(value, (str, list, dict, bytes)):
        return len(value)
    if isinstance(value, Optional) and value.there:
        return size(value.value)
    return 1


_TYPES: dict[type, Type] = {
    bool: types.BOOL,
    int: types.INT,
    Uint: types.UINT,
    float: types.DOUBLE,
    str: types.STRING,
    bytes: types.BYTES,
    type(None): types.NULL,
    Timestamp: Type("timestamp", "google.protobuf.Timestamp"),
    Duration: Type("duration", "google.protobuf.Duration"),
    Optional: Type("opaque", "optional_type"),
    Type: Type("type", "type"),
}


def type_of(value: Any) -> Type:
    """Return the type of a value at run time; lists and maps have no parameters there."""
    found = _TYPES.get(type(value))
    if found is not None:
        return found
    if isinstance(value, list):
        return Type("list", "list")
    return Type("map", "map") if isinstance(value, dict) and not isinstance(value, Built) else value.type


def type_name(value: Any) -> str:
    """Return the name of a value's type."""
    name = type_of(value).name
    return "null_type" if name == "null" else name


def shown(value: Any) -> str:
    """Return a value as messages show it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return double_text(value) if isinstance(value, float) else str(value)


# ---- numbers and times as text ---------------------------------------------------------------------------------------


def _fraction(nanoseconds: int) -> str:
    whole, part = divmod(abs(nanoseconds), _SECOND)
    return ("-" if nanoseconds < 0 else "") + str(whole) + (f".{part:09d}".rstrip("0") if part else "")


_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_DURATION = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+")
_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)")


def duration(text: str) -> Duration:
    """
    Read a duration such as `1h30m`.

    >>> str(duration("1h1.5s"))
    '3601.5s'

    Errors  EvaluationError if it is none.
    """
    if text in ("0", "+0", "-0"):
        return Duration(0)
    if not _DURATION.fullmatch(text):
        raise EvaluationError(f'time: invalid duration "{text}"')
    total = 0
    for whole, part, unit in _PART.findall(text):
        total += int(whole or 0) * _UNITS[unit]
        total += int(part or 0) * _UNITS[unit] // 10 ** len(part)
    total = -total if text.startswith("-") else total
    if total not in INT_RANGE:
        raise EvaluationError(f'time: invalid duration "{text}"')
    return Duration(total)


_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(Z|[+-]\d\d:\d\d)")
_LAYOUT = "2006-01-02T15:04:05Z07:00"


def timestamp(text: str) -> Timestamp:
    """
    Read a point in time such as `2020-01-01T00:00:00Z`.

    >>> str(timestamp("2020-01-01T01:00:00.50+01:00"))
    '2020-01-01T01:00:00.5+01:00'

    Errors  EvaluationError if it is none.
    """
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        raise EvaluationError(f'parsing time "{text}" as "{_LAYOUT}": cannot parse "{text}" as "2006"')
    try:
        moment = dt.datetime.fromisoformat(f"{text[:19]}+00:00")
    except ValueError:
        raise EvaluationError(f'parsing time "{text}": day out of range') from None
    seconds = (moment - _EPOCH) // dt.timedelta(seconds=1)
    offset, zone = 0, match[8]
    if zone != "Z":
        offset = (int(zone[1:3]) * 3600 + int(zone[4:]) * 60) * (-1 if zone[0] == "-" else 1)
    return Timestamp((seconds - offset) * _SECOND + int((match[7] or ".0")[1:].ljust(9, "0")[:9]), offset)
