"""One store, kept equal to one collection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.cache.change import Cause
from ctrlkit.cache.reflector import Reflector
from ctrlkit.errors import Gone, InternalError, StreamBroken, TooManyRequests, Unreachable
from ctrlkit.model import Applied, Bookmark, Deleted, Snapshot
from tests.support.list_watch import ScriptedSource, Stream
from tests.support.records import applied, deleted, record, snapshot


class Notebook:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def replace(self, snapshot: Snapshot[Any], *, cause: Cause, scope: str) -> None:
        self.told.append((cause.value, [str(record.key) for record in snapshot.records]))

    def apply(self, events: Sequence[Applied[Any] | Deleted[Any]]) -> None:
        self.told.extend((type(event).__name__.lower(), str(event.record.key)) for event in events)


@asynccontextmanager
async def reflecting(source: ScriptedSource, *, for_s: float) -> AsyncIterator[tuple[Reflector[Any], Notebook]]:
    """Run a reflector for some virtual seconds."""
    notebook = Notebook()
    reflector: Reflector[Any] = Reflector(source, notebook, name="things")
    task = asyncio.create_task(reflector.run())
    await asyncio.sleep(for_s)
    try:
        yield reflector, notebook
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_it_lists_then_watches_from_the_lists_version() -> None:
    """Events reach the sink in order and move the version."""
    source = ScriptedSource(
        [snapshot(3, record("d/a", 1))], [Stream([applied("d/b", 4), deleted("d/a", 5)], open_s=1e9)]
    )
    async with reflecting(source, for_s=1) as (reflector, notebook):
        assert source.asked == [("list", "0"), ("watch", "3")]
        assert notebook.told == [("initial", ["d/a"]), ("applied", "d/b"), ("deleted", "d/a")]
        assert reflector.version == "5"


@pytest.mark.behaviour("R8")
async def test_a_bookmark_moves_the_version_and_reaches_nobody() -> None:
    """R8: the next watch begins at it."""
    source = ScriptedSource([snapshot(3)], [Stream([Bookmark("50")], open_s=400), Stream(open_s=1e9)])
    async with reflecting(source, for_s=500) as (_, notebook):
        assert source.asked == [("list", "0"), ("watch", "3"), ("watch", "50")]
        assert notebook.told == [("initial", [])]


@pytest.mark.behaviour("R12")
async def test_a_410_in_the_stream_leads_to_one_list_at_once() -> None:
    """The relist is told as such, so that deletions can be seen."""
    source = ScriptedSource(
        [snapshot(3, record("d/a", 1)), snapshot(9)], [Stream(error=Gone("too old")), Stream(open_s=1e9)]
    )
    async with reflecting(source, for_s=0.1) as (reflector, notebook):
        assert source.asked == [("list", "0"), ("watch", "3"), ("list", "3"), ("watch", "9")]
        assert notebook.told == [("initial", ["d/a"]), ("relist", [])]
        assert reflector.statistics().lists == {"first": 1, "expired": 1}


@pytest.mark.behaviour("R12")
async def test_429_in_the_stream_resumes_and_500_lists_again() -> None:
    """Both after a wait."""
    source = ScriptedSource(
        [snapshot(3)],
        [Stream(error=TooManyRequests("slow")), Stream(error=InternalError("boom")), Stream(open_s=1e9)],
    )
    async with reflecting(source, for_s=10):
        assert source.asked == [("list", "0"), ("watch", "3"), ("watch", "3"), ("list", "3"), ("watch", "3")]
        times = [at for _, _, at in source.calls]
        assert times[2] - times[1] >= 0.4
        assert times[3] - times[2] >= 0.4


@pytest.mark.behaviour("R11", "R17")
async def test_while_nobody_listens_it_waits_ever_longer_and_tells_why() -> None:
    """Refused connections: few requests, the last error at hand, then on from the version where it stopped."""
    refused = Stream(error=Unreachable("refused"), refused=True)
    source = ScriptedSource([snapshot(3)], [refused] * 6 + [Stream(open_s=1e9)])
    async with reflecting(source, for_s=30) as (reflector, _):
        assert source.asked == [("list", "0")] + [("watch", "3")] * 6
        assert "refused" in reflector.statistics().last_error
        assert reflector.state == "waiting"


async def test_a_stream_cut_in_mid_line_resumes_after_the_last_whole_event() -> None:
    """R-c."""
    source = ScriptedSource(
        [snapshot(3)], [Stream([applied("d/a", 4)], error=StreamBroken("half a line")), Stream(open_s=1e9)]
    )
    async with reflecting(source, for_s=5):
        assert source.asked == [("list", "0"), ("watch", "3"), ("watch", "4")]


async def test_an_unforeseen_error_ends_nothing() -> None:
    """A bug in a source is logged and waited out like a failure."""
    source = ScriptedSource([ValueError("a bug"), snapshot(3)])
    async with reflecting(source, for_s=5) as (reflector, _):
        assert source.asked == [("list", "0"), ("list", "0"), ("watch", "3")]
        assert reflector.synced.is_set()


async def test_a_server_that_ends_every_watch_at_once_sees_few_requests() -> None:
    """The peers' hot loop: here under 2 a second at first and falling."""
    source = ScriptedSource([snapshot(3)], [Stream()])
    async with reflecting(source, for_s=60):
        assert len(source.calls) <= 20
