"""Keys by the clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit import clock
from ctrlkit.controller import DONE, Controller, Outcome, Request
from ctrlkit.controller.sources.schedule import Cron, Every, Schedule
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


START = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


def times(text: str, count: int, start: datetime = START) -> list[str]:
    cron, found = Cron.parse(text), [start]
    for _ in range(count):
        found.append(cron.next_after(found[-1]))
    return [f"{moment:%m-%d %H:%M}" for moment in found[1:]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", ["01-01 00:01", "01-01 00:02"]),
        ("*/20 * * * *", ["01-01 00:20", "01-01 00:40", "01-01 01:00"]),
        ("5/25 * * * *", ["01-01 00:05", "01-01 00:30", "01-01 00:55", "01-01 01:05"]),
        ("0 3,15 * * *", ["01-01 03:00", "01-01 15:00", "01-02 03:00"]),
        ("30 8-10/2 * * *", ["01-01 08:30", "01-01 10:30", "01-02 08:30"]),
        ("0 0 31 * *", ["01-31 00:00", "03-31 00:00", "05-31 00:00"]),
        ("0 12 * feb MON", ["02-02 12:00", "02-09 12:00"]),
        ("0 0 * * 7", ["01-04 00:00", "01-11 00:00"]),
        ("0 0 * * 0", ["01-04 00:00", "01-11 00:00"]),
        ("0 0 * * sat-7", ["01-03 00:00", "01-04 00:00", "01-10 00:00"]),
        ("0 0 13 * fri", ["01-02 00:00", "01-09 00:00", "01-13 00:00", "01-16 00:00"]),
        ("0 0 */10 * fri", ["05-01 00:00", "07-31 00:00", "08-21 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00"]),
    ],
)
def test_fields_mean_what_cron_means(text: str, expected: list[str]) -> None:
    """Lists, ranges, steps, names; two limited days are joined by or, a day with a star does not limit so."""
    assert times(text, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * * *", "want five fields"),
        ("60 * * * *", "minute '60' is not within 0 to 59"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day of the month '0' is not within 1 to 31"),
        ("* * * may-jan *", "month 'may-jan' ends before it begins"),
        ("* * * * noday", "day of the week 'noday'"),
        ("*/0 * * * *", "minute has the step '0'"),
        ("*/x * * * *", "minute has the step 'x'"),
        ("*/ * * * *", "minute has the step ''"),
        ("1-2-3 * * * *", "minute '2-3'"),
        ("-1 * * * *", "minute ''"),
        ("1,,2 * * * *", "minute ''"),
        ("² * * * *", "minute '²'"),
        ("0 0 31 feb *", "there is no such day"),
    ],
)
def test_what_names_no_time_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=rf"^cron '{text.replace('*', '.')}': .*{problem}"):
        Cron.parse(text)


numbers = {"minute": (0, 59), "hour": (0, 23), "day": (1, 28), "month": (1, 12), "weekday": (0, 6)}


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.integers(1, 30).map(lambda step: f"*/{step}")
    return st.one_of(
        st.just("*"), steps, st.lists(st.one_of(number.map(str), ranges), min_size=1, max_size=3).map(",".join)
    )


expressions = st.tuples(*(fields(*bounds) for bounds in numbers.values())).map(" ".join)
moments = st.integers(0, 8 * 366 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


@given(text=expressions, moment=moments)
def test_for_any_fields_the_next_time_is_later_fits_and_skips_none(text: str, moment: datetime) -> None:
    """Against a search by the minute, as far as a day goes."""
    cron = Cron.parse(text)
    found = cron.next_after(moment)
    assert found > moment
    assert fits(cron, found)
    minute = moment.replace(second=0, microsecond=0)
    for ahead in range(1, 1441):
        candidate = minute + timedelta(minutes=ahead)
        if candidate >= found:
            break
        assert not fits(cron, candidate)


def fits(cron: Cron, moment: datetime) -> bool:
    of_month, of_week = moment.day in cron.days, moment.isoweekday() % 7 in cron.weekdays
    day = of_month or of_week if cron.either_day else of_month and of_week
    return moment.minute in cron.minutes and moment.hour in cron.hours and moment.month in cron.months and day
