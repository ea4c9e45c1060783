"""What nobody foresaw in a world: exceptions that a running program survives, and a test should not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import TracebackType

from ctrlkit.errors import CtrlkitError
from ctrlkit.failures import describe, leaves

_FRAMEWORK = ("ctrlkit.cache.", "ctrlkit.controller.", "ctrlkit.manager.")


class UnforeseenFailure(CtrlkitError):
    """
    A reconcile, mapper, predicate, handler or index function raised what nobody foresaw, which is the `__cause__`.

    The message says which of them it was.
    """


class Unforeseen:
    """
    The first of them that the test does not allow, and how many followed.

    Shape   `heard` is set while there is one to tell.
    Owner   A world: its parts are heard, and it raises.
    """

    def __init__(self) -> None:
        self._allowed: tuple[type[BaseException], ...] = ()
        self._first: BaseException | None = None
        self._where = ""
        self._more = 0
        self.heard = asyncio.Event()

    def allow(self, kinds: tuple[type[BaseException], ...]) -> None:
        """Pass over these from now on."""
        self._allowed += kinds

    def hear(self, error: BaseException, where: str) -> None:
        """Something was raised; a listener of ctrlkit.failures.UNFORESEEN."""
        if self.allows(error):
            return
        if self._first is None:
            self._first, self._where = error, where
            self.heard.set()
        else:
            self._more += 1

    def allows(self, error: BaseException) -> bool:
        """Whether the test says that it may come; of a group, that all may."""
        return all(isinstance(leaf, self._allowed) for leaf in leaves(error))

    def raise_first(self) -> None:
        """Raise UnforeseenFailure from its cause if there is one to tell, once."""
        __tracebackhide__ = True
        error, self._first = self._first, None
        self.heard.clear()
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
    """A traceback without the framework's own frames at its beginning, unless it has no others."""
    for step in _steps(trace):
        if not step.tb_frame.f_globals.get("__name__", "").startswith(_FRAMEWORK):
            return step
    return trace


def _steps(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next
