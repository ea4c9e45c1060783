"""Every so often a handler is told of all objects."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from ctrlkit.cache import Cause, Change, ChangeKind, Informer
from ctrlkit.clock import monotonic
from ctrlkit.model.kinds import PODS
from tests.support.list_watch import ScriptedSource
from tests.support.records import record, snapshot


def make(objects: int = 2) -> Informer[Any]:
    records = [record(f"d/{number}", number + 1) for number in range(objects)]
    return Informer[Any](PODS, {"": ScriptedSource([snapshot(objects, *records)])})


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.behaviour("I10", "R16", "F4", "D2")
async def test_each_handler_is_told_of_all_objects_on_a_period_of_its_own() -> None:
    """I10, F4: from itself to itself; those who did not ask are not told."""
    informer = make()
    often: list[tuple[float, Change[Any]]] = []
    seldom: list[Change[Any]] = []
    never: list[Change[Any]] = []
    informer.add_handler(lambda change: often.append((monotonic(), change)), resync_s=10)
    informer.add_handler(never.append)
    task = asyncio.create_task(informer.run())
    await asyncio.sleep(1)
    informer.add_handler(seldom.append, resync_s=100)
    await asyncio.sleep(119)
    await stop(task)
    times = [at for at, change in often if change.cause is Cause.RESYNC and change.key.name == "0"]
    assert 10 <= len(times) <= 13
    gaps = {round(after - before, 3) for before, after in pairwise(times)}
    assert len(gaps) > 1
    assert all(9 <= gap <= 11.01 for gap in gaps)
    assert len([change for change in seldom if change.cause is Cause.RESYNC]) == 2
    assert not [change for change in never if change.cause is Cause.RESYNC]
    resync = next(change for _, change in often if change.cause is Cause.RESYNC)
    assert (resync.kind, resync.old) == (ChangeKind.UPDATED, resync.new)


@pytest.mark.behaviour("I10")
async def test_a_period_under_a_second_is_refused() -> None:
    """I10's floor, said aloud."""
    with pytest.raises(ValueError, match="resync_s must be at least 1 s"):
        make().add_handler(lambda _: None, resync_s=0.5)


@pytest.mark.behaviour("R16")
async def test_a_large_store_is_told_in_slices_and_stops_with_its_handler() -> None:
    """The loop turns in between; a removed handler has no timer left."""
    informer = make(objects=1000)
    deepest = 0

    def look(_: Change[Any]) -> None:
        nonlocal deepest
        deepest = max(deepest, registration.depth)

    registration = informer.add_handler(lambda _: None)
    informer.remove_handler(registration)
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    registration = informer.add_handler(look, resync_s=10)
    await registration.wait_synced()
    deepest = 0
    await asyncio.sleep(12)
    assert 0 < deepest <= 200
    seen = registration.statistics().handled
    informer.remove_handler(registration)
    await asyncio.sleep(100)
    assert registration.statistics().handled == seen
    await stop(task)
