"""
Keep one store equal to one collection on the server.

In       ListWatch: a streamed list that goes on as the watch, or a list and then a watch from its version.
Out      Sink.replace() for each list, Sink.apply() for the changes in each batch of events, Sink.advance() after both
         and at bookmarks. Nothing else leaves this module.
Owns     The version of the last event applied. Nobody else moves it.

R-a  After a list at version v the sink holds exactly the objects of v. Of a streamed list nothing is told before its
     end marker has come.
R-b  For one key, versions are applied in the server's order; some may be skipped.
R-c  A cut watch resumes where it stopped. A version the server has dropped (410 Gone) leads to a new list at once.
R-d  A stream that has gone silent is given up (watchdog.py).
R-e  No object ends a stream: one that does not fit its type is applied like any other, as an Unusable record; a line
     without so much as a name is counted. After a line that is no JSON the version stands still, and a list follows.
Not promised: order between keys, or a sight of every state in between.

What to do next is decided in machine.py; this module only does it. Rows R1, R3, R7-R9, R11-R14, R17-R22; B14, B17, B18.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from ctrlkit import clock, telemetry
from ctrlkit.cache.change import Cause
from ctrlkit.cache.failure import Failure
from ctrlkit.cache.intake import Collecting, Intake
from ctrlkit.cache.machine import Course, List, Reason, Step, Stream, Watch
from ctrlkit.cache.outage import Outage
from ctrlkit.cache.source import ListWatch
from ctrlkit.cache.watchdog import Watchdog
from ctrlkit.errors import ApiError, CtrlkitError, DecodeError, Gone, TimedOut
from ctrlkit.model import Applied, Bookmark, Deleted, Record, Snapshot, WatchEvent, is_newer

T = TypeVar("T")
WATCH_TIMEOUT_S = (300, 600)
Events = AsyncIterator[Sequence[WatchEvent[T]]]


class Sink(Protocol[T]):
    """Where a reflector writes; changes state between two awaits."""

    def known(self, record: Record[T]) -> Record[T]:
        """The record held already where this one says the same, else this one; asked while a list comes in."""
        ...

    def replace(self, snapshot: Snapshot[T], *, cause: Cause, scope: str) -> None:
        """Hold exactly this."""
        ...

    def apply(self, events: Sequence[Applied[T] | Deleted[T]]) -> None:
        """Carry out these changes, in order."""
        ...

    def advance(self, version: str, *, scope: str) -> None:
        """All up to this version was told: after a list, after changes, and at a bookmark, where nothing is to tell."""
        ...


class ReflectorState(StrEnum):
    """What a reflector is doing."""

    NEW = "new"
    WAITING = "waiting"
    STREAMING = "streaming"  # a list, on the stream that will be the watch
    LISTING = "listing"
    WATCHING = "watching"


@dataclass(frozen=True, slots=True)
class ReflectorStatistics:
    """
    What an operator asks of a reflector that seems to stand still.

    Shape   `lists` counts lists asked for, streamed ones included, by reason (machine.Reason). The errors are the last
            ones since the last success of their kind: a list that came, a watch that was accepted; `last_error` is the
            text of either. `failures` counts all there were of both, `attempts` those in a row, up to the watch that is
            accepted again. `unreadable` counts lines and items that had not even a name.
    Units   `last_event_age_s`: seconds since the server last told anything; None before it did.
    """

    state: str
    version: str
    lists: Mapping[str, int]
    watches: int
    last_error: str
    list_error: Failure | None = None
    watch_error: Failure | None = None
    last_event_age_s: float | None = None
    unreadable: int = 0
    streams_lists: bool = False
    failures: int = 0
    attempts: int = 0


class Reflector(Generic[T]):
    """
    The only writer of a store, for one scope of it.

    Units   Watches ask for a random timeout of 300 to 600 s (R7).
    Errors  None leaves `run` but cancellation: failures are logged, kept in `last_error`, and waited out.
    """

    def __init__(self, source: ListWatch[T], sink: Sink[T], *, name: str, scope: str = "") -> None:
        self.state = ReflectorState.NEW
        self.synced = asyncio.Event()
        self._source = source
        self._sink = sink
        self._scope = scope
        self._course: Course | None = None
        self._dog = Watchdog()
        self._intake: Intake[T] = Intake()
        self._collecting: Collecting[T] | None = None
        self._doubt: DecodeError | None = None
        self._opened_at: float | None = None
        self._list_error: Exception | None = None
        self._watch_error: Exception | None = None
        self._outage = Outage()
        self._heard_at: float | None = None
        self._lists: Counter[str] = Counter()
        self._watches = 0
        self._unreadable = 0
        self._log = telemetry.logger("reflector", collection=name)

    @property
    def version(self) -> str:
        """The version of the last list, event or bookmark applied."""
        return "" if self._course is None else self._course.version

    @property
    def last_error(self) -> Exception | None:
        """Why the mirror may be behind: the last failure of a list or, if those succeed, of a watch."""
        return self._list_error or self._watch_error

    def statistics(self) -> ReflectorStatistics:
        """A picture of now."""
        error = self.last_error
        return ReflectorStatistics(
            state=self.state,
            version=self.version,
            lists=dict(self._lists),
            watches=self._watches,
            last_error="" if error is None else str(error) or type(error).__name__,
            list_error=None if self._list_error is None else Failure.of(self._list_error),
            watch_error=None if self._watch_error is None else Failure.of(self._watch_error),
            last_event_age_s=None if self._heard_at is None else clock.monotonic() - self._heard_at,
            unreadable=self._unreadable,
            streams_lists=self._source.streams_lists,
            failures=self._outage.failures,
            attempts=self._outage.attempts,
        )

    async def run(self) -> None:
        """List and watch until cancelled."""
        self._course = course = Course(chance=clock.random_source(), streams=self._source.streams_lists)
        step = course.begin()
        while True:
            if step.after_s:
                self.state = ReflectorState.WAITING
                await asyncio.sleep(step.after_s)
            if isinstance(step, Stream) and not self._source.streams_lists:
                step = course.without_stream(step)
            course.streams = believed = self._source.streams_lists
            match step:
                case Stream():
                    step = await self._stream(course, step)
                case List():
                    step = await self._list(course, step)
                case Watch():
                    step = await self._watch(course, step)
            if believed and not course.streams and self._source.streams_lists:
                self._source.stop_streaming()
                self._log.info("streaming_given_up")

    async def _list(self, course: Course, step: List) -> Step:
        self.state = ReflectorState.LISTING
        self._lists[step.reason.value] += 1
        try:
            snapshot = await self._source.list(resource_version=step.version, known=self._sink.known)
            for error in snapshot.unreadable:
                self._count_unreadable(error)
            self._replace(snapshot, step.reason)
        except Exception as error:  # noqa: BLE001 - the loop that must outlive every failure
            self._list_error = error
            following = course.list_failed(error)
            self._log_failure("list_failed", error, following)
            return following
        following = course.listed(snapshot.version)
        self._synchronised(snapshot.version)
        return following

    async def _stream(self, course: Course, step: Stream) -> Step:
        """A streamed list; the course of a watch once its end marker has come."""
        self.state = ReflectorState.STREAMING
        self._lists[step.reason.value] += 1
        self._collecting = collecting = Collecting[T](step.reason, known=self._sink.known)
        timeout_s = clock.random_source().randint(*WATCH_TIMEOUT_S)
        error = await self._follow(
            course, self._source.stream(resource_version=step.version, timeout_s=timeout_s), timeout_s
        )
        if collecting.ended_at is not None:
            return self._watch_ended(course, error, lived_s=clock.monotonic() - collecting.ended_at)
        self._collecting = None
        following = course.stream_failed(error, lived_s=self._open_for_s(), objects=len(collecting.records))
        if error is not None:
            self._log_failure("list_failed", error, following)
        return following

    async def _watch(self, course: Course, step: Watch) -> Step:
        self.state = ReflectorState.WATCHING
        self._watches += 1
        timeout_s = clock.random_source().randint(*WATCH_TIMEOUT_S)
        error = await self._follow(
            course, self._source.watch(resource_version=step.version, timeout_s=timeout_s), timeout_s
        )
        return self._watch_ended(course, error, lived_s=self._open_for_s())

    def _open_for_s(self) -> float:
        """How long the last stream was open; 0 for one that the server did not open."""
        return 0.0 if self._opened_at is None else clock.monotonic() - self._opened_at

    def _watch_ended(self, course: Course, error: Exception | None, *, lived_s: float) -> Step:
        course.streams = self._source.streams_lists  # as others have learnt meanwhile, or forgotten
        following = course.watch_ended(error, lived_s=lived_s)
        if error is not None:
            self._log_failure("watch_failed", error, following)
        return following

    async def _follow(
        self, course: Course, opening: AbstractAsyncContextManager[Events[T]], timeout_s: float
    ) -> Exception | None:
        """Take in a stream to its end; what ended it, or None where the server just closed it."""
        self._doubt = None
        self._opened_at = None
        self._dog.asked(clock.monotonic(), timeout_s=timeout_s)
        error: Exception | None = None
        try:
            async with guarded(self._dog), opening as batches:
                self._opened_at = now = clock.monotonic()
                self._dog.opened(now, timeout_s=timeout_s, collecting=self._collecting is not None)
                if self._collecting is None:
                    self._accepted()
                await self._take_all(course, batches)
        except TimeoutError:
            error = self._doubt or self._given_up()
        except Exception as caught:  # noqa: BLE001 - the loop that must outlive every failure
            error = caught
        if not isinstance(error, ApiError):
            error = self._doubt or error
        if error is None:
            return None
        if self._collecting is not None:
            self._list_error = error
        else:
            self._watch_error = error
        return error

    def _accepted(self) -> None:
        """A watch is on: whatever failed before it is over."""
        self._watch_error = None
        down_s = self._outage.end(clock.monotonic())
        if down_s is not None:
            self._log.info("watch_resumed", down_s=round(down_s, 1))

    async def _take_all(self, course: Course, batches: Events[T]) -> None:
        while True:
            try:
                batch = await anext(batches, None)
            except DecodeError as error:
                self._take_unreadable(course, error)
                continue
            if batch is None:
                return
            self._take(course, batch)

    def _take(self, course: Course, batch: Sequence[WatchEvent[T]]) -> None:
        self._heard_at = now = clock.monotonic()
        collecting = self._collecting
        if collecting is not None:
            came_before = len(collecting.records)
            batch = collecting.take(batch)
            if len(collecting.records) > came_before:
                self._dog.heard(now)
            if collecting.version is None:
                return
            snapshot = Snapshot(list(collecting.records.values()), collecting.version)
            self._replace(snapshot, collecting.reason)
            course.streamed(snapshot.version)
            self._synchronised(snapshot.version)
            collecting.end(now)
            self._collecting = None
            self._dog.collected()
            self.state = ReflectorState.WATCHING
            self._accepted()
        self._dog.heard(now)
        if batch:
            self._apply(course, batch)

    def _apply(self, course: Course, batch: Sequence[WatchEvent[T]]) -> None:
        changes = self._intake.take(batch)
        if changes:
            self._sink.apply(changes)
        last = batch[-1]
        if isinstance(last, Bookmark):
            self._dog.bookmark(clock.monotonic())
            self._reach(course, last.version)
        else:
            self._reach(course, last.record.version)

    def _reach(self, course: Course, version: str) -> None:
        """Move on, and never back: what comes again or late says nothing of what came before it."""
        late = version == course.version or is_newer(course.version, than=version)
        if version and not late and self._doubt is None:
            course.reached(version)
            self._sink.advance(version, scope=self._scope)

    def _take_unreadable(self, course: Course, error: DecodeError) -> None:
        """A line without a name is passed over; one of which nothing can be told casts doubt on all that follows."""
        self._heard_at = now = clock.monotonic()
        if not error.version:
            if self._collecting is not None:
                raise error
            self._doubt = self._doubt or error.with_traceback(None)
            self._dog.doubt(now)
        self._count_unreadable(error)
        if self._collecting is None:
            self._reach(course, error.version)

    def _count_unreadable(self, error: DecodeError) -> None:
        self._unreadable += 1
        self._log.warning("object_unreadable", error=str(error))

    def _replace(self, snapshot: Snapshot[T], reason: Reason) -> None:
        cause = Cause.RELIST if self.synced.is_set() else Cause.INITIAL
        self._intake.clear()
        self._sink.replace(snapshot, cause=cause, scope=self._scope)
        if reason is not Reason.FIRST:
            self._log.info("relisted", reason=reason.value, objects=len(snapshot.records), version=snapshot.version)

    def _synchronised(self, version: str) -> None:
        self._list_error = None
        self._heard_at = clock.monotonic()
        self.synced.set()
        self._sink.advance(version, scope=self._scope)

    def _given_up(self) -> TimedOut:
        self._dog.gave_up()
        if self._collecting is not None and self._opened_at is not None:
            return TimedOut("stream a list: its end did not come; see whether the server streams lists")
        return TimedOut("watch: nothing came for too long; watch again from the last version")

    def _log_failure(self, event: str, error: Exception, following: Step) -> None:
        failure = Failure.of(error)
        loud = self._outage.failed(failure.message, clock.monotonic())
        told = {"cause": failure.cause.value, "attempt": self._outage.attempts, "next_s": round(following.after_s, 1)}
        text = str(error) if isinstance(error, CtrlkitError) else repr(error)
        if not loud:
            self._log.debug(event, error=text, **told)
        elif isinstance(error, Gone):
            self._log.info(event, error=text, **told)
        elif isinstance(error, CtrlkitError):
            self._log.warning(event, error=text, **told)
        else:
            self._log.error(event, error=text, exc_info=error, **told)


@asynccontextmanager
async def guarded(dog: Watchdog) -> AsyncIterator[None]:
    """End the block with TimeoutError once the dog's deadline has passed, wherever it has moved to meanwhile."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def look() -> None:
            now = loop.time()
            if now >= dog.deadline:
                limit.reschedule(now)
            else:
                timers[0] = loop.call_at(dog.look_again_at(now), look)

        timers = [loop.call_at(dog.look_again_at(loop.time()), look)]
        try:
            yield
        finally:
            timers[0].cancel()
