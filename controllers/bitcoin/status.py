"""
The status of a network: its nodes, its conditions, and which of them lead to a Warning event. Pure.

Condition             True                                          False
Available             every node is ready, connected, at the tip    what is missing
Progressing           the controller waits for something            the spec is reached, or a person has to act
CredentialsAvailable  a Secret has them, and the nodes accept them  what is wrong with the Secret
Connected             the nodes see each other, or their peers      who sees whom
UpToDate              every node has what the spec says             how far the rollout is, or why there is none

Each is there always, and Unknown where nothing was found out. Messages contain nothing that changes without a change
of the facts, so that the status is written only then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ctrlkit import clock
from ctrlkit.bitcoin.facts import Member, Provision, Said
from ctrlkit.bitcoin.health import Health, Link
from ctrlkit.bitcoin.layout import groups_of
from ctrlkit.bitcoin.names import config_name, selector, service_name
from ctrlkit.bitcoin.network import (
    CHAINS,
    MAIN_GROUP,
    BitcoinNetwork,
    GroupStatus,
    NodeState,
    NodeStatus,
    Status,
    Topology,
)
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.rollout import Progress, Step
from ctrlkit.bitcoin.rpc import Answer, BadCredentials
from ctrlkit.model import Condition, set_conditions

AVAILABLE: Final = "Available"
PROGRESSING: Final = "Progressing"
CREDENTIALS_AVAILABLE: Final = "CredentialsAvailable"
CONNECTED: Final = "Connected"
UP_TO_DATE: Final = "UpToDate"
NAMED_MAX: Final = 5
"""Most names in one list of a message."""


PATIENCE: Final = timedelta(minutes=10)
"""So long a node that has the new spec may take to come to the tip until a rollout is said to have stopped."""

NOBODY_ASKED: Final = Health(
    nodes={}, height=None, tip="", at_tip=frozenset(), link=Link.CONNECTED, parts=(), seen=0, wanted=0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """
    The results of one reconcile.

    Shape   `members` are all nodes that the spec asks for, in its order, each with what its pod suffers from. `said`
            is what they said, by name, and `health` what follows from it. `blocked`: why a child of the network is
            missing; then nothing else was checked.
    """

    members: tuple[Member, ...]
    said: Mapping[str, Said] = field(default_factory=dict)
    health: Health = NOBODY_ASKED
    topology: Topology | None = None
    step: Step | None = None
    provision: Provision = field(default_factory=Provision)
    blocked: Trouble | None = None
    now: datetime = field(default_factory=clock.now)

    def named(self, *states: NodeState) -> list[str]:
        """The names of the nodes in one of these states."""
        return [one.name for one in self.members if self.state(one) in states]

    def state(self, member: Member) -> NodeState:
        """What a node is doing."""
        if member.name in self.health.nodes:
            return self.health.nodes[member.name].state
        return NodeState.STARTING if member.uid and not (member.is_deleting or member.trouble) else NodeState.WAITING

    def message(self, member: Member) -> str:
        """Why a node is not at the tip."""
        known = self.health.nodes.get(member.name)
        said = known.message if known is not None else ""
        return member.trouble or member.held_back or said or ("" if member.uid else self.kept_back)

    @property
    def kept_back(self) -> str:
        """Why no pod is made."""
        trouble = self.blocked or (self.provision.trouble if not self.said else None)
        return "" if trouble is None else trouble.message

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What nodes answered, by name."""
        return {name: said for name, said in self.said.items() if isinstance(said, Answer)}

    @property
    def refusing(self) -> list[str]:
        """The names of the nodes that do not accept the credentials."""
        return [one.name for one in self.members if isinstance(self.said.get(one.name), BadCredentials)]

    @property
    def rollout(self) -> Step | None:
        """What is done to bring the spec to nodes that have an older one; None where there are none."""
        is_on = self.step is not None and any(one.uid and not one.is_updated for one in self.members)
        return self.step if is_on else None

    @property
    def has_stopped(self) -> bool:
        """Whether it is time to say that a rollout does not go on: a node that has the new spec fails, or is late."""
        return any(one.trouble or self.state(one) in _FAILING or self._is_late(one) for one in self.waited_for)

    @property
    def waited_for(self) -> list[Member]:
        """The nodes that have the new spec and are not at the tip."""
        return [one for one in self.members if one.is_updated and self.state(one) is not NodeState.AT_TIP]

    def _is_late(self, member: Member) -> bool:
        return bool(member.created) and datetime.fromisoformat(member.created) + PATIENCE <= self.now

    @property
    def link(self) -> Link | None:
        """Whether the nodes see each other; None where that is not known."""
        return self.health.link if self.health.parts else None


