"""
Hours of churn: the mirror stays true, asks little, and its memory stays flat.

Eleven virtual hours, or thirty. Every few seconds an object comes, changes or goes; every few minutes the line does
something bad, and once in a while the server forgets its history. What the mirror holds is counted when it rests, after
5 hours and at the end: objects known to the garbage collector by type, so that the figures are the same on every
machine.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ctrlkit.cache.reflector.machine import FIRST_REQUESTS, REQUEST_EVERY_S
from ctrlkit.errors import Gone, InternalError, TooManyRequests
from ctrlkit.fakes.tracker import Tracker, store
from tests.support.bad_line import BadLine
from tests.support.memory import objects_there_are
from tests.support.mirror import TOO_LONG, Mirrored, mirrored

WARM_HOURS = 5
HOUR_S = 3600.0
CHANGE_EVERY_S = 10.0
FAULT_EVERY_S = 300.0
RESTS_S = 700.0
NAMES = [f"object-{number}" for number in range(50)]
MAY_GROW = 100
"""Objects by which the whole process may have grown: a dict resized, a cache of the interpreter."""


@pytest.mark.behaviour("B20", "B14")
@pytest.mark.parametrize("hours", [2, pytest.param(30, marks=pytest.mark.long)])
async def test_hours_of_churn_leave_nothing_behind(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal to the server at each rest, few requests, and no more objects at the end than in the morning."""
    monkeypatch.setattr(store, "KEPT_CHANGES", 1000)  # the tracker's record of writes is full before the first count
    chance, warm = random.Random(4), min(WARM_HOURS, hours)
    tracker = Tracker()
    line = BadLine(tracker)
    async with mirrored(tracker, line) as mirror:
        counts: dict[int, Counter[str]] = {}
        for hour in range(1, hours + 1):
            before = line.requests
            await an_hour(mirror, line, chance)
            assert line.requests - before <= FIRST_REQUESTS + HOUR_S / REQUEST_EVERY_S / 10
            mirror.assert_true()
            if hour in (warm, hours):
                counts[hour] = objects_there_are()
        assert mirror.views[0].changes > hours * HOUR_S / CHANGE_EVERY_S / 2
        grown = counts[hours] - counts[warm]
        assert grown.total() <= MAY_GROW, f"grown by {grown.most_common(5)}"
        statistics = mirror.informer.statistics().reflectors[""]
        assert set(statistics.lists) >= {"first", "expired"}
        assert len(line.streams) == 1
    assert line.streams == []
    assert tracker.busy() == ()


async def an_hour(mirror: Mirrored, line: BadLine, chance: random.Random) -> None:
    """Churn and faults, and a rest in which all heals; at its end the same objects are there as at its beginning."""
    async with faults(line, mirror.tracker, chance):
        for turn in range(int((HOUR_S - RESTS_S) / CHANGE_EVERY_S)):
            name = chance.choice(NAMES)
            if chance.random() < 0.2:
                mirror.remove(name)
            else:
                mirror.put(name, f"{turn}" if chance.random() < 0.9 else f"{TOO_LONG} {turn}")
            await asyncio.sleep(CHANGE_EVERY_S)
    line.heal()
    for name in NAMES:
        mirror.put(name, "rests")
    mirror.tracker.compact()
    await asyncio.sleep(RESTS_S)


@asynccontextmanager
async def faults(line: BadLine, tracker: Tracker, chance: random.Random) -> AsyncIterator[None]:
    """Something bad every few minutes, as long as the block runs."""

    def forget() -> None:
        line.refuse(30)
        tracker.compact()

    strikes: list[Callable[[], None]] = [
        lambda: line.cut(chance.randrange(2000)),
        lambda: line.cut_next(chance.randrange(2000), chance.randrange(2000)),
        lambda: line.end_all(chance.uniform(0, 60)),
        lambda: line.refuse(chance.uniform(0, 120)),
        lambda: line.answer(TooManyRequests("slow"), InternalError("boom"), Gone("old")),
        lambda: line.mangle(b"<html>"),
        lambda: line.repeat(10, 2),
        lambda: line.delay(chance.uniform(0, 100)),
        line.stall,
        forget,
    ]

    async def strike() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0, 2 * FAULT_EVERY_S))
            chance.choice(strikes)()

    task = asyncio.create_task(strike(), name="faults")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
