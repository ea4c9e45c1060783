"""
One controller's lifetime: its sources, its queue, its workers, and the keys it may work on.

In       Keys, from sources.
Out      Calls of the reconciler, one at a time for each key, and one log line for each.
Owns     The work queue, the tasks of its sources and workers, and its handlers at the informers.

C-a  No worker starts before every source has handed over what was there at the beginning, and `may_work` is set. Until
     then a controller that waits for it keeps no keys; what its sources know by then is queued (sources/source.py).
C-b  After stop() no key is taken in; reconciles that run go on, undisturbed, and run() returns when the last has ended.
C-c  A failed reconcile costs its key a delay and nobody else anything.
C-d  A reconcile reads what the last one of its key wrote, or began late, which is logged (writes.py).
C-e  A key that is not owned (restrict) is not started.

Rows K1 to K6, K15, K17; B2, B12, B32. What a worker does is in worker.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from itertools import chain, islice
from typing import Any, Final

from ctrlkit.controller.causes import CauseKind, Causes
from ctrlkit.controller.history import Alike, FailingKey, PastRun, Streak
from ctrlkit.controller.keys import Keys, KeyState, WaitingKey
from ctrlkit.controller.observer import OBSERVER, with_tracing
from ctrlkit.controller.reconcile import Reconcile, Result, refuse_sync
from ctrlkit.controller.retries import PendingRetries, Retry
from ctrlkit.controller.runs import ControllerStatistics
from ctrlkit.controller.sources.active import ActiveSources
from ctrlkit.controller.sources.source import Enqueuer, Source
from ctrlkit.controller.sources.watch import Watch, to_self
from ctrlkit.controller.worker import Workers
from ctrlkit.controller.writes import OwnerChecks, WriteGate
from ctrlkit.errors import NotSynced
from ctrlkit.model import ObjectKey, Record
from ctrlkit.telemetry import logger
from ctrlkit.workqueue import NORMAL, WorkQueue

SLICE: Final = 1000
"""Keys of a handover that are looked at in one turn of the loop."""


class Replicas(Enum):
    """Which replicas of a program run a controller: the leader, or all of them."""

    LEADER = "leader"
    ALL = "all"


class _State(Enum):
    NEW = "new"
    SYNCING = "syncing"
    WAITING = "waiting"
    WORKING = "working"
    ENDED = "ended"


class Controller:
    """
    Calls a reconciler with the keys that its sources find, one call at a time for each key.

        async def reconcile(request: Request) -> Outcome:
            network = networks.lister.find(request.key)
            return DONE if network is None else await make_it_so(network)

        manager.add(Controller(name="networks", reconcile=reconcile, watches=[Watch(networks, to_self)]))

    Shape   `workers` is how many keys are reconciled at a time; of one key there is one reconcile at a time. `watches`
            share informers with other controllers. `queue` may be given for a limiter or flows of one's own; it is then
            this controller's alone, and measured. `replicas` says who works where a program runs more than once.
    Units   `timeout_s` bounds each reconcile: one that takes longer is cut off and counts as failed.
    Errors  ValueError for no name, no watch, fewer than one worker, a time limit that is none, a source that is given
            twice, or another controller's queue; TypeError for a reconciler that is no async function; RuntimeError
            from a second run.
    Owner   The manager starts and stops it. A Controller runs once.
    """

    def __init__(
        self,
        *,
        name: str,
        reconcile: Reconcile,
        watches: Sequence[Source],
        workers: int = 1,
        queue: WorkQueue[ObjectKey] | None = None,
        timeout_s: float | None = None,
        replicas: Replicas = Replicas.LEADER,
    ) -> None:
        if not name:
            raise ValueError("Controller: name is empty; give it one for its log lines and metrics")
        if not watches:
            raise ValueError(f"Controller {name}: watches is empty; give it at least one Watch")
        if workers < 1:
            raise ValueError(f"Controller {name}: workers must be at least 1, got {workers}")
        if timeout_s is not None and not timeout_s > 0:
            raise ValueError(f"Controller {name}: timeout_s must be more than 0, or None for no limit; got {timeout_s}")
        refuse_sync(reconcile, f"Controller {name}")
        _refuse_twice(watches, f"Controller {name}")
        self.name = name
        """Its name in log lines, metrics and on the debug page."""
        self.watches: tuple[Source, ...] = tuple(watches)
        """The sources it began with."""
        self.workers = workers
        """How many keys are reconciled at a time."""
        self.replicas = replicas
        """Who runs it where a program has several replicas."""
        self.queue: WorkQueue[ObjectKey] = WorkQueue() if queue is None else queue
        """What waits to be reconciled."""
        self.queue.claim(f"Controller {name}")
        self.queue.measure()
        self._retries = PendingRetries(self.queue)
        self._enqueuer = Enqueuer(name, self.queue, Causes(), self._retries)
        self._gate = WriteGate(controller=name)
        owner_checks = OwnerChecks(controller=name)
        self._main = next((each for each in watches if isinstance(each, Watch) and each.mapper is to_self), None)
        self._workers = Workers(
            self._enqueuer,
            reconcile=reconcile,
            gate=self._gate,
            owner_checks=owner_checks,
            timeout_s=timeout_s,
            record_of=self._record_of,
            end_with=self._end_with,
        )
        self._keys = Keys(self._enqueuer, self._workers)
        self._state = _State.NEW
        self._was_run = False
        self._opening: asyncio.Task[None] | None = None
        self._has_synced = False
        self._synced_or_ended = asyncio.Event()
        self._stopped = asyncio.Event()
        self._failure: Exception | None = None
        self._log = logger("controller", controller=name)
        self._sources = ActiveSources(self._enqueuer, self._gate, owner_checks, on_failure=self._end_with)
        for source in watches:
            self._sources.add(source)

    async def run(self, *, may_work: asyncio.Event | None = None) -> None:
        """
        Wait for the sources and for `may_work` (None: for nothing), then reconcile until stop().

        While it waits for `may_work` its sources run, and their keys are dropped; then all keys that they know are
        enqueued with LOW priority. Cancelling cancels the running reconciles, and still awaits their end.

        Errors  RuntimeError for a second run. What a source raised, and ReconcilerExit, once the reconciles that
                ran have ended.
        """
        if self._was_run:
            raise RuntimeError(f"run controller {self.name}: it was run before; make a new one")
        self._was_run = True
        if self._state is _State.ENDED:
            return
        self._state = _State.SYNCING
        self._enqueuer.is_open = may_work is None or may_work.is_set()
        self._enqueuer.causes.start()
        self._workers.observer = with_tracing(OBSERVER.get())
        self._workers.owner = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    self._sources.start(tasks)
                    self._opening = tasks.create_task(self._open(tasks, may_work), name=f"{self.name}:opening")
                    await self._stopped.wait()
                finally:
                    self.stop()  # before the group waits: who is cut off takes in nothing more
        finally:
            self._workers.running.close()
            self._enqueuer.causes.clear()
            self._log.info("controller_stopped", abandoned=self.queue.abandoned)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """
        Start no more reconciles; run() returns when those that run have ended. May be called before it, and again.

        Keys that wait are dropped and counted: the next start sees their objects in its first list.
        """
        if self._state is not _State.ENDED:
            self._state = _State.ENDED
            self._stopped.set()
            self._synced_or_ended.set()
            self._workers.stop()
            self.queue.abandon()
            self._retries.close()
            if self._opening is not None:
                self._opening.cancel()
            self._sources.stop()
        for key in tuple(self._workers.held):
            self._workers.release(key)

    def wake(self, key: ObjectKey) -> None:
        """
        Reconcile a key for a reason that no source shows; ignored once stopped.

        One that is not this replica's to reconcile now is kept in case it comes to it.
        """
        if self._state is not _State.ENDED:
            self._enqueuer.keep(key, CauseKind.WOKEN, "woken", NORMAL)

    @asynccontextmanager
    async def watching(self, source: Source) -> AsyncIterator[None]:
        """
        Add a source for the length of a block; it starts at once, or with the controller.

            async with manager.borrow_informer(SECRETS) as secrets, controller.watching(Watch(secrets, to_self)):
                ...

        The keys it added stay in the queue. RuntimeError once the controller has stopped.
        """
        if self._state is _State.ENDED:
            raise RuntimeError(f"watch {source.name} for controller {self.name}: it has stopped; make a new one")
        active = self._sources.add(source)
        try:
            yield
        finally:
            await self._sources.remove(active)

    def has_synced(self) -> bool:
        """Whether every source it began with has handed over what was there at the beginning."""
        return self._has_synced

    async def wait_synced(self) -> None:
        """Return once `has_synced`; NotSynced where the controller stops before."""
        await self._synced_or_ended.wait()
        if not self._has_synced:
            raise NotSynced(f"wait for controller {self.name}: it has stopped; ask one that runs")

    # Which keys are this replica's. Who shares the keys out calls these; see ctrlkit.election.

    def restrict(self, owns: Callable[[ObjectKey], bool]) -> None:
        """Reconcile only keys for which `owns` is true; it is asked each time, as the answer may change."""
        self._enqueuer.owns = owns

    def enqueue_known(self, where: Callable[[ObjectKey], bool]) -> None:
        """
        Enqueue, with LOW priority, the keys that pass `where` and that the sources know of, such as those in caches.

        Keys of objects that are gone, and that no other object leads to, are not among them, as after a restart. It
        starts here and goes on a slice at a time. Before the run it does nothing: first lists bring all keys.
        """
        self._sources.replay(where)

    async def quiesce(self, where: Callable[[ObjectKey], bool]) -> None:
        """Return once no key that passes `where` is being reconciled; drop the retries of those not owned."""
        await self._drop_foreign(where)
        await self._workers.running.quiet(where)

    def cut_off(self, where: Callable[[ObjectKey], bool]) -> None:
        """
        Cancel the running reconciles of keys that pass `where`; each is counted and logged.

        It only looks at what runs; retries of these keys are dropped by `quiesce`.
        """
        self._workers.running.cut_off(where)

    # What it does now.

    @property
    def running(self) -> tuple[ObjectKey, ...]:
        """The keys being reconciled now, the one that began first in front."""
        return self._workers.running.keys()

    def busy(self) -> tuple[str, ...]:
        """
        Describe what is not done yet: running and ready keys, pending retries.

        A pending RequeueAfter is idle, and so is a controller that may not work yet.
        """
        match self._state:
            case _State.SYNCING:
                return (f"controller:{self.name} waits for its caches",)
            case _State.WAITING:
                return ()
        held = [f"{key} waits to see what it wrote" for key in self._workers.held] if self._workers.held else ()
        retries = self._retries.busy() if self._retries.waiting else ()
        reports = (*self.queue.busy(), *retries, *held, *self._sources.busy())
        return tuple([f"controller:{self.name} {report}" for report in reports]) if reports else ()

    def retries(self, *, first: int | None = None) -> tuple[Retry, ...]:
        """The keys that wait for a retry; with `first` only so many, those that come due next, in order."""
        return self._retries.pending(first)

    def failing(
        self, *, first: int | None = None, where: Callable[[ObjectKey], bool] | None = None
    ) -> tuple[FailingKey, ...]:
        """The keys whose last run failed, those that have failed longest in front; with `first` only so many."""
        return self._keys.failing(first, where)

    def waiting(
        self, *, first: int | None = None, where: Callable[[ObjectKey], bool] | None = None
    ) -> tuple[WaitingKey, ...]:
        """
        The keys that are to run later and do not fail, and why; with `first` only so many.

        Shape   Those that wait for something else, the longest in front, and then those that come due next.
        """
        return self._keys.waiting(first, where)

    def delayed(self) -> int:
        """How many keys are to run later and do not fail."""
        return self._keys.delayed()

    def waits(self) -> list[tuple[ObjectKey, Streak]]:
        """The keys that wait for something else, those that have waited longest in front."""
        return self._workers.history.waits()

    def ready(
        self, *, first: int | None = None, where: Callable[[ObjectKey], bool] | None = None
    ) -> list[tuple[ObjectKey, float]]:
        """
        The keys that wait for a free worker, and since when on the loop's clock, those that have waited longest in
        front; with `first` only so many.
        """
        return self.queue.next_ready(first, where)

    def alike(self, *, where: Callable[[ObjectKey], bool] | None = None) -> list[Alike]:
        """The failures that several keys have in common, those of most keys in front."""
        return self._workers.history.alike(where)

    def waits_at(self, key: ObjectKey) -> str:
        """Which line of own code a reconcile that runs waits at, as `sites.py:64 in sites`; empty if not known."""
        return self._workers.running.place(key)

    def history(self, key: ObjectKey) -> tuple[PastRun, ...]:
        """The last runs of a key, as far as they are kept, the latest in front."""
        return self._workers.history.runs(key)

    def latest(self, where: Callable[[ObjectKey], bool]) -> list[tuple[ObjectKey, PastRun]]:
        """The last run of each key that is remembered and passes `where`, the latest in front."""
        return self._workers.history.latest(where)

    def key_state(self, key: ObjectKey) -> KeyState:
        """What is known of a key at this moment."""
        return self._keys.state(key)

    def statistics(self) -> ControllerStatistics:
        """The statistics at this moment."""
        counters, running, history = self._workers.counters, self._workers.running, self._workers.history
        return ControllerStatistics(
            results={result: counters.results[result] for result in Result},
            took=counters.took.statistics(),
            unforeseen=counters.unforeseen,
            timeouts=counters.timeouts,
            cancelled=counters.cancelled,
            causes={kind: counters.causes[kind] for kind in CauseKind},
            source_failures=self._enqueuer.failures,
            failures=history.failures(),
            waiting=history.waiting(),
            running=running.runs(),
            stuck=running.stuck(),
            workers=self.workers,
            queue=self.queue.statistics(),
            gate=self._gate.statistics(),
        )

    async def _open(self, tasks: asyncio.TaskGroup, may_work: asyncio.Event | None) -> None:
        """Let the workers in once all sources have synced, and they may work; stop() cancels this wait."""
        await self._sources.wait_synced()
        self._has_synced = True
        self._synced_or_ended.set()
        if may_work is not None and not may_work.is_set():
            self._state = _State.WAITING
            await may_work.wait()
        self._state = _State.WORKING
        if not self._enqueuer.is_open:
            self._enqueuer.is_open = True
            self._sources.replay(lambda _key: True)
        for number in range(self.workers):
            tasks.create_task(self._workers.work(tasks), name=f"{self.name}:worker-{number}")
        self._log.info("controller_started", workers=self.workers)

    def _end_with(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self.stop()

    async def _drop_foreign(self, where: Callable[[ObjectKey], bool]) -> None:
        """Drop what is pending for keys of these that are not this replica's, a slice at a time."""
        keys = chain(self._enqueuer.causes.keys(), self._workers.history.failed())
        while part := list(islice(keys, SLICE)):
            for key in part:
                if where(key) and not self._enqueuer.owned(key):
                    self._workers.drop(key)
            await asyncio.sleep(0)

    def _record_of(self, key: ObjectKey) -> Record[Any] | None:
        """The object that the cache has, where its own kind is watched."""
        return None if self._main is None else self._main.informer.lister.find_record(key)


def _refuse_twice(sources: Sequence[Source], who: str) -> None:
    """Two that see the same changes and lead to the same keys do twice what one does."""
    seen: list[object] = []
    for source in sources:
        what: object = (source.informer, source.mapper, source.predicate) if isinstance(source, Watch) else source
        if what in seen:
            raise ValueError(f"{who}: watches has {source.name} twice; give it each source once")
        seen.append(what)
