"""What a reconciler is told: which object to look at, never what happened to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ctrlkit.controller.outcome import Outcome
from ctrlkit.model import ObjectKey


@dataclass(frozen=True, slots=True)
class Request:
    """
    One call of a reconciler.

    >>> request = Request(ObjectKey("demo", "net"), attempt=2)
    >>> request.namespace, request.name, str(request.key)
    ('demo', 'net', 'demo/net')

    Shape   `attempt` is 1, and one more for each failure of this key since its last success.
    """

    key: ObjectKey
    attempt: int

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