_FAILING: Final = frozenset({NodeState.UNREACHABLE, NodeState.UNSTEADY, NodeState.ISOLATED})


def status_of(network: BitcoinNetwork, findings: Findings) -> Status:
    """Return the new status; equal to the network's own if nothing changed."""
    conditions = [
        next(rules(network, findings)) for rules in (_available, _progressing, _credentials, _connected, _up_to_date)
    ]
    name, generation = network.metadata.name, network.metadata.generation
    own = {"app": name} if findings.provision.made_before else selector(name, MAIN_GROUP)
    return Status(
        observed_generation=generation,
        replicas=sum(bool(one.uid) for one in findings.members if one.group == MAIN_GROUP),
        selector=",".join(f"{label}={value}" for label, value in sorted(own.items())),
        ready_nodes=sum(one.is_ready for one in findings.members),
        height=findings.health.height,
        topology=findings.topology,
        storage="Ephemeral" if _is_ephemeral(network, findings) else "Persistent",
        groups=tuple(_group(group, network.status, findings) for group in groups_of(network.spec)),
        nodes=tuple(_node(name, one, findings, told_before(network.status, one)) for one in findings.members),
        conditions=set_conditions(network.status.conditions, conditions, generation=generation),
    )


def refused_status(current: Status, *, generation: int, why: str) -> Status:
    """Return the status of a network whose spec cannot be used: its old nodes, and what to correct."""
    message = f"the network is left as it is, because its spec cannot be used: {why}; correct it"
    conditions = [_false(kind, Reason.SPEC_NOT_UNDERSTOOD, message) for kind in (AVAILABLE, PROGRESSING)]
    return msgspec.structs.replace(
        current,
        observed_generation=generation,
        conditions=set_conditions(current.conditions, conditions, generation=generation),
    )


# ---- nodes and groups -----------------------------------------------------------------------------------------------


def told_before(status: Status, member: Member) -> NodeStatus | None:
    """
    Return what a status tells of a node, of its pod or of one before.

    A pod has several addresses in its life, and its chain stays; one that is made anew has its chain from its claim or
    from others, and until it says how much it has, it counts as having what the one before had.
    """
    return next((one for one in status.nodes if one.node_name == member.name), None)


def heights_seen(status: Status, findings: Findings) -> Mapping[str, int]:
    """Return the height at which each node was last seen, now or when this status was written."""
    before = [told for one in findings.members if (told := told_before(status, one)) is not None]
    known = {told.node_name: told.height for told in before if told.height is not None}
    return known | {name: answer.height for name, answer in findings.answers.items()}


def _node(network: str, member: Member, findings: Findings, before: NodeStatus | None) -> NodeStatus:
    """Return the status of a node; one that says nothing keeps what was last seen of it, but for its connections."""
    answer = findings.answers.get(member.name)
    return NodeStatus(
        ordinal=member.ordinal,
        ready=member.is_ready,
        ip=member.address,
        node_name=member.name,
        dns_name=f"{member.name}.{service_name(network)}",
        group="" if member.group == MAIN_GROUP else member.group,
        state=findings.state(member),
        message=findings.message(member),
        version=answer.agent if answer is not None else before.version if before is not None else "",
        height=answer.height if answer is not None else before.height if before is not None else None,
        tip=answer.tip if answer is not None else before.tip if before is not None else "",
        connections=answer.connections if answer is not None else None,
    )


