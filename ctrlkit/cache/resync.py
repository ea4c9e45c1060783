"""Every so often, one handler is told of every object as it is (rows F4, I10, R16)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from ctrlkit.cache.change import Cause, Change
from ctrlkit.cache.store.store import Store
from ctrlkit.clock import random_source
from ctrlkit.model import ObjectKey

T = TypeVar("T")

LEAST_S = 1.0
SLICE = 100
"""Objects told in one turn of the loop, so that a large store does not hold it."""


class Resync(Generic[T]):
    """
    The timer of one handler.

    Units   `every_s` is at least 1; each wait is drawn anew, uniform in 0.9 to 1.1 times that, so that handlers that
            began together do not stay together (D2).
    Owner   The informer starts and stops it.
    """

    def __init__(self, store: Store[T], publish: Callable[[Sequence[Change[T]]], None], *, every_s: float) -> None:
        if every_s < LEAST_S:
            raise ValueError(f"resync_s must be at least {LEAST_S:g} s, or 0 for never; got {every_s:g}")
        self._store = store
        self._publish = publish
        self._every_s = every_s
        self._timer: asyncio.Handle | None = None

    def start(self) -> None:
        """Wait for the first time."""
        wait_s = self._every_s * random_source().uniform(0.9, 1.1)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._begin)

    def stop(self) -> None:
        """Tell no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._tell(iter(self._store.keys()))

    def _tell(self, keys: Iterator[ObjectKey]) -> None:
        here = list(islice(keys, SLICE))
        if here:
            self._publish([Change(record, record, Cause.RESYNC) for record in self._store.records(here)])
            self._timer = asyncio.get_running_loop().call_soon(self._tell, keys)
        else:
            self.start()
