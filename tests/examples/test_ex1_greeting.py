"""Example 1."""

from __future__ import annotations

from ctrlkit.fakes import World, Write
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS
from examples.ex1_greeting import GREETINGS, greet


async def test_the_config_map_follows_its_greeting(installed: World) -> None:
    """Made, changed, and made again where somebody deleted it: one write each."""
    installed.manage(greet)
    await installed.settle()
    assert installed.tracker.get(CONFIG_MAPS, "default/hello")["data"] == {"text": "hello, world"}

    await installed.client.patch(GREETINGS, "default/hello", MergePatch({"spec": {"text": "good morning"}}))
    await installed.settle()
    assert installed.tracker.get(CONFIG_MAPS, "default/hello")["data"] == {"text": "good morning"}

    installed.tracker.delete(CONFIG_MAPS, "default/hello")
    await installed.settle()
    assert installed.tracker.get(CONFIG_MAPS, "default/hello")["data"] == {"text": "good morning"}
    ours = [write for write in installed.clientset.writes if write.resource == CONFIG_MAPS]
    assert ours == [Write("patch", CONFIG_MAPS, "default/hello")] * 3
