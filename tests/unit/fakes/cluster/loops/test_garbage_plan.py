"""The garbage collector's rules as a pure function: nothing that has an owner goes, and everything else does."""

from __future__ import annotations

import msgspec
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
    Tie,
    Unblock,
    plan,
    state_of,
)
from ctrlkit.model import ObjectMeta, OwnerReference
from ctrlkit.model.kinds import CONFIG_MAPS

NEVER, NOW = "", "2026-01-01T00:00:00Z"


def reference(uid: str, *, blocks: bool = True) -> OwnerReference:
    return OwnerReference(api_version="v1", kind="ConfigMap", name=uid, uid=uid, block_owner_deletion=blocks)


def tie(uid: str, *, blocks: bool = True) -> Tie:
    return Tie(reference(uid, blocks=blocks), "demo")


def thing(uid: str, *owners: OwnerReference, deleted: str = NEVER, finalizers: tuple[str, ...] = ()) -> ObjectRef:
    meta = ObjectMeta(
        name=uid, namespace="demo", uid=uid, deletion_timestamp=deleted, finalizers=finalizers, owner_references=owners
    )
    return ObjectRef(CONFIG_MAPS, meta)


def test_a_dependent_goes_with_its_last_owner() -> None:
    """In the background unless its own finalizers ask for something else."""
    gone = {tie("a"): OwnerState.GONE}
    child = thing("c", reference("a"))
    assert plan(None, [child], gone, parents={"c": False}) == [DeleteDependent(child, Propagation.BACKGROUND)]
    for finalizer, policy in ((ORPHAN, Propagation.ORPHAN), (FOREGROUND, Propagation.FOREGROUND)):
        child = thing("c", reference("a"), finalizers=(finalizer,))
        assert plan(None, [child], gone, parents={}) == [DeleteDependent(child, policy)]


def test_a_dependent_with_another_owner_stays() -> None:
    """It only loses the reference to the one that is gone."""
    child = thing("c", reference("a"), reference("b"))
    states = {tie("a"): OwnerState.GONE, tie("b"): OwnerState.EXISTS}
    assert plan(None, [child], states, parents={}) == [RemoveOwners(child, frozenset({"a"}))]


def test_an_owner_that_is_there_costs_its_dependents_nothing() -> None:
    """Nor does one that waits for somebody else's finalizer."""
    for owner in (thing("a"), thing("a", deleted=NOW, finalizers=("example.com/hold",))):
        assert plan(owner, [thing("c", reference("a"))], {tie("a"): state_of(owner)}, parents={}) == []


def test_orphaning_releases_the_dependents_and_then_the_owner() -> None:
    """The finalizer goes when no dependent is left."""
    owner, child = thing("a", deleted=NOW, finalizers=(ORPHAN,)), thing("c", reference("a"))
    assert plan(owner, [child], {tie("a"): OwnerState.EXISTS}, parents={}) == [RemoveOwners(child, frozenset({"a"}))]
    assert plan(owner, [], {}, parents={}) == [RemoveFinalizer(owner, ORPHAN)]


@pytest.mark.parametrize("blocks", [True, False])
def test_a_foreground_deletion_waits_for_the_dependents_that_block_it(*, blocks: bool) -> None:
    """All dependents are deleted; those with dependents of their own in the foreground, too."""
    owner = thing("a", deleted=NOW, finalizers=(FOREGROUND,))
    child = thing("c", reference("a", blocks=blocks))
    states = {tie("a", blocks=blocks): state_of(owner)}
    cases: list[tuple[dict[str, bool], Propagation]] = [
        ({"c": False}, Propagation.FOREGROUND),
        ({}, Propagation.BACKGROUND),
    ]
    for parents, policy in cases:
        steps = plan(owner, [child], states, parents=parents)
        assert steps == [DeleteDependent(child, policy), *([] if blocks else [RemoveFinalizer(owner, FOREGROUND)])]
    held = thing("c", reference("a", blocks=blocks), deleted=NOW, finalizers=("example.com/hold",))
    assert plan(owner, [held], states, parents={}) == ([] if blocks else [RemoveFinalizer(owner, FOREGROUND)])


def test_a_dependent_that_its_owner_waits_for_does_not_block_where_it_waits_for_the_owner_itself() -> None:
    owner = thing("a", reference("c"), deleted=NOW, finalizers=(FOREGROUND,))
    child = thing("c", reference("a"))
    states = {tie("a"): state_of(owner)}
    assert plan(owner, [child], states, parents={"c": True}) == [Unblock(child), RemoveFinalizer(owner, FOREGROUND)]
    other = thing("d", reference("a"))
    assert plan(owner, [child, other], states, parents={"c": True}) == [
        Unblock(child),
        DeleteDependent(other, Propagation.BACKGROUND),
    ]


POSSIBLE = [state for state in OwnerState if state is not OwnerState.IMPOSSIBLE]
FATES = st.dictionaries(st.sampled_from("abcd").map(tie), st.sampled_from(POSSIBLE), min_size=1)


@given(FATES)
def test_for_any_owners_a_dependent_is_deleted_only_if_none_of_them_is_there(
    states: dict[Tie, OwnerState],
) -> None:
    """And keeps exactly those that are."""
    states[tie("a")] = OwnerState.GONE
    child = thing("c", *(one.reference for one in states))
    (step,) = plan(None, [child], states, parents={})
    there = {owner.reference.uid for owner, fate in states.items() if fate is OwnerState.EXISTS}
    match step:
        case DeleteDependent():
            assert not there
        case RemoveOwners(_, owners):
            assert there
            assert owners == {owner.reference.uid for owner in states} - there
        case _:
            pytest.fail("nothing is held here")


def test_a_uid_alone_names_no_owner() -> None:
    """Kind, name and namespace are those of the owner too; the version of the kind need not be."""
    owner = thing("a")
    assert tie("a").names(owner)
    assert not Tie(reference("a"), "other").names(owner)
    for wrong in ({"name": "b"}, {"uid": "b"}, {"kind": "Secret"}, {"api_version": "apps/v1"}):
        assert not Tie(msgspec.structs.replace(reference("a"), **wrong), "demo").names(owner)


def test_a_dependent_that_is_tied_to_an_owner_elsewhere_goes_while_that_one_stays() -> None:
    """Nobody waits for the end of an owner that is none."""
    child = thing("c", reference("a"))
    assert plan(thing("a"), [child], {tie("a"): OwnerState.GONE}, parents={}) == [
        DeleteDependent(child, Propagation.BACKGROUND)
    ]


def test_an_object_with_an_owner_that_it_cannot_have_is_left_alone() -> None:
    """Even when its other owners have gone."""
    child = thing("c", reference("a"), reference("b"))
    states = {tie("a"): OwnerState.IMPOSSIBLE, tie("b"): OwnerState.GONE}
    assert plan(None, [child], states, parents={}) == []