def _group(name: str, before: Status, findings: Findings) -> GroupStatus:
    """An image stays told while nothing that runs it is there, as it is what will run again."""
    told = next((one for one in before.groups if one.name == name), None)
    members = [one for one in findings.members if one.group == name]
    return GroupStatus(
        name=name,
        nodes=len(members),
        ready=sum(one.is_ready for one in members),
        updated=sum(one.is_updated for one in members),
        image=findings.provision.images.get(name) or (told.image if told is not None else ""),
        written_by=findings.provision.written_by.get(name, told.written_by if told is not None else ""),
    )


def _is_ephemeral(network: BitcoinNetwork, findings: Findings) -> bool:
    return network.spec.storage.ephemeral or bool(findings.provision.made_before)


# ---- conditions: each function yields what holds, and the first is told ----------------------------------------------


def _available(network: BitcoinNetwork, findings: Findings) -> Iterator[Condition]:
    ephemeral = "; storage is ephemeral: what a node has goes with its pod" if _is_ephemeral(network, findings) else ""
    for trouble in _missing(network, findings):
        yield _false(AVAILABLE, trouble.reason, trouble.message + ephemeral)
    count = len(findings.members)
    if count == 1:
        told = "the one node is ready and at the tip"
    elif CHAINS[network.spec.chain].is_meshed:
        told = f"all {count} nodes are ready, connected and at the tip"
    else:
        told = f"all {count} nodes are ready and at the tip"
    yield _true(AVAILABLE, Reason.NODES_CONNECTED, told + ephemeral)


def _missing(network: BitcoinNetwork, findings: Findings) -> Iterator[Trouble]:
    """Yield what keeps a network from being available, the worst first."""
    if findings.blocked is not None:
        yield findings.blocked
    if not findings.members:
        yield Trouble(Reason.NO_NODES, "the spec asks for no nodes")
    if findings.provision.trouble is not None and not findings.said:
        yield _no_credentials(findings.provision.trouble)
    failing = [one for one in findings.members if one.trouble]
    if failing:
        yield Trouble(Reason.NODES_FAILING, _failing(failing))
    if findings.refusing:
        yield _refused(network, findings)
    if findings.link is Link.PARTITIONED:
        yield _partitioned(findings)
    yield from _not_at_tip(network, findings)
    if findings.link is Link.CONNECTING:
        yield Trouble(Reason.CONNECTING, _CONNECTING)


def _not_at_tip(network: BitcoinNetwork, findings: Findings) -> Iterator[Trouble]:
    if not CHAINS[network.spec.chain].is_meshed and findings.named(NodeState.ISOLATED):
        yield _without_peers(network, findings)
    for states, reason, verb in _STATES:
        found = [one for one in findings.members if findings.state(one) in states]
        if found:
            serving = f"{len(findings.named(NodeState.AT_TIP))} of {_nodes(len(findings.members), ' is', ' are')}"
            yield Trouble(reason, f"{serving} at the tip; {verb} {_with_message(found, findings)}")


_STATES: Final = (
    ((NodeState.UNREACHABLE,), Reason.NODES_UNREACHABLE, "no answer of"),
    ((NodeState.UNSTEADY,), Reason.NODES_UNSTEADY, "answers now and then:"),
    ((NodeState.WAITING, NodeState.STARTING), Reason.NODES_STARTING, "waiting for"),
    ((NodeState.ISOLATED,), Reason.CONNECTING, "not connected:"),
    ((NodeState.BEHIND,), Reason.NODES_BEHIND, "behind:"),
)


_CONNECTING: Final = "the nodes are about to be connected"


def _with_message(members: Sequence[Member], findings: Findings) -> str:
    """Return the names of some nodes, and what is known of the first; heights, which go up, stand with the nodes."""
    names, first = _listed([one.name for one in members]), members[0]
    message = "" if findings.state(first) is NodeState.BEHIND else findings.message(first)
    return f"{names} ({message})" if message else names


