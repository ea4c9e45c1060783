"""lightkube's bare watch: no cache, no queue: `python -m tests.bench.peers.lightkube_watch URL`."""

from __future__ import annotations

import asyncio
import sys

from lightkube import AsyncClient, KubeConfig
from lightkube.resources.core_v1 import Pod

from tests.bench.peers.clock import EventClock


async def main(url: str) -> None:
    """Follow the stream."""
    clock = EventClock()
    config = KubeConfig.from_dict(
        {
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "unused"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )
    async for event, _ in AsyncClient(config=config).watch(Pod, namespace="*"):
        if event == "MODIFIED":
            clock.tick()


asyncio.run(main(sys.argv[1]))
