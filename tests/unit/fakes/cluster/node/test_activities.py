"""What a kubelet does that takes time goes on beside its reconciles, and its end is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.model import ObjectKey

KEY = ObjectKey("default", "web")


@dataclass
class Woken:
    """Takes the keys of a source, as a controller would."""

    keys: list[str] = field(default_factory=list)

    def add(self, key: ObjectKey, cause: str) -> None:
        self.keys.append(f"{key}: {cause}")

    def synced(self) -> None:
        """Nothing waits for that here."""


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Activities, Woken]]:
    activities, woken = Activities(), Woken()
    task = asyncio.create_task(activities.run(woken))  # type: ignore[arg-type]  # a sink of its own kind
    await asyncio.sleep(0)
    try:
        yield activities, woken
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_end_of_a_work_wakes_its_pod() -> None:
    """And only then it does not go on any more."""
    async with running() as (activities, woken):
        activities.begin("uid", KEY, "pull web", asyncio.sleep(5))
        await asyncio.sleep(4)
        assert (activities.runs("uid", "pull web"), woken.keys) == (True, [])
        await asyncio.sleep(1.1)
        assert (activities.runs("uid", "pull web"), woken.keys) == (False, ["default/web: pull web has ended"])


async def test_a_work_that_does_not_wait_is_over_at_once_and_wakes_nobody() -> None:
    """So what takes no time costs no second reconcile."""
    async with running() as (activities, woken):
        assert await activities.try_now("uid", KEY, "pull web", _nothing())
        assert not await activities.try_now("uid", KEY, "pull db", asyncio.sleep(1))
        assert list(activities.names("uid")) == ["pull db"]
        await asyncio.sleep(2)
        assert woken.keys == ["default/web: pull db has ended"]


async def _nothing() -> None:
    """A work that is done before it waits."""


async def test_works_of_a_pod_that_is_forgotten_are_cancelled() -> None:
    """They wake nobody, and those of other pods go on."""
    async with running() as (activities, woken):
        for uid in ("one", "two"):
            activities.begin(uid, KEY, "stop web", asyncio.sleep(5))
        activities.cancel("one")
        await asyncio.sleep(6)
        assert woken.keys == ["default/web: stop web has ended"]


async def test_one_call_of_a_pod_waits_for_its_moment() -> None:
    """The last one that was asked for; none of a pod that is forgotten, and none once the kubelet has ended."""
    called: list[str] = []
    async with running() as (activities, woken):
        for uid in ("one", "two", "three"):
            activities.call_at(uid, clock.monotonic() + 1, partial(called.append, f"{uid} at first"))
        activities.call_at("one", clock.monotonic() + 2, partial(called.append, "one"))
        activities.cancel("two")
        await asyncio.sleep(5)
        assert (called, woken.keys) == (["three at first", "one"], [])
        activities.call_at("one", clock.monotonic() + 1, partial(called.append, "too late"))
    activities.call_at("one", clock.monotonic() + 1, partial(called.append, "too late"))
    await asyncio.sleep(5)
    assert called == ["three at first", "one"]


async def test_whoever_begins_a_work_may_be_told_of_its_end_instead_of_the_pod() -> None:
    """What has to be done then is theirs."""
    told: list[str] = []
    async with running() as (activities, woken):
        activities.begin("uid", KEY, "readiness probe web", asyncio.sleep(1), then=told.append)
        await asyncio.sleep(2)
        assert (told, woken.keys) == (["readiness probe web has ended"], [])
        activities.wake("uid", KEY, told[0])
        assert woken.keys == ["default/web: readiness probe web has ended"]


async def test_one_name_is_one_work() -> None:
    """Whoever begins a second one has not looked."""
    async with running() as (activities, _):
        activities.begin("uid", KEY, "pull web", asyncio.sleep(5))
        with pytest.raises(RuntimeError, match="goes on already"):
            activities.begin("uid", KEY, "pull web", asyncio.sleep(5))


async def test_what_a_work_raises_ends_whoever_runs_them() -> None:
    """A kubelet fails visibly."""
    activities, woken = Activities(), Woken()

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError("no such disk")

    task = asyncio.create_task(activities.run(woken))  # type: ignore[arg-type]  # a sink of its own kind
    await asyncio.sleep(0)
    activities.begin("uid", KEY, "pull web", fail())
    with pytest.raises(ValueError, match="no such disk"):
        await task


async def test_nothing_begins_once_the_kubelet_ends() -> None:
    """A reconcile that still runs need not know."""
    activities = Activities()
    activities.begin("uid", KEY, "pull web", asyncio.sleep(5))
    assert not activities.runs("uid", "pull web")
