"""One informer for each collection, whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from ctrlkit.cache.informer import Informer
from ctrlkit.cache.source import ListWatch
from ctrlkit.errors import NotSynced
from ctrlkit.model import Resource

T = TypeVar("T")


class ListWatchMaker(Protocol):
    """Whatever knows the server: makes the source of a collection."""

    def list_watch(
        self, resource: Resource[T], *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> ListWatch[T]:
        """The two calls for one collection."""
        ...


class InformerFactory:
    """
    Informers by resource and selectors, made once and shared (row I14).

    Shape   `namespaces` limits the informers of namespaced kinds; empty means everything.
    Owner   `run` owns every informer's task; one added while it runs starts at once.
    """

    def __init__(self, source: ListWatchMaker, *, namespaces: Sequence[str] = ()) -> None:
        self._source = source
        self._namespaces = tuple(dict.fromkeys(namespaces)) or ("",)
        self._informers: dict[tuple[Resource[Any], str, str], Informer[Any]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def informer(self, resource: Resource[T], *, label_selector: str = "", field_selector: str = "") -> Informer[T]:
        """The one informer of this collection."""
        key = (resource, label_selector, field_selector)
        if key not in self._informers:
            scopes = self._namespaces if resource.namespaced else ("",)
            sources = {
                scope: self._source.list_watch(
                    resource, namespace=scope, label_selector=label_selector, field_selector=field_selector
                )
                for scope in scopes
            }
            self._informers[key] = Informer(resource, sources)
            self._start(self._informers[key])
        return self._informers[key]

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All informers asked for so far."""
        return tuple(self._informers.values())

    async def run(self) -> None:
        """Run all informers, those added later too, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for informer in self._informers.values():
                    self._start(informer)
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    async def wait_synced(self, *, timeout_s: float) -> None:
        """Return when all informers have synced; NotSynced after the timeout, naming those that have not and why."""
        try:
            async with asyncio.timeout(timeout_s):
                for informer in self.informers:
                    await informer.wait_synced()
        except TimeoutError:
            lagging = [informer for informer in self.informers if not informer.has_synced()]
            reasons = "; ".join(f"{informer.name}: {informer.last_error or 'no answer yet'}" for informer in lagging)
            raise NotSynced(f"fill the caches: {len(lagging)} not synced after {timeout_s:g} s: {reasons}") from None

    def busy(self) -> tuple[str, ...]:
        """What is not done yet, in words."""
        return tuple(report for informer in self.informers for report in informer.busy())

    def _start(self, informer: Informer[Any]) -> None:
        if self._tasks is not None:
            self._tasks.create_task(informer.run(), name=f"informer:{informer.name}")
