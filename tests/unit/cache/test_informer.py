"""One collection, mirrored once, shared by many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.cache import Change, Informer
from ctrlkit.model.kinds import PODS
from tests.support.list_watch import ScriptedSource, Stream
from tests.support.records import applied, deleted, record, snapshot


@asynccontextmanager
async def running(informer: Informer[Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(informer.run())
    try:
        await asyncio.sleep(0.01)
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def make(**sources: ScriptedSource) -> Informer[Any]:
    return Informer[Any](PODS, {"" if scope == "all" else scope: source for scope, source in sources.items()})


def told(seen: list[Change[Any]]) -> list[tuple[str, str, str]]:
    return [(change.kind.value, str(change.key), change.cause.value) for change in seen]


@pytest.mark.behaviour("I1", "I2")
async def test_a_late_handler_gets_the_state_first_without_gap_or_double() -> None:
    """I2: adds for what is there, then what comes."""
    source = ScriptedSource([snapshot(2, record("d/a", 1), record("d/b", 2))], [Stream([applied("d/c", 3)], 1e9)])
    informer = make(all=source)
    early: list[Change[Any]] = []
    late: list[Change[Any]] = []
    informer.add_handler(early.append)
    async with running(informer):
        registration = informer.add_handler(late.append)
        assert not registration.has_synced()
        informer.apply([deleted("d/a", 4)])
        await registration.wait_synced()
        await asyncio.sleep(0)
    assert told(early) == [
        ("added", "d/a", "initial"),
        ("added", "d/b", "initial"),
        ("added", "d/c", "watch"),
        ("deleted", "d/a", "watch"),
    ]
    assert told(late) == [
        ("added", "d/a", "initial"),
        ("added", "d/b", "initial"),
        ("added", "d/c", "initial"),
        ("deleted", "d/a", "watch"),
    ]


async def test_scopes_fill_one_store_and_sync_when_the_last_one_has() -> None:
    """Several namespaces: a reflector each, one lister, one has_synced."""
    one = ScriptedSource([snapshot(1, record("one/a", 1))])
    two = ScriptedSource([ConnectionError("later"), snapshot(2, record("two/a", 2))])
    informer = make(one=one, two=two)
    registration = informer.add_handler(lambda _: None)
    async with running(informer):
        assert not informer.has_synced()
        assert informer.busy() == ("informer:pods not synced",)
        assert isinstance(informer.last_error, ConnectionError)
        await informer.wait_synced()
        await registration.wait_synced()
        assert [str(key) for key in informer.lister.keys()] == ["one/a", "two/a"]
        assert informer.versions == {"one": "1", "two": "2"}
        assert informer.busy() == ()


@pytest.mark.behaviour("I3", "I4")
async def test_an_informer_runs_once_and_takes_no_handler_afterwards() -> None:
    """I3 and I4 as errors that say what to do."""
    informer = make(all=ScriptedSource([snapshot(1)]))
    async with running(informer):
        pass
    with pytest.raises(RuntimeError, match="make a new one"):
        await informer.run()
    with pytest.raises(RuntimeError, match="add it to one that runs"):
        informer.add_handler(lambda _: None)


async def test_a_removed_handler_hears_no_more_and_the_others_do() -> None:
    """Removal is immediate and private."""
    informer = make(all=ScriptedSource([snapshot(1)]))
    gone: list[Change[Any]] = []
    kept: list[Change[Any]] = []
    registration = informer.add_handler(gone.append)
    informer.add_handler(kept.append)
    async with running(informer):
        informer.remove_handler(registration)
        informer.apply([applied("d/a", 2)])
        await asyncio.sleep(0)
    assert gone == []
    assert told(kept) == [("added", "d/a", "watch")]


async def test_statistics_show_what_an_operator_asks_for() -> None:
    """Objects, state, lists by reason, and handlers behind."""
    informer = make(all=ScriptedSource([snapshot(1, record("d/a", 1))]))
    informer.add_handler(lambda _: None, name="mine")
    async with running(informer):
        statistics = informer.statistics()
    assert statistics.objects == 1
    assert statistics.reflectors[""].state == "watching"
    assert statistics.reflectors[""].lists == {"first": 1}
    assert statistics.handler_depths == {"mine": 0}


async def test_what_a_lister_returns_cannot_damage_the_cache() -> None:
    """Each look is a private copy (B25)."""
    informer = make(all=ScriptedSource([snapshot(1, record("d/a", 1))]))
    async with running(informer):
        found = informer.lister.get("d/a")
        found["version"] = "spoilt"
        assert informer.lister.get("d/a") == {"key": "d/a", "version": "1"}
        assert informer.lister.find("d/none") is None
