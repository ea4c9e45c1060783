"""A watch delivers each event in its turn, whatever else is in the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ctrlkit.cache.reflector.interfaces import ListWatch
from ctrlkit.client import Client
from ctrlkit.client.calls import STREAMS_AGAIN_S
from ctrlkit.errors import DecodeError, Expired, StreamBroken, Unreachable
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Action, Applied, Bookmark, Deleted, Options, Unstructured, Verb, WatchEvent
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.unit.client.support import ScriptedTransport, a_line, an_object

GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}


def _told(event: WatchEvent[Unstructured]) -> str:
    match event:
        case Applied(record):
            return f"+{record.key.name}"
        case Deleted(record):
            return f"-{record.key.name}"
        case Bookmark(version):
            return f"@{version}"


async def test_events_come_one_by_one() -> None:
    """Over batches, bookmarks included; the watch asks for them."""
    batches = [
        [a_line("ADDED", an_object("a")), a_line("MODIFIED", an_object("b"))],
        [a_line("DELETED", an_object("a")), a_line("BOOKMARK", an_object("", "9"))],
    ]
    transport = ScriptedTransport(batches=batches)
    watch = Client(transport).watch(
        CONFIG_MAPS, namespace="demo", field_selector="metadata.name=a", resource_version="7", timeout_s=60
    )
    async with watch as events:
        assert [_told(event) async for event in events] == ["+a", "+b", "-a", "@9"]
    assert transport.action == Action(
        verb=Verb.WATCH,
        resource=CONFIG_MAPS,
        namespace="demo",
        options=Options(
            field_selector="metadata.name=a", resource_version="7", timeout_s=60, allow_watch_bookmarks=True
        ),
    )


async def test_leaving_early_closes_the_watch() -> None:
    """Also in the middle of a batch."""
    transport = ScriptedTransport(batches=[[a_line("ADDED", an_object("a"))] * 3])
    async with Client(transport).watch(CONFIG_MAPS) as events:
        await anext(events)
        assert transport.open_watches == 1
    assert transport.open_watches == 0


@pytest.mark.behaviour("R8")
async def test_an_informers_source_is_a_list_watch() -> None:
    """It has what a reflector needs, and asks for bookmarks."""
    batch = [a_line("ADDED", an_object("a")), a_line("ADDED", an_object("b"))]
    transport = ScriptedTransport(batches=[batch, batch])
    source: ListWatch[Unstructured] = Client(transport).list_watch(CONFIG_MAPS, label_selector="a=b")
    async with source.watch(resource_version="7", timeout_s=300) as batches:
        assert [[_told(event) for event in batch] async for batch in batches] == [["+a", "+b"], ["+a", "+b"]]
    assert str(transport.action) == "watch configmaps *"
    assert transport.action.options == Options(
        label_selector="a=b", resource_version="7", timeout_s=300, allow_watch_bookmarks=True
    )


@pytest.mark.behaviour("R19")
async def test_a_streamed_list_asks_for_what_is_there_and_then_for_what_comes() -> None:
    """Not older than a version, with bookmarks: the end of the list is one."""
    transport = ScriptedTransport(batches=[[a_line("ADDED", an_object("a"))]])
    source = Client(transport).list_watch(CONFIG_MAPS, label_selector="a=b")
    async with source.stream(resource_version="7", timeout_s=300) as batches:
        assert [[_told(event) for event in batch] async for batch in batches] == [["+a"]]
    assert transport.action.options == Options(
        label_selector="a=b",
        resource_version="7",
        resource_version_match="NotOlderThan",
        timeout_s=300,
        allow_watch_bookmarks=True,
        send_initial_events=True,
    )


async def test_a_sample_is_the_first_page_of_the_newest_state() -> None:
    """One request, of the same selection; the rest of the collection stays where it is."""
    metas = [{"name": f"c-{number:02}", "namespace": "demo", "labels": {"a": "b"}} for number in range(30)]
    clientset = FakeClientset(None, *({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta} for meta in metas))
    clientset.clear_actions()
    sample = await clientset.client.list_watch(CONFIG_MAPS, label_selector="a=b").sample(20)
    assert [record.key.name for record in sample.records] == [f"c-{number:02}" for number in range(20)]
    assert sample.version == str(clientset.tracker.version)
    (action,) = clientset.actions
    assert action.options == Options(label_selector="a=b", limit=20)


@pytest.mark.behaviour("R23", "B17")
async def test_all_collections_of_a_client_know_whether_its_server_streams_lists() -> None:
    """One learns for all, and for a while; a transport may say so from the start, and for good."""
    client, other = Client(ScriptedTransport()), Client(ScriptedTransport())
    one, two = client.list_watch(CONFIG_MAPS), client.list_watch(CONFIG_MAPS, namespace="demo")
    fake = FakeClientset().client.list_watch(CONFIG_MAPS)

    def beliefs() -> Sequence[bool]:
        return [collection.streams_lists for collection in (one, two, fake, other.list_watch(CONFIG_MAPS))]

    two.stop_streaming()
    assert beliefs() == [False, False, False, True]
    await asyncio.sleep(STREAMS_AGAIN_S - 1)
    one.stop_streaming()
    assert beliefs() == [False, False, False, True]
    await asyncio.sleep(1)
    assert beliefs() == [True, True, False, True], "nobody has learnt anything new meanwhile"


@pytest.mark.behaviour("B26")
async def test_what_comes_before_an_error_is_delivered_first() -> None:
    """A 410 within a batch ends the stream after the events before it, and says what was attempted."""
    batches = [[a_line("ADDED", an_object("a")), a_line("ERROR", GONE)]]
    async with (
        Client(ScriptedTransport(batches=batches))
        .list_watch(CONFIG_MAPS)
        .watch(resource_version="7", timeout_s=300) as events
    ):
        assert [_told(event) for event in await anext(events)] == ["+a"]
        with pytest.raises(Expired):
            await anext(events)

    async def read_all() -> None:
        async with Client(ScriptedTransport(batches=batches)).watch(CONFIG_MAPS) as each:
            async for _ in each:
                pass

    with pytest.raises(Expired) as caught:
        await read_all()
    assert caught.value.attempted == "watch configmaps *"


async def test_a_line_that_cannot_be_read_costs_only_itself() -> None:
    """Whoever goes on after the DecodeError gets the next line, and then the next batch."""
    batches = [[b"<html>", a_line("ADDED", an_object("a"))], [a_line("ADDED", an_object("b")), b"{}"], []]
    async with (
        Client(ScriptedTransport(batches=batches))
        .list_watch(CONFIG_MAPS)
        .watch(resource_version="7", timeout_s=300) as events
    ):
        for told in ("+a", "+b"):
            if told == "+a":
                with pytest.raises(DecodeError):
                    await anext(events)
            assert [_told(event) for event in await anext(events)] == [told]
        with pytest.raises(DecodeError):
            await anext(events)
        with pytest.raises(StopAsyncIteration):
            await anext(events)


@pytest.mark.parametrize("error", [Unreachable("refused"), Expired("too old")])
async def test_a_watch_that_does_not_open_raises(error: Exception) -> None:
    """On entering."""
    with pytest.raises(type(error)):
        async with Client(ScriptedTransport(error)).watch(CONFIG_MAPS):
            pytest.fail("it opened")


async def test_an_object_of_another_namespace_is_none_of_the_watch() -> None:
    """Two scopes of one cache would write over each other; its version says how far the stream has come."""
    stray = {**an_object(), "metadata": {"name": "b", "namespace": "other", "resourceVersion": "8"}}
    batches = [[a_line("ADDED", an_object("a")), a_line("DELETED", stray), a_line("ADDED", an_object("c"))]]
    transport = ScriptedTransport(batches=batches)
    source = Client(transport).list_watch(CONFIG_MAPS, namespace="demo")
    told: list[str] = []
    async with source.watch(resource_version="1", timeout_s=60) as events:
        while True:
            try:
                batch = await anext(events, None)
            except DecodeError as error:
                told.append(f"?{error.version}")
                continue
            if batch is None:
                break
            told.extend(map(_told, batch))
    assert told == ["+a", "?8", "+c"]


async def test_a_stream_that_breaks_raises() -> None:
    """After what it delivered."""
    transport = ScriptedTransport(batches=[[a_line("ADDED", an_object("a"))], StreamBroken("cut")])
    async with Client(transport).watch(CONFIG_MAPS) as events:
        assert _told(await anext(events)) == "+a"
        with pytest.raises(StreamBroken):
            await anext(events)
    assert transport.open_watches == 0
