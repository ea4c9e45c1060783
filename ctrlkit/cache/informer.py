"""
An informer: one collection, listed and watched once, and shared by all who are interested.

    ListWatch ⇒ Reflector ⇒ [Transform] ⇒ Store ⇒ Registrations (one per handler)
                                            ⇓
                                          Lister

Rows I1 to I6, I8, I10, I12; S2, S3; F11; B1, B4, B12, B14, Q25.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from ctrlkit import telemetry
from ctrlkit.cache.change import Cause, Change
from ctrlkit.cache.handlers import Delivery, Handler, HandlerStatistics, Registration, Resync, Turn
from ctrlkit.cache.reflector.failure import Failure
from ctrlkit.cache.reflector.interfaces import ListWatch
from ctrlkit.cache.reflector.options import DEFAULT_OPTIONS, ReflectorOptions
from ctrlkit.cache.reflector.reflector import Reflector, ReflectorStatistics
from ctrlkit.cache.store.lister import Lister
from ctrlkit.cache.store.store import IndexFunction, Store
from ctrlkit.cache.store.transform import Transform
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
from ctrlkit.names import check_no_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class InformerStatistics:
    """
    Statistics of one informer, at one moment.

    Shape   `reflectors` by scope: a namespace, or "" for everything. `quarantined` are the objects that are stored but
            cannot be used, by key, and why. `version` is what all scopes have reached. `index_failures` counts objects
            that an index function could not take, `dropped` changes that removed handlers did not see.
    Units   `last_event_age_s`: seconds since the last event of the scope that has waited longest for one; None while a
            scope has had none.
    """

    name: str
    synced: bool
    objects: int
    version: str
    last_event_age_s: float | None
    reflectors: Mapping[str, ReflectorStatistics]
    handlers: tuple[HandlerStatistics, ...]
    quarantined: Mapping[str, str]
    index_failures: int
    dropped: int


class ForbiddenNamespaces(StrEnum):
    """What an informer of several namespaces does about those that it may not read."""

    WAIT = "wait"  # the informer syncs when it may read all of them
    SKIP = "skip"  # it serves the others, keeps asking for these, and fills them when it may read them


@dataclass(frozen=True, slots=True, kw_only=True)
class InformerOptions(Generic[T]):
    """
    Which objects of a kind an informer holds, and in which form.

    >>> InformerOptions(namespaces=["demo"], label_selector="app=web").field_selector
    ''

    `namespaces` are those of the factory or manager, unless given; empty means all. `transform` is applied to each
    object before it is stored. Requests with equal namespaces and selectors share one informer, and its transform.

    Errors  TypeError for `namespaces` that are one string.
    """

    namespaces: Sequence[str] | None = None
    label_selector: str = ""
    field_selector: str = ""
    transform: Callable[[T], T] | None = None

    def __post_init__(self) -> None:
        check_no_text(self.namespaces)


class Informer(Generic[T]):
    """
    Keeps a local copy of one kind, in one or several namespaces, and calls handlers with each change.

    Shape   `sources` maps a scope (a namespace, or "" for everything) to its ListWatch; each has a reflector of its own
            and writes its own part of the one store. `options` has the selectors of the sources and the transform; its
            namespaces are not used. `forbidden_namespaces` says whether scopes that may not be read hold up the others;
            at least one has to be read either way.
    Owner   `run` may be called once. Handlers and indexes may be added before and during the run, not after it.
    """

    def __init__(
        self,
        resource: Resource[T],
        sources: Mapping[str, ListWatch[T]],
        *,
        options: InformerOptions[T] | None = None,
        forbidden_namespaces: ForbiddenNamespaces = ForbiddenNamespaces.WAIT,
        reflector: ReflectorOptions = DEFAULT_OPTIONS,
    ) -> None:
        options = options or InformerOptions()
        self.resource = resource
        """The kind, with the Python type of its objects."""
        self.name: str = str(resource)
        """The kind's name, as in `pods` or `deployments.apps`."""
        self.sources: dict[str, ListWatch[T]] = dict(sources)
        """Where each scope is listed and watched."""
        self._label_selector = LabelSelector.parse(options.label_selector)
        self._field_selector = options.field_selector
        self._skips = forbidden_namespaces is ForbiddenNamespaces.SKIP
        self._skipped: set[str] = set()
        self._initial_ended = False
        self._store: Store[T] = Store(
            transform=None if options.transform is None else Transform(resource, options.transform)
        )
        self.lister: Lister[T] = Lister(resource, self._store)
        """Reads from the cache; it is the same during the whole life of the informer."""
        self._reflectors = {
            scope: Reflector(
                source, self, name=f"{self.name}@{scope}" if scope else self.name, scope=scope, options=reflector
            )
            for scope, source in sources.items()
        }
        self._registrations: list[Registration[T]] = []
        self._resyncs: dict[Registration[T], Resync[T]] = {}
        self._waiters = ConditionWaiters()
        self._dropped = 0
        self._rewritten = 0
        self._state = "new"
        self._context = copy_context()
        self._turn = Turn()
        self._log = telemetry.logger("informer")

    @property
    def last_error(self) -> Exception | None:
        """The last failed list or watch of any scope since its last success: why the cache may be behind."""
        return next((r.last_error for r in self._reflectors.values() if r.last_error is not None), None)

    @property
    def versions(self) -> Mapping[str, str]:
        """The resourceVersion that each scope has reached."""
        return {scope: reflector.version for scope, reflector in self._reflectors.items()}

    @property
    def quarantine(self) -> Mapping[ObjectKey, DecodeError]:
        """Objects in the cache that could not be decoded, with the error that each read of them raises."""
        return self._store.quarantine

    def has_synced(self) -> bool:
        """
        Whether every scope was listed once, skipped ones excepted.

        Handlers may still be behind: see Registration.has_synced.
        """
        return self._initial_ended or self._have_synced()

    @property
    def skipped(self) -> tuple[str, ...]:
        """The scopes that are skipped because they may not be read (ForbiddenNamespaces.SKIP)."""
        return tuple(sorted(self._skipped))

    def is_refused(self) -> bool:
        """Whether the server refuses to list a scope: the kind is not served, or reading it is not allowed."""
        return any(isinstance(error, NotFound | Forbidden | Unauthorized) for error in self.failing().values())

    def failing(self) -> Mapping[str, Exception]:
        """The last failure of each scope since its last success; scopes that work are left out."""
        return {scope: r.last_error for scope, r in self._reflectors.items() if r.last_error is not None}

    async def wait_synced(self, *, unless: Callable[[], bool] | None = None) -> None:
        """
        Return once `has_synced`, or once `unless` is true; it is called after each failed list.

        Errors  NotSynced where the informer ends before.
        """
        await self._waiters.until(lambda: self.has_synced() or (unless is not None and unless()))

    def lag(self) -> str:
        """Describe the scopes that were not listed yet, with the state and the last error of each."""
        lines = []
        for scope, reflector in self._reflectors.items():
            if not reflector.synced.is_set():
                state, error = str(reflector.state), reflector.last_error
                cause = f"{Failure.of(error).cause.value}, {state}" if error is not None else state
                where = f"{self.name}@{scope}" if scope else self.name
                lines.append(f"{where}: {error or 'no answer yet'} ({cause})")
        return "; ".join(lines)

    @property
    def indexes(self) -> frozenset[str]:
        """The names of the indexes that were added."""
        return self._store.indexes

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add an index: `function` returns the values under which a Record is found."""
        self._store.add_index(name, function)

    def add_handler(
        self, handler: Handler[T], *, name: str = "", delivery: Delivery = Delivery.EVERY, resync_s: float = 0.0
    ) -> Registration[T]:
        """
        Call `handler` with every change from now on, after one `added` for each object already here.

        Shape   It is called in the informer's own context: context variables of whoever adds it are not seen.
        Units   `resync_s` (at least 1): about so often it is called with every object as it is; 0 is never.
        Errors  RuntimeError once the informer has ended; ValueError for another `resync_s`.
        """
        if self._state == "ended":
            raise RuntimeError(f"add a handler to informer {self.name}: it has ended; add it to one that runs")
        name = name or getattr(handler, "__qualname__", "handler")
        registration = Registration(handler, name=name, delivery=delivery, on_remove=self._forget, turn=self._turn)
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
        """List and watch until cancelled. RuntimeError for a second run."""
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
            self._waiters.end(f"wait for informer {self.name}: it has ended; ask one that runs")
            for registration in tuple(self._registrations):
                if dropped := self.remove_handler(registration):
                    self._log.info("changes_dropped", informer=self.name, handler=registration.name, changes=dropped)

    # Read your own writes.

    async def reached(self, version: str, *, namespace: str = "", timeout_s: float | None = None) -> None:
        """
        Return once the cache has reached a resourceVersion: that of a write, of a list, of any object.

            made = await client.create(CONFIG_MAPS, body)
            await informer.reached(made.metadata.resource_version, namespace="demo", timeout_s=5)

        Shape   `namespace` is the write's: it selects the scope where there are several. The version of a quiet kind
                may be reached with the server's next bookmark only; for one object, `shown` returns sooner. If the
                server is restored from a backup meanwhile, it returns once the newest state is here: no server has the
                version any more.
        Errors  NotSynced after the timeout or at the informer's end, with the reason if one is known.
        """
        await self._until(lambda: self._is_at(version, namespace), f"version {version}", timeout_s)

    async def shown(self, write: Write, *, timeout_s: float | None = None) -> None:
        """Return once `shows(write)`; errors as `reached`."""
        await self._until(lambda: self.shows(write), str(write), timeout_s)

    def shows(self, write: Write) -> bool:
        """
        Whether the cache shows a write, or anything newer; True also for writes that this informer will never see.

        A written object is shown once it has the write's version or a newer one, is gone, or is another of the same
        name; a deletion once the object is gone, is being deleted, or is another. For an object that is not here the
        version of the cache decides.
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
        """Describe what is not done yet; empty when the informer and its handlers are idle."""
        found: tuple[str, ...] = ()
        if not self._initial_ended and self._state == "running" and not self.has_synced():
            found = (f"informer:{self.name} not synced",)
        for each in self._registrations:
            if each.pending:
                found = (*found, f"handler:{each.name} has {each.depth} changes to see")
        return found

    def statistics(self) -> InformerStatistics:
        """The statistics at this moment."""
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

    # The StoreWriter of the reflectors. State changes here, between two awaits, and nowhere else.

    def known(self, record: Record[T]) -> Record[T]:
        """The stored record of this very state of an object, or else this one."""
        return self._store.known(record)

    def find(self, key: ObjectKey) -> Record[T] | None:
        """The stored record of an object, if there is one."""
        return self._store.get(key)

    def holds(self, record: Record[T]) -> bool:
        """Whether this very state of an object is stored."""
        return self._store.holds(record)

    def first(self, count: int, *, scope: str) -> Sequence[Record[T]]:
        """The first records of a scope."""
        return self._store.records(self._store.keys(scope)[:count])

    def replace(self, snapshot: Snapshot[T], *, cause: Cause, scope: str) -> None:
        """Hold exactly this snapshot in a scope, and publish the changes."""
        self._rewritten += cause is Cause.REWRITTEN
        self._publish(self._store.replace(snapshot, cause=cause, scope=scope))
        if scope in self._skipped:
            self._skipped.discard(scope)
            self._log.info("namespace_readable", informer=self.name, namespace=scope, objects=len(snapshot.records))
        self._look_for_sync(listed=scope)
        # on the next turn, when the reflector has said that it has synced
        asyncio.get_running_loop().call_soon(self._waiters.check_soon)

    def apply(self, events: Sequence[Applied[T] | Deleted[T]]) -> None:
        """Carry out changes in order, and publish them."""
        self._publish([change for event in events if (change := self._store.apply(event)) is not None])
        self._waiters.check_soon()

    def advance(self, version: str, *, scope: str) -> None:
        """Note that a scope has reached a version."""
        self._waiters.check_soon()

    def list_failed(self, error: Exception, *, scope: str) -> None:
        """Skip a scope that may not be read, if ForbiddenNamespaces.SKIP was asked for."""
        skips = self._skips and len(self._reflectors) > 1 and isinstance(error, Forbidden)
        if skips and scope not in self._skipped and not self._reflectors[scope].synced.is_set():
            self._skipped.add(scope)
            self._log.warning("namespace_skipped", informer=self.name, namespace=scope, error=str(error))
            self._look_for_sync()
        self._waiters.check_soon()

    def _have_synced(self, *, listed: str | None = None) -> bool:
        """Whether all scopes were listed or are skipped, and one was listed; `listed` says of one that it is now."""
        synced = {scope for scope, r in self._reflectors.items() if scope == listed or r.synced.is_set()}
        return bool(synced) and synced | self._skipped >= self._reflectors.keys()

    def _look_for_sync(self, *, listed: str | None = None) -> None:
        """Once all scopes are listed, mark what the handlers got so far as the first list."""
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
            now = self._turn.clock()
            for registration in self._registrations:
                registration.publish(changes, now)

    def _forget(self, registration: Registration[T]) -> None:
        self._registrations.remove(registration)
        resync = self._resyncs.pop(registration, None)
        if resync is not None:
            resync.stop()

    def _mirrors(self, write: Write) -> bool:
        """Whether the write was to a collection that this informer watches."""
        if write.resource.identity != self.resource.identity:
            return False
        if write.server is not None:
            for source in self.sources.values():
                if getattr(source, "server", None) in (None, write.server):
                    break
            else:
                return False
        if "" in self._reflectors and not self._skipped:
            return True
        return bool(self._scopes_of(write.key.namespace))

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
                await self._waiters.until(lambda: self._rewritten != rewritten or condition())
        except TimeoutError:
            at = ", ".join(self.versions.values())
            why = f" [{self.last_error}]" if self.last_error is not None else ""
            raise NotSynced(
                f"wait for {what}: informer {self.name} is at version {at or 'none'} after {timeout_s:g} s; "
                f"see whether the server tells it anything{why}"
            ) from None


def _oldest(ages: Sequence[float | None]) -> float | None:
    """The age of the last event of the scope that has waited longest; None where one has had none."""
    known = [age for age in ages if age is not None]
    return max(known, default=None) if len(known) == len(ages) else None


def _in_order(version: str) -> tuple[int, str]:
    return (len(version), version)


class ConditionWaiters:
    """
    Lets callers wait for conditions, which are checked each time the cache changes, not on a timer.

    Cost    Nothing while nobody waits; else each condition once a turn of the loop in which something came.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._scheduled = False
        self._ended = ""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; NotSynced where the informer ends before."""
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

    def check_soon(self) -> None:
        """Check the conditions on the loop's next turn, when all that came is in its place."""
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._look)

    def end(self, why: str) -> None:
        """Fail all who wait, now and later."""
        self._ended = why
        for future in self._waiting:
            if not future.done():
                future.set_exception(NotSynced(why))

    def _look(self) -> None:
        self._scheduled = False
        for future, condition in self._waiting.items():
            if not future.done() and condition():
                future.set_result(None)
