"""
What a controller does with the writes of its reconciles.

WriteGate       No key is reconciled again before the caches show its own last writes. Reads lag behind writes by the
                time a watch takes: a reconcile that begins in between does not see what the one before it created, and
                creates it twice. It waits for those writes only, in the watched informers only, and never longer than
                SEEN_WITHIN_S after they were made. See docs/decisions/0006.
seeing_writes   The same within one reconcile, outside of any, or for informers that the controller does not watch.
                Nothing is counted, so a create that failed, a merged event, or an object that somebody else created
                cannot put a count out of step.
OwnerChecks     A controller that watches children by `to_owner` finds a child by its owner reference. One created
                without it is never looked at again, and nothing fails; so a warning is logged, once a kind.

Rows B1, Q24, Q25, S7.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.cache import Informer
from ctrlkit.client import noting_writes
from ctrlkit.clock import monotonic
from ctrlkit.controller.sources.watch import Watch
from ctrlkit.errors import CtrlkitError, NotSynced
from ctrlkit.failures import FailureLog, without_numbers
from ctrlkit.model import AnyResource, Effect, ObjectKey, Verb, Write
from ctrlkit.telemetry import logger

SEEN_WITHIN_S: Final = 10.0
"""So long after its writes a key may be held: a watch that was cut is usually back by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStatistics:
    """
    Statistics of one WriteGate, at one moment.

    `held` keys wait now. `holds` counts waits, `timeouts` those among them, and those that no wait was left for, that
    ended with a write still unseen; `waited_s` is the length of all waits.
    """

    held: int
    holds: int
    timeouts: int
    waited_s: float


@dataclass(slots=True)
class _Unseen:
    writes: tuple[Write, ...]
    until: float


class WriteGate:
    """
    Keeps the writes of a controller's reconciles that its informers do not show yet.

    Owner   A Controller, which asks before each reconcile and notes its writes after it.
    """

    def __init__(self, informers: Iterable[Informer[Any]] = (), *, controller: str) -> None:
        self._informers: Counter[Informer[Any]] = Counter(informers)
        self._watched = self._kinds()
        self._unseen: dict[ObjectKey, _Unseen] = {}
        self._held = 0
        self._holds = 0
        self._timeouts = 0
        self._waited_s = 0.0
        self._failures = FailureLog(logger("controller", controller=controller))

    def include(self, informer: Informer[Any]) -> None:
        """The controller watches an informer, perhaps once more."""
        self._informers[informer] += 1
        self._watched = self._kinds()

    def exclude(self, informer: Informer[Any]) -> None:
        """It does so once less; what it wrote there is not waited for if that was the last time."""
        self._informers[informer] -= 1
        self._informers += Counter()  # drops what counts 0
        self._watched = self._kinds()

    def wrote(self, key: ObjectKey, writes: Sequence[Write]) -> None:
        """
        A reconcile of this key ended, having written this; what was unseen of earlier ones still is.

        What is seen by then is found out when the key comes again.
        """
        if not writes and not self._unseen:
            return
        earlier = self._unseen.pop(key, None)
        now, watched = monotonic(), self._watched
        if self._unseen:
            self._drop_overdue(now)
        unseen = () if earlier is None else earlier.writes
        unseen = (*unseen, *[write for write in writes if write.resource.identity in watched])
        if unseen:
            self._unseen[key] = _Unseen(unseen, now + SEEN_WITHIN_S)

    def is_open(self, key: ObjectKey) -> bool:
        """Whether a key may be reconciled now."""
        unseen = self._unseen.get(key)
        if unseen is None:
            return True
        unseen.writes = self._still_unseen(unseen.writes)
        if unseen.writes and monotonic() < unseen.until:
            return False
        self._close(key, unseen)
        return True

    async def opened(self, key: ObjectKey) -> None:
        """Return once `is_open`."""
        unseen = self._unseen.get(key)
        if unseen is None:
            return
        began = monotonic()
        self._holds += 1
        self._held += 1
        ended: list[Informer[Any]] = []
        try:
            async with asyncio.timeout_at(unseen.until):
                for informer in tuple(self._informers):
                    try:
                        for write in unseen.writes:
                            await informer.shown(write)
                    except NotSynced:
                        ended.append(informer)  # nothing more will show in it
        except TimeoutError:
            pass
        finally:
            self._held -= 1
            self._waited_s += monotonic() - began
        unseen.writes = self._still_unseen(unseen.writes, but_in=ended)
        self._close(key, unseen)

    def statistics(self) -> GateStatistics:
        """The statistics at this moment."""
        return GateStatistics(held=self._held, holds=self._holds, timeouts=self._timeouts, waited_s=self._waited_s)

    def _close(self, key: ObjectKey, unseen: _Unseen) -> None:
        """Forget what a key waited for; while it waited, another one's `wrote` may have dropped it as overdue."""
        self._unseen.pop(key, None)
        if unseen.writes:
            self._timeouts += 1
            names = [str(write) for write in unseen.writes]
            what = without_numbers(str(names))
            self._failures.say("writes_not_seen", key, what=what, key=str(key), writes=names, within_s=SEEN_WITHIN_S)

    def _kinds(self) -> frozenset[tuple[str, str]]:
        return frozenset(informer.resource.identity for informer in self._informers)

    def _drop_overdue(self, now: float) -> None:
        """Forget keys that did not come again in time; the oldest are in front."""
        while self._unseen:
            key, oldest = next(iter(self._unseen.items()))
            if oldest.until > now:
                return
            del self._unseen[key]

    def _still_unseen(self, writes: Sequence[Write], *, but_in: Sequence[Informer[Any]] = ()) -> tuple[Write, ...]:
        informers = [one for one in self._informers if one not in but_in] if but_in else self._informers
        unseen = []
        for write in writes:
            kind = write.resource.identity
            for informer in informers:
                if informer.resource.identity == kind and not informer.shows(write):
                    unseen.append(write)
                    break
        return tuple(unseen)