def _failing(members: Sequence[Member]) -> str:
    """
    Return what the pods of nodes suffer from: one trouble with all who have it, and how many have others.

    >>> troubles = {"net-sts-0": "no disk", "net-sts-1": "no disk", "net-sts-2": "no image"}
    >>> _failing([Member(name=name, group="main", ordinal=0, trouble=text) for name, text in troubles.items()])
    'net-sts-0, net-sts-1: no disk; see status.nodes for 1 more'
    """
    having: dict[str, list[str]] = {}
    for one in members:
        having.setdefault(one.trouble, []).append(one.name)
    trouble, names = max(having.items(), key=lambda item: len(item[1]))
    more = len(members) - len(names)
    return f"{_listed(names)}: {trouble}" + (f"; see status.nodes for {more} more" if more else "")


def _refused(network: BitcoinNetwork, findings: Findings) -> Trouble:
    """
    Say what to do about nodes that were started with other credentials, which the controller knows no more.

    Never to delete a pod that has the only copy of its chain.
    """
    back = f"put Secret {config_name(network.metadata.name)} back as it was when the pods were made"
    if findings.provision.made_before:
        way = "name the Secret that its pods were started with in spec.secret"
    elif network.spec.storage.ephemeral:
        way = back
    else:
        way = (
            f"{back}, or delete these pods one after another, each when the one before is ready: their chains stay on "
            "their claims"
        )
    told = f"{_listed(findings.refusing)} refused the network's credentials; {way}"
    return Trouble(Reason.CREDENTIALS_REFUSED, told)


def _progressing(network: BitcoinNetwork, findings: Findings) -> Iterator[Condition]:
    step, count = findings.rollout, len(findings.members)
    if findings.blocked is not None:
        yield _false(PROGRESSING, findings.blocked.reason, findings.blocked.message)
    if network.spec.paused:
        yield _false(PROGRESSING, Reason.PAUSED, _PAUSED)
    if findings.provision.trouble is not None and not findings.said:
        trouble = _no_credentials(findings.provision.trouble)
        yield _false(PROGRESSING, trouble.reason, trouble.message)
    yield from _removal(PROGRESSING, findings)
    if step is not None and step.progress in _ROLLOUTS and not findings.provision.made_before:
        yield _of_rollout(PROGRESSING, step, findings)
    for missing in _missing(network, findings):
        if missing.reason is Reason.NODES_FAILING and not any(map(_is_on_its_way, findings.members)):
            yield _false(PROGRESSING, missing.reason, missing.message)
        if missing.reason is Reason.NO_PEERS:
            yield _false(PROGRESSING, missing.reason, missing.message)
        if missing.reason is not Reason.NO_NODES:
            reason = missing.reason if missing.reason in _WAITED_FOR else Reason.CONNECTING
            yield _true(PROGRESSING, reason, missing.message)
    if findings.provision.refused:
        yield _false(PROGRESSING, Reason.CHANGE_REFUSED, _change_refused(findings))
    told = f"the network has the {_nodes(count)} it asks for" if count else "the network rests"
    yield _false(PROGRESSING, Reason.SETTLED, told)


def _is_on_its_way(member: Member) -> bool:
    """Whether a pod will be ready if nobody does anything; one that is not made waits for those that cannot be."""
    return bool(member.uid) and not (member.trouble or member.is_ready)


def _change_refused(findings: Findings) -> str:
    return f"a change is not made: {findings.provision.refused}"


_PAUSED: Final = "spec.paused is true: nothing is changed until it is false"
_WAITED_FOR: Final = frozenset({Reason.NODES_STARTING, Reason.NODES_BEHIND})


