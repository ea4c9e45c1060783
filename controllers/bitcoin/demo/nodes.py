"""Calls to the nodes, all of them concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from ctrlkit.bitcoin.demo.checks import NodeFacts
from ctrlkit.bitcoin.network import NodeStatus
from ctrlkit.bitcoin.rpc import BadCredentials, Credentials, NodeUnreachable, RpcClient, RpcError, RpcNode

_BLOCKS_A_CALL = 50
"""Blocks for one call: few enough for the slowest node to mine them within the timeout."""


class Nodes:
    """
    The nodes of one network.

    Set `credentials` once they are known; `others` are tried where a node refuses them. `on_survey` is called with the
    facts of each survey. `went_back` says where the highest chain was lower than before; empty, as it never may be.
    Errors: RpcError, except from `survey`, which returns the errors of nodes in their facts.
    """

    def __init__(self, rpc: RpcClient, *, on_survey: Callable[[Sequence[NodeFacts]], None]) -> None:
        self.credentials: Credentials = Credentials(user="", password="")
        self.others: tuple[Credentials, ...] = ()
        self.went_back: str = ""
        self._highest = 0
        self._rpc = rpc
        self._on_survey = on_survey

    async def survey(self, nodes: Iterable[NodeStatus]) -> list[NodeFacts]:
        """Return the facts of each node now; nodes without an address are not called."""
        facts = list(await asyncio.gather(*(self._ask(node) for node in nodes)))
        self._note_height(facts)
        self._on_survey(facts)
        return facts

    def forget_heights(self) -> None:
        """Begin anew: the network is gone, and with it its chain."""
        self._highest = 0

    def _note_height(self, facts: Sequence[NodeFacts]) -> None:
        heights = [fact.blocks for fact in facts if fact.blocks is not None]
        if not heights:
            return
        if max(heights) < self._highest and not self.went_back:
            self.went_back = f"the highest chain had {self._highest} blocks, and then {max(heights)}"
        self._highest = max(heights)

    async def accepts(self, address: str, credentials: Credentials) -> bool | None:
        """Return whether a node accepts credentials; None if it does not say."""
        if not address:
            return None
        try:
            await self._rpc.node(address, credentials).block_count()
        except BadCredentials:
            return False
        except RpcError:
            return None
        return True

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
        if not address:
            return NodeFacts(name=name, ready=status.ready, address=address)
        error = ""
        for credentials in (self.credentials, *self.others):
            node = self._rpc.node(address, credentials)
            try:
                said = await node.answer()
                return NodeFacts(
                    name=name,
                    ready=status.ready,
                    address=address,
                    entries=frozenset(said.added),
                    peers=said.connections,
                    blocks=said.height,
                )
            except BadCredentials as refused:
                error = str(refused)
            except RpcError as failure:
                error = str(failure)
                break
        return NodeFacts(name=name, ready=status.ready, address=address, error=error)

    def _at(self, address: str) -> RpcNode:
        return self._rpc.node(address, self.credentials)
