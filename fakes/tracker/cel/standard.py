"""The functions of the language itself: operators, conversions, times, texts."""

from __future__ import annotations

import datetime as dt
import math
import operator
import zoneinfo
from collections.abc import Callable
from typing import Any

from ctrlkit.fakes.tracker.cel.functions import (
    by_both,
    by_first,
    by_pattern,
    by_smaller,
    define,
    nothing,
    overload,
    tenth,
)
from ctrlkit.fakes.tracker.cel.values import (
    INT_RANGE,
    NO_OVERLOAD,
    NONE,
    UINT_RANGE,
    Duration,
    EvaluationError,
    MapList,
    Opaque,
    Optional,
    SetList,
    Timestamp,
    Uint,
    compared,
    contains,
    duration,
    equal,
    size,
    timestamp,
    type_of,
)
from ctrlkit.fakes.tracker.schema.go_text import double_text
from ctrlkit.fakes.tracker.schema.patterns import compiled

_SECOND = 10**9
_TIMES = range(-62135596800 * _SECOND, 253402300800 * _SECOND)
_WHOLE_DOUBLES = (-(2.0**63), 2.0**63)


def _same(value: Any) -> Any:
    return value


def _replaced_by_the_compiler(*_args: Any) -> Any:
    raise EvaluationError(NO_OVERLOAD)


# ---- operators -------------------------------------------------------------------------------------------------------

for _id, _signature in (
    ("conditional", "_?_:_(bool, A, A) A"),
    ("logical_and", "_&&_(bool, bool) bool"),
    ("logical_or", "_||_(bool, bool) bool"),
    ("not_strictly_false", "@not_strictly_false(bool) bool"),
    ("select_optional_field", "_?._(dyn, string) optional(A)"),
    ("list_optindex_optional_int", "_[?_](list(A), int) optional(A)"),
    ("optional_list_optindex_optional_int", "_[?_](optional(list(A)), int) optional(A)"),
    ("map_optindex_optional_value", "_[?_](map(A, B), A) optional(B)"),
    ("optional_map_optindex_optional_value", "_[?_](optional(map(A, B)), A) optional(B)"),
    ("index_list", "_[_](list(A), int) A"),
    ("index_map", "_[_](map(A, B), A) B"),
    ("optional_list_index_int", "_[_](optional(list(A)), int) optional(A)"),
    ("optional_map_index_value", "_[_](optional(map(A, B)), A) optional(B)"),
):
    define(_id, _signature, _replaced_by_the_compiler)

define("logical_not", "!_(bool) bool", operator.not_)


def _equality_price(args: Any, _result: Any) -> int:
    return 1 if isinstance(args[0], Opaque) else by_smaller(args, _result)


define("equals", "_==_(A, A) bool", equal, _equality_price)
define("not_equals", "_!=_(A, A) bool", lambda one, other: not equal(one, other), by_smaller)


def in_range(number: int) -> int:
    """Return a number that is one of 64 bits. Errors: EvaluationError."""
    if number not in INT_RANGE:
        raise EvaluationError("integer overflow")
    return number


def _unsigned(number: int) -> Uint:
    if number not in UINT_RANGE:
        raise EvaluationError("unsigned integer overflow")
    return Uint(number)


def _span(nanoseconds: int) -> Duration:
    if nanoseconds not in INT_RANGE:
        raise EvaluationError("duration overflow")
    return Duration(nanoseconds)


def _moment(nanoseconds: int) -> Timestamp:
    if nanoseconds not in _TIMES:
        raise EvaluationError("timestamp overflow")
    return Timestamp(nanoseconds)


def _quotient(one: int, other: int) -> int:
    """Divide as processors do: towards zero."""
    if other == 0:
        raise EvaluationError("division by zero")
    whole = abs(one) // abs(other)
    return whole if (one < 0) == (other < 0) else -whole


def _rest(one: int, other: int) -> int:
    if other == 0:
        raise EvaluationError("modulus by zero")
    return int(math.copysign(1, one)) * (abs(one) % abs(other))


def _ratio(one: float, other: float) -> float:
    if other == 0:
        sign = math.copysign(1, one) * math.copysign(1, other)
        return math.nan if one == 0 or math.isnan(one) else math.copysign(math.inf, sign)
    return one / other


