"""
Take a key, reconcile it, judge the end, say when it comes again, and write one line about it.

In       Keys of the work queue.
Out      Calls of the reconciler, one at a time for each key.
Owns     The table of what runs, pending retries, and the keys that wait to see their own writes.

Rows K7 to K14, K16; B1, B2, B11, B32. What an ending means is decided in reconcile.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from inspect import isawaitable
from typing import Any, Final

from structlog.contextvars import bind_contextvars

from ctrlkit.client import noting_writes
from ctrlkit.clock import monotonic, random_source, reader
from ctrlkit.controller.causes import CauseKind
from ctrlkit.controller.history import History
from ctrlkit.controller.observer import Observer, Run
from ctrlkit.controller.reconcile import (
    Reconcile,
    ReconcileTimeout,
    Request,
    Result,
    Verdict,
    exit_asked,
    judge_error,
    judge_outcome,
    name_of,
    waiting_of,
)
from ctrlkit.controller.runs import ReconcileCounters, Running, RunningKeys
from ctrlkit.controller.sources.source import Enqueuer
from ctrlkit.controller.writes import SEEN_WITHIN_S, OwnerChecks, WriteGate
from ctrlkit.errors import DecodeError
from ctrlkit.failures import FailureLog, describe, note_unforeseen, without_numbers
from ctrlkit.model import ObjectKey, Record, Write
from ctrlkit.telemetry import LogLevel, logger
from ctrlkit.workqueue import LOW, QueueClosed

STUCK_AFTER_S: Final = 60.0
"""A reconcile that runs longer than this, or than twice its time limit where that is more, is logged as stuck."""
WRITES_MAX: Final = 8
"""Writes that the line of a reconcile names; of the rest their number."""


class Workers:
    """
    What the workers of one controller share.

    Units   `timeout_s` bounds each reconcile; None does not.
    Owner   The controller runs work() as often as it has workers, in a group of tasks that holds may join. `owner` is
            the task of that group: workers are cancelled with it.
    """

    def __init__(
        self,
        enqueuer: Enqueuer,
        *,
        reconcile: Reconcile,
        gate: WriteGate,
        owner_checks: OwnerChecks,
        timeout_s: float | None,
        record_of: Callable[[ObjectKey], Record[Any] | None],
        end_with: Callable[[Exception], None],
    ) -> None:
        self.counters: ReconcileCounters = ReconcileCounters()
        self.history: History = History()
        self.running: RunningKeys = RunningKeys(
            stuck_after_s=max(STUCK_AFTER_S, 2 * (timeout_s or 0.0)), on_stuck=self._log_stuck
        )
        self.observer: Observer | None = None
        self.held: dict[ObjectKey, asyncio.Task[None]] = {}
        self.owner: asyncio.Task[Any] | None = None
        self._enqueuer = enqueuer
        self._queue, self._causes, self._retries = enqueuer.queue, enqueuer.causes, enqueuer.retries
        self._name = enqueuer.controller
        self._reconcile = reconcile
        self._gate = gate
        self._owner_checks = owner_checks
        self._timeout_s = timeout_s
        self._record_of = record_of
        self._end_with = end_with
        self._stopped = False
        self._ill: set[ObjectKey] = set()  # failed, or put off, since they went well
        self._clock, self._chance = monotonic, random_source()
        self._log = logger("controller", controller=enqueuer.controller)
        self._failures = FailureLog(self._log)

    async def work(self, tasks: asyncio.TaskGroup) -> None:
        """
        The loop of one worker. Each reconcile has a task of its own, with a copy of the worker's context.

        So nothing that a reconcile leaves in its task reaches another one: context variables that it set, or a
        cancellation that it asked for and did not wait for. One that swallows its cancellation ends the worker all the
        same.
        """
        worker = asyncio.current_task()
        self._clock, self._chance = reader(), random_source()
        while worker is None or not worker.cancelling():
            try:
                key = await self._queue.take()
            except QueueClosed:
                return
            try:
                if self._may_run(key, tasks):
                    await asyncio.create_task(self._run(self._begin(key)), name=f"{self._name}:{key}")
            except asyncio.CancelledError:
                if worker is None or worker.cancelling():
                    raise
            finally:
                self._queue.done(key)

    def stop(self) -> None:
        """Begin with no key any more; one that was taken just now counts as abandoned, as those do that wait."""
        self._stopped = True

    def _may_run(self, key: ObjectKey, tasks: asyncio.TaskGroup) -> bool:
        if not self._enqueuer.owned(key):
            self._pass_over(key)
        elif self._gate.is_open(key):
            self.release(key)
            return True
        else:
            self._queue.add_after(key, 2 * SEEN_WITHIN_S)  # so it keeps its priority until the hold ends
            if key not in self.held:
                self.held[key] = tasks.create_task(self._hold(key), name=f"{self._name}:hold {key}")
        return False

    async def _run(self, run: Run) -> None:
        """Reconcile, unless the key may not run any more after the turn of the loop that it took to get here."""
        if self._stopped:
            self._queue.add_rate_limited(run.key)  # it is closed, and counts what it does not take
        elif not self._enqueuer.owned(run.key):
            self._pass_over(run.key)
        else:
            await self._run_once(run)

    def _pass_over(self, key: ObjectKey) -> None:
        """Drop a key that is another replica's by now, with what led to it."""
        self._causes.drop(key)
        self.drop(key)

    def drop(self, key: ObjectKey) -> None:
        """Drop what is pending for a key; one that is ready is passed over, with its causes, when it is taken."""
        self.release(key)
        self._retries.began(key)
        self._forget_failures(key)
        self.history.drop(key)
        if self._queue.cancel_after(key):
            self._causes.drop(key)

    def release(self, key: ObjectKey) -> None:
        """End the hold of a key: it runs now, or not at all."""
        if self.held and (hold := self.held.pop(key, None)) is not None:
            hold.cancel()

    async def _hold(self, key: ObjectKey) -> None:
        """Keep a key from the workers until its own last writes can be read; it takes no worker's time."""
        await self._gate.opened(key)
        del self.held[key]
        self._queue.add(key, priority=LOW)

    async def _run_once(self, run: Run) -> None:
        key = run.key
        request = Request(key, run.attempt, run.causes, run.id, run.merged, run.waited_s)
        running = self.running.begin(run, asyncio.timeout(self._timeout_s))
        record = self._record_of(key)
        seen = "" if record is None else record.version
        verdict: Verdict | None = None
        writes: list[Write] = []
        if self.observer is not None:
            self.observer.reconcile_began(run)
        names = {"controller": self._name, "key": str(key), "attempt": run.attempt, "id": run.id}
        outside = copy_context()  # the line about a reconcile says all that by itself, and nothing that it bound
        try:
            bind_contextvars(**names)
            with noting_writes(partial(self._owner_checks.look, key)) as writes:
                verdict = _given_up(await self._judged(request, running), record)
        finally:
            self.running.end(key)
            self._gate.wrote(key, writes)
            if self.observer is not None:
                self.observer.reconcile_ended(run, verdict)
            took_s = self._clock() - run.began_at
            if verdict is None:
                outside.run(self._note_cut_off, run, running.waiting, took_s, writes, seen)
        if verdict is not None:
            outside.run(self._end, run, verdict, took_s, writes, seen)

    def _end(self, run: Run, verdict: Verdict, took_s: float, writes: Sequence[Write], seen: str) -> None:
        """Count a reconcile, do as its verdict says, and tell of it."""
        self.counters.ended(verdict, took_s=took_s)
        outcome: dict[str, Any] = {"outcome": verdict.outcome}
        if verdict.error is not None:
            self._ill.add(run.key)
        message, names = verdict.message, _names(writes)
        owned = self._enqueuer.owned(run.key)
        next_s = self._carry_out(run.key, verdict, message) if owned else None
        if next_s is not None:
            outcome["next_s"] = round(next_s, 3)
        self.history.ended(run, verdict, message, took_s=took_s, writes=names, seen=seen, next_s=next_s)
        if not owned:
            self.drop(run.key)
        self._tell(run, verdict, message, _facts(run, took_s, outcome, names, seen))

    def _begin(self, key: ObjectKey) -> Run:
        now = self._clock()
        wanted = self._causes.take(key, now)
        for kind in wanted.kinds:
            self.counters.causes[kind] += 1
        self._retries.began(key)
        return Run(
            self._name,
            key,
            self._retries.attempt(key) if key in self._ill else 1,
            f"{self._chance.getrandbits(32):08x}",
            wanted.causes,
            wanted.merged,
            now - wanted.since,
            now,
        )

    async def _judged(self, request: Request, running: Running) -> Verdict | None:
        """How a reconcile ended; None if it was cut off."""
        try:
            async with running.limit:
                outcome = self._reconcile(request)
                if not isawaitable(outcome):
                    raise _not_async(self._reconcile, self._name, outcome)
                verdict = judge_outcome(await outcome)
        except asyncio.CancelledError as error:
            if self._is_cancelled():
                running.waiting = waiting_of(error)
                raise
            verdict = judge_error(error)  # it awaited something that was cancelled: a failure like any other
        except Exception as error:  # noqa: BLE001 - the worker loop outlives every reconcile
            if running.limit.expired():
                running.waiting = waiting_of(error)
                error = error if running.cut_off else self._timed_out(error, running.waiting)
            verdict = judge_error(error)
        except (SystemExit, KeyboardInterrupt) as error:  # raised here they would tear down the loop around everybody
            asked = exit_asked(error)
            self._end_with(asked)
            verdict = judge_error(asked)
        return None if running.was_cut_off else verdict

    def _is_cancelled(self) -> bool:
        """
        Whether the task that runs now is to end: all do, with their owner.

        One alone was cancelled by its reconcile, as by a time limit that does not take back what it asked for.
        """
        task = asyncio.current_task()
        cancelled = task is not None and bool(task.cancelling())
        return cancelled and (self.owner is None or bool(self.owner.cancelling()))

    def _timed_out(self, error: Exception, waiting: str) -> ReconcileTimeout:
        meanwhile = "" if isinstance(error, TimeoutError) else f" [{describe(error)}]"
        timeout = ReconcileTimeout(
            f"it had not ended after {self._timeout_s:g} s and was cut off{_while(waiting)}; make it shorter, or the "
            f"controller's timeout_s longer{meanwhile}"
        )
        timeout.__cause__ = error
        return timeout

    def _carry_out(self, key: ObjectKey, verdict: Verdict, message: str) -> float | None:
        """Do as the verdict says; in how many seconds the key comes again, if it does."""
        kind, next_s = CauseKind.RETRY, None
        match verdict.result:
            case Result.DONE:
                self._forget_failures(key)
            case Result.REQUEUE_AFTER:
                self._forget_failures(key)
                self._queue.add_after(key, verdict.delay_s)
                kind, next_s = CauseKind.REQUEUE, verdict.delay_s
            case Result.CONFLICT:
                next_s = self._retries.conflicted(key, message)
            case Result.RETRY_LATER:
                next_s = self._retries.postponed(key, verdict.delay_s, message)
            case Result.ERROR:
                next_s = self._retries.failed(key, message)
            case Result.TERMINAL_ERROR:
                pass
        if next_s is not None:
            self._causes.note_due(key, kind, self._clock() + next_s)
        return next_s

    def _forget_failures(self, key: ObjectKey) -> None:
        if key not in self._ill:
            return
        self._ill.discard(key)
        self._retries.forget(key)
        self._failures.forget(key)

    def _note_cut_off(self, run: Run, waiting: str, took_s: float, writes: Sequence[Write], seen: str) -> None:
        """It has no result. A key that is still this replica's own runs again: half of its work may be done."""
        names = _names(writes)
        self.counters.cancelled += 1
        self.history.ended(run, None, _while(waiting).strip(), took_s=took_s, writes=names, seen=seen)
        self._log.warning(
            "reconcile_cancelled", **_facts(run, took_s, {"waiting": waiting} if waiting else {}, names, seen)
        )
        self._retries.forget(run.key)
        if self._enqueuer.owned(run.key):
            self._causes.note(run.key, CauseKind.RETRY, "retry")
            self._queue.add_after(run.key, 0)

    def _tell(self, run: Run, verdict: Verdict, message: str, facts: dict[str, Any]) -> None:
        """
        The one line for each reconcile: a foreseen failure is a warning, an unforeseen one has a traceback.

        Of a key that fails, or waits, in the same way again and again, most lines are at level debug.
        """
        if verdict.error is None or verdict.result is Result.CONFLICT:
            self._log.info("reconciled", **facts)
        elif verdict.result is Result.RETRY_LATER:
            what = without_numbers(message)
            self._failures.say("reconciled", run.key, what=what, level=LogLevel.INFO, **facts, reason=message)
        else:
            where = f"reconcile of {self._name} {run.key}"
            if isinstance(verdict.error, DecodeError) and verdict.result is Result.TERMINAL_ERROR:
                note_unforeseen(verdict.error, where)  # nothing tries it again, so that a test would settle
            self._failures.tell("reconciled", verdict.error, about=run.key, where=where, **facts)

    def _log_stuck(self, run: Run) -> None:
        facts: dict[str, Any] = {"running_s": round(monotonic() - run.began_at, 1)}
        if place := self.running.place(run.key):
            facts["where"] = place
        self._log.warning(
            "reconcile_stuck", key=str(run.key), attempt=run.attempt, causes=run.causes, **facts, id=run.id
        )


