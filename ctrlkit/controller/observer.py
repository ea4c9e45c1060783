"""
Each reconcile as it begins and as it ends, told to whoever asks: ctrlkit.fakes.world.trace draws a timeline of it.

An observer stands in a context variable, and a controller looks for one when it starts: controllers of one world have
theirs.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from ctrlkit.controller.verdict import Verdict
from ctrlkit.model import ObjectKey


@dataclass(frozen=True, slots=True)
class Run:
    """
    One reconcile.

    Shape   `causes` are what led to it since the key ran last, in words, the first ones and the number of the rest;
            `merged` counts all that it answers. `id` is that of its log lines (K16).
    Units   `waited_s` from the first cause, or from when a retry came due, to the beginning, which was at `began_at` on
            the loop's clock.
    """

    controller: str
    key: ObjectKey
    attempt: int
    id: str
    causes: tuple[str, ...]
    merged: int = 1
    waited_s: float = 0.0
    began_at: float = 0.0


class Observer(Protocol):
    """
    What is told of the reconciles of controllers that start while it stands in OBSERVER.

    Both calls are made in the task and the context in which the reconcile runs: a context variable that the first sets
    is seen by the reconcile, and can be reset by the second.
    """

    def reconcile_began(self, run: Run) -> None:
        """A worker begins."""
        ...

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        """It ended; None where it was cut off."""
        ...


OBSERVER: ContextVar[Observer | None] = ContextVar("ctrlkit_reconcile_observer", default=None)
