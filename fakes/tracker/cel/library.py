"""The functions on texts, lists and sets that Kubernetes adds to the language."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from ctrlkit.fakes.tracker.cel.functions import (
    Price,
    by_elements,
    by_first,
    by_first_twice,
    by_pattern,
    define,
    overload,
    tenth,
)
from ctrlkit.fakes.tracker.cel.standard import in_range
from ctrlkit.fakes.tracker.cel.values import (
    CALL_LIMIT,
    Duration,
    EvaluationError,
    OutOfBudget,
    Timestamp,
    Uint,
    compared,
    contains,
    equal,
    size,
    type_name,
    type_of,
)
from ctrlkit.fakes.tracker.schema.go_text import double_text
from ctrlkit.fakes.tracker.schema.patterns import compiled

_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_TIMES = "\N{MULTIPLICATION SIGN}"
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

# ---- texts -----------------------------------------------------------------------------------------------------------


def _index_error(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


@overload("string_char_at_int", "string => charAt(int) string")
def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise _index_error(index)
    return text[index : index + 1]


@overload("string_index_of_string", "string => indexOf(string) int", by_elements)
@overload("string_index_of_string_int", "string => indexOf(string, int) int", by_elements)
def _index_of(text: str, part: str, offset: int = 0) -> int:
    if not part:
        return offset
    if offset < 0:
        raise _index_error(offset)
    return text.find(part, offset)


@overload("string_last_index_of_string", "string => lastIndexOf(string) int", by_elements)
def _last_index_of(text: str, part: str) -> int:
    return text.rfind(part)


@overload("string_last_index_of_string_int", "string => lastIndexOf(string, int) int", by_elements)
def _last_index_before(text: str, part: str, offset: int) -> int:
    if not part:
        return offset
    if offset < 0:
        raise _index_error(offset)
    return -1 if offset >= len(text) else text.rfind(part, 0, offset + len(part))


def _ascii(text: str, change: Callable[[str], str]) -> str:
    return "".join(change(char) if char.isascii() else char for char in text)


define("string_lower_ascii", "string => lowerAscii() string", lambda text: _ascii(text, str.lower), by_first)
define("string_upper_ascii", "string => upperAscii() string", lambda text: _ascii(text, str.upper), by_first)
define("string_trim", "string => trim() string", lambda text: text.strip(_SPACE), by_first)


@overload("string_replace_string_string", "string => replace(string, string) string", by_first_twice)
@overload("string_replace_string_string_int", "string => replace(string, string, int) string", by_first_twice)
def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


@overload("string_split_string", "string => split(string) list(string)", by_first_twice)
@overload("string_split_string_int", "string => split(string, int) list(string)", by_first_twice)
def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    characters = list(text)
    return characters if count < 0 or count >= len(text) else [*characters[: count - 1], text[count - 1 :]]


@overload("string_substring_int", "string => substring(int) string", by_first)
def _substring(text: str, start: int) -> str:
    if not 0 <= start <= len(text):
        raise _index_error(start)
    return text[start:]


@overload("string_substring_int_int", "string => substring(int, int) string", by_first)
def _substring_to(text: str, start: int, end: int) -> str:
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, end):
        if not 0 <= index <= len(text):
            raise _index_error(index)
    return text[start:end]


def _join_price(_args: Sequence[Any], result: Any) -> int:
    return tenth(size(result) * 2)


define("list_join", "list(string) => join() string", "".join, _join_price)
define("list_join_string", "list(string) => join(string) string", lambda parts, by: by.join(parts), _join_price)

_QUOTED = str.maketrans({
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
})  # fmt: skip


@overload("strings_quote", "strings.quote(string) string", by_first)
def quoted(text: str) -> str:
    """Put a text between quotation marks, as one is written in an expression."""
    return f'"{text.translate(_QUOTED)}"'


# ---- formatted texts -------------------------------------------------------------------------------------------------


@overload("string_format", "string => format(list(dyn)) string", by_first)
def formatted(template: str, args: list[Any]) -> str:
    """Put values into the places of a text such as `%s of %d`."""
    out: list[str] = []
    at = used = 0
    while at < len(template):
        if template[at] != "%" or template[at : at + 2] == "%%":
            out.append(template[at])
            at += 2 if template[at] == "%" else 1
            continue
        if used >= len(args):
            raise EvaluationError(f"index {used} out of range")
        at, precision, letter = clause(template, at + 1)
        try:
            out.append(_CLAUSES[letter](args[used], precision))
        except EvaluationError as error:
            raise EvaluationError(f"error during formatting: {error}") from None
        used += 1
    return "".join(out)


def clause(template: str, at: int) -> tuple[int, int, str]:
    """Return where a place of a template ends, its precision, and its letter. Errors: EvaluationError."""
    if at >= len(template):
        raise EvaluationError("unexpected end of string")
    precision = 6
    if template[at] == ".":
        end = at + 1
        while template[end : end + 1].isdigit():
            end += 1
        if end >= len(template):
            raise EvaluationError("error while parsing precision: could not find end of precision specifier")
        precision, at = int(template[at + 1 : end] or 0), end
    if template[at] not in _CLAUSES:
        text = f'could not parse formatting clause: unrecognized formatting clause "{template[at]}"'
        raise EvaluationError(text)
    return at + 1, precision, template[at]


def _as_text(value: Any, _precision: int = 0) -> str:  # noqa: PLR0911  # one for each kind of value
    if isinstance(value, list):
        return f"[{', '.join(map(_inner_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{_inner_text(key)}:{_inner_text(one)}' for key, one in value.items()))}}}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (int, str, Duration, Timestamp)) or type_of(value).kind == "type":
        return str(int(value)) if isinstance(value, int) else str(getattr(value, "name", value))
    kinds = "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
    raise EvaluationError(f"string clause can only be used on {kinds}, was given {type_name(value)}")


def _inner_text(value: Any) -> str:
    """A value within a list or map, as an expression writes it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bytes):
        return f"b{quoted(_as_text(value))}"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, (Duration, Timestamp)):
        return f'{type(value).__name__.lower()}("{value}")'
    return _as_text(value)


