"""What parts of expressions are made into: functions of a frame, which reckon what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ctrlkit.fakes.tracker.cel.functions import Overload, Price
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.cel.values import (
    CALL_LIMIT,
    NO_OVERLOAD,
    NONE,
    EvaluationError,
    Optional,
    OutOfBudget,
    shown,
    type_name,
    type_of,
)

WRONG = (EvaluationError, TypeError, AttributeError)
"""What a part without a value raises; the last two where a value that may be null is taken for another."""


class Frame:
    """One evaluation: the values of its variables by their places, and what it has cost so far."""

    __slots__ = ("cost", "slots")

    def __init__(self, slots: list[Any]) -> None:
        self.cost: int = 0
        self.slots: list[Any] = slots


Run = Callable[[Frame], Any]


def plus(run: Run, cost: int) -> Run:
    """Make a part cost more."""

    def more(frame: Frame) -> Any:
        frame.cost += cost
        return run(frame)

    return more


def variable(place: int, head: int) -> Run:
    """A variable, by its place."""
    if not head:
        return lambda frame: frame.slots[place]

    def run(frame: Frame) -> Any:
        frame.cost += 1
        return frame.slots[place]

    return run


def field_of(operand: Run, name: str, called: str, *, of_struct: bool) -> Run:
    """A field, which has to be there."""

    def of_known(frame: Frame) -> Any:
        frame.cost += 1
        found = operand(frame).get(name)
        if found is None:
            raise EvaluationError(f"no such key: {called}")
        return found

    def run(frame: Frame) -> Any:
        frame.cost += 1
        found = operand(frame)
        if not isinstance(found, dict) or name not in found:
            raise EvaluationError(f"no such key: {called}")
        return found[name]

    return of_known if of_struct else run


def optional_field(operand: Run, name: str, *, of_struct: bool) -> Run:
    """A field as an optional value."""

    def run(frame: Frame) -> Optional:
        found = operand(frame)
        if isinstance(found, Optional):
            if not found.there:
                return NONE
            found = found.value
        if not isinstance(found, dict) or name not in found or (of_struct and found[name] is None):
            return NONE
        frame.cost += 1
        return Optional(found[name])

    return run


def lazy_field(operand: Run, name: str) -> Run:
    """A variable of a policy, whatever its value is."""

    def run(frame: Frame) -> Any:
        frame.cost += 1
        return operand(frame).get(name)

    return run


def presence(value: Run) -> Run:
    """Whether there is a value, which has to be found out: there is, or it is wrong."""

    def run(frame: Frame) -> bool:
        value(frame)
        return True

    return run


def _at(found: Any, index: Any) -> Any:
    """Return an item of a list or map; IndexError or KeyError if it has none of that index."""
    if isinstance(found, dict):
        return found[index]
    if isinstance(found, list):
        if isinstance(index, bool) or not isinstance(index, (int, float)) or index != int(index):
            raise EvaluationError(f"unsupported index type '{type_of(index).name}' in list")
        if not 0 <= index < len(found):
            raise IndexError
        return found[int(index)]
    raise EvaluationError(NO_OVERLOAD)


def item_at(operand: Run, index: Run, *, is_raw: bool = False) -> Run:
    """An item of a list or map, which has to be there; of what is as it was sent, nothing else has any."""

    def run(frame: Frame) -> Any:
        frame.cost += 1
        found, key = operand(frame), index(frame)
        if is_raw and not isinstance(found, (dict, list)):
            raise EvaluationError(f"no such key: {shown(key)}")
        try:
            return _at(found, key)
        except IndexError:
            raise EvaluationError(f"index out of bounds: {shown(key)}") from None
        except KeyError:
            raise EvaluationError(f"no such key: {shown(key)}") from None

    return run


def optional_item(operand: Run, index: Run) -> Run:
    """An item as an optional value."""

    def run(frame: Frame) -> Optional:
        found, key = operand(frame), index(frame)
        if isinstance(found, Optional):
            if not found.there:
                return NONE
            found = found.value
        try:
            item = Optional(_at(found, key))
        except (IndexError, KeyError):
            return NONE
        frame.cost += 1
        return item

    return run


def scalars_equal(one: Run, other: Run) -> Run:
    """Whether two numbers, times or truths of one type are equal."""

    def run(frame: Frame) -> bool:
        frame.cost += 1
        return one(frame) == other(frame)  # type: ignore[no-any-return]

    return run


def scalars_differ(one: Run, other: Run) -> Run:
    """Whether they are not."""

    def run(frame: Frame) -> bool:
        frame.cost += 1
        return one(frame) != other(frame)  # type: ignore[no-any-return]

    return run


def texts_equal(one: Run, other: Run, *, wanted: bool) -> Run:
    """Whether two texts are equal, or are not, as wanted."""

    def run(frame: Frame) -> bool:
        mine, its = one(frame), other(frame)
        if mine is None or its is None:
            frame.cost += 1
            return (mine is its) is wanted
        frame.cost += (min(len(mine), len(its)) + 9) // 10
        return (mine == its) is wanted

    return run


def called(run: Callable[..., Any], price: Price | None, args: Sequence[Run]) -> Run:
    """A call of one overload."""
    if price is None and len(args) == 1:
        only = args[0]

        def of_one(frame: Frame) -> Any:
            frame.cost += 1
            return run(only(frame))

        return of_one
    if price is None and len(args) == 2:
        one, other = args

        def of_two(frame: Frame) -> Any:
            frame.cost += 1
            return run(one(frame), other(frame))

        return of_two
    return _priced(run, price, args)


def _priced(run: Callable[..., Any], price: Price | None, args: Sequence[Run]) -> Run:
    def call(frame: Frame) -> Any:
        values = [arg(frame) for arg in args]
        result = run(*values)
        frame.cost += price(values, result) if price else 1
        if frame.cost > CALL_LIMIT:
            raise OutOfBudget
        return result

    return call


def dispatched(overloads: Sequence[Overload], args: Sequence[Run]) -> Run:
    """A call of the overload that the values fit."""

    function = overloads[0].function

    def call(frame: Frame) -> Any:
        values = [arg(frame) for arg in args]
        for one in overloads:
            if all(_fits(kind, value) for kind, value in zip(one.params, values, strict=True)):
                try:
                    result = one.run(*values)
                except TypeError:
                    break
                frame.cost += one.price(values, result) if one.price else 1
                return result
        frame.cost += 1
        raise EvaluationError(_no_overload(function, values))

    return call


_PLAIN = frozenset({"size", "startsWith", "endsWith", "contains", "matches", "@in"})
"""Functions of the language itself, of which a server does not say for what types there is none."""

_RECEIVERS = frozenset({"string", "timestamp", "duration", "list"})
_NUMBERS = frozenset({"int", "uint", "double"})
_ORDERED = _NUMBERS | {"bool", "string", "bytes", "timestamp", "duration"}
_OPERATORS: Mapping[str, frozenset[str]] = {
    "_+_": _NUMBERS | {"string", "bytes", "list", "duration", "timestamp"},
    "_-_": _NUMBERS | {"duration", "timestamp"},
    "_*_": _NUMBERS,
    "_/_": _NUMBERS,
    "_%_": frozenset({"int", "uint"}),
    "-_": frozenset({"int", "double", "duration"}),
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _ORDERED),
}
"""The types that know an operator; others are told by its name that there is none."""


def _no_overload(function: str, values: Sequence[Any]) -> str:
    """What a server says of values that a function is not for."""
    if function in _OPERATORS:
        kind = type_of(values[0]).kind
        is_known = kind in _RECEIVERS or kind in _OPERATORS[function]
        return NO_OVERLOAD if is_known else f"{NO_OVERLOAD}: {function}"
    if function in _PLAIN or function.startswith("get") or not function[0].isalpha():
        return NO_OVERLOAD
    return f"{NO_OVERLOAD}: {function}({', '.join(map(type_name, values))})"


def _fits(kind: Type, value: Any) -> bool:
    return kind.kind in ("param", "dyn") or (type_of(value).kind == kind.kind and _same_name(kind, value))


def _same_name(kind: Type, value: Any) -> bool:
    return kind.kind not in ("struct", "opaque") or type_of(value).name == kind.name
