"""Whatever happens to volumes and claims, no two share one, and none waits for a volume that is there for it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.errors import AlreadyExists, NotFound
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.cluster.loops.storage_objects import read_claim, read_volume
from ctrlkit.fakes.cluster.loops.storage_plan import Claim, Phase, Volume, find_match
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from tests.support.effort import tries

NUMBERS = st.integers(0, 3)
CLASSES = st.sampled_from(["slow", "fast"])
STEPS = st.one_of(
    st.tuples(st.just("volume"), NUMBERS, st.integers(1, 3), CLASSES),
    st.tuples(st.just("reserved"), NUMBERS, NUMBERS, CLASSES),
    st.tuples(st.just("claim"), NUMBERS, st.integers(1, 3), CLASSES),
    st.tuples(st.just("asking"), NUMBERS, NUMBERS, CLASSES),
    st.tuples(st.just("delete claim"), NUMBERS, st.just(0), CLASSES),
    st.tuples(st.just("delete volume"), NUMBERS, st.just(0), CLASSES),
    st.tuples(st.just("free"), NUMBERS, st.just(0), CLASSES),
    st.tuples(st.just("settle"), st.just(0), st.just(0), CLASSES),
)


def volume(number: int, size: int, name: str, holder: int | None = None) -> dict[str, Any]:
    spec = {"capacity": {"storage": f"{size}Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name}
    reference = {} if holder is None else {"claimRef": {"namespace": "default", "name": f"c{holder}"}}
    return {"metadata": {"name": f"v{number}"}, "spec": {**spec, "hostPath": {"path": "/mnt"}, **reference}}


def claim(number: int, size: int, name: str, wanted: int | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{size}Gi"}}}
    named = {} if wanted is None else {"volumeName": f"v{wanted}"}
    metadata = {"name": f"c{number}", "namespace": "default"}
    return {"metadata": metadata, "spec": {**spec, "storageClassName": name, **named}}


async def happen(world: World, what: str, number: int, other: int, name: str) -> None:
    """One step; what it is about may be there already, or not at the moment."""
    client = world.client
    with suppress(NotFound, AlreadyExists):
        match what:
            case "volume":
                await client.create(PERSISTENT_VOLUMES, volume(number, other, name))
            case "reserved":
                await client.create(PERSISTENT_VOLUMES, volume(number, 2, name, holder=other))
            case "claim":
                await client.create(PERSISTENT_VOLUME_CLAIMS, claim(number, other, name))
            case "asking":
                await client.create(PERSISTENT_VOLUME_CLAIMS, claim(number, 1, name, wanted=other))
            case "delete claim":
                await client.delete(PERSISTENT_VOLUME_CLAIMS, f"default/c{number}")
            case "delete volume":
                await client.delete(PERSISTENT_VOLUMES, f"v{number}")
            case "free":
                await client.patch(PERSISTENT_VOLUMES, f"v{number}", MergePatch({"spec": {"claimRef": None}}))
            case _:
                await world.settle()


def check(volumes: list[Volume], claims: list[Claim]) -> None:
    """What must hold when nothing is left to do."""
    by_name = {one.name: one for one in volumes}
    bound = [one for one in claims if one.phase == Phase.BOUND]
    assert len({one.volume_name for one in bound}) == len(bound)
    for one in bound:
        mine = by_name[one.volume_name]
        assert mine.holder is not None
        assert (mine.holder.uid, mine.phase) == (one.uid, Phase.BOUND)
        assert mine.size >= one.request
    held = {one.uid for one in bound}
    for each in volumes:
        assert (each.phase == Phase.BOUND) == (each.holder is not None and each.holder.uid in held)
    for one in claims:
        if one.phase == Phase.PENDING and not one.volume_name:
            assert find_match(one, volumes) is None


@settings(max_examples=tries(10, thorough=100))
@given(st.lists(STEPS, max_size=14))
async def test_after_any_steps_each_claim_has_a_volume_of_its_own_or_none_is_free_for_it(
    steps: list[tuple[str, int, int, str]],
) -> None:
    async with World(cluster=[Loop.VOLUMES, Loop.VOLUME_PROTECTION]) as world:
        for step in steps:
            await happen(world, *step)
        await world.settle()
        volumes = [read_volume(one) for one in world.tracker.list(PERSISTENT_VOLUMES)]
        check(volumes, [read_claim(one) for one in world.tracker.list(PERSISTENT_VOLUME_CLAIMS)])
