"""
What an operator asks of a controller: how the last reconciles of each key went, and which keys fail since when.

In       How each reconcile ended.
Out      The last runs of a key; the keys that fail, and how many there are.
Owns     RUNS_MAX runs of KEYS_MAX keys at most; of keys beyond that the one that ran longest ago is forgotten, those
         that fail after all others. Of failures in a row the first one is among the runs that are kept. Which keys
         fail is known of every key.

A key fails if its last run ended with an error, also one that is not tried again, or was too long. After a conflict, or
where the reconciler asked to be called later, it waits: it counts as failing again, since its first failure, only if it
fails before it succeeds. It waits for something else from the first RetryLater until it succeeds, but while it fails.

Noting costs a dozen calls for each run, and less than 1 kB for each run that is kept, mostly 0.6. Row B30.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import Final, NamedTuple

from ctrlkit import clock
from ctrlkit.controller.observer import CANCELLED, Run
from ctrlkit.controller.reconcile import TIMEOUT, Result, Verdict
from ctrlkit.controller.retries import ERROR_MAX
from ctrlkit.failures import without_numbers
from ctrlkit.frames import place_of_error
from ctrlkit.model import ObjectKey

KEYS_MAX: Final = 1000
"""Keys of one controller whose last runs are kept."""
RUNS_MAX: Final = 8
"""Runs of one key that are kept."""
CAUSE_MAX: Final = 200
"""Characters of a cause, and of the name of a write, that are kept."""

FAILURES: Final = frozenset({Result.ERROR.value, Result.TERMINAL_ERROR.value, TIMEOUT})
"""The results after which a key fails."""
_WAITS: Final = frozenset({Result.CONFLICT.value, Result.RETRY_LATER.value})


_NAME_MIN: Final = 3
"""Shorter names than this are in many words that are no names."""

Where = Callable[[ObjectKey], bool]


class PastRun(NamedTuple):
    """
    A reconcile that has ended.

    Shape   `result` is a Result, `timeout` or `cancelled`, as text. `seen` is the version of the object in the cache
            when it began, where its kind is watched. `writes` are the first ones, and the number of the rest. `next_s`
            is after what time the key was to run again; None: when something changes. `where` is the line of the
            program's own code that `error` came from. The others are as in Run.
    Units   `ended` is wall time; `waited_s`, `took_s` and `next_s` are seconds.
    """

    ended: datetime
    result: str
    attempt: int
    causes: tuple[str, ...]
    merged: int
    waited_s: float
    took_s: float
    seen: str
    writes: tuple[str, ...]
    error: str
    next_s: float | None
    id: str
    where: str = ""

    @property
    def began(self) -> datetime:
        """When it began, in wall time."""
        return self.ended - timedelta(seconds=self.took_s)

    @property
    def next(self) -> str:
        """What was to come next: `retry`, `requeue_after`; empty where the key was to run when something changes."""
        return "" if self.next_s is None else "requeue_after" if self.result == Result.REQUEUE_AFTER else "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingKey:
    """
    A key that fails: how its last run ended, how many in a row did, and when the first of them was.

    Units   `since` is wall time; `due_at`, when it is tried again, is on the loop's clock: None where it is to run now,
            or, after a terminal error, when something changes.
    """

    key: ObjectKey
    result: str
    since: datetime
    failures: int
    error: str
    due_at: float | None
    where: str = ""


class Alike(NamedTuple):
    """A failure that several keys have in common: how many, and the one of them that has failed longest."""

    keys: int
    longest: ObjectKey
    streak: Streak


class Failures(NamedTuple):
    """How many keys fail in one way, or wait, and since when the one does that has done so longest."""

    keys: int
    since: datetime | None


class Streak:
    """Failures in a row of one key, or runs that had to wait for something else: how many, and how the last ended."""

    __slots__ = ("error", "failures", "first", "result", "since", "where")

    def __init__(self, since: datetime, first: str) -> None:
        self.since: datetime = since
        self.first: str = first  # the id of the first of them
        self.failures: int = 0
        self.result: str = ""
        self.error: str = ""
        self.where: str = ""

    def add(self, past: PastRun) -> None:
        """Note one more."""
        self.failures += 1
        self.result, self.error, self.where = past.result, past.error, past.where


class History:
    """
    The past of the keys of one controller.

    Owner   The workers of the controller, which report how each run ended.
    """

    def __init__(self) -> None:
        self._well: OrderedDict[ObjectKey, tuple[PastRun, ...]] = OrderedDict()
        self._ill: OrderedDict[ObjectKey, tuple[PastRun, ...]] = OrderedDict()
        self._failing: dict[ObjectKey, Streak] = {}
        self._waiting: dict[ObjectKey, Streak] = {}  # failed, and wait since for something else
        self._later: dict[ObjectKey, Streak] = {}  # a reconciler asked for it; those that fail now are among them

    def failures(self) -> dict[str, Failures]:
        """How many keys fail, and since when, by the result of their last run; all three are there."""
        found: dict[str, list[datetime]] = {result: [] for result in sorted(FAILURES)}
        for streak in self._failing.values():
            found[streak.result].append(streak.since)
        return {result: Failures(len(since), min(since, default=None)) for result, since in found.items()}

    def waits(self, where: Where | None = None) -> list[tuple[ObjectKey, Streak]]:
        """The keys that wait for something else and pass `where`, those that have waited longest in front."""
        waits = [each for each in self._later.items() if each[0] not in self._failing]
        return sorted((each for each in waits if where is None or where(each[0])), key=lambda each: each[1].since)

    def wait(self, key: ObjectKey) -> Streak | None:
        """The runs in a row after which a key waits for something else."""
        return None if key in self._failing else self._later.get(key)

    def waiting(self) -> Failures:
        """How many keys wait for something else, and since when."""
        since = [streak.since for key, streak in self._later.items() if key not in self._failing]
        return Failures(len(since), min(since, default=None))

    def streaks(self, first: int | None = None, where: Where | None = None) -> list[tuple[ObjectKey, Streak]]:
        """The keys that fail and pass `where`, those that have failed longest in front; with `first` only so many."""
        many = len(self._failing) if first is None else first
        failing = ((key, streak) for key, streak in self._failing.items() if where is None or where(key))
        return nsmallest(many, failing, key=lambda each: each[1].since)

    def alike(self, where: Where | None = None) -> list[Alike]:
        """
        The failures that several keys have in common, those of most keys in front.

        They came from the same line with the same error, but for numbers and the names of the keys.
        """
        groups: dict[tuple[str, ...], list[tuple[ObjectKey, Streak]]] = {}
        for key, streak in self.streaks(where=where):
            error = streak.error if len(key.name) < _NAME_MIN else streak.error.replace(key.name, "#")
            groups.setdefault((streak.result, streak.where, without_numbers(error)), []).append((key, streak))
        found = [Alike(len(group), *group[0]) for group in groups.values() if len(group) > 1]
        return sorted(found, key=lambda each: -each.keys)

    def latest(self, where: Where) -> list[tuple[ObjectKey, PastRun]]:
        """The last run of each key that is kept and passes `where`, the latest first."""
        found = [(key, runs[-1]) for kept in (self._ill, self._well) for key, runs in kept.items() if where(key)]
        return sorted(found, key=lambda each: each[1].ended, reverse=True)

    def failed(self) -> tuple[ObjectKey, ...]:
        """The keys that fail, and those that wait since, or for something else."""
        return tuple({**self._failing, **self._waiting, **self._later})

    def streak(self, key: ObjectKey) -> Streak | None:
        """The failures in a row of a key that fails."""
        return self._failing.get(key)

    def runs(self, key: ObjectKey) -> tuple[PastRun, ...]:
        """The last runs of a key, as far as they are kept, the latest first."""
        return (self._ill.get(key) or self._well.get(key, ()))[::-1]

    def ended(
        self,
        run: Run,
        verdict: Verdict | None,
        message: str = "",
        *,
        took_s: float,
        writes: Sequence[str],
        seen: str,
        next_s: float | None = None,
    ) -> None:
        """Note how a run ended; without a verdict it was cut off, which changes nothing about its key."""
        now = clock.now()
        error = message[:ERROR_MAX]
        result, where = CANCELLED, ""
        if verdict is not None:
            result = verdict.outcome
            where = "" if verdict.error is None else place_of_error(verdict.error)[:CAUSE_MAX]
        past = PastRun(
            now, result, run.attempt, _cut(run.causes), run.merged, run.waited_s, took_s, seen,
            _cut(writes) if writes else (), error, next_s, run.id, where,
        )  # fmt: skip
        if verdict is not None:
            self._judge(run.key, past)
        self._keep(run.key, past)

    def drop(self, key: ObjectKey) -> None:
        """Note that a key is not this replica's any more, so that nothing is known of whether it fails."""
        self._failing.pop(key, None)
        self._waiting.pop(key, None)
        self._later.pop(key, None)

    def _judge(self, key: ObjectKey, past: PastRun) -> None:
        if past.result in FAILURES:
            streak = self._failing.get(key)
            if streak is None:
                streak = self._waiting.pop(key, None) or Streak(past.ended, past.id)
                self._failing[key] = streak
            streak.add(past)
            return
        if self._failing or self._waiting:
            streak = self._failing.pop(key, None) or self._waiting.pop(key, None)
            if streak is not None and past.result in _WAITS:
                self._waiting[key] = streak
        if past.result == Result.RETRY_LATER:
            self._later.setdefault(key, Streak(past.ended, past.id)).add(past)
        elif self._later and past.result not in _WAITS:
            self._later.pop(key, None)

    def _keep(self, key: ObjectKey, past: PastRun) -> None:
        earlier = self._well.pop(key, ()) or self._ill.pop(key, ())
        kept = self._ill if key in self._failing else self._well
        if len(earlier) == RUNS_MAX:
            earlier = earlier[:1] + earlier[2:] if self._began_with(key, earlier[0]) else earlier[1:]
        kept[key] = (*earlier, past)
        if len(self._well) + len(self._ill) > KEYS_MAX:
            (self._well or self._ill).popitem(last=False)

    def _began_with(self, key: ObjectKey, run: PastRun) -> bool:
        """Whether a run is the first of failures in a row that go on."""
        streak = self._failing.get(key) or self._waiting.get(key)
        return streak is not None and streak.first == run.id


def _cut(texts: Sequence[str]) -> tuple[str, ...]:
    for text in texts:
        if len(text) > CAUSE_MAX:
            return tuple([text if len(text) <= CAUSE_MAX else f"{text[: CAUSE_MAX - 3]}..." for text in texts])
    return tuple(texts)  # of a tuple itself
