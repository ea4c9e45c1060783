"""Our informer with one handler, dict-like objects: `python -m tests.bench.peers.ctrlkit_informer URL`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from ctrlkit.cache import Cause, Change, Informer
from ctrlkit.client import Client
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.bench.peers.clock import EventClock


async def main(url: str) -> None:
    """Follow the stream."""
    clock = EventClock()

    def handle(change: Change[Any]) -> None:
        if change.cause is Cause.WATCH:
            clock.tick()

    async with RestTransport(Endpoint(server=url)) as transport:
        informer = Informer(PODS, {"": Client(transport).list_watch(PODS)})
        informer.add_handler(handle)
        await informer.run()


asyncio.run(main(sys.argv[1]))
