"""From changes to keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.cache import Cause, Change
from ctrlkit.controller import Mapper, Watch, to_mapped, to_owner, to_self
from ctrlkit.controller.handlers import connect
from ctrlkit.model import ObjectKey, ObjectMeta, OwnerReference, Record, custom_resource
from ctrlkit.model.kinds import CLUSTER_ROLES, STATEFULSETS
from tests.support.records import record
from tests.unit.controller.support import pods, virtual_loop

NETWORKS = custom_resource(group="demo.dev", version="v1", kind="Network", plural="networks")


def owned(key: str, *owners: OwnerReference) -> Record[dict[str, Any]]:
    namespace, name = ObjectKey.parse(key)
    return Record(ObjectMeta(namespace=namespace, name=name, owner_references=owners or None), {}, dict)


def owner(
    name: str, *, api_version: str = "demo.dev/v1", kind: str = "Network", controls: bool = True
) -> OwnerReference:
    return OwnerReference(api_version=api_version, kind=kind, name=name, uid=f"uid-{name}", controller=controls)


async def keys_of(mapper: Mapper[Any], *changes: Change[Any]) -> tuple[list[str], list[str]]:
    """The keys that a watch adds for these changes, and the objects whose mapping failed."""
    added: list[str] = []
    failed: list[str] = []
    registration = connect(
        Watch(pods(), mapper),
        name="test",
        add=lambda key: added.append(str(key)),
        failed=lambda record, _error: failed.append(str(record.key)),
    )
    registration.publish(changes)
    await virtual_loop().wait_all_blocked()
    return added, failed


@pytest.mark.behaviour("H1")
async def test_an_update_asks_for_its_object_once() -> None:
    """H1: one request for each event, though both states name the key."""
    change = Change(record("d/a", 1), record("d/a", 2), Cause.WATCH)
    assert await keys_of(to_self, change) == (["d/a"], [])


@pytest.mark.behaviour("H5", "B22")
async def test_a_deletion_found_by_a_relist_is_delivered() -> None:
    """H5, B22: the last known state is stale, its key is not."""
    assert await keys_of(to_self, Change(record("d/a", 1), None, Cause.RELIST)) == (["d/a"], [])


@pytest.mark.behaviour("H2")
async def test_a_child_that_changes_hands_concerns_both_owners() -> None:
    """H2: old and new owner, each once."""
    change = Change(owned("d/a", owner("old")), owned("d/a", owner("new")), Cause.WATCH)
    assert await keys_of(to_owner(NETWORKS), change) == (["d/old", "d/new"], [])


@pytest.mark.behaviour("H2")
@pytest.mark.parametrize(
    ("reference", "keys"),
    [
        (owner("net"), ["d/net"]),
        (owner("net", api_version="demo.dev/v1beta1"), ["d/net"]),
        (owner("net", controls=False), []),
        (owner("net", api_version="other.dev/v1"), []),
        (owner("net", kind="Node"), []),
    ],
)
async def test_an_owner_is_known_by_group_and_kind_and_must_control(reference: OwnerReference, keys: list[str]) -> None:
    """H2: the version does not matter."""
    assert await keys_of(to_owner(NETWORKS), Change(None, owned("d/a", reference), Cause.WATCH)) == (keys, [])


@pytest.mark.behaviour("H2")
async def test_a_cluster_scoped_owner_has_no_namespace() -> None:
    """H2: the child's namespace is not its owner's."""
    reference = CLUSTER_ROLES.owner_reference(ObjectMeta(name="admin", uid="1"))
    assert to_owner(CLUSTER_ROLES)(owned("d/a", reference)) == (ObjectKey("", "admin"),)
    assert to_owner(STATEFULSETS)(owned("d/a")) == ()


@pytest.mark.behaviour("H3")
@given(old=st.lists(st.sampled_from("abc")), new=st.lists(st.sampled_from("abc")))
def test_for_any_mapping_each_key_of_both_states_is_given_once(old: list[str], new: list[str]) -> None:
    """H3: a set of keys, as keys or as their text."""
    said: dict[str, list[ObjectKey | str]] = {"d/old": [f"d/{name}" for name in old], "d/new": []}
    said["d/new"] = [ObjectKey("d", name) for name in new]
    mapper = to_mapped(lambda seen: said[str(seen.key)])
    for key, names in (("d/old", old), ("d/new", new)):
        assert mapper(record(key, 1)) == tuple(ObjectKey("d", name) for name in dict.fromkeys(names))


@pytest.mark.behaviour("H3")
async def test_keys_named_by_both_states_are_added_once() -> None:
    """H3: duplicates within one event are removed."""
    mapper = to_mapped(lambda seen: ["d/x", f"d/{seen.version}"])
    change = Change(record("d/a", 1), record("d/a", 2), Cause.WATCH)
    assert await keys_of(mapper, change) == (["d/x", "d/1", "d/2"], [])


async def test_a_mapper_that_raises_costs_nothing_but_the_state_it_raised_for() -> None:
    """The other state, the next change and a broken key text."""

    def mapping(seen: Record[Any]) -> Iterable[str]:
        if seen.version == "1":
            raise KeyError("app")
        return ["d/too/many"] if seen.version == "3" else [f"d/{seen.version}"]

    first = Change(record("d/a", 1), record("d/a", 2), Cause.WATCH)
    second = Change(record("d/b", 3), None, Cause.WATCH)
    third = Change(None, record("d/c", 4), Cause.WATCH)
    assert await keys_of(to_mapped(mapping), first, second, third) == (["d/2", "d/4"], ["d/a", "d/b"])


async def test_a_mapper_that_returns_a_text_is_refused_and_keys_may_be_texts() -> None:
    """A text alone would be taken letter by letter."""
    change = Change(None, record("d/a", 1), Cause.WATCH)
    assert await keys_of(lambda _: "demo/net", change) == ([], ["d/a"])  # type: ignore[arg-type, return-value]
    assert await keys_of(lambda _: ["demo/net"], change) == (["demo/net"], [])  # type: ignore[list-item]