def _decimal(value: Any, _precision: int) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise EvaluationError(f"decimal clause can only be used on integers, was given {type_name(value)}")
    return str(int(value))


def _number(value: Any, what: str) -> float:
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if not isinstance(value, float):
        raise EvaluationError(f"{what} clause can only be used on doubles, was given {type_name(value)}")
    return value


def _fixed(value: Any, precision: int) -> str:
    return f"{_number(value, 'fixed-point'):,.{precision}f}"


def _scientific(value: Any, precision: int) -> str:
    mantissa, _, exponent = f"{_number(value, 'scientific'):.{precision}e}".partition("e")
    power = exponent[1:].translate(_DIGITS)
    return f"{mantissa}{_TIMES}10{'⁻' if exponent.startswith('-') else ''}{power}"


def _binary(value: Any, _precision: int) -> str:
    if not isinstance(value, int):
        raise EvaluationError(f"only integers and bools can be formatted as binary, was given {type_name(value)}")
    return f"{int(value):b}"


def _hexadecimal(value: Any, _precision: int) -> str:
    if isinstance(value, (str, bytes)):
        return (value.encode() if isinstance(value, str) else value).hex()
    if not isinstance(value, int) or isinstance(value, bool):
        kinds = "integers, byte buffers, and strings"
        raise EvaluationError(f"only {kinds} can be formatted as hex, was given {type_name(value)}")
    return f"{int(value):x}"


def _octal(value: Any, _precision: int) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise EvaluationError(f"octal clause can only be used on integers, was given {type_name(value)}")
    return f"{int(value):o}"


_CLAUSES: dict[str, Callable[[Any, int], str]] = {
    "s": _as_text,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "x": _hexadecimal,
    "X": lambda value, precision: _hexadecimal(value, precision).upper(),
    "o": _octal,
}

# ---- patterns --------------------------------------------------------------------------------------------------------


def _pattern(pattern: str) -> Any:
    try:
        return compiled(pattern)
    except ValueError as error:
        raise EvaluationError(f"Illegal regex: {error}") from None


@overload("string_find_string", "string => find(string) string", by_pattern)
def _find(text: str, pattern: str) -> str:
    match = _pattern(pattern).search(text)
    return match.group(0) if match else ""


@overload("string_find_all_string", "string => findAll(string) list(string)", by_pattern)
@overload("string_find_all_string_int", "string => findAll(string, int) list(string)", by_pattern)
def _find_all(text: str, pattern: str, count: int = -1) -> list[str]:
    found = [match.group(0) for match in _pattern(pattern).finditer(text)]
    return found[:count] if count >= 0 else found


# ---- lists -----------------------------------------------------------------------------------------------------------

_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_ZEROS: dict[str, Any] = {"int": 0, "uint": Uint(0), "double": 0.0, "duration": Duration(0)}


def _is_sorted(items: list[Any]) -> bool:
    return all(compared(one, other) <= 0 for one, other in itertools.pairwise(items))


def _extreme(name: str, sign: int) -> Callable[[list[Any]], Any]:
    def found(items: list[Any]) -> Any:
        if not items:
            raise EvaluationError(f"{name} called on empty list")
        return functools.reduce(lambda best, one: one if compared(one, best) == sign else best, items)

    return found