def _credentials(network: BitcoinNetwork, findings: Findings) -> Iterator[Condition]:
    kind = CREDENTIALS_AVAILABLE
    if findings.blocked is not None:
        yield _unknown(kind, findings.blocked)
    if findings.provision.trouble is not None:
        yield _false(kind, findings.provision.trouble.reason, findings.provision.trouble.message)
    if findings.refusing:
        trouble = _refused(network, findings)
        yield _false(kind, trouble.reason, trouble.message)
    if findings.provision.is_rotating:
        yield _true(kind, Reason.ROTATING, "other credentials come into force when every node accepts them")
    if network.spec.secret:
        yield _true(kind, Reason.SECRET_FOUND, f"secret {network.spec.secret} is complete")
    if findings.provision.secret:
        yield _true(kind, Reason.SECRET_GENERATED, f"secret {findings.provision.secret} was made, as none is named")
    yield _true(kind, Reason.DEFAULT_CREDENTIALS, "no secret is named: the nodes use the defaults of their image")


def _connected(network: BitcoinNetwork, findings: Findings) -> Iterator[Condition]:
    count, answering = len(findings.members), sum(map(len, findings.health.parts))
    if findings.blocked is not None:
        yield _unknown(CONNECTED, findings.blocked)
    if not CHAINS[network.spec.chain].is_meshed:
        yield _with_own_peers(network, findings)
    if findings.link is None:
        yield _unknown(CONNECTED, Trouble(Reason.NOT_KNOWN, "no node that is ready has answered"))
    if findings.link is Link.PARTITIONED:
        trouble = _partitioned(findings)
        yield _false(CONNECTED, trouble.reason, trouble.message)
    if findings.link is Link.CONNECTING:
        yield _false(CONNECTED, Reason.CONNECTING, _CONNECTING)
    if findings.topology in _CONNECTIONS:
        reason, how = _CONNECTIONS[findings.topology]
        who = "all nodes" if answering == count else f"the {answering} of {_nodes(count)} that answer"
        yield _true(CONNECTED, reason, f"{who} are connected, {how}")
    yield _true(CONNECTED, Reason.ONE_NODE, "there is no other node to connect with")


_CONNECTIONS: Final[Mapping[Topology | None, tuple[Reason, str]]] = {
    Topology.FULL_MESH: (Reason.FULL_MESH, "each with every other"),
    Topology.RINGS: (Reason.RINGS, "each with some of the others, in rings"),
    Topology.PUBLIC: (Reason.OWN_PEERS, "through the peers in spec.peers"),
}


def _with_own_peers(network: BitcoinNetwork, findings: Findings) -> Condition:
    """The nodes of a public chain find their peers themselves, and that is told as a warning."""
    chain = network.spec.chain
    if findings.named(NodeState.ISOLATED):
        trouble = _without_peers(network, findings)
        return _false(CONNECTED, trouble.reason, trouble.message)
    told = (
        f"chain {chain} is public: the nodes find peers on the internet themselves and the controller connects none; "
        "they need a way out, and as much disk and time as the chain is long"
    )
    status = "True" if findings.link else "Unknown"
    return Condition(type=CONNECTED, status=status, reason=Reason.PUBLIC_PEERS, message=told)


def _without_peers(network: BitcoinNetwork, findings: Findings) -> Trouble:
    chain, alone = network.spec.chain, findings.named(NodeState.ISOLATED)
    port = CHAINS[chain].p2p_port
    told = f"without peers: {_listed(alone)}; see that their pods reach nodes of chain {chain} at port {port}"
    return Trouble(Reason.NO_PEERS, told)


def _partitioned(findings: Findings) -> Trouble:
    parts = [_listed(part) for part in findings.health.parts]
    return Trouble(
        Reason.PARTITIONED,
        f"the nodes are parted and may follow different chains: {_listed(parts, ' | ')}; see that their pods reach "
        "each other at the P2P port: NetworkPolicies, routes between Kubernetes nodes",
    )


