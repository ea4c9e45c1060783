"""What a reconciler is told: which object to look at, and, for people, why."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from ctrlkit.controller.outcome import Outcome
from ctrlkit.model import ObjectKey


@dataclass(frozen=True, slots=True)
class Request:
    """
    One call of a reconciler.

    >>> request = Request(ObjectKey("demo", "net"), attempt=2)
    >>> request.namespace, request.name, str(request.key)
    ('demo', 'net', 'demo/net')

    Shape   `attempt` is 1, and one more for each failure of this key since its last success. `causes` are what led to
            this call, in words such as `configmaps demo/a updated spec at 812` or `retry`, eight at most and the number
            of the rest; `merged` counts all changes and calls that this one answers. `id` is new for each (K16).
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
never called for one key twice at a time. What it raises decides what comes next: see verdict.py.
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
