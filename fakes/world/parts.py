"""What runs in a world, each part as a task with a name, a wall clock and perhaps a way to the server of its own."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from ctrlkit.controller.observer import OBSERVER
from ctrlkit.failures import UNFORESEEN
from ctrlkit.fakes.loop import SKEW, Skew
from ctrlkit.fakes.world.line import Line
from ctrlkit.fakes.world.trace import PART, Trace
from ctrlkit.fakes.world.unforeseen import Unforeseen
from ctrlkit.manager import Build, Manager


class Part(Protocol):
    """Whatever runs in a world: a Manager, a Cluster, a Controller, a loop of the test's own."""

    async def run(self) -> None:
        """Run until cancelled."""
        ...

    def busy(self) -> tuple[str, ...]:
        """What is not done yet, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Running:
    """A part at work. `again` starts another one like it, for parts that the world made itself."""

    name: str
    task: asyncio.Task[None]
    skew: Skew
    line: Line | None = None
    again: Callable[[], Manager] | None = None

    @classmethod
    def begin(
        cls,
        part: Part,
        name: str,
        trace: Trace,
        unforeseen: Unforeseen,
        *,
        line: Line | None = None,
        again: Callable[[], Manager] | None = None,
    ) -> Self:
        """Run a part; whatever it does stands under its name in the trace, and what nobody foresaw is heard."""
        skew = Skew()
        context = contextvars.copy_context()
        context.run(PART.set, name)
        context.run(SKEW.set, skew)
        context.run(OBSERVER.set, trace)
        context.run(UNFORESEEN.set, unforeseen.hear)
        task = asyncio.get_running_loop().create_task(_run(part), name=f"world:{name}", context=context)
        return cls(name, task, skew, line, again)

    async def end(self) -> None:
        """Ask it to end, and wait until it has."""
        self.task.cancel()
        await asyncio.wait([self.task])

    def note_failure(self) -> None:
        """Have asyncio not complain that nobody asked what it failed of."""
        if self.task.done() and not self.task.cancelled():
            self.task.exception()

    def raise_failure(self) -> None:
        """Raise what it failed of, if it did."""
        task = self.task
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _run(part: Part) -> None:
    await part.run()


def program_of(builds: Sequence[Build]) -> str:
    """What a program of these is called: as the module that has the first, whoever runs the test."""
    first: object = builds[0] if builds else None
    while isinstance(first, functools.partial):
        first = first.func
    return str(getattr(first, "__module__", "") or "manager")
