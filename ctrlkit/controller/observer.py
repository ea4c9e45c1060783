"""
Why each reconcile runs and how it ends, told to whoever asks; fakes.trace draws a timeline of it.

An observer stands in a context variable, and a controller looks for one when it starts: controllers of one world have
theirs, all others have none and keep no record of causes.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ctrlkit.cache import Cause, Change
from ctrlkit.controller.verdict import Verdict
from ctrlkit.model import AnyResource, ObjectKey

CAUSES_MAX: Final = 8
"""Causes that are kept for one key until it runs; there may be any number more."""


@dataclass(frozen=True, slots=True)
class Run:
    """One reconcile; `causes` are what led to it since the key ran last, in words, the first ones only."""

    controller: str
    key: ObjectKey
    attempt: int
    id: str
    causes: tuple[str, ...]


class Observer(Protocol):
    """What is told of the reconciles of controllers that start while it stands in OBSERVER."""

    def reconcile_began(self, run: Run) -> None:
        """A worker begins."""
        ...

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        """It ended; None where it was cut off."""
        ...


OBSERVER: ContextVar[Observer | None] = ContextVar("ctrlkit_reconcile_observer", default=None)


class Causes:
    """What led to the next run of each key that waits."""

    def __init__(self) -> None:
        self._by_key: dict[ObjectKey, dict[str, None]] = {}

    def note_change(self, resource: AnyResource, change: Change[Any], key: ObjectKey) -> None:
        """A change of a watched object led to a key."""
        what = f"{resource} {change.key} {change.kind.value}"
        version = f" at {change.record.version}" if change.record.version else ""
        how = "" if change.cause is Cause.WATCH else f", seen by {_SEEN_BY[change.cause]}"
        self.note(key, what + version + how)

    def note(self, key: ObjectKey, cause: str) -> None:
        """Something else led to a key."""
        causes = self._by_key.setdefault(key, {})
        if len(causes) < CAUSES_MAX:
            causes[cause] = None

    def take(self, key: ObjectKey) -> tuple[str, ...]:
        """The causes of the run that begins now."""
        return tuple(self._by_key.pop(key, ()))


_SEEN_BY = {Cause.INITIAL: "the first list", Cause.RELIST: "a new list", Cause.RESYNC: "a resync"}
