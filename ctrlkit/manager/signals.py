"""SIGTERM and SIGINT: the first one stops in order, the second one ends the process. Row M13."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

from ctrlkit.manager.tasks import StillRunning
from ctrlkit.telemetry import logger

T = TypeVar("T")

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """
    Yield an event that the first signal sets; a second signal ends the process at once, with status 1.

    So does a block that ends with StillRunning: a loop that is closed in order would wait for what does not end.

    Works while a coroutine holds the loop, too. What was installed for the signals before is put back at the end.

    Errors  RuntimeError if it is in use already; ValueError outside the main thread.
    """
    stopper = _Stopper()
    if any(isinstance(signal.getsignal(number), _Stopper) for number in SIGNALS):
        raise RuntimeError("install the signal handlers: they are installed already; share the one stop event")
    before = {number: signal.signal(number, stopper) for number in SIGNALS}
    try:
        yield stopper.stop
    except* StillRunning as errors:
        _end_at_once(str(_first(errors)))
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """
    Return what `work` returns, or None if the stop comes first: then it has been cancelled, and has ended.

    For what may hang before there is a manager to run: a credential plugin, a server that does not answer.
    """
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.wait({working, stopping})
    return None if working.cancelled() else working.result()


class _Stopper:
    """A handler that the interpreter calls between two instructions of the main thread."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._signals_seen = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self._signals_seen += 1
        if self._signals_seen > 1:
            _end_at_once("stopped by a second signal, at once")
        self._loop.call_soon_threadsafe(self._begin, signal.Signals(number).name)

    def _begin(self, name: str) -> None:
        logger("manager").info("stop_requested", signal=name, a_second_one="ends the program at once")
        self.stop.set()


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _end_at_once(why: str) -> NoReturn:
    os.write(2, f"{why}\n".encode())
    os._exit(1)
