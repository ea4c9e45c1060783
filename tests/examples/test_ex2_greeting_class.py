"""Example 2."""

from __future__ import annotations

from ctrlkit.fakes import World
from ctrlkit.model.kinds import CONFIG_MAPS
from examples.ex1_greeting import GREETINGS
from examples.ex2_greeting_class import build


async def test_the_classes_do_what_the_short_form_does(installed: World) -> None:
    """The ConfigMap comes, comes again, and is left to the garbage collector with its Greeting."""
    installed.manage(build)
    await installed.settle()
    installed.tracker.delete(CONFIG_MAPS, "default/hello")
    await installed.settle()
    copy = installed.tracker.get(CONFIG_MAPS, "default/hello")
    assert copy["data"] == {"text": "hello, world"}
    assert [owner.kind for owner in copy.metadata.owner_references or ()] == ["Greeting"]

    installed.tracker.delete(GREETINGS, "default/hello")
    installed.tracker.delete(CONFIG_MAPS, "default/hello")
    await installed.settle()
    assert installed.tracker.list(CONFIG_MAPS, "default") == []
