"""Background tasks of the demo, and the signals that end it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@asynccontextmanager
async def in_background(coroutine: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:
    """Run a coroutine until the end of the block; its failure ends the block, as an exception group."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(coroutine, name=name)
        yield
        task.cancel()


class Interruption:
    """
    The first signal cancels the demo, which cleans up, or ends `wait()`. A second one ends the process at once; the
    guardian then kills the processes of nodes.
    """

    def __init__(self) -> None:
        self.number: int = 0
        self._task = asyncio.current_task()
        self._awaited: asyncio.Event | None = None

    async def wait(self) -> None:
        """Wait for the signal."""
        self._awaited = asyncio.Event()
        await self._awaited.wait()
        self._awaited = None

    def hold_back(self) -> None:
        """Let a first signal from now on not cancel the cleanup, which has begun."""
        self._task = None

    def arrive(self, number: int) -> None:
        """Handle a signal."""
        if self.number:
            os.write(2, b"\x1b[?25hbitcoin-controller: ended by a second signal, at once\n")  # with the cursor shown
            os._exit(128 + number)
        self.number = number
        if self._awaited is not None:
            self._awaited.set()
        elif self._task is not None:
            self._task.cancel()


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Have SIGINT, SIGTERM and SIGHUP interrupt the current task within the block."""
    loop, interruption = asyncio.get_running_loop(), Interruption()
    for number in SIGNALS:
        loop.add_signal_handler(number, interruption.arrive, number)
    try:
        yield interruption
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
