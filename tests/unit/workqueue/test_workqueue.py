"""The work queue as handlers and workers see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ctrlkit.clock import monotonic
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.workqueue import DelayPolicy, ExponentialPerKey, Meter, WorkQueue


@pytest_asyncio.fixture
async def queue() -> AsyncIterator[WorkQueue[str]]:
    """A queue with client-go's retry delays, closed afterwards so that no timer outlives a test."""
    queue = WorkQueue[str](limiter=ExponentialPerKey(cap_s=1000.0, floor=1.0))
    yield queue
    queue.abandon()


def ready(queue: WorkQueue[str]) -> list[str]:
    """Take all that is ready, and leave it running."""
    return [queue.take_nowait() for _ in range(queue.statistics().ready)]


def run_all(queue: WorkQueue[str]) -> list[str]:
    """Run all that is ready."""
    keys = ready(queue)
    for key in keys:
        queue.done(key)
    return keys


@pytest.mark.behaviour("Q2")
async def test_two_workers_never_hold_one_key(queue: WorkQueue[str]) -> None:
    """A second take waits until the first worker is done, although the key was added again."""
    queue.add("a")
    assert await queue.take() == "a"
    queue.add("a")
    second = asyncio.create_task(queue.take())
    await asyncio.sleep(60)
    assert not second.done()
    queue.done("a")
    assert await second == "a"


async def test_takes_that_wait_are_served_in_order(queue: WorkQueue[str]) -> None:
    """The take that waited longest gets the first key."""
    takes = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(0)
    for key in ("a", "b", "c"):
        queue.add(key)
    assert await asyncio.gather(*takes) == ["a", "b", "c"]


async def test_take_nowait_says_that_nothing_is_ready(queue: WorkQueue[str]) -> None:
    """A running key is not ready either."""
    with pytest.raises(asyncio.QueueEmpty):
        queue.take_nowait()
    queue.add("a")
    assert queue.take_nowait() == "a"
    with pytest.raises(asyncio.QueueEmpty):
        queue.take_nowait()


async def test_a_take_cancelled_as_it_waits_leaves_no_trace(queue: WorkQueue[str]) -> None:
    """Takes with a time limit on a quiet queue do not gather in it."""
    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await queue.take()
    assert queue.statistics().takers == 0


async def test_a_take_cancelled_in_the_moment_it_was_woken_loses_no_key(queue: WorkQueue[str]) -> None:
    """The key goes to the next take that waits."""
    first, second = (asyncio.create_task(queue.take()) for _ in range(2))
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"
    assert first.cancelled()