class WritesNotSeen(CtrlkitError):
    """Caches did not show writes in time; `writes` are those that are still missing."""

    def __init__(self, message: str, writes: Sequence[Write]) -> None:
        super().__init__(message)
        self.writes: tuple[Write, ...] = tuple(writes)


@asynccontextmanager
async def seeing_writes(*informers: Informer[Any], within_s: float = SEEN_WITHIN_S) -> AsyncIterator[list[Write]]:
    """
    Wait, at the end of the block, until these informers show the writes made in it by this task or any it started.

        async with seeing_writes(pods) as writes:
            for pod in missing:
                await client.create(PODS, pod)
        assert len(pods.lister.list(selector=selector)) >= len(writes)

    Shape   Writes of other kinds, and of objects that an informer does not select, are not waited for. `writes` are
            those carried out so far. A block that raises is not waited for.
    Units   `within_s`: seconds from the end of the block.
    Errors  WritesNotSeen after that time; NotSynced where an informer has ended.
    """
    with noting_writes() as writes:
        yield writes
    try:
        async with asyncio.timeout(within_s):
            for write in tuple(writes):
                for informer in informers:
                    await informer.shown(write)
    except TimeoutError:
        unseen = [write for write in writes if not all(informer.shows(write) for informer in informers)]
        names = ", ".join(map(str, unseen))
        raise WritesNotSeen(
            f"wait for {len(unseen)} writes: the caches did not show them within {within_s:g} s; "
            f"look at the informers' state [{names}]",
            unseen,
        ) from None


class OwnerChecks:
    """
    Warns of children that reconciles of one controller created without an owner reference.

    Owner   The controller, which says what it watches; its workers call `look` with each write.
    """

    def __init__(self, *, controller: str) -> None:
        self._watches: Counter[tuple[Informer[Any], AnyResource]] = Counter()
        self._warned: set[tuple[str, str]] = set()
        self._log = logger("controller", controller=controller)

    def include(self, watch: Watch[Any]) -> None:
        """The controller has a watch, perhaps once more."""
        if watch.owner is not None:
            self._watches[watch.informer, watch.owner] += 1

    def exclude(self, watch: Watch[Any]) -> None:
        """It has it once less."""
        if watch.owner is not None:
            self._watches[watch.informer, watch.owner] -= 1
            self._watches += Counter()  # drops what counts 0

    def look(self, key: ObjectKey, write: Write) -> None:
        """Check a write that a reconcile of this key has just made; caches do not show it yet."""
        kind = write.resource.identity
        watches = [each for each in self._watches if each[0].resource.identity == kind and kind not in self._warned]
        if watches and _is_new(write, watches[0][0]) and not any(_is_owned(write, owner) for _, owner in watches):
            self._warned.add(kind)
            owners = " or ".join(sorted({owner.kind for _, owner in watches}))
            self._log.warning("child_without_owner", key=str(key), child=f"{write.resource} {write.key}", owner=owners)


def _is_new(write: Write, informer: Informer[Any]) -> bool:
    """Whether a write made its object: a create, or an apply of what the cache does not have."""
    if write.effect is not Effect.WRITTEN or write.subresource:
        return False
    return write.verb == Verb.CREATE or (write.verb == Verb.PATCH and informer.lister.find_record(write.key) is None)


def _is_owned(write: Write, owner: AnyResource) -> bool:
    """Whether an object of a kind controls what was written, so that `to_owner` finds it."""
    return any(
        each.controller and each.kind == owner.kind and each.group == owner.group for each in write.owner_references
    )
