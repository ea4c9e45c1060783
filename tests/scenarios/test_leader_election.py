"""Two candidates over HTTP, against the embedded server: one leads, then the other; and what kubectl shows of it."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.election import Elector, LeadershipLost, LeaseTimes
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import ObjectKey
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.kubectl import KUBECTL, needs_kubectl
from tests.support.proxy import Proxy, proxy_to

KEY = ObjectKey("default", "net-controller")
QUICK = LeaseTimes(lease_s=3.0, renew_s=2.0, retry_s=0.2)


@dataclass
class Process:
    """A candidate as a process of its own would be: its own connections, and a proxy that may be cut."""

    elector: Elector
    proxy: Proxy
    task: asyncio.Task[None] | None = None

    async def lead(self) -> None:
        await self.elector.acquire()
        self.task = asyncio.create_task(self.elector.hold())

    async def stop(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, LeadershipLost):
                await task

    async def release(self) -> bool:
        await self.stop()
        return await self.elector.release()


@asynccontextmanager
async def process(server: str, identity: str, times: LeaseTimes) -> AsyncIterator[Process]:
    async with proxy_to(urlsplit(server).port or 0) as proxy, RestTransport(Endpoint(server=proxy.url)) as transport:
        one = Process(Elector(Client(transport), KEY, identity=identity, times=times), proxy)
        try:
            yield one
        finally:
            await one.stop()


@asynccontextmanager
async def two(times: LeaseTimes, folder: Path | None = None) -> AsyncIterator[tuple[Process, Process]]:
    tracker = Tracker()
    async with ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server:
        if folder is not None:
            server.write_kubeconfig(folder / "kubeconfig")
        async with process(server.url, "a", times) as a, process(server.url, "b", times) as b:
            yield a, b


@pytest.mark.behaviour("L2", "L8", "L11")
async def test_one_releases_and_the_other_takes_over() -> None:
    """With its next try, and the transition is counted; the first one may come back."""
    async with two(LeaseTimes()) as (a, b):
        await a.lead()
        waiting = asyncio.create_task(b.lead())
        await asyncio.sleep(60)
        assert a.elector.is_leading()
        assert not waiting.done()
        released_at = clock.monotonic()
        assert await a.release()
        await waiting
        assert clock.monotonic() - released_at <= 4.4
        assert b.elector.is_leading()
        assert not a.elector.is_leading()
        assert b.elector.status().transitions == 1

        back = asyncio.create_task(a.lead())
        await asyncio.sleep(60)
        assert not back.done()
        assert a.elector.status().holder == "b"
        await b.release()
        await back
        assert a.elector.status().transitions == 2


@pytest.mark.behaviour("L3", "L6", "L12", "B3", "M5")
async def test_one_is_cut_off_and_the_other_takes_over() -> None:
    """The first stops before the second begins; when it is back it sees that it has lost, and blanks nothing."""
    async with two(LeaseTimes()) as (a, b):
        await a.lead()
        waiting = asyncio.create_task(b.lead())
        await asyncio.sleep(20.5)
        await a.proxy.close()
        cut_at = clock.monotonic()
        assert a.task is not None
        with pytest.raises(LeadershipLost):
            await a.task
        assert 7.5 <= clock.monotonic() - cut_at <= 10.0
        assert not waiting.done()
        await waiting
        assert clock.monotonic() - cut_at <= 15.0 + 4.4
        await a.proxy.open()
        assert not await a.release()
        await asyncio.sleep(20)
        assert b.elector.is_leading()
        assert b.elector.status().slow_paths == 0


@pytest.mark.real_time
@needs_kubectl
@pytest.mark.behaviour("L4")
async def test_kubectl_shows_who_leads(tmp_path: Path) -> None:
    """`kubectl get lease` names the holder; the whole object has all five fields."""
    async with two(QUICK, tmp_path) as (a, b):
        await a.lead()
        table = await kubectl(tmp_path, "get", "lease", KEY.name)
        assert [line.split()[:2] for line in table.splitlines()] == [["NAME", "HOLDER"], [KEY.name, "a"]]
        await a.release()
        await b.lead()
        lease = json.loads(await kubectl(tmp_path, "get", "lease", KEY.name, "-o", "json"))
        spec = lease["spec"]
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("b", 3, 1)
        assert spec["acquireTime"] <= spec["renewTime"]


async def kubectl(folder: Path, *arguments: str) -> str:
    where = ("--kubeconfig", str(folder / "kubeconfig"), "--cache-dir", str(folder / "cache"))
    child = await asyncio.create_subprocess_exec(
        KUBECTL, *where, *arguments, stdout=PIPE, stderr=PIPE, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    )
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    return out.decode()
