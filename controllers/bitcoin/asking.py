"""
Asks the nodes of networks what they are, and brings their lists up to date: all nodes at once, in one time budget.

`NodeCalls.visit` is one pass over a network. Each node has a task of its own that asks and then changes the list; what
a node did not say within the budget it did not say. What one node does has no effect on the others. Nodes that were
told to connect are asked once more in what is left of the budget: a connection is there when the call returns.

A-a  A visit ends within BUDGET_S, whatever the nodes do, and changes CHANGES_MAX entries of a list at most. A node that
     answers two calls in that time gets at least one change done.
A-b  A node that fails is asked again after 1, 2, 4 ... seconds, AGAIN_S at most; between, its error stands. Its pod or
     readiness being another, or the credentials, or the number of nodes, it is asked at once.
A-c  A node that fails again and again, and answers between, is `Unsteady` until it did only one of both for STEADY_S.
     What is said of it then stays the same, and it is asked no more often than a node that fails.
A-d  While something changes somebody looks soon again; a node that changes all the time is no reason for that.
A-e  What is remembered is bounded by the nodes of each network, and gone with `forget`; of the lists that nodes
     have only the entries of nodes are among it. A visit holds of each list what it may change, and no more.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Final

from ctrlkit.backoff import Backoff
from ctrlkit.bitcoin.facts import Member, Said, Visit
from ctrlkit.bitcoin.health import Health, NodeHealth, assess
from ctrlkit.bitcoin.mesh import ListChanges, Mesh, list_changes
from ctrlkit.bitcoin.network import NodeState
from ctrlkit.bitcoin.rpc import Answer, Bitcoind, Credentials, Node, NodeUnreachable, RpcError, RpcRefused, Unsteady
from ctrlkit.clock import monotonic
from ctrlkit.model import ObjectKey
from ctrlkit.telemetry import logger

BUDGET_S: Final = 10.0
"""Seconds that a visit may take, for asking and for changes of lists together."""

CHANGES_MAX: Final = 200
"""How many entries of a node's list are changed in a visit."""

ENTRY_CHARS_MAX: Final = 512
"""Longest entry of a list that is looked at; that of a name and a port has 259 at most."""

AGAIN_S: Final = 60.0
"""Most seconds until a node that failed, or a network in which not all is well, is asked again."""

STEADY_S: Final = 600.0
"""So long an unsteady node has to answer, or to fail, until it is no longer taken for unsteady."""

NEWS_MAX: Final = 12
"""How often a node may change until it is no reason any more to look soon again; with STEADY_S of quiet it may anew."""

FALLS_MAX: Final = 2
"""A node that fails so often within STEADY_S, and answers between, is unsteady."""

YOUNG_S: Final = 90.0
"""Seconds in which a new connection need not be there: a node of Bitcoin Core tries its list once a minute."""

EARLIER_S: Final = 30.0
"""So many seconds before a visit, at the least, was what `Visit.earlier` holds."""

_AGAIN: Final = Backoff(base_s=1.0, factor=2.0, cap_s=AGAIN_S)


@dataclass(slots=True)
class _Remembered:
    """What is remembered of a node while its pod is the same one. Times are those of the monotonic clock."""

    uid: str
    is_ready: bool
    failures: int = 0
    """How often it failed since it last answered, or was asked while it was unsteady."""

    error: RpcError | None = None
    """What it said last, if it failed."""

    due_at: float = -math.inf
    fell_at: float = -math.inf
    """When it failed last while its pod was ready."""

    answered_at: float = -math.inf
    falls: int = 0
    """How often it failed after an answer."""

    unsteady: Unsteady | None = None
    young_until: float = -math.inf
    picture: object = None
    """What it showed last: another one is a change."""

    changes: int = 0
    """How often it changed, and was not quiet for STEADY_S between."""

    changed_at: float = -math.inf

    def is_news(self, picture: object, now: float) -> bool:
        """Take note of what it shows; whether that is a change, of a node that does not change all the time."""
        if picture == self.picture:
            return False
        self.changes = self.changes + 1 if now - self.changed_at < STEADY_S else 1
        self.picture, self.changed_at = picture, now
        return self.changes <= NEWS_MAX


