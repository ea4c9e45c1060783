"""
The tasks of one owner: started at any time, ended one by one in an order of the owner's choice.

An asyncio.TaskGroup cancels all its tasks as soon as one fails. Here the first failure is only told: the owner then
ends the others in its order, so that work in flight can finish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from ctrlkit.errors import CtrlkitError
from ctrlkit.telemetry import logger


class Parts:
    """
    Named tasks and what they failed of.

    Shape   `failures` grows as parts fail; `told` is called each time. A part that was cancelled by end() did not fail.
    Owner   Whoever calls start() awaits end_all(), on every path.
    """

    def __init__(self, told: Callable[[], None]) -> None:
        self.failures: list[BaseException] = []
        self._told = told
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._log = logger("manager")

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a part as a task."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._part_ended)
        return task

    async def wait(self, tasks: Collection[asyncio.Task[None]], *, timeout_s: float) -> set[asyncio.Task[None]]:
        """Wait until parts end by themselves; returns those that have not after the timeout."""
        if not tasks:
            return set()
        _, left = await asyncio.wait(tasks, timeout=timeout_s)
        return left

    async def end(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Cancel parts, all at once, and wait until they have ended, however long that takes."""
        self._ending.update(tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)  # after a task that was done before, too, so that its failure is noted by now

    async def end_all(self) -> None:
        """End what still runs, the part started last first."""
        for task in tuple(reversed(self._tasks)):
            await self.end((task,))

    def raise_failures(self) -> None:
        """Raise what the parts failed of: the error itself where there is one, else a group of them."""
        match [_single(failure) for failure in self.failures]:
            case []:
                return
            case [failure]:
                raise failure
            case failures:
                raise BaseExceptionGroup(f"{len(failures)} parts of the manager failed", failures)

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.remove(task)
        if task.cancelled():
            if task in self._ending:
                return
            failure: BaseException | None = RuntimeError(f"{task.get_name()} was cancelled by nobody of the manager")
        else:
            failure = task.exception()
        if failure is not None:
            self.failures.append(failure)
            error = _single(failure)
            trace = None if isinstance(error, CtrlkitError) else failure
            self._log.error("part_failed", name=task.get_name(), error=str(error) or repr(error), exc_info=trace)
            self._told()


def _single(error: BaseException) -> BaseException:
    """The one error inside nested groups of one, or the group."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
