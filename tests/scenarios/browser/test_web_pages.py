"""
A page of another origin, in a real browser, can neither read from an embedded server nor write to it.

The page tries all that browsers offer, on servers of both kinds and on one whose checks are off, where some of it
works: so the attempts are real. It does so from a name of its own, and once more with its own name leading to the
server, as after a change of its DNS entry. The browser is told to accept every certificate, and so protects nobody.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.apiserver.access import Access
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.callers import ADMINISTRATOR, User
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = Path(__file__).with_name("attack.html").read_text(encoding="utf-8")
HIDDEN = "aGlkZGVuLXZhbHVl"
LIMIT_S = 60

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(BROWSER is None, reason="needs a browser: chromium or google-chrome on the PATH"),
]

Report = dict[str, dict[str, str]]


class Unguarded(Access):
    """Lets everything pass."""

    def check(self, request: object, host: str) -> User:
        """Nothing is checked."""
        return ADMINISTRATOR


@asynccontextmanager
async def a_server(security: Security, *, guarded: bool = True) -> AsyncIterator[tuple[Tracker, ApiServer]]:
    """A server with a Secret to read and a ConfigMap to change."""
    tracker = Tracker()
    tracker.create(SECRETS, {"metadata": {"name": "hidden", "namespace": "default"}, "data": {"key": HIDDEN}})
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "there", "namespace": "default"}, "data": {"as": "before"}})
    server = ApiServer(tracker, tracker.registry, security=security)
    if not guarded:
        server._access = Unguarded(security)
    async with server.serve():
        yield tracker, server


class Site:
    """
    A web site of the attacker's: it serves the page, and takes what pages report at /NAME.

    What is asked of it besides goes, untouched, to `behind`, a port of this machine, if there is one: that is what a
    browser and a server see when the site's name has come to lead there.
    """

    def __init__(self, *, behind: int | None = None) -> None:
        self.orders: dict[str, Any] = {}
        self.reports: asyncio.Queue[tuple[str, Report]] = asyncio.Queue()
        self._behind = behind

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[str]:
        """Serve it, for as long as this lasts; its URL by this name."""
        async with await asyncio.start_server(self._answer, "127.0.0.1", 0) as server:
            yield f"http://{name}:{server.sockets[0].getsockname()[1]}/"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode()
            if path == "/":
                page = PAGE.replace("/*ORDERS*/{}", json.dumps(self.orders)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page)
            elif self._behind is not None:
                await self._pass_on(self._behind, head, reader, writer)
            elif head.startswith(b"POST"):
                lines = head.lower().split(b"\r\n")
                length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
                self.reports.put_nowait((path.strip("/"), json.loads(await reader.readexactly(length))))
                writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the browser opens connections that it does not use
        finally:
            writer.close()

    @staticmethod
    async def _pass_on(port: int, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        to_writer.write(head)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

        both = [asyncio.create_task(pump(reader, to_writer)), asyncio.create_task(pump(to_reader, writer))]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        to_writer.transport.abort()


@asynccontextmanager
async def a_browser(folder: Path, url: str) -> AsyncIterator[None]:
    """A browser that has this page open."""
    assert BROWSER is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--ignore-certificate-errors", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    options += ["--host-resolver-rules=MAP *.test 127.0.0.1", "--disable-background-networking", "--no-proxy-server"]
    process = await asyncio.create_subprocess_exec(
        BROWSER, *options, url, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def config_maps(tracker: Tracker) -> dict[str, Any]:
    """What there is, by name."""
    return {item.key.name: item.get("data") for item in tracker.list(CONFIG_MAPS, "default")}


async def test_a_page_of_another_origin_can_neither_read_nor_write(tmp_path: Path) -> None:
    """Not by any way a browser offers, from its own name or from one that leads to the server."""
    async with AsyncExitStack() as stack, asyncio.timeout(LIMIT_S):
        enter = stack.enter_async_context
        servers = {
            "tls": await enter(a_server(Security.TLS)),
            "insecure": await enter(a_server(Security.INSECURE)),
            "unguarded": await enter(a_server(Security.INSECURE, guarded=False)),
            "unguarded-tls": await enter(a_server(Security.TLS, guarded=False)),
        }
        elsewhere = Site()
        url = await enter(elsewhere.open("elsewhere.test"))
        targets = {name: server.url for name, (_, server) in servers.items()}
        elsewhere.orders = {"targets": targets, "report": f"{url}elsewhere", "frames": []}
        for name, (_, server) in servers.items():
            site = Site(behind=int(server.url.rpartition(":")[2]))
            site.orders = {"targets": {name: ""}, "report": f"{url}{name}", "frames": []}
            elsewhere.orders["frames"].append(await enter(site.open(f"{name}.test")))
        async with a_browser(tmp_path, url):
            reports = dict([await elsewhere.reports.get() for _ in range(1 + len(servers))])

    for name in ("tls", "insecure"):
        assert name not in reports["elsewhere"]
        assert HIDDEN not in json.dumps(reports[name])
        assert config_maps(servers[name][0]) == {"there": {"as": "before"}}
    assert HIDDEN in reports["unguarded"]["unguarded"]["read by fetch"], "the attempts are real"
    for name in ("unguarded", "unguarded-tls"):
        assert {"post-untyped", "beacon"} <= config_maps(servers[name][0]).keys(), "the attempts are real"
