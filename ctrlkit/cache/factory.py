"""One informer for each collection, whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from ctrlkit.cache.informer import ForbiddenNamespaces, Informer, InformerOptions
from ctrlkit.cache.reflector.interfaces import ListWatch
from ctrlkit.cache.reflector.options import DEFAULT_OPTIONS, ReflectorOptions
from ctrlkit.errors import NotSynced
from ctrlkit.model import Resource
from ctrlkit.names import check_no_text

T = TypeVar("T")


class ListWatchMaker(Protocol):
    """Makes the ListWatch of a collection; a Client is one."""

    def list_watch(
        self, resource: Resource[T], *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> ListWatch[T]:
        """Return the calls for one collection."""
        ...


@dataclass(frozen=True, slots=True)
class _Collection:
    """What makes two requests be for the same informer."""

    resource: Resource[Any]
    namespaces: tuple[str, ...]
    label_selector: str
    field_selector: str


@dataclass(slots=True)
class _Entry:
    """One informer and what keeps it: those who borrow it, or somebody who asked for it for good."""

    informer: Informer[Any]
    transform: Callable[[Any], Any] | None
    borrowers: int = 0
    kept: bool = False
    task: asyncio.Task[None] | None = None


class InformerFactory:
    """
    Makes informers by resource, namespaces and selectors, each once, and shares them.

        async with InformerFactory(client) as factory, factory.borrow_informer(PODS) as pods:
            await pods.wait_synced()

    Shape   `namespaces` limits the informers of namespaced kinds, unless a request names its own; empty means all.
            `forbidden_namespaces` says whether those that may not be read hold up the others. `reflector` has the
            back-off and the times of their lists and watches.
    Errors  RuntimeError where it is entered or run a second time, and for informers asked for after its end: nothing
            would keep them true.
    Owner   The one `async with` block, or `run`, owns every informer's task; informers asked for meanwhile start at
            once, and see the block's context variables, not those of whoever asked.
    """

    def __init__(
        self,
        source: ListWatchMaker,
        *,
        namespaces: Sequence[str] = (),
        forbidden_namespaces: ForbiddenNamespaces = ForbiddenNamespaces.WAIT,
        reflector: ReflectorOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._source = source
        self._forbidden_namespaces = forbidden_namespaces
        check_no_text(namespaces)
        self._namespaces = tuple(namespaces)
        self._reflector = reflector
        self._entries: dict[_Collection, _Entry] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._was_entered = False
        self._context = copy_context()

    def informer(self, resource: Resource[T], options: InformerOptions[T] | None = None) -> Informer[T]:
        """
        Return the one informer of this collection, kept as long as the factory.

            web = factory.informer(PODS, InformerOptions(label_selector="app=web"))

        Errors  ValueError where it is in use with another transform.
        """
        _, entry = self._entry(resource, options or InformerOptions())
        entry.kept = True
        return entry.informer

    @asynccontextmanager
    async def borrow_informer(
        self, resource: Resource[T], options: InformerOptions[T] | None = None
    ) -> AsyncIterator[Informer[T]]:
        """
        Share the one informer of this collection for the length of a block.

        It stops when the last block that borrows it ends, unless `informer` was asked for it; the next one to ask gets
        a new one. Errors as for `informer`.
        """
        collection, entry = self._entry(resource, options or InformerOptions())
        entry.borrowers += 1
        try:
            yield entry.informer
        finally:
            entry.borrowers -= 1
            if not entry.borrowers and not entry.kept and self._entries.get(collection) is entry:
                del self._entries[collection]
                await _end(entry)

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All informers of this factory at this moment."""
        return tuple([entry.informer for entry in self._entries.values()])

    async def __aenter__(self) -> Self:
        if self._was_entered:
            raise RuntimeError("enter the informer factory: it was entered before; make a new one")
        self._was_entered = True
        self._context = copy_context()
        self._tasks = await asyncio.TaskGroup().__aenter__()
        for entry in self._entries.values():
            self._start(entry)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tasks is None:
            return
        tasks, self._tasks = self._tasks, None
        for entry in self._entries.values():
            if entry.task is not None:
                entry.task.cancel()
        await tasks.__aexit__(kind, error, trace)

    async def run(self) -> None:
        """Run all informers, those added later too, until cancelled."""
        async with self:
            await asyncio.get_running_loop().create_future()

    def is_kept(self, informer: Informer[Any]) -> bool:
        """Whether an informer was asked for with `informer`, and so lives as long as the factory."""
        return any(entry.kept for entry in self._entries.values() if entry.informer is informer)

    async def wait_synced(
        self, *, timeout_s: float, needed: Callable[[Informer[Any]], bool] = lambda _informer: True
    ) -> None:
        """
        Return when all informers for which `needed` is true have synced; it is asked again when a list fails.

        Errors  NotSynced after the timeout, naming those that have not and why.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while lagging := self._lagging(needed):
                    await self._synced_or_gone(lagging[0], needed)
        except TimeoutError:
            lagging = self._lagging(needed)
            reasons = "; ".join(informer.lag() for informer in lagging)
            raise NotSynced(f"fill the caches: {len(lagging)} not synced after {timeout_s:g} s: {reasons}") from None

    def busy(self) -> tuple[str, ...]:
        """Describe what is not done yet."""
        return tuple(report for informer in self.informers for report in informer.busy())

    def _lagging(self, needed: Callable[[Informer[Any]], bool]) -> list[Informer[Any]]:
        return [informer for informer in self.informers if not informer.has_synced() and needed(informer)]

    async def _synced_or_gone(self, informer: Informer[Any], needed: Callable[[Informer[Any]], bool]) -> None:
        try:
            await informer.wait_synced(unless=lambda: not needed(informer))
        except NotSynced:
            if informer in self.informers:
                raise

    def _entry(self, resource: Resource[T], options: InformerOptions[T]) -> tuple[_Collection, _Entry]:
        namespaces = self._namespaces if options.namespaces is None else options.namespaces
        scopes = tuple(sorted(set(namespaces))) if resource.namespaced else ()
        scopes = ("",) if "" in scopes or not scopes else scopes
        collection = _Collection(resource, scopes, options.label_selector, options.field_selector)
        entry = self._entries.get(collection)
        if entry is None:
            if self._was_entered and self._tasks is None:
                raise RuntimeError(f"make an informer of {resource}: the factory has ended; make a new one")
            entry = self._entries[collection] = _Entry(self._make(collection, options), options.transform)
            self._start(entry)
        elif entry.transform is not options.transform:
            raise ValueError(
                f"informer of {resource}: it is in use with another transform; use the same function, or another "
                "selector"
            )
        return collection, entry

    def _make(self, collection: _Collection, options: InformerOptions[Any]) -> Informer[Any]:
        sources = {
            scope: self._source.list_watch(
                collection.resource,
                namespace=scope,
                label_selector=options.label_selector,
                field_selector=options.field_selector,
            )
            for scope in collection.namespaces
        }
        return Informer(
            collection.resource,
            sources,
            options=options,
            forbidden_namespaces=self._forbidden_namespaces,
            reflector=self._reflector,
        )

    def _start(self, entry: _Entry) -> None:
        if self._tasks is not None and entry.task is None:
            name = f"informer:{entry.informer.name}"
            entry.task = self._context.run(self._tasks.create_task, entry.informer.run(), name=name)


async def _end(entry: _Entry) -> None:
    if entry.task is not None:
        entry.task.cancel()
        await asyncio.wait([entry.task])
