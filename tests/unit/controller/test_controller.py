"""The lifetime of a controller."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.cache import Informer
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Reconcile, Request, Result, Watch, to_self
from ctrlkit.errors import Unreachable
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import SERVICES
from tests.support.list_watch import ScriptedSource
from tests.support.records import applied, record, snapshot
from tests.unit.controller.support import Script, counts, one, pods, running, virtual_loop


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
        controller = one(reconcile, informer, workers=workers)
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


def slow_reconcile(ends: list[str]) -> Reconcile:
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
    assert [handler.name for handler in informer.statistics().handlers] == ["test:pods"]
    controller.stop()
    await work
    assert not informer.statistics().handlers
    mirror.cancel()
    await asyncio.wait([mirror])


@pytest.mark.behaviour("B2", "B12")
async def test_who_is_cut_off_takes_in_nothing_more_while_its_reconciles_end() -> None:
    """As after stop(): keys are dropped, a replay is nothing, and a watch is refused."""

    async def reconcile(_request: Request) -> Outcome:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(5)
        return DONE

    informer = pods("d/a", "d/b")
    controller = one(reconcile, informer)
    async with running(controller) as work:
        await asyncio.sleep(1)
        work.cancel()
        await asyncio.sleep(1)
        assert not work.done()
        controller.enqueue_known(lambda _key: True)
        controller.wake(ObjectKey("d", "c"))
        assert (controller.statistics().queue.ready, controller.statistics().queue.abandoned) == (0, 1)
        with pytest.raises(RuntimeError, match=r"^watch pods for controller test: it has stopped"):
            async with controller.watching(Watch(informer, to_self)):
                pass
    assert controller.statistics().cancelled == 1
