"""
Exceptions that leave without the frames they come from.

Where requests are made, local variables hold what is sent: tokens, passwords of proxies, bodies. Some formatters of
tracebacks show local variables, and it is not for this package to say which formatter a program has. So no exception of
any kind takes those frames along; its message says what was tried.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Self


class Sealed:
    """
    A block whose exceptions have a traceback that begins outside of it, causes and contexts included.

        with Sealed():
            await session.request(...)

    What was handled already when the block began is left as it is.
    """

    def __enter__(self) -> Self:
        self._outer = sys.exception()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for found in _chain(error, self._outer):
            found.__traceback__ = None
            if found.__context__ is not found.__cause__:
                _forget_context(found, self._outer)
        self._outer = None


def _forget_context(error: BaseException, outer: BaseException | None) -> None:
    """Leave an exception its cause, and what was handled outside; what it came from else may hold anything."""
    suppressed = error.__suppress_context__
    error.__context__ = outer if error is not outer else None
    error.__suppress_context__ = suppressed


def _chain(error: BaseException | None, outer: BaseException | None) -> Iterator[BaseException]:
    """An exception with its causes, contexts and parts, up to what was handled outside."""
    seen: set[int] = {id(outer)}
    left = [error]
    while left:
        found = left.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        left += [found.__cause__, found.__context__]
        if isinstance(found, BaseExceptionGroup):
            left += found.exceptions
        yield found
