"""Watches that come and go while a manager runs."""

from __future__ import annotations

import pytest

from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from tests.support.greetings import GREETINGS, greeting

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "demo"}}


@pytest.mark.behaviour("B12", "M7")
async def test_a_kind_is_watched_for_a_block_and_costs_the_server_nothing_afterwards() -> None:
    """B12: a leased informer feeds a running controller; with the block both end, and another block starts anew."""
    seen: list[str] = []

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            seen.append(str(request.key))
            return DONE

        return Controller(name="keys", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with World(greeting(), SECRET, kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        (controller,) = manager.controllers
        await world.settle()
        assert seen == ["demo/hello"]
        for text in ("first", "second"):
            seen.clear()
            async with manager.borrow_informer(SECRETS) as secrets, controller.watching(Watch(secrets, to_self)):
                await world.settle()
                assert seen == ["demo/key"]
                world.tracker.patch(SECRETS, "demo/key", MergePatch({"stringData": {"text": text}}))
                await world.settle()
                assert seen == ["demo/key", "demo/key"]
            world.tracker.patch(SECRETS, "demo/key", MergePatch({"metadata": {"labels": {"text": text}}}))
            await world.settle()
            assert seen == ["demo/key", "demo/key"]
        watches = [action for action in world.clientset.actions if action.verb is Verb.WATCH]
        assert [str(action.resource) for action in watches].count("secrets") == 2
        assert [informer.name for informer in manager.informers] == [str(GREETINGS)]
        assert world.tracker.list(CONFIG_MAPS) == []
