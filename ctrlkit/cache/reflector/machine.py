"""
What a reflector does next: stream, list or watch, from which version, after how long. Pure: no I/O, no task, no clock.

In       What became of the last step: a collection that came, a failure, or a watch that ended, how long it lived and
         how far it got; and whether a server that was lost from sight still tells the same history.
Out      The next step, `Stream`, `List` or `Watch`.
Owns     The version reached, the count of failures in a row, which remedies were already tried, and what the server is
         believed to be able to do.

    begin ─► Stream ── streamed ──────► (the same stream goes on) ── ended ─► Watch   from the version reached
               │  ▲                                                   │ ▲
               │  └──── 410, a refusal, barren or silent streams, ────┘ │
               │        or a history that was rewritten                 │
               └─ refused, no end marker, broken thrice ─► List ─ listed ┘

M-a  A 410 on a watch leads to a list at once; a second one before the stream was healthy waits like any failure (B18).
M-b  A list refused as expired or from the future is repeated at once, and only once, for the newest state (R3, R21).
M-c  Every other step after a failure, and after any stream that was not healthy, waits a jittered back-off (R9, R13).
M-d  A connection that could not be made, or a server that asks for patience, keeps the version: no list follows (R11).
M-e  A server is held unable to stream lists only by comparison: it refused to, or sent no end marker on a stream that
     it had opened, and the list asked for at once after that succeeded (B17). Asking for patience is no such refusal,
     however often, and leads to no list.
M-f  Over any stretch of time there are at most two requests a second, and four more.
M-g  A watch that ended otherwise than it was asked to is resumed only after a check that the server still tells the
     history that was followed: a version means nothing to a server that was restored from a backup, or began anew.
M-h  Only a read of the newest state proves that history was rewritten. A list that was to be no older than the version
     reached, and is, is repeated at once for the newest state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from ctrlkit.cache.reflector.options import DEFAULT_OPTIONS, ReflectorOptions
from ctrlkit.errors import (
    ApiError,
    Gone,
    ServerTimeout,
    ServiceUnavailable,
    StreamBroken,
    TimedOut,
    Timeout,
    TooManyRequests,
    TransportError,
)
from ctrlkit.model import is_newer

ANY_VERSION = "0"
NEWEST_VERSION = ""
SHORT_WATCH_S = 1.0
BARREN_WATCHES = 3
SILENT_WATCHES = 3
EARLY_S = 5.0
"""A watch that ends so much before the time that was asked for was ended by something else: perhaps a restart."""
STREAM_TRIES = 3
REQUEST_EVERY_S = 0.5
FIRST_REQUESTS = 4
BAD_GATEWAY = 502
TOO_LARGE = "Too large resource version"
UNABLE = frozenset({400, 405, 406, 415, 422, 501})
"""Codes by which a server refuses what it does not know."""


class Reason(StrEnum):
    """Why a collection is asked for."""

    FIRST = "first"
    EXPIRED = "expired"
    UNUSABLE_VERSION = "unusable-version"
    LIST_FAILED = "list-failed"
    STREAM_REFUSED = "stream-refused"
    STREAM_BROKEN = "stream-broken"
    WATCH_REFUSED = "watch-refused"
    BARREN_WATCHES = "barren-watches"
    SILENT_WATCHES = "silent-watches"
    HISTORY_REWRITTEN = "history-rewritten"


class HistoryRewritten(StreamBroken):
    """The server's history was rewritten: it was restored from a backup, or began anew."""


@dataclass(frozen=True, slots=True)
class StreamStep:
    """Wait, then have the whole collection streamed, and follow the changes on the same stream."""

    version: str
    reason: Reason
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ListStep:
    """Wait, then take the whole collection by list."""

    version: str
    reason: Reason
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WatchStep:
    """Wait, then follow the changes after a version; with `check`, first see whether the history was rewritten."""

    version: str
    after_s: float = 0.0
    check: bool = False


Step = StreamStep | ListStep | WatchStep


