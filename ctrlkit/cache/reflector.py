"""
Keep one store equal to one collection on the server.

In       ListWatch: list, then watch from the version the list had.
Out      Sink.replace() for each list, Sink.apply() for each batch of events. Nothing else leaves this module.
Owns     The version of the last event applied. Nobody else moves it.

R-a  After a list at version v the sink holds exactly the objects of v.
R-b  For one key, versions are applied in the server's order; some may be skipped.
R-c  A cut watch resumes where it stopped. A version the server has dropped (410 Gone) leads to a new list at once.
Not promised: order between keys, or a sight of every state in between.

What to do next is decided in machine.py; this module only does it. Rows R1, R3, R7-R9, R11-R14, R17; B18.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ctrlkit import clock, telemetry
from ctrlkit.cache.change import Cause
from ctrlkit.cache.machine import Course, List, Reason, Step, Watch
from ctrlkit.cache.source import ListWatch
from ctrlkit.errors import CtrlkitError, Gone
from ctrlkit.model import Applied, Bookmark, Deleted, Snapshot, WatchEvent

T = TypeVar("T")
WATCH_TIMEOUT_S = (300, 600)


class Sink(Protocol[T]):
    """Where a reflector writes; changes state between two awaits."""

    def replace(self, snapshot: Snapshot[T], *, cause: Cause, scope: str) -> None:
        """Hold exactly this."""
        ...

    def apply(self, events: Sequence[Applied[T] | Deleted[T]]) -> None:
        """Carry out these changes, in order."""
        ...


@dataclass(frozen=True, slots=True)
class ReflectorStatistics:
    """What an operator asks of a reflector that seems to stand still."""

    state: str
    version: str
    lists: dict[str, int]
    watches: int
    last_error: str


class Reflector(Generic[T]):
    """
    The only writer of a store, for one scope of it.

    Units   Watches ask for a random timeout of 300 to 600 s (R7).
    Errors  None leaves `run` but cancellation: failures are logged, kept in `last_error`, and waited out.
    """

    def __init__(self, source: ListWatch[T], sink: Sink[T], *, name: str, scope: str = "") -> None:
        self.last_error: Exception | None = None
        self.state = "new"
        self.synced = asyncio.Event()
        self._source = source
        self._sink = sink
        self._scope = scope
        self._course: Course | None = None
        self._lists: Counter[str] = Counter()
        self._watches = 0
        self._log = telemetry.logger("reflector", collection=name)

    @property
    def version(self) -> str:
        """The version of the last list, event or bookmark applied."""
        return "" if self._course is None else self._course.version

    def statistics(self) -> ReflectorStatistics:
        """A picture of now."""
        error = "" if self.last_error is None else str(self.last_error) or type(self.last_error).__name__
        return ReflectorStatistics(self.state, self.version, dict(self._lists), self._watches, error)

    async def run(self) -> None:
        """List and watch until cancelled."""
        self._course = course = Course(chance=clock.random_source())
        step = course.begin()
        while True:
            if step.after_s:
                self.state = "waiting"
                await asyncio.sleep(step.after_s)
            step = await self._list(course, step) if isinstance(step, List) else await self._watch(course, step)

    async def _list(self, course: Course, step: List) -> Step:
        self.state = "listing"
        self._lists[step.reason.value] += 1
        try:
            snapshot = await self._source.list(resource_version=step.version)
        except Exception as error:  # noqa: BLE001 - the loop that must outlive every failure
            self.last_error = error
            self._log_failure("list_failed", error)
            return course.list_failed(error)
        cause = Cause.RELIST if self.synced.is_set() else Cause.INITIAL
        self._sink.replace(snapshot, cause=cause, scope=self._scope)
        self.last_error = None
        following = course.listed(snapshot.version)
        self.synced.set()
        if step.reason is not Reason.FIRST:
            self._log.info(
                "relisted", reason=step.reason.value, objects=len(snapshot.records), version=snapshot.version
            )
        return following

    async def _watch(self, course: Course, step: Watch) -> Step:
        self.state = "watching"
        self._watches += 1
        began = clock.monotonic()
        error: Exception | None = None
        try:
            timeout_s = clock.random_source().randint(*WATCH_TIMEOUT_S)
            async with self._source.watch(resource_version=step.version, timeout_s=timeout_s) as batches:
                async for batch in batches:
                    self._apply(course, batch)
        except Exception as caught:  # noqa: BLE001 - the loop that must outlive every failure
            self.last_error = error = caught
            self._log_failure("watch_failed", error)
        return course.watch_ended(error, lived_s=clock.monotonic() - began)

    def _apply(self, course: Course, batch: Sequence[WatchEvent[T]]) -> None:
        self.last_error = None
        self._sink.apply([event for event in batch if not isinstance(event, Bookmark)])
        if batch:
            last = batch[-1]
            course.reached(last.version if isinstance(last, Bookmark) else last.record.version)

    def _log_failure(self, event: str, error: Exception) -> None:
        if isinstance(error, Gone):
            self._log.info(event, error=str(error))
        elif isinstance(error, CtrlkitError):
            self._log.warning(event, error=str(error))
        else:
            self._log.error(event, error=repr(error), exc_info=error)
