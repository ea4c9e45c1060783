"""The one source of time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from ctrlkit import clock


async def test_time_and_chance_come_from_the_running_loop() -> None:
    """Virtual here: an hour passes at once, and jitter repeats with the seed."""
    began, wall = clock.monotonic(), clock.now()
    await asyncio.sleep(3600)
    assert clock.monotonic() - began == 3600
    assert (clock.now() - wall).total_seconds() == 3600
    assert clock.random_source() is asyncio.get_running_loop().random_source  # type: ignore[attr-defined]


def test_without_a_loop_it_is_the_machines() -> None:
    """For plain synchronous code."""
    assert abs((datetime.now(UTC) - clock.now()).total_seconds()) < 3600
    assert 0 <= clock.random_source().random() < 1


async def test_the_reader_reads_the_running_loops_clock() -> None:
    """Virtual time here; it may be kept, for it is the loop's own."""
    read = clock.reader()
    await asyncio.sleep(3)
    assert read() == clock.monotonic() == 3


@pytest.mark.real_time
async def test_the_reader_asks_the_machine_itself_where_the_loop_would() -> None:
    """On asyncio's own loop the two never differ, and the same holds before a loop runs."""
    assert clock.reader() is time.monotonic
    assert await asyncio.to_thread(clock.reader) is time.monotonic
    before, between, after = clock.monotonic(), clock.reader()(), clock.monotonic()
    assert before <= between <= after
