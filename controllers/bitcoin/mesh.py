"""
Which connections the controller sees to, and what is to be changed on the list of a node for that. Pure.

A node of Bitcoin Core holds MANUAL_MAX connections to added nodes, those to the peers of the spec among them, and any
number of connections that others make. So one of two nodes adds the other, and every node adds a few:

    FullMesh   every pair once: up to 17 nodes, two less for each peer of the spec
    Rings      more nodes: up to four rings, each an order of the nodes that are ready, by a hash; a node adds those
               after it
    Public     the nodes find their peers themselves, and their lists are left alone

M-a  For any set of names: out of one order of the nodes as out of another; at most as many added as there is room for.
M-b  FullMesh: every pair is connected. A node that comes or goes at the end of the order changes its own edges alone.
M-c  Rings: all nodes are connected, and stay so without any one of them. A node has 2 to 8 others; with the names that
     networks have 5 or more, and more than 6 in the mean at 18 nodes, than 7.5 at 100. A node that comes or goes
     changes at most 3 pairs on each ring.
M-d  What is on a list and nobody wants goes, whoever added it, and so does its connection, which would take the room of
     another one; the peers of the spec stay.
M-e  A node is added once it is ready, and stays on the lists while its pod is there: it may be starting again.
M-f  While nodes come, connections between nodes stay that are not wanted any more, as far as there is room beside those
     that are: what takes their place may have to wait for a pod.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Final

from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.network import CHAINS, Chain, Spec, Topology

MANUAL_MAX: Final = 8
"""How many connections to added nodes a node of Bitcoin Core holds."""

RINGS_MAX: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """
    The connections of a network.

    Shape   `edges`: for each node the names of those that it adds. `peers` are the entries of the spec. `port` is where
            the nodes listen for each other; an entry of a list needs none if it is `default_port`, the chain's.
            `is_public`: the chain has nodes of others, so an initial download says something.
    """

    topology: Topology
    edges: Mapping[str, frozenset[str]]
    peers: frozenset[str] = frozenset()
    port: int = CHAINS[Chain.REGTEST].p2p_port
    default_port: int = CHAINS[Chain.REGTEST].p2p_port
    is_public: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the controller changes the lists of the nodes."""
        return self.topology is not Topology.PUBLIC

    def entries(self, address: str) -> tuple[str, ...]:
        """
        Return the entries that lead to a node, first the one that is added.

        >>> Mesh(topology=Topology.FULL_MESH, edges={}).entries("10.0.0.7")
        ('10.0.0.7', '10.0.0.7:18444')
        >>> Mesh(topology=Topology.FULL_MESH, edges={}, port=8555).entries("fd00::7")
        ('[fd00::7]:8555',)
        """
        return _entries(address, self.port, self.default_port)

    def is_connected(self, added: Mapping[str, bool], address: str) -> bool:
        """Whether a node with these entries is connected to the one at an address."""
        return any(added.get(entry, False) for entry in self.entries(address))


@lru_cache(maxsize=10_000)
def _entries(address: str, port: int, default_port: int) -> tuple[str, ...]:
    host = f"[{address}]" if ":" in address else address
    full = f"{host}:{port}"
    return (full,) if port != default_port else tuple(dict.fromkeys((address, host, full)))


def mesh_of(spec: Spec, names: Collection[str], *, absent: Collection[str] = ()) -> Mesh:
    """
    Return the connections of a network whose nodes have these names.

    Rings leave out the nodes that are `absent`, as nobody can be connected over them. A full mesh has no need to.
    """
    chain, slots = CHAINS[spec.chain], MANUAL_MAX - len(spec.peers)
    topology = topology_of(len(names), slots if chain.is_meshed else 0)
    there = set(names).difference(absent if topology is Topology.RINGS else ())
    found = _RULES[topology](sorted(there, key=_place), slots)
    return Mesh(
        topology=topology,
        edges={name: found.get(name, frozenset()) for name in names},
        peers=frozenset(spec.peers),
        port=chain.p2p_port if spec.ports.p2p is None else spec.ports.p2p,
        default_port=chain.p2p_port,
        is_public=not chain.is_meshed or (spec.chain is Chain.SIGNET and spec.signet_challenge is None),
    )


def topology_of(nodes: int, slots: int = MANUAL_MAX) -> Topology:
    """
    Return how so many nodes are connected of which each has room to add `slots` others.

    >>> [topology_of(nodes).value for nodes in (1, 2, 17, 18)], topology_of(10, slots=4).value, topology_of(3, 0).value
    (['None', 'FullMesh', 'FullMesh', 'Rings'], 'Rings', 'Public')
    """
    if slots <= 0:
        return Topology.PUBLIC
    if nodes < 2:
        return Topology.NONE
    return Topology.FULL_MESH if nodes <= 2 * slots + 1 else Topology.RINGS