class ListWatchMachine:
    """
    The list/watch state of one collection. `streams` says whether the server is believed to stream lists.

    >>> machine = ListWatchMachine(chance=Random(1))
    >>> machine.begin()
    ListStep(version='0', reason=<Reason.FIRST: 'first'>, after_s=0.0)
    >>> machine.listed("7")
    WatchStep(version='7', after_s=0.0, check=False)
    >>> machine.reached("9")
    >>> machine.watch_ended(Gone("too old"), lived_s=100)
    ListStep(version='9', reason=<Reason.EXPIRED: 'expired'>, after_s=0.0)
    """

    def __init__(self, *, chance: Random, streams: bool = False, options: ReflectorOptions = DEFAULT_OPTIONS) -> None:
        self.version: str = ""
        self.streams: bool = streams
        self._options = options
        self._chance = chance
        self._failures = 0
        self._barren = 0
        self._silent = 0
        self._broken_streams = 0
        self._began_watch_at = ""
        self._relisted_at_once = False
        self._version_unusable = False
        self._is_rewritten = False
        self._lists_until_listed = False
        self._suspects_streams = False
        self._unpaid_s = -FIRST_REQUESTS * REQUEST_EVERY_S

    def begin(self) -> Step:
        """The first step: the newest state by stream, any cached one by list."""
        return self._collect(Reason.FIRST)

    def without_stream(self, step: StreamStep) -> ListStep:
        """The list in place of a stream, where another collection has found that the server has none."""
        self.streams = False
        return ListStep(self._list_version(), step.reason)

    def listed(self, version: str) -> Step:
        """A list succeeded: follow the changes after it."""
        if self._suspects_streams:
            self.streams = False
        self._collected(version)
        return self._watch(after_s=0.0)

    def is_rewritten(self, version: str, *, asked: str) -> bool:
        """Whether a collection at `version`, asked for at `asked`, proves that history was rewritten (M-h)."""
        return self._is_rewritten or (asked == NEWEST_VERSION and is_newer(self.version, than=version))

    def is_outdated(self, version: str, *, asked: str) -> bool:
        """Whether a collection is older than was asked for: it is dropped then, and `outdated` says what follows."""
        return asked != NEWEST_VERSION and is_newer(self.version, than=version)

    def outdated(self) -> Step:
        """A collection came that is older than the version reached: the newest one, at once, shows why (M-h)."""
        self._suspects_streams = False
        self._version_unusable = True
        return self._collect(Reason.UNUSABLE_VERSION)

    def checked(self) -> Step:
        """The server still tells the history that was followed."""
        return self._watch(after_s=0.0)

    def check_failed(self, error: Exception) -> Step:
        """Nothing was learnt: check again when the server can be reached, or watch where it refuses to be checked."""
        if isinstance(error, TransportError) or (isinstance(error, ApiError) and _asks_for_patience(error)):
            return self._watch(after_s=self._wait_after(error), check=True)
        return self._watch(after_s=0.0)

    def rewritten(self) -> Step:
        """The server tells another history: its newest state, at once."""
        self._is_rewritten = self._version_unusable = True
        return self._collect(Reason.HISTORY_REWRITTEN)

    def list_failed(self, error: Exception) -> Step:
        """A list failed: once at once for the newest state if the version was at fault, else after a back-off."""
        self._suspects_streams = False
        if _version_is_at_fault(error) and not self._version_unusable:
            self._version_unusable = True
            return self._collect(Reason.UNUSABLE_VERSION)
        return self._collect(Reason.LIST_FAILED, self._wait_after(error))

    def streamed(self, version: str) -> None:
        """The end marker of a streamed list came: what follows on the stream are the changes after it."""
        self._collected(version)

    def stream_failed(self, error: Exception | None, *, lived_s: float, objects: int) -> Step:
        """
        A streamed list could not be opened, or ended before its end marker, after so many objects.

        `lived_s` is how long it was open.
        """
        match error:
            case ApiError() if _version_is_at_fault(error) and not self._version_unusable:
                self._version_unusable = True
                return self._collect(Reason.UNUSABLE_VERSION)
            case ApiError() if _asks_to_wait(error):
                return self._collect(Reason.STREAM_BROKEN, self._wait_after(error))
            case ApiError() if isinstance(error, Gone) or _asks_for_patience(error):
                pass
            case ApiError():
                return self._list_instead(suspect=error.code in UNABLE or (error.code == 500 and not objects))
            case TimedOut() if lived_s > 0:
                return self._list_instead(suspect=True)
            case None if lived_s >= self._options.marker_patience_s:
                return self._list_instead(suspect=True)
        self._broken_streams += 1
        self._lists_until_listed = self._broken_streams >= STREAM_TRIES
        return self._collect(Reason.STREAM_BROKEN, self._wait_after(error))

    def reached(self, version: str) -> None:
        """Everything up to this version was applied."""
        self.version = version

    def watch_ended(self, error: Exception | None, *, lived_s: float, asked_s: float = 0.0) -> Step:
        """
        A watch could not be opened, broke, or was closed by the server (`error` is None), which was asked to do so
        after `asked_s`.
        """
        progressed = self.version != self._began_watch_at
        healthy = lived_s >= self._options.healthy_after_s
        self._pay(lived_s)
        if healthy or progressed:
            self._failures = self._barren = 0
        if healthy:
            self._relisted_at_once = False
        if progressed or error is None:
            self._silent = 0
        match error:
            case Gone():
                return self._expired()
            case HistoryRewritten():
                return self.rewritten()
            case ApiError() if _version_is_at_fault(error) or not _asks_for_patience(error):
                return self._collect(Reason.WATCH_REFUSED, self._wait_after(error))
            case None if healthy:
                return self._watch(after_s=0.0, check=lived_s < asked_s - EARLY_S)
            case None | TransportError() | ApiError():
                return self._resume(error, lived_s=lived_s, progressed=progressed)
            case _:
                return self._collect(Reason.WATCH_REFUSED, self._wait_after(error))

    def _expired(self) -> Step:
        if self._relisted_at_once:
            return self._collect(Reason.EXPIRED, self._wait_after(None))
        self._relisted_at_once = True
        return self._collect(Reason.EXPIRED)

    def _resume(self, error: Exception | None, *, lived_s: float, progressed: bool) -> Step:
        """
        Some servers close a watch at a version they no longer have instead of answering 410: give up on it. So do we on
        a server whose watches fall silent one after the other.
        """
        wait = self._wait_after(error)
        if isinstance(error, TimedOut) and not progressed:
            self._silent += 1
            if self._silent >= SILENT_WATCHES:
                return self._collect(Reason.SILENT_WATCHES, wait)
        if error is None and lived_s < SHORT_WATCH_S and not progressed:
            self._barren += 1
            if self._barren >= BARREN_WATCHES:
                self._barren = 0
                return self._collect(Reason.BARREN_WATCHES, wait)
        return self._watch(after_s=wait, check=True)

    def _collected(self, version: str) -> None:
        self.version = self._began_watch_at = version
        self._version_unusable = self._is_rewritten = False
        self._lists_until_listed = self._suspects_streams = False
        self._broken_streams = self._silent = 0

    def _list_instead(self, *, suspect: bool) -> Step:
        """List at once: if that succeeds the server is well, and `suspect` says that then its streams are to blame."""
        self._lists_until_listed, self._suspects_streams = True, suspect
        return self._collect(Reason.STREAM_REFUSED)

    def _collect(self, reason: Reason, after_s: float = 0.0) -> Step:
        after_s = self._affordable(after_s)
        if self.streams and not self._lists_until_listed:
            return StreamStep(NEWEST_VERSION if self._version_unusable else self.version, reason, after_s)
        return ListStep(self._list_version(), reason, after_s)

    def _list_version(self) -> str:
        return NEWEST_VERSION if self._version_unusable else self.version or ANY_VERSION

    def _watch(self, *, after_s: float, check: bool = False) -> Step:
        self._began_watch_at = self.version
        return WatchStep(self.version, self._affordable(after_s), check)

    def _wait_after(self, error: Exception | None) -> float:
        """A step of the back-off; longer if the server asks for it."""
        wait = self._options.backoff.delay_s(self._failures, self._chance)
        self._failures += 1
        asked = error.retry_after_s if isinstance(error, ApiError) else None
        return max(wait, asked or 0.0)

    def _affordable(self, after_s: float) -> float:
        """When the next request may be made: not before `after_s`, and later if there were many just before (M-f)."""
        wait = max(after_s, self._unpaid_s)
        self._pay(wait)
        self._unpaid_s += REQUEST_EVERY_S
        return wait

    def _pay(self, passed_s: float) -> None:
        """Time pays for requests, and for no more than the first ones in advance (M-f)."""
        self._unpaid_s = max(-FIRST_REQUESTS * REQUEST_EVERY_S, self._unpaid_s - passed_s)


def _asks_to_wait(error: ApiError) -> bool:
    """The server is well, and says that it is to be asked later."""
    return isinstance(error, TooManyRequests) or (error.code >= 500 and error.retry_after_s is not None)


def _asks_for_patience(error: ApiError) -> bool:
    """It may be well again soon, and says nothing against what was asked for."""
    passing = isinstance(error, ServiceUnavailable | ServerTimeout | Timeout) or error.code == BAD_GATEWAY
    return passing or _asks_to_wait(error)


def _version_is_at_fault(error: Exception) -> bool:
    """Expired, gone, or ahead of the server: as a cause of the Status says, or the text of a 504."""
    if isinstance(error, Gone):
        return True
    if not isinstance(error, ApiError):
        return False
    causes = error.details.get("causes") or ()
    if any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes):
        return True
    return isinstance(error, Timeout) and TOO_LARGE in error.message
