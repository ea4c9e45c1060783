"""A namespace that does not go says what holds it."""

from __future__ import annotations

from datetime import UTC, datetime

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.fakes.cluster.loops.namespace_plan import Remains, conditions
from ctrlkit.model import MergePatch, ObjectMeta
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES, NAMESPACES

THEN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def test_conditions_count_objects_by_kind_and_by_finalizer() -> None:
    remains = Remains()
    remains.add(LEASES, [ObjectMeta(name="a", finalizers=("x/y", "x/z")), ObjectMeta(name="b", finalizers=("x/y",))])
    remains.add(CONFIG_MAPS, [ObjectMeta(name="c")])
    messages = {one["type"]: one["message"] for one in conditions((), remains, THEN) if one["status"] == "True"}
    assert messages == {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances, "
        "leases.coordination.k8s.io has 2 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
        "x/y in 2 resource instances, x/z in 1 resource instances",
    }


def test_the_time_of_a_condition_changes_with_its_status_alone() -> None:
    remains = Remains()
    remains.add(CONFIG_MAPS, [ObjectMeta(name="c")])
    first = conditions((), remains, THEN)
    remains.add(CONFIG_MAPS, [ObjectMeta(name="d")])
    assert [one["lastTransitionTime"] for one in conditions(first, remains, LATER)] == ["2026-01-01T00:00:00Z"] * 5
    over = {one["type"]: one["lastTransitionTime"] for one in conditions(first, Remains(), LATER)}
    assert over["NamespaceContentRemaining"] == "2026-01-02T00:00:00Z"


async def test_a_namespace_tells_what_holds_it_and_goes_once_that_lets_go() -> None:
    async with World(cluster=ALL - {Loop.SCHEDULER, Loop.KUBELET}) as world:
        world.tracker.create(NAMESPACES, {"metadata": {"name": "held"}})
        held = {"metadata": {"name": "a", "namespace": "held", "finalizers": ["example.com/hold"]}}
        world.tracker.create(CONFIG_MAPS, held)
        world.tracker.delete(NAMESPACES, "held")
        await world.settle()
        found = world.tracker.get(NAMESPACES, "held")["status"]["conditions"]
        assert [one["reason"] for one in found if one["status"] == "True"] == [
            "SomeResourcesRemain",
            "SomeFinalizersRemain",
        ]
        world.tracker.patch(CONFIG_MAPS, "held/a", MergePatch({"metadata": {"finalizers": None}}))
        await world.settle()
        assert "held" not in {one.key.name for one in world.tracker.list(NAMESPACES)}
