"""How a work queue ends: close, drain, abandon."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.workqueue import QueueClosed, WorkQueue


async def worker(queue: WorkQueue[str], ran: list[str], *, run_s: float = 1.0) -> None:
    """Run keys until the queue ends, as a controller does."""
    while True:
        try:
            key = await queue.take()
        except QueueClosed:
            return
        await asyncio.sleep(run_s)
        ran.append(key)
        queue.done(key)


@pytest.mark.behaviour("Q5")
async def test_a_closed_queue_hands_out_what_is_ready_and_then_ends() -> None:
    """Later adds of all kinds are ignored; closing again changes nothing."""
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add("b")
    queue.close()
    queue.close()
    queue.add("c")
    queue.add_after("c", 0)
    queue.add_after("c", 10)
    assert await queue.take() == "a"
    assert queue.take_nowait() == "b"
    with pytest.raises(QueueClosed, match="closed and has nothing ready"):
        await queue.take()
    with pytest.raises(QueueClosed):
        queue.take_nowait()
    assert queue.statistics().delayed == 0


@pytest.mark.behaviour("Q5")
async def test_closing_wakes_every_take_that_waits() -> None:
    """Each raises QueueClosed."""
    queue = WorkQueue[str]()
    takes = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(1)
    queue.close()
    results = await asyncio.gather(*takes, return_exceptions=True)
    assert [type(result) for result in results] == [QueueClosed] * 3


@pytest.mark.behaviour("Q5")
async def test_takes_woken_by_keys_and_by_closing_at_once_get_the_keys_first() -> None:
    """One key for three takes in the tick of the close: one gets it, two end."""
    queue = WorkQueue[str]()
    takes = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("a")
    queue.close()
    results = await asyncio.gather(*takes, return_exceptions=True)
    assert results[0] == "a"
    assert [type(result) for result in results[1:]] == [QueueClosed] * 2


@pytest.mark.behaviour("Q5")
async def test_a_key_wanted_again_runs_again_although_the_queue_was_closed_meanwhile() -> None:
    """The re-run was asked for before the close."""
    queue = WorkQueue[str]()
    queue.add("a")
    await queue.take()
    queue.add("a")
    queue.close()
    queue.done("a")
    assert await queue.take() == "a"
    queue.done("a")
    with pytest.raises(QueueClosed):
        await queue.take()


@pytest.mark.behaviour("Q9", "B23")
async def test_closing_drops_the_delays_and_counts_them() -> None:
    """Nothing becomes ready later, no timer stays, and a retry asked for too late is counted too."""
    queue = WorkQueue[str]()
    queue.add_after("a", 10)
    queue.add_rate_limited("b")
    queue.add("c")
    await queue.take()
    queue.close()
    queue.add_rate_limited("c")
    queue.done("c")
    assert queue.statistics().abandoned == 3
    assert not queue.busy()
    assert queue.statistics().delayed == 0
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    assert loop.next_deadline() is None


@pytest.mark.behaviour("Q6")
async def test_drain_waits_for_what_runs_and_what_is_ready_and_for_reruns() -> None:
    """Two workers, three keys of a second each, one wanted again after half a second: all four runs take place."""
    queue = WorkQueue[str]()
    ran: list[str] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(worker(queue, ran))
        for key in ("a", "b", "c"):
            queue.add(key)
        await asyncio.sleep(0.5)
        queue.add("a")
        await queue.drain()
        assert sorted(ran) == ["a", "a", "b", "c"]
    assert queue.statistics().abandoned == 0


@pytest.mark.behaviour("Q6")
async def test_drain_of_an_idle_queue_ends_at_once_and_may_be_repeated() -> None:
    """Before, after and beside others."""
    queue = WorkQueue[str]()
    await asyncio.gather(queue.drain(), queue.drain())
    await queue.drain()
    queue.close()
    with pytest.raises(QueueClosed):
        await queue.take()


@pytest.mark.behaviour("Q6", "B23")
async def test_abandon_releases_each_drain_while_a_key_still_runs() -> None:
    """What has not started is dropped and counted; what runs can still be done, and does not run again."""
    queue = WorkQueue[str]()
    for key in ("runs", "again", "ready"):
        queue.add(key)
    await queue.take()
    await queue.take()
    queue.add("again")
    drains = [asyncio.create_task(queue.drain()) for _ in range(2)]
    await asyncio.sleep(60)
    assert not any(drain.done() for drain in drains)
    queue.abandon()
    queue.abandon()
    await asyncio.gather(*drains)
    await queue.drain()
    assert queue.statistics().abandoned == 2
    with pytest.raises(QueueClosed):
        await queue.take()
    assert queue.busy() == ("runs running", "again running")
    queue.done("runs")
    queue.done("again")
    assert not queue.busy()


@pytest.mark.behaviour("P8", "B23")
async def test_abandon_ends_the_workers_at_once() -> None:
    """Unlike controller-runtime's, it may be called twice, and the backlog is not dropped in silence."""
    queue = WorkQueue[str]()
    for number in range(10):
        queue.add(str(number))
    queue.abandon()
    queue.abandon()
    with pytest.raises(QueueClosed):
        queue.take_nowait()
    assert queue.statistics().abandoned == 10


async def test_a_cancelled_drain_leaves_the_queue_closed_and_draining() -> None:
    """Whoever asks next still waits for the key that runs."""
    queue = WorkQueue[str]()
    queue.add("a")
    await queue.take()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await queue.drain()
    drain = asyncio.create_task(queue.drain())
    await asyncio.sleep(1)
    assert not drain.done()
    queue.done("a")
    await drain
