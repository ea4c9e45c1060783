"""
What holds an event loop: a thread of its own looks at the thread of the loop while that does not beat.

It wakes now and then, and looks at nothing while the loop is well. What holds the interpreter's lock too, such as one
long regular expression, is seen when it lets go, or not at all.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from ctrlkit.frames import place_of_thread

LOOK_S: Final = 1.5
"""How often the thread looks whether the loop has beaten; longer than the time between two beats."""


class Holder(NamedTuple):
    """What ran: the line of the program's own code, and the name of the task; empty where it is not known."""

    where: str = ""
    task: str = ""


class HoldingWatch:
    """
    Notes what ran when the loop had not beaten for two looks or more.

    Owner   Whoever beats on the loop enters `watching` there, and calls `beat` with each beat.
    """

    def __init__(self) -> None:
        self._looks = 0
        self._seen = Holder()
        self._over = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look for as long as this lasts."""
        of = (asyncio.get_running_loop(), threading.get_ident())
        thread = threading.Thread(target=self._watch, args=of, name="holding-watch", daemon=True)
        self._over.clear()
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def beat(self) -> Holder:
        """The loop goes on; what was seen last since the beat before."""
        seen, self._seen, self._looks = self._seen, Holder(), 0
        return seen

    def look(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        """Note what a loop runs now, called from another thread than its own."""
        self._looks += 1
        if self._looks < 2:
            return
        task = asyncio.current_task(loop)
        found = Holder(place_of_thread(thread), "" if task is None else task.get_name())
        if any(found):
            self._seen = found

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._over.wait(LOOK_S):
            self.look(loop, thread)
