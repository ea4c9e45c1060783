"""Keys by the clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit import clock
from ctrlkit.controller import DONE, Controller, Outcome, Request
from ctrlkit.controller.sources.cron import Cron
from ctrlkit.controller.sources.schedule import Every, Schedule
from ctrlkit.controller.sources.source import as_keys
from ctrlkit.model import ObjectKey
from tests.unit.controller.support import Script, lines_of, running, samples


def controller_of(schedule: Schedule, script: Script) -> Controller:
    return Controller(name="test", reconcile=script, watches=[schedule])


async def test_keys_are_looked_at_every_so_often_and_waiting_is_idle() -> None:
    """With jitter around the period; the keys are asked for each time."""
    keys = ["d/a"]
    script = Script(DONE)
    controller = controller_of(Schedule("sweep", lambda: keys, Every(100)), script)
    async with running(controller):
        await asyncio.sleep(50)
        assert (controller.has_synced(), controller.busy(), script.calls) == (True, (), [])
        await asyncio.sleep(61)
        keys.append("d/b")
        await asyncio.sleep(1000)
    times = [at for key, _, at in script.calls if key == "d/a"]
    gaps = [after - before for before, after in itertools.pairwise([0.0, *times])]
    assert 9 <= len(times) <= 12
    assert all(90 <= gap <= 110 for gap in gaps)
    assert len(set(gaps)) == len(gaps)
    assert len([key for key, _, _ in script.calls if key == "d/b"]) == len(times) - 1
    assert script.requests[0].causes == ("sweep",)


async def test_keys_are_looked_at_at_certain_times_of_the_wall_clock() -> None:
    """Cron-like; in UTC."""
    times: list[datetime] = []

    async def reconcile(_request: object) -> object:
        times.append(clock.now())
        return DONE

    schedule = Schedule("nightly", lambda: ["d/a"], Cron.parse("30 3 * * *"))
    controller = Controller(name="test", reconcile=reconcile, watches=[schedule])  # type: ignore[arg-type]
    async with running(controller):
        await asyncio.sleep(5 * 86_400)
    assert len(times) == 5
    assert {(time.hour, time.minute, time.second) for time in times} == {(3, 30, 0)}


async def test_a_function_that_raises_is_told_and_asked_again_next_time() -> None:
    answers: list[Sequence[str]] = [["d/a"], ["too/many/parts"], ["d/b"]]

    def keys() -> Sequence[str]:
        if not answers:
            raise KeyError("nothing left")
        return answers.pop(0)

    script = Script(DONE)
    controller = controller_of(Schedule("sweep", keys, Every(10, jitter=0)), script)
    value = samples(controller)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(45)
            assert value("controller_source_failures_total") == 2
    assert script.calls == [("d/a", 1, 10.0), ("d/b", 1, 30.0)]
    assert [(line["source"], line["step"]) for line in lines_of(lines, "source_failed")] == [("sweep", "keys")] * 2


async def test_many_keys_do_not_hold_the_loop() -> None:
    """A hundred a turn."""
    turns: list[int] = []
    many = [ObjectKey("d", str(number)) for number in range(1000)]

    async def reconcile(_request: Request) -> Outcome:
        await asyncio.sleep(100)  # the others wait
        return DONE

    schedule = Schedule("sweep", lambda: many, Every(10, jitter=0))
    controller = Controller(name="test", reconcile=reconcile, watches=[schedule])
    async with running(controller):
        await asyncio.sleep(9.9)
        while (ready := controller.statistics().queue.ready) < 999:
            turns.append(ready)
            await asyncio.sleep(0 if ready else 0.01)
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 100


def test_a_period_that_is_none_is_refused() -> None:
    for seconds in (0, -1, 0.5, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=r"^Every: seconds must be at least 1"):
            Every(seconds)
    for jitter in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"^Every: jitter must be a share of 1"):
            Every(10, jitter=jitter)


def test_a_time_that_is_none_is_refused() -> None:
    """Before it runs: there it would never wait."""
    for when in (10, "* * * * *"):
        with pytest.raises(TypeError, match=r"^Schedule sweep: when is .*; write Every\(seconds\) or Cron\.parse"):
            Schedule("sweep", list, when)  # type: ignore[arg-type]


async def test_a_function_that_returns_one_key_is_refused() -> None:
    """Its parts would be taken for keys."""
    key: Any = ObjectKey("demo", "a")
    with pytest.raises(TypeError, match="the function of schedule sweep returned one key, 'demo/a'"):
        as_keys(key, "the function of schedule sweep")
