"""
What networks and servers do to a watch, and what the cache makes of it.

In each story an informer mirrors a server over HTTP, through a proxy that misbehaves. Changes happen meanwhile. In the
end the cache is equal to the server, what the handlers were told adds up to the cache, and nobody was stormed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from ctrlkit import clock
from ctrlkit.cache import Change, ChangeKind, Informer
from ctrlkit.cache.reflector.options import SILENCE_S, WATCH_TIMEOUT_S
from ctrlkit.client import Client
from ctrlkit.client.list_watch import PAGE_SIZE
from ctrlkit.errors import RETRY_AFTER_MAX_S, DecodeError
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Resource
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import TIME_LIMIT_S, RestTransport
from tests.support.mirror import THINGS, TOO_LONG
from tests.support.objects import put_config_map
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
        put_config_map(self.tracker, name, value)

    def put_new(self, name: str) -> None:
        """Make an object of which it is known that it is not there."""
        body = {"metadata": {"name": name, "namespace": "default"}, "data": {"value": "new"}}
        self.tracker.create(CONFIG_MAPS, body)

    def remove(self, name: str) -> None:
        """Delete an object behind the client's back."""
        self.tracker.delete(CONFIG_MAPS, f"default/{name}")

    @property
    def lists(self) -> Mapping[str, int]:
        """How many lists were asked for, by reason."""
        return self.informer.statistics().reflectors[""].lists

    async def reconnect(self) -> None:
        """Cut all connections, and accept new ones at once."""
        await self.proxy.close()
        await self.proxy.open()

    def refuse(self, code: int, reason: str, message: str = "no", **details: Any) -> None:
        """Answer the next request with a Status."""
        status = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
        self.proxy.answer(f"{code} {reason}", msgspec.json.encode(status))

    async def pass_time(self, seconds: float = 1.0) -> None:
        """Virtual seconds."""
        await asyncio.sleep(seconds)

    async def heals(self) -> None:
        """The cache and what handlers were told equal the server; requests stayed few."""
        await asyncio.sleep(HEAL_S)
        server = {str(found.key): found.metadata.resource_version for found in self.tracker.list(CONFIG_MAPS)}
        records = self.informer.lister.records()
        assert {str(record.key): record.version for record in records} == server
        if self.informer.resource is CONFIG_MAPS:
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
async def mirrored(
    before: Callable[[Mirror], None] = lambda _: None, resource: Resource[Any] = CONFIG_MAPS
) -> AsyncIterator[Mirror]:
    """Three objects, mirrored and in step; `before` is what happens before anybody asks for them."""
    tracker = Tracker()
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        proxy_to(urlsplit(server.url).port or 0) as proxy,
        RestTransport(Endpoint(server=proxy.url)) as transport,
    ):
        informer = Informer(resource, {"": Client(transport).list_watch(resource)})
        mirror = Mirror(tracker, proxy, informer)
        for name in "abc":
            mirror.put(name, "first")
        before(mirror)
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


@pytest.mark.behaviour("R12", "I12", "F9", "I15")
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
        await mirror.reconnect()
        mirror.put("a", "second")
        await mirror.heals()


async def test_an_answer_that_is_no_json_is_a_failure_like_others() -> None:
    """A proxy's HTML page, with status 200."""
    async with mirrored() as mirror:
        for _ in range(3):
            mirror.proxy.answer("200 OK", b"<html>welcome to the hotel</html>")
        await mirror.reconnect()
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


@pytest.mark.behaviour("R17")
async def test_an_outage_is_over_once_the_server_accepts_the_watch() -> None:
    """On a quiet kind too: neither an event nor a bookmark is waited for."""
    async with mirrored() as mirror:
        await mirror.proxy.close()
        await mirror.pass_time(10)
        assert "refused" in mirror.informer.statistics().reflectors[""].last_error
        await mirror.proxy.open()
        before = mirror.proxy.requests
        while mirror.proxy.requests == before:
            await mirror.pass_time(0.1)
        await mirror.pass_time(1)
        assert mirror.informer.statistics().reflectors[""].last_error == ""


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
        await mirror.reconnect()
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


# ---- how a collection comes -------------------------------------------------------------------------------------


@pytest.mark.behaviour("R19", "R20")
async def test_a_streamed_list_and_its_watch_are_one_request() -> None:
    """Objects, end marker and changes over one connection, and an informer that is up to date after one round trip."""
    async with mirrored() as mirror:
        mirror.put("a", "second")
        await mirror.pass_time()
        assert mirror.proxy.requests == 1
        assert mirror.lists == {"first": 1}
        await mirror.heals()


