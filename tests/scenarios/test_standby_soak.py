"""
A standby through which hundreds of thousands of objects pass: it keeps what its caches hold, and nothing else.

Objects come and go, and children with them, while another replica leads. Nothing of them stays in the standby, neither
keys nor why they were wanted. When it is elected it reconciles what is there then, each once.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_mapped, to_owner, to_self
from ctrlkit.controller.helpers.owners import controller_reference
from ctrlkit.election import Elector
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES, SECRETS
from tests.support.greetings import GREETINGS, greeting
from tests.support.memory import rss_bytes

LEASE = ObjectKey("default", "greeter")
STAYS = [f"stays-{number}" for number in range(10)]
AT_ONCE = 40
"""Objects of each kind that are there together, beside those that stay."""
KINDS = 3
WARM, WARM_LONG = 12_600, 24_000
"""
Objects after which tables have nearly their size, and quite: a reflector remembers the last 1,000 deletions, the
tracker its last 10,000 writes, of which each object is two, and 4,096 names that it judged, which three objects share.
"""
BLOCKS_MAX, BLOCKS_MAX_LONG = 300, 1_000
"""Blocks of memory by which the process may grow; one key with its causes is fifty."""
RSS_GROWTH_MAX = 0.10


@dataclass(eq=False)
class Standby:
    """A manager that waits for its election, the server, and what was reconciled in the end."""

    tracker: Tracker
    manager: Manager
    leader: Elector
    seen: list[Request] = field(default_factory=list)

    @property
    def controller(self) -> Controller:
        (controller,) = self.manager.controllers
        return controller

    def build(self) -> Controller:
        """Objects of its own, children, and others that a function maps to it."""
        greetings, config_maps = self.manager.informer(GREETINGS), self.manager.informer(CONFIG_MAPS)
        secrets = self.manager.informer(SECRETS)

        async def reconcile(request: Request) -> Outcome:
            self.seen.append(request)
            return DONE

        watches = [
            Watch(greetings, to_self),
            Watch(config_maps, to_owner(GREETINGS), resync_s=60),
            Watch(secrets, to_mapped(lambda secret: [f"demo/{(secret.meta.labels or {})['greeting']}"])),
        ]
        return Controller(name="greetings", reconcile=reconcile, watches=watches)

    async def churn(self, objects: int) -> None:
        """Have so many objects come and go."""
        for number in range(0, objects, KINDS * AT_ONCE):
            names = [f"passes-{number + each}" for each in range(AT_ONCE)]
            for name in names:
                owner = controller_reference(self.tracker.create(GREETINGS, greeting(name)).metadata, GREETINGS)
                metadata = {"name": name, "namespace": "demo", "labels": {"greeting": name}}
                self.tracker.create(CONFIG_MAPS, {"metadata": {**metadata, "ownerReferences": [owner]}})
                self.tracker.create(SECRETS, {"metadata": metadata})
            await asyncio.sleep(0.1)
            for name in names:
                for kind in (SECRETS, CONFIG_MAPS, GREETINGS):
                    self.tracker.delete(kind, ObjectKey("demo", name))
            await asyncio.sleep(0.1)
            self.tracker.compact()


@asynccontextmanager
async def standby() -> AsyncIterator[Standby]:
    """With filled caches; somebody else holds the lease."""
    tracker = Tracker()
    tracker.registry.register_custom(GREETINGS)
    tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    for name in STAYS:
        tracker.create(GREETINGS, greeting(name))
    leader = Elector(Client(tracker), LEASE, identity="leader")
    manager = Manager(Client(tracker), elector=Elector(Client(tracker), LEASE, identity="standby"))
    subject = Standby(tracker, manager, leader)
    manager.add(subject.build())
    await leader.acquire()
    leading, standing_by = asyncio.create_task(leader.hold()), asyncio.create_task(manager.run())
    await asyncio.sleep(1)
    try:
        yield subject
    finally:
        for task in (leading, standing_by):
            task.cancel()
        await asyncio.wait((leading, standing_by))


def blocks() -> int:
    """How many blocks of memory the interpreter has given out."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.long
async def test_what_came_and_went_during_the_standby_is_not_kept() -> None:
    """Neither keys nor causes stay; on election what is there is reconciled, each once, and nothing that is gone."""
    async with standby() as subject:
        await subject.churn(WARM)
        before = blocks()
        await subject.churn(3_000)
        assert blocks() - before <= BLOCKS_MAX
        assert subject.controller.statistics().queue.ready == 0
        await asyncio.sleep(120)  # resyncs are not kept either
        assert subject.controller.statistics().queue.ready == 0
        await subject.leader.release()
        await asyncio.sleep(10)
        assert subject.manager.elected.is_set()
        assert sorted(request.name for request in subject.seen) == STAYS
        assert {request.causes for request in subject.seen} == {("takeover",)}


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_two_hundred_thousand_objects_pass_through_a_standby() -> None:
    """Its memory stays within a tenth of what it was when it was empty."""
    async with standby() as subject:
        await subject.churn(WARM_LONG)
        before, rss_before = blocks(), rss_bytes()
        await subject.churn(200_000)
        grown, rss_grown = blocks() - before, rss_bytes() - rss_before
        assert grown <= BLOCKS_MAX_LONG
        assert rss_grown <= RSS_GROWTH_MAX * rss_before, f"grown by {rss_grown} of {rss_before} bytes"