def edges(names: Iterable[str], slots: int = MANUAL_MAX) -> Mapping[str, frozenset[str]]:
    """
    Return for each node whom it adds, at most `slots` others.

    >>> {name: sorted(others) for name, others in edges(["net-0", "net-1", "net-2"]).items()}
    {'net-0': ['net-1'], 'net-1': ['net-2'], 'net-2': ['net-0']}
    """
    ordered = sorted(set(names), key=_place)
    return _RULES[topology_of(len(ordered), slots)](ordered, slots)


def _nobody(ordered: Sequence[str], _: int) -> dict[str, frozenset[str]]:
    return dict.fromkeys(ordered, frozenset())


def _full_mesh(ordered: Sequence[str], _: int) -> dict[str, frozenset[str]]:
    """
    Return the edges of every node with every other.

    Of two places an odd number apart the first adds the second, else the second the first: so each adds half of the
    others, and the edges between two nodes do not depend on those behind them.
    """
    return {
        name: frozenset(other for b, other in enumerate(ordered) if a != b and (b - a) % 2 == (b > a))
        for a, name in enumerate(ordered)
    }


def _rings(ordered: Sequence[str], slots: int) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {name: set() for name in ordered}
    for ring in range(min(RINGS_MAX, slots)):
        order = sorted(ordered, key=lambda name: sha256(f"{ring} {name}".encode()).digest())
        for name, successor in zip(order, [*order[1:], *order[:1]], strict=True):
            if name not in found[successor] and name != successor:  # two may be neighbours on two rings
                found[name].add(successor)
    return {name: frozenset(others) for name, others in found.items()}


_RULES: Final = {
    Topology.NONE: _full_mesh,
    Topology.FULL_MESH: _full_mesh,
    Topology.RINGS: _rings,
    Topology.PUBLIC: _nobody,
}


def _place(name: str) -> tuple[list[tuple[str, int]], str]:
    """Order net-sts-10 after net-sts-9."""
    return [(text, int(number or -1)) for text, number in re.findall(r"(\D*)([0-9]*)", name)], name


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChanges:
    """
    What is to be changed on the list of a node.

    Shape   `more`: there is more to add or to remove, beyond the limit. `connect`: entries to connect to now, which are
            those that are added and those of nodes that started again. `disconnect`: entries among those to remove
            that are connected, or may just become so.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    connect: tuple[str, ...] = ()
    disconnect: frozenset[str] = frozenset()
    more: bool = False


def list_changes(
    mesh: Mesh,
    name: str,
    members: Sequence[Member],
    added: Mapping[str, bool],
    *,
    limit: int,
    young: Collection[str] = (),
) -> ListChanges:
    """
    Return what is to be changed on the list of a node, at most `limit` entries, additions first.

    `young` nodes started, or got peers, a moment ago.

    >>> a, b = (Member(name=n, group="main", ordinal=0, address=f"10.0.0.{n}", is_ready=True) for n in "12")
    >>> mesh = Mesh(topology=Topology.FULL_MESH, edges=edges("12"))
    >>> changes = list_changes(mesh, "1", [a, b], {"10.0.0.9": False}, limit=100)
    >>> changes.add, changes.remove, changes.connect
    (('10.0.0.2',), ('10.0.0.9',), ('10.0.0.2',))
    """
    if not mesh.is_kept or limit <= 0:
        return ListChanges()
    own, others = mesh.edges.get(name, frozenset()), [member for member in members if member.name != name]
    entries = {member.name: mesh.entries(member.address) for member in others if member.address}
    listed = {other: next((entry for entry in known if entry in added), "") for other, known in entries.items()}
    ready = [member.name for member in others if member.name in own and member.is_ready and member.address]
    add = [entries[other][0] for other in ready if not listed[other]][:limit]
    again = [listed[other] for other in ready if other in young and not added.get(listed[other], True)]

    leaving = {member.name for member in members if member.is_deleting}
    connected = {other for other, entry in listed.items() if added.get(entry)} - leaving
    is_whole = own <= connected and all(member.is_ready for member in members)
    kept = [] if is_whole else sorted(connected - own)[: MANUAL_MAX - len(mesh.peers) - len(own)]
    wanted = mesh.peers.union(*(entries[other] for other in (*(own - leaving), *kept) if other in entries))
    unwanted = (entry for entry in added if entry not in wanted)
    remove = tuple(islice(unwanted, limit - len(add)))
    of_nodes = set(listed.values())
    return ListChanges(
        add=tuple(add),
        remove=remove,
        connect=(*add, *again),
        disconnect=frozenset(entry for entry in remove if added[entry] or entry in of_nodes),
        more=len(add) == limit or next(unwanted, None) is not None,
    )
