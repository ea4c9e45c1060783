"""
Connections that go dark: a firewall forgets them, a node vanishes, and nobody sends a word.

Whatever waits in the pool is then as dead as what is in use. A leader must not lose its lease because it tries one
after the other, and a reconciler must not wait for each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.election import Elector, LeaseRecord, LeaseTimes
from ctrlkit.errors import NotFound
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import LEASES, PODS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.proxy import Proxy, proxy_to

KEY = ObjectKey("default", "net")
POOLED = 5


@asynccontextmanager
async def led(times: LeaseTimes) -> AsyncIterator[tuple[Proxy, Client, Elector, asyncio.Task[None], Tracker]]:
    """A leader whose client has some connections that wait."""
    tracker = Tracker()
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        proxy_to(urlsplit(server.url).port or 0) as proxy,
        RestTransport(Endpoint(server=proxy.url)) as transport,
    ):
        client = Client(transport)
        elector = Elector(client, KEY, identity="a", times=times)
        await elector.acquire()
        holding = asyncio.create_task(elector.hold())
        try:
            yield proxy, client, elector, holding, tracker
        finally:
            holding.cancel()
            await asyncio.wait([holding])


async def _fill_pool(client: Client) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(POOLED):
            group.create_task(client.list(PODS, namespace="default"))


@pytest.mark.behaviour("L3", "L16")
@pytest.mark.parametrize("lose", [Proxy.lose, Proxy.lose_answers], ids=lambda lose: str(lose.__name__))
@pytest.mark.parametrize(
    "times",
    [LeaseTimes(), LeaseTimes(4.0, 3.0, 1.0), LeaseTimes(15.0, 10.0, 8.0), LeaseTimes(90.0, 60.0, 2.0)],
    ids=str,
)
async def test_a_leader_survives_that_all_its_connections_go_dark(
    times: LeaseTimes, lose: Callable[[Proxy], None]
) -> None:
    """Again and again: one renewal is lost each time, and the next has a connection of its own."""
    async with led(times) as (proxy, client, elector, holding, tracker):
        for _ in range(5):
            await _fill_pool(client)
            lose(proxy)
            await asyncio.sleep(2 * times.renew_s)
            assert elector.is_leading(), holding
            assert not holding.done()
        assert elector.status().failed_renewals >= 5
        assert LeaseRecord.of(tracker.get(LEASES, KEY)).transitions == 0


async def test_a_call_waits_for_one_dark_connection_at_most() -> None:
    """And not even for that where somebody else found out before."""
    async with led(LeaseTimes()) as (proxy, client, elector, _, _):
        await _fill_pool(client)
        proxy.lose()
        await asyncio.sleep(9)
        began = clock.monotonic()
        for _ in range(POOLED):
            with pytest.raises(NotFound):
                await client.get(PODS, "default/none")
        assert clock.monotonic() == began
        assert elector.is_leading()
