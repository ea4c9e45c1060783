"""A list is one snapshot, however many pages it came in."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from ctrlkit.client import Client
from ctrlkit.client import list_watch as pages_module
from ctrlkit.errors import DecodeError, Expired, ServiceUnavailable
from ctrlkit.model import ObjectMeta, Options, Record, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.wire import list_parts
from tests.unit.client.support import ScriptedTransport, a_list, an_object


def _sent(transport: ScriptedTransport) -> list[Options]:
    return [action.options for action in transport.actions]


@pytest.mark.behaviour("R4", "B26")
async def test_tokens_are_followed_to_the_end() -> None:
    """Every page under the same selectors and limit; only a token carries the version on."""
    transport = ScriptedTransport(a_list("a", "b", token="t1"), a_list("c", token="t2"), a_list("d"))
    found = await Client(transport).list(
        CONFIG_MAPS, namespace="demo", label_selector="x=y", field_selector="metadata.name!=z", page_size=2
    )
    assert [item.key.name for item in found] == ["a", "b", "c", "d"]
    same = {"label_selector": "x=y", "field_selector": "metadata.name!=z", "limit": 2}
    assert _sent(transport) == [
        Options(**same),  # type: ignore[arg-type]
        Options(**same, continue_token="t1"),  # type: ignore[arg-type]
        Options(**same, continue_token="t2"),  # type: ignore[arg-type]
    ]


@pytest.mark.behaviour("R2")
async def test_the_newest_is_read_in_pages_of_500_the_cached_in_one() -> None:
    """A list at a version is answered by the server's watch cache, which does not page, nor for "0"."""
    transport = ScriptedTransport(a_list())
    source = Client(transport).list_watch(CONFIG_MAPS, label_selector="x=y")
    for version in ("", "0", "42"):
        await source.list(resource_version=version)
    assert _sent(transport) == [
        Options(label_selector="x=y", limit=500),
        Options(label_selector="x=y", limit=500, resource_version="0"),
        Options(label_selector="x=y", resource_version="42"),
    ]


@pytest.mark.behaviour("R2")
async def test_a_server_without_a_watch_cache_is_asked_for_pages_from_then_on() -> None:
    """It has shown so by paging a list at "0"; another collection has a memory of its own."""
    transport = ScriptedTransport(a_list("a", token="t"), a_list("b"), a_list("a"), a_list("c"))
    client = Client(transport)
    source = client.list_watch(CONFIG_MAPS)
    await source.list(resource_version="0")
    await source.list(resource_version="42")
    await client.list_watch(CONFIG_MAPS).list(resource_version="42")
    assert _sent(transport) == [
        Options(resource_version="0", limit=500),
        Options(continue_token="t", limit=500),
        Options(resource_version="42", limit=500),
        Options(resource_version="42"),
    ]


@pytest.mark.behaviour("R5", "B14")
async def test_what_is_unreadable_on_any_page_is_told() -> None:
    """An item without a name costs only itself; a list for a caller of the client has no place for it, and raises."""
    nameless = [a_list("a", token="t"), a_list("")]
    snapshot = await Client(ScriptedTransport(*nameless)).list_watch(CONFIG_MAPS).list(resource_version="")
    assert [record.key.name for record in snapshot.records] == ["a"]
    assert len(snapshot.unreadable) == 1
    with pytest.raises(DecodeError):
        await Client(ScriptedTransport(*nameless)).list(CONFIG_MAPS)


@pytest.mark.behaviour("R4")
async def test_the_snapshot_has_the_first_pages_version() -> None:
    """Later pages belong to it."""
    transport = ScriptedTransport(a_list("a", version="10", token="t"), a_list("b", version="12"))
    snapshot = await Client(transport).list_watch(CONFIG_MAPS).list(resource_version="")
    assert snapshot.version == "10"
    assert [record.key.name for record in snapshot.records] == ["a", "b"]


@pytest.mark.behaviour("R4")
async def test_a_token_that_expires_costs_one_full_list() -> None:
    """Without limit and token, at the version first asked for; what was there before is dropped."""
    transport = ScriptedTransport(
        a_list("a", version="10", token="t1"),
        a_list("b", version="10", token="t2"),
        Expired("too old"),
        a_list("a", "c", version="20"),
    )
    snapshot = await Client(transport).list_watch(CONFIG_MAPS).list(resource_version="")
    assert [record.key.name for record in snapshot.records] == ["a", "c"]
    assert snapshot.version == "20"
    assert _sent(transport)[3] == Options()


@pytest.mark.behaviour("R4")
async def test_a_full_list_that_comes_in_pages_is_followed_too() -> None:
    """Some servers page whatever is asked for: what their first page lacks is not gone."""
    transport = ScriptedTransport(
        a_list("a", token="t1"), Expired("too old"), a_list("a", token="t2"), a_list("b"), a_list("never")
    )
    found = await Client(transport).list(CONFIG_MAPS, page_size=1)
    assert [item.key.name for item in found] == ["a", "b"]
    assert _sent(transport)[2:] == [Options(), Options(continue_token="t2")]


