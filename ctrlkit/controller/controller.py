"""
Workers around one reconciler: take a key, reconcile it, judge the end, say when it comes again.

In       Changes of the watched informers, mapped to keys.
Out      Calls of the reconciler, one at a time for each key, and one log line for each.
Owns     The work queue, its workers, and its handlers at the informers.

C-a  No worker starts before every watched informer, and this controller's handlers there, have seen the first list.
C-b  stop() ends the intake; reconciles that run go on, undisturbed, and run() returns when the last has ended.
C-c  A failed reconcile costs its key a delay and nobody else anything.
C-d  A reconcile reads what the last one of its key wrote, or began late and said so (gate.py).

Rows K1, K4 to K11, K13, K16; B2, B11. What an end means is decided in verdict.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from structlog.contextvars import bound_contextvars

from ctrlkit import workqueue
from ctrlkit.cache import Change, Registration
from ctrlkit.client import noting_writes
from ctrlkit.clock import monotonic, random_source
from ctrlkit.controller.gate import GateStatistics, WriteGate
from ctrlkit.controller.handlers import Watch, connect
from ctrlkit.controller.observer import OBSERVER, Causes, Observer, Run
from ctrlkit.controller.request import Reconcile, Request
from ctrlkit.controller.verdict import Result, Verdict, describe, judge_error, judge_outcome
from ctrlkit.model import ObjectKey, Record, Write
from ctrlkit.telemetry import logger
from ctrlkit.workqueue import QueueClosed, WorkQueue


class _State(Enum):
    NEW = "new"
    SYNCING = "syncing"
    WORKING = "working"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerStatistics:
    """
    A picture of one controller.

    `results` counts reconciles by their end; `unforeseen` those of them that raised what is no CtrlkitError (K13);
    `mapping_failures` the states of objects for which a mapper raised.
    """

    results: Mapping[Result, int]
    unforeseen: int
    mapping_failures: int
    queue: workqueue.Statistics
    gate: GateStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A key that failed and is owed a retry: `failures` in a row so far, and when it comes due on the loop's clock."""

    key: ObjectKey
    failures: int
    due_at: float


