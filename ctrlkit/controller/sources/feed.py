"""A source of keys that the program pushes. Row H6."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeVar, overload

from ctrlkit.controller.sources.source import Sink, as_keys
from ctrlkit.errors import CtrlkitError
from ctrlkit.model import ObjectKey
from ctrlkit.workqueue import NORMAL

T = TypeVar("T")

WAITING_MAX: Final = 100_000
"""Keys that a feed keeps while no controller takes them."""


class FeedFull(CtrlkitError):
    """A feed that no controller takes from was given too many keys."""


class Feed(Generic[T]):
    """
    A source into which the program pushes what is to be reconciled.

        orders: Feed[Order] = Feed("orders", lambda order: [order.key])
        manager.add(Controller(name="shop", reconcile=..., watches=[Watch(shops, to_self), orders]))
        ...
        orders.push(order, "paid")

    Shape   Without a mapper keys are pushed, or their text. A key that waits already is merged with it, so a feed holds
            no more than there are keys, and pushing never waits. Several controllers may take from one feed: each gets
            everything from the moment it starts, and one that ends takes nothing from the others. What is pushed before
            the first starts waits for it.
            Where there are replicas, push at all of them: the one whose key it is reconciles it, and the others keep
            the latest 10,000 keys in case they come to them. What has to outlive them all belongs in an object.
    Errors  Whatever the mapper raises; FeedFull for more than WAITING_MAX keys that no controller takes.
    Owner   One event loop; other threads use `loop.call_soon_threadsafe(feed.push, order)`.
    """

    @overload
    def __init__(self: Feed[ObjectKey | str], name: str, *, priority: int = NORMAL) -> None: ...

    @overload
    def __init__(
        self, name: str, mapper: Callable[[T], Iterable[ObjectKey | str]], *, priority: int = NORMAL
    ) -> None: ...

    def __init__(
        self, name: str, mapper: Callable[[Any], Iterable[ObjectKey | str]] | None = None, *, priority: int = NORMAL
    ) -> None:
        self.name = name
        """Its name in log lines and reports."""
        self._mapper = mapper or (lambda key: (key,))
        self._priority = priority
        self._sinks: list[Sink] = []
        self._waiting: dict[ObjectKey, str] = {}

    def push(self, item: T, cause: str = "") -> None:
        """Enqueue the keys that an item concerns; `cause` says in a few words why."""
        words = f"{self.name}: {cause}" if cause else self.name
        for key in as_keys(self._mapper(item), f"the mapper of feed {self.name}"):
            for sink in self._sinks:
                sink.add(key, words, priority=self._priority)
            if not self._sinks:
                self._keep(key, words)

    async def run(self, sink: Sink) -> None:
        """As Source.run: what waits is there at the beginning."""
        for key, words in self._waiting.items():
            sink.add(key, words, priority=self._priority)
        self._waiting.clear()
        sink.synced()
        self._sinks.append(sink)
        try:
            await asyncio.Event().wait()
        finally:
            self._sinks.remove(sink)

    async def replay(self, sink: Sink) -> None:
        """As Source.replay: what was pushed is kept by the controllers."""

    def _keep(self, key: ObjectKey, words: str) -> None:
        if key not in self._waiting and len(self._waiting) >= WAITING_MAX:
            raise FeedFull(
                f"push {key} into feed {self.name}: {WAITING_MAX} keys wait and no controller takes them; "
                "give the feed to a controller that runs"
            )
        self._waiting[key] = words
