"""The table of functions that expressions may call: each overload's types, what it does, and what a call costs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ctrlkit.fakes.tracker.cel.types import Type, read
from ctrlkit.fakes.tracker.cel.values import EvaluationError, size

Run = Callable[..., Any]
AnyRun = TypeVar("AnyRun", bound=Run)
Price = Callable[[Sequence[Any], Any], int]
"""What a call costs, by its arguments and its result."""


@dataclass(frozen=True, slots=True)
class Overload:
    """One form of a function; of a member the first parameter is what it is called on."""

    id: str
    function: str
    member: bool
    params: tuple[Type, ...]
    result: Type
    run: Run
    price: Price | None
    """None stands for a cost of 1."""

    @property
    def generic(self) -> bool:
        """Whether some of its types are to be found out."""
        return any(_has_param(one) for one in (*self.params, self.result))


def _has_param(kind: Type) -> bool:
    return kind.kind == "param" or any(_has_param(one) for one in kind.params)


OVERLOADS: dict[str, list[Overload]] = {}
"""The overloads of each function, in the order in which they are tried."""


def define(identity: str, signature: str, run: Run, price: Price | None = None) -> None:
    """
    Add an overload; a signature is written `function(parameters) result`, a member's `target => function(...) ...`.

    >>> define("example", "string => example(int) bool", lambda text, number: len(text) == number)
    >>> OVERLOADS.pop("example")[0].member
    True
    """
    target, arrow, rest = signature.rpartition(" => ")
    name, _, rest = rest.partition("(")
    inner, _, result = rest.rpartition(") ")
    params = [*([target] if arrow else []), *_parted(inner)]
    overload = Overload(identity, name, bool(arrow), tuple(map(read, params)), read(result), run, price)
    OVERLOADS.setdefault(name, []).append(overload)


def _parted(text: str) -> list[str]:
    """Split parameters at the commas that are not within parentheses."""
    parts = re.split(r",\s*(?![^()]*\))", text)
    return [part for part in parts if part]


def overload(identity: str, signature: str, price: Price | None = None) -> Callable[[AnyRun], AnyRun]:
    """Add a function as an overload; see `define`."""

    def add(run: AnyRun) -> AnyRun:
        define(identity, signature, run, price)
        return run

    return add


def holds(read: Callable[..., Any]) -> Callable[..., bool]:
    """Whether a text is what a function reads."""

    def check(*args: Any) -> bool:
        try:
            read(*args)
        except EvaluationError:
            return False
        return True

    return check


# ---- what calls cost -------------------------------------------------------------------------------------------------


def tenth(count: float) -> int:
    """Return what it costs to go over so many characters or items once."""
    return math.ceil(count * 0.1)


def by_first(args: Sequence[Any], _result: Any) -> int:
    """One pass over the first argument."""
    return tenth(size(args[0]))


def by_first_twice(args: Sequence[Any], _result: Any) -> int:
    """One pass over the first argument, and the making of a result."""
    return math.ceil(size(args[0]) * 2 * 0.1)


def by_smaller(args: Sequence[Any], _result: Any) -> int:
    """One pass over the smaller of two arguments."""
    return tenth(min(size(args[0]), size(args[1])))


def by_both(args: Sequence[Any], _result: Any) -> int:
    """One pass over both arguments."""
    return tenth(size(args[0]) + size(args[1]))


def by_pattern(args: Sequence[Any], _result: Any) -> int:
    """A pattern's pass over a text."""
    return tenth(1.0 + size(args[0])) * math.ceil(size(args[1]) * 0.25)


def nothing(_args: Sequence[Any], _result: Any) -> int:
    """Free of charge."""
    return 0


def by_elements(args: Sequence[Any], _result: Any) -> int:
    """One pass over all that is within the first argument."""
    return _traversal(args[0])


def _traversal(value: Any) -> int:
    if isinstance(value, str):
        return int(len(value.encode()) * 0.1)
    if isinstance(value, bytes):
        return int(len(value) * 0.1)
    if isinstance(value, list):
        return sum(map(_traversal, value))
    if isinstance(value, dict):
        return sum(_traversal(key) + _traversal(inner) for key, inner in value.items())
    return 1
