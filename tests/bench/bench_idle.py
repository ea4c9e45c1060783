"""
What do 50 informers of one object each cost while nothing happens?

Budget   0.5 % of a core, and 100 KB each.
Sketch   An open watch is a socket, a task and a parser's buffers, 30 to 60 KB; it wakes for a bookmark once a minute.
         Over TLS asyncio reserves 256 KB more for each connection, which the system provides as they are used; here
         the server speaks plain HTTP.
Method   50 informers by label selector against our API server in a process of its own; the processor time this process
         uses in 10 s, and what its memory grew by for each.
Run      make bench ARGS=idle
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
import tracemalloc
from functools import cache

from ctrlkit.cache import InformerFactory, InformerOptions
from ctrlkit.client import Client
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.bench.case import Figure

INFORMERS, SECONDS = 50, 10.0


def cases() -> list[Figure]:
    """Processor and memory of one run."""
    return [
        Figure(name="50 idle informers: share of a core", take=lambda: _idle()[0], unit="%", budget=0.5),
        Figure(name="50 idle informers: memory of each", take=lambda: _idle()[1], unit="KB", budget=100),
    ]


@cache
def _idle() -> tuple[float, float]:
    command = [sys.executable, "-m", "ctrlkit", "apiserver", "--insecure"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        return asyncio.run(_run(server.stdout.readline().split()[1]))
    finally:
        server.terminate()
        server.communicate()


async def _run(url: str) -> tuple[float, float]:
    async with RestTransport(Endpoint(server=url)) as transport:
        client = Client(transport)
        for number in range(INFORMERS):
            metadata = {"name": f"c-{number}", "namespace": "default", "labels": {"n": str(number)}}
            await client.create(CONFIG_MAPS, {"metadata": metadata})
        gc.collect()
        tracemalloc.start()
        factory = InformerFactory(client)
        for number in range(INFORMERS):
            factory.informer(CONFIG_MAPS, InformerOptions(label_selector=f"n={number}"))
        running = asyncio.create_task(factory.run())
        await factory.wait_synced(timeout_s=10)
        await asyncio.sleep(1)
        gc.collect()
        kilobytes = tracemalloc.get_traced_memory()[0] / 1024 / INFORMERS
        tracemalloc.stop()
        before = time.process_time()
        await asyncio.sleep(SECONDS)
        share = (time.process_time() - before) / SECONDS * 100
        running.cancel()
        await asyncio.wait([running])
    return share, kilobytes