async def test_a_page_of_an_older_state_is_of_no_snapshot() -> None:
    """Another server wrote it, or another history: what it lacks may be there. A newer page may follow."""
    older = a_list("b", version="9")
    transport = ScriptedTransport(a_list("a", token="t"), older, a_list("a", "b"))
    found = await Client(transport).list(CONFIG_MAPS, page_size=1)
    assert [item.key.name for item in found] == ["a", "b"]
    newer = ScriptedTransport(a_list("a", token="t"), a_list("b", version="11"), a_list("never"))
    assert len(await Client(newer).list(CONFIG_MAPS, page_size=1)) == 2
    with pytest.raises(DecodeError, match="pages that do not belong together"):
        await Client(ScriptedTransport(a_list("a", token="t"), older, a_list("a", token="t"), older)).list(CONFIG_MAPS)


async def test_items_of_another_namespace_are_none_of_the_list() -> None:
    """They are told as what could not be read, so that nothing is held for deleted because of them."""
    stray = {**an_object("b"), "metadata": {"name": "b", "namespace": "other", "resourceVersion": "8"}}
    page = a_list("a")
    page["items"].append(stray)
    source = Client(ScriptedTransport(page)).list_watch(CONFIG_MAPS, namespace="demo")
    snapshot = await source.list(resource_version="0")
    assert [record.key.name for record in snapshot.records] == ["a"]
    assert [error.version for error in snapshot.unreadable] == ["8"]
    everywhere = await Client(ScriptedTransport(page)).list_watch(CONFIG_MAPS).list(resource_version="0")
    assert len(everywhere.records) == 2


async def test_a_version_is_asked_for_once_and_again_in_full() -> None:
    """A server that pages although it was not asked to: the continuation names no version, the full list does."""
    transport = ScriptedTransport(a_list("a", token="t1"), Expired("too old"), a_list("a", "b"))
    await Client(transport).list_watch(CONFIG_MAPS).list(resource_version="7")
    assert _sent(transport) == [
        Options(resource_version="7"),
        Options(continue_token="t1"),
        Options(resource_version="7"),
    ]


@pytest.mark.behaviour("R4", "B26")
async def test_a_first_page_that_expired_is_the_callers() -> None:
    """It is about the version, not about a token."""
    transport = ScriptedTransport(Expired("too old"))
    with pytest.raises(Expired) as caught:
        await Client(transport).list_watch(CONFIG_MAPS).list(resource_version="7")
    assert caught.value.attempted == "list configmaps *"
    assert len(transport.actions) == 1


async def test_another_failure_ends_the_list() -> None:
    """No half of a collection is ever returned."""
    transport = ScriptedTransport(a_list("a", token="t"), ServiceUnavailable("later"))
    with pytest.raises(ServiceUnavailable):
        await Client(transport).list(CONFIG_MAPS)


@pytest.mark.behaviour("B16")
async def test_a_long_page_is_decoded_in_parts_and_others_have_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a watch cache answers, whatever limit was asked for; what is known already is taken in its place."""
    monkeypatch.setattr(list_parts, "PART_BYTES", 1000)
    page = a_list(*(f"n{number:03}" for number in range(100)))
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    def known(found: Record[Unstructured]) -> Record[Unstructured]:
        return found if found.key.name != "n007" else held

    held: Record[Unstructured] = Record(ObjectMeta(name="n007"), {}, Unstructured)
    other = asyncio.create_task(turn())
    source = Client(ScriptedTransport(page)).list_watch(CONFIG_MAPS)
    records = (await source.list(resource_version="0", known=known)).records
    other.cancel()
    assert [found.key.name for found in records] == [f"n{number:03}" for number in range(100)]
    assert [found for found in records if found.key.name == "n007"] == [held]
    assert turns >= len(msgspec.json.encode(page)) / 1500


@pytest.mark.behaviour("R4")
async def test_a_list_without_end_is_given_up() -> None:
    """A token that was given before leads nowhere new, nor do very many of them."""
    for tokens in ("t", "tt", "abca"):
        pages = [a_list("a", token=token) for token in tokens]
        with pytest.raises(DecodeError, match=r"list configmaps \*: the list does not end: after \d pages"):
            await Client(ScriptedTransport(*pages)).list(CONFIG_MAPS)


@pytest.mark.behaviour("R4")
async def test_a_list_of_too_many_pages_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with another token."""
    monkeypatch.setattr(pages_module, "PAGES_MAX", 5)
    answers = [a_list("a", token=str(number)) for number in range(7)]
    with pytest.raises(DecodeError, match="the list does not end"):
        await Client(ScriptedTransport(*answers)).list(CONFIG_MAPS)


@pytest.mark.behaviour("R4")
async def test_pages_of_another_kind_are_none() -> None:
    """The whole list fails: half of it would delete the other half."""
    for other in ({**a_list("b"), "kind": "SecretList"}, {"kind": "Status", "status": "Success"}, b"<html>"):
        with pytest.raises(DecodeError):
            await Client(ScriptedTransport(a_list("a", token="t"), other)).list(CONFIG_MAPS)
    gone = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}
    transport = ScriptedTransport(a_list("a", token="t"), gone, a_list("a", "c"))
    assert len(await Client(transport).list(CONFIG_MAPS)) == 2, "an expired token, whatever the HTTP code"


@pytest.mark.behaviour("R6")
async def test_a_mirror_needs_a_version() -> None:
    """A list for a caller does not: some servers make up their lists as they are asked."""
    transport = ScriptedTransport(a_list("a", version=""))
    assert len(await Client(transport).list(CONFIG_MAPS)) == 1
    with pytest.raises(DecodeError, match=r"list configmaps \*: the list has no resourceVersion"):
        await Client(transport).list_watch(CONFIG_MAPS).list(resource_version="")
