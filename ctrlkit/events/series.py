"""
Combine many occurrences into one events.k8s.io/v1 Event with a series. Pure.

The first occurrence is written, and the second, as a series of two. Later ones are counted here only, until one of the
looks into the book (E9, E10): each REFRESH_S what a series has gained is written; each FINISH_S series that nothing was
added to for so long are written a last time and leave the book, and so do single Events of that age. What comes after
that begins a new Event.

What says the same has the same regarding, at the same version, related, type, action and reason; the message of the
first one stays.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime
from typing import Final

from ctrlkit.bounded import BoundedDict
from ctrlkit.events.occurrence import REMEMBERED_MAX, Decision, Entry, Occurrence, Recorded

FINISH_S: Final = 360.0
REFRESH_S: Final = 1800.0


class SeriesBook:
    """
    The Events that may still become longer series.

    >>> from datetime import UTC, datetime
    >>> from ctrlkit.events.occurrence import EventType, Reference
    >>> pod, wall = Reference("v1", "Pod", "demo", "web-0", "u1"), datetime(2026, 1, 1, tzinfo=UTC)
    >>> failed = Occurrence(regarding=pod, type=EventType.WARNING, reason="Failed", action="Pull", message="no route")
    >>> book = SeriesBook()
    >>> [book.record(failed, wall=wall, at=0.0).decision.value for _ in range(4)]
    ['write', 'write', 'count', 'count']

    Shape   REMEMBERED_MAX at most; the one that nothing was added to for longest is written, and leaves.
    Units   `at`: seconds on the loop's clock, never going back; `wall`: the same moment, for people.
    """

    def __init__(self) -> None:
        self._entries: BoundedDict[Hashable, Entry] = BoundedDict(limit=REMEMBERED_MAX)
        self._finish_at = math.inf
        self._refresh_at = math.inf

    def begin(self, at: float) -> None:
        """Start to count time for `next_look`."""
        self._finish_at, self._refresh_at = at + FINISH_S, at + REFRESH_S

    def record(self, occurrence: Occurrence, *, wall: datetime, at: float) -> Recorded:
        """Count one occurrence, and decide whether to write its Event now."""
        key = _key(occurrence)
        entry = self._entries.use(key)
        if entry is None:
            entry = Entry(occurrence, wall, wall, at)
            dropped = self._entries.put(key, entry)
            leaving = dropped[1] if dropped and _is_untold(dropped[1]) else None
            return Recorded(entry, Decision.WRITE, leaving=leaving)
        entry.occurred_again(occurrence, wall, at)
        return Recorded(entry, Decision.WRITE if entry.count == 2 else Decision.COUNT)

    def next_look(self) -> float:
        """When `look` has something to do next, on the loop's clock; infinity before `begin`."""
        return min(self._finish_at, self._refresh_at)

    def look(self, at: float) -> list[Entry]:
        """What is to be written now: series at their end, and all that gained something where that is due."""
        due = []
        if at >= self._finish_at:
            self._finish_at = at + FINISH_S
            for entry in tuple(self._entries.values()):
                if at - entry.last_at <= FINISH_S or entry.waits:
                    continue
                if entry.count > 1 and _is_untold(entry):
                    due.append(entry)
                else:
                    self._leave(entry)
        if at >= self._refresh_at:
            self._refresh_at = at + REFRESH_S
            due += [entry for entry in self.untold() if entry not in due]
        return due

    def untold(self) -> list[Entry]:
        """The Events of which the server does not know all, but for those that wait to be written."""
        return [entry for entry in self._entries.values() if _is_untold(entry)]

    def ended(self, entry: Entry, at: float) -> None:
        """A write ended, well or with a refusal: a series that was written for the last time leaves."""
        if at - entry.last_at > FINISH_S and not entry.waits:
            self._leave(entry)

    def _leave(self, entry: Entry) -> None:
        key = _key(entry.about)
        if self._entries.get(key) is entry:
            del self._entries[key]


def _is_untold(entry: Entry) -> bool:
    return entry.told < entry.count and not entry.waits


def _key(occurrence: Occurrence) -> Hashable:
    """Return what is the same for all of a series: a reference to an object has its version there, as in client-go."""
    return occurrence.version, replace(occurrence, message="")
