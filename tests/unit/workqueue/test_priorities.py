"""Priorities and flows as handlers and workers of a queue see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ctrlkit.clock import monotonic
from ctrlkit.workqueue import LOW, NORMAL, DelayPolicy, ExponentialPerKey, Flows, QueueClosed, WorkQueue


@pytest_asyncio.fixture
async def queue() -> AsyncIterator[WorkQueue[str]]:
    """A queue whose retries come after 1 s, closed afterwards so that no timer outlives a test."""
    queue = WorkQueue[str](limiter=ExponentialPerKey(base_s=1.0, cap_s=1.0, floor=1.0))
    yield queue
    queue.abandon()


def by_letter(running_max: int | None = None) -> Flows[str]:
    return Flows(of=lambda key: key[0], running_max=running_max)


def ready(queue: WorkQueue[str]) -> list[str]:
    """Take all that is ready, and leave it running."""
    return [queue.take_nowait() for _ in range(queue.statistics().ready)]


def depth(queue: WorkQueue[str]) -> dict[int, int]:
    return dict(queue.statistics().depth)


@pytest.mark.behaviour("P2", "P9")
async def test_events_go_before_what_can_wait(queue: WorkQueue[str]) -> None:
    """As after a restart: the initial list is queued with LOW, and something happens to two of its objects."""
    for key in ("a", "b", "c", "d"):
        queue.add(key, priority=LOW)
    queue.add("c")
    queue.add("new")
    queue.add("b", priority=LOW - 1)
    assert depth(queue) == {NORMAL: 2, LOW: 3}
    assert ready(queue) == ["c", "new", "a", "b", "d"]


@pytest.mark.behaviour("P4")
async def test_what_becomes_ready_later_is_behind_what_is_ready_but_for_its_priority(queue: WorkQueue[str]) -> None:
    """A delay decides when a key becomes ready; from then on it stands where an add at that moment would stand."""
    queue.add_after("delayed first", 1)
    queue.add_after("high", 2, priority=7)
    queue.add("ready")
    await asyncio.sleep(1.5)
    queue.add("ready later")
    await asyncio.sleep(1)
    assert ready(queue) == ["high", "ready", "delayed first", "ready later"]


@pytest.mark.behaviour("P10", "B7")
async def test_low_starves_for_no_longer_than_ten_minutes(queue: WorkQueue[str]) -> None:
    """A worker that takes a second for each key, and one NORMAL key each second: LOW waits for 600 of them."""
    queue.add("low", priority=LOW)
    while True:
        queue.add(f"event {monotonic()}")
        key = await queue.take()
        if key == "low":
            break
        await asyncio.sleep(1)
        queue.done(key)
    assert monotonic() == 601


@pytest.mark.behaviour("P10", "B7")
async def test_how_fast_keys_age_can_be_said() -> None:
    """With a tenth of a second for a point LOW waits for 10 s."""
    queue = WorkQueue[str](point_s=0.1)
    queue.add("low", priority=LOW)
    await asyncio.sleep(10.5)
    queue.add("event")
    assert ready(queue) == ["low", "event"]


@pytest.mark.behaviour("K12")
async def test_a_requeue_keeps_the_priority_of_its_run(queue: WorkQueue[str]) -> None:
    """After a delay and after a failure, unless it is told otherwise."""
    for key in ("again", "failed", "raised", "lowered"):
        queue.add(key, priority=LOW)
    assert ready(queue) == ["again", "failed", "raised", "lowered"]
    queue.add_after("again", 1)
    queue.add_rate_limited("failed")
    queue.add_after("raised", 1, priority=NORMAL)
    queue.add_rate_limited("lowered", priority=LOW - 1)
    for key in ("again", "failed", "raised", "lowered"):
        queue.done(key)
    await asyncio.sleep(2)
    assert depth(queue) == {NORMAL: 1, LOW: 2, LOW - 1: 1}
    assert ready(queue) == ["raised", "again", "failed", "lowered"]


@pytest.mark.behaviour("P1", "K12")
async def test_a_raise_counts_for_the_retry_even_if_it_did_not_move_the_key(queue: WorkQueue[str]) -> None:
    """The key had waited for so long that its place was the better one."""
    queue.add("a", priority=LOW)
    await asyncio.sleep(601)
    queue.add("a")
    assert depth(queue) == {NORMAL: 1}
    assert queue.take_nowait() == "a"
    assert depth(queue) == {}
    queue.add_rate_limited("a")
    queue.done("a")
    await asyncio.sleep(2)
    assert depth(queue) == {NORMAL: 1}


@pytest.mark.behaviour("K12")
async def test_no_delay_keeps_the_priority_too(queue: WorkQueue[str]) -> None:
    """Of a run, and of a delay that is brought forward to now."""
    queue.add("runs", priority=LOW)
    queue.take_nowait()
    queue.add_after("runs", 0)
    queue.add_after("delayed", 5, priority=7)
    queue.add_after("delayed", 0)
    queue.add_after("new", 0)
    assert depth(queue) == {7: 1, NORMAL: 1, LOW: 1}


@pytest.mark.behaviour("P1")
async def test_what_is_wanted_twice_has_the_higher_priority(queue: WorkQueue[str]) -> None:
    """Of two delays, of a delay and the add that consumes it, and of a ready key and a delay that is dropped for it."""
    queue.add_after("two delays", 5, priority=LOW)
    queue.add_after("two delays", 9, policy=DelayPolicy.LATEST, priority=3)
    queue.add_after("two delays", 9, priority=2)
    queue.add_after("high delay", 5, priority=4)
    queue.add("high delay", priority=LOW)
    queue.add_after("low delay", 5, priority=LOW)
    queue.add("low delay")
    queue.add("ready", priority=LOW)
    queue.add_after("ready", 5, priority=5)
    assert depth(queue) == {5: 1, 4: 1, NORMAL: 1}
    assert ready(queue) == ["ready", "high delay", "low delay"]
    await asyncio.sleep(10)
    assert depth(queue) == {3: 1}


@pytest.mark.behaviour("P6")
async def test_of_a_delay_and_a_failure_the_earlier_wins_and_the_failure_counts(queue: WorkQueue[str]) -> None:
    """Whichever came first; the limiter is asked once for each failure."""
    queue.add_after("a", 10)
    queue.add_rate_limited("a")
    queue.add_rate_limited("b")
    queue.add_after("b", 0.5)
    assert (queue.failures("a"), queue.failures("b")) == (1, 1)
    assert (queue.due_at("a"), queue.due_at("b"), queue.due_at("c")) == (1.0, 0.5, None)
    await asyncio.sleep(20)
    assert ready(queue) == ["b", "a"]


@pytest.mark.behaviour("P5")
async def test_a_key_wanted_while_it_runs_counts_at_once_and_is_skipped_until_it_is_done(
    queue: WorkQueue[str],
) -> None:
    """With the priority that it was wanted with."""
    queue.add("a")
    queue.take_nowait()
    queue.add("a", priority=3)
    assert depth(queue) == {3: 1}
    with pytest.raises(asyncio.QueueEmpty):
        queue.take_nowait()
    queue.done("a")
    assert depth(queue) == {3: 1}
    assert ready(queue) == ["a"]
    assert depth(queue) == {}


@pytest.mark.behaviour("P7", "Q10")
async def test_adds_count_what_came_to_be_wanted_and_requeues_what_was_put_off(queue: WorkQueue[str]) -> None:
    """A delayed key counts as added when it is ready, and no delay is no requeue."""
    queue.add_after("a", 5)
    queue.add_after("a", 3)
    queue.add_after("b", 0)
    queue.add_rate_limited("c")
    found = queue.statistics()
    assert (found.ready, found.adds, found.requeues) == (1, 1, 3)
    await asyncio.sleep(5)
    found = queue.statistics()
    assert (found.ready, found.adds, found.requeues) == (3, 3, 3)


async def test_running_keys_are_visible_with_the_moment_they_began(queue: WorkQueue[str]) -> None:
    """The one that began first in front."""
    for key in ("a", "b"):
        queue.add(key)
        await asyncio.sleep(1)
        await queue.take()
    await asyncio.sleep(1)
    assert queue.running() == {"a": 1.0, "b": 2.0}
    found = queue.statistics()
    assert (found.unfinished_s, found.longest_s) == (3.0, 2.0)
    queue.done("a")
    assert queue.running() == {"b": 2.0}


@pytest.mark.behaviour("B32")
async def test_a_take_waits_while_all_that_is_ready_belongs_to_flows_at_their_limit() -> None:
    """A done lets the next of the flow go, to the take that waits."""
    queue = WorkQueue[str](flows=by_letter(1))
    queue.add("a1")
    queue.add("a2")
    assert await queue.take() == "a1"
    take = asyncio.create_task(queue.take())
    await asyncio.sleep(1)
    with pytest.raises(asyncio.QueueEmpty):
        queue.take_nowait()
    queue.add("a3")
    await asyncio.sleep(1)
    assert not take.done()
    queue.done("a1")
    assert await take == "a2"


@pytest.mark.behaviour("B32")
async def test_a_take_that_was_woken_for_nothing_keeps_its_place() -> None:
    """b1 and a2 come in one tick and wake two takes, but a is at its limit: the second take is the first to wait."""
    queue = WorkQueue[str](flows=by_letter(1))
    queue.add("a1")
    assert await queue.take() == "a1"
    takes = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(1)
    queue.add("b1")
    queue.add("a2")
    await asyncio.sleep(1)
    queue.add("c1")
    await asyncio.sleep(1)
    queue.add("d1")
    assert await asyncio.gather(*takes) == ["b1", "c1", "d1"]


@pytest.mark.behaviour("B32")
async def test_each_of_several_workers_finds_what_it_may_run() -> None:
    """Four workers, a second for each key, one flow at a time of each: all eight keys take four seconds."""
    queue = WorkQueue[str](flows=by_letter(1))
    began: dict[str, float] = {}

    async def work() -> None:
        while True:
            try:
                key = await queue.take()
            except QueueClosed:
                return
            began[key] = monotonic()
            await asyncio.sleep(1)
            queue.done(key)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(work())
        for key in ("a1", "a2", "a3", "a4", "b1", "b2", "c1", "c2"):
            queue.add(key)
        await queue.drain()
    assert began == {"a1": 0, "b1": 0, "c1": 0, "a2": 1, "b2": 1, "c2": 1, "a3": 2, "a4": 3}


@pytest.mark.behaviour("B32", "Q5")
async def test_a_closed_queue_hands_out_what_waits_for_its_flow() -> None:
    """Takes wait for it too, and end when it is gone."""
    queue = WorkQueue[str](flows=by_letter(1))
    queue.add("a1")
    queue.add("a2")
    assert await queue.take() == "a1"
    queue.close()
    takes = [asyncio.create_task(queue.take()) for _ in range(2)]
    await asyncio.sleep(1)
    assert not any(take.done() for take in takes)
    queue.done("a1")
    assert await takes[0] == "a2"
    with pytest.raises(QueueClosed):
        await takes[1]
    drain = asyncio.create_task(queue.drain())
    await asyncio.sleep(1)
    assert not drain.done()
    queue.done("a2")
    await drain


@pytest.mark.behaviour("B32")
async def test_a_rerun_waits_for_its_flow_as_any_other_key() -> None:
    """a1 is wanted again while it runs; a2 was there before."""
    queue = WorkQueue[str](flows=by_letter(1))
    for key in ("a1", "a2"):
        queue.add(key)
    assert queue.take_nowait() == "a1"
    queue.add("a1")
    queue.done("a1")
    assert queue.take_nowait() == "a2"
    queue.done("a2")
    assert queue.take_nowait() == "a1"


async def test_keys_added_before_a_loop_runs_are_older_than_those_added_after() -> None:
    """However far that loop's clock is from the one that was read before: they age as the others do."""
    early, late = WorkQueue[str](), WorkQueue[str]()
    await asyncio.get_running_loop().run_in_executor(None, early.add, "low", LOW)  # no loop runs in that thread
    early.add("event")
    late.add("low", priority=LOW)
    late.add("event")
    for queue in (early, late):
        queue.add_after("event", 1)
        assert await queue.take() == "event"
        queue.add("event")
        await asyncio.sleep(601)
        queue.done("event")
        assert await queue.take() == "low"
        assert queue.running()["low"] == pytest.approx(monotonic())
        queue.abandon()
