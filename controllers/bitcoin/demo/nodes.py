"""Calls to the nodes, all of them concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from ctrlkit.bitcoin.demo.checks import NodeFacts
from ctrlkit.bitcoin.network import NodeStatus
from ctrlkit.bitcoin.rpc import Credentials, NodeUnreachable, RpcClient, RpcError, RpcNode

_BLOCKS_A_CALL = 50
"""Blocks for one call: few enough for the slowest node to mine them within the timeout."""


class Nodes:
    """
    The nodes of one network.

    Set `credentials` once they are known. `on_survey` is called with the facts of each survey. Errors: RpcError, except
    from `survey`, which returns the errors of nodes in their facts.
    """

    def __init__(self, rpc: RpcClient, *, on_survey: Callable[[Sequence[NodeFacts]], None]) -> None:
        self.credentials: Credentials = Credentials(user="", password="")
        self._rpc = rpc
        self._on_survey = on_survey

    async def survey(self, nodes: Iterable[NodeStatus]) -> list[NodeFacts]:
        """Return the facts of each node now; nodes that are not ready are not called."""
        facts = list(await asyncio.gather(*(self._ask(node) for node in nodes)))
        self._on_survey(facts)
        return facts

    async def mine(self, node: NodeStatus, blocks: int) -> None:
        """Mine so many blocks on a node."""
        while blocks > 0:
            count = min(blocks, _BLOCKS_A_CALL)
            await self._at(node.ip).generate(count)
            blocks -= count

    async def answering(self, addresses: Iterable[str]) -> list[str]:
        """Return those addresses at which something still answers."""
        candidates = list(addresses)
        answers = await asyncio.gather(*(self._answers(address) for address in candidates))
        return [address for address, answered in zip(candidates, answers, strict=True) if answered]

    async def _answers(self, address: str) -> bool:
        try:
            await self._at(address).network_info()
        except NodeUnreachable:
            return False
        except RpcError:
            return True
        return True

    async def _ask(self, status: NodeStatus) -> NodeFacts:
        name, address = status.node_name, status.ip
        if not status.ready:
            return NodeFacts(name=name, ready=False, address=address)
        node = self._at(address)
        try:
            return NodeFacts(
                name=name,
                ready=True,
                address=address,
                entries=await node.added_nodes(),
                peers=len(await node.peer_addresses()),
                blocks=await node.block_count(),
            )
        except RpcError as error:
            return NodeFacts(name=name, ready=True, address=address, error=str(error))

    def _at(self, address: str) -> RpcNode:
        return self._rpc.node(address, self.credentials)
