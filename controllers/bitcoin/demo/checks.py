"""
The conditions that are checked at each step. Pure: from objects and facts to a Finding.

The checks do not use the controller's code, so an error passes only if both are wrong in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ctrlkit.bitcoin.network import BitcoinNetwork, NodeStatus
from ctrlkit.bitcoin.rpc import peer_address
from ctrlkit.model import ObjectMeta, Unstructured


@dataclass(frozen=True, slots=True)
class Holds:
    """The condition holds; `detail` says what was found."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """The condition does not hold yet; `detail` says what was found instead."""

    detail: str


Finding = Holds | NotYet


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """
    The state of one node, from its network's status and from the node itself.

    Shape   `entries` are its list of added nodes, `peers` its connections, `blocks` the height of its chain; None for a
            node that is not ready, or did not answer, in which case `error` says why.
    """

    name: str
    ready: bool
    address: str
    entries: frozenset[str] | None = None
    peers: int | None = None
    blocks: int | None = None
    error: str = ""


def children_fit(
    network: BitcoinNetwork | None, service: Unstructured | None, stateful_set: Unstructured | None
) -> Finding:
    """Check that Service and StatefulSet exist and match the network."""
    if network is None:
        return NotYet("the network is not there")
    if service is None or stateful_set is None:
        missing = [name for name, child in (("Service", service), ("StatefulSet", stateful_set)) if child is None]
        return NotYet(f"no {' and no '.join(missing)} yet")
    wrong = [*_service_faults(network, service), *_stateful_set_faults(network, stateful_set)]
    if wrong:
        return NotYet("; ".join(wrong))
    (container,) = stateful_set.at("spec.template.spec.containers")
    return Holds(
        f"Service {service.metadata.name} is headless, StatefulSet {stateful_set.metadata.name} wants "
        f"{network.spec.nodes} pods of {container['image']} with a claim each; the network owns both",
    )


def _service_faults(network: BitcoinNetwork, service: Unstructured) -> list[str]:
    faults = _owner_faults(network, "Service", service.metadata)
    if service.at("spec.clusterIP") != "None":
        faults.append(f"the Service is not headless: its clusterIP is {service.at('spec.clusterIP') or 'not set'}")
    if service.at("spec.selector") != _own_labels(network):
        faults.append(f"the Service selects {service.at('spec.selector')}")
    return faults


def _stateful_set_faults(network: BitcoinNetwork, stateful_set: Unstructured) -> list[str]:
    name, at = network.metadata.name, stateful_set.at
    faults = _owner_faults(network, "StatefulSet", stateful_set.metadata)
    if at("spec.replicas") != network.spec.nodes:
        faults.append(f"the StatefulSet wants {at('spec.replicas')} pods, the network {network.spec.nodes}")
    if at("spec.serviceName") != f"{name}-svc":
        faults.append(f"the StatefulSet's service is {at('spec.serviceName') or 'not set'}")
    selector, labels = at("spec.selector.matchLabels"), at("spec.template.metadata.labels")
    if not (_own_labels(network).items() <= selector.items() <= labels.items()):
        faults.append(f"the StatefulSet selects {selector} of pods with {labels}")
    if [template["metadata"]["name"] for template in at("spec.volumeClaimTemplates") or ()] != ["data"]:
        faults.append("the pods have no claim for their chain")
    match at("spec.template.spec.containers"):
        case [container]:
            faults += _container_faults(container)
        case containers:
            faults.append(f"the pods have {len(containers)} containers")
    return faults


def _container_faults(container: Mapping[str, Any]) -> list[str]:
    faults = []
    probe = container.get("readinessProbe") or {}
    if "getblockchaininfo" not in ((probe.get("exec") or {}).get("command") or ()):
        faults.append("the readiness probe does not ask the node")
    said = [*(container.get("args") or ()), *(one["name"] for one in container.get("env") or ())]
    shown = [word for word in said if "password" in word.lower() or "rpcauth" in word.lower()]
    if shown or container.get("envFrom"):
        faults.append(f"the pods show credentials in {', '.join(shown) or 'their environment'}")
    return faults


def _own_labels(network: BitcoinNetwork) -> dict[str, str]:
    return {"bitcoincontroller.christianb93.github.com/network": network.metadata.name}


def _owner_faults(network: BitcoinNetwork, kind: str, child: ObjectMeta) -> list[str]:
    return [] if child.is_controlled_by(network.metadata) else [f"the {kind} is not owned by the network"]


def all_ready(network: BitcoinNetwork | None, *, nodes: int) -> Finding:
    """Check that the network's status lists so many nodes, of all groups, and all of them are ready."""
    found = () if network is None else network.status.nodes
    ready = sum(node.ready for node in found)
    waiting = ", ".join(node.node_name for node in found if not node.ready)
    detail = f"{ready} of {nodes} ready in the network's status" + (f", waiting for {waiting}" if waiting else "")
    complete = len({node.node_name for node in found}) == nodes and all(node.ip for node in found)
    return Holds(detail) if complete and ready == nodes else NotYet(detail)


