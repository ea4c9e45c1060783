"""Example 6."""

from __future__ import annotations

from ctrlkit.fakes import World
from ctrlkit.manager import Settings
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES
from examples.ex1_greeting import GREETINGS
from examples.ex6_two_controllers import CONTROLLERS, COUNT
from tests.examples.conftest import objects

SETTINGS = Settings(leader_elect=True, lease_name="greetings")


def counted(world: World) -> str:
    """How many Greetings the ConfigMap says there are."""
    number: str = world.tracker.get(CONFIG_MAPS, f"default/{COUNT}")["data"]["greetings"]
    return number


def holder(world: World) -> str:
    """Who holds the lease."""
    name: str = world.tracker.get(LEASES, "default/greetings").at("spec.holderIdentity")
    return name


async def test_the_second_takes_over_when_the_first_is_lost(installed: World) -> None:
    """One program works; when it crashes its lease runs out, and the other one does what was left undone."""
    first = installed.manage(CONTROLLERS, settings=SETTINGS, name="first")
    await installed.settle()
    installed.manage(CONTROLLERS, settings=SETTINGS, name="second")
    await installed.settle()
    assert (holder(installed), counted(installed)) == ("first-1", "1")
    assert installed.tracker.get(CONFIG_MAPS, "default/hello")["data"] == {"text": "hello, world"}

    await installed.crash(first)
    another = {**objects("objects.yaml")["Greeting"], "metadata": {"name": "another", "namespace": "default"}}
    installed.tracker.create(GREETINGS, another)
    await installed.until(lambda: counted(installed) == "2", within="20s")
    await installed.settle()
    assert holder(installed) == "second-1"
    assert installed.tracker.get(CONFIG_MAPS, "default/another")["data"] == {"text": "hello, world"}


async def test_the_second_takes_over_at_once_when_the_first_ends(installed: World) -> None:
    """It gives the lease back, so nobody waits for it to run out."""
    first = installed.manage(CONTROLLERS, settings=SETTINGS, name="first")
    await installed.settle()
    installed.manage(CONTROLLERS, settings=SETTINGS, name="second")
    await installed.settle()
    await installed.stop(first)
    await installed.until(lambda: holder(installed) == "second-1", within="5s")
