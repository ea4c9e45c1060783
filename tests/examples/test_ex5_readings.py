"""Example 5."""

from __future__ import annotations

from ctrlkit.controller import Controller
from ctrlkit.fakes import World
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch
from examples.ex5_readings import READINGS, build


async def test_a_reading_follows_its_sensor(installed: World) -> None:
    """Asked at the beginning, every ten seconds, and not because of what was written."""
    asked: list[float] = []

    def sensor() -> float:
        asked.append(len(asked) / 4)
        return asked[-1]

    def with_sensor(manager: Manager) -> Controller:
        return build(manager, {"load": sensor})

    installed.manage(with_sensor)
    await installed.settle()
    assert installed.tracker.get(READINGS, "default/load")["status"] == {"value": "0.00"}
    assert len(asked) == 1
    await installed.advance("60s")
    assert 6 <= len(asked) <= 7
    assert installed.tracker.get(READINGS, "default/load")["status"] == {"value": f"{asked[-1]:.2f}"}


async def test_a_sensor_that_does_not_exist_is_no_reason_to_try_again(installed: World) -> None:
    """The error says which there are; a corrected name is looked at at once."""
    await installed.client.patch(READINGS, "default/load", MergePatch({"spec": {"sensor": "laod"}}))
    installed.manage(build)
    await installed.settle()
    assert installed.trace.last_error("readings", "default/load") == (
        "read laod: no such sensor; there are load, processors"
    )
    await installed.client.patch(READINGS, "default/load", MergePatch({"spec": {"sensor": "processors"}}))
    await installed.settle()
    assert float(installed.tracker.get(READINGS, "default/load")["status"]["value"]) >= 1
