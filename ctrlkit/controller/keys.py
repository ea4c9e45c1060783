"""
What is known of the keys of one controller at this moment: put together from its queue, its retries, its workers and
their history, when somebody asks. Row B30.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ctrlkit.controller.history import FailingKey, Streak, Where
from ctrlkit.controller.observer import Run
from ctrlkit.controller.retries import Retry, WaitReason
from ctrlkit.controller.sources.source import Enqueuer
from ctrlkit.controller.worker import Workers
from ctrlkit.model import ObjectKey


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingKey:
    """
    A key that is to run later: why, when on the loop's clock, and what was said, if anything.

    Shape   `since`, in wall time, where it waits for something else: since the first run after which it did.
    """

    key: ObjectKey
    reason: WaitReason
    due_at: float
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """
    What is known of one key.

    Shape   `run` is there while it runs; `at` is then the line of own code at which it waits, and `stuck` whether it
            has run for too long. `failing` while it fails, `waiting` while it is delayed, `waits` while it waits for
            something else, also while it runs. `wanted_since`: a run of it is still to start, at once or after the one
            that runs. `owned`: it is this replica's to reconcile.
    Units   On the loop's clock.
    """

    key: ObjectKey
    run: Run | None
    at: str
    stuck: bool
    wanted_since: float | None
    waiting: WaitingKey | None
    failing: FailingKey | None
    waits: Streak | None
    owned: bool


class Keys:
    """Answers questions about the keys of one controller; it keeps nothing itself."""

    def __init__(self, enqueuer: Enqueuer, workers: Workers) -> None:
        self._enqueuer = enqueuer
        self._queue = enqueuer.queue
        self._retries = enqueuer.retries
        self._workers = workers
        self._history = workers.history

    def failing(self, first: int | None, where: Where | None) -> tuple[FailingKey, ...]:
        """The keys that fail and pass `where`, those that have failed longest in front."""
        return tuple(self._failing(key, streak) for key, streak in self._history.streaks(first, where))

    def waiting(self, first: int | None, where: Where | None) -> tuple[WaitingKey, ...]:
        """
        The delayed keys that do not fail and pass `where`: those that wait for something else, the longest in front,
        and then those that come due next.
        """
        history = self._history

        def other(key: ObjectKey) -> bool:
            well = history.streak(key) is None and history.wait(key) is None
            return well and (where is None or where(key))

        longest = ((key, self._queue.due_at(key)) for key, _ in history.waits(where))
        found = [(key, due_at) for key, due_at in longest if due_at is not None]
        return tuple(self._waiting(*each) for each in [*found, *self._queue.next_due(first, other)][:first])

    def delayed(self) -> int:
        """How many keys are delayed and do not fail."""
        failing = sum(self._queue.due_at(key) is not None for key, _ in self._history.streaks())
        return self._queue.statistics().delayed - failing

    def state(self, key: ObjectKey) -> KeyState:
        """All that is known of one key."""
        place, streak = self._queue.place_of(key), self._history.streak(key)
        return KeyState(
            key=key,
            run=next((run for run in self._workers.running.runs() if run.key == key), None),
            at=self._workers.running.place(key),
            stuck=key in self._workers.running.stuck(),
            wanted_since=place.wanted_since,
            waiting=None if place.due_at is None else self._waiting(key, place.due_at),
            failing=None if streak is None else self._failing(key, streak),
            waits=self._history.wait(key),
            owned=self._enqueuer.owned(key),
        )

    def _failing(self, key: ObjectKey, streak: Streak) -> FailingKey:
        return FailingKey(
            key=key,
            result=streak.result,
            since=streak.since,
            failures=streak.failures,
            error=streak.error,
            where=streak.where,
            due_at=self._queue.due_at(key),
        )

    def _waiting(self, key: ObjectKey, due_at: float) -> WaitingKey:
        retry, wait = self._retries.find(key), self._history.wait(key)
        return WaitingKey(
            key=key,
            reason=self._reason(key, retry),
            due_at=due_at,
            message=retry.error if retry else "",
            since=None if wait is None else wait.since,
        )

    def _reason(self, key: ObjectKey, retry: Retry | None) -> WaitReason:
        if key in self._workers.held:
            return WaitReason.OWN_WRITES
        if retry is not None:
            return retry.reason
        return WaitReason.BATCH if self._queue.place_of(key).batched else WaitReason.REQUEUE_AFTER
