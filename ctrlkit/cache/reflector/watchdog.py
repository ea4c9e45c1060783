"""
When a stream that brings nothing is given up. Pure: it is told the time, and says until when to wait.

Server           A streamed list is given up         A watch is given up
sends bookmarks  5 s after its last new object       after 180 s without a line: three bookmarks are missing
sends none       5 s after its last new object       30 s after the time at which the server should have ended it, and
                                                     after the last line

All this counts from when the server opened the stream. Before that it may ask for patience, which the Transport has in
its own limits; here the opening alone is given up when the stream should have been over.

API servers send a bookmark about each minute. Whether this one does is learnt: from a bookmark that comes well before
the end of a watch, where all of them send one. A watch that was given up unlearns it, so that a server that has
stopped to send them is not asked again and again. A line that cannot be read at all leaves the stream 30 s: then a list
has to show what was lost (row B14).
"""

from __future__ import annotations

import math

from ctrlkit.cache.reflector.options import DEFAULT_OPTIONS, ReflectorOptions

DOUBT_S = 30.0
LAST_BOOKMARK_S = 10.0
"""Bookmarks so close to the end of a watch say nothing of those in between."""


class Watchdog:
    """
    The patience with one stream after the other.

    >>> watchdog = Watchdog()
    >>> watchdog.opened(0.0, timeout_s=300)
    >>> watchdog.deadline
    330.0
    >>> watchdog.heard(60.0)
    >>> watchdog.bookmark(60.0)
    >>> watchdog.deadline
    240.0

    Units   Seconds on the loop's clock.
    """

    def __init__(self, options: ReflectorOptions = DEFAULT_OPTIONS) -> None:
        self._options = options
        self._bookmarks_come = False
        self._ends_at = 0.0
        self._heard_at = 0.0
        self._is_open = False
        self._collecting = False
        self._doubts_until = math.inf

    def asked(self, now: float, *, timeout_s: float) -> None:
        """A stream is asked for, and the server is asked to end it after `timeout_s`."""
        self.opened(now, timeout_s=timeout_s)
        self._is_open = False

    def opened(self, now: float, *, timeout_s: float, collecting: bool = False) -> None:
        """The server opened a stream that it was asked to end after `timeout_s`."""
        self._is_open = True
        self._ends_at = now + timeout_s
        self._heard_at = now
        self._collecting = collecting
        self._doubts_until = math.inf

    def heard(self, now: float) -> None:
        """Something came; of a streamed list, an object that it had not brought before, or its end marker."""
        self._heard_at = now

    def collected(self) -> None:
        """The end marker of a streamed list came: from here on the stream is a watch."""
        self._collecting = False

    def bookmark(self, now: float) -> None:
        """A bookmark came on a watch."""
        if now <= self._ends_at - LAST_BOOKMARK_S:
            self._bookmarks_come = True

    def doubt(self, now: float) -> None:
        """Something came that nobody could read, or something is to come."""
        self._doubts_until = min(self._doubts_until, now + DOUBT_S)

    def sure(self) -> None:
        """What was to come has come."""
        self._doubts_until = math.inf

    def gave_up(self) -> None:
        """The deadline passed."""
        if not self._collecting:
            self._bookmarks_come = False

    @property
    def deadline(self) -> float:
        """Until when to wait, if nothing more comes."""
        if self._collecting:
            return self._heard_at + self._options.marker_patience_s
        late = max(self._ends_at, self._heard_at) + self._options.end_grace_s
        silent = self._heard_at + self._options.silence_s if self._bookmarks_come and self._is_open else math.inf
        return min(late, silent, self._doubts_until)

    def next_check_at(self, now: float) -> float:
        """When to ask for the deadline again; what comes meanwhile may bring it forward."""
        sooner_s = DOUBT_S if self._is_open else self._options.marker_patience_s
        return min(self.deadline, max(now, self._heard_at) + sooner_s)
