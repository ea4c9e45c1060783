"""How reflectors wait, as their users may say."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit.backoff import Backoff
from ctrlkit.cache import InformerFactory, ReflectorOptions
from ctrlkit.cache.reflector.machine import ListWatchMachine
from ctrlkit.clock import random_source
from ctrlkit.errors import Unreachable
from ctrlkit.fakes import FakeClientset
from ctrlkit.manager import Manager
from ctrlkit.model import Verb
from ctrlkit.model.kinds import CONFIG_MAPS, PODS


@pytest.mark.parametrize(
    "wrong",
    [{"silence_s": 0.0}, {"healthy_after_s": -1.0}, {"watch_timeout_s": (60, 30)}, {"watch_timeout_s": (0, 30)}],
    ids=str,
)
def test_times_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    """The error shows all of them."""
    with pytest.raises(ValueError, match="ReflectorOptions: times must be more than 0, and a range must not be empty"):
        ReflectorOptions(**wrong)  # type: ignore[arg-type]


async def test_the_back_off_is_the_one_that_was_asked_for() -> None:
    """Without jitter, so that it can be told."""
    backoff = Backoff(base_s=2.0, factor=3.0, cap_s=10.0, floor=1.0)
    machine = ListWatchMachine(chance=random_source(), options=ReflectorOptions(backoff=backoff))
    machine.begin()
    assert [machine.list_failed(Unreachable("down")).after_s for _ in range(4)] == [2.0, 6.0, 10.0, 10.0]


async def test_a_factory_and_a_manager_hand_them_on() -> None:
    """The time that a watch asks for shows it."""
    clientset = FakeClientset()
    options = ReflectorOptions(watch_timeout_s=(77, 77))
    async with InformerFactory(clientset.client, reflector=options) as factory:
        await factory.informer(PODS).wait_synced()
    manager = Manager(clientset.client, reflector=options)
    informer = manager.informer(CONFIG_MAPS)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(manager.run(stop := asyncio.Event()))
        await informer.wait_synced()
        stop.set()
    watches = [action for action in clientset.actions if action.verb is Verb.WATCH]
    assert {(action.resource, action.options.timeout_s) for action in watches} == {(PODS, 77), (CONFIG_MAPS, 77)}
