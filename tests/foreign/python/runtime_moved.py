"""The program greetings.py of docs/coming-from-controller-runtime.md takes over from go/moving, by the same Lease."""

import asyncio
import os

from greetings import GREETINGS, greetings

from ctrlkit import Settings, connect
from ctrlkit.errors import NotFound
from ctrlkit.manager import manager_from
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES
from ctrlkit.telemetry import configure_logging

SPACE = os.environ["NAMESPACE"]
SETTINGS = Settings(
    namespaces=(SPACE,),
    endpoints_address="off",
    field_manager="moving",
    leader_elect=True,
    lease_name="greetings.demo.example.com",
    lease_namespace=SPACE,
)


async def main():
    async with connect() as client, asyncio.timeout(120):
        manager, stop, changed = manager_from(SETTINGS, client), asyncio.Event(), asyncio.Event()
        manager.add(greetings(manager))
        for kind in (GREETINGS, CONFIG_MAPS, LEASES):
            manager.informer(kind).add_handler(lambda _change: changed.set())

        async def until(is_so):
            while not await is_so():
                await changed.wait()
                changed.clear()

        async def knows_the_other():
            return manager.electors[0].status().holder

        async def child():
            return await client.get(CONFIG_MAPS, f"{SPACE}/hello")

        async def has_taken_over():
            owners = [(each["manager"], each["operation"]) for each in (await child())["metadata"]["managedFields"]]
            return ("moving", "Apply") in owners

        async def is_gone():
            try:
                await client.get(GREETINGS, f"{SPACE}/going")
            except NotFound:
                return True
            return False

        task = asyncio.create_task(manager.run(stop))
        await until(knows_the_other)
        print("waits for the other:", not manager.elected.is_set(), flush=True)
        await manager.elected.wait()
        print("leads", flush=True)
        await until(is_gone)
        await until(has_taken_over)
        hello = await client.get(GREETINGS, f"{SPACE}/hello")
        print("the deletion has ended; kept:", hello.metadata.finalizers, (await child())["data"])
        stop.set()
        await task


configure_logging()  # to standard error
asyncio.run(main())