@pytest.mark.behaviour("R21")
async def test_a_list_cut_before_its_end_is_told_to_nobody() -> None:
    """Two streams break within the list; neither objects nor a version come of them."""

    def before(mirror: Mirror) -> None:
        mirror.proxy.cut_after(900)

    async with mirrored(before) as mirror:
        assert mirror.proxy.requests == 2
        assert mirror.changes == 3, "each object once, though some of them came twice"
        await mirror.heals()


@pytest.mark.behaviour("R23", "B17")
async def test_a_server_that_refuses_to_stream_is_listed_now_and_later() -> None:
    """The list follows at once; after a 410 nobody asks for a stream again."""
    async with mirrored(lambda mirror: mirror.refuse(422, "Invalid", "sendInitialEvents: Forbidden")) as mirror:
        assert mirror.proxy.requests == 3, "a stream refused, a list, a watch"
        await mirror.proxy.close()
        mirror.remove("a")
        mirror.tracker.compact()
        await mirror.proxy.open()
        await mirror.heals()
        assert mirror.lists == {"first": 1, "stream-refused": 1, "expired": 1}
        assert not mirror.informer.statistics().reflectors[""].streams_lists


@pytest.mark.behaviour("B17", "C2")
async def test_a_server_that_asks_for_patience_with_a_streamed_list_gets_it() -> None:
    """It is asked for nothing else until then, and is not held unable to stream."""

    def before(mirror: Mirror) -> None:
        for _ in range(3):
            mirror.proxy.answer("429 Too Many Requests", b"", "Retry-After: 6")

    began = clock.monotonic()
    async with mirrored(before) as mirror:
        assert clock.monotonic() - began >= 18
        assert mirror.proxy.requests == 4, "a stream, four times"
        assert mirror.lists == {"first": 1}
        assert mirror.informer.statistics().reflectors[""].streams_lists
        await mirror.heals()


@pytest.mark.behaviour("C2")
async def test_a_gateway_that_asks_for_a_day_is_asked_again_after_minutes() -> None:
    """An outage is over when it is over, whatever was said at its beginning."""
    async with mirrored() as mirror:
        await mirror.proxy.close()
        mirror.put("a", "second")
        mirror.proxy.answer("503 Service Unavailable", b"<html>", "Retry-After: 86400")
        await mirror.proxy.open()
        await mirror.pass_time(RETRY_AFTER_MAX_S)
        await mirror.heals()


@pytest.mark.behaviour("R4")
async def test_a_list_whose_token_expires_half_way_is_taken_whole() -> None:
    """Three pages; the second is refused, and nothing of the first is mixed with what comes then."""

    def before(mirror: Mirror) -> None:
        for number in range(3 * PAGE_SIZE):
            mirror.put_new(f"many-{number:04}")
        mirror.refuse(422, "Invalid", "sendInitialEvents: Forbidden")
        mirror.proxy.pass_on()
        mirror.refuse(410, "Expired", "The provided continue parameter is too old")

    async with mirrored(before) as mirror:
        assert mirror.proxy.requests == 1 + 3 + 1, "a stream refused; a page, one refused, all at once; a watch"
        assert len(mirror.told) == 3 + 3 * PAGE_SIZE
        await mirror.heals()


@pytest.mark.behaviour("R3")
async def test_a_server_that_is_behind_the_version_is_asked_for_its_newest_at_once() -> None:
    """As one whose watch cache restarted: refused for the version of the cache, once, and never again."""
    async with mirrored() as mirror:
        await mirror.proxy.close()
        mirror.remove("a")
        mirror.tracker.compact()
        mirror.proxy.pass_on()  # the look at the server's history
        mirror.proxy.pass_on()  # the watch, which is too old
        mirror.refuse(504, "Timeout", "Too large resource version: 9", causes=[{"reason": "ResourceVersionTooLarge"}])
        await mirror.proxy.open()
        await mirror.heals()
        assert mirror.lists == {"first": 1, "expired": 1, "unusable-version": 1}


# ---- what ends a watch, and what comes after --------------------------------------------------------------------


@pytest.mark.behaviour("R8")
async def test_after_a_bookmark_a_cut_costs_no_list_though_the_history_is_gone() -> None:
    """Others' objects move the server's version; the bookmark moves ours with it."""
    async with mirrored() as mirror:
        mirror.tracker.create(SECRETS, {"metadata": {"name": "s", "namespace": "default"}})
        await mirror.pass_time(70)
        mirror.tracker.compact()
        await mirror.reconnect()
        mirror.put("a", "second")
        await mirror.heals()
        assert mirror.lists == {"first": 1}