def _up_to_date(network: BitcoinNetwork, findings: Findings) -> Iterator[Condition]:
    step, count = findings.rollout, len(findings.members)
    if findings.blocked is not None:
        yield _unknown(UP_TO_DATE, findings.blocked)
    if findings.provision.refused:
        yield _false(UP_TO_DATE, Reason.CHANGE_REFUSED, _change_refused(findings))
    yield from _removal(UP_TO_DATE, findings)
    if findings.provision.made_before:
        yield _false(UP_TO_DATE, Reason.MADE_BEFORE, findings.provision.made_before)
    if network.spec.paused:
        yield _unknown(UP_TO_DATE, Trouble(Reason.PAUSED, _PAUSED))
    if findings.provision.trouble is not None and not any(one.uid for one in findings.members):
        yield _unknown(UP_TO_DATE, _no_credentials(findings.provision.trouble))
    if findings.step is None and not all(one.is_updated for one in findings.members):
        yield _false(UP_TO_DATE, Reason.ROLLING_OUT, "the spec is about to be brought to the nodes")
    if step is not None and step.progress in _ROLLOUTS:
        yield _of_rollout(UP_TO_DATE, step, findings)
    told = {0: "there are no nodes", 1: "the one node has what the spec says"}.get(
        count, f"all {count} nodes have what the spec says"
    )
    there = sum(bool(one.uid) for one in findings.members)
    if there < count:
        told = f"{there} of {_nodes(count, ' is', ' are')} there, with what the spec says"
    if findings.provision.newer_image:
        told += (
            f"; a new network would get image {findings.provision.newer_image}: name it in spec.image to roll it out"
        )
        yield _true(UP_TO_DATE, Reason.NEWER_DEFAULT, told)
    yield _true(UP_TO_DATE, Reason.UP_TO_DATE, told)


_ROLLOUTS: Final = {
    Progress.REPLACING: Reason.ROLLING_OUT,
    Progress.WAITING: Reason.ROLLING_OUT,
    Progress.STOPPED: Reason.ROLLOUT_STOPPED,
    Progress.BLOCKED: Reason.ROLLOUT_BLOCKED,
}


def _of_rollout(kind: str, step: Step, findings: Findings) -> Condition:
    reason, why = _ROLLOUTS[step.progress], step.why
    if reason is Reason.ROLLOUT_STOPPED and not findings.has_stopped:
        reason, why = Reason.ROLLING_OUT, f"waits{why.removeprefix('stops')}"
    if reason is Reason.ROLLOUT_STOPPED:
        why = f"{_with_cause(why, findings)}; correct the spec if it is at fault"
    told = f"{step.updated} of {_nodes(step.nodes, ' has', ' have')} what the spec says; the rollout {why}"
    goes_on = kind == PROGRESSING and reason is Reason.ROLLING_OUT
    return _true(kind, reason, told) if goes_on else _false(kind, reason, told)


def _with_cause(why: str, findings: Findings) -> str:
    """Return why a rollout stops, and why the node that it waits for does not come, unless that is said already."""
    message = next(map(findings.message, findings.waited_for), "")
    return why if not message or message in why else f"{why}: {message}"


def _removal(kind: str, findings: Findings) -> Iterator[Condition]:
    if findings.provision.removal:
        condition = _true if kind == PROGRESSING else _false
        yield condition(kind, Reason.REMOVAL_WAITS, findings.provision.removal)


def _no_credentials(trouble: Trouble) -> Trouble:
    return Trouble(Reason.CREDENTIALS_MISSING, f"the nodes wait for credentials: {trouble.message}")


def _true(kind: str, reason: Reason, message: str) -> Condition:
    return Condition(type=kind, status="True", reason=reason, message=message)


def _false(kind: str, reason: Reason, message: str) -> Condition:
    return Condition(type=kind, status="False", reason=reason, message=message)


def _unknown(kind: str, trouble: Trouble) -> Condition:
    return Condition(type=kind, status="Unknown", reason=trouble.reason, message=trouble.message)


def _nodes(count: int, verb_of_one: str = "", verb_of_more: str = "") -> str:
    return f"1 node{verb_of_one}" if count == 1 else f"{count} nodes{verb_of_more}"


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    more = len(names) - NAMED_MAX
    return separator.join(names[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