def _while(waiting: str) -> str:
    return f" while it waited {waiting}" if waiting else ""


def _facts(run: Run, took_s: float, outcome: dict[str, Any], writes: list[str], seen: str) -> dict[str, Any]:
    """What the line of a reconcile says, in its order; what there is nothing to say of is left out."""
    facts: dict[str, Any] = {"key": str(run.key), "attempt": run.attempt, "causes": list(run.causes)}
    if run.merged > len(run.causes):
        facts["merged"] = run.merged
    facts |= outcome
    facts["waited_ms"] = _ms(run.waited_s)
    facts["took_ms"] = _ms(took_s)
    if writes:
        facts["writes"] = writes
    if seen:
        facts["seen"] = seen
    facts["id"] = run.id
    return facts


def _given_up(verdict: Verdict | None, record: Record[Any] | None) -> Verdict | None:
    """That an object cannot be read ends its reconciles until it changes: another look shows the same."""
    if verdict is None or verdict.error is None or record is None or verdict.error is not record.fault:
        return verdict
    return replace(verdict, result=Result.TERMINAL_ERROR)


def _names(writes: Sequence[Write]) -> list[str]:
    if not writes:
        return []
    names = [_name(write) for write in writes[:WRITES_MAX]]
    return names if len(writes) <= WRITES_MAX else [*names, f"and {len(writes) - WRITES_MAX} more"]


def _name(write: Write) -> str:
    return "/".join(filter(None, (f"{write.verb}:{write.resource.plural}", write.key.name, write.subresource)))


def _not_async(reconcile: Reconcile, controller: str, outcome: object) -> TypeError:
    return TypeError(
        f"reconcile for controller {controller}: {name_of(reconcile)} returned an object of type "
        f"{type(outcome).__name__} and nothing to await; make it an async function"
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
