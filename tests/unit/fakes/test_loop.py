"""The loop on virtual time: when time moves, in which order things wake, what it waits for really, what it refuses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.fakes.loop import START, DeadlockError, VirtualTimeLoop, waiting_place

T = TypeVar("T")

DELAYS = st.lists(st.floats(min_value=0, max_value=1e9) | st.sampled_from([0.0, 0.1, 0.3, 30.0]), max_size=20)


def run(main: Callable[[], Coroutine[object, object, T]], *, seed: int = 0) -> T:
    """Run on a fresh loop, whose time starts at zero."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed=seed)) as runner:
        return runner.run(main())


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


# -- order and time


@given(delays=DELAYS)
def test_sleepers_wake_by_deadline_then_by_creation(delays: list[float]) -> None:
    """For any delays, sleepers wake at their deadline, the earlier first, equal ones in the order they were set."""
    woken: list[tuple[float, int]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def wake(index: int) -> None:
            woken.append((loop.time(), index))

        for index, delay in enumerate(delays):
            loop.call_at(delay, wake, index)
        await asyncio.sleep(max(delays, default=0))

    run(main)
    assert [index for _, index in woken] == sorted(range(len(delays)), key=lambda index: (delays[index], index))
    assert all(delays[index] - when <= 1e-9 for when, index in woken), "none wakes before its time"


@given(seed=st.integers(), delays=DELAYS)
def test_one_seed_gives_one_history(seed: int, delays: list[float]) -> None:
    """For any seed, two runs of jittered tasks make the same steps at the same times."""

    async def main() -> list[tuple[float, int]]:
        steps: list[tuple[float, int]] = []

        async def jittered(index: int, delay: float) -> None:
            for _ in range(3):
                await asyncio.sleep(delay * (1 + clock.random_source().random()))
                steps.append((clock.monotonic(), index))

        async with asyncio.TaskGroup() as group:
            for index, delay in enumerate(delays):
                group.create_task(jittered(index, delay))
        return steps

    assert run(main, seed=seed) == run(main, seed=seed)


@given(delay=st.floats(min_value=1e-6, max_value=1e11))
def test_a_timer_is_due_however_far_away(delay: float) -> None:
    """For any delay, even where floats lie further apart than asyncio's resolution, a sleep ends on time."""

    async def main() -> float:
        await asyncio.sleep(delay)
        await asyncio.sleep(delay)
        return asyncio.get_running_loop().time()

    assert run(main) == delay + delay


async def test_timeouts_and_sleeps_share_the_clock() -> None:
    """A timeout of 30 s ends a sleep of an hour after 30 s, not an instant earlier or later."""
    start = clock.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.sleep(3600)
    assert clock.monotonic() - start == 30


async def test_wall_time_is_the_start_date_plus_loop_time() -> None:
    """`clock.now()` on this loop starts at a fixed date and moves with virtual time."""
    before = clock.now()
    assert before == START + timedelta(seconds=clock.monotonic())
    await asyncio.sleep(86400)
    assert clock.now() - before == timedelta(days=1)


def test_the_first_moment_is_always_the_same() -> None:
    """A fresh loop begins at the start of 2026."""

    async def main() -> datetime:
        return clock.now()

    assert run(main) == datetime(2026, 1, 1, tzinfo=UTC)


# -- blocked, deadlines, advance


async def test_wait_all_blocked_lets_every_ready_step_run_but_no_timer() -> None:
    """It returns after chains of ready callbacks, and before time moves."""
    steps: list[str] = []

    async def chain() -> None:
        for step in range(100):
            await asyncio.sleep(0)
            steps.append(f"step {step}")
        await asyncio.sleep(0.001)
        steps.append("timer")

    task = asyncio.create_task(chain())
    start = clock.monotonic()
    await virtual_loop().wait_all_blocked()
    assert (len(steps), steps[-1], clock.monotonic()) == (100, "step 99", start)
    await task
    assert steps[-1] == "timer"


async def test_those_who_wait_for_idleness_are_let_go_one_at_a_time() -> None:
    """Each waiter runs until it blocks again before the next one, in the order of asking."""
    steps: list[str] = []

    async def waiter(name: str) -> None:
        for turn in (1, 2):
            await virtual_loop().wait_all_blocked()
            steps.append(f"{name}{turn} wakes")
            await asyncio.sleep(0)
            steps.append(f"{name}{turn} done")

    async with asyncio.TaskGroup() as group:
        group.create_task(waiter("a"))
        group.create_task(waiter("b"))
    assert steps == [f"{turn} {what}" for turn in ("a1", "b1", "a2", "b2") for what in ("wakes", "done")]


async def test_who_waits_for_the_next_timer_runs_after_all_that_it_leads_to() -> None:
    """Timers of that moment fire, those of later ones do not; one that is due already takes no time."""
    loop, fired = virtual_loop(), list[str]()
    for delay_s, name in ((5.0, "soon"), (5.0, "with it"), (9.0, "later")):
        loop.call_later(delay_s, loop.call_soon, fired.append, name)
    await loop.wait_next_timer()
    assert (fired, clock.monotonic()) == (["soon", "with it"], 5.0)
    loop.call_later(0, fired.append, "now")
    await loop.wait_next_timer()
    assert (fired[-1], clock.monotonic()) == ("now", 5.0)
    await loop.wait_next_timer()
    assert (fired[-1], clock.monotonic()) == ("later", 9.0)


async def test_a_cancelled_waiter_is_passed_over() -> None:
    """A task cancelled in wait_all_blocked does not use up another's turn."""
    first = asyncio.create_task(virtual_loop().wait_all_blocked())
    second = asyncio.create_task(virtual_loop().wait_all_blocked())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


async def test_next_deadline_ignores_cancelled_timers() -> None:
    """It is the earliest timer that will fire, or None."""
    loop = virtual_loop()
    assert loop.next_deadline() is None
    soon, later = loop.call_later(5, print), loop.call_later(10, print)
    assert loop.next_deadline() == loop.time() + 5
    soon.cancel()
    assert loop.next_deadline() == loop.time() + 10
    later.cancel()
    assert loop.next_deadline() is None


@given(period=st.floats(min_value=0.1, max_value=100), periods=st.integers(min_value=0, max_value=20))
async def test_advance_runs_what_falls_due_on_the_way(period: float, periods: int) -> None:
    """For any period, advancing n periods and a half runs a ticker n times, with what each tick sets off."""
    ticks: list[str] = []

    async def ticker() -> None:
        while True:
            await asyncio.sleep(period)
            asyncio.get_running_loop().call_soon(ticks.append, "tick")

    task = asyncio.create_task(ticker())
    await virtual_loop().wait_all_blocked()
    await virtual_loop().advance(period * (periods + 0.5))
    assert len(ticks) == periods
    task.cancel()


async def test_advance_includes_what_is_due_at_its_very_end() -> None:
    """A timer set after the call, for the same moment, has run when it returns; so have the steps it sets off."""
    steps: list[str] = []

    async def periodic() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
        await asyncio.sleep(0)
        steps.append("third tick done")

    task = asyncio.create_task(periodic())
    await virtual_loop().advance(3)
    assert steps == ["third tick done"]
    await task


async def test_ten_small_advances_make_one_large_one() -> None:
    """Rounding of sums does not leave a timer undone: ten times 0.1 s is 1 s."""
    timer = asyncio.create_task(asyncio.sleep(1))
    await asyncio.sleep(0)
    for _ in range(10):
        await virtual_loop().advance(0.1)
    assert timer.done()


# -- outside the loop


async def test_a_job_in_a_thread_takes_no_virtual_time() -> None:
    """Time stands still while an executor job is outstanding, although a timer is set."""
    may_end = threading.Event()
    job = asyncio.create_task(asyncio.to_thread(may_end.wait))
    asyncio.get_running_loop().call_soon(threading.Timer(0.01, may_end.set).start)
    async with asyncio.timeout(0.001):
        assert await job


async def test_wait_all_blocked_waits_for_jobs() -> None:
    """A job's result has been taken by its task when it returns."""
    done: list[bool] = []

    async def work() -> None:
        await asyncio.to_thread(lambda: None)
        done.append(True)

    task = asyncio.create_task(work())
    await virtual_loop().wait_all_blocked()
    assert done
    await task


async def test_a_thread_may_wake_a_loop_that_has_no_timer() -> None:
    """With another thread about, the loop waits really instead of giving up."""
    woken, loop = asyncio.Event(), asyncio.get_running_loop()
    thread = threading.Timer(0.01, lambda: loop.call_soon_threadsafe(woken.set))
    thread.start()
    await woken.wait()
    thread.join()


async def test_http_between_two_ends_on_one_loop_runs_on_virtual_time() -> None:
    """A server that takes an hour answers a client that waits for it, and times out one that does not."""

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response(text="an hour later")

    app = web.Application()
    app.router.add_get("/", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        async with ClientSession(f"http://{host}:{port}") as session:
            start = clock.monotonic()
            with pytest.raises(TimeoutError):
                await session.get("/", timeout=ClientTimeout(total=30))
            assert clock.monotonic() - start == pytest.approx(30, abs=1)  # aiohttp rounds long timeouts up
            start = clock.monotonic()
            async with session.get("/", timeout=ClientTimeout(total=7200)) as response:
                assert await response.text() == "an hour later"
            assert clock.monotonic() - start == 3600
    finally:
        await runner.cleanup()


async def test_ten_megabytes_cross_loopback_before_time_jumps() -> None:
    """Bytes in flight between two sockets of the loop arrive in the moment they were sent, in many pieces."""

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(10_000_000))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        start = clock.monotonic()
        async with asyncio.timeout(0.001):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert len(await reader.read(-1)) == 10_000_000
        assert clock.monotonic() == start
        writer.close()
        await writer.wait_closed()


async def test_child_processes_are_refused() -> None:
    """The error names the program and what to do instead."""
    with pytest.raises(RuntimeError, match=r"start 'sleep' on virtual time: .*real_time"):
        await asyncio.create_subprocess_exec("sleep", "1")
    with pytest.raises(RuntimeError, match=r"start 'sleep 1' on virtual time"):
        await asyncio.create_subprocess_shell("sleep 1")


# -- deadlock


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("after", ["nothing", "a timer", "an executor job"])
def test_a_loop_that_nothing_can_wake_says_who_waits_where(after: str) -> None:
    """It raises instead of hanging; the idle threads of asyncio's executor do not hide it."""

    async def main() -> None:
        if after == "a timer":
            await asyncio.sleep(1)
        if after == "an executor job":
            await asyncio.to_thread(lambda: None)
        other = asyncio.create_task(never(), name="other")
        await other

    with pytest.raises(DeadlockError, match=r"other at never \(test_loop.py:\d+\) > Event.wait \(locks.py:\d+\)"):
        run(main)


async def test_waiting_place_follows_coroutines_and_generators() -> None:
    """Each frame between the task and what it waits for is named, an `__await__` that is a generator included."""

    class Patience:
        def __await__(self) -> Generator[object, None, None]:
            yield from never().__await__()

    async def outer() -> None:
        await Patience()

    task = asyncio.create_task(outer())
    await virtual_loop().wait_all_blocked()
    names = [place.split(" ")[0].rpartition(".")[2] for place in waiting_place(task).split(" > ")]
    assert names == ["outer", "__await__"]
    task.cancel()


# -- what the conftest does with it


async def test_async_tests_run_on_virtual_time() -> None:
    """Without a marker."""
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


@pytest.mark.real_time
async def test_the_marker_real_time_asks_for_the_ordinary_loop() -> None:
    """Which knows neither virtual nor wall time."""
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