def _sum(zero: Any) -> Callable[[list[Any]], Any]:
    def found(items: list[Any]) -> Any:
        if isinstance(zero, Duration):
            return Duration(in_range(sum(one.nanoseconds for one in items)))
        total = functools.reduce(operator.add, items, zero)
        if isinstance(zero, float):
            return total
        if isinstance(zero, Uint):
            return Uint(total)
        return in_range(total)

    return found


def _self_compared(items: Sequence[Any]) -> int:
    factor = 2.1 if items and isinstance(items[0], (str, bytes)) else 2.0
    return int(len(items) ** 2 * factor) + 11


def _sorted(items: list[Any]) -> list[Any]:
    return _sorted_by(items, items)


def _sorted_by(items: list[Any], keys: list[Any]) -> list[Any]:
    def order(one: int, other: int) -> int:
        return compared(keys[one], keys[other])

    return [items[index] for index in sorted(range(len(items)), key=functools.cmp_to_key(order))]


for _kind in _COMPARABLE:
    define(f"list_{_kind}_is_sorted_bool", f"list({_kind}) => isSorted() bool", _is_sorted, by_elements)
    define(f"list_{_kind}_max_{_kind}", f"list({_kind}) => max() {_kind}", _extreme("max", 1), by_elements)
    define(f"list_{_kind}_min_{_kind}", f"list({_kind}) => min() {_kind}", _extreme("min", -1), by_elements)
    define(
        f"list_{_kind}_sort",
        f"list({_kind}) => sort() list({_kind})",
        _sorted,
        lambda args, _: _self_compared(args[0]),
    )
    define(
        f"list_{_kind}_sortByAssociatedKeys",
        f"list(A) => @sortByAssociatedKeys(list({_kind})) list(A)",
        _sorted_by,
        lambda args, _: _self_compared(args[1]),
    )
for _kind, _zero in _ZEROS.items():
    define(f"list_{_kind}_sum_{_kind}", f"list({_kind}) => sum() {_kind}", _sum(_zero), by_elements)


@overload("list_a_index_of_int", "list(A) => indexOf(A) int", by_elements)
def _position(items: list[Any], item: Any) -> int:
    return next((index for index, one in enumerate(items) if equal(one, item)), -1)


@overload("list_a_last_index_of_int", "list(A) => lastIndexOf(A) int", by_elements)
def _last_position(items: list[Any], item: Any) -> int:
    return next((index for index in reversed(range(len(items))) if equal(items[index], item)), -1)


def _by_result(_args: Sequence[Any], result: Any) -> int:
    return size(result) + 11


@overload("list_slice", "list(A) => slice(int, int) list(A)", _by_result)
def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    call = f"cannot slice({start}, {end})"
    if start < 0 or end < 0:
        raise EvaluationError(f"{call}, negative indexes not supported")
    if start > end:
        raise EvaluationError(f"{call}, start index must be less than or equal to end index")
    if end > len(items):
        raise EvaluationError(f"{call}, list is length {len(items)}")
    return items[start:end]


def _flattened(items: list[Any], depth: int) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    flat: list[Any] = []
    for item in items:
        if isinstance(item, list) and depth:
            flat += _flattened(item, depth - 1)
        else:
            flat.append(item)
    return flat


def _flatten_price(args: Sequence[Any], _result: Any) -> int:
    return len(args[0]) * (args[1] if len(args) > 1 else 1) + 11


define("list_flatten", "list(list(A)) => flatten() list(A)", lambda items: _flattened(items, 1), _flatten_price)
define("list_flatten_int", "list(dyn) => flatten(int) list(dyn)", _flattened, _flatten_price)


@overload("lists_range", "lists.range(int) list(int)", _by_result)
def _range(count: int) -> list[int]:
    if count > CALL_LIMIT:  # it costs more than an evaluation may, so there is no need to make it
        raise OutOfBudget
    return list(range(count))


define("list_reverse", "list(A) => reverse() list(A)", lambda items: items[::-1], _by_result)


@overload("list_distinct", "list(A) => distinct() list(A)", lambda args, _: _self_compared(args[0]))
def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not contains(found, item):
            found.append(item)
    return found


# ---- sets ------------------------------------------------------------------------------------------------------------


def _contains_all(items: list[Any], others: list[Any]) -> bool:
    return all(contains(items, other) for other in others)


def _pairs(factor: int) -> Price:
    return lambda args, _: len(args[0]) * len(args[1]) * factor + 1


define("list_sets_contains_list", "sets.contains(list(A), list(A)) bool", _contains_all, _pairs(1))
define(
    "list_sets_equivalent_list",
    "sets.equivalent(list(A), list(A)) bool",
    lambda one, other: _contains_all(one, other) and _contains_all(other, one),
    _pairs(2),
)
define(
    "list_sets_intersects_list",
    "sets.intersects(list(A), list(A)) bool",
    lambda one, other: any(contains(other, item) for item in one),
    _pairs(1),
)
