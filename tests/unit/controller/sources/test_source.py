"""Sources of one's own, and sources that come and go while a controller runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.cache import Informer
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Request, Sink, Watch, to_mapped, to_self
from ctrlkit.controller.causes import Causes
from ctrlkit.controller.retries import PendingRetries
from ctrlkit.controller.sources.source import Enqueuer, Replay
from ctrlkit.model import ObjectKey, Record
from ctrlkit.model.kinds import SERVICES
from ctrlkit.workqueue import LOW, NORMAL, WorkQueue
from tests.support.list_watch import ScriptedSource
from tests.support.records import applied, record, snapshot
from tests.unit.controller.support import Script, lines_of, one, pods, running, samples, virtual_loop


class Orders:
    """A source of one's own: one key at the beginning, one after 10 s, and then what it is told to do."""

    name = "orders"

    def __init__(self, end: Exception | None = None) -> None:
        self.end = end
        self.ended = False

    async def run(self, sink: Sink) -> None:
        try:
            await asyncio.sleep(5)
            sink.add(ObjectKey("d", "first"), "first of all")
            sink.synced()
            await asyncio.sleep(10)
            sink.add(ObjectKey("d", "later"), "it was paid")
            if self.end is not None:
                raise self.end
        finally:
            self.ended = True

    async def replay(self, sink: Sink) -> None:
        raise KeyError("nothing is known")


async def test_a_source_of_ones_own_is_waited_for_and_fed_from() -> None:
    """K5: its first keys are in the queue before a worker starts. One that has nothing more to say may return."""
    orders, script = Orders(), Script(DONE)
    controller = Controller(name="test", reconcile=script, watches=[orders])
    async with running(controller):
        await asyncio.sleep(1)
        assert controller.busy() == ("controller:test waits for its caches",)
        await asyncio.sleep(60)
        assert controller.busy() == ()
    assert script.calls == [("d/first", 1, 5.0), ("d/later", 1, 15.0)]
    assert [request.causes for request in script.requests] == [("first of all",), ("it was paid",)]


async def test_a_source_that_returns_without_a_word_keeps_nobody_waiting() -> None:
    class Empty(Orders):
        async def run(self, sink: Sink) -> None:
            pass

    script = Script(DONE)
    controller = Controller(name="test", reconcile=script, watches=[Empty(), Watch(pods("d/a"), to_self)])
    async with running(controller):
        await asyncio.sleep(1)
        assert controller.has_synced()
    assert len(script.calls) == 1


@pytest.mark.behaviour("B2")
async def test_a_source_that_fails_stops_the_controller_in_order_and_is_its_cause() -> None:
    """What runs may end; then run() raises what the source raised."""
    ends: list[str] = []

    async def reconcile(request: Request) -> Outcome:
        await asyncio.sleep(20)
        ends.append(str(request.key))
        return DONE

    controller = Controller(name="test", reconcile=reconcile, watches=[Orders(ConnectionError("gone"))])
    with pytest.raises(ConnectionError, match="gone"):  # noqa: PT012 - it ends while others run
        async with running(controller) as work:
            await asyncio.wait([work])
            assert monotonic() == 25
    assert ends == ["d/first"]


@pytest.mark.behaviour("B2")
async def test_a_watch_of_an_informer_that_has_ended_stops_the_controller_before_another_one_starts() -> None:
    """It fails at once, while the sources are started; run() raises what it raised, and nothing is left of others."""
    ended, other = pods("d/a"), Informer[Any](SERVICES, {"": ScriptedSource([snapshot(1)])})
    mirror = asyncio.create_task(ended.run())
    await asyncio.sleep(1)
    mirror.cancel()
    await asyncio.wait([mirror])
    controller = Controller(name="test", reconcile=Script(DONE), watches=[Watch(ended, to_self), Watch(other, to_self)])
    with pytest.raises(RuntimeError, match="it has ended; add it to one that runs"):
        await controller.run()
    assert other.statistics().handlers == ()


