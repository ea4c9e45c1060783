"""
What a StatefulSet's controller does next, as a pure function of the set and its pods.

Source  The documented guarantees of StatefulSets: stable names, at most one pod for a name, creation in order from the
        bottom and removal from the top, each waiting until all below are ready (OrderedReady) or not (Parallel), and
        rolling updates from the top.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

PARALLEL_MAX = 500
"""Pods of a parallel set that may be missing or not ready before it waits; a cluster's own controllers burst so too."""

_HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_ORDINAL = re.compile(r"(?P<parent>.+)-(?P<ordinal>\d+)")


class Management(Enum):
    """Whether pods wait for each other."""

    ORDERED_READY = "OrderedReady"
    PARALLEL = "Parallel"


class Update(Enum):
    """Whether pods of an old template are replaced."""

    ROLLING = "RollingUpdate"
    ON_DELETE = "OnDelete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A StatefulSet, as far as its pods' fate hangs on it; `partition` is the lowest ordinal that is updated."""

    name: str
    replicas: int
    revision: str
    start: int = 0
    management: Management = Management.ORDERED_READY
    update: Update = Update.ROLLING
    partition: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One pod of the set; one that is `finished` has run to its end and is replaced."""

    name: str
    uid: str
    ordinal: int
    revision: str
    ready: bool = False
    terminating: bool = False
    finished: bool = False

    @property
    def healthy(self) -> bool:
        """Ready, and to stay."""
        return self.ready and not self.terminating


@dataclass(frozen=True, slots=True)
class Create:
    """Make the pod of this ordinal."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this very pod."""

    name: str
    uid: str


Step = Create | Delete


def plan(wanted: Wanted, members: Iterable[Member]) -> list[Step]:
    """
    The steps that may be taken now; after them, and after what the kubelet makes of them, it is asked again.

    >>> wanted = Wanted(name="net", replicas=3, revision="net-1")
    >>> plan(wanted, [])
    [Create(ordinal=0)]
    >>> plan(wanted, [Member(name="net-0", uid="a", ordinal=0, revision="net-1", ready=True)])
    [Create(ordinal=1)]

    Parallel sets do all at once, except that an update replaces one pod at a time, and that no more pods are made while
    `PARALLEL_MAX` are missing or not ready.

    Cost    Grows with the pods there are, not with the numbers in the set.
    """
    by_ordinal = {member.ordinal: member for member in members}
    ordinals = range(wanted.start, wanted.start + wanted.replicas)
    condemned = [by_ordinal[ordinal] for ordinal in sorted(by_ordinal, reverse=True) if ordinal not in ordinals]
    in_order = wanted.management is Management.ORDERED_READY
    steps: list[Step] = []
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
            steps.append(Delete(member.name, member.uid))
        if in_order:
            return steps
    if steps or unhealthy == PARALLEL_MAX:
        return steps
    return _update(wanted, [by_ordinal[ordinal] for ordinal in reversed(ordinals)])


def _fill(ordinal: int, member: Member | None) -> Step | None:
    if member is None:
        return Create(ordinal)
    if member.finished and not member.terminating:
        return Delete(member.name, member.uid)
    return None


def _is_healthy(member: Member | None) -> bool:
    return member is not None and member.healthy


def _update(wanted: Wanted, from_top: Sequence[Member]) -> list[Step]:
    """Replace the highest pod of another revision, once all above it are healthy."""
    if wanted.update is Update.ON_DELETE:
        return []
    for member in from_top:
        if member.ordinal < wanted.partition:
            return []
        if member.revision != wanted.revision and not member.terminating:
            return [Delete(member.name, member.uid)]
        if not member.healthy:
            return []
    return []


def ordinal_of(name: str, *, parent: str) -> int | None:
    """
    The ordinal in a pod's name, None where it is no name of the set's.

    >>> ordinal_of("net-sts-12", parent="net-sts"), ordinal_of("net-sts-x", parent="net-sts")
    (12, None)
    """
    found = _ORDINAL.fullmatch(name)
    return int(found["ordinal"]) if found and found["parent"] == parent else None


def revision_of(name: str, template: Mapping[str, Any]) -> str:
    """
    The name of a template's revision: equal for equal templates, in letters that form no words.

    >>> revision_of("net", {"spec": {}}) == revision_of("net", {"spec": {}}) != revision_of("net", {})
    True
    """
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return f"{name}-" + "".join(_HASH_LETTERS[byte % len(_HASH_LETTERS)] for byte in digest[:10])


def counts(wanted: Wanted, members: Sequence[Member], current_revision: str) -> dict[str, Any]:
    """
    The numbers and revisions of a StatefulSet's status.

    An update is over when every pod that is wanted is healthy and of the new revision; that is then the current one.
    """
    staying = [member for member in members if not member.terminating]
    updated = sum(member.revision == wanted.revision for member in staying)
    is_over = (
        updated == wanted.replicas == len(members) and all(member.healthy for member in members)
    ) or not current_revision
    current_revision = wanted.revision if is_over else current_revision
    ready = sum(member.ready for member in members)
    return {
        "replicas": len(members),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": sum(member.revision == current_revision for member in staying),
        "updatedReplicas": updated,
        "currentRevision": current_revision,
        "updateRevision": wanted.revision,
    }
