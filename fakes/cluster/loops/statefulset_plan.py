"""
Plans the next steps of the StatefulSet controller from a set and its pods. Pure.

The rules are the documented guarantees of StatefulSets: stable names, at most one pod for a name, creation from the
lowest ordinal and removal from the highest, waiting for all lower pods to be ready (OrderedReady) or not (Parallel),
and rolling updates from the highest ordinal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ctrlkit.fakes.cluster.loops.hashes import json_hash

PARALLEL_MAX = 500
"""How many pods of a parallel set may be missing or not ready before it waits; a real controller bursts, too."""

_ORDINAL = re.compile(r"(?P<parent>.+)-(?P<ordinal>\d+)")


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
    """The fields of a StatefulSet that its plan depends on; `partition` is the lowest ordinal to update."""

    name: str
    replicas: int
    revision: str
    start: int = 0
    management: PodManagementPolicy = PodManagementPolicy.ORDERED_READY
    update: UpdateStrategy = UpdateStrategy.ROLLING
    partition: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A pod of the set. One that is `finished` (Succeeded or Failed) is replaced."""

    name: str
    uid: str
    ordinal: int
    revision: str
    ready: bool = False
    terminating: bool = False
    finished: bool = False

    @property
    def healthy(self) -> bool:
        """Whether the pod is ready and not terminating."""
        return self.ready and not self.terminating


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Create the pod of this ordinal."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete the pod with this name and uid."""

    name: str
    uid: str


PodStep = CreatePod | DeletePod


def plan(spec: SetSpec, members: Iterable[Member]) -> list[PodStep]:
    """
    Plan the steps that are possible now. Call it again after each change of a pod.

    >>> spec = SetSpec(name="net", replicas=3, revision="net-1")
    >>> plan(spec, [])
    [CreatePod(ordinal=0)]
    >>> plan(spec, [Member(name="net-0", uid="a", ordinal=0, revision="net-1", ready=True)])
    [CreatePod(ordinal=1)]

    A parallel set takes all steps at once, but an update replaces one pod at a time, and no more pods are created while
    `PARALLEL_MAX` are missing or not ready. The cost depends on the number of pods, not on spec.replicas.
    """
    by_ordinal = {member.ordinal: member for member in members}
    ordinals = range(spec.start, spec.start + spec.replicas)
    condemned = [by_ordinal[ordinal] for ordinal in sorted(by_ordinal, reverse=True) if ordinal not in ordinals]
    in_order = spec.management is PodManagementPolicy.ORDERED_READY
    steps: list[PodStep] = []
    unhealthy = 0
    for ordinal in ordinals:
        step = _fill(ordinal, by_ordinal.get(ordinal))
        if step is not None:
            steps.append(step)
        unhealthy += not _is_healthy(by_ordinal.get(ordinal))
        if unhealthy == (1 if in_order else PARALLEL_MAX):
            break
    if in_order and unhealthy:
        return steps
    for member in condemned:
        if not member.terminating:
            steps.append(DeletePod(member.name, member.uid))
        if in_order:
            return steps
    if steps or unhealthy == PARALLEL_MAX:
        return steps
    return _update(spec, [by_ordinal[ordinal] for ordinal in reversed(ordinals)])


def _fill(ordinal: int, member: Member | None) -> PodStep | None:
    if member is None:
        return CreatePod(ordinal)
    if member.finished and not member.terminating:
        return DeletePod(member.name, member.uid)
    return None


def _is_healthy(member: Member | None) -> bool:
    return member is not None and member.healthy


def _update(spec: SetSpec, from_top: Sequence[Member]) -> list[PodStep]:
    """Replace the highest pod of another revision, once all above it are healthy."""
    if spec.update is UpdateStrategy.ON_DELETE:
        return []
    for member in from_top:
        if member.ordinal < spec.partition:
            return []
        if member.revision != spec.revision and not member.terminating:
            return [DeletePod(member.name, member.uid)]
        if not member.healthy:
            return []
    return []


def ordinal_of(name: str, *, parent: str) -> int | None:
    """
    Return the ordinal in a pod's name; None if the name is not one of the set.

    >>> ordinal_of("net-sts-12", parent="net-sts"), ordinal_of("net-sts-x", parent="net-sts")
    (12, None)
    """
    found = _ORDINAL.fullmatch(name)
    return int(found["ordinal"]) if found and found["parent"] == parent else None


def revision_of(name: str, template: Mapping[str, Any]) -> str:
    """
    Return the revision name of a template: equal for equal templates, in letters that form no words.

    >>> revision_of("net", {"spec": {}}) == revision_of("net", {"spec": {}}) != revision_of("net", {})
    True
    """
    return f"{name}-{json_hash(template)}"


def counts(spec: SetSpec, members: Sequence[Member], current_revision: str) -> dict[str, Any]:
    """
    Return the counts and revisions of a StatefulSet's status.

    An update is complete when every pod of the set is healthy and has the new revision, which then becomes the current.
    """
    staying = [member for member in members if not member.terminating]
    updated = sum(member.revision == spec.revision for member in staying)
    is_over = (
        updated == spec.replicas == len(members) and all(member.healthy for member in members)
    ) or not current_revision
    current_revision = spec.revision if is_over else current_revision
    ready = sum(member.ready for member in members)
    return {
        "replicas": len(members),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": sum(member.revision == current_revision for member in staying),
        "updatedReplicas": updated,
        "currentRevision": current_revision,
        "updateRevision": spec.revision,
    }
