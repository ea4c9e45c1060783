"""
The sources of one controller at work: begun together, added and removed while it runs, asked again for what they know.

Owns     A task for each source that runs, and one for each replay, in the controller's group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass

from ctrlkit.controller.gate import WriteGate
from ctrlkit.controller.orphans import Orphans
from ctrlkit.controller.sources.handlers import Watch
from ctrlkit.controller.sources.source import Intake, Replay, Sink, Source
from ctrlkit.model import ObjectKey


@dataclass(slots=True, eq=False)
class Supply:
    """A source, what it puts its keys into, and, while the controller runs, its task."""

    source: Source
    sink: Sink
    task: asyncio.Task[None] | None = None


class Supplies:
    """
    All of them; those of caches are known to the gate as well, which waits for writes to show there, and to whoever
    looks for children without an owner.

    Shape   `failed` is told what a source raised; the source is over then.
    Owner   The controller.
    """

    def __init__(
        self, intake: Intake, gate: WriteGate, orphans: Orphans, *, failed: Callable[[Exception], None]
    ) -> None:
        self._intake = intake
        self._gate = gate
        self._orphans = orphans
        self._failed = failed
        self._all: list[Supply] = []
        self._replaying: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._context = copy_context()

    def add(self, source: Source) -> Supply:
        """A source more; it begins at once where the others have begun (K4)."""
        supply = Supply(source, Sink(self._intake, source.name))
        self._all.append(supply)
        if isinstance(source, Watch):
            self._gate.include(source.informer)
            self._orphans.include(source)
        if self._tasks is not None:
            self._start(supply, self._tasks)
        return supply

    async def remove(self, supply: Supply) -> None:
        """Return when it has ended."""
        self._all.remove(supply)
        if isinstance(supply.source, Watch):
            self._gate.exclude(supply.source.informer)
            self._orphans.exclude(supply.source)
        if supply.task is not None:
            supply.task.cancel()
            await asyncio.wait([supply.task])

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin all, and from now on each that is added; all see the context variables of this call."""
        self._tasks = tasks
        self._context = copy_context()
        for supply in self._all:
            self._start(supply, tasks)

    def stop(self) -> None:
        """End all, and begin none any more; the group waits for them. Called again it disturbs nobody's end."""
        if self._tasks is None:
            return
        self._tasks = None
        for task in (*self._replaying, *(supply.task for supply in self._all if supply.task is not None)):
            task.cancel()

    async def wait_synced(self) -> None:
        """Return when each that is there now has handed over what was there at the beginning, or has ended."""
        for supply in tuple(self._all):
            await supply.sink.wait_synced()

    def replay(self, where: Callable[[ObjectKey], bool]) -> None:
        """Have all that run add what they know of these keys; first lists do that for those that do not run yet."""
        if self._tasks is None:
            return
        self._intake.add_kept(where)
        for supply in self._all:
            replay = self._replay(supply.source, where)
            task = self._context.run(self._tasks.create_task, replay, name=f"{supply.sink.name}:replay")
            self._replaying.add(task)
            self._context.run(task.add_done_callback, self._replaying.discard)

    def busy(self) -> tuple[str, ...]:
        """Which of them have something to hand over yet."""
        late = (each for each in self._all if each.task is not None and not each.sink.has_synced())
        reports = tuple(f"{each.source.name} not synced" for each in late)
        return (*reports, "enqueues what its sources know") if self._replaying else reports

    def _start(self, supply: Supply, tasks: asyncio.TaskGroup) -> None:
        supply.task = self._context.run(tasks.create_task, self._run(supply), name=supply.sink.name)

    async def _run(self, supply: Supply) -> None:
        try:
            await supply.source.run(supply.sink)
        except Exception as error:  # noqa: BLE001 - the controller raises it, when its reconciles have ended
            self._failed(error)
        finally:
            supply.sink.synced()

    async def _replay(self, source: Source, where: Callable[[ObjectKey], bool]) -> None:
        sink = Replay(self._intake, source.name, where)
        try:
            await source.replay(sink)
        except Exception as error:  # noqa: BLE001 - the other sources have keys as well
            sink.failed("replay", error)
