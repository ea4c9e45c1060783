"""
Servers that begin anew behind the same address, and what a mirror of theirs makes of it.

An API server that keeps everything in memory is started again, or the store behind one is restored from a backup:
versions go back, and the same numbers mean other things. Within a minute of the new server's first answer the cache is
equal to it, what handlers were told adds up to that, and one log line says so.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.cache import Change, ChangeKind, Informer
from ctrlkit.client import Client, noting_writes
from ctrlkit.clock import now
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker, version_at
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.effort import tries

MINUTE_S = 60.0
Writes = Sequence[tuple[str, str]]


class Site:
    """One address, behind which servers come and go, and a mirror of what is there."""

    def __init__(self) -> None:
        self.tracker = Tracker()
        self.told: dict[str, tuple[str, str]] = {}
        self._ends: AsyncExitStack | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where all of the servers are."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self, tracker: Tracker) -> None:
        """Have a server of this state, at the address of those before it."""
        self.tracker = tracker
        self._ends = AsyncExitStack()
        server = await self._ends.enter_async_context(
            ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve(port=self._port)
        )
        self._port = urlsplit(server.url).port or 0

    async def stop(self) -> None:
        """End the server, and all connections with it."""
        if self._ends is not None:
            await self._ends.aclose()

    def hear(self, change: Change[Any]) -> None:
        """A handler: it adds up what it is told."""
        if change.kind is ChangeKind.DELETED:
            del self.told[str(change.key)]
        else:
            self.told[str(change.key)] = (change.record.meta.uid, change.record.value["data"]["value"])

    def shows(self, informer: Informer[Any]) -> bool:
        """Whether cache and handlers have what the server has."""
        server = {str(m.key): (m.metadata.uid, m["data"]["value"]) for m in self.tracker.list(CONFIG_MAPS)}
        records = informer.lister.records()
        cache = {str(r.key): (r.meta.uid, r.value["data"]["value"]) for r in records}
        versions = {str(m.key): m.metadata.resource_version for m in self.tracker.list(CONFIG_MAPS)}
        return cache == server == self.told and {str(r.key): r.version for r in records} == versions


@asynccontextmanager
async def mirrored(first: Tracker, *, streams: bool = True) -> AsyncIterator[tuple[Site, Informer[Any]]]:
    site = Site()
    await site.start(first)
    async with RestTransport(Endpoint(server=site.url)) as transport:
        source = Client(transport).list_watch(CONFIG_MAPS)
        if not streams:
            source.stop_streaming()
        informer = Informer(CONFIG_MAPS, {"": source})
        informer.add_handler(site.hear)
        task = asyncio.create_task(informer.run())
        try:
            await informer.wait_synced()
            await asyncio.sleep(1)
            yield site, informer
        finally:
            task.cancel()
            await asyncio.wait([task])
            await site.stop()


def put(tracker: Tracker, name: str, value: str) -> None:
    """Make an object, or change it."""
    body = {"metadata": {"name": name, "namespace": "default"}, "data": {"value": value}}
    if all(found.key.name != name for found in tracker.list(CONFIG_MAPS)):
        tracker.create(CONFIG_MAPS, body)
    else:
        tracker.update(CONFIG_MAPS, body)


def with_objects(names: Sequence[str], *, value: str = "first", others: int = 0, begins_at: int = 0) -> Tracker:
    """A server that began anew and has these; `others` are writes to another kind before them."""
    tracker = Tracker(begins_at=begins_at)
    for number in range(others):
        tracker.create(SECRETS, {"metadata": {"name": f"s-{number}", "namespace": "default"}})
    for name in names:
        put(tracker, name, value)
    return tracker


BEGUN_ANEW: dict[str, Callable[[], Tracker]] = {
    "empty": lambda: with_objects([]),
    "the same names at lower versions": lambda: with_objects("ab", value="second"),
    "the same names at the same versions": lambda: with_objects("abcde", value="second", others=3),
    "other names at the same versions": lambda: with_objects("vwxyz", value="second", others=3),
    "other names at higher versions": lambda: with_objects("vwxyz", value="second", others=30),
    "some of the names at higher versions": lambda: with_objects("axyz", value="second", others=30),
    "more of them than before": lambda: with_objects([f"n-{number:02}" for number in range(60)], value="second"),
}


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "listed"])
@pytest.mark.parametrize("down_s", [0.0, 5.0])
@pytest.mark.parametrize("second", BEGUN_ANEW)
async def test_a_server_that_begins_anew_on_its_port_is_followed(second: str, down_s: float, streams: bool) -> None:
    """Lower, equal or higher versions; at once or after a while: within a minute the cache is the new server's."""
    async with mirrored(with_objects("abcde", others=3), streams=streams) as (site, informer):
        with capture_logs() as lines:
            await site.stop()
            await asyncio.sleep(down_s)
            await site.start(BEGUN_ANEW[second]())
            await asyncio.sleep(MINUTE_S)
        assert site.shows(informer)
        assert len([line for line in lines if line["event"] == "history_rewritten"]) == 1
        put(site.tracker, "later", "third")
        await asyncio.sleep(1)
        assert site.shows(informer), "and the watch goes on from there"


