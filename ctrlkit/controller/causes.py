"""
Why a key is reconciled: noted when something happens, put into words when its run begins. Row B30.

In       Changes of watched objects, and words of others, each with the key it led to.
Out      For the run that begins: causes in words, since when the key waited, how many things led to it.

Noting is on the way of every event: it compares nothing and formats nothing. Of several changes of one object that
wait together, the oldest state and the newest are kept, and the words tell what came out between the two.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import Any, Final, NamedTuple

from ctrlkit.cache import Cause, Change
from ctrlkit.clock import monotonic, reader
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta

CAUSES_MAX: Final = 8
"""Causes that are kept for one key until it runs; of the rest their number."""


class CauseKind(StrEnum):
    """What kind of thing led to a reconcile."""

    EVENT = "event"  # the object itself changed
    OWNER = "owner"  # something it owns changed
    MAPPED = "mapped"  # another object changed that a function maps to it
    INITIAL = "initial"  # it, or what leads to it, was in the first list
    RELIST = "relist"  # a change that only a new list showed
    RESYNC = "resync"
    SOURCE = "source"  # a feed, a schedule, or another source said so
    TAKEOVER = "takeover"  # its key came to this replica: it was elected, or holds the key's shard now
    RETRY = "retry"
    REQUEUE = "requeue"
    WOKEN = "woken"


class RunCauses(NamedTuple):
    """
    What led to one reconcile.

    Shape   `causes` are words, the first ones and the number of the rest; `kinds` one for each that was kept. `merged`
            counts all changes and calls that one run answers, at least 1. `since` is when the key became ready, on the
            loop's clock.
    """

    causes: tuple[str, ...]
    kinds: tuple[CauseKind, ...]
    merged: int
    since: float


_Seen = tuple[CauseKind, AnyResource, ObjectKey, "ObjectMeta | None", ObjectMeta, bool, Cause, float]
"""Relation, kind, key; the oldest state (None: not there), the newest, whether that is gone; how it came, and when."""


class _Waiting:
    """What leads to the next run of one key, where that is more than one change."""

    __slots__ = ("due_at", "due_kind", "entries", "merged", "more", "since")

    def __init__(self) -> None:
        self.since = inf
        self.merged = 0
        self.more = 0
        self.entries: dict[tuple[int, ObjectKey] | str, _Seen | CauseKind] = {}
        self.due_kind: CauseKind | None = None
        self.due_at = inf

    @classmethod
    def after(cls, seen: _Seen) -> _Waiting:
        """With the change that came first."""
        waiting = cls()
        waiting.since = seen[7]
        waiting.merged = 1
        waiting.entries[id(seen[1]), seen[2]] = seen
        return waiting

    def add(self, what: tuple[int, ObjectKey] | str, entry: _Seen | CauseKind, now: float) -> None:
        """One thing more; it takes the place of an earlier one about the same."""
        if not self.merged:
            self.since = now
        self.merged += 1
        if len(self.entries) < CAUSES_MAX or what in self.entries:
            self.entries[what] = entry
        else:
            self.more += 1


class Causes:
    """
    Collects what leads to the next reconcile of each waiting key.

    >>> from ctrlkit.model import Record
    >>> from ctrlkit.model.kinds import PODS
    >>> def pod(version, **labels):
    ...     meta = ObjectMeta(name="a", namespace="demo", resource_version=version, generation=1, labels=labels)
    ...     return Record(meta, None, str)
    >>> causes, key, now = Causes(), ObjectKey("demo", "net"), 0.0
    >>> causes.note_change(key, CauseKind.OWNER, PODS, Change(pod("7"), pod("8", app="net"), Cause.WATCH), now)
    >>> causes.note_change(key, CauseKind.OWNER, PODS, Change(pod("8"), pod("9", app="net"), Cause.WATCH), now)
    >>> causes.note(key, CauseKind.WOKEN, "woken", now)
    >>> causes.take(key, now).causes
    ('owned pods demo/a updated labels at 9', 'woken')

    Cost    Noting O(1); taking O(CAUSES_MAX). For each key there are at most CAUSES_MAX pairs of metadata, no bodies.
    Owner   One controller. Whoever takes a key off the queue takes its causes too, or drops them.
    """

    __slots__ = ("_by_key", "_clock")

    def __init__(self) -> None:
        self._by_key: dict[ObjectKey, _Seen | _Waiting] = {}  # one change, as it mostly is, or all there is to know
        self._clock = monotonic

    def start(self) -> None:
        """A loop runs."""
        self._clock = reader()

    def note_change(
        self, key: ObjectKey, kind: CauseKind, resource: AnyResource, change: Change[Any], now: float | None = None
    ) -> None:
        """Note that a change of a watched object led to a key, by this relation."""
        old, new, by_key = change.old, change.new, self._by_key
        record = change.record if new is None else new
        oldest = None if old is None else old.meta
        if now is None:
            now = self._clock()
        noted = by_key.get(key)
        if noted is None:
            by_key[key] = (kind, resource, record.key, oldest, record.meta, new is None, change.cause, now)
            return
        waiting = self._waiting(key, noted)
        what = (id(resource), record.key)
        earlier = waiting.entries.get(what)
        if isinstance(earlier, tuple):
            oldest = earlier[3]
        waiting.add(what, (kind, resource, record.key, oldest, record.meta, new is None, change.cause, now), now)

    def note(self, key: ObjectKey, kind: CauseKind, words: str, now: float | None = None) -> None:
        """Note that something else led to a key."""
        self._waiting(key, self._by_key.get(key)).add(words, kind, self._clock() if now is None else now)

    def note_due(self, key: ObjectKey, kind: CauseKind, at: float) -> None:
        """Note that a key is to be reconciled at a time: for a retry, or because its last run asked for it."""
        waiting = self._waiting(key, self._by_key.get(key))
        waiting.due_kind, waiting.due_at = kind, at

    def take(self, key: ObjectKey, now: float) -> RunCauses:
        """
        Return what led to the reconcile that begins now, and forget it.

        A RequeueAfter that is not due yet is no cause where there are others; a pending retry always is.
        """
        noted = self._by_key.pop(key, None)
        if noted is None:
            return RunCauses((), (), 1, now)
        if isinstance(noted, tuple):
            return RunCauses((_words(noted),), (_kind(noted),), 1, noted[7])
        words, kinds = [], []
        due, merged = noted.due_kind, noted.merged
        if due is not None and (noted.due_at <= now or due is CauseKind.RETRY or not merged):
            words.append(due.value)
            kinds.append(due)
            merged += 1
        for what, entry in noted.entries.items():
            words.append(str(what) if isinstance(entry, CauseKind) else _words(entry))
            kinds.append(entry if isinstance(entry, CauseKind) else _kind(entry))
        if noted.more:
            words.append(f"and {noted.more} more")
        return RunCauses(tuple(words), tuple(kinds), merged, min(noted.since, noted.due_at, now))

    def _waiting(self, key: ObjectKey, noted: _Seen | _Waiting | None) -> _Waiting:
        """What is noted of a key, in the form that takes more."""
        if isinstance(noted, _Waiting):
            return noted
        waiting = self._by_key[key] = _Waiting() if noted is None else _Waiting.after(noted)
        return waiting

    def drop(self, key: ObjectKey) -> None:
        """Forget what led to a key so far."""
        self._by_key.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._by_key.clear()

    def keys(self) -> tuple[ObjectKey, ...]:
        """The keys for which something was noted since their last run."""
        return tuple(self._by_key)


def fields_changed(old: ObjectMeta, new: ObjectMeta) -> tuple[str, ...]:
    """
    What changed between two states of one object, as far as metadata tells.

    >>> before = ObjectMeta(name="a", resource_version="1", generation=1, labels={"app": "a"})
    >>> fields_changed(before, ObjectMeta(name="a", resource_version="2", generation=2))
    ('spec', 'labels')
    >>> fields_changed(before, ObjectMeta(name="a", resource_version="3", generation=1, labels={"app": "a"}))
    ('status',)

    Shape   `spec` means that the generation moved, unless a deletion moved it. Where nothing of the metadata did but
            the version, it was the `status`, or `content` for kinds that have no generation. What changed beside a
            named field is not known.
    """
    named = (
        ("spec", old.generation != new.generation and old.deleting == new.deleting),
        ("labels", (old.labels or {}) != (new.labels or {})),
        ("annotations", (old.annotations or {}) != (new.annotations or {})),
        ("finalizers", (old.finalizers or ()) != (new.finalizers or ())),
        ("deletion", old.deleting != new.deleting),
        ("owners", (old.owner_references or ()) != (new.owner_references or ())),
    )
    return tuple(name for name, changed in named if changed) or (("status",) if new.generation else ("content",))


def _words(seen: _Seen) -> str:
    kind, resource, key, old, newest, gone, how, _ = seen
    told_by = _TOLD_BY.get(how)
    version = f" at {newest.resource_version}" if newest.resource_version else ""
    what = f"{_RELATIONS.get(kind, '')}{resource} {key} {'deleted' if gone else _verb(old, newest)}{version}"
    return f"{what}, seen by {told_by}" if told_by else what


def _verb(old: ObjectMeta | None, new: ObjectMeta) -> str:
    if old is None:
        return "added"
    if old.uid != new.uid:
        return "recreated"
    if old.resource_version == new.resource_version:
        return "unchanged"
    return f"updated {'+'.join(fields_changed(old, new))}"


def _kind(seen: _Seen) -> CauseKind:
    """The relation, unless the change came from something other than a watch."""
    return _KINDS.get(seen[6], seen[0])


_RELATIONS = {CauseKind.OWNER: "owned ", CauseKind.MAPPED: "mapped "}
_TOLD_BY = {
    Cause.INITIAL: "the first list",
    Cause.RELIST: "a new list",
    Cause.REWRITTEN: "a rewritten history",
    Cause.RESYNC: "a resync",
}
_KINDS = {
    Cause.INITIAL: CauseKind.INITIAL,
    Cause.RELIST: CauseKind.RELIST,
    Cause.REWRITTEN: CauseKind.RELIST,
    Cause.RESYNC: CauseKind.RESYNC,
}