async def test_watches_take_no_tasks_and_their_handlers_go_with_the_controller() -> None:
    """Also one that comes and goes while the controller runs."""
    informer, script = pods("d/a"), Script(DONE)
    controller = Controller(name="test", reconcile=script, watches=[Watch(informer, to_self)])
    async with running(controller):
        await asyncio.sleep(1)
        async with controller.watching(Watch(informer, to_mapped(lambda _: ["d/b"]))):
            await asyncio.sleep(1)
            tasks = {task.get_name() for task in asyncio.all_tasks()}
            assert not {name for name in tasks if name.startswith("test:") and "worker" not in name}
            assert len(informer.statistics().handlers) == 2
        assert len(informer.statistics().handlers) == 1
        controller.stop()
        assert informer.statistics().handlers == ()
    assert [key for key, _, _ in script.calls] == ["d/a", "d/b"]


async def test_a_stop_ends_all_sources() -> None:
    """Stop enqueuer: at once, not when the last reconcile has ended."""
    orders = Orders()
    controller = Controller(name="test", reconcile=Script(DONE), watches=[orders])
    async with running(controller) as work:
        await asyncio.sleep(1)
        controller.stop()
        await asyncio.wait_for(work, 1)
    assert orders.ended


async def test_what_a_replay_adds_is_never_urgent_and_may_be_less_than_that() -> None:
    """Of its sink too, which keeps the priority that it is given where that is lower."""
    queue: WorkQueue[ObjectKey] = WorkQueue()
    enqueuer = Enqueuer("test", queue, Causes(), PendingRetries(queue))
    sink = Replay(enqueuer, "orders", lambda _key: True)
    for put in (sink.add, sink.remind):
        put("d/low", "order paid", priority=NORMAL)
        put("d/lower", "order paid", priority=LOW - 1)
        put("d/usual", "order paid")
        assert [str(await queue.take()) for _ in range(3)] == ["d/low", "d/usual", "d/lower"]
        for name in ("low", "lower", "usual"):
            queue.done(ObjectKey("d", name))


async def test_a_replay_that_fails_costs_the_other_sources_nothing() -> None:
    """It is told and counted."""
    script = Script(DONE)
    controller = Controller(name="test", reconcile=script, watches=[Orders(), Watch(pods("d/a"), to_self)])
    value = samples(controller)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(60)
            script.calls.clear()
            controller.enqueue_known(lambda _key: True)
            await asyncio.sleep(1)
    assert [key for key, _, _ in script.calls] == ["d/a"]
    (line,) = lines_of(lines, "source_failed")
    assert (line["source"], line["step"], line["log_level"]) == ("orders", "replay", "error")
    assert value("controller_source_failures_total") == 1


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
    assert controller.statistics().source_failures == 1
    (told,) = lines_of(lines, "source_failed")
    assert (told["controller"], told["source"], told["step"], told["key"]) == ("test", "pods", "mapper", "d/bad")
    assert told["log_level"] == "error"
    assert isinstance(told["exc_info"], KeyError)


# ---- sources that come and go (B12) ----


def services(*keys: str) -> Informer[Any]:
    return Informer[Any](SERVICES, {"": ScriptedSource([snapshot(1, *(record(key, 1) for key in keys))])})


@pytest.mark.behaviour("B12", "H7", "K4")
async def test_a_watch_comes_and_goes_while_the_controller_runs() -> None:
    """B12: it starts at once; its handler leaves with it, its keys stay; the informer and the others go on."""
    main, extra, script = pods("d/a"), services("d/b"), Script(DONE)
    controller = one(script, main)
    mirror = asyncio.create_task(extra.run())
    async with running(controller):
        await asyncio.sleep(1)
        async with controller.watching(Watch(extra, to_self)):
            await asyncio.sleep(1)
            assert [handler.name for handler in extra.statistics().handlers] == ["test:services"]
            extra.apply([applied("d/c", 2)])
            await asyncio.sleep(1)
        assert extra.statistics().handlers == ()
        extra.apply([applied("d/d", 3)])
        main.apply([applied("d/e", 4)])
        await asyncio.sleep(1)
    assert [key for key, _, _ in script.calls] == ["d/a", "d/b", "d/c", "d/e"]
    mirror.cancel()
    await asyncio.wait([mirror])


