"""Virtual time stands while something outside of the loop works, and says so when it does not wait any longer."""

from __future__ import annotations

import asyncio
import functools
import http.server
import os
import queue
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ctrlkit import clock
from ctrlkit.fakes.loop import ForeignWorkWarning, VirtualTimeLoop

REAL_S = 0.05
"""How long work takes in real seconds: long enough for time to jump, if it would."""


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def work() -> str:
    """Something slow."""
    time.sleep(REAL_S)
    return "done"


async def in_a_thread() -> str:
    loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(answer.set_result, work()), name="mine")
    thread.start()
    try:
        return str(await answer)
    finally:
        thread.join()


async def by_a_timer() -> str:
    loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    timer = threading.Timer(REAL_S, lambda: loop.call_soon_threadsafe(answer.set_result, "done"))
    timer.start()
    try:
        return str(await answer)
    finally:
        timer.join()


async def in_a_thread_of_anyio() -> str:
    """It waits in its queue already when the job comes."""
    return str(await pytest.importorskip("anyio.to_thread").run_sync(work))


async def in_a_thread_that_is_woken(wakes: Callable[[], tuple[Callable[[], object], Callable[[], object]]]) -> str:
    """It waits for the test, and has yet to notice that it need not wait any longer."""
    loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    wait, wake = wakes()

    def run() -> None:
        wait()
        loop.call_soon_threadsafe(answer.set_result, work())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.01)  # noqa: ASYNC251 - until it waits
    wake()
    try:
        return str(await answer)
    finally:
        thread.join()


def by_an_event() -> tuple[Callable[[], object], Callable[[], object]]:
    event = threading.Event()
    return event.wait, event.set


def by_a_queue() -> tuple[Callable[[], object], Callable[[], object]]:
    jobs: queue.Queue[int] = queue.Queue()
    return jobs.get, lambda: jobs.put(1)


def by_a_queue_that_hands_over_slowly() -> tuple[Callable[[], object], Callable[[], object]]:
    """The job is taken, and the thread is still within `get`."""
    jobs: queue.Queue[int] = queue.Queue()
    jobs.not_full = SlowToNotify(jobs.mutex)
    return jobs.get, lambda: jobs.put(1)


class SlowToNotify(threading.Condition):
    notify = functools.partial(time.sleep, REAL_S)  # no frame of Python's


def by_a_full_queue() -> tuple[Callable[[], object], Callable[[], object]]:
    jobs: queue.Queue[int] = queue.Queue(1)
    jobs.put(1)
    return lambda: jobs.put(2), jobs.get


def by_a_future() -> tuple[Callable[[], object], Callable[[], object]]:
    future: Future[int] = Future()
    return future.result, lambda: future.set_result(1)


def by_a_semaphore() -> tuple[Callable[[], object], Callable[[], object]]:
    semaphore = threading.Semaphore(0)
    return semaphore.acquire, semaphore.release


async def in_an_executor() -> str:
    with ThreadPoolExecutor(1) as executor:
        return await asyncio.get_running_loop().run_in_executor(executor, work)


async def wrapped() -> str:
    with ThreadPoolExecutor(1) as executor:
        return await asyncio.wrap_future(executor.submit(work))


async def queued_behind_another() -> str:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(work)
        return await asyncio.wrap_future(executor.submit(work))


async def in_a_process() -> str:
    with ProcessPoolExecutor(1) as executor:
        await asyncio.wrap_future(executor.submit(time.sleep, REAL_S))
    return "done"


async def in_a_child() -> str:
    """A thread that waits for a child process."""

    def run() -> str:
        return subprocess.check_output([sys.executable, "-c", "print('done')"], text=True).strip()

    with ThreadPoolExecutor(1) as executor:
        return await asyncio.wrap_future(executor.submit(run))


async def over_a_pipe() -> str:
    """The output of a child process, read by the loop itself."""
    script = f"import time; time.sleep({REAL_S}); print('done', flush=True)"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert child.stdout is not None
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), child.stdout
    )
    try:
        return (await reader.readline()).decode().strip()
    finally:
        transport.close()
        child.wait()


class Slow(http.server.BaseHTTPRequestHandler):
    """Answers every request, in its time."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        body = work().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[int]:
    """A server in a thread, which is there before any loop of these tests asks it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


async def from_a_server_in_a_thread() -> str:
    """Several requests on one connection: an idle one is not waited for, each answer is."""
    with serving() as port:
        async with aiohttp.ClientSession() as session:
            answers = []
            for _ in range(3):
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    answers.append(await response.text())
            return answers[-1]


