"""Several simulated nodes in one process, for tests. They find each other as processes do: over TCP, by address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from ctrlkit.fakes.bitcoind.node import SimulatedNode


class SimulatedNetwork:
    """
    Holds nodes by their host, and stops those that run when it ends.

        async with SimulatedNetwork(user="u", password="p") as network:
            first = await network.start("127.77.0.1")
            network.cut("127.77.0.1", "127.77.0.2")

    Owner   The nodes are owned by it; a test may stop and start them itself.
    """

    def __init__(self, *, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._nodes: dict[str, SimulatedNode] = {}
        self._cuts: set[frozenset[str]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self._nodes.values():
            await node.stop()

    @property
    def nodes(self) -> Mapping[str, SimulatedNode]:
        """All nodes that were ever started, by host."""
        return self._nodes

    @property
    def heights(self) -> dict[str, int]:
        """The height of the chain of each node that runs, by host."""
        return {host: node.chain.height for host, node in self._nodes.items() if node.is_running}

    async def start(self, host: str, *, datadir: Path | None = None, warmup_s: float = 0.0) -> SimulatedNode:
        """A new node at `host`, running. One that was there before and has stopped is forgotten."""
        if host in self._nodes and self._nodes[host].is_running:
            raise RuntimeError(f"start a simulated node at {host}: one runs there; stop it first")
        node = SimulatedNode(host, user=self._user, password=self._password, datadir=datadir, warmup_s=warmup_s)
        self._nodes[host] = node
        self._apply_cuts(host)
        await node.start()
        return node

    def cut(self, one: str, other: str) -> None:
        """Fault: drop the links between two nodes, and let none come about until `heal`."""
        self._cuts.add(frozenset((one, other)))
        self._apply_cuts(one, other)

    def heal(self, one: str, other: str) -> None:
        """End the fault that `cut` began."""
        self._cuts.discard(frozenset((one, other)))
        self._apply_cuts(one, other)

    def _apply_cuts(self, *hosts: str) -> None:
        for host in hosts:
            if host in self._nodes:
                self._nodes[host].cut_off(*(end for cut in self._cuts if host in cut for end in cut if end != host))
