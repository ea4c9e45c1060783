"""Whoever waits until a mirror has got somewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ctrlkit.errors import NotSynced


class Progress:
    """
    Conditions that are looked at again each time the mirror moves; nobody asks on a timer.

    Cost    Nothing while nobody waits; else each condition once a turn of the loop in which something came.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._scheduled = False
        self._ended = ""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; NotSynced where the mirror ends before."""
        if condition():
            return
        if self._ended:
            raise NotSynced(self._ended)
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = condition
        try:
            await future
        finally:
            del self._waiting[future]

    def moved(self) -> None:
        """Something came: look again, on the loop's next turn, when all of it is in its place."""
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._look)

    def end(self, why: str) -> None:
        """Nothing will come any more."""
        self._ended = why
        for future in self._waiting:
            if not future.done():
                future.set_exception(NotSynced(why))

    def _look(self) -> None:
        self._scheduled = False
        for future, condition in self._waiting.items():
            if not future.done() and condition():
                future.set_result(None)
