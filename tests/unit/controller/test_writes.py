"""No reconcile before its own last writes can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from ctrlkit.cache import Informer
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_mapped, to_self
from ctrlkit.controller.metrics import ControllerCollector
from ctrlkit.controller.writes import SEEN_WITHIN_S, WriteGate
from ctrlkit.model import Applied, Deleted, Effect, ObjectKey, Write
from ctrlkit.model.kinds import PODS, SERVICES
from ctrlkit.workqueue import LOW
from tests.support.list_watch import ScriptedSource
from tests.support.records import applied, record, snapshot
from tests.unit.client.support import ScriptedTransport
from tests.unit.controller.support import pods, running

A = ObjectKey("d", "a")


def answer(name: str, version: int) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "d", "resourceVersion": str(version)}}


class Writer:
    """
    Creates one pod, d/made, in its first run of a key; says when each run was and what it could read. A key that is
    called slow takes a second.
    """

    def __init__(self, informer: Informer[Any], *, fails: bool = False) -> None:
        self.runs: list[tuple[str, float, bool]] = []
        self._informer = informer
        self._fails = fails
        self._client = Client(ScriptedTransport(answer("made", 5)))

    async def reconcile(self, request: Request) -> Outcome:
        seen = self._informer.lister.find("d/made") is not None
        first = not any(name == request.name for name, _, _ in self.runs)
        self.runs.append((request.name, monotonic(), seen))
        if first and request.key == A:
            await self._client.create(PODS, {"metadata": {"name": "made", "namespace": "d"}})
            if self._fails:
                raise RuntimeError("after the write")
        if request.name == "slow":
            await asyncio.sleep(1)
        return DONE

    def of(self, name: str) -> list[tuple[float, bool]]:
        return [(at, seen) for run, at, seen in self.runs if run == name]


def controller_of(writer: Writer, informer: Informer[Any]) -> Controller:
    return Controller(name="test", reconcile=writer.reconcile, watches=[Watch(informer, to_mapped(lambda _: [A]))])


@pytest.mark.behaviour("B1", "Q25", "S7")
@pytest.mark.parametrize("fails", [False, True])
async def test_a_key_waits_until_it_can_read_what_it_wrote(fails: bool) -> None:
    """Also after a run that failed, for it may have written; it starts in the moment in which the write shows."""
    informer = pods("d/a")
    writer = Writer(informer, fails=fails)
    controller = controller_of(writer, informer)
    async with running(controller):
        await asyncio.sleep(0.001)
        informer.apply([applied("d/a", 4)])
        await asyncio.sleep(3)
        assert len(writer.of("a")) == 1
        assert controller.busy() == ("controller:test d/a waits to see what it wrote",)
        informer.apply([applied("d/made", 5)])
        await asyncio.sleep(0.5)
        assert [seen for _, seen in writer.of("a")] == [False, True]
        assert controller.busy() == ()
        gate = controller.statistics().gate
    assert (gate.held, gate.holds, gate.timeouts) == (0, 1, 0)
    assert 2.9 < gate.waited_s <= 3


@pytest.mark.behaviour("B1")
async def test_a_held_key_holds_up_no_worker() -> None:
    """One worker, another key: it runs at once."""
    informer = pods("d/a")
    writer = Writer(informer)
    controller = controller_of(writer, informer)
    async with running(controller):
        await asyncio.sleep(0.001)
        informer.apply([applied("d/a", 4)])
        await asyncio.sleep(0.001)
        before = monotonic()
        controller.wake(ObjectKey("d", "other"))
        await asyncio.sleep(0.001)
        assert [at for at, _ in writer.of("other")] == [before]


@pytest.mark.behaviour("B1", "K12")
async def test_a_held_key_keeps_its_priority() -> None:
    """A resync that had to wait is no more urgent afterwards."""
    informer = pods("d/a")
    writer = Writer(informer)
    watch = Watch(informer, to_mapped(lambda seen: [A] if seen.key == A else []), resync_s=5)
    controller = Controller(name="test", reconcile=writer.reconcile, watches=[watch])
    async with running(controller):
        await asyncio.sleep(7)
        assert controller.busy() == ("controller:test d/a waits to see what it wrote",)
        controller.wake(ObjectKey("d", "slow"))
        await asyncio.sleep(0.1)
        informer.apply([applied("d/made", 5)])
        await asyncio.sleep(0.1)
        controller.wake(ObjectKey("d", "other"))
        await asyncio.sleep(1)
    assert [name for name, _, _ in writer.runs] == ["a", "slow", "other", "a"]


@pytest.mark.behaviour("B1", "K12")
async def test_a_held_key_that_was_urgent_still_is() -> None:
    """Once it may run, it goes before what can wait, which was there long before."""
    informer = pods("d/a")
    writer = Writer(informer)
    watch = Watch(informer, to_mapped(lambda seen: [A] if seen.key == A else []))
    controller = Controller(name="test", reconcile=writer.reconcile, watches=[watch])
    async with running(controller):
        await asyncio.sleep(0.1)
        informer.apply([applied("d/a", 4)])
        await asyncio.sleep(0.1)
        assert controller.busy() == ("controller:test d/a waits to see what it wrote",)
        controller.wake(ObjectKey("d", "slow"))
        await asyncio.sleep(0.1)
        controller.queue.add(ObjectKey("d", "patient"), priority=LOW)
        informer.apply([applied("d/made", 5)])
        await asyncio.sleep(2)
    assert [name for name, _, _ in writer.runs] == ["a", "slow", "a", "patient"]


@pytest.mark.behaviour("B1")
async def test_what_never_shows_is_waited_for_so_long_counted_and_told() -> None:
    """The watch may be broken; level-triggered code goes on all the same."""
    informer = pods("d/a")
    writer = Writer(informer)
    controller = controller_of(writer, informer)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(0.001)
            informer.apply([applied("d/a", 4)])
            await asyncio.sleep(60)
            informer.apply([applied("d/a", 6)])
            await asyncio.sleep(60)
    first, second, third = (at for at, _ in writer.of("a"))
    assert second == first + SEEN_WITHIN_S
    assert third > second + 40
    (line,) = [line for line in lines if line["event"] == "writes_not_seen"]
    assert (line["key"], line["writes"]) == ("d/a", ["pods d/made written at 5"])
    assert controller.statistics().gate.timeouts == 1


@pytest.mark.behaviour("B1")
async def test_a_stop_does_not_wait_for_held_keys() -> None:
    """They were told to nobody; the next start sees their objects in its first list."""
    informer = pods("d/a")
    controller = controller_of(Writer(informer), informer)
    async with running(controller) as work:
        await asyncio.sleep(0.001)
        informer.apply([applied("d/a", 4)])
        await asyncio.sleep(1)
        before = monotonic()
        controller.stop()
        await work
        assert monotonic() == before


@pytest.mark.behaviour("B1")
async def test_writes_elsewhere_hold_nothing() -> None:
    """To a kind that the controller does not watch."""
    informer = pods("d/a")
    client = Client(ScriptedTransport({"kind": "Service", **answer("made", 5)}))
    runs: list[float] = []

    async def reconcile(_: Request) -> Outcome:
        runs.append(monotonic())
        await client.create(SERVICES, {"metadata": {"name": "made", "namespace": "d"}})
        return DONE

    controller = Controller(name="test", reconcile=reconcile, watches=[Watch(informer, to_self)])
    async with running(controller):
        await asyncio.sleep(0.001)
        informer.apply([applied("d/a", 4)])
        await asyncio.sleep(0.001)
    assert len(runs) == 2
    assert controller.statistics().gate.holds == 0


def wrote(name: str, version: str, effect: Effect = Effect.WRITTEN) -> Write:
    return Write(resource=PODS, key=ObjectKey("d", name), effect=effect, version=version)


@pytest.mark.behaviour("B1", "Q24")
async def test_each_of_several_writes_has_to_show() -> None:
    """Q24 counts; here each is known by its version. A deletion shows when the object is gone."""
    informer = pods("d/x")
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    gate = WriteGate([informer], controller="test")
    gate.wrote(A, [wrote("x", "", Effect.DELETED), wrote("y", "6"), wrote("z", "7")])
    steps: Sequence[Any] = [applied("z", 7), applied("d/z", 7), applied("d/y", 6)]
    informer.apply([Applied(record("d/x", 5))])
    for event in steps:
        informer.apply([event])
        assert not gate.is_open(A)
    informer.apply([Deleted(record("d/x", 8))])
    assert gate.is_open(A)
    assert gate.statistics().timeouts == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.behaviour("B1", "B20")
async def test_keys_that_do_not_come_again_are_forgotten() -> None:
    """Nothing is kept for ever of objects that are gone."""
    informer = pods("d/x")
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    gate = WriteGate([informer], controller="test")
    for number in range(10):
        gate.wrote(ObjectKey("d", str(number)), [wrote("new", "5")])
        await asyncio.sleep(SEEN_WITHIN_S / 2)
    assert len(gate._unseen) <= 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.behaviour("B1", "B19")
async def test_each_metric_of_the_gate_moves() -> None:
    """B19."""
    informer = pods("d/a")
    controller = controller_of(Writer(informer), informer)
    registry = CollectorRegistry()
    registry.register(ControllerCollector(lambda: [controller]))
    async with running(controller):
        await asyncio.sleep(0.001)
        for version in (4, 6):
            informer.apply([applied("d/a", version)])
            await asyncio.sleep(1)
        held = generate_latest(registry).decode()
        assert 'controller_write_gate_held_keys{controller="test"} 1.0' in held
        await asyncio.sleep(60)
    text = generate_latest(registry).decode()
    gate = [family.name for family in ControllerCollector.families if family.name.startswith("controller_write_gate_")]
    for name in gate[1:]:
        assert f'{name}{{controller="test"}} 0.0' not in text
        assert f'{name}{{controller="test"}} ' in text


@pytest.mark.behaviour("B1", "B12")
async def test_writes_to_an_added_watch_are_waited_for_as_long_as_it_is_there() -> None:
    """Of one informer that is watched twice, until the last has gone."""
    informer = pods("d/x")
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    gate = WriteGate(controller="test")
    gate.wrote(A, [wrote("x", "5")])
    assert gate.is_open(A)
    gate.include(informer)
    gate.include(informer)
    gate.wrote(A, [wrote("x", "5")])
    assert not gate.is_open(A)
    gate.exclude(informer)
    assert not gate.is_open(A)
    gate.exclude(informer)
    assert gate.is_open(A)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.behaviour("B1", "B12")
async def test_an_informer_that_ended_is_not_waited_for() -> None:
    """Nothing more will show in it."""
    informer = pods("d/x")
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    gate = WriteGate([informer], controller="test")
    gate.wrote(A, [wrote("x", "5")])
    assert not gate.is_open(A)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gate.opened(A), 1)
    assert gate.is_open(A)


@pytest.mark.behaviour("B1", "B12")
async def test_an_informer_that_ends_opens_the_gate_for_no_write_in_another() -> None:
    """What was written to the other kind is waited for all the same, and nothing counts as unseen."""
    ends, lives = pods("d/x"), Informer[Any](SERVICES, {"": ScriptedSource([snapshot(1)])})
    ending, living = asyncio.create_task(ends.run()), asyncio.create_task(lives.run())
    await ends.wait_synced()
    await lives.wait_synced()
    gate = WriteGate([ends, lives], controller="test")
    other = Write(resource=SERVICES, key=ObjectKey("d", "y"), effect=Effect.WRITTEN, version="6")
    gate.wrote(A, [wrote("x", "5"), other])
    opened = asyncio.create_task(gate.opened(A))
    await asyncio.sleep(1)
    ending.cancel()
    await asyncio.sleep(1)
    assert not opened.done()
    lives.apply([applied("d/y", 6)])
    await asyncio.wait_for(opened, 1)
    assert gate.is_open(A)
    assert gate.statistics().timeouts == 0
    living.cancel()
    await asyncio.wait([ending, living])
