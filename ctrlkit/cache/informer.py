"""
One collection, mirrored once and shared by all who are interested.

    ListWatch ⇒ Reflector ⇒ [Transform] ⇒ Store ⇒ Registrations (one per handler)
                                            ⇓
                                          Lister
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from enum import StrEnum
from typing import Generic, TypeVar

from ctrlkit import telemetry
from ctrlkit.cache.change import Cause, Change
from ctrlkit.cache.fanout import Handler, Registration
from ctrlkit.cache.pending import Delivery
from ctrlkit.cache.reflector.failure import Failure
from ctrlkit.cache.reflector.progress import Progress
from ctrlkit.cache.reflector.reflector import Reflector
from ctrlkit.cache.reflector.source import ListWatch
from ctrlkit.cache.resync import Resync
from ctrlkit.cache.statistics import InformerStatistics
from ctrlkit.cache.store.index import IndexFunction
from ctrlkit.cache.store.lister import Lister
from ctrlkit.cache.store.store import Store
from ctrlkit.cache.transform import Transform
from ctrlkit.errors import DecodeError, Forbidden, NotFound, NotSynced, Unauthorized
from ctrlkit.model import (
    Applied,
    Deleted,
    Effect,
    LabelSelector,
    ObjectKey,
    Record,
    Resource,
    Snapshot,
    Write,
    is_newer,
)

T = TypeVar("T")


class ForbiddenNamespaces(StrEnum):
    """What becomes of those, of several namespaces, that may not be read."""

    WAIT = "wait"  # nothing has synced before they may be
    SKIP = (
        "skip"  # the others are served meanwhile; they are asked for again and again, and filled when they may be read
    )


class Informer(Generic[T]):
    """
    A mirror of one kind, in one or several scopes, with any number of handlers.

    Shape   `sources` maps a scope (a namespace, or "" for everything) to its ListWatch; each has a reflector of its own
            and writes its own part of the one store. The selectors are those of the sources. `transform` is applied to
            each object before it is stored. `forbidden_namespaces` says whether scopes that may not be read hold up the
            others; at least one has to be read either way.
    Owner   `run` runs once and to the end; handlers and indexes may be added before, during, and not after (I3, I4).
    Source  Rows I1-I6, I8, I10, I12; S2, S3; F11, B1.
    """

    def __init__(
        self,
        resource: Resource[T],
        sources: Mapping[str, ListWatch[T]],
        *,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[T], T] | None = None,
        forbidden_namespaces: ForbiddenNamespaces = ForbiddenNamespaces.WAIT,
    ) -> None:
        self.resource = resource
        self.name = str(resource)
        self.sources = dict(sources)
        self._label_selector = LabelSelector.parse(label_selector)
        self._field_selector = field_selector
        self._skips = forbidden_namespaces is ForbiddenNamespaces.SKIP
        self._skipped: set[str] = set()
        self._initial_ended = False
        self._store: Store[T] = Store(transform=None if transform is None else Transform(resource, transform))
        self.lister: Lister[T] = Lister(resource, self._store)
        self._reflectors = {
            scope: Reflector(source, self, name=f"{self.name}@{scope}" if scope else self.name, scope=scope)
            for scope, source in sources.items()
        }
        self._registrations: list[Registration[T]] = []
        self._resyncs: dict[Registration[T], Resync[T]] = {}
        self._progress = Progress()
        self._dropped = 0
        self._rewritten = 0
        self._state = "new"
        self._context = copy_context()
        self._log = telemetry.logger("informer")

    @property
    def last_error(self) -> Exception | None:
        """Why the mirror may be behind: the last failure since the last success, of any scope."""
        return next((r.last_error for r in self._reflectors.values() if r.last_error is not None), None)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version each scope has reached."""
        return {scope: reflector.version for scope, reflector in self._reflectors.items()}

    @property
    def quarantine(self) -> Mapping[ObjectKey, DecodeError]:
        """The objects that are here but cannot be used, and why: each look at one raises its error (B14)."""
        return self._store.quarantine

    def has_synced(self) -> bool:
        """
        Whether every scope was listed once, but for those that are skipped; handlers may still be behind (see
        Registration.has_synced).
        """
        return self._have_synced()

    @property
    def skipped(self) -> tuple[str, ...]:
        """The scopes that may not be read, and are served without (ForbiddenNamespaces.SKIP)."""
        return tuple(sorted(self._skipped))

    def is_refused(self) -> bool:
        """Whether the server refuses a scope: its kind is not served, or nobody may read it as whom we came."""
        return any(isinstance(error, NotFound | Forbidden | Unauthorized) for error in self.failing().values())

    def failing(self) -> Mapping[str, Exception]:
        """Why each scope that may be behind is: its last failure since its last success."""
        return {scope: r.last_error for scope, r in self._reflectors.items() if r.last_error is not None}

    async def wait_synced(self, *, unless: Callable[[], bool] | None = None) -> None:
        """
        Return once `has_synced`, or once `unless` holds, which is asked after each failed list; NotSynced where the
        informer ends before.
        """
        await self._progress.until(lambda: self.has_synced() or (unless is not None and unless()))

    def lag(self) -> str:
        """Which scopes are still to be listed, what they do, and why it takes so long; for an error's text (B4)."""
        lines = []
        for scope, reflector in self._reflectors.items():
            if not reflector.synced.is_set():
                state, error = str(reflector.state), reflector.last_error
                cause = f"{Failure.of(error).cause.value}, {state}" if error is not None else state
                where = f"{self.name}@{scope}" if scope else self.name
                lines.append(f"{where}: {error or 'no answer yet'} ({cause})")
        return "; ".join(lines)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add a way to find objects: `function` gives each Record the values it is found under (S2, S3)."""
        self._store.add_index(name, function)

    def add_handler(
        self, handler: Handler[T], *, name: str = "", delivery: Delivery = Delivery.EVERY, resync_s: float = 0.0
    ) -> Registration[T]:
        """
        Call `handler` with every change from now on, after one `added` for each object already here (I2).

        Shape   It is called in the informer's own context: context variables of whoever adds it are not seen.
        Units   `resync_s` (at least 1): about so often the handler is told of every object as it is; 0 is never (I10).
        Errors  RuntimeError once the informer has ended (I3); ValueError for another `resync_s`.
        """
        if self._state == "ended":
            raise RuntimeError(f"add a handler to informer {self.name}: it has ended; add it to one that runs")
        name = name or getattr(handler, "__qualname__", "handler")
        registration = Registration(handler, name=name, delivery=delivery, removed=self._forget)
        if resync_s:
            self._resyncs[registration] = Resync(self._store, registration.publish, every_s=resync_s)
        self._registrations.append(registration)
        self._context.run(self._tell_what_is_here, registration)
        return registration

    def remove_handler(self, registration: Registration[T]) -> int:
        """Stop calling a handler; returns how many changes it will not see. See also Registration.drain."""
        dropped = registration.remove()
        self._dropped += dropped
        return dropped

    async def run(self) -> None:
        """Mirror the collection until cancelled. RuntimeError for a second run (I4)."""
        if self._state != "new":
            raise RuntimeError(f"run informer {self.name}: it was run before; make a new one")
        self._state = "running"
        self._context = copy_context()
        for resync in self._resyncs.values():
            resync.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for scope, reflector in self._reflectors.items():
                    tasks.create_task(reflector.run(), name=f"reflector:{self.name}:{scope or '*'}")
        finally:
            self._state = "ended"
            self._progress.end(f"wait for informer {self.name}: it has ended; ask one that runs")
            for registration in tuple(self._registrations):
                if dropped := self.remove_handler(registration):
                    self._log.info("changes_dropped", informer=self.name, handler=registration.name, changes=dropped)

    # Read your own writes (B1, Q25, F11).

    async def reached(self, version: str, *, namespace: str = "", timeout_s: float | None = None) -> None:
        """
        Return once the mirror shows what the server had at a version: that of a write, of a list, of any object.

            made = await client.create(CONFIG_MAPS, body)
            await informer.reached(made.metadata.resource_version, namespace="demo", timeout_s=5)

        Shape   `namespace` is the write's: it says which scope to ask where there are several. Versions of quiet kinds
                may be reached with the server's next bookmark only; for one object, `shown` knows sooner. Where the
                server's history is rewritten meanwhile, it returns once the newest state is here: no server has the
                version any more.
        Errors  NotSynced after the timeout or at the informer's end, with the reason if one is known.
        """
        await self._until(lambda: self._is_at(version, namespace), f"version {version}", timeout_s)

    async def shown(self, write: Write, *, timeout_s: float | None = None) -> None:
        """Return once `shows(write)`; errors as `reached`."""
        await self._until(lambda: self.shows(write), str(write), timeout_s)

    def shows(self, write: Write) -> bool:
        """
        Whether what is read here is not older than a write; true also of writes that will never be seen here.

        An object is not older once it has the write's version or a newer one, is gone, or is another of the same name.
        A deleted one is gone, marked as going, or another. Of an object that is not here the mirror's version decides.
        """
        if not self._mirrors(write):
            return True
        record = self._store.get(write.key)
        if record is None:
            unseen = write.effect is Effect.WRITTEN and self._selects(write)
            return not unseen or self._is_at(write.version, write.key.namespace)
        caught_up = not is_newer(write.version, than=record.version)
        match write.effect:
            case Effect.WRITTEN:
                return caught_up
            case Effect.DELETED:
                another = bool(write.uid) and record.meta.uid != write.uid
                return another or (record.meta.deleting and caught_up)

    def busy(self) -> tuple[str, ...]:
        """What is not done yet, in words; empty when the mirror and its handlers rest."""
        lagging = [f"informer:{self.name} not synced"] if self._state == "running" and not self.has_synced() else []
        return (*lagging, *(f"handler:{r.name} has {r.depth} changes to see" for r in self._registrations if r.depth))

    def statistics(self) -> InformerStatistics:
        """A picture of now."""
        reflectors = {scope: reflector.statistics() for scope, reflector in self._reflectors.items()}
        ages = [r.last_event_age_s for r in reflectors.values()]
        return InformerStatistics(
            name=self.name,
            synced=self.has_synced(),
            objects=len(self._store),
            version=min((r.version for r in reflectors.values()), key=_in_order, default=""),
            last_event_age_s=_oldest(ages),
            reflectors=reflectors,
            handlers=tuple(registration.statistics() for registration in self._registrations),
            quarantined={str(key): str(fault) for key, fault in self._store.quarantine.items()},
            index_failures=self._store.index_failures,
            dropped=self._dropped,
        )

    # The reflectors' sink. State changes here, between two awaits, and nowhere else.

    def known(self, record: Record[T]) -> Record[T]:
        """The record that is stored where this one says the same."""
        return self._store.known(record)

    def find(self, key: ObjectKey) -> Record[T] | None:
        """The record of an object."""
        return self._store.get(key)

    def holds(self, record: Record[T]) -> bool:
        """Whether this very state of an object is stored."""
        return self._store.holds(record)

    def first(self, count: int, *, scope: str) -> Sequence[Record[T]]:
        """The first records of a scope."""
        return self._store.records(self._store.keys(scope)[:count])

    def replace(self, snapshot: Snapshot[T], *, cause: Cause, scope: str) -> None:
        """Hold exactly this snapshot in a scope, and tell the handlers."""
        self._rewritten += cause is Cause.REWRITTEN
        self._publish(self._store.replace(snapshot, cause=cause, scope=scope))
        if scope in self._skipped:
            self._skipped.discard(scope)
            self._log.info("namespace_readable", informer=self.name, namespace=scope, objects=len(snapshot.records))
        self._look_for_sync(listed=scope)
        asyncio.get_running_loop().call_soon(self._progress.moved)  # by then the reflector has said that it has synced

    def apply(self, events: Sequence[Applied[T] | Deleted[T]]) -> None:
        """Carry out changes in order, and tell the handlers."""
        self._publish([change for event in events if (change := self._store.apply(event)) is not None])
        self._progress.moved()

    def advance(self, version: str, *, scope: str) -> None:
        """All up to a version was told."""
        self._progress.moved()

    def list_failed(self, error: Exception, *, scope: str) -> None:
        """A scope that may not be read is skipped, where that was asked for, until it may."""
        skips = self._skips and len(self._reflectors) > 1 and isinstance(error, Forbidden)
        if skips and scope not in self._skipped and not self._reflectors[scope].synced.is_set():
            self._skipped.add(scope)
            self._log.warning("namespace_skipped", informer=self.name, namespace=scope, error=str(error))
            self._look_for_sync()
        self._progress.moved()

    def _have_synced(self, *, listed: str | None = None) -> bool:
        """Whether all scopes were listed or are skipped, and one was listed; `listed` says of one that it is now."""
        synced = {scope for scope, r in self._reflectors.items() if scope == listed or r.synced.is_set()}
        return bool(synced) and synced | self._skipped >= self._reflectors.keys()

    def _look_for_sync(self, *, listed: str | None = None) -> None:
        """Tell the handlers, once, that what they were told so far is all that was there."""
        if not self._initial_ended and self._have_synced(listed=listed):
            self._initial_ended = True
            for registration in self._registrations:
                registration.end_of_initial()

    def _tell_what_is_here(self, registration: Registration[T]) -> None:
        """Begin with a handler; what it does now and later is no part of whoever added it."""
        if self._state == "running" and registration in self._resyncs:
            self._resyncs[registration].start()
        here = self._store.records(self._store.keys())
        if here:
            registration.publish([Change(None, record, Cause.INITIAL) for record in here])
        if self.has_synced():
            registration.end_of_initial()

    def _publish(self, changes: Sequence[Change[T]]) -> None:
        if changes:
            for registration in self._registrations:
                registration.publish(changes)

    def _forget(self, registration: Registration[T]) -> None:
        self._registrations.remove(registration)
        resync = self._resyncs.pop(registration, None)
        if resync is not None:
            resync.stop()

    def _mirrors(self, write: Write) -> bool:
        """Whether the write was to a collection that is mirrored here."""
        servers = {getattr(source, "server", None) for source in self.sources.values()}
        here = write.server is None or not servers.isdisjoint((None, write.server))
        return here and write.resource.identity == self.resource.identity and bool(self._scopes_of(write.key.namespace))

    def _scopes_of(self, namespace: str) -> list[Reflector[T]]:
        """The reflectors that see a namespace; all where none is given, but for what may not be read."""
        seen = (scope for scope in self._reflectors if scope in ("", namespace) or not namespace)
        return [self._reflectors[scope] for scope in seen if scope not in self._skipped]

    def _is_at(self, version: str, namespace: str) -> bool:
        return all(not is_newer(version, than=reflector.version) for reflector in self._scopes_of(namespace))

    def _selects(self, write: Write) -> bool:
        """Whether the object of a write is to be seen here; of field selectors nothing is known, so not awaited."""
        return not self._field_selector and self._label_selector.matches(write.labels)

    async def _until(self, condition: Callable[[], bool], what: str, timeout_s: float | None) -> None:
        rewritten = self._rewritten
        try:
            async with asyncio.timeout(timeout_s):
                await self._progress.until(lambda: self._rewritten != rewritten or condition())
        except TimeoutError:
            at = ", ".join(self.versions.values())
            why = f" [{self.last_error}]" if self.last_error is not None else ""
            raise NotSynced(
                f"wait for {what}: informer {self.name} is at version {at or 'none'} after {timeout_s:g} s; "
                f"see whether the server tells it anything{why}"
            ) from None


def _oldest(ages: Sequence[float | None]) -> float | None:
    """How long ago the scope was told anything that has waited longest; None where one still waits for the first."""
    known = [age for age in ages if age is not None]
    return max(known, default=None) if len(known) == len(ages) else None


def _in_order(version: str) -> tuple[int, str]:
    return (len(version), version)
