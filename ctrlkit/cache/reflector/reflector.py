"""
Keep one store equal to one collection on the server.

In       ListWatch: a streamed list that goes on as the watch, or a list and then a watch from its version.
Out      Calls of its StoreWriter: replace() for each list, apply() for the changes in each batch of events, advance()
         after both and at bookmarks.
Owns     The version of the last event applied. Nobody else moves it.

R-a  After a list at version v the store holds exactly the objects of v. Of a streamed list nothing is written before
     its end marker has come.
R-b  For one key, versions are applied in the server's order; some may be skipped.
R-c  A cut watch resumes where it stopped, once a request shows that the server's history was not rewritten
     (history.py). A version the server has dropped (410 Gone) leads to a new list at once.
R-d  A stream that has gone silent is given up (watchdog.py).
R-e  Once history was found rewritten (by that look, by a newest list at a lower version, or by what a watch left out),
     the store gets the newest state in place of all it has, whatever the versions. A line at a lower version than the
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
from typing import Generic, TypeVar

from ctrlkit import clock, telemetry
from ctrlkit.cache.change import Cause
from ctrlkit.cache.reflector.events import EventFilter, StreamedList
from ctrlkit.cache.reflector.failure import Failure, Outage
from ctrlkit.cache.reflector.history import SAMPLE, PendingDeletions, compare
from ctrlkit.cache.reflector.interfaces import ListWatch, StoreWriter
from ctrlkit.cache.reflector.machine import (
    NEWEST_VERSION,
    HistoryRewritten,
    ListStep,
    ListWatchMachine,
    Reason,
    Step,
    StreamStep,
    WatchStep,
)
from ctrlkit.cache.reflector.options import DEFAULT_OPTIONS, ReflectorOptions
from ctrlkit.cache.reflector.watchdog import Watchdog
from ctrlkit.errors import ApiError, DecodeError, Gone, StreamBroken, TimedOut
from ctrlkit.failures import FailureLog
from ctrlkit.model import Bookmark, Record, Snapshot, WatchEvent, is_newer
from ctrlkit.telemetry import LogLevel

T = TypeVar("T")
LOOK_EVERY_S = 30.0
"""Of the watches that tell of lower versions one in so much time is ended: some servers only repeat themselves."""
Events = AsyncIterator[Sequence[WatchEvent[T]]]


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
    Statistics of one reflector, at one moment.

    Shape   `lists` counts lists asked for, streamed ones included, by reason (machine.Reason). The errors are the last
            ones since the last success of their kind: a list that came, a watch that was accepted; `last_error` is the
            text of either. `failures` counts all there were of both, `attempts` those in a row, up to the watch that is
            accepted again. `unreadable` counts lines and items that are about no object of this collection.
    Units   `last_event_age_s`: seconds since the last line from the server; None before the first. `failing_s`: seconds
            since the first failure in a row; None where the last call went well.
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
    failing_s: float | None = None


class Reflector(Generic[T]):
    """
    Lists and watches one scope of a collection; the only writer of that scope of a store.

    Units   Watches ask for a random timeout, 300 to 600 s by default.
    Errors  None leaves `run` but cancellation: failures are logged, kept in `last_error`, and waited out.
    """

    def __init__(
        self,
        source: ListWatch[T],
        writer: StoreWriter[T],
        *,
        name: str,
        scope: str = "",
        options: ReflectorOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.state: ReflectorState = ReflectorState.NEW
        self.synced: asyncio.Event = asyncio.Event()
        self._source = source
        self._writer = writer
        self._options = options
        self._scope = scope
        self._machine: ListWatchMachine | None = None
        self._watchdog = Watchdog(options)
        self._filter: EventFilter[T] = EventFilter()
        self._streamed: StreamedList[T] | None = None
        self._doubt: DecodeError | None = None
        self._opened_at: float | None = None
        self._pending_deletions = PendingDeletions()
        self._looked_at = -LOOK_EVERY_S
        self._list_error: Exception | None = None
        self._watch_error: Exception | None = None
        self._outage = Outage()
        self._heard_at: float | None = None
        self._lists: Counter[str] = Counter()
        self._watches = 0
        self._unreadable = 0
        self._log = telemetry.logger("reflector", collection=name)
        self._failures = FailureLog(self._log)

    @property
    def version(self) -> str:
        """The version of the last list, event or bookmark applied."""
        return "" if self._machine is None else self._machine.version

    @property
    def last_error(self) -> Exception | None:
        """Why the store may be behind: the last failure of a list or, if those succeed, of a watch."""
        return self._list_error or self._watch_error

    def statistics(self) -> ReflectorStatistics:
        """The statistics at this moment."""
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
            failing_s=clock.monotonic() - self._outage.began_at if self._outage.attempts else None,
        )

    async def run(self) -> None:
        """List and watch until cancelled."""
        self._machine = machine = ListWatchMachine(
            chance=clock.random_source(), streams=self._source.streams_lists, options=self._options
        )
        step = machine.begin()
        while True:
            if step.after_s:
                self.state = ReflectorState.WAITING
                await asyncio.sleep(step.after_s)
            if isinstance(step, StreamStep) and not self._source.streams_lists:
                step = machine.without_stream(step)
            machine.streams = believed = self._source.streams_lists
            match step:
                case StreamStep():
                    step = await self._stream(machine, step)
                case ListStep():
                    step = await self._list(machine, step)
                case WatchStep(check=True):
                    step = await self._check(machine)
                case WatchStep():
                    step = await self._watch(machine, step)
            if believed and not machine.streams and self._source.streams_lists:
                self._source.stop_streaming()
                self._log.info("streaming_given_up")

    async def _list(self, machine: ListWatchMachine, step: ListStep) -> Step:
        self.state = ReflectorState.LISTING
        self._lists[step.reason.value] += 1
        try:
            snapshot = await self._source.list(resource_version=step.version, known=self._known_to(machine, step))
            if machine.is_outdated(snapshot.version, asked=step.version):
                return self._drop_outdated(machine, snapshot.version)
            for error in snapshot.unreadable:
                self._count_unreadable(error)
            self._replace(machine, snapshot, step)
        except Exception as error:  # noqa: BLE001 - the loop that must outlive every failure
            self._list_error = error
            self._writer.list_failed(error, scope=self._scope)
            following = machine.list_failed(error)
            self._log_failure("list_failed", error, following)
            return following
        following = machine.listed(snapshot.version)
        self._synchronised(snapshot)
        return following

    async def _stream(self, machine: ListWatchMachine, step: StreamStep) -> Step:
        """A streamed list; the machine of a watch once its end marker has come."""
        self.state = ReflectorState.STREAMING
        self._lists[step.reason.value] += 1
        self._streamed = streamed = StreamedList[T](step, known=self._known_to(machine, step))
        timeout_s = clock.random_source().randint(*self._options.watch_timeout_s)
        error = await self._follow(
            machine, self._source.stream(resource_version=step.version, timeout_s=timeout_s), timeout_s
        )
        if streamed.ended_at is not None:
            collected_s = streamed.ended_at - (self._opened_at or streamed.ended_at)
            lived_s = clock.monotonic() - streamed.ended_at
            return self._watch_ended(machine, error, lived_s=lived_s, asked_s=timeout_s - collected_s)
        self._streamed = None
        if streamed.version is not None:
            return self._drop_outdated(machine, streamed.version)
        following = machine.stream_failed(error, lived_s=self._open_for_s(), objects=len(streamed.records))
        if error is not None:
            self._log_failure("list_failed", error, following)
        return following

    def _known_to(
        self, machine: ListWatchMachine, step: ListStep | StreamStep
    ) -> Callable[[Record[T]], Record[T]] | None:
        """Keep records that are held already, unless equal versions may mean different states."""
        doubtful = bool(machine.version) and step.version == NEWEST_VERSION
        return None if doubtful else self._writer.known

    async def _watch(self, machine: ListWatchMachine, step: WatchStep) -> Step:
        self.state = ReflectorState.WATCHING
        self._watches += 1
        timeout_s = clock.random_source().randint(*self._options.watch_timeout_s)
        error = await self._follow(
            machine, self._source.watch(resource_version=step.version, timeout_s=timeout_s), timeout_s
        )
        return self._watch_ended(machine, error, lived_s=self._open_for_s(), asked_s=timeout_s)

    def _open_for_s(self) -> float:
        """How long the last stream was open; 0 for one that the server did not open."""
        return 0.0 if self._opened_at is None else clock.monotonic() - self._opened_at

    def _watch_ended(
        self, machine: ListWatchMachine, error: Exception | None, *, lived_s: float, asked_s: float
    ) -> Step:
        machine.streams = self._source.streams_lists  # as others have learnt meanwhile, or forgotten
        following = machine.watch_ended(error, lived_s=lived_s, asked_s=asked_s)
        if error is not None:
            self._log_failure("watch_failed", error, following)
        return following

    async def _check(self, machine: ListWatchMachine) -> Step:
        """Compare the newest state with the store before the watch is resumed."""
        self.state = ReflectorState.CHECKING
        try:
            sample = await self._source.sample(SAMPLE)
            held = self._writer.first(SAMPLE, scope=self._scope)
            pending = compare(sample, held, self._writer.holds, reached=machine.version)
        except Exception as error:  # noqa: BLE001 - the loop that must outlive every failure
            following = machine.check_failed(error)
            if isinstance(following, WatchStep) and following.check:
                self._watch_error = error
                self._log_failure("watch_failed", error, following)
            return following
        self._looked_at = clock.monotonic()
        if pending is None:
            return machine.rewritten()
        self._pending_deletions = pending
        return machine.checked()

    def _drop_outdated(self, machine: ListWatchMachine, version: str) -> Step:
        following = machine.outdated()
        text = f"list: it is of version {version}, older than {machine.version} that was reached; list the newest state"
        self._log_failure("list_failed", StreamBroken(text), following)
        return following

    async def _follow(
        self, machine: ListWatchMachine, opening: AbstractAsyncContextManager[Events[T]], timeout_s: float
    ) -> Exception | None:
        """Take in a stream to its end; what ended it, or None where the server just closed it."""
        if self._streamed is not None:
            self._doubt = None  # a whole collection is on its way
        self._opened_at = None
        self._watchdog.asked(clock.monotonic(), timeout_s=timeout_s)
        error: Exception | None = None
        try:
            async with guarded(self._watchdog), opening as batches:
                self._opened_at = now = clock.monotonic()
                self._watchdog.opened(now, timeout_s=timeout_s, collecting=self._streamed is not None)
                if self._pending_deletions.gone or self._doubt is not None:
                    self._watchdog.doubt(now)
                if self._streamed is None:
                    self._accepted()
                await self._take_all(machine, batches)
        except TimeoutError:
            error = self._doubt or self._given_up()
        except Exception as caught:  # noqa: BLE001 - the loop that must outlive every failure
            error = caught
        if not isinstance(error, ApiError | HistoryRewritten):
            error = self._doubt or error
        if error is None:
            return None
        if self._streamed is not None:
            self._list_error = error
        else:
            self._watch_error = error
        return error

    def _accepted(self) -> None:
        """A watch is on: whatever failed before it is over, but for what only a list can mend."""
        self._watch_error = self._doubt
        down_s = self._outage.end(clock.monotonic())
        self._failures.forget("")
        if down_s is not None:
            self._log.info("watch_resumed", down_s=round(down_s, 1))

    async def _take_all(self, machine: ListWatchMachine, batches: Events[T]) -> None:
        while True:
            try:
                batch = await anext(batches, None)
            except DecodeError as error:
                self._take_unreadable(machine, error)
                continue
            if batch is None:
                return
            self._take(machine, batch)

    def _take(self, machine: ListWatchMachine, batch: Sequence[WatchEvent[T]]) -> None:
        self._heard_at = now = clock.monotonic()
        streamed = self._streamed
        if streamed is not None:
            came_before = len(streamed.records)
            batch = streamed.take(batch)
            if len(streamed.records) > came_before:
                self._watchdog.heard(now)
            if streamed.version is None:
                return
            if machine.is_outdated(streamed.version, asked=streamed.step.version):
                raise StreamBroken("stream a list: it is older than it was to be; list the newest state")
            snapshot = streamed.snapshot(streamed.version)
            self._replace(machine, snapshot, streamed.step)
            machine.streamed(snapshot.version)
            self._synchronised(snapshot)
            streamed.end(now)
            self._streamed = None
            self._watchdog.collected()
            if self._doubt is not None:
                self._watchdog.doubt(now)
            self.state = ReflectorState.WATCHING
            self._accepted()
        self._watchdog.heard(now)
        if batch:
            self._apply(machine, batch)

    def _apply(self, machine: ListWatchMachine, batch: Sequence[WatchEvent[T]]) -> None:
        changes = self._filter.take(batch)
        if changes:
            self._writer.apply(changes)
        last = batch[-1]
        if isinstance(last, Bookmark):
            self._watchdog.bookmark(clock.monotonic())
            self._reach(machine, last.version)
        else:
            self._reach(machine, last.record.version)

    def _reach(self, machine: ListWatchMachine, version: str) -> None:
        """Move on, and never back: what comes again or late says nothing of what came before it, if all is well."""
        stands_still = self._doubt is not None and not self._doubt.version
        if not version or version == machine.version or stands_still:
            return
        if is_newer(machine.version, than=version):
            self._look_again(machine, version)
            return
        machine.reached(version)
        self._writer.advance(version, scope=self._scope)
        if self._pending_deletions.gone:
            self._settle(version)

    def _settle(self, version: str) -> None:
        """See whether a watch has reported the pending deletions, or is past them."""
        if not self._pending_deletions.is_pending(self._writer.find):
            self._pending_deletions = PendingDeletions()
            if self._doubt is None:
                self._watchdog.sure()
        elif not is_newer(self._pending_deletions.version, than=version):
            raise self._left_out()

    def _left_out(self) -> HistoryRewritten:
        self._pending_deletions = PendingDeletions()
        return HistoryRewritten("watch: it left out what was deleted; the server was restored, or began anew")

    def _look_again(self, machine: ListWatchMachine, version: str) -> None:
        """End a watch that sends a lower version, unless the server was checked just now."""
        if clock.monotonic() - self._looked_at >= LOOK_EVERY_S:
            raise StreamBroken(
                f"watch: it tells of version {version} after {machine.version}; see whether the server began anew"
            )

    def _take_unreadable(self, machine: ListWatchMachine, error: DecodeError) -> None:
        """A line that tells of no object casts doubt: a list has to show what was lost."""
        self._heard_at = now = clock.monotonic()
        self._count_unreadable(error)
        if self._streamed is not None:
            if not error.version:
                raise error
            self._streamed.unreadable.append(error)
            return
        self._watchdog.doubt(now)
        if self._doubt is None or self._doubt.version:
            self._doubt = self._watch_error = error.with_traceback(None)
        self._reach(machine, error.version)

    def _count_unreadable(self, error: DecodeError) -> None:
        self._unreadable += 1
        self._failures.tell("object_unreadable", error, about="object")

    def _replace(self, machine: ListWatchMachine, snapshot: Snapshot[T], step: ListStep | StreamStep) -> None:
        facts = {"objects": len(snapshot.records), "version": snapshot.version}
        self._filter.clear()
        self._pending_deletions = PendingDeletions()
        if machine.is_rewritten(snapshot.version, asked=step.version):
            self._log.warning("history_rewritten", reached=machine.version, **facts)
            self._writer.replace(snapshot, cause=Cause.REWRITTEN, scope=self._scope)
            return
        cause = Cause.RELIST if self.synced.is_set() else Cause.INITIAL
        self._writer.replace(snapshot, cause=cause, scope=self._scope)
        if step.reason is not Reason.FIRST:
            self._log.info("relisted", reason=step.reason.value, **facts)

    def _synchronised(self, snapshot: Snapshot[T]) -> None:
        self._list_error = self._doubt = _doubt_of(snapshot)
        self._heard_at = clock.monotonic()
        self.synced.set()
        self._writer.advance(snapshot.version, scope=self._scope)

    def _given_up(self) -> TimedOut | HistoryRewritten:
        if self._pending_deletions.gone and self._opened_at is not None:
            return self._left_out()
        self._watchdog.gave_up()
        if self._streamed is not None and self._opened_at is not None:
            return TimedOut("stream a list: its end did not come; see whether the server streams lists")
        return TimedOut("watch: nothing came for too long; watch again from the last version")

    def _log_failure(self, event: str, error: Exception, following: Step) -> None:
        self._outage.failed(clock.monotonic())
        self._failures.tell(
            event,
            error,
            about="",
            level=LogLevel.INFO if isinstance(error, Gone) else LogLevel.WARNING,
            cause=Failure.of(error).cause.value,
            attempt=self._outage.attempts,
            next_s=round(following.after_s, 1),
        )


def _doubt_of(snapshot: Snapshot[T]) -> DecodeError | None:
    """What is wrong with a list of which not all could be read."""
    if not snapshot.unreadable:
        return None
    count, first = len(snapshot.unreadable), snapshot.unreadable[0]
    text = f"a list with {count} item{'s' if count > 1 else ''} that cannot be read; the first: {first}"
    return DecodeError(text, version=snapshot.version)


@asynccontextmanager
async def guarded(watchdog: Watchdog) -> AsyncIterator[None]:
    """End the block with TimeoutError once the watchdog's deadline has passed, wherever it has moved to meanwhile."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def look() -> None:
            now = loop.time()
            if now >= watchdog.deadline:
                limit.reschedule(now)
            else:
                timers[0] = loop.call_at(watchdog.next_check_at(now), look)

        timers = [loop.call_at(watchdog.next_check_at(loop.time()), look)]
        try:
            yield
        finally:
            timers[0].cancel()
