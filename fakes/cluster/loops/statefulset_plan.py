"""
Plans the next steps of the StatefulSet controller from a set and its pods. Pure.

The rules are the documented guarantees of StatefulSets: stable names, at most one pod for a name, creation from the
lowest ordinal and removal from the highest, waiting for all lower pods to be available (OrderedReady) or not
(Parallel), and rolling updates from the highest ordinal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

PARALLEL_MAX = 500
"""How many pods of a parallel set may be missing or not available before it waits; a real controller bursts, too."""

_ORDINAL = re.compile(r"(?P<parent>.+)-(?P<ordinal>0|[1-9]\d{0,9})")
_ORDINAL_MAX = 2**31 - 1


class PodManagementPolicy(Enum):
    """A StatefulSet's spec.podManagementPolicy."""

    ORDERED_READY = "OrderedReady"
    PARALLEL = "Parallel"


class UpdateStrategy(Enum):
    """A StatefulSet's spec.updateStrategy.type."""

    ROLLING = "RollingUpdate"
    ON_DELETE = "OnDelete"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSpec:
    """
    The fields of a StatefulSet that its plan depends on.

    Shape   `revision` is the one to update to, `current` the one that updates come from. Pods below the `partition`
            keep to the current one; without a partition, as many as still have it come back with it.
            `max_unavailable` is None on servers that update one pod at a time.
    """

    name: str
    replicas: int
    revision: str
    current: str = ""
    start: int = 0
    management: PodManagementPolicy = PodManagementPolicy.ORDERED_READY
    update: UpdateStrategy = UpdateStrategy.ROLLING
    partition: int | None = 0
    max_unavailable: int | None = None

    @property
    def ordinals(self) -> range:
        """The ordinals of the pods that the set wants."""
        return range(self.start, self.start + self.replicas)

    @property
    def updated(self) -> range:
        """Those of them that an update is about."""
        return range(self.start + (self.partition or 0), self.start + self.replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """
    A pod of the set.

    Shape   One that is `finished` (Succeeded or Failed) is replaced. One that is `available` has been ready for long
            enough. One that is `amiss` has a label, a volume or a claim that is not as it should be; `pending` ones are
            mended at once, others once it is their turn.
    """

    name: str
    uid: str
    ordinal: int
    revision: str
    ready: bool = False
    available: bool = False
    terminating: bool = False
    finished: bool = False
    pending: bool = False
    amiss: bool = False

    @property
    def healthy(self) -> bool:
        """Whether the pod is available and not terminating."""
        return self.available and not self.terminating

    @property
    def settled(self) -> bool:
        """Whether the pods above need not wait for it."""
        return self.ready and self.healthy


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Create the pod of this ordinal from the template of a revision."""

    ordinal: int
    revision: str


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete the pod with this name and uid, perhaps for an update."""

    name: str
    uid: str
    for_update: bool = False


@dataclass(frozen=True, slots=True)
class MendPod:
    """Give the pod of this ordinal the labels, volumes and claims that it should have."""

    ordinal: int


PodStep = CreatePod | DeletePod | MendPod


def plan(spec: SetSpec, members: Iterable[Member]) -> list[PodStep]:
    """
    Plan the steps that are possible now. Call it again after each change of a pod.

    >>> spec = SetSpec(name="net", replicas=3, revision="net-1")
    >>> plan(spec, [])
    [CreatePod(ordinal=0, revision='net-1')]
    >>> first = Member(name="net-0", uid="a", ordinal=0, revision="net-1", ready=True, available=True)
    >>> plan(spec, [first])
    [CreatePod(ordinal=1, revision='net-1')]

    A parallel set takes all steps at once, but an update replaces one pod at a time, and no more pods are created while
    `PARALLEL_MAX` are missing or not available. The cost depends on the number of pods, not on spec.replicas.
    """
    by_ordinal = {member.ordinal: member for member in members}
    condemned = [by_ordinal[ordinal] for ordinal in sorted(by_ordinal, reverse=True) if ordinal not in spec.ordinals]
    in_order = spec.management is PodManagementPolicy.ORDERED_READY
    kept = spec.start + _kept(spec, by_ordinal.values())
    steps: list[PodStep] = []
    waiting = 0
    for ordinal in spec.ordinals:
        member = by_ordinal.get(ordinal)
        if member is None:
            steps.append(CreatePod(ordinal, spec.current if ordinal < kept else spec.revision))
        else:
            steps += _visit(spec, member)
        waiting += member is None or member.finished or not member.settled
        if waiting == (1 if in_order else PARALLEL_MAX):
            break
    if in_order and waiting:
        return steps
    steps += [MendPod(member.ordinal) for member in condemned if member.amiss]
    steps += _remove_first(condemned) if in_order else [_delete(one) for one in condemned if not one.terminating]
    if (in_order and condemned) or spec.update is UpdateStrategy.ON_DELETE:
        return steps
    return [*steps, *_update(spec, by_ordinal)]


def _kept(spec: SetSpec, members: Iterable[Member]) -> int:
    """Return how many of the lowest pods are made with the current revision."""
    if spec.partition is not None:
        return spec.partition
    if spec.update is UpdateStrategy.ON_DELETE:
        return 0
    return sum(one.revision == spec.current and not one.terminating for one in members)


def _visit(spec: SetSpec, member: Member) -> Iterator[PodStep]:
    """Yield what a wanted pod needs."""
    if member.finished:
        if not member.terminating:
            yield _delete(member)
    elif member.amiss and (member.pending or member.settled or spec.management is PodManagementPolicy.PARALLEL):
        yield MendPod(member.ordinal)


def _remove_first(condemned: Sequence[Member]) -> list[PodStep]:
    """Delete the highest pod, unless it is not healthy and a lower one is not, either."""
    if not condemned or condemned[0].terminating:
        return []
    first, *lower = condemned
    if not first.settled and any(not one.healthy for one in lower):
        return []
    return [_delete(first)]


def _update(spec: SetSpec, by_ordinal: dict[int, Member]) -> Sequence[PodStep]:
    """Replace pods of another revision from the top, as many as may be unavailable at a time."""
    if spec.max_unavailable is not None:
        return _update_some(spec, by_ordinal, spec.max_unavailable)
    for ordinal in reversed(spec.updated):
        member = by_ordinal.get(ordinal)
        if member is not None and member.revision != spec.revision and not member.terminating:
            return [_delete(member, for_update=True)]
        if member is None or not member.healthy:
            return []
    return []


def _update_some(spec: SetSpec, by_ordinal: dict[int, Member], max_unavailable: int) -> Sequence[PodStep]:
    healthy = sum(one.healthy for one in by_ordinal.values() if one.ordinal in spec.ordinals)
    old = [
        by_ordinal[ordinal]
        for ordinal in sorted(by_ordinal, reverse=True)
        if ordinal in spec.updated and by_ordinal[ordinal].revision != spec.revision
    ]
    room = max(0, max_unavailable - (spec.replicas - healthy))
    return [_delete(one, for_update=True) for one in old if not one.terminating][:room]


def _delete(member: Member, *, for_update: bool = False) -> DeletePod:
    return DeletePod(member.name, member.uid, for_update)


def ordinal_of(name: str, *, parent: str) -> int | None:
    """
    Return the ordinal in a pod's name; None if the name is not one of the set.

    >>> ordinal_of("net-sts-12", parent="net-sts"), ordinal_of("net-sts-x", parent="net-sts")
    (12, None)
    """
    found = _ORDINAL.fullmatch(name)
    ordinal = int(found["ordinal"]) if found and found["parent"] == parent else None
    return ordinal if ordinal is not None and ordinal <= _ORDINAL_MAX else None


def counts(spec: SetSpec, members: Sequence[Member], *, updating: int = 0) -> dict[str, Any]:
    """
    Return the counts and revisions of a StatefulSet's status; `updating` pods are deleted just now for an update.

    An update is complete when every pod of the set is ready and has the new revision, which then becomes the current.
    """
    staying = [member.revision for member in members if not member.terminating]
    ready = sum(member.ready for member in members)
    updated = staying.count(spec.revision)
    is_over = spec.update is UpdateStrategy.ROLLING and updated == ready == len(members) == spec.replicas
    return {
        "replicas": len(members),
        "readyReplicas": ready,
        "availableReplicas": sum(member.ready and member.available for member in members),
        "currentReplicas": updated if is_over else max(0, staying.count(spec.current) - updating),
        "updatedReplicas": updated,
        "currentRevision": spec.revision if is_over else spec.current,
        "updateRevision": spec.revision,
    }
