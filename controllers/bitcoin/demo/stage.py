"""What the steps of the demo share: the server, the nodes, and the conditions that they wait for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ctrlkit.bitcoin.demo import checks
from ctrlkit.bitcoin.demo.checks import Finding, NodeFacts
from ctrlkit.bitcoin.demo.installation import Installation
from ctrlkit.bitcoin.demo.nodes import Nodes
from ctrlkit.bitcoin.demo.observer import Observer
from ctrlkit.bitcoin.demo.steps import StepFailed
from ctrlkit.bitcoin.names import pod_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork
from ctrlkit.bitcoin.objects import Pod
from ctrlkit.client import Client
from ctrlkit.model import MergePatch

A_POD_S = 30.0
"""Seconds for a pod to be stopped, placed again and ready."""


@dataclass(frozen=True, slots=True)
class NodeImages:
    """The images of the nodes: of all at first, of all afterwards, and of a group beside them."""

    first: str
    second: str
    group: str


@dataclass(slots=True, kw_only=True)
class Stage:
    """
    What a network of `nodes` nodes with `blocks` blocks is played on.

    Shape   `lose_machine` loses a machine of the cluster by its name, and `boot_machine` brings it back; None where its
            machines are not ours to lose.
    """

    client: Client
    installation: Installation
    observer: Observer
    rpc: Nodes
    images: NodeImages
    nodes: int
    blocks: int
    lose_machine: Callable[[str], None] | None = None
    boot_machine: Callable[[str], None] | None = None

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.observer.key.name

    @property
    def catch_up_s(self) -> float:
        """Seconds for a node to take the blocks from others."""
        return self.blocks / 20

    def pod(self, ordinal: int) -> Pod:
        """Return the pod of a node. Errors: StepFailed if it is not there."""
        name = pod_name(self.name, ordinal)
        pod = self.observer.pods.get(name)
        if pod is None:
            raise StepFailed(f"pod {name} is not there")
        return pod

    async def change(self, **spec: Any) -> None:
        """Change fields of the network's spec."""
        await self.client.patch(BITCOIN_NETWORKS, self.observer.key, MergePatch({"spec": spec}))

    def asking(self, check: Callable[[Sequence[NodeFacts]], Finding]) -> Callable[[], Awaitable[Finding]]:
        """Return a check of what the nodes say now."""

        async def ask() -> Finding:
            return check(await self.rpc.survey(self.observer.nodes))

        return ask

    async def until_ready(self, nodes: int) -> str:
        """Wait until the network's status lists so many nodes, and all of them are ready."""
        return await self.observer.until(lambda: checks.all_ready(self._fresh(), nodes=nodes))

    async def until_meshed(self, nodes: int) -> str:
        """Wait until so many nodes are connected as they should be."""
        return await self.observer.ask_until(self.asking(lambda facts: checks.meshed(facts, nodes=nodes)))

    async def until_at_height(self, nodes: int) -> str:
        """Wait until so many nodes have all blocks."""

        def check(facts: Sequence[NodeFacts]) -> Finding:
            found = checks.at_height(facts, blocks=self.blocks)
            return found if len(facts) == nodes else checks.NotYet(f"{len(facts)} nodes, want {nodes}")

        return await self.observer.ask_until(self.asking(check))

    def _fresh(self) -> BitcoinNetwork | None:
        """The network, if its status tells of the spec as it is."""
        network = self.observer.network
        is_fresh = network is not None and network.status.observed_generation == network.metadata.generation
        return network if is_fresh else None
