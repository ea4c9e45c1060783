"""
What the nodes of a network are doing, out of their pods and of what they said: states, tips, connections. Pure.

The tip of a network is that of its longest chain, as all nodes take the longest; chains of isolated nodes do not count
unless all nodes are isolated. A node that just made or got a block is not behind the others, nor are they behind it:
it has to have what the network had at an earlier time (`Visit.earlier`). The comparison is strict for a node that was
not heard then, so one that is new or was down is behind until it has the chain; and for one that sees no way to the
node with the tip, as no block can be on its way.

Connected is what the nodes see: the one that adds another says whether it is connected. A node that says nothing is no
partition, and may be the link between two others that see it.

H-a  Every member has a state, and a message unless it is at the tip with all others.
H-b  For any answers: the groups are disjoint, and together are all nodes that answer.
H-c  Two groups are told only if no node sees another of another group, and none of the connections between them is
     young, or not asked for yet: after scaling, other ones are wanted.
H-d  A node that is at the tip answers, is ready, and no node that answers had a longer chain for some time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ctrlkit.bitcoin.facts import Member, Said, Visit
from ctrlkit.bitcoin.mesh import Mesh
from ctrlkit.bitcoin.network import NodeState
from ctrlkit.bitcoin.rpc import (
    Answer,
    BadAnswer,
    BadCredentials,
    Busy,
    NodeUnreachable,
    NotAllowed,
    RpcError,
    RpcRefused,
    Unsteady,
    WarmingUp,
)


class Link(StrEnum):
    """Whether the nodes of a network see each other."""

    CONNECTED = "Connected"
    """Over connections that are seen, each node that answers reaches every other."""
    CONNECTING = "Connecting"
    """Not yet, and some connections are new."""
    PARTITIONED = "Partitioned"
    """There are groups of nodes that see nothing of each other."""


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What a node is doing, and why it is not at the tip; empty if it is."""

    state: NodeState
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    What the nodes of a network are doing, all together.

    Shape   `nodes`: each member, by name. `height` is the one that most nodes are at, `tip` the hash of the best block
            of the longest chain; None and empty if no node answers. `at_tip`: the nodes that have it; nobody while
            another node has a longer one. `parts`: the nodes that are ready and answer, in groups of which no two see
            each other, the largest first. `seen` of the `wanted` connections between them are there.
    """

    nodes: Mapping[str, NodeHealth]
    height: int | None
    tip: str
    at_tip: frozenset[str]
    link: Link
    parts: tuple[tuple[str, ...], ...]
    seen: int
    wanted: int


def assess(members: Sequence[Member], visit: Visit, mesh: Mesh) -> Health:
    """
    Return what the nodes are doing.

    >>> from ctrlkit.bitcoin.network import Spec
    >>> from ctrlkit.bitcoin.mesh import mesh_of
    >>> members = [Member(name=f"net-sts-{at}", group="main", ordinal=at, uid="u", address=f"10.0.0.{at + 1}",
    ...     is_ready=True) for at in range(2)]
    >>> said = {member.name: Answer(version=290100, agent="/Satoshi:29.1.0/", height=7, tip="0f", is_syncing=False,
    ...     connections=1, added={"10.0.0.2": True}) for member in members}
    >>> health = assess(members, Visit(said=said), mesh_of(Spec(nodes=2), ["net-sts-0", "net-sts-1"]))
    >>> health.link.value, health.height, sorted(health.at_tip)
    ('Connected', 7, ['net-sts-0', 'net-sts-1'])
    """
    answers = {
        member.name: said
        for member in members
        if member.is_ready and isinstance(said := visit.said.get(member.name), Answer)
    }
    connections = _Connections.of(members, visit, mesh, answers)
    isolated = connections.isolated(answers, mesh)
    tips = _Tips.of(answers, visit.earlier, isolated, connections.joined)
    nodes = {
        member.name: _of_answer(member.name, answers, tips, isolated, mesh)
        if member.name in answers
        else _without_answer(member, visit.said.get(member.name))
        for member in members
    }
    at_tip = frozenset(name for name, node in nodes.items() if node.state is NodeState.AT_TIP)
    heights = Counter(answer.height for answer in answers.values())
    return Health(
        nodes=nodes,
        height=max(heights, key=lambda height: (heights[height], height)) if heights else None,
        tip=tips.tip,
        at_tip=frozenset() if tips.is_surpassed else at_tip,
        link=connections.link,
        parts=connections.parts,
        seen=connections.seen,
        wanted=connections.wanted,
    )


# ---- connections -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Connections:
    link: Link
    parts: tuple[tuple[str, ...], ...]
    seen: int
    wanted: int
    young: frozenset[str]
    joined: Mapping[str, Collection[str]]
    """Of each node those that it reaches over connections that are seen; empty where that is not known."""

    @classmethod
    def of(cls, members: Sequence[Member], visit: Visit, mesh: Mesh, answers: Mapping[str, Answer]) -> _Connections:
        """Look at all connections that nodes see, and at those that are wanted, and were asked for or will be."""
        addresses = {member.name: member.address for member in members if member.address}
        said = {name: what for name in addresses if isinstance(what := visit.said.get(name), Answer)}
        names = {entry: name for name, address in addresses.items() for entry in mesh.entries(address)}
        seen = {
            (own, names[entry])
            for own, answer in said.items()
            for entry, is_connected in answer.added.items()
            if is_connected and entry in names
        }
        wanted = set(_pairs(mesh, addresses))
        young = {
            (name, other)
            for name, other in wanted
            if not visit.young.isdisjoint((name, other))
            or (name in said and said[name].added.keys().isdisjoint(mesh.entries(addresses[other])))
        }
        told = {(name, other) for name, other in wanted if name in answers and other in answers}
        now, soon = (_groups(answers, pairs) for pairs in (seen, seen | young))
        return cls(
            link=_link(mesh, now, soon),
            parts=soon if mesh.is_kept or not answers else (tuple(answers),),
            seen=sum((name, other) in seen or (other, name) in seen for name, other in told),
            wanted=len(told),
            young=visit.young,
            joined={name: group for group in now for name in group} if mesh.is_kept else {},
        )

    def isolated(self, answers: Mapping[str, Answer], mesh: Mesh) -> dict[str, str]:
        """Return the nodes that reach less than half of the others, each with what it sees."""
        if not mesh.is_kept:
            return {
                name: "it has no connection to any other node"
                for name, answer in answers.items()
                if answer.connections == 0 and name not in self.young
            }
        others = len(answers) - 1
        return {
            name: f"it is connected with {len(part) - 1} of the {others} other nodes that answer"
            for part in self.parts
            if 2 * (len(part) - 1) < others
            for name in part
        }


def _pairs(mesh: Mesh, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of these nodes of which the first adds the second."""
    return ((name, other) for name in names for other in mesh.edges.get(name, ()) if other in names)


