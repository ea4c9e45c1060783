"""The one source of time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

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
