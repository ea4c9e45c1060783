"""What comprehensions are made into: loops, which cost what the steps of a server's cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ctrlkit.fakes.tracker.cel.parts import WRONG, Frame, Run
from ctrlkit.fakes.tracker.cel.standard import all_inserted, inserted
from ctrlkit.fakes.tracker.cel.tree import Fold
from ctrlkit.fakes.tracker.cel.values import CALL_LIMIT, NO_OVERLOAD, EvaluationError, OutOfBudget, type_name

Places = tuple[int, int]
Parts = Sequence[Run | None]


def _elements(value: Any, places: Places) -> Iterator[tuple[Any, Any]]:
    """Yield what the variables of a comprehension are in turn."""
    if isinstance(value, dict):
        return iter(value.items())
    if not isinstance(value, list):
        name = type_name(value).removesuffix("_type").capitalize()
        raise EvaluationError(f"got 'types.{name}', expected iterable type")
    return enumerate(value) if places[1] >= 0 else ((item, None) for item in value)


def _quantified(node: Fold, over: Run, places: Places, parts: Parts) -> Run:
    """`all` and `exists`: an element that decides does so even if others have no value."""
    predicate, (first, second) = parts[0], places
    assert predicate is not None
    decides = node.macro == "exists"
    going, each = (3, 4) if decides else (2, 3)

    def run(frame: Frame) -> Any:
        slots, wrong, decided = frame.slots, None, False
        for key, value in _elements(over(frame), places):
            if decided:
                frame.cost += going
                break
            frame.cost += each
            slots[first] = key
            if second >= 0:
                slots[second] = value
            try:
                found = predicate(frame)
                if found is decides:
                    decided = True
                elif found is not (not decides):
                    raise EvaluationError(NO_OVERLOAD)
            except WRONG as error:
                wrong = wrong or error
            if frame.cost > CALL_LIMIT:
                raise OutOfBudget
        frame.cost += 1
        if wrong and not decided:
            raise wrong
        return decides if decided else not decides

    return run


def _looped(frame: Frame, value: Any, places: Places) -> Iterator[tuple[Any, Any]]:
    """Yield the elements, each put into its variables."""
    first, second = places
    for key, item in _elements(value, places):
        frame.slots[first] = key
        if second >= 0:
            frame.slots[second] = item
        yield key, item
        if frame.cost > CALL_LIMIT:
            raise OutOfBudget


def _exists_one(_node: Fold, over: Run, places: Places, parts: Parts) -> Run:
    predicate = parts[0]
    assert predicate is not None

    def run(frame: Frame) -> bool:
        count = 0
        for _ in _looped(frame, over(frame), places):
            if predicate(frame):
                count += 1
                frame.cost += 2
        frame.cost += 2
        return count == 1

    return run


def listed(over: Run, places: Places, parts: Parts, each: int) -> Run:
    """`map`, `filter` and `transformList`; `each` is what it costs to add an item."""
    predicate, transform = parts
    assert transform is not None

    def run(frame: Frame) -> list[Any]:
        found = []
        for _ in _looped(frame, over(frame), places):
            if predicate is None or predicate(frame):
                frame.cost += each
                found.append(transform(frame))
        frame.cost += 1
        return found

    return run


def _mapped(node: Fold, over: Run, places: Places, parts: Parts) -> Run:
    """`transformMap` and `transformMapEntry`."""
    predicate, transform = parts
    assert transform is not None
    by_key = node.macro == "transformMap"

    def run(frame: Frame) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, _ in _looped(frame, over(frame), places):
            if predicate is None or predicate(frame):
                frame.cost += 3 if by_key else 2
                if by_key:
                    inserted(found, key, transform(frame))
                else:
                    all_inserted(found, transform(frame))
        frame.cost += 1
        return found

    return run


FOLDS: dict[str, Callable[[Fold, Run, Places, Parts], Run]] = {
    "all": _quantified,
    "exists": _quantified,
    "exists_one": _exists_one,
    "transformMap": _mapped,
    "transformMapEntry": _mapped,
}
