"""Unforeseen exceptions in a world: a program logs and retries them, a test should fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import TracebackType

from ctrlkit.errors import CtrlkitError
from ctrlkit.failures import describe, leaves

_FRAMEWORK = ("ctrlkit.cache.", "ctrlkit.controller.", "ctrlkit.manager.")


class UnforeseenFailure(CtrlkitError):
    """
    A reconcile, mapper, predicate, handler or index function raised an unforeseen exception, which is the `__cause__`.

    The message says which function it was.
    """


class UnforeseenFailures:
    """
    Keeps the first exception that the test does not allow, and counts the others.

    `recorded` is set while there is one to raise. A world's parts record, the world raises.
    """

    def __init__(self) -> None:
        self._allowed: tuple[type[BaseException], ...] = ()
        self._first: BaseException | None = None
        self._where = ""
        self._more = 0
        self.recorded: asyncio.Event = asyncio.Event()

    def allow(self, kinds: tuple[type[BaseException], ...]) -> None:
        """Ignore these from now on."""
        self._allowed += kinds

    def record(self, error: BaseException, where: str) -> None:
        """Record an exception and where it came from; a listener of ctrlkit.failures.UNFORESEEN."""
        if self.allows(error):
            return
        if self._first is None:
            self._first, self._where = error, where
            self.recorded.set()
        else:
            self._more += 1

    def allows(self, error: BaseException) -> bool:
        """Whether the test allows an exception, or all exceptions of a group."""
        return all(isinstance(leaf, self._allowed) for leaf in leaves(error))

    def raise_first(self) -> None:
        """Raise UnforeseenFailure for the first recorded exception, once."""
        __tracebackhide__ = True
        error, self._first = self._first, None
        self.recorded.clear()
        if error is None:
            return
        more, self._more = self._more, 0
        others = f" ({more} more failed)" if more else ""
        kind = type(next(leaves(error))).__name__
        raise UnforeseenFailure(
            f"{self._where} raised what nobody foresaw: {describe(error)}{others}; mend it, or say "
            f"world.allow_failures({kind}) where that is what the test is about"
        ) from error.with_traceback(_from_outside(error.__traceback__))


def _from_outside(trace: TracebackType | None) -> TracebackType | None:
    """Drop the framework's frames at the beginning of a traceback, unless it has no others."""
    for step in _steps(trace):
        if not step.tb_frame.f_globals.get("__name__", "").startswith(_FRAMEWORK):
            return step
    return trace


def _steps(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next
