"""
No key is reconciled again before its own last writes can be read (rows B1, Q24, Q25, S7).

In       What each reconcile wrote, and the informers its controller watches.
Out      Whether a key has to wait, and the end of that wait.

Reads lag behind writes by the time a watch takes. A reconcile that begins in between does not see what the one before
it made, and makes it twice. So it waits: for those writes only, in those informers only, and never longer than
SEEN_WITHIN_S after they were made. See docs/decisions/0006.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.cache import Informer
from ctrlkit.clock import monotonic
from ctrlkit.errors import NotSynced
from ctrlkit.model import ObjectKey, Write
from ctrlkit.telemetry import logger

SEEN_WITHIN_S: Final = 10.0
"""So long after its writes a key may be held: a watch that was cut is usually back by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStatistics:
    """
    A picture of one gate.

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
    The writes of a controller's reconciles that its informers are still to show.

    Owner   A Controller, which asks before each reconcile and tells after it.
    """

    def __init__(self, informers: Iterable[Informer[Any]] = (), *, controller: str) -> None:
        self._informers: Counter[Informer[Any]] = Counter(informers)
        self._unseen: dict[ObjectKey, _Unseen] = {}
        self._held = 0
        self._holds = 0
        self._timeouts = 0
        self._waited_s = 0.0
        self._log = logger("controller", controller=controller)

    def include(self, informer: Informer[Any]) -> None:
        """The controller watches an informer, perhaps once more."""
        self._informers[informer] += 1

    def exclude(self, informer: Informer[Any]) -> None:
        """It does so once less; what it wrote there is not waited for if that was the last time."""
        self._informers[informer] -= 1
        self._informers += Counter()  # drops what counts 0

    def wrote(self, key: ObjectKey, writes: Sequence[Write]) -> None:
        """A reconcile of this key ended, having written this; what was unseen of earlier ones still is."""
        if not writes and not self._unseen:
            return
        earlier = self._unseen.pop(key, None)
        self._drop_overdue()
        unseen = self._still_unseen((*earlier.writes, *writes) if earlier is not None else writes)
        if unseen:
            self._unseen[key] = _Unseen(unseen, monotonic() + SEEN_WITHIN_S)

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
        """A picture of now."""
        return GateStatistics(held=self._held, holds=self._holds, timeouts=self._timeouts, waited_s=self._waited_s)

    def _close(self, key: ObjectKey, unseen: _Unseen) -> None:
        """Forget what a key waited for; while it waited, another one's `wrote` may have dropped it as overdue."""
        self._unseen.pop(key, None)
        if unseen.writes:
            self._timeouts += 1
            names = [str(write) for write in unseen.writes]
            self._log.warning("writes_not_seen", key=str(key), writes=names, within_s=SEEN_WITHIN_S)

    def _drop_overdue(self) -> None:
        """Forget keys that did not come again in time; the oldest are in front."""
        now = monotonic()
        while self._unseen:
            key, oldest = next(iter(self._unseen.items()))
            if oldest.until > now:
                return
            del self._unseen[key]

    def _still_unseen(self, writes: Sequence[Write], *, but_in: Sequence[Informer[Any]] = ()) -> tuple[Write, ...]:
        informers = [informer for informer in self._informers if informer not in but_in]
        return tuple(write for write in writes if not all(informer.shows(write) for informer in informers))
