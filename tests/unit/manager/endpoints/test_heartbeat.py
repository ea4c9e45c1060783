"""How late the loop is."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from ctrlkit.manager.endpoints import heartbeat as module
from ctrlkit.manager.endpoints.heartbeat import Heartbeat
from ctrlkit.manager.endpoints.own_checks import loop_lag


async def test_a_loop_that_is_held_up_is_not_ready_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay is counted, named, and forgotten after sixty beats on time."""
    heartbeat = Heartbeat()
    with heartbeat.beating():
        await asyncio.sleep(3.5)
        assert (heartbeat.worst_s, loop_lag(heartbeat)) == (0.0, "")
        with monkeypatch.context() as patch, capture_logs() as lines:
            held_up = asyncio.get_running_loop().time() + 7
            patch.setattr(module, "monotonic", lambda: held_up)
            await asyncio.sleep(1)
        assert [(line["event"], line["held_s"]) for line in lines] == [("loop_held", 6.5)]
        assert loop_lag(heartbeat).startswith("the event loop was held up for 6.5 s within the last minute")
        assert heartbeat.statistics().counts[-2] == 1
        await asyncio.sleep(70)
        assert loop_lag(heartbeat) == ""


async def test_it_beats_no_longer_than_asked() -> None:
    """Nothing is left on the loop."""
    heartbeat = Heartbeat()
    with heartbeat.beating():
        await asyncio.sleep(2.5)
    seen = sum(heartbeat.statistics().counts)
    await asyncio.sleep(10)
    assert seen == sum(heartbeat.statistics().counts) == 2
