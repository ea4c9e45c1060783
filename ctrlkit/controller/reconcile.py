"""
The contract of a reconciler: what it is given, what it may return, and what each ending means. Pure.

    returned DONE             done             not again until something changes; the failures are forgotten
    returned RequeueAfter     requeue_after    again after the delay; the failures are forgotten
    raised Conflict           conflict         again, rate limited: the cache will have caught up; not counted as error
    raised RetryLater         retry_later      again after its delay, or rate limited; not counted as error
    raised TerminalError      terminal_error   not again until something changes
    could not read its object terminal_error   not again until something changes: another look would show the same
    raised anything else      error            again, rate limited
    ran out of time           error            again, rate limited
    asked the process to end  error            the controller stops in order, and its run() raises ReconcilerExit

Which errors are foreseen is said in ctrlkit.failures. Of an exception group all members must be of one sort to count as
that sort. Rows K7 to K9, K11, K13, K14, K16, B11.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from ctrlkit.client.calls import call_in_flight
from ctrlkit.errors import Conflict, CtrlkitError, RetryLater, TerminalError
from ctrlkit.exits import INTERRUPTED
from ctrlkit.failures import describe, is_foreseen, leaves
from ctrlkit.frames import place_of_error, with_causes
from ctrlkit.model import ObjectKey


@dataclass(frozen=True, slots=True)
class Done:
    """The object is as it should be; reconcile again when something changes."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """
    Reconcile the key again after a while, or earlier if something changes.

    >>> RequeueAfter(30)
    RequeueAfter(delay_s=30)
    >>> RequeueAfter(-3)
    Traceback (most recent call last):
      ...
    ValueError: RequeueAfter: delay_s must be a positive number of seconds, got -3

    Units   `delay_s`: seconds, finite and > 0.
    Errors  ValueError for anything else.
    """

    delay_s: float

    def __post_init__(self) -> None:
        if not (isinstance(self.delay_s, int | float) and 0 < self.delay_s < math.inf):
            raise ValueError(f"RequeueAfter: delay_s must be a positive number of seconds, got {self.delay_s!r}")


DONE = Done()
"""What a reconciler returns when the object is as it should be: it is called again when something changes."""

Outcome = Done | RequeueAfter
"""
What a reconciler returns: DONE, or a RequeueAfter for another look after a while.

Anything else is an error: a failure is raised, and None is most likely a forgotten `return DONE`.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """
    What a reconciler is called with: the key of one object, and why.

    >>> request = Request(ObjectKey("demo", "net"), attempt=2)
    >>> request.namespace, request.name, str(request.key)
    ('demo', 'net', 'demo/net')

    Shape   `attempt` is 1, and one more for each failure of this key since its last success. `causes` are what led to
            this call, in words such as `configmaps demo/a updated spec at 812` or `retry`, eight at most and the number
            of the rest; `merged` counts all changes and calls that this one answers. `id` is new for each.
    Units   `waited_s`: how long the key waited for its turn.

    Causes are for logs and traces. What is to be done follows from what the listers show, for causes may be missing:
    what happened while nobody looked has none.
    """

    key: ObjectKey
    attempt: int = 1
    causes: tuple[str, ...] = ()
    id: str = ""
    merged: int = 1
    waited_s: float = 0.0

    @property
    def namespace(self) -> str:
        """The object's namespace; empty for a cluster-scoped kind."""
        return self.key.namespace

    @property
    def name(self) -> str:
        """The object's name."""
        return self.key.name


Reconcile = Callable[[Request], Awaitable[Outcome]]
"""
Makes the world look as one object says it should, from what the listers show now.

It may be called at any time, for an object that is gone too, and again after having been cut off at any await. It is
never called for one key twice at a time. What it raises decides what comes next, as the table above says.
"""


def refuse_sync(reconcile: object, what: str) -> None:
    """
    Nothing for what may be a reconciler, an error for what is none.

    >>> def greet(request): ...
    >>> refuse_sync(greet, "Controller greetings")
    Traceback (most recent call last):
      ...
    TypeError: Controller greetings: reconcile must be an async function, and greet is not; make it `async def greet`

    A plain function passes where its annotation says that it returns something to await, and a lambda always: what they
    return is looked at when they are called.

    Errors  TypeError.
    """
    if isinstance(reconcile, type):
        raise TypeError(f"{what}: reconcile is the class {reconcile.__qualname__}; give it an object of that class")
    if not callable(reconcile):
        raise TypeError(
            f"{what}: reconcile must be an async function, got an object of type {type(reconcile).__name__}"
        )
    function = inspect.unwrap(reconcile.func if isinstance(reconcile, partial) else reconcile)
    call = function if inspect.isroutine(function) else type(function).__call__
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call) or _may_be_awaited(call):
        return
    name, short = name_of(function), getattr(function, "__name__", "__call__")
    raise TypeError(f"{what}: reconcile must be an async function, and {name} is not; make it `async def {short}`")


def name_of(reconcile: object) -> str:
    """What people call a reconciler: the function's name, or the class of the object."""
    return str(getattr(reconcile, "__qualname__", type(reconcile).__qualname__))


def _may_be_awaited(call: object) -> bool:
    """Whether a plain function may return something to await."""
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        return False
    returns = str(getattr(call, "__annotations__", {}).get("return", ""))
    is_lambda = getattr(call, "__name__", "") == "<lambda>"
    return is_lambda or any(word in returns for word in ("Awaitable", "Coroutine", "Future", "Task", "Any"))


TIMEOUT: Final = "timeout"
"""How a reconcile ended that its controller's time limit cut off; it counts as an error."""


class ReconcileTimeout(CtrlkitError, TimeoutError):
    """A reconcile took longer than its controller's `timeout_s`, and was cancelled."""


class ReconcilerExit(CtrlkitError):
    """A reconciler called sys.exit() or raised KeyboardInterrupt; `exit_status` is what the process should end with."""

    def __init__(self, message: str, *, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def waiting_of(error: BaseException) -> str:
    """
    What a reconcile waited for that was cancelled: the call without an answer, and the line of its own code.

        for patch configmaps demo/a at sites.py:64 in sites

    Shape   `error` is what the cancellation has become. Empty where nothing is known.
    """
    cut = next((each for each in with_causes(error) if isinstance(each, asyncio.CancelledError)), None)
    call = "" if cut is None else call_in_flight(cut)
    place = place_of_error(cut or error)
    return " ".join([*([f"for {call}"] if call else ()), *([f"at {place}"] if place else ())])


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
    def outcome(self) -> str:
        """The result in one word, which tells a time limit from other errors."""
        is_late = self.error is not None and isinstance(self.error, ReconcileTimeout)
        return TIMEOUT if is_late else self.result._value_

    @property
    def message(self) -> str:
        """The error in one line, of one that is told without a traceback with its cause; empty where there is none."""
        if self.error is None:
            return ""
        said, cause = describe(self.error), self.error.__cause__
        if self.result not in _SHORT or cause is None or (str(cause) and str(cause) in said):
            return said
        return f"{said} [{describe(cause)}]"


_DONE = Verdict(result=Result.DONE)
_SHORT = frozenset({Result.RETRY_LATER, Result.TERMINAL_ERROR})


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
