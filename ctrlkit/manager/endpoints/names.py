"""Names for things of which several may be called the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def told_apart(named: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """
    The same, each later one of a name with its number behind it, as the metrics of informers do.

    >>> list(told_apart([("pods", 1), ("nodes", 2), ("pods", 3)]))
    [('pods', 1), ('nodes', 2), ('pods#2', 3)]
    """
    seen: dict[str, int] = {}
    for name, thing in named:
        count = seen[name] = seen.get(name, 0) + 1
        yield (f"{name}#{count}" if count > 1 else name), thing
