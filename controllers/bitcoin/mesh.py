"""
Connect the nodes of one network with each other: all nodes at once, each to the end, whatever becomes of the others.

In       The ready nodes, by name, with their addresses.
Out      The nodes that did not do their part, with the reason of each; the others know all ready nodes now.

The calls to one node follow each other, because a node works on few at a time; how long one may take is the RPC
client's timeout. In a mesh that is complete only lists are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ctrlkit.bitcoin.peers import plan
from ctrlkit.bitcoin.rpc import Bitcoind, Credentials, RpcError
from ctrlkit.telemetry import logger


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
