"""Changes on their way to handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.cache import Cause, Change, ChangeKind, Informer, filtered, handlers
from ctrlkit.cache.handlers import BEHIND_DEPTH, SLICE, LatestByKey, Registration
from ctrlkit.clock import monotonic
from ctrlkit.model import Record
from ctrlkit.model.kinds import PODS
from tests.support.list_watch import ScriptedSource
from tests.support.records import record, snapshot


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


@pytest.mark.behaviour("I5")
async def test_who_has_no_task_is_called_when_it_has_synced() -> None:
    """Once the first list was handled, or at once where it has been by then."""
    called: list[str] = []
    registration: Registration[dict[str, Any]] = Registration(lambda _: None, name="h")
    registration.publish([change("a", Cause.INITIAL)])
    registration.when_synced(lambda: called.append("first"))
    registration.end_of_initial()
    assert called == []
    await registration.wait_synced()
    await asyncio.sleep(0)
    assert called == ["first"]
    registration.when_synced(lambda: called.append("late"))
    assert called == ["first", "late"]


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


@pytest.mark.behaviour("B8")
async def test_the_oldest_change_that_waits_is_the_first_that_is_not_handled() -> None:
    """What came later is the oldest when all that came before it is handled, and not sooner."""
    registration: Registration[dict[str, Any]] = Registration(lambda _: None, name="h")
    now, ages = asyncio.get_running_loop().time(), []
    registration.publish([change(str(n)) for n in range(3 * SLICE)], at=now - 10)
    registration._take_slice()
    registration.publish([change("later")], at=now - 2)
    while registration.depth:
        registration._take_slice()
        ages.append((registration.depth, round(registration.oldest_s)))
    assert ages == [(SLICE + 1, 10), (1, 2), (0, 0)]


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
            patch.setattr(handlers, "monotonic", lambda: self.late_s)
            yield


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "drop", "look"])), max_size=60)


@pytest.mark.behaviour("B8")
@given(steps=STEPS)
def test_for_any_history_what_is_delivered_replays_to_the_store(steps: list[tuple[str, str]]) -> None:
    """LATEST: one change an object, each from the state seen last, and in the end the handler's view is true."""
    store: dict[str, Record[dict[str, Any]]] = {}
    view: dict[str, Record[dict[str, Any]]] = {}
    pending: LatestByKey[dict[str, Any]] = LatestByKey()

    def deliver() -> None:
        change = pending.popleft()
        name = change.key.name
        if change.old is not None and change.new is not None:
            assert view[name] is change.old
        if change.new is None:
            view.pop(name, None)
        else:
            assert (name in view) == (change.old is not None)
            view[name] = change.new

    for version, (name, step) in enumerate(steps, start=1):
        if step == "look" and len(pending):
            deliver()
        elif step == "put":
            new = record(f"d/{name}", version)
            pending.extend([Change(store.get(name), new, Cause.WATCH)])
            store[name] = new
        elif step == "drop" and name in store:
            pending.extend([Change(store.pop(name), None, Cause.WATCH)])
        assert len(pending) <= 3
    while len(pending):
        deliver()
    assert view == store


PASSES, FAILS, ALSO_PASSES = record("d/a", 1, app="x"), record("d/a", 2), record("d/a", 3, app="x")
States = Record[dict[str, Any]] | None


@pytest.mark.behaviour("I13")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (None, PASSES, (None, PASSES)),
        (None, FAILS, None),
        (FAILS, PASSES, (None, PASSES)),
        (PASSES, FAILS, (PASSES, None)),
        (PASSES, ALSO_PASSES, (PASSES, ALSO_PASSES)),
        (FAILS, FAILS, None),
        (PASSES, None, (PASSES, None)),
        (FAILS, None, None),
    ],
)
def test_a_filter_turns_a_change_of_mind_into_an_arrival_or_an_end(
    old: States, new: States, told: tuple[States, States] | None
) -> None:
    """I13's table, and the ends and beginnings of objects."""
    seen: list[Change[dict[str, Any]]] = []
    handler = filtered(lambda found: "app" in (found.meta.labels or {}), seen.append)
    handler(Change(old, new, Cause.WATCH))
    assert [(change.old, change.new) for change in seen] == ([] if told is None else [told])


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