def all_answer(facts: Sequence[NodeFacts]) -> Finding:
    """Check that each node answers."""
    silent = [fact for fact in facts if fact.blocks is None]
    if silent:
        return NotYet("; ".join(_silence(fact) for fact in silent))
    return Holds(f"all {len(facts)} answer")


def in_full_mesh(facts: Sequence[NodeFacts], *, nodes: int) -> Finding:
    """Check that there are so many nodes, and every two are connected, one having the other on its list."""
    if len(facts) != nodes:
        return NotYet(f"{len(facts)} nodes, want {nodes}")
    answering = all_answer(facts)
    if isinstance(answering, NotYet):
        return answering
    lists = {fact.address: frozenset(peer_address(entry) for entry in fact.entries or ()) for fact in facts}
    for one, other in combinations(facts, 2):
        if other.address not in lists[one.address] and one.address not in lists[other.address]:
            return NotYet(f"neither {one.name} nor {other.name} has the other on its list")
    for fact in facts:
        strangers = lists[fact.address] - lists.keys()
        if strangers:
            return NotYet(f"{fact.name} still has {', '.join(sorted(strangers))} on its list")
        if (fact.peers or 0) < nodes - 1:
            return NotYet(f"{fact.name} has {fact.peers or 0} of {nodes - 1} connections")
    peers = [fact.peers or 0 for fact in facts]
    return Holds(f"every two are connected, by an entry on a list of either; {_range(peers)} connections each")


MESH_MAX: int = 17
"""Up to so many nodes all are connected with each other; more are connected over others."""


def meshed(facts: Sequence[NodeFacts], *, nodes: int) -> Finding:
    """Check that there are so many nodes, connected with each other, or where they are many, over others."""
    return in_full_mesh(facts, nodes=nodes) if nodes <= MESH_MAX else in_one_piece(facts, nodes=nodes)


def in_one_piece(facts: Sequence[NodeFacts], *, nodes: int) -> Finding:
    """Check that there are so many nodes, and each is reached from each over entries that are on lists."""
    if len(facts) != nodes:
        return NotYet(f"{len(facts)} nodes, want {nodes}")
    answering = all_answer(facts)
    if isinstance(answering, NotYet):
        return answering
    near: dict[str, set[str]] = {fact.address: set() for fact in facts}
    for fact in facts:
        for peer in map(peer_address, fact.entries or ()):
            if peer not in near:
                return NotYet(f"{fact.name} still has {peer} on its list")
            near[fact.address].add(peer)
            near[peer].add(fact.address)
    reached = {facts[0].address}
    while more := {peer for address in reached for peer in near[address]} - reached:
        reached |= more
    if len(reached) < nodes:
        return NotYet(f"{len(reached)} of {nodes} nodes are reached from {facts[0].name}")
    alone = [fact.name for fact in facts if not fact.peers]
    if alone:
        return NotYet(f"{', '.join(alone)} without a connection")
    return Holds(f"all {nodes} are connected, over {_range([len(peers) for peers in near.values()])} others each")


def at_height(facts: Sequence[NodeFacts], *, blocks: int) -> Finding:
    """Check that all nodes answer and have exactly so many blocks."""
    answering = all_answer(facts)
    if isinstance(answering, NotYet):
        return answering
    behind = [f"{fact.name} has {fact.blocks}" for fact in facts if fact.blocks != blocks]
    if behind or not facts:
        return NotYet(f"{', '.join(behind) or 'no node is there'}, want {blocks} blocks")
    return Holds(f"all {len(facts)} nodes have {blocks} blocks")


def on_no_list(address: str, facts: Sequence[NodeFacts]) -> Finding:
    """Check that all ready nodes answer, and none has the address on its list."""
    asked = [fact for fact in facts if fact.ready]
    answering = all_answer(asked)
    if isinstance(answering, NotYet):
        return answering
    holders = [fact.name for fact in asked if address in {peer_address(entry) for entry in fact.entries or frozenset()}]
    if holders:
        return NotYet(f"{address} is still on the list of {', '.join(holders)}")
    if not asked:
        return NotYet("no node is ready")
    return Holds(f"{address} is on no list of {', '.join(fact.name for fact in asked)}")


def replaced(node: NodeStatus | None, *, uid: str, old_uid: str, address: str) -> Finding:
    """Check that a node has a new pod (`uid`, empty while there is none), which is ready in the status."""
    if not uid or uid == old_uid:
        return NotYet("the old pod is still there" if uid else "there is no new pod yet")
    if node is None or not node.ready or node.ip != address:
        return NotYet("the new pod is not ready yet")
    return Holds(f"its replacement at {address} is ready")


def is_gone(left: Mapping[str, int]) -> Finding:
    """Check that no object is left; `left` counts them by kind."""
    remains = [f"{count} {kind}" for kind, count in left.items() if count]
    return NotYet("left: " + ", ".join(remains)) if remains else Holds(f"no {', no '.join(left)}")


def _silence(fact: NodeFacts) -> str:
    return fact.error or f"{fact.name} is not ready"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
