"""
Combine many occurrences into few core/v1 Events, as client-go does. Pure.

    occurrence ─► aggregate ─► observe ─► spam filter ─► write, or drop

aggregate    The first SIMILAR_MAX - 1 messages of one object, type and reason have Events of their own; all others
             share one, until nothing similar was said for longer than SIMILAR_WINDOW_S (E4).
observe      What has an Event counts it up, anything else gets one (E5). The Event that is found or made here is the
             one that is written: no later step looks it up again (E8, B27).
spam filter  Of one object and type SPAM_BURST writes may come at once, then one in SPAM_REFILL_S (E6). What it holds
             has been counted, so the next write that passes tells of it.

Each step remembers REMEMBERED_MAX things, and forgets what it met longest ago (E7).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from ctrlkit.bounded import BoundedDict
from ctrlkit.events.occurrence import REMEMBERED_MAX, Decision, Entry, Occurrence, Recorded

SIMILAR_MAX: Final = 10
SIMILAR_WINDOW_S: Final = 600.0
COMBINED: Final = "(combined from similar events): "
"""What the message of an Event begins with that stands for several messages; kubectl users know it from client-go."""
SPAM_BURST: Final = 25
SPAM_REFILL_S: Final = 300.0
TEXT_BYTES_MAX: Final = 1024
"""So long a message may be that servers take, in UTF-8."""


@dataclass(slots=True)
class _Window:
    """The messages that have Events of their own: the first ones, so that it does not depend on chance which."""

    last_at: float
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bucket:
    """Writes that are still paid for, as the time at which the bucket will be full again."""

    full_at: float

    def take(self, at: float) -> bool:
        full_at = max(self.full_at, at) + SPAM_REFILL_S
        if full_at - at > SPAM_BURST * SPAM_REFILL_S:
            return False
        self.full_at = full_at
        return True


class Correlator:
    """
    Finds the Event for each occurrence, and decides whether to write it now.

    >>> from datetime import UTC, datetime
    >>> from ctrlkit.events.occurrence import EventType, Reference
    >>> pod, wall = Reference("v1", "Pod", "demo", "web-0", "u1"), datetime(2026, 1, 1, tzinfo=UTC)
    >>> pulled = Occurrence(regarding=pod, type=EventType.NORMAL, reason="Pulled", message="pulled the image")
    >>> correlator = Correlator()
    >>> [correlator.record(pulled, wall=wall, at=0.0).decision.value for _ in range(26)][-2:]
    ['write', 'spam']
    >>> again = correlator.record(pulled, wall=wall, at=300.0)
    >>> again.decision.value, again.entry.count
    ('write', 27)

    Units   `at`: seconds on the loop's clock, never going back; `wall`: the same moment, for people.
    """

    def __init__(self) -> None:
        self._windows: BoundedDict[Hashable, _Window] = BoundedDict(limit=REMEMBERED_MAX)
        self._entries: BoundedDict[Hashable, Entry] = BoundedDict(limit=REMEMBERED_MAX)
        self._buckets: BoundedDict[Hashable, _Bucket] = BoundedDict(limit=REMEMBERED_MAX)

    def record(self, occurrence: Occurrence, *, wall: datetime, at: float) -> Recorded:
        """Count one occurrence, and decide whether to write its Event now."""
        similar = (occurrence.regarding, occurrence.type, occurrence.reason)
        combined = self._is_one_too_many(similar, occurrence.message, at)
        if combined:
            occurrence = replace(occurrence, message=cut(COMBINED + occurrence.message))
        key = similar if combined else (*similar, occurrence.message, *occurrence.details)
        entry = self._observe(key, occurrence, wall, at, combined=combined)
        passes = self._passes((occurrence.regarding, occurrence.type), at)
        return Recorded(entry, Decision.WRITE if passes else Decision.SPAM)

    def _is_one_too_many(self, similar: Hashable, message: str, at: float) -> bool:
        window = self._windows.use(similar)
        if window is None or at - window.last_at > SIMILAR_WINDOW_S:
            window = _Window(at)
            self._windows.put(similar, window)
        window.last_at = at
        if message in window.messages:
            return False
        if len(window.messages) >= SIMILAR_MAX - 1:
            return True
        window.messages.add(message)
        return False

    def _observe(self, key: Hashable, about: Occurrence, wall: datetime, at: float, *, combined: bool) -> Entry:
        entry = self._entries.use(key)
        if entry is None:
            entry = Entry(about, wall, wall, at, combined=combined)
            self._entries.put(key, entry)
        else:
            entry.occurred_again(about, wall, at)
        return entry

    def _passes(self, source: Hashable, at: float) -> bool:
        bucket = self._buckets.use(source)
        if bucket is None:
            bucket = _Bucket(at)
            self._buckets.put(source, bucket)
        return bucket.take(at)


def cut(text: str) -> str:
    """
    Cut a text to what servers accept, ending in `...`; what is no Unicode becomes `?`.

    >>> cut("x" * 5000)[-4:], len(cut("x" * 5000)), len(cut(chr(0xE9) * 5000)), cut(f"file {chr(0xDCFF)}")
    ('x...', 1024, 513, 'file ?')
    """
    if text.isascii() and len(text) <= TEXT_BYTES_MAX:
        return text
    raw = text.encode(errors="replace")
    if len(raw) <= TEXT_BYTES_MAX:
        return raw.decode()
    return f"{raw[: TEXT_BYTES_MAX - 3].decode(errors='ignore')}..."
