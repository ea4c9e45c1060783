"""Answers about short texts, kept because the same texts come again; long ones are judged anew, for memory's sake."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

_LENGTH_MAX = 256
_KEPT = 4096

T = TypeVar("T")


def remembered(judge: Callable[[str], T]) -> Callable[[str], T]:
    """
    A pure function of one text that remembers its latest answers.

    >>> length = remembered(len)
    >>> length("a"), length("a" * 1000)
    (1, 1000)
    """
    known = functools.lru_cache(maxsize=_KEPT)(judge)

    @functools.wraps(judge)
    def judged(text: str) -> T:
        return known(text) if len(text) <= _LENGTH_MAX else judge(text)

    return judged
