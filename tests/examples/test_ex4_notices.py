"""Example 4."""

from __future__ import annotations

from ctrlkit.fakes import World
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES
from examples.ex4_notices import NOTICES, build


def copies(world: World) -> dict[str, str]:
    """The text of each copy, by the namespace it is in."""
    found = [item for item in world.tracker.list(CONFIG_MAPS) if item.metadata.name == "notice-lunch"]
    return {item.metadata.namespace: item["data"]["text"] for item in found}


async def join(world: World, namespace: str, team: str | None) -> None:
    """Have a namespace belong to a team, or to none."""
    await world.client.patch(NAMESPACES, namespace, MergePatch({"metadata": {"labels": {"team": team}}}))
    await world.settle()


async def test_a_notice_is_where_its_team_is(installed: World) -> None:
    """Namespaces join and leave, the text and the team change, a copy is deleted by hand: all of it is followed."""
    for name in ("east", "west"):
        installed.tracker.create(NAMESPACES, {"metadata": {"name": name}})
    installed.manage(build)
    await installed.settle()
    assert copies(installed) == {}

    await join(installed, "east", "blue")
    await join(installed, "west", "blue")
    assert copies(installed) == dict.fromkeys(("east", "west"), "lunch is at noon")

    await join(installed, "east", None)
    assert copies(installed) == {"west": "lunch is at noon"}

    await installed.client.patch(NOTICES, "lunch", MergePatch({"spec": {"text": "lunch is at one"}}))
    installed.tracker.delete(CONFIG_MAPS, "west/notice-lunch")
    await installed.settle()
    assert copies(installed) == {"west": "lunch is at one"}

    await installed.client.patch(NOTICES, "lunch", MergePatch({"spec": {"team": "red"}}))
    await installed.settle()
    assert copies(installed) == {}
