"""
Which nodes that the spec has no more stay for now, because what is lost with them is nowhere else. Pure.

A group that is removed, and nodes that are scaled away, take their chain along where storage is ephemeral, or where the
claims are deleted with them. They go while a node that stays serves at the height of each: its pod is ready, and the
node was at the tip when it was last asked. Until then the network is seen to as if the spec had them still.

G-a  Nothing is remembered: what the status tells of the nodes, and what the caches show, decides each time.
G-b  A node whose height is not known counts as higher than all, unless it has nothing: a pod that never ran, or is not
     there, and no claim.
G-c  Of a network that is to have no nodes at all, or is deleted, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from ctrlkit.bitcoin.layout import groups_of
from ctrlkit.bitcoin.names import claim_name, pod_name, statefulset_name
from ctrlkit.bitcoin.network import MAIN_GROUP, BitcoinNetwork, Group, NodeState, NodeStatus, Retention
from ctrlkit.bitcoin.objects import STATEFULSETS, Claim, Pod, StatefulSet
from ctrlkit.bitcoin.owned import owner_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """
    What goes on of a network for now.

    Shape   `wanted`: the network with as many nodes of its groups as stay. `network`: it, with the groups that the spec
            has no more, which are named in `groups`; their StatefulSets are left as they are. `why`: who stays and what
            for; empty where all may go.
    """

    wanted: BitcoinNetwork
    network: BitcoinNetwork
    groups: frozenset[str] = field(default_factory=frozenset)
    why: str = ""


def removal_of(
    network: BitcoinNetwork, statefulsets: Iterable[StatefulSet], pods: Iterable[Pod], claims: Iterable[Claim]
) -> Removal:
    """Return what of a network stays though its spec asks for less."""
    counts = groups_of(network.spec)
    if not sum(counts.values()):
        return Removal(wanted=network, network=network)
    pod_of = {pod.metadata.name: pod for pod in pods}
    claimed = {claim.metadata.name for claim in claims if not claim.metadata.deleting}
    told = {node.node_name: node for node in network.status.nodes}
    name = network.metadata.name
    staying = {pod_name(name, ordinal, group) for group, nodes in counts.items() for ordinal in range(nodes)}
    serving = [told[one].height or 0 for one in staying if one in told and _serves(told[one], pod_of.get(one))]
    height = max(serving, default=-1)
    lowered: dict[str, int] = {}
    removed: dict[str, int] = {}
    kept: list[str] = []
    ways: list[str] = []
    for one in statefulsets:
        group = _group_of(network, one)
        want, have, is_removed = counts.get(group, 0), one.spec.replicas, group not in counts
        if have <= want or one.metadata.deleting or owner_problem(network, STATEFULSETS, one.metadata):
            continue
        is_ephemeral = not one.spec.volume_claim_templates
        names = [pod_name(name, ordinal, group) for ordinal in range(want, have)]
        missed = [
            node
            for node in names
            if _loses(network, one, is_removed=is_removed)
            and _has_chain(node, pod_of.get(node), claimed, is_ephemeral=is_ephemeral)
            and not _is_had(told, node, height)
        ]
        if missed:
            (removed if is_removed else lowered)[group] = have
            kept += missed
            ways.append(_way(one, is_ephemeral=is_ephemeral, is_removed=is_removed))
    if not kept:
        return Removal(wanted=network, network=network)
    wanted = _with_counts(network, lowered)
    more = [Group(name=group, nodes=nodes) for group, nodes in removed.items()]
    spec = msgspec.structs.replace(wanted.spec, groups=[*wanted.spec.groups, *more])
    return Removal(
        wanted=wanted,
        network=msgspec.structs.replace(wanted, spec=spec),
        groups=frozenset(removed),
        why=f"{kept[0]}{f' and {len(kept) - 1} more' if kept[1:] else ''}, which the spec has no more, would be lost "
        f"with a chain that no node that stays is known to have; wait until one serves at that height, or {ways[0]}",
    )


def _group_of(network: BitcoinNetwork, statefulset: StatefulSet) -> str:
    name = statefulset.metadata.name
    main = statefulset_name(network.metadata.name)
    return MAIN_GROUP if name == main else name.removeprefix(f"{main}-")


def _loses(network: BitcoinNetwork, statefulset: StatefulSet, *, is_removed: bool) -> bool:
    """Whether what nodes that go have is deleted with them; with the replicas comes the policy that the spec has."""
    if not statefulset.spec.volume_claim_templates:
        return True
    if not is_removed:
        return network.spec.storage.when_scaled is Retention.DELETE
    policy = statefulset.spec.persistent_volume_claim_retention_policy
    return policy is not None and policy.when_deleted == Retention.DELETE


def _has_chain(node: str, pod: Pod | None, claimed: set[str], *, is_ephemeral: bool) -> bool:
    if is_ephemeral:
        return pod is not None and not pod.never_ran()
    return claim_name(node) in claimed


def _is_had(told: Mapping[str, NodeStatus], node: str, height: int) -> bool:
    known = told[node].height if node in told else None
    return known is not None and known <= height


def _serves(node: NodeStatus, pod: Pod | None) -> bool:
    is_same = pod is not None and pod.ready and pod.status.pod_ip == node.ip
    return is_same and node.state is NodeState.AT_TIP and node.height is not None


def _way(statefulset: StatefulSet, *, is_ephemeral: bool, is_removed: bool) -> str:
    if not is_ephemeral and not is_removed:
        return "set storage.whenScaled to Retain"
    if is_removed:
        return f"delete statefulset {statefulset.metadata.name} if its chains may be lost"
    return "delete its pod if its chain may be lost"


def _with_counts(network: BitcoinNetwork, counts: Mapping[str, int]) -> BitcoinNetwork:
    spec = network.spec
    groups = [msgspec.structs.replace(one, nodes=counts.get(one.name, one.nodes)) for one in spec.groups]
    spec = msgspec.structs.replace(spec, nodes=counts.get(MAIN_GROUP, spec.nodes), groups=groups)
    return msgspec.structs.replace(network, spec=spec)