def _link(mesh: Mesh, now: Sequence[object], soon: Sequence[object]) -> Link:
    if not mesh.is_kept or len(now) <= 1:
        return Link.CONNECTED
    return Link.CONNECTING if len(soon) <= 1 else Link.PARTITIONED


def _groups(names: Collection[str], pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """
    Return the names in groups that pairs connect, over names that are not among them too; the largest first.

    >>> _groups(["a", "b", "c"], [("a", "x"), ("x", "c")])
    (('a', 'c'), ('b',))
    """
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    for one, other in pairs:
        first, second = sorted((top(one), top(other)))
        if first != second:
            above[second] = first
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(top(name), []).append(name)
    return tuple(sorted(map(tuple, found.values()), key=lambda group: (-len(group), group)))


# ---- tips ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tips:
    height: int
    tip: str
    holder: str
    """A node that has the tip."""

    due: int
    """The height that the network had earlier."""

    may_wait: Collection[str]
    """Nodes of which no more is asked, as they were heard earlier and are connected with the holder."""

    is_alone: bool
    """Only one of three or more nodes has the tip, and did not get it just now."""

    is_surpassed: bool
    """An isolated node has a longer chain."""

    settled: frozenset[str]
    """Nodes whose tip is the one that they had earlier."""

    @classmethod
    def of(
        cls,
        answers: Mapping[str, Answer],
        earlier: Mapping[str, Answer],
        isolated: Collection[str],
        joined: Mapping[str, Collection[str]],
    ) -> _Tips:
        """Find the longest chain, now and earlier; of two as long, the one that more nodes have."""
        counted = {name: said for name, said in answers.items() if name not in isolated} or answers
        before = {name: earlier[name] for name in counted if name in earlier}
        holders = Counter(said.tip for said in counted.values())
        best = max(counted, key=lambda name: (_rank(counted[name], holders), name), default="")
        height = counted[best].height if best else 0
        due = max((said.height for said in before.values()), default=height)
        settled = frozenset(
            name for name, said in counted.items() if not earlier or (name in before and before[name].tip == said.tip)
        )
        return cls(
            height=height,
            tip=counted[best].tip if best else "",
            holder=best,
            due=min(due, height),
            may_wait=before.keys() & set(joined.get(best, answers)),
            is_alone=len(counted) > 2 and holders[counted[best].tip] == 1 and best in settled if best else False,
            is_surpassed=any(said.height > height for said in answers.values()),
            settled=settled,
        )


def _rank(said: Answer, holders: Mapping[str, int]) -> tuple[int, int, str]:
    return said.height, holders[said.tip], said.tip


def _of_answer(
    name: str, answers: Mapping[str, Answer], tips: _Tips, isolated: Mapping[str, str], mesh: Mesh
) -> NodeHealth:
    said = answers[name]
    if name in isolated:
        return NodeHealth(NodeState.ISOLATED, f"{isolated[name]}; see its log, and policies between the pods")
    if mesh.is_public and said.is_syncing:
        return NodeHealth(NodeState.BEHIND, "it downloads the chain")
    if said.height < (tips.due if name in tips.may_wait else tips.height):
        return NodeHealth(NodeState.BEHIND, f"it is at height {said.height}, {tips.holder} is at {tips.height}")
    forked = said.height == tips.height and said.tip != tips.tip
    if forked and {name, tips.holder} <= tips.settled:
        return NodeHealth(NodeState.BEHIND, f"at height {said.height} it has another block than {tips.holder}")
    if said.tip == tips.tip and tips.is_alone:
        return NodeHealth(NodeState.AT_TIP, "no other node has its last blocks; see whether they refuse them")
    return NodeHealth(NodeState.AT_TIP)


def _without_answer(member: Member, said: Said | None) -> NodeHealth:
    """Return what a node is doing that is not ready, or did not answer."""
    absent = "" if member.uid and not member.is_deleting else "its pod is ending" if member.uid else "there is no pod"
    if absent or (member.trouble and not member.is_ready):
        return NodeHealth(NodeState.WAITING, member.trouble or member.held_back or absent)
    if isinstance(said, WarmingUp):
        return NodeHealth(NodeState.STARTING, f"it is starting: {said.text}")
    if not member.is_ready or not isinstance(said, RpcError):
        return NodeHealth(NodeState.STARTING, "it was not asked yet" if member.is_ready else "its pod is not ready yet")
    return NodeHealth(NodeState.UNSTEADY if isinstance(said, Unsteady) else NodeState.UNREACHABLE, trouble_of(said))


_TROUBLES: Final[Mapping[type[RpcError], str]] = {
    NodeUnreachable: "it cannot be reached; see its log, and policies between the controller and its pod",
    Busy: "its work queue is full; see who else calls it",
    BadCredentials: "it does not accept the network's credentials",
    NotAllowed: "it does not serve the controller's address; see its rpcallowip",
    BadAnswer: "its answer is not that of a bitcoin node; see what listens at its RPC port",
    WarmingUp: "it is starting",
}


def trouble_of(error: RpcError) -> str:
    """Return what is wrong with a node that does not answer, in words that stay while it is the same."""
    if isinstance(error, RpcRefused) and type(error) not in _TROUBLES:
        return f"it refuses to answer: {error.text} (code {error.code})"
    return _TROUBLES.get(type(error)) or str(error)
