"""
One simulated node: an RPC server, a peer side, and the chain they share.

Owns     One task for each life, from `start` to `stop`. The chain outlives it in `datadir`, if there is one; the list
         of added nodes does not, as with real nodes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from ctrlkit.fakes.bitcoind.chain import Chain
from ctrlkit.fakes.bitcoind.methods import Methods
from ctrlkit.fakes.bitcoind.p2p import P2P_PORT, Peers
from ctrlkit.fakes.bitcoind.rpc import RPC_PORT, NodeFaults, RpcServer


class SimulatedNode:
    """
    A node at `host`, an IP address of this machine.

        async with SimulatedNode("127.77.0.2", user="u", password="p") as node:
            node.faults.fail_next(2, code=-28)

    Units   `warmup_s`: seconds after a start during which every call is answered with -28.
    Errors  OSError from `start` for a port that is taken, RuntimeError for a node that runs.
    """

    def __init__(
        self,
        host: str,
        *,
        user: str,
        password: str,
        datadir: Path | None = None,
        warmup_s: float = 0.0,
        rpc_port: int = RPC_PORT,
        p2p_port: int = P2P_PORT,
    ) -> None:
        self.host = host
        self.faults: NodeFaults = NodeFaults()
        self.chain: Chain = Chain()
        self._user = user
        self._password = password
        self._chain_file = None if datadir is None else datadir / "regtest" / "simulated-chain.json"
        self._warmup_s = warmup_s
        self._rpc_port = rpc_port
        self._p2p_port = p2p_port
        self._cut_off: frozenset[str] = frozenset()
        self._peers: Peers | None = None
        self._rpc: RpcServer | None = None
        self._life: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"SimulatedNode({self.host}, {'running' if self.is_running else 'stopped'}, height {self.chain.height})"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def is_running(self) -> bool:
        """Whether a life was begun and has not ended."""
        return self._life is not None and not self._life.done()

    async def start(self) -> None:
        """Begin a life: with the chain of `datadir`, else an empty one."""
        if self.is_running:
            raise RuntimeError(f"start the simulated node {self.host}: it runs; stop it first")
        self.chain = self._load()
        peers = Peers((self.host, self._p2p_port), self.chain, self._save)
        peers.cut_off(self._cut_off)
        methods = Methods(
            host=self.host,
            chain=self.chain,
            peers=peers,
            warm_s=asyncio.get_running_loop().time() + self._warmup_s,
            on_new_blocks=self._save,
            shut_down=self.shut_down,
        )
        rpc = RpcServer(
            host=self.host,
            port=self._rpc_port,
            user=self._user,
            password=self._password,
            call=methods.call,
            faults=lambda: self.faults,
        )
        await peers.listen()
        try:
            await rpc.open()
        except OSError:
            peers.close()
            await rpc.close()
            raise
        self._peers, self._rpc = peers, rpc
        self._life = asyncio.create_task(_live(peers, rpc), name=f"simulated node {self.host}")
        await asyncio.sleep(0)  # a task that was cancelled before its first step would never close anything

    def shut_down(self) -> None:
        """Begin to stop, as SIGTERM or the method `stop` do; `wait_stopped` tells when it is done."""
        if self._life is not None:
            self._life.cancel()

    async def wait_stopped(self) -> None:
        """Wait for the end of this life. Raises what ended it, if it was not asked to stop."""
        if self._life is None:
            return
        await asyncio.wait([self._life])
        if not self._life.cancelled() and (error := self._life.exception()) is not None:
            raise error

    async def stop(self) -> None:
        """End this life: answer what runs, close all connections and ports. No error if it has ended."""
        self.shut_down()
        await self.wait_stopped()

    async def refuse_rpc(self) -> None:
        """Fault: refuse RPC connections, while the peer side goes on."""
        if self._rpc is not None:
            await self._rpc.refuse()

    async def accept_rpc(self) -> None:
        """End the fault that `refuse_rpc` began."""
        if self._rpc is not None:
            await self._rpc.open()

    def cut_off(self, *hosts: str) -> None:
        """Fault: have no links with these hosts, until called with others or none. Outlives a restart."""
        self._cut_off = frozenset(hosts)
        if self._peers is not None:
            self._peers.cut_off(self._cut_off)

    def _load(self) -> Chain:
        if self._chain_file is None or not self._chain_file.exists():
            return Chain()
        return Chain(json.loads(self._chain_file.read_text()))

    def _save(self) -> None:
        if self._chain_file is None:
            return
        self._chain_file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._chain_file.with_suffix(".new")
        unfinished.write_text(json.dumps(list(self.chain.hashes)))
        unfinished.replace(self._chain_file)


async def _live(peers: Peers, rpc: RpcServer) -> None:
    try:
        await peers.run()
    finally:
        await rpc.close()


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
