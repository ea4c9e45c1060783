"""Which keys a replica works on: limited, handed over, drained, cut off; and a queue that fills before the work."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.cache import Informer
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Replicas, Request, RequeueAfter, Result, Watch, to_self
from ctrlkit.controller.controller import SLICE
from ctrlkit.controller.sources.source import Sink
from ctrlkit.errors import Conflict, Forbidden, NotSynced, RetryLater, Unreachable
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import PODS
from tests.support.list_watch import ScriptedSource
from tests.support.records import applied, deleted
from tests.unit.controller.support import (
    Script,
    counts,
    lines_of,
    one,
    pods,
    running,
    samples,
    virtual_loop,
    without_jitter,
)


def even(key: ObjectKey) -> bool:
    return int(key.name) % 2 == 0


def odd(key: ObjectKey) -> bool:
    return not even(key)


def everything(_key: ObjectKey) -> bool:
    return True


class Slow:
    """A reconciler that takes 10 s, and notes who began and who ended how."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def __call__(self, request: Request) -> Outcome:
        self.told.append(f"{request.name} began")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            self.told.append(f"{request.name} cancelled")
            raise
        self.told.append(f"{request.name} done")
        return DONE


@pytest.mark.behaviour("K17")
async def test_sources_run_before_it_may_work_and_what_they_know_then_is_queued() -> None:
    """K17: always; no source is started a second time, and what came and went meanwhile is nobody's concern."""
    informer, script, may_work = pods("d/1", "d/2"), Script(DONE), asyncio.Event()
    controller = one(script, informer)
    async with running(controller, may_work=may_work):
        assert not controller.has_synced()
        await controller.wait_synced()
        await asyncio.sleep(60)
        informer.apply([applied("d/3", 2), applied("d/4", 3), deleted("d/4", 4), deleted("d/1", 5)])
        await asyncio.sleep(60)
        assert (controller.busy(), script.calls, controller.statistics().queue.ready) == ((), [], 0)
        assert len(informer.statistics().handlers) == 1
        may_work.set()
        assert controller.busy() == ()
        await asyncio.sleep(0)
        assert controller.busy() == ("controller:test enqueues what its sources know",)
        await virtual_loop().wait_all_blocked()
        assert len(informer.statistics().handlers) == 1
    assert [key for key, _, _ in script.calls] == ["d/2", "d/3"]
    assert [(request.causes, request.waited_s) for request in script.requests] == [(("takeover",), 0)] * 2


@pytest.mark.behaviour("K17")
async def test_a_permission_that_comes_while_a_source_has_not_synced_loses_nothing() -> None:
    """What the others had said by then is said again."""
    early, script = pods("d/1", "d/2"), Script(DONE)
    gate, may_work = asyncio.Event(), asyncio.Event()

    class Late:
        name = "late"

        async def run(self, sink: Sink) -> None:
            sink.add("d/9", "at the beginning")
            await gate.wait()
            sink.synced()
            sink.add("d/8", "later")

        async def replay(self, sink: Sink) -> None:
            sink.add("d/9", "known")

    controller = Controller(name="test", reconcile=script, watches=[Watch(early, to_self), Late()])
    async with running(controller, may_work=may_work):
        await asyncio.sleep(1)
        controller.wake(ObjectKey("d", "7"))
        may_work.set()
        early.apply([applied("d/3", 2)])
        await asyncio.sleep(1)
        assert script.calls == []
        gate.set()
        await asyncio.sleep(1)
    assert sorted(request.name for request in script.requests) == ["1", "2", "3", "7", "8", "9"]
    assert {request.name: request.causes for request in script.requests if request.name in "78"} == {
        "7": ("woken",),
        "8": ("later",),
    }


async def test_a_controller_that_has_stopped_notes_nothing_more() -> None:
    """However often it is woken."""
    controller = one(Script(DONE), pods("d/1"))
    async with running(controller) as work:
        await asyncio.sleep(1)
        controller.stop()
        await work
        for number in range(10):
            controller.wake(ObjectKey("d", str(number)))
        assert controller._enqueuer.causes.keys() == ()


