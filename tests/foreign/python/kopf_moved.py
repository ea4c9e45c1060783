"""The programs greetings.py and moving.py of docs/coming-from-kopf.md take over what kopf_moving.py left."""

import asyncio
import os

from greetings import GREETINGS, greetings
from moving import tidy

from ctrlkit import Settings, connect
from ctrlkit.errors import NotFound
from ctrlkit.manager import manager_from
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.telemetry import configure_logging

SPACE = os.environ["NAMESPACE"]


async def running(build, name, is_done):
    """Run a program until the cluster is as it should be; it is asked when something changes."""
    settings = Settings(namespaces=(SPACE,), endpoints_address="off", field_manager=name)
    async with connect(field_manager=name) as client, asyncio.timeout(60):
        manager, stop, changed = manager_from(settings, client), asyncio.Event(), asyncio.Event()
        manager.add(build(manager))
        for kind in (GREETINGS, CONFIG_MAPS):
            manager.informer(kind).add_handler(lambda _change: changed.set())
        task = asyncio.create_task(manager.run(stop))
        while not await is_done(client):
            await changed.wait()
            changed.clear()
        stop.set()
        await task


async def child(client):
    return await client.get(CONFIG_MAPS, f"{SPACE}/hello")


async def has_taken_over(client):
    try:
        await client.get(GREETINGS, f"{SPACE}/going")
    except NotFound:
        return "greetings" in [each["manager"] for each in (await child(client))["metadata"]["managedFields"]]
    return False


async def is_tidy(client):
    hello = await client.get(GREETINGS.of(Unstructured), f"{SPACE}/hello")
    owners = (await child(client))["metadata"]["managedFields"]
    return not hello["metadata"].get("annotations") and [each["manager"] for each in owners] == ["greetings"]


async def is_new(client):
    return (await child(client))["data"] == {"text": "hi"}


async def main():
    await running(greetings, "greetings", has_taken_over)
    print("the other one is gone, and the child is kept")
    await running(tidy, "moving", is_tidy)
    print("nothing of kopf is left")
    await running(greetings, "greetings", is_new)
    print("what is wanted no more is gone")


configure_logging()  # to standard error
asyncio.run(main())
