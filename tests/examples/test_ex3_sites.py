"""Example 3."""

from __future__ import annotations

import pytest

from ctrlkit.controller import Controller
from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS
from examples.ex3_sites import SITES, Names, build
from tests.examples.conftest import objects

SHOP = "default/shop"


class Outside(Names):
    """A name service whose give_back can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False

    async def give_back(self, owner: str) -> None:
        """As Names, while the service is up."""
        if self.is_down:
            raise ConnectionError("the name service is down")
        await super().give_back(owner)


async def running(world: World) -> Outside:
    """The controller at work, with nothing left to do; the service outside."""
    names = Outside()

    def with_names(manager: Manager) -> Controller:
        return build(manager, names)

    world.manage(with_names)
    await world.settle()
    return names


async def test_a_site_is_named_and_says_so(installed: World) -> None:
    """A condition with the generation it is about; the page comes back when somebody deletes it."""
    names = await running(installed)
    site = installed.tracker.get(SITES, SHOP)
    assert names.hosts == {site.metadata.uid: "shop.example.com"}
    (ready,) = site["status"]["conditions"]
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("True", "Named", 1)
    installed.tracker.delete(CONFIG_MAPS, SHOP)
    await installed.settle()
    assert "shop.example.com" in installed.tracker.get(CONFIG_MAPS, SHOP)["data"]["index.html"]


async def test_a_host_that_is_taken_is_taken_over_when_it_is_free(installed: World) -> None:
    """The second site says why it is not ready, and becomes so within the minute after the first one left."""
    names = await running(installed)
    second = {**objects("objects.yaml")["Site"], "metadata": {"name": "copy", "namespace": "default"}}
    installed.tracker.create(SITES, second)
    await installed.settle()
    (ready,) = installed.tracker.get(SITES, "default/copy")["status"]["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "HostTaken")

    await installed.client.patch(SITES, SHOP, MergePatch({"spec": {"host": "old.example.com"}}))
    await installed.advance("60s")
    (ready,) = installed.tracker.get(SITES, "default/copy")["status"]["conditions"]
    assert ready["status"] == "True"
    assert sorted(names.hosts.values()) == ["old.example.com", "shop.example.com"]


async def test_a_deletion_waits_until_the_name_was_given_back(installed: World) -> None:
    """However often that fails."""
    names = await running(installed)
    names.is_down = True
    installed.tracker.delete(SITES, SHOP)
    await installed.pass_time("5s")
    assert installed.tracker.get(SITES, SHOP).metadata.deleting
    names.is_down = False
    await installed.settle()
    assert names.hosts == {}
    with pytest.raises(NotFound):
        installed.tracker.get(SITES, SHOP)