@pytest.mark.behaviour("R11")
async def test_a_server_that_asks_for_patience_is_watched_later_and_not_listed() -> None:
    """429 and 503, with and without a time; the version is kept."""
    async with mirrored() as mirror:
        for code, reason in ((429, "TooManyRequests"), (503, "ServiceUnavailable"), (429, "TooManyRequests")):
            mirror.refuse(code, reason)
        mirror.proxy.answer("429 Too Many Requests", b"", "Retry-After: 7")
        await mirror.reconnect()
        mirror.put("a", "second")
        await mirror.heals()
        assert mirror.lists == {"first": 1}


@pytest.mark.behaviour("R12")
async def test_an_error_within_the_stream_ends_it() -> None:
    """A 500 leads to a list after a wait, a 410 to one at once; what the stream brought before is kept."""
    async with mirrored() as mirror:
        for code, reason in ((500, "InternalError"), (410, "Expired")):
            status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"}
            mirror.proxy.pass_on()  # the look at the server's history
            mirror.proxy.answer("200 OK", msgspec.json.encode({"type": "ERROR", "object": status}) + b"\n")
            await mirror.reconnect()
            mirror.put("a", reason)
            await mirror.heals()
        assert mirror.lists == {"first": 1, "watch-refused": 1, "expired": 1}


@pytest.mark.behaviour("R8")
async def test_a_silence_after_bookmarks_is_noticed_within_minutes() -> None:
    """Where they came each minute, three that do not come are enough; no list follows."""
    async with mirrored() as mirror:
        await mirror.pass_time(70)
        mirror.proxy.lose()
        mirror.put("a", "second")
        await mirror.pass_time(SILENCE_S + 20)
        assert mirror.told["default/a"] == mirror.informer.versions[""], "long before the watch was to end"
        await mirror.heals()
        assert mirror.lists == {"first": 1}


@pytest.mark.behaviour("R9", "B18")
async def test_after_a_healthy_stretch_the_first_wait_is_short_again() -> None:
    """However long the outage before it was."""
    async with mirrored() as mirror:
        await mirror.proxy.close()
        await mirror.pass_time(600)
        await mirror.proxy.open()
        await mirror.heals()
        await mirror.reconnect()
        mirror.put("a", "second")
        await mirror.pass_time(1.0)
        assert mirror.told["default/a"] == mirror.informer.versions[""]


@pytest.mark.behaviour("B14")
async def test_an_object_that_does_not_fit_is_seen_listed_and_used_again() -> None:
    """It ends no stream and costs no other object; its next change makes it good, or its end."""
    async with mirrored(resource=THINGS) as mirror:
        before = mirror.proxy.requests
        for name in "ab":
            mirror.put(name, TOO_LONG)
        mirror.put("c", "fits")
        await mirror.pass_time()
        assert {str(key) for key in mirror.informer.quarantine} == {"default/a", "default/b"}
        with pytest.raises(DecodeError, match="decode configmaps default/a"):
            mirror.informer.lister.get("default/a")
        assert mirror.informer.lister.get("default/c").data.value == "fits"
        mirror.put("a", "fits too")
        mirror.remove("b")
        await mirror.heals()
        assert mirror.informer.lister.get("default/a").data.value == "fits too"
        assert not mirror.informer.quarantine
        assert mirror.proxy.requests == before


LIES: dict[str, tuple[str, bytes]] = {
    "a Status of failure": ("200 OK", b'{"kind":"Status","status":"Failure","code":503}'),
    "a Status of success": ("200 OK", b'{"kind":"Status","apiVersion":"v1","status":"Success"}'),
    "a page": ("200 OK", b"<html><body>Bad gateway"),
    "nothing": ("200 OK", b""),
    "no content": ("204 No Content", b""),
    "an object": ("200 OK", b"{}"),
    "a list of nothing": ("200 OK", b'{"items":[]}'),
    "another list": (
        "200 OK",
        b'{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[]}',
    ),
    "a list without items": (
        "200 OK",
        b'{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"9"}}',
    ),
    "an item without a name": (
        "200 OK",
        b'{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"99"},"items":[{"metadata":{}}]}',
    ),
}


@pytest.mark.behaviour("B14", "R6")
@pytest.mark.parametrize(("status", "body"), LIES.values(), ids=LIES.keys())
async def test_no_answer_of_somebody_else_empties_a_cache(status: str, body: bytes) -> None:
    """A relist after a 410 is answered by a gateway: nothing was deleted, so nothing is told deleted."""
    async with mirrored() as mirror:
        had = dict(mirror.told)
        changes = mirror.changes
        mirror.tracker.compact()
        for _ in range(6):  # however the collection is asked for, and again
            mirror.proxy.answer(status, body)
        await mirror.reconnect()
        await mirror.pass_time(5.0)
        assert mirror.told == had
        assert mirror.changes == changes
        if body:  # an empty stream is one that the server has ended
            assert mirror.informer.statistics().reflectors[""].last_error
        await mirror.heals()
        assert mirror.told == had
