"""
What the end of a reconcile means: what is counted, how it is logged, when the key comes again. Pure.

    returned DONE             done             not again until something changes; the failures are forgotten
    returned RequeueAfter     requeue_after    again after the delay; the failures are forgotten
    raised Conflict           conflict         again, rate limited: the cache will have caught up; no error to anybody
    raised RetryLater         retry_later      again after its delay, or rate limited; no error to anybody
    raised TerminalError      terminal_error   not again until something changes
    raised anything else      error            again, rate limited
    ran out of time           error            again, rate limited
    asked the process to end  error            the controller stops in order, and its run() raises ReconcilerExit

What counts as foreseen is said in ctrlkit.failures. Of a group of exceptions all must be of one sort to count as that
sort.
Rows K7 to K9, K11, K13, K14, B11.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ctrlkit.controller.outcome import Done, RequeueAfter
from ctrlkit.errors import Conflict, CtrlkitError, RetryLater, TerminalError
from ctrlkit.exits import INTERRUPTED
from ctrlkit.failures import describe, is_foreseen, leaves


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
    RETRY_LATER = "retry_later"
    ERROR = "error"
    TERMINAL_ERROR = "terminal_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    A judged reconcile. `delay_s` belongs to REQUEUE_AFTER, and to RETRY_LATER, where 0 means that the queue's limiter
    says; `error` is None for the two good results.

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
    parts = tuple(leaves(error))
    delays_s = [part.after_s or 0.0 for part in parts if isinstance(part, RetryLater)]
    if all(map(_is_stale_write, parts)):
        result = Result.CONFLICT
    elif len(delays_s) == len(parts):
        return Verdict(result=Result.RETRY_LATER, delay_s=min(delays_s), error=error)
    elif all(isinstance(part, TerminalError) for part in parts):
        result = Result.TERMINAL_ERROR
    else:
        result = Result.ERROR
    return Verdict(result=result, error=error, foreseen=is_foreseen(error))


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


def _is_stale_write(error: BaseException) -> bool:
    """Whether a fresh read mends it; a conflict between field managers stays until somebody gives way."""
    return isinstance(error, Conflict) and not error.over_fields
