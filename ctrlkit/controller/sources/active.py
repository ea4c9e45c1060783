"""
The sources of one controller as they run: started together, added and removed meanwhile, asked again for their keys.

Owns     A task for each source that runs, but for a Watch, which needs none, and one for each replay, in the
         controller's group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from ctrlkit.controller.sources.source import Enqueuer, Replay, Sink, Source
from ctrlkit.controller.sources.watch import Watch
from ctrlkit.controller.writes import OwnerChecks, WriteGate
from ctrlkit.model import ObjectKey


@dataclass(slots=True, eq=False)
class ActiveSource:
    """A source, its sink, and, while the controller runs, its task; of a Watch, what is to begin it, and ends it."""

    source: Source
    sink: Sink
    task: asyncio.Task[None] | None = None
    beginning: asyncio.Handle | None = None
    end: Callable[[], object] | None = None


class ActiveSources:
    """
    Runs the sources of one controller. Watches are made known to its WriteGate and OwnerChecks.

    Shape   `on_failure` is called with what a source raised; that source has ended then.
    Owner   The controller.
    """

    def __init__(
        self, enqueuer: Enqueuer, gate: WriteGate, owner_checks: OwnerChecks, *, on_failure: Callable[[Exception], None]
    ) -> None:
        self._enqueuer = enqueuer
        self._gate = gate
        self._owner_checks = owner_checks
        self._on_failure = on_failure
        self._all: list[ActiveSource] = []
        self._late: list[ActiveSource] = []  # those that had not handed over all their keys when they were last asked
        self._replaying: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._context = copy_context()

    def add(self, source: Source) -> ActiveSource:
        """Add a source; it starts at once where the others have started."""
        active = ActiveSource(source, Sink(self._enqueuer, source.name))
        self._all.append(active)
        if isinstance(source, Watch):
            self._gate.include(source.informer)
            self._owner_checks.include(source)
        if self._tasks is not None:
            self._start(active, self._tasks)
        return active

    async def remove(self, active: ActiveSource) -> None:
        """Return when it has ended."""
        self._all.remove(active)
        self._late = [each for each in self._late if each is not active]
        if isinstance(active.source, Watch):
            self._gate.exclude(active.source.informer)
            self._owner_checks.exclude(active.source)
        _end(active)
        if active.task is not None:
            await asyncio.wait([active.task])

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Start all, and from now on each that is added; all see the context variables of this call."""
        self._tasks = tasks
        self._context = copy_context()
        for active in self._all:
            self._start(active, tasks)

    def stop(self) -> None:
        """Cancel all, and start none any more; the group waits for them. A second call does nothing."""
        if self._tasks is None:
            return
        self._tasks = None
        for task in self._replaying:
            task.cancel()
        for active in self._all:
            _end(active)

    async def wait_synced(self) -> None:
        """Return when each that is there now has handed over what was there at the beginning, or has ended."""
        for active in tuple(self._all):
            await active.sink.wait_synced()

    def replay(self, where: Callable[[ObjectKey], bool]) -> None:
        """Have all that run enqueue the keys they know that pass `where`; the others do that when they start."""
        if self._tasks is None:
            return
        self._enqueuer.add_kept(where)
        for active in self._all:
            replay = self._replay(active.source, where)
            task = self._context.run(self._tasks.create_task, replay, name=f"{active.sink.name}:replay")
            self._replaying.add(task)
            self._context.run(task.add_done_callback, self._replaying.discard)

    def busy(self) -> tuple[str, ...]:
        """Describe which of them have not handed over all their keys yet."""
        if not (self._late or self._replaying):
            return ()
        self._late = [each for each in self._late if not each.sink.has_synced()]
        reports = tuple([f"{each.source.name} not synced" for each in self._late])
        return (*reports, "enqueues what its sources know") if self._replaying else reports

    def _start(self, active: ActiveSource, tasks: asyncio.TaskGroup) -> None:
        self._late.append(active)
        if isinstance(active.source, Watch):
            loop = asyncio.get_running_loop()
            active.beginning = loop.call_soon(self._begin, active, active.source, context=self._context)
        else:
            active.task = self._context.run(tasks.create_task, self._run(active), name=active.sink.name)

    def _begin(self, active: ActiveSource, watch: Watch[Any]) -> None:
        try:
            active.end = watch.begin(active.sink)
        except Exception as error:  # noqa: BLE001 - as in _run
            active.sink.synced()
            self._on_failure(error)

    async def _run(self, active: ActiveSource) -> None:
        try:
            await active.source.run(active.sink)
        except Exception as error:  # noqa: BLE001 - the controller raises it, when its reconciles have ended
            self._on_failure(error)
        finally:
            active.sink.synced()

    async def _replay(self, source: Source, where: Callable[[ObjectKey], bool]) -> None:
        sink = Replay(self._enqueuer, source.name, where)
        try:
            await source.replay(sink)
        except Exception as error:  # noqa: BLE001 - the other sources have keys as well
            sink.failed("replay", error)


def _end(active: ActiveSource) -> None:
    """Have a source add no more keys; a task of it ends in the loop's next turn."""
    if active.task is not None:
        active.task.cancel()
    if active.beginning is not None:
        active.beginning.cancel()
        active.sink.synced()
    if active.end is not None:
        active.end()
