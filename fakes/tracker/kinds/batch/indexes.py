"""Sets of completion indexes as a Job writes them, such as `1,3-5`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise


def count_indexes(text: str, completions: int) -> int:
    """
    Return how many indexes a text names.

    >>> count_indexes("1,3-5", 9)
    4

    Errors  ValueError with the server's message for a text that is no increasing row of indexes below `completions`.
    """
    if not text:
        return 0
    found = []
    for part in text.split(","):
        found.append(_interval(part, completions))
        for (_, last), (first, _) in pairwise(found[-2:]):
            if last >= first:
                raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
    return sum(last - first + 1 for first, last in found)


def first_shared(completed: str, failed: str, completions: int) -> int | None:
    """
    Return the first index that both texts name; what cannot be read names none.

    >>> first_shared("0-3,7", "5,7-8", 9)
    7
    """
    theirs = list(_readable(failed, completions))
    shared = (
        max(first, start)
        for first, last in _readable(completed, completions)
        for start, end in theirs
        if first <= end and start <= last
    )
    return min(shared, default=None)


def _readable(text: str, completions: int) -> Iterator[tuple[int, int]]:
    for part in text.split(",") if text else ():
        try:
            yield _interval(part, completions)
        except ValueError:
            continue


def _interval(text: str, completions: int) -> tuple[int, int]:
    limits = text.split("-")
    if len(limits) > 2:
        raise ValueError(
            f'the fragment "{text}" violates the requirement that an index interval can have at most two parts '
            "separated by '-'"
        )
    numbers = [_index(limit, completions) for limit in limits]
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise ValueError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _index(text: str, completions: int) -> int:
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)