@pytest.mark.behaviour("K5", "K17")
async def test_no_permission_lets_a_worker_in_before_the_caches_are_full() -> None:
    """K5: and a controller that waits for its caches says so."""
    script, may_work = Script(DONE), asyncio.Event()
    may_work.set()
    controller = one(script, Informer[Any](PODS, {"": ScriptedSource([Unreachable("dial")])}))
    async with running(controller, may_work=may_work):
        await asyncio.sleep(5)
        assert controller.busy() == ("controller:test waits for its caches",)
        waiting = asyncio.create_task(controller.wait_synced())
        await asyncio.sleep(1)
        controller.stop()
        with pytest.raises(NotSynced, match=r"^wait for controller test: it has stopped"):
            await waiting
    assert script.calls == []


@pytest.mark.behaviour("K17", "M8")
async def test_a_stop_before_the_permission_ends_it_quietly() -> None:
    """And a permission that comes later starts nothing."""
    script, may_work = Script(DONE), asyncio.Event()
    controller = one(script, pods("d/1"))
    async with running(controller, may_work=may_work) as work:
        await asyncio.sleep(1)
        controller.stop()
        may_work.set()
        await asyncio.wait_for(work, 1)
    assert script.calls == []
    assert controller.busy() == ()


def test_who_works_is_the_leader_unless_told() -> None:
    assert one(Script(DONE), pods()).replicas is Replicas.LEADER
    assert one(Script(DONE), pods(), replicas=Replicas.ALL).replicas is Replicas.ALL


async def test_keys_of_others_are_not_started_whatever_wants_them() -> None:
    """Events, calls, delays, retries; what was queued before the limit too."""
    without_jitter()
    informer = pods(*(f"d/{number}" for number in range(4)))
    script, may_work = Script(RequeueAfter(60)), asyncio.Event()
    controller = one(script, informer)
    async with running(controller, may_work=may_work):
        await asyncio.sleep(1)
        controller.restrict(even)
        may_work.set()
        await virtual_loop().wait_all_blocked()
        assert controller.busy() == ()
        controller.wake(ObjectKey("d", "1"))
        informer.apply([applied("d/1", 2), applied("d/2", 2)])
        await asyncio.sleep(1)
        controller.restrict(odd)
        await asyncio.sleep(600)
        assert controller.busy() == ()
    assert [key for key, _, _ in script.calls] == ["d/0", "d/2", "d/2"]


async def test_a_handover_drops_what_is_owed_lets_what_runs_finish_and_starts_no_more() -> None:
    """restrict and quiesce: retries and delays of these keys are gone, those of others stay."""
    informer, slow = pods("d/1", "d/2", "d/3", "d/4"), Slow()

    async def reconcile(request: Request) -> Outcome:
        if request.name in "12":
            raise Forbidden("no")
        return await slow(request)

    controller = one(reconcile, informer, workers=4)
    async with running(controller):
        await asyncio.sleep(1)
        assert {retry.key.name for retry in controller.retries()} == {"1", "2"}
        controller.restrict(even)
        informer.apply([applied("d/3", 2)])
        await controller.quiesce(odd)
        assert monotonic() == 10
        assert "3 done" in slow.told
        assert {retry.key.name for retry in controller.retries()} == {"2"}
        await controller.quiesce(odd)
        await asyncio.sleep(100)
    assert slow.told.count("3 began") == 1


@pytest.mark.parametrize("end", [Forbidden("no"), Conflict("changed"), RequeueAfter(60)])
async def test_what_ends_during_the_handover_is_owed_nothing_here(end: object) -> None:
    """It failed, or wants to come again: that is for the next one who has the key."""

    async def reconcile(_request: Request) -> Outcome:
        await asyncio.sleep(10)
        if isinstance(end, Exception):
            raise end
        return RequeueAfter(60)

    controller = one(reconcile, pods("d/1"))
    async with running(controller):
        await asyncio.sleep(1)
        controller.restrict(even)
        await controller.quiesce(odd)
        await virtual_loop().wait_all_blocked()
        assert (controller.busy(), controller.retries(), controller.statistics().queue.delayed) == ((), (), 0)
    assert sum(controller.statistics().results.values()) == 1


async def test_a_key_that_comes_back_before_its_turn_still_knows_why() -> None:
    """It was given away and taken back while it waited for a worker."""
    script = Script(DONE)

    async def reconcile(request: Request) -> Outcome:
        await asyncio.sleep(10 if request.name == "1" else 0)
        return await script(request)

    controller = one(reconcile, pods("d/1", "d/2"))
    async with running(controller):
        await asyncio.sleep(1)
        controller.restrict(odd)
        await controller.quiesce(even)
        controller.restrict(everything)
        await asyncio.sleep(20)
    assert [request.causes for request in script.requests if request.name == "2"] == [
        ("pods d/2 added at 1, seen by the first list",)
    ]


