"""
Plans the next steps of a Deployment's rollout: which ReplicaSets there should be, and how large. Pure.

One ReplicaSet has the Deployment's template (the new one), the others are old. A rolling update never has more pods
than the surge allows, and takes old ones away as far as enough are available; Recreate ends all old ones first. A
change of `spec.replicas` in the middle of a rollout is divided among the ReplicaSets by their sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

_PREFIX = "deployment.kubernetes.io/"
REVISION = f"{_PREFIX}revision"
REVISION_HISTORY = f"{_PREFIX}revision-history"
DESIRED = f"{_PREFIX}desired-replicas"
MAXIMUM = f"{_PREFIX}max-replicas"
_NOT_COPIED = frozenset(
    {
        *(REVISION, REVISION_HISTORY, DESIRED, MAXIMUM),
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
    }
)
_HISTORY_LENGTH_MAX = 2000
HASH_LABEL = "pod-template-hash"


class Strategy(Enum):
    """A Deployment's spec.strategy.type."""

    ROLLING_UPDATE = "RollingUpdate"
    RECREATE = "Recreate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """
    The fields of a Deployment that its plan depends on.

    `max_surge` and `max_unavailable` are numbers of pods. `history` is how many old ReplicaSets are kept, None for all.
    """

    replicas: int
    template: Mapping[str, Any]
    annotations: Mapping[str, str] = field(default_factory=dict)
    strategy: Strategy = Strategy.ROLLING_UPDATE
    max_surge: int = 0
    max_unavailable: int = 0
    min_ready_s: int = 0
    history: int | None = None
    is_paused: bool = False
    is_complete: bool = False
    status_replicas: int = 0

    @property
    def most(self) -> int:
        """How many pods there may be at a time."""
        return self.replicas + self.max_surge


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """A ReplicaSet of a Deployment: `replicas` is its spec's, `actual` the pods there are."""

    name: str
    uid: str
    created: str = ""
    replicas: int = 0
    actual: int = 0
    ready: int = 0
    available: int = 0
    terminating: int = 0
    min_ready_s: int = 0
    template: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    is_settled: bool = True
    """Whether its controller has seen the newest spec."""
    is_deleting: bool = False

    @property
    def revision(self) -> int:
        """The number of its revision, 0 if it has none that can be read."""
        return _number(self.annotations.get(REVISION)) or 0


@dataclass(frozen=True, slots=True)
class CreateSet:
    """Make the new ReplicaSet, of this size and with these annotations."""

    replicas: int
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class UpdateSet:
    """Write a ReplicaSet's size, annotations and minReadySeconds; `was` is its size before."""

    changed: Replicas
    was: int


@dataclass(frozen=True, slots=True)
class DeleteSet:
    """Delete an old ReplicaSet that is not needed to go back."""

    name: str
    uid: str


SetStep = CreateSet | UpdateSet | DeleteSet


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """
    The next steps, and the revision that the Deployment is at; None: there is no new ReplicaSet yet.

    While `is_scaling`, what is done says nothing about the progress of a rollout.
    """

    steps: tuple[SetStep, ...]
    revision: str | None
    is_scaling: bool = False


