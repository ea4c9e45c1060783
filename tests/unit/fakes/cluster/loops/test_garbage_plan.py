"""The garbage collector's rules as a pure function: nothing that has an owner goes, and everything else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.client import Propagation
from ctrlkit.fakes.cluster.loops.garbage_plan import (
    FOREGROUND,
    ORPHAN,
    DeleteDependent,
    ObjectRef,
    OwnerState,
    RemoveFinalizer,
    RemoveOwners,
    plan,
    state_of,
)
from ctrlkit.model import ObjectMeta, OwnerReference
from ctrlkit.model.kinds import CONFIG_MAPS

NEVER, NOW = "", "2026-01-01T00:00:00Z"


def reference(uid: str, *, blocks: bool = True) -> OwnerReference:
    return OwnerReference(api_version="v1", kind="ConfigMap", name=uid, uid=uid, block_owner_deletion=blocks)


def thing(uid: str, *owners: OwnerReference, deleted: str = NEVER, finalizers: tuple[str, ...] = ()) -> ObjectRef:
    meta = ObjectMeta(
        name=uid, namespace="demo", uid=uid, deletion_timestamp=deleted, finalizers=finalizers, owner_references=owners
    )
    return ObjectRef(CONFIG_MAPS, meta)


def test_a_dependent_goes_with_its_last_owner() -> None:
    """In the background unless its own finalizers ask for something else."""
    gone = {reference("a"): OwnerState.GONE}
    child = thing("c", reference("a"))
    assert plan(None, [child], gone, parents=frozenset({"c"})) == [DeleteDependent(child, Propagation.BACKGROUND)]
    for finalizer, policy in ((ORPHAN, Propagation.ORPHAN), (FOREGROUND, Propagation.FOREGROUND)):
        child = thing("c", reference("a"), finalizers=(finalizer,))
        assert plan(None, [child], gone, parents=frozenset()) == [DeleteDependent(child, policy)]


def test_a_dependent_with_another_owner_stays() -> None:
    """It only loses the reference to the one that is gone."""
    child = thing("c", reference("a"), reference("b"))
    states = {reference("a"): OwnerState.GONE, reference("b"): OwnerState.EXISTS}
    assert plan(None, [child], states, parents=frozenset()) == [RemoveOwners(child, frozenset({"a"}))]


def test_an_owner_that_is_there_costs_its_dependents_nothing() -> None:
    """Nor does one that waits for somebody else's finalizer."""
    for owner in (thing("a"), thing("a", deleted=NOW, finalizers=("example.com/hold",))):
        assert plan(owner, [thing("c", reference("a"))], {reference("a"): state_of(owner)}, parents=frozenset()) == []


def test_orphaning_releases_the_dependents_and_then_the_owner() -> None:
    """The finalizer goes when no dependent is left."""
    owner, child = thing("a", deleted=NOW, finalizers=(ORPHAN,)), thing("c", reference("a"))
    assert plan(owner, [child], {reference("a"): OwnerState.EXISTS}, parents=frozenset()) == [
        RemoveOwners(child, frozenset({"a"}))
    ]
    assert plan(owner, [], {}, parents=frozenset()) == [RemoveFinalizer(owner, ORPHAN)]


@pytest.mark.parametrize("blocks", [True, False])
def test_a_foreground_deletion_waits_for_the_dependents_that_block_it(*, blocks: bool) -> None:
    """All dependents are deleted; those with dependents of their own in the foreground, too."""
    owner = thing("a", deleted=NOW, finalizers=(FOREGROUND,))
    child = thing("c", reference("a", blocks=blocks))
    states = {reference("a", blocks=blocks): state_of(owner)}
    for parents, policy in ((frozenset({"c"}), Propagation.FOREGROUND), (frozenset[str](), Propagation.BACKGROUND)):
        steps = plan(owner, [child], states, parents=parents)
        assert steps == [DeleteDependent(child, policy), *([] if blocks else [RemoveFinalizer(owner, FOREGROUND)])]
    held = thing("c", reference("a", blocks=blocks), deleted=NOW, finalizers=("example.com/hold",))
    assert plan(owner, [held], states, parents=frozenset()) == ([] if blocks else [RemoveFinalizer(owner, FOREGROUND)])


FATES = st.dictionaries(st.sampled_from("abcd").map(reference), st.sampled_from(OwnerState), min_size=1)


@given(FATES)
def test_for_any_owners_a_dependent_is_deleted_only_if_none_of_them_is_there(
    states: dict[OwnerReference, OwnerState],
) -> None:
    """And keeps exactly those that are."""
    states[reference("a")] = OwnerState.GONE
    child = thing("c", *states)
    (step,) = plan(None, [child], states, parents=frozenset())
    there = {owner.uid for owner, fate in states.items() if fate is OwnerState.EXISTS}
    match step:
        case DeleteDependent():
            assert not there
        case RemoveOwners(_, owners):
            assert there
            assert owners == {owner.uid for owner in states} - there
        case _:
            pytest.fail("nothing is held here")
