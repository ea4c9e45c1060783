"""
One collection, mirrored once and shared by all who are interested.

    ListWatch ⇒ Reflector ⇒ Store ⇒ Registrations (one per handler)
                              ⇓
                            Lister
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ctrlkit.cache.change import Cause, Change
from ctrlkit.cache.fanout import Handler, Registration
from ctrlkit.cache.index import IndexFunction
from ctrlkit.cache.lister import Lister
from ctrlkit.cache.reflector import Reflector, ReflectorStatistics
from ctrlkit.cache.source import ListWatch
from ctrlkit.cache.store import Store
from ctrlkit.model import Applied, Deleted, Resource, Snapshot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InformerStatistics:
    """A picture of one informer: its objects, its reflectors by scope, and what each handler has yet to see."""

    name: str
    objects: int
    reflectors: Mapping[str, ReflectorStatistics]
    handler_depths: Mapping[str, int]


class Informer(Generic[T]):
    """
    A mirror of one kind, in one or several scopes, with any number of handlers.

    Shape   `sources` maps a scope (a namespace, or "" for everything) to its ListWatch; each has a reflector of its own
            and writes its own part of the one store.
    Owner   `run` runs once and to the end; handlers and indexes may be added before, during, and not after (I3, I4).
    Source  Rows I1-I6, I8, I12; S2, S3.
    """

    def __init__(self, resource: Resource[T], sources: Mapping[str, ListWatch[T]]) -> None:
        self.resource = resource
        self.name = str(resource)
        self.sources = dict(sources)
        self._store: Store[T] = Store()
        self.lister: Lister[T] = Lister(resource, self._store)
        self._reflectors = {
            scope: Reflector(source, self, name=f"{self.name}@{scope}" if scope else self.name, scope=scope)
            for scope, source in sources.items()
        }
        self._registrations: list[Registration[T]] = []
        self._state = "new"

    @property
    def last_error(self) -> Exception | None:
        """Why the mirror may be behind: the last failure since the last success, of any scope."""
        return next((r.last_error for r in self._reflectors.values() if r.last_error is not None), None)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version each scope has reached."""
        return {scope: reflector.version for scope, reflector in self._reflectors.items()}

    def has_synced(self) -> bool:
        """Whether every scope was listed once; handlers may still be behind (see Registration.has_synced)."""
        return all(reflector.synced.is_set() for reflector in self._reflectors.values())

    async def wait_synced(self) -> None:
        """Return once `has_synced`."""
        for reflector in self._reflectors.values():
            await reflector.synced.wait()

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add a way to find objects: `function` gives each Record the values it is found under (S2, S3)."""
        self._store.add_index(name, function)

    def add_handler(self, handler: Handler[T], *, name: str = "") -> Registration[T]:
        """
        Call `handler` with every change from now on, after one `added` for each object already here (I2).

        Errors  RuntimeError once the informer has ended (I3).
        """
        if self._state == "ended":
            raise RuntimeError(f"add a handler to informer {self.name}: it has ended; add it to one that runs")
        registration = Registration(handler, name=name or getattr(handler, "__qualname__", "handler"))
        self._registrations.append(registration)
        here = self._store.records(self._store.keys())
        if here:
            registration.publish([Change(None, record, Cause.INITIAL) for record in here])
        if self.has_synced():
            registration.end_of_initial()
        return registration

    def remove_handler(self, registration: Registration[T]) -> int:
        """Stop calling a handler; returns how many changes it will not see."""
        if registration in self._registrations:
            self._registrations.remove(registration)
        return registration.remove()

    async def run(self) -> None:
        """Mirror the collection until cancelled. RuntimeError for a second run (I4)."""
        if self._state != "new":
            raise RuntimeError(f"run informer {self.name}: it was run before; make a new one")
        self._state = "running"
        try:
            async with asyncio.TaskGroup() as tasks:
                for scope, reflector in self._reflectors.items():
                    tasks.create_task(reflector.run(), name=f"reflector:{self.name}:{scope or '*'}")
        finally:
            self._state = "ended"
            for registration in self._registrations:
                registration.remove()

    def busy(self) -> tuple[str, ...]:
        """What is not done yet, in words; empty when the mirror and its handlers rest."""
        lagging = [f"informer:{self.name} not synced"] if self._state == "running" and not self.has_synced() else []
        return (*lagging, *(f"handler:{r.name} has {r.depth} changes to see" for r in self._registrations if r.depth))

    def statistics(self) -> InformerStatistics:
        """A picture of now."""
        return InformerStatistics(
            name=self.name,
            objects=len(self._store),
            reflectors={scope: reflector.statistics() for scope, reflector in self._reflectors.items()},
            handler_depths={registration.name: registration.depth for registration in self._registrations},
        )

    # The reflectors' sink. State changes here, between two awaits, and nowhere else.

    def replace(self, snapshot: Snapshot[T], *, cause: Cause, scope: str) -> None:
        """Hold exactly this snapshot in a scope, and tell the handlers."""
        self._publish(self._store.replace(snapshot, cause=cause, scope=scope))
        others = (r.synced.is_set() for name, r in self._reflectors.items() if name != scope)
        if cause is Cause.INITIAL and all(others):
            for registration in self._registrations:
                registration.end_of_initial()

    def apply(self, events: Sequence[Applied[T] | Deleted[T]]) -> None:
        """Carry out changes in order, and tell the handlers."""
        self._publish([change for event in events if (change := self._store.apply(event)) is not None])

    def _publish(self, changes: Sequence[Change[T]]) -> None:
        if changes:
            for registration in self._registrations:
                registration.publish(changes)
