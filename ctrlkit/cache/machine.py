"""
What a reflector does next: list or watch, from which version, after how long. Pure: no I/O, no task, no clock.

In       What became of the last step: listed, failed, or a watch that ended, how long it lived and how far it got.
Out      The next step, `List` or `Watch`.
Owns     The version reached, the count of failures in a row, and which remedies were already tried.

    begin ─► List("0") ─ listed ─► Watch ─ ended ─► Watch        from the version reached, after a back-off
                ▲  │                 │
                │  └─ failed ─► List └─ 410, a refusal, or barren streams ─► List

M-a  A 410 on a watch leads to a list at once; a second one before the stream was healthy waits like any failure (B18).
M-b  A list refused as expired or from the future is repeated at once, and only once, for the newest state (R3).
M-c  Every other step after a failure, and after any stream that was not healthy, waits a jittered back-off (R9, R13).
M-d  A connection that could not be made, or 429, keeps the version: no list follows (R11).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from ctrlkit.backoff import Backoff
from ctrlkit.errors import ApiError, Gone, Timeout, TooManyRequests, TransportError

ANY_VERSION = "0"
NEWEST_VERSION = ""
HEALTHY_AFTER_S = 30.0
SHORT_WATCH_S = 1.0
BARREN_WATCHES = 3
TOO_LARGE = "Too large resource version"


class Reason(StrEnum):
    """Why a collection is listed."""

    FIRST = "first"
    EXPIRED = "expired"
    UNUSABLE_VERSION = "unusable-version"
    LIST_FAILED = "list-failed"
    WATCH_REFUSED = "watch-refused"
    BARREN_WATCHES = "barren-watches"


@dataclass(frozen=True, slots=True)
class List:
    """Wait, then take the whole collection."""

    version: str
    reason: Reason
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait, then follow the changes after a version."""

    version: str
    after_s: float = 0.0


Step = List | Watch


class Course:
    """
    The list/watch state of one collection.

    >>> course = Course(chance=Random(1))
    >>> course.begin()
    List(version='0', reason=<Reason.FIRST: 'first'>, after_s=0.0)
    >>> course.listed("7")
    Watch(version='7', after_s=0.0)
    >>> course.reached("9")
    >>> course.watch_ended(Gone("too old"), lived_s=100)
    List(version='9', reason=<Reason.EXPIRED: 'expired'>, after_s=0.0)
    """

    def __init__(self, *, chance: Random, backoff: Backoff | None = None) -> None:
        self.version = ""
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._failures = 0
        self._barren = 0
        self._began_watch_at = ""
        self._relisted_at_once = False
        self._version_unusable = False

    def begin(self) -> Step:
        """The first step: any cached state is good enough (R1)."""
        return List(ANY_VERSION, Reason.FIRST)

    def listed(self, version: str) -> Step:
        """A list succeeded: follow the changes after it."""
        self.version = version
        self._version_unusable = False
        return self._watch(after_s=0.0)

    def list_failed(self, error: Exception) -> Step:
        """A list failed: once at once for the newest state if the version was at fault, else after a back-off."""
        if _version_is_at_fault(error) and not self._version_unusable:
            self._version_unusable = True
            return List(NEWEST_VERSION, Reason.UNUSABLE_VERSION)
        return self._list(Reason.LIST_FAILED, self._wait_after(error))

    def reached(self, version: str) -> None:
        """Everything up to this version was applied."""
        self.version = version

    def watch_ended(self, error: Exception | None, *, lived_s: float) -> Step:
        """A watch could not be opened, broke, or was closed by the server (`error` is None)."""
        progressed = self.version != self._began_watch_at
        healthy = lived_s >= HEALTHY_AFTER_S
        if healthy or progressed:
            self._failures = self._barren = 0
        if healthy:
            self._relisted_at_once = False
        match error:
            case Gone():
                return self._expired()
            case ApiError() if not isinstance(error, TooManyRequests):
                return self._list(Reason.WATCH_REFUSED, self._wait_after(error))
            case None if healthy:
                return self._watch(after_s=0.0)
            case None | TransportError() | TooManyRequests():
                return self._resume(error, lived_s=lived_s, progressed=progressed)
            case _:
                return self._list(Reason.WATCH_REFUSED, self._wait_after(error))

    def _expired(self) -> Step:
        if self._relisted_at_once:
            return self._list(Reason.EXPIRED, self._wait_after(None))
        self._relisted_at_once = True
        return self._list(Reason.EXPIRED, 0.0)

    def _resume(self, error: Exception | None, *, lived_s: float, progressed: bool) -> Step:
        """Some servers close a watch at a version they no longer have instead of answering 410: give up on it."""
        wait = self._wait_after(error)
        if error is None and lived_s < SHORT_WATCH_S and not progressed:
            self._barren += 1
            if self._barren >= BARREN_WATCHES:
                self._barren = 0
                return self._list(Reason.BARREN_WATCHES, wait)
        return self._watch(after_s=wait)

    def _list(self, reason: Reason, after_s: float) -> Step:
        return List(NEWEST_VERSION if self._version_unusable else self.version or ANY_VERSION, reason, after_s)

    def _watch(self, *, after_s: float) -> Step:
        self._began_watch_at = self.version
        return Watch(self.version, after_s)

    def _wait_after(self, error: Exception | None) -> float:
        wait = self._backoff.delay_s(self._failures, self._chance)
        self._failures += 1
        asked = error.retry_after_s if isinstance(error, ApiError) else None
        return max(wait, asked or 0.0)


def _version_is_at_fault(error: Exception) -> bool:
    """Expired, gone, or ahead of the server: told by a cause, or by the text of a 504 (R3)."""
    if isinstance(error, Gone):
        return True
    if not isinstance(error, ApiError):
        return False
    causes = error.details.get("causes") or ()
    if any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes):
        return True
    return isinstance(error, Timeout) and TOO_LARGE in error.message
