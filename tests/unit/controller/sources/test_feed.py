"""Keys pushed from anywhere in the program."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.controller.sources.feed import WAITING_MAX, Feed, FeedFull
from ctrlkit.controller.sources.source import KEPT_MAX
from ctrlkit.model import ObjectKey
from tests.unit.controller.support import Script, lines_of, pods, running, virtual_loop


@dataclass
class Order:
    shop: str
    number: int


def shops() -> Feed[Order]:
    return Feed("orders", lambda order: [f"d/{order.shop}"])


def fed_by(feed: Feed[Order], script: Script, name: str = "test") -> Controller:
    return Controller(name=name, reconcile=script, watches=[feed])


@pytest.mark.behaviour("H6")
async def test_what_is_pushed_is_reconciled_and_merged_by_key() -> None:
    """H6: pushing never waits, and a thousand and one pushes are one reconcile that knows of them."""
    feed, script = shops(), Script(DONE)
    async with running(fed_by(feed, script)):
        await asyncio.sleep(1)
        for number in range(1025):
            feed.push(Order("a", number), "paid")
        feed.push(Order("b", 1))
        await asyncio.sleep(1)
    assert [(request.name, request.causes, request.merged) for request in script.requests] == [
        ("a", ("orders: paid",), 1025),
        ("b", ("orders",), 1),
    ]


@pytest.mark.behaviour("H6")
@pytest.mark.long
async def test_what_is_pushed_early_waits_for_the_first_controller_and_is_bounded() -> None:
    """It is there at the beginning; more keys than anybody could mean are refused, and none of those kept is lost."""
    feed = Feed("keys")

    async def reconcile(_request: Request) -> Outcome:
        await asyncio.sleep(100)  # the others wait
        return DONE

    feed.push("d/0", "first")
    for number in range(WAITING_MAX):
        feed._keep(ObjectKey("d", str(number)), "many")
    feed.push("d/1", "known already")
    with pytest.raises(FeedFull, match="push d/one-more into feed keys: 100000 keys wait"):
        feed.push("d/one-more")
    controller = Controller(name="test", reconcile=reconcile, watches=[feed])
    async with running(controller):
        await controller.wait_synced()
        await virtual_loop().wait_all_blocked()
        assert controller.statistics().queue.ready == WAITING_MAX - 1


async def test_what_is_pushed_at_a_standby_waits_for_its_election() -> None:
    """No cache knows it, and it may not be told again: before the run and while it lasts, each key once."""
    feed, script, may_work = Feed("keys"), Script(DONE), asyncio.Event()
    feed.push("d/early", "first")
    async with running(Controller(name="test", reconcile=script, watches=[feed]), may_work=may_work):
        await asyncio.sleep(1)
        for cause in ("one", "two"):
            feed.push("d/late", cause)
        await asyncio.sleep(1)
        assert script.requests == []
        may_work.set()
        await asyncio.sleep(1)
    assert [(request.name, request.causes) for request in script.requests] == [
        ("early", ("keys: first",)),
        ("late", ("keys: two",)),
    ]


@pytest.mark.long
async def test_keys_pushed_at_a_standby_are_bounded() -> None:
    """The latest are kept; that some are not is told once."""
    feed, script, may_work = Feed("keys"), Script(DONE), asyncio.Event()
    with capture_logs() as lines:
        async with running(Controller(name="test", reconcile=script, watches=[feed]), may_work=may_work):
            await asyncio.sleep(1)
            for number in range(KEPT_MAX + 2):
                feed.push(f"d/{number}")
            may_work.set()
            await asyncio.sleep(1)
    assert {request.name for request in script.requests} == {str(number) for number in range(2, KEPT_MAX + 2)}
    assert [line["key"] for line in lines_of(lines, "kept_key_dropped")] == ["d/0"]


async def test_what_is_pushed_for_another_replicas_shard_waits_for_the_shard() -> None:
    """A shard that comes brings the keys of its own, and no others."""
    feed, script = Feed("keys"), Script(DONE)
    controller = Controller(name="test", reconcile=script, watches=[feed])
    controller.restrict(lambda _key: False)
    async with running(controller):
        await asyncio.sleep(1)
        for name in ("a", "b"):
            feed.push(f"d/{name}", "paid")
        controller.restrict(lambda key: key.name == "a")
        controller.enqueue_known(lambda key: key.name == "a")
        await asyncio.sleep(1)
        controller.enqueue_known(lambda key: key.name == "a")
        await asyncio.sleep(1)
    assert [(request.name, request.causes) for request in script.requests] == [("a", ("keys: paid",))]


@pytest.mark.behaviour("H6")
async def test_each_controller_takes_for_itself() -> None:
    """H6: one that ends, or is slow, takes nothing from the others; when all have ended, keys are kept again."""
    feed, early, late = shops(), Script(DONE), Script(DONE)
    async with running(fed_by(feed, early, "early")):
        await asyncio.sleep(1)
        feed.push(Order("a", 1))
        async with running(fed_by(feed, late, "late")):
            await asyncio.sleep(1)
            feed.push(Order("b", 2))
            await asyncio.sleep(1)
        feed.push(Order("c", 3))
        await asyncio.sleep(1)
    feed.push(Order("d", 4))
    again = Script(DONE)
    async with running(fed_by(feed, again)):
        await asyncio.sleep(1)
    assert [[key for key, _, _ in script.calls] for script in (early, late, again)] == [
        ["d/a", "d/b", "d/c"],
        ["d/b"],
        ["d/d"],
    ]


async def test_a_mapper_that_raises_raises_where_it_was_pushed() -> None:
    """It is the pusher's to know."""
    feed = Feed[Order]("orders", lambda order: [f"too/many/{order.shop}"])
    with pytest.raises(ValueError, match="object key 'too/many/a'"):
        feed.push(Order("a", 1))


async def test_threads_push_by_way_of_the_loop() -> None:
    feed, script, loop = shops(), Script(DONE), asyncio.get_running_loop()
    async with running(Controller(name="test", reconcile=script, watches=[Watch(pods(), to_self), feed])):
        await asyncio.sleep(1)
        await asyncio.to_thread(lambda: loop.call_soon_threadsafe(feed.push, Order("a", 1), "paid"))
        await virtual_loop().wait_all_blocked()
    assert len(script.calls) == 1
