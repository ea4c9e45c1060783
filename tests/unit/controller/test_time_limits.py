"""Reconciles that take too long: cut off by their time limit, or told of as stuck."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Outcome, Request, RequeueAfter, Result
from ctrlkit.controller.observer import Run
from ctrlkit.controller.runs import RunningKeys
from ctrlkit.controller.worker import STUCK_AFTER_S
from ctrlkit.model import MergePatch, ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.support.records import applied
from tests.unit.controller.support import (
    counts,
    lines_of,
    one,
    pods,
    running,
    samples,
    without_jitter,
)


@pytest.mark.behaviour("K14")
async def test_a_reconcile_that_takes_too_long_is_cut_off_counted_and_retried() -> None:
    """K14: its finally blocks run; the worker is free for others; the line is a warning that says what to do."""
    without_jitter()
    ends: list[str] = []
    slow = True

    async def reconcile(request: Request) -> Outcome:
        if request.name == "slow" and slow:
            try:
                await asyncio.sleep(3600)
            finally:
                ends.append("cleaned up")
        ends.append(f"{request.key} {request.attempt}")
        return DONE

    controller = one(reconcile, pods("d/slow", "d/z"), timeout_s=30)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(29)
            assert ends == []
            await asyncio.sleep(1.001)
            assert ends == ["cleaned up", "d/z 1"]
            slow = False
            await asyncio.sleep(1)
    assert ends[2:] == ["d/slow 2"]
    statistics = controller.statistics()
    assert (counts(statistics), statistics.timeouts) == ({Result.ERROR: 1, Result.DONE: 2}, 1)
    assert (statistics.unforeseen, statistics.cancelled) == (0, 0)
    told = lines_of(lines, "reconciled")[0]
    assert (told["log_level"], told["took_ms"], told["next_s"]) == ("warning", 30_000.0, 0.005)
    assert told["outcome"] == "timeout"
    assert re.match(
        r"it had not ended after 30 s and was cut off while it waited at test_time_limits\.py:\d+ in reconcile; make",
        told["error"],
    )


class Frozen:
    """A Transport whose server never answers."""

    do = staticmethod(lambda _action: asyncio.sleep(3600, b""))


async def patches(client: Client) -> None:
    await client.patch(CONFIG_MAPS, "d/config", MergePatch({"data": {"a": "b"}}))


async def patches_two(client: Client) -> None:
    await asyncio.gather(patches(client), asyncio.sleep(3600))


async def patches_and_raises(client: Client) -> None:
    try:
        await patches(client)
    finally:
        raise KeyError("spec")


@pytest.mark.behaviour("K14")
@pytest.mark.parametrize("work", [patches, patches_two, patches_and_raises])
async def test_the_call_that_had_no_answer_is_named(work: Callable[[Client], Awaitable[None]]) -> None:
    """K14: by a reconcile that its time limit cut off, and by one that the end of the program did."""
    client = Client(cast("Any", Frozen()))

    async def reconcile(_request: Request) -> Outcome:
        await work(client)
        return DONE

    waiting = r"for patch configmaps d/config at test_time_limits\.py:\d+ in patches"
    with capture_logs() as lines:
        async with running(one(reconcile, pods("d/a"), timeout_s=30)):
            await asyncio.sleep(30.001)
    assert re.search(f"cut off while it waited {waiting}; make", lines_of(lines, "reconciled")[0]["error"])
    with capture_logs() as lines:
        controller = one(reconcile, pods("d/a"))
        async with running(controller):
            await asyncio.sleep(10)
            controller.cut_off(lambda _key: True)
            await asyncio.sleep(1)
    (line, *_) = lines_of(lines, "reconcile_cancelled")
    assert re.fullmatch(waiting, line["waiting"])


@pytest.mark.behaviour("K14")
async def test_only_the_controllers_own_time_limit_counts_as_a_timeout() -> None:
    """K14: a caller's own is an error like any other, and nobody's word for it either way."""

    async def own_limit(_request: Request) -> Outcome:
        async with asyncio.timeout(1):
            await asyncio.sleep(3600)
        return DONE

    controller = one(own_limit, pods("d/a"), timeout_s=5)
    async with running(controller):
        await asyncio.sleep(1.5)
    assert controller.statistics().timeouts == 0
    assert counts(controller.statistics()) == {Result.ERROR: 1}


@pytest.mark.behaviour("K14")
async def test_what_a_cut_off_reconcile_does_last_decides_nothing_but_an_outcome_does() -> None:
    """An error on the way out is told beside the timeout; one that finishes all the same has finished."""

    async def raises(_request: Request) -> Outcome:
        try:
            await asyncio.sleep(3600)
        finally:
            raise KeyError("spec")

    async def finishes(_request: Request) -> Outcome:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        return RequeueAfter(60)

    for reconcile, timeouts, result in ((raises, 1, Result.ERROR), (finishes, 0, Result.REQUEUE_AFTER)):
        controller = one(reconcile, pods("d/a"), timeout_s=5)
        with capture_logs() as lines:
            async with running(controller):
                await asyncio.sleep(5.004)
        assert counts(controller.statistics()) == {result: 1}
        assert controller.statistics().timeouts == timeouts
        told = lines_of(lines, "reconciled")[0]
        assert ("[KeyError('spec')]" in told.get("error", "")) is (reconcile is raises)


@pytest.mark.behaviour("K14", "K6")
async def test_a_cancelled_worker_is_cancelled_even_in_the_moment_of_its_time_limit() -> None:
    """CancelledError is never swallowed; the reconcile ended one way or the other, and once."""

    async def reconcile(_request: Request) -> Outcome:
        await asyncio.sleep(3600)
        return DONE

    controller = one(reconcile, pods("d/a"), timeout_s=5)
    async with running(controller) as work:
        await asyncio.sleep(4)
        asyncio.get_running_loop().call_at(5.0, work.cancel)
        with pytest.raises(asyncio.CancelledError):
            await work
        assert monotonic() == 5
    assert controller.statistics().cancelled + sum(controller.statistics().results.values()) == 1


@pytest.mark.behaviour("B32")
async def test_a_stuck_reconcile_is_told_once_and_counted_while_it_lasts() -> None:
    """B32: after a minute; its name is in the line and the statistics, never in a label."""
    release = asyncio.Event()

    async def reconcile(request: Request) -> Outcome:
        if request.name == "stuck":
            await release.wait()
        return RequeueAfter(1)

    controller = one(reconcile, pods("d/other", "d/stuck"), workers=2)
    value = samples(controller)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(59)
            assert (value("controller_stuck_keys"), lines_of(lines, "reconcile_stuck")) == (0, [])
            await asyncio.sleep(600)
            assert value("controller_stuck_keys") == 1
            assert [str(key) for key in controller.statistics().stuck] == ["d/stuck"]
            (run,) = [run for run in controller.statistics().running if run.key in controller.statistics().stuck]
            assert (run.attempt, run.began_at) == (1, 0)
            assert run.causes == ("pods d/stuck added at 1, seen by the first list",)
            release.set()
            await asyncio.sleep(0.1)
            assert value("controller_stuck_keys") == 0
    (line,) = lines_of(lines, "reconcile_stuck")
    assert (line["log_level"], line["key"], line["running_s"], line["attempt"]) == ("warning", "d/stuck", 60.0, 1)
    assert line["where"].startswith("test_time_limits.py:")


@pytest.mark.behaviour("B32")
async def test_each_of_several_stuck_reconciles_is_told_in_its_turn_and_no_timer_stays() -> None:
    """The bound is twice the time limit where that is longer."""
    ends: list[float] = []

    async def reconcile(request: Request) -> Outcome:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)
        ends.append(monotonic())
        return DONE

    informer = pods("d/a")
    controller = one(reconcile, informer, workers=2, timeout_s=100.02)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(50)
            informer.apply([applied("d/b", 2)])
            await asyncio.sleep(4000)
            assert len(ends) == 2
    told = [(line["key"], line["running_s"]) for line in lines_of(lines, "reconcile_stuck")]
    assert told == [("d/a", 200.0), ("d/b", 200.0)], "in tenths of a second: the bound is 200.04"


@pytest.mark.behaviour("B32")
async def test_a_reconcile_is_told_as_stuck_whatever_moment_it_began_at() -> None:
    """B32: also where the sum of that moment and the bound is rounded down, and a loop is early by its resolution."""
    began_at = next(
        at for at in (number / 1000 for number in range(1, 100)) if (at + STUCK_AFTER_S) - STUCK_AFTER_S < at
    )
    await asyncio.sleep(began_at)
    told: list[float] = []
    keys = RunningKeys(stuck_after_s=STUCK_AFTER_S, on_stuck=lambda run: told.append(monotonic() - run.began_at))
    run = Run("test", ObjectKey("d", "a"), 1, "", (), began_at=monotonic())
    keys.begin(run, asyncio.timeout(None))
    await asyncio.sleep(100)
    assert [round(after_s, 3) for after_s in told] == [STUCK_AFTER_S]
    assert keys.stuck() == (run.key,)
    keys.close()
