"""
Connects the nodes of a network with each other, all nodes concurrently.

`plan` (pure) compares the list of added nodes of one node with the ready nodes. `connect` adds and removes the entries.
A node that fails does not affect the others. The calls to one node are sequential, because a node handles few at a
time; the timeout is that of the RPC client. In a complete mesh the lists are only read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from ctrlkit.bitcoin.rpc import Bitcoind, Credentials, RpcError, peer_address
from ctrlkit.telemetry import logger


@dataclass(frozen=True, slots=True)
class Plan:
    """The peers to add to the list of a node, and the entries to remove, spelled as they are on the list."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def plan(entries: Iterable[str], *, own_address: str, ready: Set[str]) -> Plan:
    """
    Return the changes after which a node's list has exactly all other ready nodes.

    >>> plan(["10.0.0.2", "10.0.0.9"], own_address="10.0.0.1", ready={"10.0.0.1", "10.0.0.2", "10.0.0.3"})
    Plan(add=('10.0.0.3',), remove=('10.0.0.9',))

    An entry with the default port is the same as one without a port, and may stay.
    """
    others = ready - {own_address}
    addresses = {entry: peer_address(entry) for entry in entries}
    return Plan(
        add=tuple(sorted(others - set(addresses.values()))),
        remove=tuple(sorted(entry for entry, address in addresses.items() if address not in others)),
    )


async def connect(bitcoind: Bitcoind, credentials: Credentials, ready: Mapping[str, str]) -> Mapping[str, RpcError]:
    """Update the list of every node to all other ready nodes; returns the failures by node name."""
    addresses = frozenset(ready.values())
    failures: dict[str, RpcError] = {}

    async def update_list(name: str, address: str) -> None:
        node = bitcoind.node(address, credentials)
        try:
            needed = plan((await node.answer()).added, own_address=address, ready=addresses)
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
            tasks.create_task(update_list(name, address), name=f"connect:{name}")
    return dict(sorted(failures.items()))
