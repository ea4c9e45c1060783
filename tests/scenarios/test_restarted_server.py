"""A server is started again on its port, with another authority and another token: programs follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.cache import Informer
from ctrlkit.errors import Unreachable
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import connect
from ctrlkit.model.kinds import CONFIG_MAPS

MINUTE_S = 60


@asynccontextmanager
async def a_server(kubeconfig: Path, *names: str, port: int = 0, begins_at: int = 0) -> AsyncIterator[int]:
    """One run of a server, which has these ConfigMaps and writes its kubeconfig; its port."""
    tracker = Tracker(begins_at=begins_at)
    for name in names:
        tracker.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}})
    async with ApiServer(tracker, tracker.registry).serve(port=port) as server:
        server.write_kubeconfig(kubeconfig)
        yield int(server.url.rpartition(":")[2])


def names_in(informer: Informer[Any]) -> list[str]:
    """What the cache shows."""
    return sorted(record.key.name for record in informer.lister.records())


async def test_cache_and_writes_follow_a_server_that_was_started_again(tmp_path: Path) -> None:
    """The client reads its kubeconfig again when it meets an authority that it does not know."""
    kubeconfig = tmp_path / "kubeconfig"
    async with a_server(kubeconfig, "old") as port:
        client = await (connecting := connect(kubeconfig=str(kubeconfig))).__aenter__()
        informer = Informer(CONFIG_MAPS, {"": client.list_watch(CONFIG_MAPS)})
        running = asyncio.create_task(informer.run())
        await informer.wait_synced()
        assert names_in(informer) == ["old"]
        await asyncio.sleep(MINUTE_S)
    try:
        async with a_server(kubeconfig, "new", port=port, begins_at=1000):
            await asyncio.sleep(MINUTE_S)
            assert names_in(informer) == ["new"]
            await client.create(CONFIG_MAPS, {"metadata": {"name": "newer", "namespace": "default"}})
            await asyncio.sleep(1)
            assert names_in(informer) == ["new", "newer"]
    finally:
        running.cancel()
        await asyncio.wait([running])
        await connecting.__aexit__(None, None, None)


async def test_another_server_at_the_same_port_is_not_trusted(tmp_path: Path) -> None:
    """The kubeconfig of one's own says whom to trust, and the token goes to nobody else."""
    kubeconfig = tmp_path / "kubeconfig"
    async with a_server(kubeconfig) as port:
        pass
    async with connect(kubeconfig=str(kubeconfig)) as client, a_server(tmp_path / "theirs", port=port):
        for _ in range(3):
            with pytest.raises(Unreachable, match="showed a certificate that is not trusted"):
                await client.list(CONFIG_MAPS)
            await asyncio.sleep(MINUTE_S)
