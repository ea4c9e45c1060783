"""
Brings a new revision to the nodes of a network, one at a time: which pod is to be deleted next, if any. Pure.

Nothing is remembered between two passes: what the pods are, and which nodes are at the tip, decides each step. So a
restart of the controller, a change of the spec on the way, and a lost node need no cases of their own.

A node serves while its pod is ready, not being deleted, and the node at the tip. One that is lower than a node with a
ready pod was last heard is not at the tip, though that one does not answer now.

V-a  At most one node is down by our hand: a pod that is ready is deleted only while all pods of the network are, and
     every one that has the new revision serves. A pod may be ready and its node not answer us: others may reach it, so
     it is deleted only while no node that has the old revision is known to be behind.
V-b  So a majority serves throughout, as far as it is up to us: all but one; 1 of 2; of one node, 0.
V-c  A pod without a claim, in which something ran, is deleted only while another node that serves has the height at
     which its node was last heard; one whose node was never heard is not.
V-d  A revision with which a node does not come to the tip goes to that node, and to no other.
V-e  Pods that are not ready and have an older revision come first; then nodes that answer and are not at the tip, the
     lowest first; then those that do not answer, and those that do now and then. So a spec that is corrected goes on
     at the node that its predecessor broke; and while parts of a network do not see each other, the longest chain stays
     up. While a node lacks nothing but blocks that a silent one was heard to have, neither of the two goes.
V-f  Once all nodes come to the tip with the new revision, all have it in the end, unless nobody but a person can say
     that a chain may be lost (V-c).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ctrlkit.bitcoin.facts import Member, Said
from ctrlkit.bitcoin.rpc import Answer, Unsteady


class Progress(StrEnum):
    """How far a rollout is."""

    DONE = "Done"
    """Every pod has the revision."""
    REPLACING = "Replacing"
    """A pod is to be deleted now."""
    WAITING = "Waiting"
    """A pod is on its way."""
    STOPPED = "Stopped"
    """A node that has the revision is not at the tip: it is on its way, or cannot get there."""
    BLOCKED = "Blocked"
    """The pod that is next has the chain in itself, and no other node has it: a person has to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    What is to be done now.

    Shape   `delete` is the pod to be deleted, with its uid as precondition; None but for REPLACING. `why` is a sentence
            that begins with a verb, empty when all is done. `updated` of the `nodes` have the revision.
    """

    progress: Progress
    delete: Member | None = None
    why: str = ""
    updated: int = 0
    nodes: int = 0


def next_step(
    members: Sequence[Member], at_tip: frozenset[str], heights: Mapping[str, int], said: Mapping[str, Said]
) -> Step:
    """
    Return the next step of a rollout, over all groups of a network.

    `at_tip`: the names of the nodes that answered in this pass and are at the tip. `heights`: the height at which each
    node was last heard, be it in this pass or before; one that was never heard is not in it. `said`: what
    each node said in this pass.

    >>> from ctrlkit.bitcoin.rpc import Answer
    >>> old = [Member(name=f"net-sts-{at}", group="main", ordinal=at, uid=f"u{at}", is_ready=True) for at in range(3)]
    >>> answer = Answer(version=290100, agent="", height=7, tip="0f", is_syncing=False, connections=2, added={})
    >>> said = {member.name: answer for member in old}
    >>> next_step(old, frozenset(said), dict.fromkeys(said, 7), said).why
    'replaces net-sts-2'
    >>> next_step(old, frozenset({"net-sts-0", "net-sts-2"}), dict.fromkeys(said, 7), said).why
    'replaces net-sts-1'
    >>> next_step(old, frozenset(), {}, {}).progress
    <Progress.BLOCKED: 'Blocked'>
    """
    updated = sum(member.is_updated for member in members)
    there = [member for member in members if member.uid and not member.is_deleting]
    hidden = [member for member in there if member.is_ready and not isinstance(said.get(member.name), Answer)]
    known = max((heights.get(member.name, 0) for member in hidden), default=0)
    late = frozenset(name for name in at_tip if heights.get(name, 0) < known)
    at_tip -= late
    serving = [member for member in there if member.is_ready and member.name in at_tip]
    outdated = [member for member in reversed(there) if not member.is_updated]

    def step(progress: Progress, why: str = "", delete: Member | None = None) -> Step:
        return Step(progress=progress, why=why, delete=delete, updated=updated, nodes=len(members))

    if len(there) < len(members):
        missing = next(member for member in members if member not in there)
        return step(Progress.WAITING, f"waits for pod {missing.name}{_because(missing)}")
    if not outdated:
        return step(Progress.DONE)
    for member in there:
        if member.is_updated and member not in serving:
            why = f"stops until {member.name}, which has what the spec says, is at the tip{_because(member)}"
            return step(Progress.STOPPED, why)

    def may_go(member: Member) -> bool:
        if member.has_claim or member.never_ran:
            return True
        height = heights.get(member.name)  # one that nobody heard may be any
        others = [heights.get(other.name, -1) for other in serving if other is not member]
        return height is not None and max(others, default=-1) >= height

    turns = {member.name: _turn(member, at_tip, late, heights, said) for member in outdated}
    outdated.sort(key=lambda member: turns[member.name])
    candidates = [member for member in outdated if turns[member.name][0] == turns[outdated[0].name][0]]
    for member in filter(may_go, candidates):
        if member.name in late:
            ahead = next(one.name for one in hidden if heights.get(one.name, 0) == known)
            why = f"waits until {member.name} has the blocks of {ahead}, which does not answer now"
            return step(Progress.WAITING, why)
        return step(Progress.REPLACING, f"replaces {member.name}", member)
    name = candidates[0].name
    return step(
        Progress.BLOCKED,
        f"does not replace {name}, which has its chain in its pod alone, while no other node is at the tip and at its "
        f"height; add a node, or delete pod {name} if its chain may be lost",
    )


def _turn(
    member: Member,
    at_tip: frozenset[str],
    late: frozenset[str],
    heights: Mapping[str, int],
    said: Mapping[str, Said],
) -> tuple[int, int]:
    """Return when a pod is to go: the less others lose with it, the sooner (V-e)."""
    if not member.is_ready:
        return 0, 0
    match said.get(member.name):
        case Answer() if member.name in at_tip:
            return 5, 0
        case Answer() if member.name in late:
            return 2, 0
        case Answer():
            return 1, heights.get(member.name, 0)
        case Unsteady():
            return 4, 0
        case _:
            return 3, 0


def _because(member: Member) -> str:
    return f": {member.trouble}" if member.trouble else ""
