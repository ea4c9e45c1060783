"""
What the end of a reconcile means: what is counted, how it is logged, when the key comes again. Pure.

    returned DONE             done             not again until something changes; the failures are forgotten
    returned RequeueAfter     requeue_after    again after the delay; the failures are forgotten
    raised Conflict           conflict         again, rate limited: the cache will have caught up; no error to anybody
    raised TerminalError      terminal_error   not again until something changes
    raised anything else      error            again, rate limited
    ran out of time           error            again, rate limited
    asked the process to end  error            the controller stops in order, and its run() raises ReconcilerExit

Errors of the house's own tree say all there is to say in their message. Any other exception is unforeseen: it is a
mistake in the program, and worth a traceback. Of a group of exceptions all must be of one sort to count as that sort.
Rows K7 to K9, K11, K13, K14, B11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ctrlkit.controller.outcome import Done, RequeueAfter
from ctrlkit.errors import Conflict, CtrlkitError, TerminalError
from ctrlkit.exits import INTERRUPTED


class ReconcileTimeout(CtrlkitError, TimeoutError):
    """A reconcile took longer than its controller allows, and was cut off (K14)."""


class ReconcilerExit(CtrlkitError):
    """A reconciler called sys.exit() or raised KeyboardInterrupt; `exit_status` is what the process should end with."""

    def __init__(self, message: str, *, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Result(StrEnum):
    """How a reconcile ended."""

    DONE = "done"
    REQUEUE_AFTER = "requeue_after"
    CONFLICT = "conflict"
    ERROR = "error"
    TERMINAL_ERROR = "terminal_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    A judged reconcile. `delay_s` belongs to REQUEUE_AFTER; `error` is None for the two good results.

    >>> judge_outcome(RequeueAfter(30)).delay_s
    30
    >>> judge_error(TerminalError("spec.nodes is negative")).result.value
    'terminal_error'
    >>> judge_error(KeyError("spec")).foreseen
    False
    """

    result: Result
    delay_s: float = 0.0
    error: BaseException | None = None
    foreseen: bool = True

    @property
    def told(self) -> str:
        """The error in one line; empty where there is none."""
        return "" if self.error is None else describe(self.error)


_DONE = Verdict(result=Result.DONE)


def judge_outcome(outcome: object) -> Verdict:
    """
    The verdict on what a reconciler returned.

    Errors  TypeError for what is not an Outcome; judge that as an error.
    """
    match outcome:
        case Done():
            return _DONE
        case RequeueAfter(delay_s):
            return Verdict(result=Result.REQUEUE_AFTER, delay_s=delay_s)
        case _:
            raise TypeError(
                f"judge a reconcile: it returned an object of type {type(outcome).__name__}; "
                "return DONE or RequeueAfter(seconds), and raise for a failure"
            )


def judge_error(error: BaseException) -> Verdict:
    """The verdict on what a reconciler raised."""
    leaves = tuple(_leaves(error))
    if all(map(_is_stale_write, leaves)):
        result = Result.CONFLICT
    elif all(isinstance(leaf, TerminalError) for leaf in leaves):
        result = Result.TERMINAL_ERROR
    else:
        result = Result.ERROR
    return Verdict(result=result, error=error, foreseen=all(isinstance(leaf, CtrlkitError) for leaf in leaves))


def exit_asked(error: SystemExit | KeyboardInterrupt) -> ReconcilerExit:
    """
    The error that ends a controller whose reconciler asked the process to end.

    >>> exit_asked(SystemExit(3)).exit_status, exit_asked(SystemExit()).exit_status, exit_asked(KeyboardInterrupt())
    (3, 0, ReconcilerExit('the reconciler asked the process to end [KeyboardInterrupt()]'))
    """
    code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else error.code
    status = code if isinstance(code, int) else 0 if code is None else 1
    found = ReconcilerExit(f"the reconciler asked the process to end [{error!r}]", exit_status=status)
    found.__cause__ = error
    return found


def describe(error: BaseException) -> str:
    """One line for a log: the messages of an error, or of all errors of a group."""
    return "; ".join(str(leaf) if isinstance(leaf, CtrlkitError) else repr(leaf) for leaf in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


def _is_stale_write(error: BaseException) -> bool:
    """Whether a fresh read mends it; a conflict between field managers stays until somebody gives way."""
    return isinstance(error, Conflict) and not error.over_fields
