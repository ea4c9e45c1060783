"""
Which keys failed, and when they are tried again.

    a failure      the queue's limiter says when: 5 ms and doubling, and the attempts count up
    a conflict     a short wait of its own: 5 ms, doubling to 1 s while one conflict follows another, and the failures
                   before it neither lengthen that wait nor are forgotten (B11)
    too early      the reconciler says when; the failures before it are not forgotten either

Rows K7 to K9, K11; B10, B11.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from typing import Final

from ctrlkit.clock import monotonic
from ctrlkit.model import ObjectKey
from ctrlkit.workqueue import ExponentialPerKey, WorkQueue

CONFLICT_CAP_S: Final = 1.0
"""The longest wait after a conflict: what was read was old, and caches are seldom this far behind."""
ERROR_MAX: Final = 500
"""Characters of an error that are kept."""


class WaitReason(StrEnum):
    """Why a key is to run later; the first three are retries."""

    RETRY = "retry"  # it failed
    CONFLICT = "conflict"
    RETRY_LATER = "retry_later"  # its reconciler asked for it, as something else is not ready
    REQUEUE_AFTER = "requeue_after"  # its reconciler asked for it, and all is well
    BATCH = "batch"  # more changes may come until then
    OWN_WRITES = "own_writes"  # what it wrote is not in the cache yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """
    A key that waits for a retry: `failures` in a row so far, conflicts included, when it comes due on the loop's clock,
    and what the last one was.
    """

    key: ObjectKey
    failures: int
    due_at: float
    error: str
    reason: WaitReason = WaitReason.RETRY


class PendingRetries:
    """
    The failed keys of one queue, and the times of their retries.

    Owner   The workers of a controller, which report how each run ended.
    """

    def __init__(self, queue: WorkQueue[ObjectKey]) -> None:
        self._queue = queue
        self._conflicts: ExponentialPerKey[ObjectKey] = ExponentialPerKey(cap_s=CONFLICT_CAP_S)
        self.waiting: dict[ObjectKey, float] = {}
        """The keys that wait for a retry that is not the limiter's, and until when."""
        self._postponed: Counter[ObjectKey] = Counter()
        self._errors: dict[ObjectKey, tuple[WaitReason, str]] = {}
        self._closed = False

    def attempt(self, key: ObjectKey) -> int:
        """The number of the run that begins: 1, and one more for each failure in a row."""
        return self._queue.failures(key) + self._conflicts.failures(key) + self._postponed[key] + 1

    def began(self, key: ObjectKey) -> None:
        """A run of a key begins, or is dropped: no retry is pending any more."""
        if self._errors:  # it has all that wait
            self.waiting.pop(key, None)
            self._errors.pop(key, None)

    def failed(self, key: ObjectKey, error: str, reason: WaitReason = WaitReason.RETRY) -> float | None:
        """A run failed; in how many seconds the key runs again, None once all has ended."""
        self._conflicts.forget(key)
        self._queue.add_rate_limited(key)
        if self._closed:
            return None
        self._errors[key] = (reason, error[:ERROR_MAX])
        due_at = self._queue.due_at(key)
        return 0.0 if due_at is None else max(0.0, due_at - monotonic())

    def conflicted(self, key: ObjectKey, error: str) -> float | None:
        """A run met a conflict; as for `failed`."""
        if self._closed:
            return self.failed(key, error)  # counted as abandoned
        return self._again_after(key, self._conflicts.when(key), error, WaitReason.CONFLICT)

    def postponed(self, key: ObjectKey, delay_s: float, error: str) -> float | None:
        """A run came too early, by so much; as for `failed`."""
        if self._closed or not delay_s:
            return self.failed(key, error, WaitReason.RETRY_LATER)
        self._postponed[key] += 1
        return self._again_after(key, delay_s, error, WaitReason.RETRY_LATER)

    def _again_after(self, key: ObjectKey, delay_s: float, error: str, reason: WaitReason) -> float:
        self._errors[key] = (reason, error[:ERROR_MAX])
        self.waiting[key] = monotonic() + delay_s
        self._queue.add_after(key, delay_s)
        return delay_s

    def forget(self, key: ObjectKey) -> None:
        """The next failure of a key counts as its first."""
        self._conflicts.forget(key)
        self._postponed.pop(key, None)
        self._queue.forget(key)

    def close(self) -> None:
        """Drop all pending retries, and take no more."""
        self._closed = True
        self.waiting.clear()
        self._errors.clear()

    def pending(self, first: int | None = None) -> tuple[Retry, ...]:
        """The keys that wait for a retry; with `first` only so many, those that come due next, in order."""
        due = {**self._queue.retries(), **self.waiting}
        keys = due if first is None else nsmallest(first, due, key=due.__getitem__)
        return tuple(self._retry(key, due[key]) for key in keys)

    def find(self, key: ObjectKey) -> Retry | None:
        """The retry that a key waits for, if it does."""
        due_at = self.waiting.get(key) or (self._queue.due_at(key) if key in self._errors else None)
        return None if due_at is None else self._retry(key, due_at)

    def _retry(self, key: ObjectKey, due_at: float) -> Retry:
        reason, error = self._errors.get(key, (WaitReason.RETRY, ""))
        return Retry(key=key, failures=self.attempt(key) - 1, due_at=due_at, error=error, reason=reason)

    def busy(self) -> tuple[str, ...]:
        """The retries that the queue does not know as such, in its words."""
        return tuple([f"{key} waits for a retry" for key in self.waiting]) if self.waiting else ()