@pytest.mark.parametrize("end", [Forbidden("no"), Conflict("changed"), RequeueAfter(60), RetryLater("no", after_s=60)])
async def test_what_was_owed_to_a_key_and_why_go_with_its_shard(end: object) -> None:
    """When it comes back it is as new: a first attempt, for what has happened since."""
    informer, script = pods("d/1"), Script(end, DONE)
    controller = one(script, informer)
    async with running(controller):
        await virtual_loop().wait_all_blocked()
        controller.restrict(even)
        await controller.quiesce(odd)
        await asyncio.sleep(120)
        controller.restrict(everything)
        informer.apply([applied("d/1", 2)])
        await asyncio.sleep(120)
    assert [(request.attempt, request.causes, request.waited_s) for request in script.requests[1:]] == [
        (1, ("pods d/1 updated content at 2",), 0)
    ]


async def test_why_a_key_was_ready_goes_with_its_shard_when_its_turn_comes() -> None:
    """Another replica has it by then; when it comes back it is for what has happened since."""
    informer, script = pods("d/1", "d/2"), Script(DONE)

    async def reconcile(request: Request) -> Outcome:
        await asyncio.sleep(10 if request.name == "1" else 0)
        return await script(request)

    controller = one(reconcile, informer)
    async with running(controller):
        await asyncio.sleep(1)
        controller.restrict(odd)
        await asyncio.sleep(20)
        controller.restrict(everything)
        informer.apply([applied("d/2", 2)])
        await asyncio.sleep(20)
    assert [(request.causes, request.waited_s) for request in script.requests if request.name == "2"] == [
        (("pods d/2 updated content at 2",), 0)
    ]


@pytest.mark.parametrize("turns", range(6))
async def test_nothing_begins_after_a_stop_whichever_turn_of_the_loop_it_comes_in(turns: int) -> None:
    """A key is ready, taken, and then begun: it has begun, or is counted as one that waited."""
    script = Script(DONE)
    controller = one(script, pods())
    async with running(controller) as work:
        await virtual_loop().wait_all_blocked()
        controller.wake(ObjectKey("d", "1"))
        for _ in range(turns):
            await asyncio.sleep(0)
        begun = len(script.calls)
        controller.stop()
        await work
    assert (len(script.calls), controller.statistics().queue.abandoned) == (begun, 1 - begun)


@pytest.mark.parametrize("turns", range(6))
async def test_nor_does_a_key_that_is_anothers_by_then(turns: int) -> None:
    """Whatever led to it is another replica's to answer."""
    script = Script(DONE)
    controller = one(script, pods())
    async with running(controller):
        await virtual_loop().wait_all_blocked()
        controller.wake(ObjectKey("d", "1"))
        for _ in range(turns):
            await asyncio.sleep(0)
        begun = len(script.calls)
        controller.restrict(even)
        await asyncio.sleep(1)
        assert len(script.calls) == begun
        controller.restrict(everything)
        controller.wake(ObjectKey("d", "1"))
        await asyncio.sleep(1)
    assert [request.causes for request in script.requests] == [("woken",)] * (begun + 1)


async def test_quiet_is_waited_for_by_several_and_for_these_keys_only() -> None:
    controller = one(Slow(), pods("d/1", "d/2"))
    async with running(controller):
        await asyncio.sleep(1)
        for where, at in ((even, 1), (odd, 10), (even, 20), (everything, 20)):
            await asyncio.wait_for(asyncio.create_task(controller.quiesce(where)), 60)
            assert monotonic() == at


async def test_a_takeover_enqueues_all_known_keys_of_the_share_at_low_priority() -> None:
    """What happens in the cluster goes first; the cause says what it was."""
    informer = pods(*(f"d/{number}" for number in range(6)))
    script = Script(DONE)
    controller = one(script, informer)
    controller.restrict(lambda _key: False)
    async with running(controller):
        await asyncio.sleep(1)
        assert (script.calls, controller.statistics().queue.ready) == ([], 0)
        controller.restrict(even)
        controller.enqueue_known(lambda key: key.name in "0123")
        informer.apply([applied("d/4", 2)])
        await asyncio.sleep(1)
    assert {(request.name, request.causes) for request in script.requests} == {
        ("0", ("takeover",)),
        ("2", ("takeover",)),
        ("4", ("pods d/4 updated content at 2",)),
    }


