"""Changes on their way to handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.cache import fanout
from ctrlkit.cache.change import Cause, Change
from ctrlkit.cache.fanout import BEHIND_DEPTH, SLICE, Registration
from tests.support.records import record


def change(name: str, cause: Cause = Cause.WATCH) -> Change[dict[str, Any]]:
    return Change(None, record(f"d/{name}", 1), cause)


@pytest.mark.behaviour("I6", "F5")
async def test_a_handler_sees_changes_in_order_a_slice_at_a_time() -> None:
    """I6, with a bound on how long one handler holds the loop."""
    seen: list[str] = []
    registration: Registration[dict[str, Any]] = Registration(lambda c: seen.append(c.key.name), name="h")
    names = [f"{n:04}" for n in range(2 * SLICE + 5)]
    registration.publish([change(name) for name in names])
    assert seen == []
    await asyncio.sleep(0)
    assert seen == names[:SLICE]
    while registration.depth:  # noqa: ASYNC110 - one turn of the loop, one slice
        await asyncio.sleep(0)
    assert seen == names


@pytest.mark.behaviour("B13", "I5", "I7")
async def test_a_handler_that_raises_is_counted_and_still_syncs() -> None:
    """B13: an initial change it could not take counts as handled."""

    def broken(_: Change[dict[str, Any]]) -> None:
        raise RuntimeError("no")

    registration: Registration[dict[str, Any]] = Registration(broken, name="h")
    registration.publish([change("a", Cause.INITIAL), change("b", Cause.INITIAL)])
    registration.end_of_initial()
    assert not registration.has_synced()
    await registration.wait_synced()
    assert registration.failures == 2


@pytest.mark.behaviour("I5")
async def test_synced_means_the_first_list_was_handled_not_all_that_came_since() -> None:
    """I5: later changes do not hold it up."""
    registration: Registration[dict[str, Any]] = Registration(lambda _: None, name="h")
    registration.publish([change("a", Cause.INITIAL)])
    registration.end_of_initial()
    registration.publish([change(str(n)) for n in range(5 * SLICE)])
    await asyncio.sleep(0)
    assert registration.has_synced()
    assert registration.depth > 0
    registration.remove()


@pytest.mark.behaviour("I5")
async def test_an_empty_first_list_syncs_too() -> None:
    """Nothing to handle is handled."""
    registration: Registration[dict[str, Any]] = Registration(lambda _: None, name="h")
    registration.end_of_initial()
    await registration.wait_synced()


@pytest.mark.behaviour("I8", "B9")
async def test_a_removal_says_how_many_changes_it_dropped() -> None:
    """B9: nothing is delivered afterwards, and nothing vanishes unsaid."""
    seen: list[str] = []
    registration: Registration[dict[str, Any]] = Registration(lambda c: seen.append(c.key.name), name="h")
    registration.publish([change("a"), change("b")])
    assert registration.remove() == 2
    assert registration.remove() == 0
    registration.publish([change("c")])
    await asyncio.sleep(0)
    assert seen == []


@pytest.mark.behaviour("I8")
async def test_a_handler_may_remove_itself() -> None:
    """From inside a change, and then sees no more (no deadlock as in row I8)."""
    seen: list[str] = []

    def once(c: Change[dict[str, Any]]) -> None:
        seen.append(c.key.name)
        registration.remove()

    registration: Registration[dict[str, Any]] = Registration(once, name="h")
    registration.publish([change("a"), change("b")])
    await asyncio.sleep(0)
    assert seen == ["a"]


@pytest.mark.behaviour("B9")
async def test_a_draining_handler_sees_what_waits_and_nothing_that_comes_later() -> None:
    """B9: the other way to leave."""
    seen: list[str] = []
    registration: Registration[dict[str, Any]] = Registration(lambda c: seen.append(c.key.name), name="h")
    names = [f"{n:04}" for n in range(SLICE + 5)]
    registration.publish([change(name) for name in names])
    draining = asyncio.create_task(registration.drain())
    await asyncio.sleep(0)
    registration.publish([change("late")])
    await draining
    assert seen == names
    await registration.drain()


@pytest.mark.behaviour("B9")
async def test_a_removal_ends_a_drain() -> None:
    """Whoever waits for the drain does not wait for ever."""
    registration: Registration[dict[str, Any]] = Registration(lambda _: None, name="h")
    registration.publish([change(str(n)) for n in range(5 * SLICE)])
    draining = asyncio.create_task(registration.drain())
    await asyncio.sleep(0)
    assert registration.remove() > 0
    await draining


@pytest.mark.behaviour("B8")
async def test_a_slow_handler_is_visible() -> None:
    """Depth, age of the oldest change that waits, the most that ever did, and how late handled changes were."""
    registration: Registration[dict[str, Any]] = Registration(lambda _: None, name="h")
    assert (registration.depth, registration.oldest_s, registration.statistics().high_water) == (0, 0.0, 0)
    registration.publish([change(str(n)) for n in range(SLICE + 50)])
    registration._take_slice()
    now = asyncio.get_running_loop().time()
    registration.publish([change("later")])
    statistics = registration.statistics()
    assert (statistics.depth, statistics.high_water, statistics.handled) == (51, SLICE + 50, SLICE)
    assert statistics.oldest_s == asyncio.get_running_loop().time() - now
    while registration.depth:  # noqa: ASYNC110 - one turn of the loop, one slice
        await asyncio.sleep(0)
    statistics = registration.statistics()
    assert (statistics.depth, statistics.oldest_s, statistics.handled) == (0, 0.0, SLICE + 51)
    assert sum(statistics.latency.counts) == 2


@pytest.mark.behaviour("I6", "B8", "F10")
async def test_a_handler_far_behind_is_warned_of_once_for_each_doubling() -> None:
    """I6: depth and age together, so that the first list of a large collection is no alarm."""

    def slow(_: Change[dict[str, Any]]) -> None:
        loop.skip(0.01)  # a second for each slice

    loop = SlowLoop()
    registration: Registration[dict[str, Any]] = Registration(slow, name="h")
    with capture_logs() as lines, loop.in_place():
        registration.publish([change(str(n)) for n in range(3 * BEHIND_DEPTH)])
        while registration.depth:  # noqa: ASYNC110 - one turn of the loop, one slice
            await asyncio.sleep(0)
    behind = [line for line in lines if line["event"] == "handler_fell_behind"]
    assert [(line["handler"], line["depth"]) for line in behind] == [("h", 3 * BEHIND_DEPTH - SLICE)]


class SlowLoop:
    """A clock that a handler can push on, as one that computes for long does."""

    def __init__(self) -> None:
        self.late_s = 0.0

    def skip(self, seconds: float) -> None:
        self.late_s += seconds

    @contextmanager
    def in_place(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fanout, "monotonic", lambda: self.late_s)
            yield