@pytest.mark.parametrize(
    "job",
    [
        *(in_a_thread, by_a_timer, in_an_executor, wrapped, queued_behind_another, in_a_process, in_a_child),
        *(over_a_pipe, from_a_server_in_a_thread, in_a_thread_of_anyio),
        *(
            functools.partial(in_a_thread_that_is_woken, by)
            for by in (
                *(by_an_event, by_a_queue, by_a_queue_that_hands_over_slowly, by_a_full_queue),
                *(by_a_future, by_a_semaphore),
            )
        ),
    ],
    ids=lambda job: getattr(job, "__name__", "") or f"woken_{job.args[0].__name__}",
)
async def test_a_timeout_around_work_outside_is_not_over_at_once(job: Callable[[], Any]) -> None:
    """No virtual time passes, although a timer is set."""
    async with asyncio.timeout(0.001):
        assert await job() == "done"
    assert clock.monotonic() == 0.0


async def test_what_only_waits_does_not_hold_time() -> None:
    """Idle workers, servers and loops in threads, and threads that wait for the test."""
    may_end = threading.Event()
    other = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as executor, serving():
        threads = [threading.Thread(target=one) for one in (may_end.wait, other.run_forever)]
        for thread in threads:
            thread.start()
        await asyncio.wrap_future(executor.submit(len, ""))
        began = time.monotonic()
        await asyncio.sleep(3600)
        assert time.monotonic() - began < 5.0
        may_end.set()
        other.call_soon_threadsafe(other.stop)
        for thread in threads:
            thread.join()
    other.close()


async def test_an_idle_connection_does_not_hold_time() -> None:
    """Its peer has answered all that was sent."""
    with serving() as port:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/") as response:
                assert await response.text() == "done"
            began = time.monotonic()
            for _ in range(10):
                await asyncio.sleep(1)
            assert time.monotonic() - began < 5.0


async def test_when_nothing_is_heard_time_moves_on_and_a_warning_names_what_was_waited_for() -> None:
    """Once for each; what ends later still calls in."""
    loop, answer, may_end = virtual_loop(), asyncio.Event(), threading.Event()
    loop.foreign_work_s = 0.02

    def never_mind() -> None:
        while not may_end.is_set():
            time.sleep(0.001)
        loop.call_soon_threadsafe(answer.set)

    thread = threading.Thread(target=never_mind, name="patient")
    thread.start()
    with pytest.warns(ForeignWorkWarning, match=r"of the thread 'patient' at .*never_mind \(test_foreign"):
        await asyncio.sleep(60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await asyncio.sleep(60)
    assert clock.monotonic() == 120.0
    may_end.set()
    await answer.wait()
    thread.join()


async def test_a_job_that_waits_for_the_loop_is_named() -> None:
    """It would wait for ever, as time stands for it."""
    loop = virtual_loop()
    loop.foreign_work_s = 0.02

    def late() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(5), loop).result()

    with pytest.warns(ForeignWorkWarning, match=r"the job .*late of an executor"):
        await asyncio.to_thread(late)
    assert clock.monotonic() == 5.0


@pytest.mark.parametrize("kind", ["tcp", "unix", "pipe"])
async def test_a_silent_peer_is_named(kind: str, tmp_path: Path) -> None:
    """A connection with something unanswered, or a pipe whose writer is another process."""
    loop = virtual_loop()
    loop.foreign_work_s = 0.02
    if kind == "pipe":
        script, pipe = "input()", subprocess.PIPE
        child = subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe)  # noqa: ASYNC220
        assert child.stdin is not None
        transport, _ = await loop.connect_read_pipe(asyncio.Protocol, child.stdout)
        with pytest.warns(ForeignWorkWarning, match="a pipe"):
            await asyncio.sleep(60)
        transport.close()
        child.stdin.close()
        child.wait()
        return
    family, place = (socket.AF_INET, ("127.0.0.1", 0)) if kind == "tcp" else (socket.AF_UNIX, str(tmp_path / "s"))
    with socket.socket(family) as server:
        server.bind(place)
        server.listen()
        if kind == "tcp":
            _, writer = await asyncio.open_connection(*server.getsockname())
        else:
            _, writer = await asyncio.open_unix_connection(server.getsockname())
        writer.write(b"hello?")
        with pytest.warns(ForeignWorkWarning, match="the connection to "):
            await asyncio.sleep(60)
        writer.close()


async def test_both_ends_on_the_loop_are_no_work_outside() -> None:
    """Nor are clients of a server on the loop, and pipes of this process."""
    loop = virtual_loop()
    loop.foreign_work_s = 0.0

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    ours, theirs = os.pipe()
    transport, _ = await loop.connect_read_pipe(asyncio.Protocol, os.fdopen(ours))
    async with await asyncio.start_server(quiet, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"hello?")
        with socket.create_connection(address) as outside:
            await asyncio.sleep(0)
            outside.sendall(b"x")
            await asyncio.sleep(60)
        writer.close()
        await asyncio.sleep(1)
    transport.close()
    os.close(theirs)
    assert clock.monotonic() == 61.0