def _lists_joined(one: list[Any], other: list[Any]) -> list[Any]:
    if isinstance(one, SetList):
        return SetList([*one, *(item for item in other if not contains(one, item))])
    if isinstance(one, MapList):
        merged = {one.key(item): item for item in one} | {one.key(item): item for item in other}
        return MapList(list(merged.values()), one.keys)
    return [*one, *other]


for _id, _signature, _run in (
    ("add_bytes", "_+_(bytes, bytes) bytes", operator.add),
    ("add_double", "_+_(double, double) double", operator.add),
    ("add_duration_duration", "_+_(duration, duration) duration", lambda a, b: _span(a.nanoseconds + b.nanoseconds)),
    (
        "add_duration_timestamp",
        "_+_(duration, timestamp) timestamp",
        lambda a, b: _moment(a.nanoseconds + b.nanoseconds),
    ),
    (
        "add_timestamp_duration",
        "_+_(timestamp, duration) timestamp",
        lambda a, b: _moment(a.nanoseconds + b.nanoseconds),
    ),
    ("add_int64", "_+_(int, int) int", lambda a, b: in_range(a + b)),
    ("add_list", "_+_(list(A), list(A)) list(A)", _lists_joined),
    ("add_string", "_+_(string, string) string", operator.add),
    ("add_uint64", "_+_(uint, uint) uint", lambda a, b: _unsigned(a + b)),
    ("divide_double", "_/_(double, double) double", _ratio),
    ("divide_int64", "_/_(int, int) int", lambda a, b: in_range(_quotient(a, b))),
    ("divide_uint64", "_/_(uint, uint) uint", lambda a, b: Uint(_quotient(a, b))),
    ("modulo_int64", "_%_(int, int) int", _rest),
    ("modulo_uint64", "_%_(uint, uint) uint", lambda a, b: Uint(_rest(a, b))),
    ("multiply_double", "_*_(double, double) double", operator.mul),
    ("multiply_int64", "_*_(int, int) int", lambda a, b: in_range(a * b)),
    ("multiply_uint64", "_*_(uint, uint) uint", lambda a, b: _unsigned(a * b)),
    ("negate_double", "-_(double) double", operator.neg),
    ("negate_int64", "-_(int) int", lambda a: in_range(-a)),
    ("subtract_double", "_-_(double, double) double", operator.sub),
    (
        "subtract_duration_duration",
        "_-_(duration, duration) duration",
        lambda a, b: _span(a.nanoseconds - b.nanoseconds),
    ),
    ("subtract_int64", "_-_(int, int) int", lambda a, b: in_range(a - b)),
    (
        "subtract_timestamp_duration",
        "_-_(timestamp, duration) timestamp",
        lambda a, b: _moment(a.nanoseconds - b.nanoseconds),
    ),
    (
        "subtract_timestamp_timestamp",
        "_-_(timestamp, timestamp) duration",
        lambda a, b: _span(a.nanoseconds - b.nanoseconds),
    ),
    ("subtract_uint64", "_-_(uint, uint) uint", lambda a, b: _unsigned(a - b)),
):
    define(_id, _signature, _run, by_both if _id in ("add_string", "add_bytes") else None)

_ORDERED = [(kind, kind) for kind in ("bool", "int64", "uint64", "double", "string", "bytes", "timestamp", "duration")]
_ORDERED[2:2] = [("int64", "double"), ("int64", "uint64")]
_ORDERED[5:5] = [("uint64", "double"), ("uint64", "int64")]
_ORDERED[8:8] = [("double", "int64"), ("double", "uint64")]