@dataclass(slots=True)
class _Sample:
    at: float
    answers: Mapping[str, Answer]

    def without(self, name: str) -> _Sample:
        """Return it without a node that was down since: what it had says nothing of what it has to have."""
        return _Sample(self.at, {other: said for other, said in self.answers.items() if other != name})


@dataclass(slots=True)
class _Network:
    """What is remembered of a network."""

    credentials: Credentials
    nodes: dict[str, _Remembered] = field(default_factory=dict)
    samples: tuple[_Sample, ...] = ()
    """The newest one, and before it the one that is shown as earlier."""

    changed_at: float = -math.inf
    """When a visit showed something else than the one before it."""

    names: frozenset[str] = frozenset()
    last: Visit = field(default_factory=Visit)
    """What the last one found, and of each list the entries that lead to nodes."""

    def young(self, now: float) -> frozenset[str]:
        """Return the nodes whose connections are too new to be missed."""
        return frozenset(name for name, node in self.nodes.items() if node.young_until > now)

    def is_same(self, member: Member) -> bool:
        """Whether a node has the pod of the last visit, and is as ready."""
        node = self.nodes.get(member.name)
        return node is not None and (node.uid, node.is_ready) == (member.uid, member.is_ready)


@dataclass(slots=True)
class _Found:
    """What one node said and got in this visit."""

    answer: Answer | None = None
    error: RpcError | None = None
    changes: ListChanges = field(default_factory=ListChanges)
    added: int = 0
    removed: int = 0

    @property
    def is_unfinished(self) -> bool:
        """Whether there was more to change."""
        planned = len(self.changes.add) + len(self.changes.remove)
        return self.error is None and (self.changes.more or self.added + self.removed < planned)


class NodeCalls:
    """
    Calls the nodes of all networks, and remembers between two passes what has to be.

    Owner   Whoever made `bitcoind` opens and closes it. Visits of different networks may run at once, those of one
            network not.
    """

    def __init__(self, bitcoind: Bitcoind) -> None:
        self._bitcoind = bitcoind
        self._networks: dict[ObjectKey, _Network] = {}

    async def visit(
        self,
        network: ObjectKey,
        members: Sequence[Member],
        credentials: Credentials,
        mesh: Mesh,
        *,
        port: int,
        changes_max: int = CHANGES_MAX,
    ) -> tuple[Visit, Health]:
        """
        Ask each node that has an address, and change its list as the mesh demands; with `changes_max` 0 only ask.

        Returns what they said, and what follows from it.

        Errors  None for nodes: those that fail are in the result.
        """
        known = self._remember(network, members, credentials)
        asked = [
            member
            for member in members
            if member.address and not member.is_deleting and known.nodes[member.name].due_at <= monotonic()
        ]
        found = {member.name: _Found() for member in asked}
        young = known.young(monotonic())
        kept = partial(_kept, entries=mesh.peers | _entries(members, mesh))
        ends_at = asyncio.get_running_loop().time() + BUDGET_S
        handles = {one.name: self._bitcoind.node(one.address, credentials, port=port) for one in asked}
        async with asyncio.TaskGroup() as tasks:
            for member in asked:
                limit = changes_max if member.is_ready else 0
                plan = partial(list_changes, mesh, member.name, members, limit=limit, young=young)
                work = _visit_node(handles[member.name], member.name, kept, plan, found[member.name], ends_at=ends_at)
                tasks.create_task(work, name=f"visit:{member.name}")
        again = _newly_connected(found, members, mesh)
        if again:
            async with asyncio.TaskGroup() as tasks:
                for name in again:
                    work = _ask_again(handles[name], kept, found[name], ends_at=ends_at)
                    tasks.create_task(work, name=f"visit:{name}")
        for name, one in found.items():
            _take_in(known.nodes[name], one)
            if one.added or one.removed:
                logger("bitcoin").info(
                    "peers_changed", network=str(network), node=name, added=one.added, removed=one.removed
                )
        return _outcome(known, members, found, mesh)

    def remembered(self, network: ObjectKey, members: Sequence[Member]) -> Visit:
        """Return what the last visit found, of the nodes that have the same pod as then."""
        known = self._networks.get(network)
        if known is None:
            return Visit()
        same = {member.name for member in members if known.is_same(member)}
        return replace(known.last, said={name: what for name, what in known.last.said.items() if name in same})

    def forget(self, network: ObjectKey) -> None:
        """Drop what is remembered of a network that is gone."""
        self._networks.pop(network, None)

    def _remember(self, network: ObjectKey, members: Sequence[Member], credentials: Credentials) -> _Network:
        """Return what is remembered, of the pods and credentials that there are now."""
        is_new = network not in self._networks
        known = self._networks.setdefault(network, _Network(credentials))
        is_another = credentials != known.credentials or known.nodes.keys() != {member.name for member in members}
        nodes: dict[str, _Remembered] = {}
        for member in members:
            node = known.nodes.get(member.name)
            if node is None or node.uid != member.uid:
                node = _Remembered(member.uid, member.is_ready)
                # Nodes may have run before this controller, so their connections are missed at once.
                node.young_until = -math.inf if is_new else monotonic() + YOUNG_S
                known.samples = tuple(sample.without(member.name) for sample in known.samples)
            elif member.is_ready and not node.is_ready:
                known.samples = tuple(sample.without(member.name) for sample in known.samples)
                node = replace(node, failures=0, error=None, due_at=-math.inf, young_until=monotonic() + YOUNG_S)
            node.is_ready = member.is_ready
            if is_another:
                node.due_at = -math.inf
            nodes[member.name] = node
        known.nodes, known.credentials = nodes, credentials
        return known


