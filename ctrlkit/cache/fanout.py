"""
Changes on their way from a store to its handlers: each handler has a buffer, an order and a pace of its own.

A handler is a plain function that takes a Change and returns quickly; most add a key to a work queue. It runs on the
event loop, a slice of its buffer at a time, so that a long relist holds the loop for one slice only. What it raises is
logged and counted, and neither the next change nor another handler notices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from ctrlkit import telemetry
from ctrlkit.cache.change import Change

T = TypeVar("T")
Handler = Callable[[Change[T]], None]
SLICE = 100


class Registration(Generic[T]):
    """
    One handler of one informer, from `Informer.add_handler` to `remove`.

    Owner   The informer publishes into it; nobody else.
    Source  Rows I2, I5, I6, I8; B9 and B13 where they differ: what a removal drops is reported, and an initial change
            that makes the handler raise counts as handled.
    """

    def __init__(self, handler: Handler[T], *, name: str) -> None:
        self.name = name
        self.failures = 0
        self._handler = handler
        self._buffer: deque[Change[T]] = deque()
        self._scheduled: asyncio.Handle | None = None
        self._initial_left: int | None = None
        self._synced = asyncio.Event()
        self._removed = False
        self._log = telemetry.logger("informer")

    def has_synced(self) -> bool:
        """Whether every object of the first list was handled (row I5)."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once `has_synced`."""
        await self._synced.wait()

    @property
    def depth(self) -> int:
        """Changes published and not yet handled."""
        return len(self._buffer)

    def publish(self, changes: Iterable[Change[T]]) -> None:
        """Queue changes; they are handled in this order, from the loop's next turn on."""
        if not self._removed:
            self._buffer.extend(changes)
            self._schedule()

    def end_of_initial(self) -> None:
        """What was published so far is the first list; has_synced waits for it."""
        self._initial_left = len(self._buffer)
        self._schedule()

    def remove(self) -> int:
        """Stop handling; returns how many changes were dropped unhandled. Removing twice drops nothing more."""
        self._removed = True
        dropped = len(self._buffer)
        self._buffer.clear()
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        return dropped

    def _schedule(self) -> None:
        if self._scheduled is None and not self._removed:
            self._scheduled = asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = None
        for _ in range(SLICE):
            if not self._buffer:
                break
            self._handle(self._buffer.popleft())
            if self._initial_left:
                self._initial_left -= 1
        if self._initial_left == 0:
            self._synced.set()
        if self._buffer:
            self._schedule()

    def _handle(self, change: Change[T]) -> None:
        try:
            self._handler(change)
        except Exception:  # noqa: BLE001 - one handler's mistake is nobody else's
            self.failures += 1
            self._log.exception("handler_failed", handler=self.name, key=str(change.key), change=change.kind.value)