def _relation(test: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    return lambda one, other: test(compared(one, other), 0)


for _word, _sign, _test in (
    ("less", "<", operator.lt),
    ("less_equals", "<=", operator.le),
    ("greater", ">", operator.gt),
    ("greater_equals", ">=", operator.ge),
):
    for _one, _other in _ORDERED:
        _id = f"{_word}_{_one}" if _one == _other else f"{_word}_{_one}_{_other}"
        _kinds = f"{_one.removesuffix('64')}, {_other.removesuffix('64')}"
        define(_id, f"_{_sign}_({_kinds}) bool", _relation(_test), by_smaller if _one in ("string", "bytes") else None)

define("in_list", "@in(A, list(A)) bool", lambda item, items: contains(items, item), lambda args, _: size(args[1]))
define("in_map", "@in(A, map(A, B)) bool", lambda key, entries: key in entries)

for _id, _kind in (("bytes", "bytes"), ("list", "list(A)"), ("map", "map(A, B)"), ("string", "string")):
    define(f"size_{_id}", f"size({_kind}) int", len)
    define(f"{_id}_size", f"{_kind} => size() int", len)

# ---- conversions -----------------------------------------------------------------------------------------------------

define("type", "type(A) type(A)", type_of)
define("to_dyn", "dyn(A) dyn", _same)


def _unfit(kind: str, target: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{kind}' to '{target}'")


def _to_bool(text: str) -> bool:
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise _unfit("string", "bool")


def _number(text: str, target: str, read: Callable[[str], Any]) -> Any:
    if text != text.strip() or "_" in text or not text.isascii():
        raise _unfit("string", target)
    try:
        return read(text)
    except ValueError:
        raise _unfit("string", target) from None


def _text_to_int(text: str) -> int:
    number = _number(text, "int", int)
    if number not in INT_RANGE:
        raise _unfit("string", "int")
    return int(number)


def _text_to_uint(text: str) -> Uint:
    number = _number(text, "uint", int) if text[:1].isdigit() else -1
    if number not in UINT_RANGE:
        raise _unfit("string", "uint")
    return Uint(number)


def _double_to_int(number: float) -> int:
    if not _WHOLE_DOUBLES[0] < number < _WHOLE_DOUBLES[1]:
        raise EvaluationError("integer overflow")
    return int(number)


def _double_to_uint(number: float) -> Uint:
    if not 0 <= number < 2.0**64:
        raise EvaluationError("unsigned integer overflow")
    return Uint(number)


def _to_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


def _time(text: str, target: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except EvaluationError:
        raise _unfit("string", f"google.protobuf.{target}") from None


for _target, _kind, _convert in (
    ("bool", "bool", _same),
    ("bool", "string", _to_bool),
    ("bytes", "bytes", _same),
    ("bytes", "string", str.encode),
    ("double", "double", _same),
    ("double", "int", float),
    ("double", "string", lambda text: _number(text, "double", float)),
    ("double", "uint", float),
    ("duration", "duration", _same),
    ("duration", "int", Duration),
    ("duration", "string", lambda text: _time(text, "Duration", duration)),
    ("int", "int", _same),
    ("int", "double", _double_to_int),
    ("int", "duration", lambda span: span.nanoseconds),
    ("int", "string", _text_to_int),
    ("int", "timestamp", lambda moment: moment.nanoseconds // _SECOND),
    ("int", "uint", lambda number: in_range(int(number))),
    ("string", "string", _same),
    ("string", "bool", lambda value: "true" if value else "false"),
    ("string", "bytes", _to_text),
    ("string", "double", double_text),
    ("string", "duration", str),
    ("string", "int", str),
    ("string", "timestamp", str),
    ("string", "uint", lambda number: str(int(number))),
    ("timestamp", "timestamp", _same),
    ("timestamp", "int", lambda seconds: _moment(seconds * _SECOND)),
    ("timestamp", "string", lambda text: _time(text, "Timestamp", timestamp)),
    ("uint", "uint", _same),
    ("uint", "double", _double_to_uint),
    ("uint", "int", _unsigned),
    ("uint", "string", _text_to_uint),
):
    _traversed = {_target, _kind} == {"bytes", "string"}
    define(f"{_kind}_to_{_target}", f"{_target}({_kind}) {_target}", _convert, by_first if _traversed else None)

# ---- texts -----------------------------------------------------------------------------------------------------------


def _both_passes(args: Any, _result: Any) -> int:
    return tenth(size(args[0])) * tenth(size(args[1]))


def pattern_found(text: str, pattern: str) -> bool:
    """Whether a pattern is found in a text."""
    try:
        return compiled(pattern).search(text) is not None
    except ValueError as error:
        raise EvaluationError(str(error)) from None


define("contains_string", "string => contains(string) bool", lambda text, part: part in text, _both_passes)
define("ends_with_string", "string => endsWith(string) bool", str.endswith, by_first)
define("starts_with_string", "string => startsWith(string) bool", str.startswith, by_first)
define("matches", "matches(string, string) bool", pattern_found)
define("matches_string", "string => matches(string) bool", pattern_found, by_pattern)

# ---- times -----------------------------------------------------------------------------------------------------------


def _in_zone(moment: Timestamp, zone: str) -> dt.datetime:
    utc = moment.moment()
    if zone in ("", "UTC"):
        return utc
    if ":" in zone:
        hours, _, minutes = zone.partition(":")
        if not (hours.lstrip("+-").isdigit() and minutes.isdigit()):
            raise EvaluationError(f"unknown time zone {zone}")
        offset = abs(int(hours)) * 60 + int(minutes)
        return utc + dt.timedelta(minutes=-offset if zone.startswith("-") else offset)
    try:
        return utc.astimezone(zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {zone}") from None


for _function, _id, _part in (
    ("getFullYear", "year", lambda at, _: at.year),
    ("getMonth", "month", lambda at, _: at.month - 1),
    ("getDayOfYear", "day_of_year", lambda at, _: at.timetuple().tm_yday - 1),
    ("getDate", "day_of_month_1_based", lambda at, _: at.day),
    ("getDayOfMonth", "day_of_month", lambda at, _: at.day - 1),
    ("getDayOfWeek", "day_of_week", lambda at, _: at.isoweekday() % 7),
    ("getHours", "hours", lambda at, _: at.hour),
    ("getMinutes", "minutes", lambda at, _: at.minute),
    ("getSeconds", "seconds", lambda at, _: at.second),
    ("getMilliseconds", "milliseconds", lambda _, moment: moment.nanoseconds % _SECOND // 10**6),
):
    define(
        f"timestamp_to_{_id}",
        f"timestamp => {_function}() int",
        lambda moment, part=_part: part(moment.moment(), moment),
    )
    define(
        f"timestamp_to_{_id}_with_tz",
        f"timestamp => {_function}(string) int",
        lambda moment, zone, part=_part: part(_in_zone(moment, zone), moment),
    )

for _function, _id, _unit in (
    ("getHours", "hours", 3600 * _SECOND),
    ("getMinutes", "minutes", 60 * _SECOND),
    ("getSeconds", "seconds", _SECOND),
    ("getMilliseconds", "milliseconds", 10**6),
):
    define(
        f"duration_to_{_id}",
        f"duration => {_function}() int",
        lambda span, unit=_unit: _quotient(span.nanoseconds, unit),
    )

# ---- optional values -------------------------------------------------------------------------------------------------

define("optional_of", "optional.of(A) optional(A)", Optional)
define("optional_none", "optional.none() optional(A)", lambda: NONE)


@overload("optional_ofNonZeroValue", "optional.ofNonZeroValue(A) optional(A)")
def _of_something(value: Any) -> Optional:
    if isinstance(value, (Duration, Timestamp)):
        return Optional(value) if value.nanoseconds or isinstance(value, Timestamp) else NONE
    is_zero = value is None or (isinstance(value, (bool, int, float, str, bytes, list, dict)) and not value)
    return NONE if is_zero else Optional(value)


@overload("optional_value", "optional(A) => value() A")
def _value(optional: Optional) -> Any:
    if not optional.there:
        raise EvaluationError("optional.none() dereference")
    return optional.value


define("optional_hasValue", "optional(A) => hasValue() bool", lambda optional: optional.there)
define("optional_or_optional", "optional(A) => or(optional(A)) optional(A)", _replaced_by_the_compiler, nothing)
define("optional_orValue_value", "optional(A) => orValue(A) A", _replaced_by_the_compiler, nothing)
define("list_last", "list(A) => last() optional(A)", lambda items: Optional(items[-1]) if items else NONE)
define("list_first", "list(A) => first() optional(A)", lambda items: Optional(items[0]) if items else NONE)


@overload("optional_unwrap", "optional.unwrap(list(optional(A))) list(A)")
@overload("optional_unwrapOpt", "list(optional(A)) => unwrapOpt() list(A)")
def _unwrapped(items: list[Any]) -> list[Any]:
    return [item.value for item in items if item.there]


# ---- maps of comprehensions ------------------------------------------------------------------------------------------


@overload("@mapInsert_map_key_value", "cel.@mapInsert(map(A, B), A, B) map(A, B)")
def inserted(entries: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    """Put an entry into a map. Errors: EvaluationError if there is one of that key."""
    if key in entries:
        raise EvaluationError(f"insert failed: key {key} already exists")
    entries[key] = value
    return entries


@overload("@mapInsert_map_map", "cel.@mapInsert(map(A, B), map(A, B)) map(A, B)")
def all_inserted(entries: dict[Any, Any], more: dict[Any, Any]) -> dict[Any, Any]:
    """Put the entries of one map into another."""
    for key, value in more.items():
        inserted(entries, key, value)
    return entries