async def _visit_node(
    node: Node,
    name: str,
    kept: Callable[[Answer], Answer],
    plan: Callable[[Mapping[str, bool]], ListChanges],
    found: _Found,
    *,
    ends_at: float,
) -> None:
    """Ask a node and change its list, until the budget is over."""
    try:
        async with asyncio.timeout_at(ends_at):
            found.answer = kept(await node.answer())
            found.changes = plan(found.answer.added)
            for peer in found.changes.add:
                await node.add_node(peer)
                found.added += 1
            for entry in found.changes.remove:
                await node.remove_node(entry)
                found.removed += 1
                if entry in found.changes.disconnect:
                    await node.disconnect(entry)
            for peer in found.changes.connect:
                with suppress(NodeUnreachable):  # the call takes as long as the attempt to reach the peer
                    await node.connect(peer)
    except TimeoutError:
        if found.answer is None:
            found.error = NodeUnreachable(f"ask {name}: no answer within the {BUDGET_S:g} s of a visit")
    except RpcError as error:
        found.error = error.with_traceback(None)  # its frames hold the credentials


async def _ask_again(node: Node, kept: Callable[[Answer], Answer], found: _Found, *, ends_at: float) -> None:
    """Ask a node what its connections are now; where it does not say, what it said before them stands."""
    with suppress(RpcError, TimeoutError):
        async with asyncio.timeout_at(ends_at):
            found.answer = kept(await node.answer())


def _newly_connected(found: Mapping[str, _Found], members: Sequence[Member], mesh: Mesh) -> list[str]:
    """Return the nodes that were told to connect in this visit, and those that they were to connect with."""
    told = {name: one.changes.connect for name, one in found.items() if one.changes.connect and one.error is None}
    if not told:
        return []
    entries = {entry for connect in told.values() for entry in connect}
    names = {member.name for member in members if not entries.isdisjoint(mesh.entries(member.address))} | told.keys()
    return [name for name, one in found.items() if name in names and one.answer is not None and one.error is None]


def _take_in(node: _Remembered, found: _Found) -> None:
    """Remember what a node did."""
    now = monotonic()
    if now - min(node.fell_at, node.answered_at) >= STEADY_S:
        node.falls, node.unsteady = 0, None
    has_recovered = node.error is not None and found.error is None
    if has_recovered or found.added:
        node.young_until = now + YOUNG_S
    if found.error is None:
        node.answered_at = now
        node.failures = node.failures + 1 if node.unsteady else 0
    else:
        if node.is_ready:
            node.falls += node.error is None and node.answered_at > -math.inf
            node.fell_at = now
        if node.falls >= FALLS_MAX and node.unsteady is None:
            kind = type(found.error).__name__
            node.unsteady = Unsteady(f"it answers some calls and not others; see its log and its limits [{kind}]")
        node.failures += 1
    if not _is_same(node.error, found.error):  # a refusal may have another text each time
        node.error = found.error
    node.due_at = now + _AGAIN.ceiling_s(node.failures - 1) if node.failures else -math.inf