async def test_a_lost_lease_cuts_off_its_reconciles_and_nobody_elses() -> None:
    """cut_off: cancelled, counted, told; the worker goes on, and the key is not tried again here."""
    slow = Slow()
    controller = one(slow, pods("d/1", "d/2", "d/3"), workers=2)
    value = samples(controller)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(3)
            controller.restrict(even)
            controller.cut_off(odd)
            await virtual_loop().wait_all_blocked()
            assert slow.told == ["1 began", "2 began", "1 cancelled"]
            assert monotonic() == 3
            await asyncio.sleep(100)
    assert slow.told[3:] == ["2 done"]
    assert counts(controller.statistics()) == {Result.DONE: 1}
    assert (controller.statistics().cancelled, controller.statistics().timeouts) == (1, 0)
    assert value("controller_cancelled_total") == 1
    (line,) = lines_of(lines, "reconcile_cancelled")
    assert (line["log_level"], line["key"], line["took_ms"], line["causes"]) == (
        "warning",
        "d/1",
        3000.0,
        ["pods d/1 added at 1, seen by the first list"],
    )


async def test_what_is_cut_off_and_still_owned_runs_again() -> None:
    """Half of its work may be done."""
    slow = Slow()
    controller = one(slow, pods("d/1"))
    async with running(controller):
        await asyncio.sleep(3)
        controller.cut_off(everything)
        controller.cut_off(everything)
        await asyncio.sleep(100)
    assert slow.told == ["1 began", "1 cancelled", "1 began", "1 done"]


async def test_a_cut_in_the_moment_of_the_end_changes_nothing() -> None:
    """It ended by itself: the cut came too late."""
    slow = Slow()
    controller = one(slow, pods("d/1"))
    async with running(controller):
        asyncio.get_running_loop().call_at(10, controller.cut_off, everything)
        await asyncio.sleep(100)
    assert (slow.told[-1], counts(controller.statistics())) == ("1 done", {Result.DONE: 1})
    assert controller.statistics().cancelled in (0, 1)


async def test_a_cut_that_is_swallowed_counts_all_the_same() -> None:
    """Whatever it returns: somebody else has the key now."""

    async def stubborn(_request: Request) -> Outcome:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        return RequeueAfter(1)

    controller = one(stubborn, pods("d/1"), timeout_s=20)
    async with running(controller):
        await asyncio.sleep(3)
        controller.restrict(even)
        controller.cut_off(odd)
        await controller.quiesce(odd)
        assert monotonic() == 8
        await asyncio.sleep(100)
    assert (controller.statistics().cancelled, counts(controller.statistics())) == (1, {})


async def test_two_controllers_of_one_informer_are_handed_over_apart() -> None:
    """A limit of one is none of the other."""
    informer, one_script, other_script = pods("d/1", "d/2"), Script(DONE), Script(DONE)
    limited = Controller(name="limited", reconcile=one_script, watches=[Watch(informer, to_self)])
    limited.restrict(even)
    async with running(limited):
        other = asyncio.create_task(one(other_script, informer).run())
        await asyncio.sleep(1)
        other.cancel()
        await asyncio.wait([other])
    assert [[key for key, _, _ in script.calls] for script in (one_script, other_script)] == [["d/2"], ["d/1", "d/2"]]


async def test_a_handover_of_many_keys_holds_up_nobody() -> None:
    """What is owed is dropped a slice at a time; cutting off looks at what runs alone."""
    informer = pods(*(f"d/{number}" for number in range(3 * SLICE)))
    controller = one(Script(RequeueAfter(60)), informer)
    asked: Counter[int] = Counter()
    turn = 0

    def owns(_key: ObjectKey) -> bool:
        asked[turn] += 1
        return False

    async def turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    async with running(controller):
        await asyncio.sleep(1)
        assert controller.statistics().queue.delayed == 3 * SLICE
        controller.restrict(owns)
        controller.cut_off(everything)
        assert not asked
        counting = asyncio.create_task(turns())
        await asyncio.sleep(0)
        await controller.quiesce(everything)
        counting.cancel()
        assert controller.statistics().queue.delayed == 0
    assert sum(asked.values()) == 3 * SLICE
    assert max(asked.values()) <= SLICE
