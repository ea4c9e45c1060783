"""
The tasks of one owner: started at any time, ended one by one in an order of the owner's choice.

An asyncio.TaskGroup cancels all its tasks as soon as one fails. Here the owner is only called: it then ends the others
in its order, so that work in flight can finish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextvars import copy_context
from typing import Any, Final

from ctrlkit.errors import CtrlkitError
from ctrlkit.telemetry import logger


class GraceExceeded(CtrlkitError):
    """Reconciles were cancelled because they did not end within the grace period."""

    def __init__(self, cut_off: Collection[str], *, grace_s: float) -> None:
        super().__init__(
            f"stop the manager: {len(cut_off)} reconciles had not ended after {grace_s:g} s and were cut off; make "
            f"them shorter or the grace period longer [{', '.join(cut_off)}]"
        )


class StillRunning(CtrlkitError):
    """
    Reconciles that were cancelled because the lease was lost have not ended, and another replica may lead by now.

    Only the end of the process keeps them from acting; `stop_on_signals` ends it.
    """

    def __init__(self, what: Collection[str]) -> None:
        super().__init__(
            f"stop after a lost lease: {len(what)} reconciles go on although they were cut off, and the lease may be "
            f"another's now; end the process, and have them end when they are cancelled [{', '.join(what)}]"
        )


MOMENT_S: Final = 0.1
"""What ends when it is cancelled does so within this time."""


class ManagedTasks:
    """
    Runs named tasks and collects their exceptions.

    Shape   `on_failure` is called after each failure; `failures` has them all. A task cancelled by end() did not fail.
            Each task runs in a copy of the context in which open() was called, whoever starts it. After `give_up_in`
            no wait lasts much longer than that; then `gave_up` is true, and `left` names the tasks that go on.
    Owner   Whoever calls start() awaits end_all(), on every path.
    """

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self.failures: list[BaseException] = []
        self._on_failure = on_failure
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        self._context = copy_context()
        self._gives_up: asyncio.TimerHandle | None = None
        self.gave_up: bool = False
        self._log = logger("manager")

    def open(self) -> None:
        """Have what is started from now on see the context variables of this call."""
        self._context = copy_context()

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = self._context.run(asyncio.create_task, coroutine, name=name)
        self._tasks[task] = None
        self._context.run(task.add_done_callback, self._part_ended)
        return task

    @property
    def left(self) -> tuple[str, ...]:
        """The names of the tasks that run, or have ended unseen yet."""
        return tuple(task.get_name() for task in self._tasks)

    async def wait(
        self, tasks: Collection[asyncio.Task[None]], *, timeout_s: float | None = None
    ) -> set[asyncio.Task[None]]:
        """Wait until tasks end by themselves; returns those that have not after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ended(tasks)
        except TimeoutError:
            pass
        return self._tasks.keys() & tasks

    def ask_to_end(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Cancel tasks, all at once, and do not wait."""
        self._ending.update(tasks)
        for task in tasks:
            task.cancel()

    async def end(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Cancel tasks, all at once, and wait until they have ended, however long that takes."""
        self.ask_to_end(tasks)
        await self._ended(tasks)

    async def cut_off(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """End tasks that would do something in order first: they are cancelled again as soon as they have begun to."""
        self.ask_to_end(tasks)
        await asyncio.sleep(0)
        await self.end(tasks)

    async def end_all(self) -> None:
        """End what runs, the part started last first; a cancellation ends all at once, and is raised after that."""
        cancelled: asyncio.CancelledError | None = None
        while self._tasks:
            is_last = self.gave_up
            try:
                await self.end(tuple(self._tasks) if cancelled or is_last else (next(reversed(self._tasks)),))
            except asyncio.CancelledError as error:
                cancelled = error
            if is_last:
                break
        if self._gives_up is not None:
            self._gives_up.cancel()
        if cancelled is not None:
            raise cancelled

    def give_up_in(self, seconds: float) -> None:
        """Let every wait last no longer than this from now on, those that go on included; then a moment each."""
        self._gives_up = asyncio.get_running_loop().call_later(seconds, self._give_up)

    def raise_failures(self) -> None:
        """Raise the failures: the error itself where there is one, else a group of them."""
        match [_single(failure) for failure in self.failures]:
            case []:
                return
            case [failure]:
                raise failure
            case failures:
                raise BaseExceptionGroup(f"{len(failures)} parts of the manager failed", failures)

    async def _ended(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Wait until they have ended, and what they failed of is noted; or until a moment after it is given up."""
        while self._tasks.keys() & tasks:
            self._moved.clear()
            try:
                async with asyncio.timeout(MOMENT_S if self.gave_up else None):
                    await self._moved.wait()
            except TimeoutError:
                return

    def _give_up(self) -> None:
        self.gave_up = True
        self._moved.set()

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._moved.set()
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
            self._on_failure()


def _single(error: BaseException) -> BaseException:
    """The one error inside nested groups of one, or the group."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
