"""
Plans the next steps of the garbage collector for one owner. Pure.

The rules are those of Kubernetes' documentation: a dependent is deleted when all its owners are gone. In a foreground
deletion the dependents are deleted first, and the owner waits for those with blockOwnerDeletion. Orphaning removes the
owner from the references of its dependents. An owner is in the namespace of its dependent, or in none; what has the uid
and another name or namespace is no owner. An object is left alone if it refers to one of a kind that is not served, or
if it is in no namespace and refers to one in a namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ctrlkit.client import Propagation
from ctrlkit.model import AnyResource, ObjectMeta, OwnerReference

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class OwnerState(Enum):
    """The state of an owner."""

    EXISTS = "exists"
    WAITING = "waits for its dependents to go first"
    GONE = "gone"
    IMPOSSIBLE = "of a kind that is not served, or in a namespace where the dependent is in none"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object of any kind, as its resource and metadata."""

    resource: AnyResource
    meta: ObjectMeta

    @property
    def owners(self) -> tuple[OwnerReference, ...]:
        """The owner references."""
        return self.meta.owner_references or ()

    def held_by(self, finalizer: str) -> bool:
        """Whether the object is being deleted and has this finalizer."""
        return self.meta.deleting and finalizer in (self.meta.finalizers or ())


@dataclass(frozen=True, slots=True)
class DeleteDependent:
    """Delete a dependent."""

    thing: ObjectRef
    propagation: Propagation


@dataclass(frozen=True, slots=True)
class Unblock:
    """Let the owners of a dependent no longer wait for it: it waits for one of them itself."""

    thing: ObjectRef


@dataclass(frozen=True, slots=True)
class RemoveOwners:
    """Remove these owners, given by uid, from the owner references of a dependent."""

    thing: ObjectRef
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Remove a finalizer from an owner, because its work is done."""

    thing: ObjectRef
    finalizer: str


GarbageStep = DeleteDependent | Unblock | RemoveOwners | RemoveFinalizer


@dataclass(frozen=True, slots=True)
class Tie:
    """An owner reference, as an object in a namespace has it, or one of the whole cluster with ""."""

    reference: OwnerReference
    namespace: str

    def names(self, owner: ObjectRef) -> bool:
        """Whether it means this object: the uid is not enough."""
        given, meta = self.reference, owner.meta
        is_the_kind = (given.group, given.kind) == (owner.resource.group, owner.resource.kind)
        return is_the_kind and (given.name, given.uid) == (meta.name, meta.uid) and not self.leaves_namespace_for(owner)

    def leaves_namespace_for(self, owner: ObjectRef) -> bool:
        """Whether this object is in a namespace, and in another one."""
        return bool(owner.meta.namespace) and owner.meta.namespace != self.namespace


def ties_of(thing: ObjectRef) -> list[Tie]:
    """Return the owner references of an object."""
    return [Tie(reference, thing.meta.namespace) for reference in thing.owners]


def state_of(owner: ObjectRef) -> OwnerState:
    """Return the state of an existing owner."""
    return OwnerState.WAITING if owner.held_by(FOREGROUND) else OwnerState.EXISTS


def plan(
    owner: ObjectRef | None,
    dependents: Sequence[ObjectRef],
    states: Mapping[Tie, OwnerState],
    *,
    parents: Mapping[str, bool],
) -> list[GarbageStep]:
    """
    Plan the next steps for the dependents of an owner, and for the owner if it waits for them.

    `owner` is None if it is gone. `states` has every owner of every dependent. `parents` are the uids of dependents
    that have dependents of their own, and wait for them in a foreground deletion; with each whether one of those waits
    in the same way: then they may wait for each other.
    """
    if owner is not None and owner.held_by(ORPHAN):
        if dependents:
            return [RemoveOwners(thing, frozenset({owner.meta.uid})) for thing in dependents]
        return [RemoveFinalizer(owner, ORPHAN)]
    steps = [step for thing in dependents for step in _judge(thing, states, parents)]
    freed = [step.thing for step in steps if isinstance(step, Unblock)]
    blocking = [thing for thing in dependents if thing not in freed]
    if owner is not None and owner.held_by(FOREGROUND) and not _blockers(owner.meta.uid, blocking):
        steps.append(RemoveFinalizer(owner, FOREGROUND))
    return steps


def _judge(thing: ObjectRef, states: Mapping[Tie, OwnerState], parents: Mapping[str, bool]) -> Iterator[GarbageStep]:
    """Delete a dependent with its last owner; before that, remove the owners that are gone."""
    mine = {tie: states[tie] for tie in ties_of(thing)}
    going = frozenset(tie.reference.uid for tie, state in mine.items() if state is not OwnerState.EXISTS)
    if thing.meta.deleting or not going or OwnerState.IMPOSSIBLE in mine.values():
        return
    if OwnerState.EXISTS in mine.values():
        yield RemoveOwners(thing, going)
    elif OwnerState.WAITING in mine.values() and thing.meta.uid in parents:
        may_wait = parents[thing.meta.uid] and any(owner.block_owner_deletion for owner in thing.owners)
        yield Unblock(thing) if may_wait else DeleteDependent(thing, Propagation.FOREGROUND)
    else:
        yield DeleteDependent(thing, _policy(thing))


def _policy(thing: ObjectRef) -> Propagation:
    """Keep the deletion policy that finalizers of an object already ask for."""
    finalizers = thing.meta.finalizers or ()
    if ORPHAN in finalizers:
        return Propagation.ORPHAN
    return Propagation.FOREGROUND if FOREGROUND in finalizers else Propagation.BACKGROUND


def _blockers(uid: str, dependents: Iterable[ObjectRef]) -> bool:
    return any(owner.uid == uid and owner.block_owner_deletion for thing in dependents for owner in thing.owners)