@pytest.mark.parametrize("others", [0, 30])
async def test_a_store_that_is_restored_from_a_backup_is_followed(others: int) -> None:
    """Objects have the uids they had; of one object the same version means another state."""
    tracker = with_objects("abcde", others=3)
    backup = copy.deepcopy(tracker)
    put(tracker, "a", "lost")
    tracker.delete(CONFIG_MAPS, "default/b")
    async with mirrored(tracker) as (site, informer):
        put(backup, "a", "kept")
        for number in range(others):
            backup.create(SECRETS, {"metadata": {"name": f"more-{number}", "namespace": "default"}})
        with capture_logs() as lines:
            await site.stop()
            await site.start(backup)
            await asyncio.sleep(MINUTE_S)
        assert site.shows(informer)
        assert len([line for line in lines if line["event"] == "history_rewritten"]) == 1


async def test_the_same_number_of_writes_after_a_backup_is_noticed_by_what_was_written() -> None:
    """The same object at the same version, and the server at the version reached: only the content differs."""
    tracker = with_objects("abcde")
    backup = copy.deepcopy(tracker)
    put(tracker, "a", "lost")
    async with mirrored(tracker) as (site, informer):
        put(backup, "a", "kept")
        await site.stop()
        await site.start(backup)
        await asyncio.sleep(MINUTE_S)
        assert site.shows(informer)


async def test_a_server_that_begins_after_all_its_versions_needs_no_suspicion() -> None:
    """As `ctrlkit apiserver` does: a version of the one before is too old, and a list follows as after any 410."""
    first, second = Tracker(begins_at=version_at(now())), with_objects("xyz", begins_at=version_at(now()) + 10)
    put(first, "a", "first")
    async with mirrored(first) as (site, informer):
        with capture_logs() as lines:
            await site.stop()
            await site.start(second)
            await asyncio.sleep(MINUTE_S)
        assert site.shows(informer)
        assert not [line for line in lines if line["event"] == "history_rewritten"]


async def test_who_waits_for_a_version_that_was_lost_waits_no_longer_than_the_cache() -> None:
    """No server has it any more; what can be read now is the newest there is."""
    async with mirrored(with_objects("abc")) as (site, informer), RestTransport(Endpoint(server=site.url)) as transport:
        with noting_writes() as writes:
            await Client(transport).create(SECRETS, {"metadata": {"name": "s", "namespace": "default"}})
        await site.stop()
        waiting = asyncio.create_task(informer.reached(str(int(writes[-1].version) + 1000)))
        await asyncio.sleep(1)
        await site.start(with_objects("xy"))
        await asyncio.wait_for(waiting, MINUTE_S)
        assert site.shows(informer)


WRITES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["first", "second", ""])), max_size=8)
"""Objects and their new values; "" is a deletion, of an object that is not there a write to another kind."""


@given(before=WRITES, lost=WRITES, after=WRITES, down_s=st.sampled_from([0.0, 2.0]), seed=st.integers(0, 2**16))
@settings(max_examples=tries(20, thorough=60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.long
def test_for_any_backup_the_cache_is_equal_to_what_was_restored(
    before: Writes, lost: Writes, after: Writes, down_s: float, seed: int
) -> None:
    """Whatever was lost, and whatever was written before the mirror saw the server again."""

    async def scenario() -> None:
        tracker = Tracker()
        write_all(tracker, before)
        backup = copy.deepcopy(tracker)
        write_all(tracker, lost)
        async with mirrored(tracker) as (site, informer):
            await site.stop()
            write_all(backup, after)
            await asyncio.sleep(down_s)
            await site.start(backup)
            await asyncio.sleep(MINUTE_S)
            assert site.shows(informer)

    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed=seed)) as runner:
        runner.run(scenario())


def write_all(tracker: Tracker, writes: Writes) -> None:
    """Carry out writes in order."""
    for name, value in writes:
        if value:
            put(tracker, name, value)
        elif any(found.key.name == name for found in tracker.list(CONFIG_MAPS)):
            tracker.delete(CONFIG_MAPS, f"default/{name}")
        else:
            tracker.create(SECRETS, {"metadata": {"generateName": "s-", "namespace": "default"}})