class Controller:
    """
    Keeps the objects of one kind as they should be.

        async def reconcile(request: Request) -> Outcome:
            network = networks.lister.find(request.key)
            return DONE if network is None else await make_it_so(network)

        manager.add(Controller(name="networks", reconcile=reconcile, watches=[Watch(networks, to_self)]))

    Shape   `workers` is how many keys are reconciled at a time; of one key there is one reconcile at a time. `watches`
            share informers with other controllers.
    Errors  ValueError for no watch or fewer than one worker; RuntimeError from a second run (K4).
    Owner   The manager starts and stops it. A Controller runs once.
    """

    def __init__(self, *, name: str, reconcile: Reconcile, watches: Sequence[Watch[Any]], workers: int = 1) -> None:
        if not watches:
            raise ValueError(f"Controller {name}: watches is empty; give it at least one Watch")
        if workers < 1:
            raise ValueError(f"Controller {name}: workers must be at least 1, got {workers}")
        self.name = name
        self.watches = tuple(watches)
        self._reconcile = reconcile
        self._workers = workers
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        self._state = _State.NEW
        self._was_run = False
        self._opening: asyncio.Task[None] | None = None
        self._writes = WriteGate((watch.informer for watch in watches), controller=name)
        self._held: dict[ObjectKey, asyncio.Task[None]] = {}
        self._running: dict[ObjectKey, float] = {}
        self._results: Counter[Result] = Counter()
        self._unforeseen = 0
        self._mapping_failures = 0
        self._observer: Observer | None = None
        self._causes = Causes()
        self._log = logger("controller", controller=name)

    async def run(self) -> None:
        """
        Wait for the caches, then work until stop(). Cancelling cuts off what runs, and still awaits its end.

        Errors  RuntimeError for a second run (K4).
        """
        if self._was_run:
            raise RuntimeError(f"run controller {self.name}: it was run before; make a new one")
        self._was_run = True
        if self._state is _State.ENDED:
            return
        self._state = _State.SYNCING
        self._observer = OBSERVER.get()
        registrations: list[Registration[Any]] = []
        try:
            registrations.extend(self._connect(watch) for watch in self.watches)
            async with asyncio.TaskGroup() as tasks:
                self._opening = tasks.create_task(self._open(tasks, registrations), name=f"{self.name}:opening")
        finally:
            self.stop()
            for watch, registration in zip(self.watches, registrations, strict=False):
                watch.informer.remove_handler(registration)
            abandoned = self._queue.statistics().abandoned
            self._log.info("controller_stopped", abandoned=abandoned)

    def stop(self) -> None:
        """
        Start no more reconciles; run() returns when those that run have ended. May be called before it, and again.

        Keys that wait are dropped and counted: the next start sees their objects in its first list.
        """
        self._state = _State.ENDED
        self._queue.abandon()
        if self._opening is not None:
            self._opening.cancel()
        for key in tuple(self._held):
            self._release(key)

    def wake(self, key: ObjectKey) -> None:
        """Reconcile a key for a reason that no watch shows; ignored once stopped."""
        if self._observer is not None:
            self._causes.note(key, "woken")
        self._queue.add(key)

    @property
    def running(self) -> tuple[ObjectKey, ...]:
        """The keys being reconciled now, the one that began first in front."""
        return tuple(self._running)

    def busy(self) -> tuple[str, ...]:
        """What is not done yet, in words: running and ready keys, owed retries. A pending RequeueAfter is idle."""
        waiting = [f"controller:{self.name} waits for its caches"] if self._state is _State.SYNCING else []
        held = (f"{key} waits to see what it wrote" for key in self._held)
        return (*waiting, *(f"controller:{self.name} {report}" for report in (*self._queue.busy(), *held)))

    def retries(self) -> tuple[Retry, ...]:
        """The keys that are owed a retry."""
        due = self._queue.retries()
        return tuple(Retry(key=key, failures=self._queue.failures(key), due_at=at) for key, at in due.items())

    def statistics(self) -> ControllerStatistics:
        """A picture of now."""
        return ControllerStatistics(
            results={result: self._results[result] for result in Result},
            unforeseen=self._unforeseen,
            mapping_failures=self._mapping_failures,
            queue=self._queue.statistics(),
            gate=self._writes.statistics(),
        )

    def _connect(self, watch: Watch[Any]) -> Registration[Any]:
        def mapping_failed(record: Record[Any], error: Exception) -> None:
            self._mapping_failures += 1
            self._log.error(
                "mapping_failed", resource=str(watch.informer.resource), key=str(record.key), exc_info=error
            )

        def noted(change: Change[Any], key: ObjectKey) -> None:
            self._causes.note_change(watch.informer.resource, change, key)

        return connect(
            watch,
            name=f"{self.name}:{watch.informer.name}",
            add=self._queue.add,
            failed=mapping_failed,
            noted=noted if self._observer is not None else None,
        )

    async def _open(self, tasks: asyncio.TaskGroup, registrations: Sequence[Registration[Any]]) -> None:
        """Let the workers in once the first lists were handled (K5); stop() cancels this wait."""
        for registration in registrations:
            await registration.wait_synced()
        self._state = _State.WORKING
        for number in range(self._workers):
            tasks.create_task(self._work(tasks), name=f"{self.name}:worker-{number}")
        self._log.info("controller_started", workers=self._workers)

    async def _work(self, tasks: asyncio.TaskGroup) -> None:
        """The worker loop. A reconcile that swallows its cancellation ends it all the same."""
        while not _is_cancelled():
            try:
                key = await self._queue.take()
            except QueueClosed:
                return
            try:
                if self._writes.is_open(key):
                    self._release(key)
                    await self._run_once(key)
                elif key not in self._held:
                    self._held[key] = tasks.create_task(self._hold(key), name=f"{self.name}:hold {key}")
            finally:
                self._queue.done(key)

    async def _hold(self, key: ObjectKey) -> None:
        """Keep a key from the workers until its own last writes can be read; it takes no worker's time (B1)."""
        await self._writes.opened(key)
        del self._held[key]
        self._queue.add(key)

    def _release(self, key: ObjectKey) -> None:
        """It runs now, whoever woke it: nobody has to wake it again."""
        hold = self._held.pop(key, None)
        if hold is not None:
            hold.cancel()

    async def _run_once(self, key: ObjectKey) -> None:
        request = Request(key, self._queue.failures(key) + 1)
        run_id = f"{random_source().getrandbits(32):08x}"
        names = {"key": str(key), "attempt": request.attempt, "id": run_id}
        run = Run(self.name, key, request.attempt, run_id, self._causes.take(key))
        began = self._running[key] = monotonic()
        verdict: Verdict | None = None
        if self._observer is not None:
            self._observer.reconcile_began(run)
        writes: list[Write] = []
        try:
            with bound_contextvars(controller=self.name, **names), noting_writes() as writes:
                verdict = await self._judged(request)
        except asyncio.CancelledError:
            self._log.warning("reconcile_cancelled", **names, took_ms=_ms_since(began))
            raise
        finally:
            del self._running[key]
            self._writes.wrote(key, writes)
            if self._observer is not None:
                self._observer.reconcile_ended(run, verdict)
        self._carry_out(key, verdict)
        self._tell(verdict, **names, took_ms=_ms_since(began))

    async def _judged(self, request: Request) -> Verdict:
        try:
            return judge_outcome(await self._reconcile(request))
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            return judge_error(error)  # the reconcile awaited something that was cancelled: a failure like any other
        except Exception as error:  # noqa: BLE001 - the worker loop outlives every reconcile
            return judge_error(error)

    def _carry_out(self, key: ObjectKey, verdict: Verdict) -> None:
        self._results[verdict.result] += 1
        self._unforeseen += not verdict.foreseen
        match verdict.result:
            case Result.DONE:
                self._queue.forget(key)
            case Result.REQUEUE_AFTER:
                self._queue.forget(key)
                self._queue.add_after(key, verdict.delay_s)
            case Result.CONFLICT | Result.ERROR:
                self._queue.add_rate_limited(key)
            case Result.TERMINAL_ERROR:
                pass

    def _tell(self, verdict: Verdict, **values: Any) -> None:
        """The one line for each reconcile: a foreseen failure is a warning, an unforeseen one has a traceback."""
        values["outcome"] = verdict.result.value
        if verdict.result is Result.REQUEUE_AFTER:
            values["next_s"] = verdict.delay_s
        if verdict.error is None or verdict.result is Result.CONFLICT:
            self._log.info("reconciled", **values)
        elif verdict.foreseen:
            self._log.warning("reconciled", **values, error=describe(verdict.error))
        else:
            self._log.error("reconciled", **values, error=describe(verdict.error), exc_info=verdict.error)


def _is_cancelled() -> bool:
    """Whether somebody asked the running task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _ms_since(began: float) -> float:
    return round((monotonic() - began) * 1000, 1)
