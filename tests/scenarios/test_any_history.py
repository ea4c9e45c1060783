"""
Whatever happens on a server and on the way to it, the mirror ends up equal to the server.

A history is a list of changes, failures and pauses drawn by hypothesis, played over the true client on a virtual-time
loop of its own: most over a Transport in this process that mangles bytes, some over HTTP and a TCP proxy. In the end:
the store is equal to the server; what each handler was told adds up to the store, without a gap and without an object
told twice at one version; requests stayed few; no task, stream or buffer is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.cache.reflector.machine import FIRST_REQUESTS, REQUEST_EVERY_S
from ctrlkit.errors import (
    Expired,
    Forbidden,
    Gone,
    InternalError,
    ServiceUnavailable,
    TimedOut,
    TooManyRequests,
    Unreachable,
)
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.bad_line import BadLine, Manner
from tests.support.effort import tries
from tests.support.mirror import TOO_LONG, Mirrored, mirrored
from tests.support.proxy import Proxy, proxy_to

HEAL_S = 700.0
"""Longer than it takes to notice that a watch of 600 s is dead, and than any back-off after that."""

History = list[tuple[Any, ...]]

NAMES = st.sampled_from("abc")
VALUES = st.one_of(st.text("xyz", max_size=12), st.text("xyz", max_size=9).map(lambda text: TOO_LONG + text))
SECONDS = st.sampled_from([0.0, 0.01, 0.0, 0.5, 1.0, 5.0, 40.0, 200.0, 700.0])
ERRORS = [
    Gone("compacted"),
    Expired("too old"),
    TooManyRequests("slow down"),
    TooManyRequests("slow down", retry_after_s=3),
    InternalError("boom"),
    ServiceUnavailable("restarting"),
    Forbidden("no role"),
    Unreachable("reset"),
    TimedOut("no answer"),
]
GARBAGE = st.sampled_from([b"<html>", b"{}", b'{"type":"ADDED","object":{"metadata":5}}'])
STATUSES = [error for error in ERRORS if hasattr(error, "to_status")]


def change() -> st.SearchStrategy[tuple[Any, ...]]:
    """What happens on the server."""
    return st.one_of(
        st.tuples(st.just("put"), NAMES, VALUES),
        st.tuples(st.just("put"), NAMES, VALUES),
        st.tuples(st.just("remove"), NAMES),
        st.tuples(st.just("compact")),
    )


def fault() -> st.SearchStrategy[tuple[Any, ...]]:
    """What happens on the way."""
    return st.one_of(
        st.tuples(st.just("cut"), st.integers(0, 900)),
        st.tuples(st.just("cut_next"), st.lists(st.integers(0, 1500), min_size=1, max_size=4)),
        st.tuples(st.just("end")),
        st.tuples(st.just("end_all"), SECONDS),
        st.tuples(st.just("refuse"), SECONDS),
        st.tuples(st.just("answer"), st.lists(st.sampled_from(ERRORS), min_size=1, max_size=4)),
        st.tuples(st.just("status"), st.sampled_from(STATUSES)),
        st.tuples(st.just("garbage"), GARBAGE),
        st.tuples(st.just("mangle"), GARBAGE),
        st.tuples(st.just("repeat"), st.integers(1, 12), st.integers(0, 3)),
        st.tuples(st.just("delay"), SECONDS),
        st.tuples(st.just("halve"), SECONDS),
        st.tuples(st.just("stall")),
        st.tuples(st.just("late handler")),
    )


def histories() -> st.SearchStrategy[History]:
    """As many changes as failures, each with some time after it in which nothing new happens."""
    step = st.booleans().flatmap(lambda is_change: change() if is_change else fault())
    steps = st.tuples(step, SECONDS)
    return st.one_of(st.lists(steps, max_size=8), st.lists(steps, min_size=8, max_size=40)).map(
        lambda drawn: [part for step, seconds in drawn for part in (step, ("pause", seconds))]
    )


# What chance finds only now and then, each the death of a mistake that was tried.
LATE_AGAIN: History = [("remove", "a"), ("pause", 1.0), ("repeat", 5, 1), ("pause", 1.0)]
MANGLED: History = [("mangle", b"<html>"), ("put", "a", "x"), ("pause", 1.0)]
CUT_LISTS: History = [
    *[("put", name, "x") for name in "abc"],
    ("pause", 1.0),
    ("cut_next", [1, 200, 400]),
    ("refuse", 5.0),
    ("remove", "a"),
    ("put", "b", "y"),
    ("compact",),
    ("pause", 40.0),
]
ENDED_AT_ONCE: History = [("put", "a", "x"), ("end_all", 700.0), ("pause", 700.0)]
DEAF: History = [("pause", 200.0), ("stall",), ("put", "a", "x"), ("pause", 1.0)]


@pytest.mark.behaviour("I12", "B14", "B17", "R20", "R21", "R24")
@given(history=histories(), manner=st.sampled_from(Manner), seed=st.integers(0, 2**16))
@example(history=LATE_AGAIN, manner=Manner.STREAMS, seed=0)
@example(history=MANGLED, manner=Manner.STREAMS, seed=0)
@example(history=CUT_LISTS, manner=Manner.STREAMS, seed=0)
@example(history=ENDED_AT_ONCE, manner=Manner.STREAMS, seed=0)
@example(history=DEAF, manner=Manner.NO_BOOKMARKS, seed=0)
@settings(max_examples=tries(20, thorough=200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_for_any_history_the_mirror_ends_equal_to_the_server(history: History, manner: Manner, seed: int) -> None:
    """Over bytes in this process."""
    on_virtual_time(lambda: play(history, manner), seed=seed)


@pytest.mark.behaviour("I12")
@given(history=histories(), seed=st.integers(0, 2**16))
@settings(max_examples=tries(5, thorough=30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_for_any_history_over_http_too(history: History, seed: int) -> None:
    """Through sockets; of the faults those that a TCP proxy can play."""
    on_virtual_time(lambda: play_over_http(history), seed=seed)


def on_virtual_time(scenario: Callable[[], Coroutine[Any, Any, None]], *, seed: int) -> None:
    """Run on a loop of its own, on which nothing may be left."""

    async def checked() -> None:
        await scenario()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left behind: {left}"

    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed=seed)) as runner:
        runner.run(checked())


async def play(history: History, manner: Manner) -> None:
    tracker = Tracker()
    line = BadLine(tracker, manner)
    async with mirrored(tracker, line) as mirror:
        mirror.put("a", "first")
        await asyncio.sleep(0.01)
        for step in history:
            await happens(step, mirror, line)
        line.heal()
        await asyncio.sleep(HEAL_S)
        mirror.assert_true()
        assert line.requests <= FIRST_REQUESTS + 3 + clock.monotonic() / REQUEST_EVERY_S
        assert len(line.streams) == 1
        assert not mirror.informer.busy()
        before = line.requests
        await asyncio.sleep(3600)
        assert line.requests - before <= 3600 / 300 + 1
    assert line.streams == []
    assert tracker.busy() == ()


async def happens(step: tuple[Any, ...], mirror: Mirrored, line: BadLine) -> None:
    match step:
        case ("status", error):
            line.send(msgspec.json.encode({"type": "ERROR", "object": error.to_status()}))
            line.end()
        case ("garbage", text):
            line.send(text)
        case (("answer" | "cut_next") as name, several):
            getattr(line, name)(*several)
        case (("cut" | "end" | "end_all" | "refuse" | "repeat" | "mangle" | "delay" | "halve" | "stall") as name, *how):
            getattr(line, name)(*how)
        case _:
            await changes(step, mirror)


async def changes(step: tuple[Any, ...], mirror: Mirrored) -> None:
    match step:
        case ("put", name, value):
            mirror.put(name, value)
        case ("remove", name):
            mirror.remove(name)
        case ("compact",):
            mirror.tracker.compact()
        case ("late handler",):
            mirror.add_view()
        case ("pause", seconds):
            await asyncio.sleep(seconds)


async def play_over_http(history: History) -> None:
    tracker = Tracker()
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        proxy_to(urlsplit(server.url).port or 0) as proxy,
        RestTransport(Endpoint(server=proxy.url)) as transport,
        mirrored(tracker, transport) as mirror,
    ):
        mirror.put("a", "first")
        for step in history:
            await happens_over_http(step, mirror, proxy)
        proxy.delay_s = 0.0
        await asyncio.sleep(HEAL_S)
        mirror.assert_true()
        assert proxy.requests <= FIRST_REQUESTS + 3 + clock.monotonic() / REQUEST_EVERY_S


async def happens_over_http(step: tuple[Any, ...], mirror: Mirrored, proxy: Proxy) -> None:
    match step:
        case ("cut", after):
            proxy.cut_after(after)
        case ("end",) | ("stall",):
            await proxy.close()
            await proxy.open()
        case ("refuse", seconds):
            await proxy.close()
            await asyncio.sleep(seconds)
            await proxy.open()
        case ("answer", errors):
            for error in errors:
                if hasattr(error, "to_status"):
                    proxy.answer(f"{error.code} {error.reason}", msgspec.json.encode(error.to_status()))
        case ("garbage", text):
            proxy.answer("200 OK", text)
        case ("delay", seconds):
            proxy.delay_s = min(seconds, 5.0)
        case _:
            await changes(step, mirror)