def _is_same(before: RpcError | None, error: RpcError | None) -> bool:
    """Whether a node refuses again what it refused, in whatever words."""
    return type(before) is type(error) is RpcRefused and before.code == error.code


def _outcome(
    known: _Network, members: Sequence[Member], found: Mapping[str, _Found], mesh: Mesh
) -> tuple[Visit, Health]:
    """Put together what was found and what is remembered, and when to come again."""
    now = monotonic()
    said: dict[str, Said] = {}
    for member in members:
        node, one = known.nodes[member.name], found.get(member.name, _Found())
        what = node.unsteady or node.error or one.answer
        if what is not None and member.address and not member.is_deleting:
            said[member.name] = what
    answers = {name: replace(what, added={}) for name, what in said.items() if isinstance(what, Answer)}
    if not known.samples or now - known.samples[0].at >= EARLIER_S:
        known.samples = (_Sample(now, answers), *known.samples[:1])
    visit = Visit(
        said=said,
        earlier=known.samples[1].answers if len(known.samples) > 1 else {},
        young=known.young(now),
        unfinished=frozenset(name for name, one in found.items() if one.is_unfinished),
    )
    known.last = replace(visit, said=_of_members(said, members, mesh))
    health, is_changed = assess(members, visit, mesh), any(one.added or one.removed for one in found.values())
    return replace(visit, again_s=_again_s(known, health, visit, now, is_changed=is_changed)), health


def _entries(members: Sequence[Member], mesh: Mesh) -> frozenset[str]:
    """Return the entries that lead to nodes of the network."""
    return frozenset(entry for member in members if member.address for entry in mesh.entries(member.address))


def _kept(answer: Answer, *, entries: Collection[str]) -> Answer:
    """Return an answer with these entries of its list, and of the others the first that a visit may change."""
    strangers = (entry for entry in answer.added if entry not in entries and len(entry) <= ENTRY_CHARS_MAX)
    there = [entry for entry in entries if entry in answer.added]
    # One more than may be changed, so that it shows that there are more.
    return replace(
        answer, added={entry: answer.added[entry] for entry in (*there, *islice(strangers, CHANGES_MAX + 1))}
    )


def _of_members(said: Mapping[str, Said], members: Sequence[Member], mesh: Mesh) -> Mapping[str, Said]:
    """Return what nodes said, with no entries of their lists but those that lead to nodes of the network."""
    ours = _entries(members, mesh)

    def bounded(what: Said) -> Said:
        if not isinstance(what, Answer):
            return what
        return replace(what, added={entry: what.added[entry] for entry in ours & what.added.keys()})

    return {name: bounded(what) for name, what in said.items()}


def _again_s(known: _Network, health: Health, visit: Visit, now: float, *, is_changed: bool) -> float:
    """
    Return when to come again: after as long as nothing changed, and never when all is well.

    Where lists were changed in this visit, somebody looks whether what is well stays so.
    """
    ready = {name: node for name, node in known.nodes.items() if node.is_ready}
    is_well = health.seen == health.wanted and not visit.unfinished
    is_well &= all(health.nodes[name] == NodeHealth(NodeState.AT_TIP) for name in ready)
    before, known.names = known.names, frozenset(known.nodes)
    news = [node.is_news(_picture(known, name, health), now) for name, node in known.nodes.items()]
    if any(news) or known.names != before:
        known.changed_at = now
    if is_well and not is_changed:
        return math.inf
    moments = [moment for node in ready.values() for moment in (node.due_at, node.young_until) if moment > now]
    return min([min(AGAIN_S, max(_AGAIN.base_s, now - known.changed_at)), *(moment - now for moment in moments)])


def _picture(known: _Network, name: str, health: Health) -> object:
    """Return what the last visit showed of a node: what it does, and whom it has connected."""
    said = known.last.said.get(name)
    added = said.added if isinstance(said, Answer) else {}
    connected = frozenset(entry for entry, is_connected in added.items() if is_connected)
    return health.nodes[name].state, connected, name in known.last.unfinished
