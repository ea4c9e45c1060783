"""
Sets of completion indexes as intervals: a set costs what is written of it, not what is in it. Pure.

What a user may write is checked in fakes/tracker/kinds/batch/indexes.py; here a text of a status is read that may be
about more completions than there are by now.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Interval = tuple[int, int]
"""The first and the last index."""


@dataclass(frozen=True, slots=True)
class Indexes:
    """
    A set of completion indexes; `intervals` are in order, and no two of them touch.

    >>> Indexes.read("1,3-5,7-9", 9)
    Indexes(intervals=((1, 1), (3, 5), (7, 8)))
    >>> str(Indexes.of([4, 2, 3]) | Indexes.of([0, 8, 9])), len(Indexes.of([4, 2, 3]))
    ('0,2-4,8,9', 3)
    """

    intervals: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Indexes:
        """Make a set of numbers."""
        return cls(tuple(_joined((number, number) for number in sorted(set(numbers)))))

    @classmethod
    def read(cls, text: str, completions: int) -> Indexes:
        """Read a text, without what is no index below `completions`."""
        return cls(tuple(_joined(_intervals(text, completions))))

    def __str__(self) -> str:
        return ",".join(map(_text, self.intervals))

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __contains__(self, index: object) -> bool:
        if not isinstance(index, int):
            return False
        place = bisect_left(self.intervals, index, key=lambda interval: interval[1])
        return place < len(self.intervals) and self.intervals[place][0] <= index

    def __or__(self, other: Indexes) -> Indexes:
        return Indexes(tuple(_joined(sorted((*self.intervals, *other.intervals)))))

    def shared(self, other: Indexes) -> int:
        """
        Count the indexes that are in both sets.

        >>> Indexes.read("0-3,7", 9).shared(Indexes.read("2-7", 9))
        3
        """
        count, ours, theirs = 0, list(self.intervals), list(other.intervals)
        while ours and theirs:
            (first, last), (start, end) = ours[-1], theirs[-1]
            count += max(0, min(last, end) - max(first, start) + 1)
            (ours if first >= start else theirs).pop()
        return count

    def missing(self, below: int, count: int) -> list[int]:
        """
        Return the first indexes below a number that are not in the set, at most `count`.

        >>> Indexes.read("0,2-4", 9).missing(10**9, 3)
        [1, 5, 6]
        """
        found: list[int] = []
        candidate = 0
        for first, last in (*self.intervals, (below, below)):
            found.extend(range(candidate, min(first, below, candidate + count - len(found))))
            candidate = max(candidate, last + 1)
        return found


def _intervals(text: str, completions: int) -> Iterator[Interval]:
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            continue
        if int(first) >= completions:
            return
        yield int(first), min(int(last or first), completions - 1)


def _joined(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """Join intervals in order that touch."""
    open_ = None
    for first, last in intervals:
        if open_ is None:
            open_ = (first, last)
        elif first > open_[1] + 1:
            yield open_
            open_ = (first, last)
        else:
            open_ = (open_[0], max(open_[1], last))
    if open_ is not None:
        yield open_


def _text(interval: Interval) -> str:
    first, last = interval
    if first == last:
        return str(first)
    return f"{first}{',' if last == first + 1 else '-'}{last}"
