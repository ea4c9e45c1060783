"""Workers around one reconciler."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from ctrlkit.cache import Informer
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Result, Watch, to_mapped, to_self
from ctrlkit.controller.controller import ControllerStatistics
from ctrlkit.errors import Conflict, Forbidden, TerminalError, Unreachable
from ctrlkit.model import Record
from ctrlkit.model.kinds import SERVICES
from tests.support.list_watch import ScriptedSource
from tests.support.records import applied, record, snapshot
from tests.unit.controller.support import pods, running, virtual_loop, without_jitter


class Script:
    """A reconciler that plays a list of outcomes and errors, the last one for ever, and notes when it was called."""

    def __init__(self, *ends: object) -> None:
        self.ends = list(ends)
        self.calls: list[tuple[str, int, float]] = []

    async def __call__(self, request: Request) -> Outcome:
        self.calls.append((str(request.key), request.attempt, round(monotonic(), 6)))
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, BaseException):
            raise end
        return end  # type: ignore[return-value]


def one(reconcile: Callable[[Request], Awaitable[Outcome]], informer: Informer[Any], workers: int = 1) -> Controller:
    return Controller(name="test", reconcile=reconcile, watches=[Watch(informer, to_self)], workers=workers)


def counts(statistics: ControllerStatistics) -> dict[Result, int]:
    return {result: count for result, count in statistics.results.items() if count}


@pytest.mark.behaviour("K1")
async def test_one_key_at_a_time_unless_more_workers_are_asked_for() -> None:
    """K1: one worker is the default; of one key there is never more than one run, with any number of workers."""
    for workers, most in ((1, 1), (2, 2), (9, 3)):
        now: Counter[str] = Counter()
        peaks: list[int] = []

        async def reconcile(request: Request, now: Counter[str] = now, peaks: list[int] = peaks) -> Outcome:
            now[str(request.key)] += 1
            peaks.append(now.total())
            assert now[str(request.key)] == 1
            await asyncio.sleep(1)
            now[str(request.key)] -= 1
            return DONE

        informer = pods("d/a", "d/b", "d/c")
        controller = one(reconcile, informer, workers)
        async with running(controller):
            await asyncio.sleep(0.5)
            informer.apply([applied("d/a", 2)])
            await asyncio.sleep(10)
        assert max(peaks) == most
        assert counts(controller.statistics()) == {Result.DONE: 4}


def test_a_controller_that_could_do_nothing_is_refused() -> None:
    """No watch, no worker."""
    with pytest.raises(ValueError, match=r"^Controller x: watches is empty"):
        Controller(name="x", reconcile=Script(DONE), watches=[])
    with pytest.raises(ValueError, match=r"^Controller x: workers must be at least 1, got 0"):
        Controller(name="x", reconcile=Script(DONE), watches=[Watch(pods(), to_self)], workers=0)


@pytest.mark.behaviour("K4")
async def test_a_second_run_is_an_error() -> None:
    """K4: while it runs, and after."""
    controller = one(Script(DONE), pods())
    async with running(controller):
        await asyncio.sleep(1)
        with pytest.raises(RuntimeError, match=r"^run controller test: it was run before"):
            await controller.run()
    with pytest.raises(RuntimeError):
        await controller.run()


@pytest.mark.behaviour("K5")
async def test_no_worker_starts_before_every_handler_saw_the_first_list() -> None:
    """
    K5: one informer is slow, the other has more objects than a handler sees in one slice.

    The first reconcile finds every object in both caches, and every key in the queue.
    """
    many = pods(*(f"d/{number}" for number in range(250)))
    slow_source = ScriptedSource([Unreachable("dial"), Unreachable("dial"), snapshot(1, record("d/late", 1))])
    slow = Informer[Any](SERVICES, {"": slow_source})
    seen: list[tuple[int, int, int]] = []

    async def reconcile(_request: Request) -> Outcome:
        seen.append((len(many.lister), len(slow.lister), controller.statistics().queue.ready))
        return DONE

    controller = Controller(name="test", reconcile=reconcile, watches=[Watch(many, to_self), Watch(slow, to_self)])
    async with running(controller):
        await virtual_loop().wait_all_blocked()
        assert many.has_synced()
        assert not seen
        assert controller.busy()[0] == "controller:test waits for its caches"
        await asyncio.sleep(60)
    assert seen[0] == (250, 1, 250)  # 251 keys, one of them running
    assert len(seen) == 251


@pytest.mark.behaviour("K7", "K11")
async def test_an_error_is_retried_with_growing_delays_until_a_success_forgets_them() -> None:
    """K7, K11: 5, 10, 20 ms; the attempt counts up; after the success both begin anew."""
    without_jitter()
    script = Script(OSError("disk"), Forbidden("no"), Unreachable("dial"), DONE, OSError("disk"), DONE)
    informer = pods("d/a")
    controller = one(script, informer)
    async with running(controller):
        await asyncio.sleep(1)
        assert controller.busy() == ()
        informer.apply([applied("d/a", 2)])
        await asyncio.sleep(1)
    assert script.calls == [
        ("d/a", 1, 0.0),
        ("d/a", 2, 0.005),
        ("d/a", 3, 0.015),
        ("d/a", 4, 0.035),
        ("d/a", 1, 1.0),
        ("d/a", 2, 1.005),
    ]
    assert counts(controller.statistics()) == {Result.ERROR: 4, Result.DONE: 2}
    assert controller.statistics().unforeseen == 2


@pytest.mark.behaviour("K7")
async def test_an_owed_retry_is_busy() -> None:
    """What is owed a retry is not settled."""
    controller = one(Script(*[OSError("disk")] * 20), pods("d/a"))
    async with running(controller):
        await asyncio.sleep(10)
        assert controller.busy() == ("controller:test d/a owed a retry",)


@pytest.mark.behaviour("K8")
async def test_a_terminal_error_is_not_retried_until_something_changes() -> None:
    """K8: and the failures before it are not forgotten."""
    informer = pods("d/a")
    script = Script(OSError("disk"), TerminalError("spec.nodes is negative"), DONE)
    controller = one(script, informer)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(3600)
            assert controller.busy() == ()
            informer.apply([applied("d/a", 2)])
            await asyncio.sleep(1)
    assert [(key, attempt) for key, attempt, _ in script.calls] == [("d/a", 1), ("d/a", 2), ("d/a", 2)]
    assert counts(controller.statistics()) == {Result.ERROR: 1, Result.TERMINAL_ERROR: 1, Result.DONE: 1}
    terminal = next(line for line in lines if line.get("outcome") == "terminal_error")
    assert (terminal["log_level"], terminal["error"]) == ("warning", "spec.nodes is negative")
    assert "exc_info" not in terminal


@pytest.mark.behaviour("K9")
async def test_requeue_after_forgets_failures_and_comes_back_on_time() -> None:
    """K9: exactly after the delay; meanwhile nothing is owed."""
    script = Script(OSError("disk"), RequeueAfter(30), DONE)
    without_jitter()
    controller = one(script, pods("d/a"))
    async with running(controller):
        await asyncio.sleep(10)
        assert controller.busy() == ()
        await asyncio.sleep(60)
    assert script.calls == [("d/a", 1, 0.0), ("d/a", 2, 0.005), ("d/a", 1, 30.005)]


@pytest.mark.behaviour("K10", "K13")
async def test_an_answer_that_is_no_outcome_is_an_error() -> None:
    """A forgotten return is told and retried."""
    controller = one(Script(None, DONE), pods("d/a"))
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
    assert counts(controller.statistics()) == {Result.ERROR: 1, Result.DONE: 1}
    told = next(line for line in lines if line["log_level"] == "error")
    assert "return DONE" in told["error"]


@pytest.mark.behaviour("K13")
async def test_an_unforeseen_error_is_counted_told_with_its_traceback_and_costs_no_worker() -> None:
    """K13: other keys are served meanwhile, by the same worker."""

    async def reconcile(request: Request) -> Outcome:
        if request.name == "bad":
            raise KeyError("spec")
        return DONE

    controller = one(reconcile, pods("d/bad", "d/good"))
    with capture_logs() as lines:
        async with running(controller):
            await virtual_loop().wait_all_blocked()
    assert counts(controller.statistics()) == {Result.ERROR: 1, Result.DONE: 1}
    assert controller.statistics().unforeseen == 1
    told = next(line for line in lines if line.get("outcome") == "error")
    assert (told["log_level"], told["error"], told["key"]) == ("error", "KeyError('spec')", "d/bad")
    assert isinstance(told["exc_info"], KeyError)


async def test_an_expected_error_is_a_warning_without_traceback() -> None:
    """ApiError and TransportError say all in their message."""
    for error in (Forbidden("no", attempted="create pods d/a"), Unreachable("dial 127.0.0.1: refused")):
        with capture_logs() as lines:
            async with running(one(Script(error, DONE), pods("d/a"))):
                await asyncio.sleep(1)
        told = next(line for line in lines if line.get("outcome") == "error")
        assert (told["log_level"], told["error"]) == ("warning", str(error))
        assert "exc_info" not in told


@pytest.mark.behaviour("B11")
async def test_a_conflict_is_a_result_of_its_own_and_no_error() -> None:
    """B11: told at INFO without error, and retried soon."""
    without_jitter()
    script = Script(Conflict("changed"), DONE)
    controller = one(script, pods("d/a"))
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
    assert [when for _, _, when in script.calls] == [0.0, 0.005]
    assert counts(controller.statistics()) == {Result.CONFLICT: 1, Result.DONE: 1}
    assert controller.statistics().unforeseen == 0
    told = next(line for line in lines if line.get("outcome") == "conflict")
    assert told["log_level"] == "info"
    assert "error" not in told


async def test_each_reconcile_is_one_line() -> None:
    """style: event `reconciled`, values as keys, the unit last in the key."""
    script = Script(RequeueAfter(30), DONE)
    with capture_logs() as lines:
        async with running(one(script, pods("d/a"))):
            await asyncio.sleep(31)
    told = [line for line in lines if line["event"] == "reconciled"]
    for line in told:
        assert len(line.pop("id")) == 8
    common = {"event": "reconciled", "part": "controller", "controller": "test", "key": "d/a", "log_level": "info"}
    assert told == [
        {**common, "attempt": 1, "outcome": "requeue_after", "next_s": 30, "took_ms": 0.0},
        {**common, "attempt": 1, "outcome": "done", "took_ms": 0.0},
    ]


@pytest.mark.behaviour("K16")
async def test_each_reconcile_has_an_id_that_its_own_log_lines_carry_too() -> None:
    """K16: a new one for each call; gone from the context afterwards."""
    contexts: list[dict[str, Any]] = []

    async def reconcile(_request: Request) -> Outcome:
        contexts.append(get_contextvars())
        return DONE

    with capture_logs() as lines:
        async with running(one(reconcile, pods("d/a", "d/b"))):
            await asyncio.sleep(1)
    told = [line["id"] for line in lines if line["event"] == "reconciled"]
    assert [context["id"] for context in contexts] == told
    assert len(set(told)) == 2
    assert [(context["controller"], context["key"]) for context in contexts] == [("test", "d/a"), ("test", "d/b")]
    assert get_contextvars() == {}


async def test_a_cancellation_from_within_is_a_failure_and_costs_no_worker() -> None:
    """A reconcile may await something that another task cancels; nobody asked the worker to end."""
    first = True

    async def reconcile(_request: Request) -> Outcome:
        nonlocal first
        if first:
            first = False
            lost = asyncio.get_running_loop().create_future()
            lost.cancel()
            await lost
        return DONE

    controller = one(reconcile, pods("d/a"))
    async with running(controller):
        await asyncio.sleep(1)
        assert counts(controller.statistics()) == {Result.ERROR: 1, Result.DONE: 1}


async def test_a_mapper_that_raises_is_told_and_counted() -> None:
    """Other objects are reconciled, and the sync gate opens."""

    def mapping(seen: Record[Any]) -> Iterable[str]:
        if seen.key.name == "bad":
            raise KeyError("app")
        return [str(seen.key)]

    script = Script(DONE)
    watch = Watch(pods("d/bad", "d/good"), to_mapped(mapping))
    controller = Controller(name="test", reconcile=script, watches=[watch])
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
    assert [key for key, _, _ in script.calls] == ["d/good"]
    assert controller.statistics().mapping_failures == 1
    told = next(line for line in lines if line["event"] == "mapping_failed")
    assert (told["controller"], told["resource"], told["key"], told["log_level"]) == ("test", "pods", "d/bad", "error")


def slow_reconcile(ends: list[str]) -> Callable[[Request], Awaitable[Outcome]]:
    """A reconcile of 10 s that notes how it ends."""

    async def reconcile(request: Request) -> Outcome:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ends.append(f"{request.key} cancelled")
            raise
        ends.append(f"{request.key} done")
        return DONE

    return reconcile


@pytest.mark.behaviour("B2", "K6")
async def test_stop_lets_running_reconciles_finish_and_starts_no_other() -> None:
    """B2: undisturbed to their end; what waits is dropped, counted and told, changes during the stop too."""
    ends: list[str] = []
    informer = pods("d/a", "d/b", "d/c", "d/d")
    controller = one(slow_reconcile(ends), informer, workers=2)
    with capture_logs() as lines:
        async with running(controller) as work:
            await asyncio.sleep(1)
            assert [str(key) for key in controller.running] == ["d/a", "d/b"]
            controller.stop()
            informer.apply([applied("d/e", 2)])
            await asyncio.sleep(8)
            assert not work.done()
            await asyncio.wait_for(work, 5)
            assert monotonic() == 10
    assert ends == ["d/a done", "d/b done"]
    assert (controller.busy(), controller.running) == ((), ())
    assert next(line for line in lines if line["event"] == "controller_stopped")["abandoned"] == 2


@pytest.mark.behaviour("B2")
async def test_cancelling_cuts_off_what_runs_and_awaits_its_end() -> None:
    """B2: each cut off reconcile is told with its key and how long it ran."""
    ends: list[str] = []
    with capture_logs() as lines:
        async with running(one(slow_reconcile(ends), pods("d/a"))):
            await asyncio.sleep(1)
    assert ends == ["d/a cancelled"]
    told = next(line for line in lines if line["event"] == "reconcile_cancelled")
    assert (told["log_level"], told["key"], told["took_ms"]) == ("warning", "d/a", 1000.0)


async def test_a_reconcile_that_swallows_its_cancellation_ends_its_worker_all_the_same() -> None:
    """Whether it returns or raises something else."""
    for end in (DONE, KeyError("spec")):

        async def reconcile(_request: Request, end: object = end) -> Outcome:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                if isinstance(end, Exception):
                    raise end from None
            return DONE

        controller = one(reconcile, pods("d/a", "d/b"))
        async with running(controller):
            await asyncio.sleep(1)
        assert controller.running == ()
        assert sum(controller.statistics().results.values()) == 1


async def test_stop_during_the_first_list_ends_quietly() -> None:
    """K5: nothing was reconciled, and nothing is raised."""
    script = Script(DONE)
    controller = one(script, Informer[Any](SERVICES, {"": ScriptedSource([Unreachable("dial")])}))
    async with running(controller) as work:
        await asyncio.sleep(5)
        controller.stop()
        await asyncio.wait_for(work, 1)
    assert script.calls == []


async def test_a_run_that_was_stopped_before_it_began_ends_at_once() -> None:
    """Quietly: whoever starts and stops need not know which came first."""
    script = Script(DONE)
    controller = one(script, pods("d/a"))
    controller.stop()
    await controller.run()
    assert script.calls == []


@pytest.mark.behaviour("H7")
async def test_its_handlers_leave_with_it() -> None:
    """H7: the informer goes on without them."""
    informer = pods("d/a")
    controller = one(Script(DONE), informer)
    mirror = asyncio.create_task(informer.run())
    work = asyncio.create_task(controller.run())
    await asyncio.sleep(1)
    assert list(informer.statistics().handler_depths) == ["test:pods"]
    controller.stop()
    await work
    assert not informer.statistics().handler_depths
    mirror.cancel()
    await asyncio.wait([mirror])
