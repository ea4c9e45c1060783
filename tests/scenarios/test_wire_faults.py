"""
What networks and servers do to a watch, and what the cache makes of it.

In each story an informer mirrors a server over HTTP, through a proxy that misbehaves. Changes happen meanwhile. In the
end the cache is equal to the server, what the handlers were told adds up to the cache, and nobody was stormed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from ctrlkit import clock
from ctrlkit.cache import Change, ChangeKind, Informer
from ctrlkit.cache.reflector import WATCH_TIMEOUT_S
from ctrlkit.client import Client
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import TIME_LIMIT_S, RestTransport
from fakes.apiserver import ApiServer
from fakes.tracker import Tracker
from tests.support.proxy import Proxy, proxy_to

HEAL_S = 90.0
"""Longer than any back-off: 30 s is its cap."""


class Mirror:
    """A server, its mirror, and the bad line between them."""

    def __init__(self, tracker: Tracker, proxy: Proxy, informer: Informer[Any]) -> None:
        self.tracker = tracker
        self.proxy = proxy
        self.informer = informer
        self.told: dict[str, str] = {}
        self.changes = 0
        informer.add_handler(self._hear)
        self._began = clock.monotonic()

    def put(self, name: str, value: str) -> None:
        """Make or change an object behind the client's back."""
        body = {"metadata": {"name": name, "namespace": "default"}, "data": {"value": value}}
        if any(found.key.name == name for found in self.tracker.list(CONFIG_MAPS)):
            self.tracker.update(CONFIG_MAPS, body)
        else:
            self.tracker.create(CONFIG_MAPS, body)

    def remove(self, name: str) -> None:
        """Delete an object behind the client's back."""
        self.tracker.delete(CONFIG_MAPS, f"default/{name}")

    async def pass_time(self, seconds: float = 1.0) -> None:
        """Virtual seconds."""
        await asyncio.sleep(seconds)

    async def heals(self) -> None:
        """The cache and what handlers were told equal the server; requests stayed few."""
        await asyncio.sleep(HEAL_S)
        server = {str(found.key): found.metadata.resource_version for found in self.tracker.list(CONFIG_MAPS)}
        records = self.informer.lister.records()
        assert {str(record.key): record.version for record in records} == server
        assert {str(record.key): record.value["data"]["value"] for record in records} == {
            str(found.key): found["data"]["value"] for found in self.tracker.list(CONFIG_MAPS)
        }
        assert self.told == server
        assert self.proxy.requests <= 4 + 2 * (clock.monotonic() - self._began)

    def _hear(self, change: Change[Any]) -> None:
        self.changes += 1
        if change.kind is ChangeKind.DELETED:
            del self.told[str(change.key)]
        else:
            self.told[str(change.key)] = change.record.version


@asynccontextmanager
async def mirrored() -> AsyncIterator[Mirror]:
    """Three objects, mirrored and in step."""
    tracker = Tracker()
    async with (
        ApiServer(tracker, tracker.registry).serve() as server,
        proxy_to(urlsplit(server.url).port or 0) as proxy,
        RestTransport(Endpoint(server=proxy.url)) as transport,
    ):
        informer = Informer(CONFIG_MAPS, {"": Client(transport).list_watch(CONFIG_MAPS)})
        mirror = Mirror(tracker, proxy, informer)
        for name in "abc":
            mirror.put(name, "first")
        task = asyncio.create_task(informer.run())
        try:
            await informer.wait_synced()
            await mirror.pass_time()
            yield mirror
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_a_watch_cut_in_mid_line_resumes_after_the_last_whole_event() -> None:
    """Half of an event is no event; the rest comes with the next watch, and no object twice."""
    async with mirrored() as mirror:
        mirror.proxy.cut_after(100)
        mirror.put("a", "x" * 1000)
        mirror.put("b", "second")
        mirror.remove("c")
        await mirror.heals()
        assert mirror.changes == 3 + 3


@pytest.mark.behaviour("R12", "I12")
async def test_deletions_behind_a_410_are_seen() -> None:
    """The history is gone when the watch comes back: only the comparison with a new list can show the loss."""
    async with mirrored() as mirror:
        await mirror.proxy.close()
        mirror.remove("a")
        mirror.put("b", "second")
        mirror.tracker.compact()
        await mirror.pass_time(3)
        await mirror.proxy.open()
        await mirror.heals()
        assert "default/a" not in mirror.told
        assert mirror.informer.statistics().reflectors[""].lists["expired"] == 1


async def test_a_server_that_fails_for_a_while_is_asked_again() -> None:
    """500 on the watch and on the lists that follow it."""
    async with mirrored() as mirror:
        for _ in range(4):
            mirror.proxy.answer("500 Internal Server Error", b'{"kind":"Status","code":500,"reason":"InternalError"}')
        await mirror.proxy.close()
        await mirror.proxy.open()
        mirror.put("a", "second")
        await mirror.heals()


async def test_an_answer_that_is_no_json_is_a_failure_like_others() -> None:
    """A proxy's HTML page, with status 200."""
    async with mirrored() as mirror:
        await mirror.proxy.close()
        for _ in range(3):
            mirror.proxy.answer("200 OK", b"<html>welcome to the hotel</html>")
        await mirror.proxy.open()
        mirror.put("a", "second")
        await mirror.heals()


@pytest.mark.behaviour("R11")
async def test_while_connections_are_refused_nobody_is_stormed_and_nothing_is_lost() -> None:
    """Ten minutes of silence, then all that happened."""
    async with mirrored() as mirror:
        await mirror.proxy.close()
        for turn in range(10):
            mirror.put("a", f"turn {turn}")
            mirror.put(f"new-{turn}", "here")
            await mirror.pass_time(60)
        assert "refused" in mirror.informer.statistics().reflectors[""].last_error
        await mirror.proxy.open()
        await mirror.heals()
        assert mirror.informer.statistics().reflectors[""].last_error == ""
        assert set(mirror.informer.statistics().reflectors[""].lists) == {"first"}


async def test_a_slow_server_is_waited_for() -> None:
    """Every answer takes five seconds on its way."""
    async with mirrored() as mirror:
        mirror.proxy.delay_s = 5.0
        for turn in range(5):
            mirror.put("a", f"turn {turn}")
            await mirror.pass_time(7)
        mirror.remove("b")
        await mirror.heals()


async def test_a_connection_that_died_in_silence_is_noticed() -> None:
    """A router that forgot it: no end, no reset, only nothing, and no later than the watch was to end anyway."""
    async with mirrored() as mirror:
        mirror.proxy.lose()
        mirror.put("a", "second")
        mirror.remove("b")
        await mirror.pass_time(WATCH_TIMEOUT_S[1] + TIME_LIMIT_S)
        await mirror.heals()


async def test_a_server_that_ends_every_watch_at_once_is_asked_less_and_less() -> None:
    """The hot loop of other clients: 200 watches closed at once take minutes here, not a tenth of a second."""
    async with mirrored() as mirror:
        for _ in range(200):
            mirror.proxy.answer("200 OK")
        await mirror.proxy.close()
        await mirror.proxy.open()
        before = mirror.proxy.requests
        await mirror.pass_time(600)
        assert mirror.proxy.requests - before <= 60


async def test_idle_the_mirror_costs_a_watch_every_few_minutes() -> None:
    """An hour in which nothing happens."""
    async with mirrored() as mirror:
        before = mirror.proxy.requests
        await mirror.pass_time(3600)
        assert mirror.proxy.requests - before <= 3600 / 300
        await mirror.heals()
