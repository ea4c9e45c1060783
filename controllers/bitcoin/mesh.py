"""
Connect the nodes of one network with each other: all nodes at once, each to the end, whatever becomes of the others.

In       The ready nodes, by name, with their addresses.
Out      The nodes that did not do their part, with the reason of each; the others know all ready nodes now.

The calls to one node follow each other, because a node works on few at a time; how long one may take is the RPC
client's timeout. In a mesh that is complete only lists are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from ctrlkit.bitcoin.rpc import Bitcoind, Credentials, RpcError, peer_address
from ctrlkit.telemetry import logger


@dataclass(frozen=True, slots=True)
class Plan:
    """What one node is to be told: peers to add, and entries to remove, letter by letter as they are on its list."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def plan(entries: Iterable[str], *, own_address: str, ready: Set[str]) -> Plan:
    """
    The calls that bring one node's list to all ready nodes but itself, and nobody else.

    >>> plan(["10.0.0.2", "10.0.0.9"], own_address="10.0.0.1", ready={"10.0.0.1", "10.0.0.2", "10.0.0.3"})
    Plan(add=('10.0.0.3',), remove=('10.0.0.9',))

    An entry with the port nodes listen on leads to the same node as one without, and may stay.
    """
    others = ready - {own_address}
    addresses = {entry: peer_address(entry) for entry in entries}
    return Plan(
        add=tuple(sorted(others - set(addresses.values()))),
        remove=tuple(sorted(entry for entry, address in addresses.items() if address not in others)),
    )


async def connect(bitcoind: Bitcoind, credentials: Credentials, ready: Mapping[str, str]) -> Mapping[str, RpcError]:
    """Bring every node's list to all other ready nodes; the failures by node, empty where every list is right."""
    addresses = frozenset(ready.values())
    failures: dict[str, RpcError] = {}

    async def bring_up_to_date(name: str, address: str) -> None:
        node = bitcoind.node(address, credentials)
        try:
            needed = plan(await node.added_nodes(), own_address=address, ready=addresses)
            for peer in needed.add:
                await node.add_node(peer)
            for entry in needed.remove:
                await node.remove_node(entry)
        except RpcError as error:
            failures[name] = error
            return
        if needed:
            logger("bitcoin").info("peers_changed", node=name, added=needed.add, removed=needed.remove)

    async with asyncio.TaskGroup() as tasks:
        for name, address in ready.items():
            tasks.create_task(bring_up_to_date(name, address), name=f"connect:{name}")
    return dict(sorted(failures.items()))
