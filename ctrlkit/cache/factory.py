"""One informer for each collection, whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from ctrlkit.cache.informer import ForbiddenNamespaces, Informer
from ctrlkit.cache.reflector.source import ListWatch
from ctrlkit.errors import NotSynced
from ctrlkit.model import Resource
from ctrlkit.names import check_no_text

T = TypeVar("T")


class ListWatchMaker(Protocol):
    """Whatever knows the server: makes the source of a collection."""

    def list_watch(
        self, resource: Resource[T], *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> ListWatch[T]:
        """The two calls for one collection."""
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
    """One informer and what keeps it: those who lease it, or somebody who asked for it for good."""

    informer: Informer[Any]
    transform: Callable[[Any], Any] | None
    leases: int = 0
    kept: bool = False
    task: asyncio.Task[None] | None = None


class InformerFactory:
    """
    Informers by resource, scope and selectors, made once and shared (row I14).

        async with InformerFactory(client) as factory, factory.lease(PODS) as pods:
            await pods.wait_synced()

    Shape   `namespaces` limits the informers of namespaced kinds, unless a request names its own; empty means
            everything. `forbidden_namespaces` says whether those that may not be read hold up the others.
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
    ) -> None:
        self._source = source
        self._forbidden_namespaces = forbidden_namespaces
        self._namespaces = _names(namespaces)
        self._entries: dict[_Collection, _Entry] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._was_entered = False
        self._context = copy_context()

    def informer(
        self,
        resource: Resource[T],
        *,
        namespaces: Sequence[str] | None = None,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[T], T] | None = None,
    ) -> Informer[T]:
        """
        The one informer of this collection, kept as long as the factory.

        Errors  ValueError where somebody else has it with another transform; TypeError for `namespaces` in one text.
        """
        entry = self._entry(self._collection(resource, namespaces, label_selector, field_selector), transform)
        entry.kept = True
        return entry.informer

    @asynccontextmanager
    async def lease(
        self,
        resource: Resource[T],
        *,
        namespaces: Sequence[str] | None = None,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[T], T] | None = None,
    ) -> AsyncIterator[Informer[T]]:
        """
        The one informer of this collection, for as long as the context lasts (B12).

        When the last lease ends and nobody asked for it for good, it stops; the next one to ask gets a new one.
        """
        collection = self._collection(resource, namespaces, label_selector, field_selector)
        entry = self._entry(collection, transform)
        entry.leases += 1
        try:
            yield entry.informer
        finally:
            entry.leases -= 1
            if not entry.leases and not entry.kept and self._entries.get(collection) is entry:
                del self._entries[collection]
                await _end(entry)

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All informers there are."""
        return tuple(entry.informer for entry in self._entries.values())

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
        """Whether somebody asked for an informer for good."""
        return any(entry.kept for entry in self._entries.values() if entry.informer is informer)

    async def wait_synced(
        self, *, timeout_s: float, needed: Callable[[Informer[Any]], bool] = lambda _informer: True
    ) -> None:
        """
        Return when all informers have synced, of those that are `needed`, which is asked again when a list fails.

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
        """What is not done yet, in words."""
        return tuple(report for informer in self.informers for report in informer.busy())

    def _lagging(self, needed: Callable[[Informer[Any]], bool]) -> list[Informer[Any]]:
        return [informer for informer in self.informers if not informer.has_synced() and needed(informer)]

    async def _synced_or_gone(self, informer: Informer[Any], needed: Callable[[Informer[Any]], bool]) -> None:
        try:
            await informer.wait_synced(unless=lambda: not needed(informer))
        except NotSynced:
            if informer in self.informers:
                raise

    def _collection(
        self, resource: Resource[Any], namespaces: Sequence[str] | None, label_selector: str, field_selector: str
    ) -> _Collection:
        wanted = self._namespaces if namespaces is None else _names(namespaces)
        scopes = tuple(sorted(set(wanted))) if resource.namespaced else ()
        return _Collection(resource, ("",) if "" in scopes or not scopes else scopes, label_selector, field_selector)

    def _entry(self, wanted: _Collection, transform: Callable[[T], T] | None) -> _Entry:
        entry = self._entries.get(wanted)
        if entry is None:
            if self._was_entered and self._tasks is None:
                raise RuntimeError(f"make an informer of {wanted.resource}: the factory has ended; make a new one")
            entry = self._entries[wanted] = _Entry(self._make(wanted, transform), transform)
            self._start(entry)
        elif entry.transform is not transform:
            raise ValueError(
                f"informer of {wanted.resource}: it is in use with another transform; use the same function, "
                "or another selector"
            )
        return entry

    def _make(self, wanted: _Collection, transform: Callable[[Any], Any] | None) -> Informer[Any]:
        selectors = {"label_selector": wanted.label_selector, "field_selector": wanted.field_selector}
        sources = {
            scope: self._source.list_watch(wanted.resource, namespace=scope, **selectors) for scope in wanted.namespaces
        }
        return Informer(
            wanted.resource,
            sources,
            transform=transform,
            forbidden_namespaces=self._forbidden_namespaces,
            **selectors,
        )

    def _start(self, entry: _Entry) -> None:
        if self._tasks is not None and entry.task is None:
            name = f"informer:{entry.informer.name}"
            entry.task = self._context.run(self._tasks.create_task, entry.informer.run(), name=name)


def _names(namespaces: Sequence[str]) -> tuple[str, ...]:
    """Several texts: a single one would be taken for its letters."""
    check_no_text(namespaces)
    return tuple(namespaces)


async def _end(entry: _Entry) -> None:
    if entry.task is not None:
        entry.task.cancel()
        await asyncio.wait([entry.task])
