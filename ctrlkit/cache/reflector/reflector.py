"""
Keep one store equal to one collection on the server.

In       ListWatch: a streamed list that goes on as the watch, or a list and then a watch from its version.
Out      Sink.replace() for each list, Sink.apply() for the changes in each batch of events, Sink.advance() after both
         and at bookmarks. Nothing else leaves this module.
Owns     The version of the last event applied. Nobody else moves it.

R-a  After a list at version v the sink holds exactly the objects of v. Of a streamed list nothing is told before its
     end marker has come.
R-b  For one key, versions are applied in the server's order; some may be skipped.
R-c  A cut watch resumes where it stopped, once a look at the server shows that it still tells the same history
     (history.py). A version the server has dropped (410 Gone) leads to a new list at once.
R-d  A stream that has gone silent is given up (watchdog.py).
R-e  Once history was found rewritten (by that look, by a newest list at a lower version, or by what a watch left out),
     the sink gets the newest state in place of all it has, whatever the versions. A line at a lower version than the
     one reached ends the watch, so that the look is taken.
R-f  No object ends a stream: one that does not fit its type is applied like any other, as an Unusable record. After a
     line that tells of no object of this collection a list follows soon, to show what was lost: one without so much as
     a name, of another kind, or that is no JSON; where it has no version either, the version stands still. So it is
     after a list with such items, and what is missing in that is not held for deleted.
Not promised: order between keys, or a sight of every state in between.

What to do next is decided in machine.py; this module only does it. Rows R1, R3, R7-R9, R11-R14, R17-R22; B14, B17, B18.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from ctrlkit import clock, telemetry
from ctrlkit.cache.change import Cause
from ctrlkit.cache.reflector.failure import Failure
from ctrlkit.cache.reflector.history import SAMPLE, Owed, compare
from ctrlkit.cache.reflector.intake import Collecting, Intake
from ctrlkit.cache.reflector.machine import NEWEST_VERSION, Course, HistoryRewritten, List, Reason, Step, Stream, Watch
from ctrlkit.cache.reflector.outage import Outage
from ctrlkit.cache.reflector.source import ListWatch
from ctrlkit.cache.reflector.watchdog import Watchdog
from ctrlkit.errors import ApiError, CtrlkitError, DecodeError, Gone, StreamBroken, TimedOut
from ctrlkit.model import Applied, Bookmark, Deleted, ObjectKey, Record, Snapshot, WatchEvent, is_newer

T = TypeVar("T")
WATCH_TIMEOUT_S = (300, 600)
LOOK_EVERY_S = 30.0
"""Of the watches that tell of lower versions one in so much time is ended: some servers only repeat themselves."""
Events = AsyncIterator[Sequence[WatchEvent[T]]]


class Sink(Protocol[T]):
    """Where a reflector writes; changes state between two awaits."""

    def known(self, record: Record[T]) -> Record[T]:
        """The record held already where this one says the same, else this one; asked while a list comes in."""
        ...

    def find(self, key: ObjectKey) -> Record[T] | None:
        """What is held of an object."""
        ...

    def holds(self, record: Record[T]) -> bool:
        """Whether this very state of an object is held."""
        ...

    def first(self, count: int, *, scope: str) -> Sequence[Record[T]]:
        """The first objects of a scope that are held, in order."""
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

    def list_failed(self, error: Exception, *, scope: str) -> None:
        """The scope could not be listed, and will be asked for again."""
        ...


class ReflectorState(StrEnum):
    """What a reflector is doing."""

    NEW = "new"
    WAITING = "waiting"
    STREAMING = "streaming"  # a list, on the stream that will be the watch
    LISTING = "listing"
    CHECKING = "checking"  # whether the server still tells the history that was followed
    WATCHING = "watching"


@dataclass(frozen=True, slots=True)
class ReflectorStatistics:
    """
    What an operator asks of a reflector that seems to stand still.

    Shape   `lists` counts lists asked for, streamed ones included, by reason (machine.Reason). The errors are the last
            ones since the last success of their kind: a list that came, a watch that was accepted; `last_error` is the
            text of either. `failures` counts all there were of both, `attempts` those in a row, up to the watch that is
            accepted again. `unreadable` counts lines and items that told of no object (R-f).
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
        self._owed = Owed()
        self._looked_at = -LOOK_EVERY_S
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
                case Watch(check=True):
                    step = await self._check(course)
                case Watch():
                    step = await self._watch(course, step)
            if believed and not course.streams and self._source.streams_lists:
                self._source.stop_streaming()
                self._log.info("streaming_given_up")

    async def _list(self, course: Course, step: List) -> Step:
        self.state = ReflectorState.LISTING
        self._lists[step.reason.value] += 1
        try:
            snapshot = await self._source.list(resource_version=step.version, known=self._known_to(course, step))
            if course.is_outdated(snapshot.version, asked=step.version):
                return self._drop_outdated(course, snapshot.version)
            for error in snapshot.unreadable:
                self._count_unreadable(error)
            self._replace(course, snapshot, step)
        except Exception as error:  # noqa: BLE001 - the loop that must outlive every failure
            self._list_error = error
            self._sink.list_failed(error, scope=self._scope)
            following = course.list_failed(error)
            self._log_failure("list_failed", error, following)
            return following
        following = course.listed(snapshot.version)
        self._synchronised(snapshot)
        return following

    async def _stream(self, course: Course, step: Stream) -> Step:
        """A streamed list; the course of a watch once its end marker has come."""
        self.state = ReflectorState.STREAMING
        self._lists[step.reason.value] += 1
        self._collecting = collecting = Collecting[T](step, known=self._known_to(course, step))
        timeout_s = clock.random_source().randint(*WATCH_TIMEOUT_S)
        error = await self._follow(
            course, self._source.stream(resource_version=step.version, timeout_s=timeout_s), timeout_s
        )
        if collecting.ended_at is not None:
            collected_s = collecting.ended_at - (self._opened_at or collecting.ended_at)
            lived_s = clock.monotonic() - collecting.ended_at
            return self._watch_ended(course, error, lived_s=lived_s, asked_s=timeout_s - collected_s)
        self._collecting = None
        if collecting.version is not None:
            return self._drop_outdated(course, collecting.version)
        following = course.stream_failed(error, lived_s=self._open_for_s(), objects=len(collecting.records))
        if error is not None:
            self._log_failure("list_failed", error, following)
        return following

    def _known_to(self, course: Course, step: List | Stream) -> Callable[[Record[T]], Record[T]] | None:
        """What is held already need not be held twice, unless equal versions may mean different states."""
        doubtful = bool(course.version) and step.version == NEWEST_VERSION
        return None if doubtful else self._sink.known

    async def _watch(self, course: Course, step: Watch) -> Step:
        self.state = ReflectorState.WATCHING
        self._watches += 1
        timeout_s = clock.random_source().randint(*WATCH_TIMEOUT_S)
        error = await self._follow(
            course, self._source.watch(resource_version=step.version, timeout_s=timeout_s), timeout_s
        )
        return self._watch_ended(course, error, lived_s=self._open_for_s(), asked_s=timeout_s)

    def _open_for_s(self) -> float:
        """How long the last stream was open; 0 for one that the server did not open."""
        return 0.0 if self._opened_at is None else clock.monotonic() - self._opened_at

    def _watch_ended(self, course: Course, error: Exception | None, *, lived_s: float, asked_s: float) -> Step:
        course.streams = self._source.streams_lists  # as others have learnt meanwhile, or forgotten
        following = course.watch_ended(error, lived_s=lived_s, asked_s=asked_s)
        if error is not None:
            self._log_failure("watch_failed", error, following)
        return following

    async def _check(self, course: Course) -> Step:
        """A look at the server before the watch is resumed; what it owes is for the watch to bring."""
        self.state = ReflectorState.CHECKING
        try:
            sample = await self._source.sample(SAMPLE)
            held = self._sink.first(SAMPLE, scope=self._scope)
            owed = compare(sample, held, self._sink.holds, reached=course.version)
        except Exception as error:  # noqa: BLE001 - the loop that must outlive every failure
            following = course.check_failed(error)
            if isinstance(following, Watch) and following.check:
                self._watch_error = error
                self._log_failure("watch_failed", error, following)
            return following
        self._looked_at = clock.monotonic()
        if owed is None:
            return course.rewritten()
        self._owed = owed
        return course.checked()

    def _drop_outdated(self, course: Course, version: str) -> Step:
        following = course.outdated()
        text = f"list: it is of version {version}, older than {course.version} that was reached; list the newest state"
        self._log_failure("list_failed", StreamBroken(text), following)
        return following

    async def _follow(
        self, course: Course, opening: AbstractAsyncContextManager[Events[T]], timeout_s: float
    ) -> Exception | None:
        """Take in a stream to its end; what ended it, or None where the server just closed it."""
        if self._collecting is not None:
            self._doubt = None  # a whole collection is on its way
        self._opened_at = None
        self._dog.asked(clock.monotonic(), timeout_s=timeout_s)
        error: Exception | None = None
        try:
            async with guarded(self._dog), opening as batches:
                self._opened_at = now = clock.monotonic()
                self._dog.opened(now, timeout_s=timeout_s, collecting=self._collecting is not None)
                if self._owed.gone or self._doubt is not None:
                    self._dog.doubt(now)
                if self._collecting is None:
                    self._accepted()
                await self._take_all(course, batches)
        except TimeoutError:
            error = self._doubt or self._given_up()
        except Exception as caught:  # noqa: BLE001 - the loop that must outlive every failure
            error = caught
        if not isinstance(error, ApiError | HistoryRewritten):
            error = self._doubt or error
        if error is None:
            return None
        if self._collecting is not None:
            self._list_error = error
        else:
            self._watch_error = error
        return error

    def _accepted(self) -> None:
        """A watch is on: whatever failed before it is over, but for what only a list can mend."""
        self._watch_error = self._doubt
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
            if course.is_outdated(collecting.version, asked=collecting.step.version):
                raise StreamBroken("stream a list: it is older than it was to be; list the newest state")
            snapshot = collecting.snapshot(collecting.version)
            self._replace(course, snapshot, collecting.step)
            course.streamed(snapshot.version)
            self._synchronised(snapshot)
            collecting.end(now)
            self._collecting = None
            self._dog.collected()
            if self._doubt is not None:
                self._dog.doubt(now)
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
        """Move on, and never back: what comes again or late says nothing of what came before it, if all is well."""
        stands_still = self._doubt is not None and not self._doubt.version
        if not version or version == course.version or stands_still:
            return
        if is_newer(course.version, than=version):
            self._look_again(course, version)
            return
        course.reached(version)
        self._sink.advance(version, scope=self._scope)
        if self._owed.gone:
            self._settle(version)

    def _settle(self, version: str) -> None:
        """See whether a watch has brought what it owes, or is past it."""
        if not self._owed.is_pending(self._sink.find):
            self._owed = Owed()
            if self._doubt is None:
                self._dog.sure()
        elif not is_newer(self._owed.version, than=version):
            raise self._left_out()

    def _left_out(self) -> HistoryRewritten:
        self._owed = Owed()
        return HistoryRewritten("watch: it left out what was deleted; the server was restored, or began anew")

    def _look_again(self, course: Course, version: str) -> None:
        """End a watch that tells of a lower version, unless a look was taken just now."""
        if clock.monotonic() - self._looked_at >= LOOK_EVERY_S:
            raise StreamBroken(
                f"watch: it tells of version {version} after {course.version}; see whether the server began anew"
            )

    def _take_unreadable(self, course: Course, error: DecodeError) -> None:
        """A line that tells of no object casts doubt: a list has to show what was lost."""
        self._heard_at = now = clock.monotonic()
        self._count_unreadable(error)
        if self._collecting is not None:
            if not error.version:
                raise error
            self._collecting.unreadable.append(error)
            return
        self._dog.doubt(now)
        if self._doubt is None or self._doubt.version:
            self._doubt = self._watch_error = error.with_traceback(None)
        self._reach(course, error.version)

    def _count_unreadable(self, error: DecodeError) -> None:
        self._unreadable += 1
        self._log.warning("object_unreadable", error=str(error))

    def _replace(self, course: Course, snapshot: Snapshot[T], step: List | Stream) -> None:
        told = {"objects": len(snapshot.records), "version": snapshot.version}
        self._intake.clear()
        self._owed = Owed()
        if course.is_rewritten(snapshot.version, asked=step.version):
            self._log.warning("history_rewritten", reached=course.version, **told)
            self._sink.replace(snapshot, cause=Cause.REWRITTEN, scope=self._scope)
            return
        cause = Cause.RELIST if self.synced.is_set() else Cause.INITIAL
        self._sink.replace(snapshot, cause=cause, scope=self._scope)
        if step.reason is not Reason.FIRST:
            self._log.info("relisted", reason=step.reason.value, **told)

    def _synchronised(self, snapshot: Snapshot[T]) -> None:
        self._list_error = self._doubt = _doubt_of(snapshot)
        self._heard_at = clock.monotonic()
        self.synced.set()
        self._sink.advance(snapshot.version, scope=self._scope)

    def _given_up(self) -> TimedOut | HistoryRewritten:
        if self._owed.gone and self._opened_at is not None:
            return self._left_out()
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


def _doubt_of(snapshot: Snapshot[T]) -> DecodeError | None:
    """What is wrong with a list of which not all could be read."""
    if not snapshot.unreadable:
        return None
    count, first = len(snapshot.unreadable), snapshot.unreadable[0]
    text = f"a list with {count} item{'s' if count > 1 else ''} that cannot be read; the first: {first}"
    return DecodeError(text, version=snapshot.version)


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
