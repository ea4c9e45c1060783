"""Children without an owner reference, and sources given twice: what would fail silently is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit import MergePatch
from ctrlkit.controller import (
    DONE,
    Applier,
    Controller,
    Every,
    Feed,
    Outcome,
    Request,
    Schedule,
    Source,
    Watch,
    controller_reference,
    generation_changed,
    to_mapped,
    to_owner,
    to_self,
)
from ctrlkit.controller.writes import OwnerChecks
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, Effect, ObjectKey, ObjectMeta, Verb, Write
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS, SERVICES
from tests.support.greetings import GREETINGS, greeting
from tests.unit.controller.support import Script, lines_of, pods

Make = Callable[[Manager, ObjectMeta, dict[str, Any]], Awaitable[object]]
"""What a reconcile does, with its owner and the metadata of the child it is to make."""
CHILD = ObjectKey("d", "child")


async def told_of(make: Make, *, owners: Sequence[AnyResource] = (GREETINGS,), times: int = 1) -> list[dict[str, Any]]:
    """The warnings about children of a controller that watches ConfigMaps by `to_owner`, and Secrets by a function."""

    def build(manager: Manager) -> Controller:
        greetings, config_maps = manager.informer(GREETINGS), manager.informer(CONFIG_MAPS)

        async def reconcile(request: Request) -> Outcome:
            owner = greetings.lister.get(request.key).metadata
            await make(manager, owner, {"name": request.name, "namespace": request.namespace})
            return DONE

        owned = [Watch(config_maps, to_owner(owner)) for owner in owners]
        others = Watch(manager.informer(SECRETS), to_mapped(lambda _secret: []))
        return Controller(name="greetings", reconcile=reconcile, watches=[Watch(greetings, to_self), *owned, others])

    with capture_logs() as lines:
        async with World(*(greeting(f"g{number}") for number in range(times)), kinds=[GREETINGS]) as world:
            config_map = {"metadata": {"name": "there", "namespace": "demo"}}
            world.tracker.create(CONFIG_MAPS, config_map)
            world.manage(build)
            await world.pass_time(5)
    return lines_of(lines, "child_without_owner")


async def bare(manager: Manager, _owner: ObjectMeta, meta: dict[str, Any]) -> None:
    if manager.informer(CONFIG_MAPS).lister.find(f"demo/{meta['name']}") is None:
        await manager.client.create(CONFIG_MAPS, {"metadata": meta})


async def applied(manager: Manager, _owner: ObjectMeta, meta: dict[str, Any]) -> None:
    await Applier(manager.client, owner="greetings").apply(CONFIG_MAPS, {"metadata": meta})


async def owned_without_control(manager: Manager, owner: ObjectMeta, meta: dict[str, Any]) -> None:
    reference = {**controller_reference(owner, GREETINGS), "controller": False}
    await manager.client.create(CONFIG_MAPS, {"metadata": {**meta, "ownerReferences": [reference]}})


async def owned_by_another_kind(manager: Manager, owner: ObjectMeta, meta: dict[str, Any]) -> None:
    reference = controller_reference(owner, SERVICES)
    await manager.client.create(CONFIG_MAPS, {"metadata": {**meta, "ownerReferences": [reference]}})


@pytest.mark.parametrize("make", [bare, applied, owned_without_control, owned_by_another_kind])
async def test_a_child_that_leads_nowhere_is_told_of(make: Make) -> None:
    """Created or applied, without a reference or with one that `to_owner` does not follow."""
    (line,) = await told_of(make)
    assert (line["key"], line["child"], line["owner"]) == ("demo/g0", "configmaps demo/g0", "Greeting")
    assert line["log_level"] == "warning"


async def test_it_is_told_once_for_each_kind_of_child() -> None:
    assert len(await told_of(bare, times=5)) == 1


async def owned(manager: Manager, owner: ObjectMeta, meta: dict[str, Any]) -> None:
    reference = controller_reference(owner, GREETINGS)
    if manager.informer(CONFIG_MAPS).lister.find(f"demo/{meta['name']}") is None:
        await manager.client.create(CONFIG_MAPS, {"metadata": {**meta, "ownerReferences": [reference]}})


async def of_a_kind_that_is_not_owned(manager: Manager, _owner: ObjectMeta, meta: dict[str, Any]) -> None:
    await manager.client.create(SECRETS, {"metadata": meta})


async def somebody_elses(manager: Manager, _owner: ObjectMeta, _meta: dict[str, Any]) -> None:
    await manager.client.patch(CONFIG_MAPS, "demo/there", MergePatch({"data": {"a": "b"}}))
    await Applier(manager.client, owner="greetings").apply(
        CONFIG_MAPS, {"metadata": {"name": "there", "namespace": "demo"}, "data": {"c": "d"}}
    )
    await manager.client.delete(CONFIG_MAPS, "demo/there")


@pytest.mark.parametrize("make", [owned, of_a_kind_that_is_not_owned, somebody_elses])
async def test_what_is_owned_watched_otherwise_or_was_there_before_is_not_told_of(make: Make) -> None:
    assert await told_of(make) == []


@pytest.mark.parametrize(
    "write",
    [
        Write(resource=PODS, key=CHILD, effect=Effect.WRITTEN, version="2", verb=Verb.PATCH, subresource="status"),
        Write(resource=PODS, key=CHILD, effect=Effect.WRITTEN, version="2", verb=Verb.CREATE, subresource="eviction"),
        Write(resource=PODS, key=CHILD, effect=Effect.DELETED, version="2", verb=Verb.PATCH),
    ],
)
def test_what_is_written_to_an_object_that_no_cache_shows_yet_need_not_have_made_it(write: Write) -> None:
    """A part of it, or the last finalizer, with which it went."""
    owner_checks = OwnerChecks(controller="test")
    owner_checks.include(Watch(pods(), to_owner(GREETINGS)))
    with capture_logs() as lines:
        owner_checks.look(ObjectKey("d", "net"), write)
        assert lines == []
        owner_checks.look(ObjectKey("d", "net"), replace(write, effect=Effect.WRITTEN, subresource=""))
    assert [line["event"] for line in lines] == ["child_without_owner"]


async def test_of_several_kinds_of_owners_one_is_enough() -> None:
    assert await told_of(owned, owners=[SERVICES, GREETINGS]) == []
    (line,) = await told_of(bare, owners=[SERVICES, GREETINGS])
    assert line["owner"] == "Greeting or Service"


LETTERS, SWEEP = Feed("letters"), Schedule("sweep", list, Every(60))


def some_keys(_record: object) -> list[str]:
    return []


@pytest.mark.parametrize(
    "make",
    [
        lambda informer: Watch(informer, to_self),
        lambda informer: Watch(informer, to_owner(GREETINGS)),
        lambda informer: Watch(informer, to_owner(GREETINGS), predicate=generation_changed),
        lambda informer: Watch(informer, to_mapped(some_keys)),
        lambda informer: LETTERS,
        lambda informer: SWEEP,
    ],
)
def test_a_source_given_twice_is_refused(make: Callable[[Any], Any]) -> None:
    """Also where the second is only written alike, or differs in priority or resync."""
    informer = pods()
    with pytest.raises(ValueError, match=r"^Controller test: watches has \w+ twice; give it each source once"):
        Controller(name="test", reconcile=Script(DONE), watches=[make(informer), make(informer)])
    watches = [Watch(informer, to_self, priority=7), Watch(informer, to_self, resync_s=60)]
    with pytest.raises(ValueError, match=r"pods twice"):
        Controller(name="test", reconcile=Script(DONE), watches=watches)


def test_sources_that_differ_stand_beside_each_other() -> None:
    """In the informer, the mapper, or what passes."""
    informer = pods()
    watches = [
        Watch(informer, to_self),
        Watch(pods(), to_self),
        Watch(informer, to_self, predicate=generation_changed),
        Watch(informer, to_owner(GREETINGS)),
        Watch(informer, to_owner(PODS)),
        Watch(informer, to_mapped(lambda _pod: [])),
        Watch(informer, to_mapped(lambda _pod: [])),
    ]
    sources: list[Source] = [*watches, Feed("letters"), Feed("letters")]
    assert len(Controller(name="test", reconcile=Script(DONE), watches=sources).watches) == 9


def test_mappers_say_what_they_are() -> None:
    assert repr(to_owner(GREETINGS)) == "to_owner(greetings.demo.example.com)"
    assert repr(to_mapped(some_keys)) == "to_mapped(some_keys)"


@pytest.mark.parametrize("resync_s", [0.5, -1, float("nan")])
def test_a_resync_that_is_none_is_refused_where_it_is_written(resync_s: float) -> None:
    with pytest.raises(ValueError, match=r"^Watch of pods: resync_s must be at least 1, or 0 for never"):
        Watch(pods(), to_self, resync_s=resync_s)


@pytest.mark.parametrize("resync_s", [0, 1])
def test_the_shortest_resync_is_a_second_and_none_is_no_mistake(resync_s: float) -> None:
    assert Watch(pods(), to_self, resync_s=resync_s).resync_s == resync_s
