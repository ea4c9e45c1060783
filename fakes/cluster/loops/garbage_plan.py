"""
What the garbage collector does about one owner, as a pure function of what is known of it and its dependents.

Source  The documented rules: a dependent goes when all its owners are gone; with foreground deletion the dependents go
        first, and those that block it are waited for; with orphaning they are released.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ctrlkit.client import Propagation
from ctrlkit.model import AnyResource, ObjectMeta, OwnerReference

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class Fate(Enum):
    """What is known of an owner."""

    THERE = "there"
    WAITING = "waits for its dependents to go first"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of any kind, by its metadata."""

    resource: AnyResource
    meta: ObjectMeta

    @property
    def owners(self) -> tuple[OwnerReference, ...]:
        """Its owner references."""
        return self.meta.owner_references or ()

    def held_by(self, finalizer: str) -> bool:
        """Whether its deletion waits for this finalizer's work."""
        return self.meta.deleting and finalizer in (self.meta.finalizers or ())


@dataclass(frozen=True, slots=True)
class Collect:
    """Delete a dependent."""

    thing: Thing
    propagation: Propagation


@dataclass(frozen=True, slots=True)
class Release:
    """Take these owners, by uid, out of a dependent's references."""

    thing: Thing
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unhold:
    """Remove a finalizer whose work is done."""

    thing: Thing
    finalizer: str


Step = Collect | Release | Unhold


def fate_of(owner: Thing) -> Fate:
    """The fate of an owner that exists."""
    return Fate.WAITING if owner.held_by(FOREGROUND) else Fate.THERE


def plan(
    owner: Thing | None, dependents: Sequence[Thing], fates: Mapping[OwnerReference, Fate], *, parents: frozenset[str]
) -> list[Step]:
    """
    The steps to take about the dependents of an owner, and the owner itself where it waits for them.

    Shape   `owner` is None where it is gone. `fates` has every owner of every dependent. `parents` are the uids of the
            dependents that have dependents of their own: they, too, wait for theirs in a foreground deletion.
    """
    if owner is not None and owner.held_by(ORPHAN):
        if dependents:
            return [Release(thing, frozenset({owner.meta.uid})) for thing in dependents]
        return [Unhold(owner, ORPHAN)]
    if owner is not None and not owner.held_by(FOREGROUND):
        return []
    steps = [step for thing in dependents if (step := _judge(thing, fates, parents)) is not None]
    if owner is not None and not _blockers(owner.meta.uid, dependents):
        steps.append(Unhold(owner, FOREGROUND))
    return steps


def _judge(thing: Thing, fates: Mapping[OwnerReference, Fate], parents: frozenset[str]) -> Step | None:
    """A dependent goes with its last owner, and is released by those that go before."""
    going = frozenset(owner.uid for owner in thing.owners if fates[owner] is not Fate.THERE)
    if thing.meta.deleting or not going:
        return None
    if any(fates[owner] is Fate.THERE for owner in thing.owners):
        return Release(thing, going)
    waits = any(fates[owner] is Fate.WAITING for owner in thing.owners)
    return Collect(thing, Propagation.FOREGROUND if waits and thing.meta.uid in parents else _policy(thing))


def _policy(thing: Thing) -> Propagation:
    """What finalizers already on an object ask for."""
    finalizers = thing.meta.finalizers or ()
    if ORPHAN in finalizers:
        return Propagation.ORPHAN
    return Propagation.FOREGROUND if FOREGROUND in finalizers else Propagation.BACKGROUND


def _blockers(uid: str, dependents: Iterable[Thing]) -> bool:
    return any(owner.uid == uid and owner.block_owner_deletion for thing in dependents for owner in thing.owners)
