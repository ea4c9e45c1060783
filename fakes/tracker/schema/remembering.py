"""A cache for functions of short strings; long strings are not kept, to bound the memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

_LENGTH_MAX = 256
_KEPT = 4096

T = TypeVar("T")


def remembered(judge: Callable[[str], T]) -> Callable[[str], T]:
    """
    Cache the latest results of a pure function of one string, except for long strings.

    >>> length = remembered(len)
    >>> length("a"), length("a" * 1000)
    (1, 1000)
    """
    known = functools.lru_cache(maxsize=_KEPT)(judge)

    @functools.wraps(judge)
    def judged(text: str) -> T:
        return known(text) if len(text) <= _LENGTH_MAX else judge(text)

    return judged
