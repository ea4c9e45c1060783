"""What a controller says of its keys while it works."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.controller.keys import WaitingKey
from ctrlkit.controller.retries import WaitReason
from ctrlkit.controller.worker import STUCK_AFTER_S
from ctrlkit.errors import Forbidden, RetryLater
from ctrlkit.model import ObjectKey
from tests.support.records import applied
from tests.unit.controller.support import Script, one, pods, running

A, B = ObjectKey("d", "a"), ObjectKey("d", "b")


async def by_name(request: Request) -> Outcome:
    """Each key ends as its name says."""
    match request.name:
        case "early":
            raise RetryLater("the database starts", after_s=300)
        case "refused":
            raise Forbidden("no")
        case "soon":
            return RequeueAfter(60)
        case "later":
            return RequeueAfter(600)
    return DONE


@pytest.mark.behaviour("B30")
async def test_a_key_that_is_to_run_later_says_why_and_when() -> None:
    """Those that wait for something else come first, then those that come due next; what fails is not among them."""
    controller = one(by_name, pods("d/later", "d/early", "d/refused", "d/soon", "d/good"))
    async with running(controller):
        await asyncio.sleep(1)
        waiting = controller.waiting()
    told = [(each.key.name, each.reason, round(each.due_at), each.message) for each in waiting]
    assert told == [
        ("early", WaitReason.RETRY_LATER, 300, "the database starts"),
        ("soon", WaitReason.REQUEUE_AFTER, 60, ""),
        ("later", WaitReason.REQUEUE_AFTER, 600, ""),
    ]
    assert [each.key.name for each in waiting if each.since] == ["early"]


@pytest.mark.behaviour("B30")
async def test_keys_that_are_to_run_later_may_be_asked_for_by_what_they_are() -> None:
    """Whatever they wait for; those that fail or do not wait are left out of any question."""
    controller = one(by_name, pods("d/later", "d/early", "d/refused", "d/soon", "d/good"))
    async with running(controller):
        await asyncio.sleep(1)
        for asked in ({"later"}, {"early", "soon"}, {"refused", "good"}):
            found = {each.key.name for each in controller.waiting(where=lambda key, asked=asked: key.name in asked)}  # type: ignore[misc]
            assert found == asked - {"refused", "good"}
        assert [each.key.name for each in controller.waiting(first=2)] == ["early", "soon"]


@pytest.mark.behaviour("B30")
async def test_a_key_whose_changes_are_gathered_waits_for_its_batch() -> None:
    informer = pods()
    controller = Controller(name="test", reconcile=Script(DONE), watches=[Watch(informer, to_self, batch_s=5)])
    async with running(controller):
        await asyncio.sleep(1)
        informer.apply([applied("d/a", 2)])
        await asyncio.sleep(1)
        assert controller.waiting() == (WaitingKey(key=A, reason=WaitReason.BATCH, due_at=6.0),)


@pytest.mark.behaviour("B30")
async def test_of_a_key_that_runs_its_run_is_told_and_whether_it_takes_too_long() -> None:
    """Not of another one."""
    release = asyncio.Event()

    async def reconcile(request: Request) -> Outcome:
        if request.key == A:
            await release.wait()
        return DONE

    controller = one(reconcile, pods("d/a", "d/b"), workers=2)
    async with running(controller):
        await asyncio.sleep(STUCK_AFTER_S - 1)
        state = controller.key_state(A)
        assert state.run is not None
        assert (state.run.key, state.run.began_at, state.stuck) == (A, 0, False)
        assert state.at.startswith("test_keys.py:")
        assert controller.key_state(B).run is None
        await asyncio.sleep(2)
        assert (controller.key_state(A).stuck, controller.key_state(B).stuck) == (True, False)
        release.set()
        await asyncio.sleep(1)
        state = controller.key_state(A)
        assert (state.run, state.at, state.stuck) == (None, "", False)