async def test_a_watch_that_left_before_the_run_is_not_started_with_the_others() -> None:
    """Nothing of it is kept."""
    extra, script = services("d/b"), Script(DONE)
    controller = one(script, pods("d/a"))
    async with controller.watching(Watch(extra, to_self)):
        pass
    mirror = asyncio.create_task(extra.run())
    async with running(controller):
        await asyncio.sleep(5)
        assert extra.statistics().handlers == ()
    assert [key for key, _, _ in script.calls] == ["d/a"]
    mirror.cancel()
    await asyncio.wait([mirror])


@pytest.mark.behaviour("B12", "K4")
async def test_a_watch_may_be_added_before_the_run_and_is_then_waited_for() -> None:
    """K4: stored, and started with the others."""
    extra, script = services("d/b"), Script(DONE)
    controller = one(script, pods("d/a"))
    async with controller.watching(Watch(extra, to_self)), running(controller):
        await asyncio.sleep(5)
        assert (controller.has_synced(), script.calls) == (False, [])
        mirror = asyncio.create_task(extra.run())
        await asyncio.sleep(5)
        assert {key for key, _, _ in script.calls} == {"d/a", "d/b"}
    mirror.cancel()
    await asyncio.wait([mirror])


@pytest.mark.behaviour("B12")
async def test_an_added_watch_that_has_not_synced_keeps_nobody_from_work_but_is_busy() -> None:
    """has_synced stays true: readiness is about the beginning."""
    extra, script = services("d/b"), Script(DONE)
    controller = one(script, pods("d/a"))
    async with running(controller):
        await asyncio.sleep(1)
        async with controller.watching(Watch(extra, to_self)):
            await virtual_loop().wait_all_blocked()
            assert controller.busy() == ("controller:test services not synced",)
            assert controller.has_synced()
            controller.wake(ObjectKey("d", "z"))
            await asyncio.sleep(1)
        assert controller.busy() == ()
    assert [key for key, _, _ in script.calls] == ["d/a", "d/z"]


@pytest.mark.behaviour("B12")
async def test_a_watch_is_refused_once_the_controller_has_stopped_and_outlives_it_quietly() -> None:
    """The block may end after the controller."""
    extra = services("d/b")
    controller = one(Script(DONE), pods("d/a"))
    mirror = asyncio.create_task(extra.run())
    async with running(controller) as work:
        async with controller.watching(Watch(extra, to_self)):
            await asyncio.sleep(1)
            controller.stop()
            await work
        with pytest.raises(RuntimeError, match=r"^watch services for controller test: it has stopped"):
            async with controller.watching(Watch(extra, to_self)):
                pass
    mirror.cancel()
    await asyncio.wait([mirror])


@pytest.mark.behaviour("B12")
async def test_a_reconcile_may_add_a_watch() -> None:
    """Which kinds matter may stand in the objects."""
    extra, begun = services("d/b"), asyncio.Event()
    mirror = asyncio.create_task(extra.run())
    calls: list[str] = []

    async def reconcile(request: Request) -> Outcome:
        calls.append(str(request.key))
        if request.name == "a" and not begun.is_set():
            begun.set()
            async with controller.watching(Watch(extra, to_self)):
                await asyncio.sleep(5)
        return DONE

    controller = one(reconcile, pods("d/a"), workers=2)
    async with running(controller):
        await asyncio.sleep(1)
        assert calls == ["d/a", "d/b"]
        await asyncio.sleep(10)
        assert extra.statistics().handlers == ()
    mirror.cancel()
    await asyncio.wait([mirror])


async def test_a_second_stop_disturbs_no_source_that_ends() -> None:
    """What it does in its finally block is done."""
    ends: list[float] = []

    class Subscribed(Orders):
        async def run(self, sink: Sink) -> None:
            sink.synced()
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(1)
                ends.append(monotonic())

    controller = Controller(name="test", reconcile=Script(DONE), watches=[Subscribed()])
    async with running(controller) as work:
        await asyncio.sleep(5)
        controller.stop()
        await asyncio.sleep(0.5)
        controller.stop()
        await work
    assert ends == [6]