async def test_a_take_cancelled_just_before_an_add_does_not_swallow_it(queue: WorkQueue[str]) -> None:
    """The cancelled take has not run yet when the key arrives; the wake-up passes over it."""
    first, second = (asyncio.create_task(queue.take()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    queue.add("a")
    assert await second == "a"
    assert first.cancelled()


async def test_a_take_cancelled_with_nobody_behind_it_leaves_the_key_ready(queue: WorkQueue[str]) -> None:
    """It is there for the next one who asks, and counts as ready, not as running."""
    only = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    only.cancel()
    await asyncio.sleep(0)
    assert queue.busy() == ("a ready",)
    assert await queue.take() == "a"


async def test_a_key_taken_away_from_a_woken_take_leaves_it_waiting(queue: WorkQueue[str]) -> None:
    """Somebody else was quicker; the next key is its own."""
    slow = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    assert queue.take_nowait() == "a"
    await asyncio.sleep(1)
    assert not slow.done()
    queue.add("b")
    assert await slow == "b"


@pytest.mark.behaviour("Q7")
async def test_a_delayed_key_becomes_ready_at_its_moment(queue: WorkQueue[str]) -> None:
    """To the second, in order of the moments, and a take that waits is woken by it."""
    queue.add_after("late", 30)
    queue.add_after("early", 10)
    assert (await queue.take(), monotonic()) == ("early", 10)
    assert (await queue.take(), monotonic()) == ("late", 30)


@pytest.mark.behaviour("Q7")
@pytest.mark.parametrize("delay_s", [0, -3])
async def test_no_delay_means_now(queue: WorkQueue[str], delay_s: float) -> None:
    """Zero and less are an add."""
    queue.add_after("a", delay_s)
    assert ready(queue) == ["a"]


@pytest.mark.behaviour("Q7")
async def test_a_second_delay_cannot_put_a_key_off(queue: WorkQueue[str]) -> None:
    """The earlier moment holds and the key runs once."""
    queue.add_after("a", 50)
    queue.add_after("a", 20)
    queue.add_after("a", 90)
    assert (await queue.take(), monotonic()) == ("a", 20)
    queue.done("a")
    await asyncio.sleep(100)
    assert ready(queue) == []


@pytest.mark.behaviour("B6")
async def test_a_second_delay_puts_a_key_off_if_asked_to(queue: WorkQueue[str]) -> None:
    """LATEST and REPLACE do what EARLIEST does not."""
    queue.add_after("latest", 50)
    queue.add_after("latest", 90, policy=DelayPolicy.LATEST)
    queue.add_after("replaced", 50)
    queue.add_after("replaced", 80, policy=DelayPolicy.REPLACE)
    queue.add_after("replaced", 70, policy=DelayPolicy.REPLACE)
    assert (await queue.take(), monotonic()) == ("replaced", 70)
    assert (await queue.take(), monotonic()) == ("latest", 90)


@pytest.mark.behaviour("B6", "P3")
async def test_an_add_consumes_the_delay(queue: WorkQueue[str]) -> None:
    """Unlike client-go (Q8) the key runs once, now, and not again when its delay is over."""
    queue.add_after("a", 10)
    queue.add("a")
    assert run_all(queue) == ["a"]
    await asyncio.sleep(20)
    assert ready(queue) == []


@pytest.mark.behaviour("P3")
async def test_a_delay_for_a_key_whose_run_is_still_to_start_is_dropped(queue: WorkQueue[str]) -> None:
    """That run will say itself what comes after it: for a ready key, and for one wanted again while it runs."""
    queue.add("a")
    queue.add_after("a", 10)
    assert queue.statistics().delayed == 0
    queue.take_nowait()
    queue.add("a")
    queue.add_rate_limited("a")
    assert (queue.statistics().delayed, queue.failures("a")) == (0, 1)
    queue.done("a")
    assert run_all(queue) == ["a"]
    await asyncio.sleep(20)
    assert ready(queue) == []


@pytest.mark.behaviour("P1")
async def test_a_key_delayed_while_it_runs_is_ready_when_both_are_over(queue: WorkQueue[str]) -> None:
    """A run asks for the next in 10 s: that counts from the asking, and a run that lasts longer is not overtaken."""
    queue.add("a")
    queue.take_nowait()
    queue.add_after("a", 10)
    await asyncio.sleep(15)
    assert ready(queue) == []
    assert queue.busy() == ("a running, wanted again",)
    queue.done("a")
    assert ready(queue) == ["a"]


@pytest.mark.behaviour("B6")
async def test_a_delay_can_be_cancelled(queue: WorkQueue[str]) -> None:
    """Also a retry's; the answer says whether there was one."""
    queue.add_after("a", 10)
    queue.add_rate_limited("b")
    assert [queue.cancel_after("a"), queue.cancel_after("b"), queue.cancel_after("c")] == [True, True, False]
    assert not queue.busy()
    await asyncio.sleep(20)
    assert ready(queue) == []


async def test_a_batched_key_comes_once_for_all_that_is_added_meanwhile(queue: WorkQueue[str]) -> None:
    """The time counts from the first add, the highest priority holds, and the queue is not idle until then."""
    queue.add_batched("a", 10)
    await asyncio.sleep(8)
    queue.add_batched("a", 10, priority=5)
    assert (run_all(queue), queue.busy()) == ([], ("a waits for more changes",))
    queue.add("b", priority=1)
    await asyncio.sleep(2)
    assert (run_all(queue), queue.busy()) == (["a", "b"], ())


@pytest.mark.behaviour("Q11", "Q16")
async def test_a_failing_key_is_retried_at_growing_distance_until_forgotten(queue: WorkQueue[str]) -> None:
    """5, 10, 20 ms after each failure; after forget() from 5 ms again."""
    queue.add("a")
    moments_ms = []
    for _ in range(4):
        await queue.take()
        moments_ms.append(monotonic() * 1000)
        queue.add_rate_limited("a")
        queue.done("a")
    assert moments_ms == pytest.approx([0, 5, 15, 35])
    assert queue.failures("a") == 4
    queue.forget("a")
    assert queue.failures("a") == 0
    assert queue.statistics().retries == 1  # forget() does not take it out of the queue
    await queue.take()
    queue.add_rate_limited("a")
    queue.done("a")
    before = monotonic()
    await queue.take()
    assert (monotonic() - before) * 1000 == pytest.approx(5)


async def test_a_limiter_that_asks_for_no_delay_has_the_key_run_at_once() -> None:
    """Any object with the three methods is a limiter."""

    class Never:
        def when(self, key: str) -> float:
            return 0.0

        def forget(self, key: str) -> None: ...

        def failures(self, key: str) -> int:
            return 0

    queue = WorkQueue[str](limiter=Never())
    queue.add_rate_limited("a")
    assert ready(queue) == ["a"]


async def test_busy_names_what_is_owed_and_a_plain_delay_is_idle(queue: WorkQueue[str]) -> None:
    """Ready, running, wanted again and waits for a retry are work; a RequeueAfter that is pending is not."""
    queue.add_after("later", 10)
    assert queue.busy() == ()
    for key in ("again", "runs", "ready"):
        queue.add(key)
    queue.take_nowait()
    queue.take_nowait()
    queue.add("again")
    queue.add_rate_limited("failed")
    assert queue.busy() == ("again running, wanted again", "runs running", "ready ready", "failed waits for a retry")
    found = queue.statistics()
    assert (found.ready, found.running, found.delayed, found.retries, found.takers) == (1, 2, 2, 1, 0)


async def test_a_retry_is_owed_until_it_has_run(queue: WorkQueue[str]) -> None:
    """From the failure to the done of the run after it the queue is never idle."""
    queue.add_rate_limited("a")
    assert queue.busy() == ("a waits for a retry",)
    await asyncio.sleep(1)
    assert queue.busy() == ("a ready",)
    queue.take_nowait()
    assert queue.busy() == ("a running",)
    queue.done("a")
    assert not queue.busy()


async def test_one_timer_is_set_and_only_while_a_key_is_delayed(queue: WorkQueue[str]) -> None:
    """The queue owns no task, and no timer that would wake the loop for nothing."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    for number in range(50):
        queue.add_after(str(number), 100 - number)
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]
    assert [timer.when() for timer in timers] == [51]
    queue.add("49")
    assert loop.next_deadline() == 52
    for number in range(49):
        queue.cancel_after(str(number))
    assert loop.next_deadline() is None
    assert len(asyncio.all_tasks()) == 1


def test_a_queue_has_one_owner() -> None:
    """Who takes from it takes what others wait for."""
    queue = WorkQueue[str]()
    queue.claim("Controller a")
    with pytest.raises(ValueError, match=r"^Controller b: its queue is that of Controller a already; give each a Work"):
        queue.claim("Controller b")


async def test_a_queue_can_be_measured_from_any_moment_on() -> None:
    """What ran before is counted all the same; a Meter that is there stays."""
    queue = WorkQueue[str]()
    queue.add("a")
    queue.take_nowait()
    queue.add("a")
    assert (queue.statistics().adds, queue.statistics().waited) == (2, None)
    queue.measure()
    queue.done("a")
    queue.add("b")
    for key in ("a", "b"):
        assert queue.take_nowait() == key
        queue.done(key)
    statistics = queue.statistics()
    assert statistics.adds == 3
    assert statistics.waited is not None
    assert statistics.worked is not None
    assert (sum(statistics.waited.counts), sum(statistics.worked.counts)) == (2, 3)
    meter = Meter()
    measured = WorkQueue[str](meter=meter)
    measured.measure()
    measured.add("a")
    measured.take_nowait()
    assert meter.waited.statistics().count == 1