def template_without_hash(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a pod template as its Deployment has it: without the label that its ReplicaSet added."""
    metadata = dict(template.get("metadata") or {})
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    metadata = {name: value for name, value in metadata.items() if name not in ("labels", "creationTimestamp")}
    return {**template, "metadata": metadata | ({"labels": labels} if labels else {})}


def divide(rollout: Rollout, sets: Iterable[Replicas]) -> tuple[Replicas | None, list[Replicas]]:
    """Return the new ReplicaSet, the oldest with the Deployment's template, and the old ones, oldest first."""
    wanted = template_without_hash(rollout.template)
    ordered = sorted(sets, key=_age)
    new = next((one for one in ordered if template_without_hash(one.template) == wanted), None)
    return new, [one for one in ordered if one is not new]


def plan(rollout: Rollout, sets: Sequence[Replicas], *, old_pods_run: bool = False) -> RolloutPlan:
    """
    Plan the steps that are possible now. Call it again after each change of a ReplicaSet.

    >>> rollout = Rollout(replicas=3, template={"spec": {}}, max_surge=1)
    >>> plan(rollout, []).steps[0].replicas
    3
    >>> old = Replicas(name="old", uid="1", replicas=3, actual=3, available=3, template={"spec": {"x": 1}})
    >>> plan(rollout, [old]).steps[0].replicas
    1

    `old_pods_run` says whether pods of an old template may still run, for Recreate. The cost depends on the number of
    ReplicaSets, not on `replicas`.
    """
    new, old = divide(rollout, sets)
    draft = _Draft(rollout, new, old)
    is_scaling = not rollout.is_paused and draft.was_scaled()
    if rollout.is_paused:
        draft.scale()
        draft.clean_up()
    elif is_scaling:
        draft.scale()
    elif rollout.strategy is Strategy.RECREATE:
        draft.recreate(old_pods_run=old_pods_run)
    else:
        draft.roll()
    return draft.plan(is_scaling=is_scaling)


class _Draft:
    """The ReplicaSets as they are going to be."""

    def __init__(self, rollout: Rollout, new: Replicas | None, old: list[Replicas]) -> None:
        self._rollout = rollout
        self._before = {one.uid: one for one in (*old, *filter(None, [new]))}
        self._new = new
        self._old = old
        self._created: CreateSet | None = None
        self._deleted: list[DeleteSet] = []
        if new is not None:
            revision = _next_revision(old)
            annotations = _annotations_of_new(rollout, new.annotations, revision)
            self._new = replace(new, annotations=annotations, min_ready_s=rollout.min_ready_s)

    def plan(self, *, is_scaling: bool) -> RolloutPlan:
        now = [*self._old, *filter(None, [self._new])]
        updates = [UpdateSet(one, self._before[one.uid].replicas) for one in now if one != self._before[one.uid]]
        created = [self._created] if self._created is not None else []
        annotations = (
            self._created.annotations if self._created is not None else self._new.annotations if self._new else {}
        )
        return RolloutPlan((*created, *updates, *self._deleted), annotations.get(REVISION), is_scaling)

    # ---- the ways a Deployment changes ---------------------------------------------------------------------------

    def was_scaled(self) -> bool:
        """Whether spec.replicas has changed since the active ReplicaSets were sized."""
        desired = (_number(one.annotations.get(DESIRED)) for one in self._active())
        return any(one is not None and one != self._rollout.replicas for one in desired)

    def roll(self) -> None:
        if self._new is None:
            self._create(min(max(self._rollout.most - self._size(), 0), self._rollout.replicas))
        elif not self._resize_new() and not self._shrink_old() and self._rollout.is_complete:
            self.clean_up()

    def recreate(self, *, old_pods_run: bool) -> None:
        if any(one.replicas for one in self._old):
            self._old = [self._sized(one, 0) for one in self._old]
        elif old_pods_run or any(one.actual for one in self._old):
            return
        elif self._new is None:
            self._create(self._rollout.replicas)
        else:
            self._new = self._sized(self._new, self._rollout.replicas)
            if self._rollout.is_complete:
                self.clean_up()

    def scale(self) -> None:
        """Give the ReplicaSets their shares of a changed size."""
        only = self._only_one()
        if only is not None:
            self._put(self._sized(only, self._rollout.replicas))
        elif self._is_saturated():
            self._old = [self._sized(one, 0) for one in self._old]
        elif self._rollout.strategy is Strategy.ROLLING_UPDATE:
            self._divide_among(self._active())

    def clean_up(self) -> None:
        """Delete the oldest revisions beyond those to keep, unless they have pods."""
        if self._rollout.history is None:
            return
        alive = sorted((one for one in self._old if not one.is_deleting), key=lambda one: (one.revision, _age(one)))
        for one in alive[: max(len(alive) - self._rollout.history, 0)]:
            if not one.replicas and not one.actual and one.is_settled:
                self._deleted.append(DeleteSet(one.name, one.uid))

    # ---- parts of them -------------------------------------------------------------------------------------------

    def _create(self, replicas: int) -> None:
        revision = _next_revision(self._old)
        sizes = {DESIRED: str(self._rollout.replicas), MAXIMUM: str(self._rollout.most)}
        self._created = CreateSet(replicas, _annotations_of_new(self._rollout, {}, revision) | sizes)

    def _resize_new(self) -> bool:
        """Whether the new ReplicaSet changed its size: down at once, up as far as the surge allows."""
        new, wanted = self._new, self._rollout.replicas
        if new is None or new.replicas == wanted:
            return False
        size = wanted
        if new.replicas < wanted:
            room = max(self._rollout.most - self._size(), 0)
            size = new.replicas + min(room, wanted - new.replicas)
        self._new = self._sized(new, size)
        return size != new.replicas

    def _shrink_old(self) -> bool:
        """Whether old ReplicaSets became smaller: first by pods that are not available, then by available ones."""
        before = self._size(self._old)
        if not before or self._new is None:
            return False
        least = self._rollout.replicas - self._rollout.max_unavailable
        most = self._size() - least - (self._new.replicas - self._new.available)
        if most <= 0:
            return False
        if not self._shrink(most, lambda one: one.replicas - one.available):
            return False
        spare = sum(one.available for one in (*self._old, self._new)) - least
        self._shrink(spare, lambda one: one.replicas)
        return self._size(self._old) != before

    def _shrink(self, budget: int, share: Callable[[Replicas], int]) -> bool:
        """
        Take pods from old ReplicaSets, from each at most its share, the oldest first.

        False at one whose share is negative: it has more available pods than it wants, so it became smaller a moment
        ago and its status has not followed. How many pods are available is not known before that.
        """
        for place, one in enumerate(self._old):
            if budget <= 0:
                break
            cut = min(budget, share(one)) if one.replicas else 0
            if cut < 0:
                return False
            budget -= cut
            self._old[place] = self._sized(one, one.replicas - cut)
        return True

    def _divide_among(self, active: list[Replicas]) -> None:
        """Share what is to be added or taken away by size; what is left over is the largest one's."""
        most = self._rollout.most if self._rollout.replicas else 0
        change = most - self._size(active)
        by_age = sorted(active, key=_age, reverse=change > 0)
        by_size = sorted(by_age, key=lambda one: one.replicas, reverse=True)
        sizes, given = [], 0
        for one in by_size:
            part = self._share(one, change, given)
            sizes.append(one.replicas + part)
            given += part
        if sizes:
            sizes[0] = max(sizes[0] + change - given, 0)
        for one, size in zip(by_size, sizes, strict=True):
            self._put(self._sized(one, size, always=True))

    def _share(self, one: Replicas, change: int, given: int) -> int:
        if not one.replicas or change == given or not change:
            return 0
        fraction = self._fraction(one)
        return min(fraction, change - given) if change > 0 else max(fraction, change - given)

    def _fraction(self, one: Replicas) -> int:
        """Return by how much a ReplicaSet would grow if all grew alike."""
        if not self._rollout.replicas:
            return -one.replicas
        before = _number(one.annotations.get(MAXIMUM)) or self._rollout.status_replicas
        if not before:
            return 0
        return math.floor(one.replicas * self._rollout.most / before + 0.5) - one.replicas

    def _sized(self, one: Replicas, size: int, *, always: bool = False) -> Replicas:
        """Return a ReplicaSet of a size; its annotations then say for which Deployment."""
        if one.replicas == size and not always:
            return one
        sizes = {DESIRED: str(self._rollout.replicas), MAXIMUM: str(self._rollout.most)}
        return replace(one, replicas=size, annotations={**one.annotations, **sizes})

    def _put(self, changed: Replicas) -> None:
        if self._new is not None and self._new.uid == changed.uid:
            self._new = changed
        self._old = [changed if one.uid == changed.uid else one for one in self._old]

    def _active(self) -> list[Replicas]:
        return [one for one in (*self._old, *filter(None, [self._new])) if one.replicas > 0]

    def _only_one(self) -> Replicas | None:
        """Return the one ReplicaSet that counts: the only active one, or the newest if none is active."""
        active = self._active()
        if len(active) == 1:
            return active[0]
        if active:
            return None
        return self._new or (self._old[-1] if self._old else None)

    def _is_saturated(self) -> bool:
        new, wanted = self._new, self._rollout.replicas
        return (
            new is not None
            and _number(new.annotations.get(DESIRED)) == wanted
            and new.replicas == wanted == new.available
        )

    def _size(self, sets: Iterable[Replicas] | None = None) -> int:
        every = (*self._old, *filter(None, [self._new])) if sets is None else sets
        return sum(one.replicas for one in every)


def _age(one: Replicas) -> tuple[str, str]:
    """Order ReplicaSets by age, oldest first."""
    return one.created, one.name


def _next_revision(old: Iterable[Replicas]) -> int:
    return max((one.revision for one in old), default=0) + 1


def _annotations_of_new(rollout: Rollout, own: Mapping[str, str], revision: int) -> dict[str, str]:
    """Return the annotations of the new ReplicaSet: the Deployment's, and its revision, which only grows."""
    copied = {name: value for name, value in rollout.annotations.items() if name not in _NOT_COPIED}
    annotations = {**own, **copied}
    before = annotations.get(REVISION, "")
    number = _number(before)
    if before and number is None:
        return annotations
    if (number or 0) >= revision:
        return annotations
    annotations[REVISION] = str(revision)
    if before:
        annotations[REVISION_HISTORY] = _with_revision(annotations.get(REVISION_HISTORY, ""), before)
    return annotations


def _with_revision(history: str, revision: str) -> str:
    """Append a revision to a history, which loses its oldest ones where it becomes too long."""
    revisions = [*filter(None, history.split(",")), revision]
    while len(",".join(revisions)) > _HISTORY_LENGTH_MAX and len(revisions) > 1:
        del revisions[0]
    return ",".join(revisions)


def _number(text: str | None) -> int | None:
    """Read a whole number that is not negative; None for anything else."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
