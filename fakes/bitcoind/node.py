"""
A simulated node: an RPC server, connections to peers, and a chain; and a network of several such nodes.

As with a real node, the chain survives a restart in `datadir`, if there is one; the list of added nodes does not.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from ctrlkit import clock
from ctrlkit.fakes.bitcoind.access import Access
from ctrlkit.fakes.bitcoind.chain import Chain
from ctrlkit.fakes.bitcoind.chains import REGTEST, ChainFacts
from ctrlkit.fakes.bitcoind.cookie import COOKIE, write_cookie
from ctrlkit.fakes.bitcoind.methods import Facts, Methods
from ctrlkit.fakes.bitcoind.p2p import P2P_PORT, Peers
from ctrlkit.fakes.bitcoind.release import DEFAULT_RELEASE, Release
from ctrlkit.fakes.bitcoind.rpc import RPC_PORT, NodeFaults, RpcServer

TIP_AGE_MAX: Final = timedelta(hours=24)
"""A node is in its initial download, at first, while its newest block is older than this."""

_JSON_RPC_2_0: Final = Release.of("28.0")


class CannotStart(Exception):
    """The data folder is another node's, or was written by a later release; the message is one line."""


class SimulatedNode:
    """
    A node at `host`, an IP address of this machine.

        async with SimulatedNode("127.77.0.2", user="u", password="p") as node:
            node.faults.fail_next(2, code=-28)

    Units   `warmup_s`: seconds after a start during which every call fails with -28.
    Shape   `auth` are lines of rpcauth, `added` is what its list of added nodes begins with. Without a password it
            writes a cookie into `datadir`. `write` gets the lines of its log, without their times.
    Errors  OSError from `start` if a port is taken, CannotStart for its data, RuntimeError if the node is running.
    """

    def __init__(
        self,
        host: str,
        *,
        user: str = "",
        password: str = "",
        auth: Iterable[str] = (),
        added: Iterable[str] = (),
        datadir: Path | None = None,
        warmup_s: float = 0.0,
        rpc_port: int = RPC_PORT,
        p2p_port: int = P2P_PORT,
        chain: ChainFacts = REGTEST,
        release: Release = DEFAULT_RELEASE,
        write: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.host: str = host
        self.faults: NodeFaults = NodeFaults()
        self.chain: Chain = Chain(genesis=chain.genesis)
        self._pairs = [(user, password)] if password else []
        self._auth = tuple(auth)
        self._added = tuple(added)
        self._folder = None if datadir is None else datadir / chain.folder
        self._warmup_s = warmup_s
        self._rpc_port = rpc_port
        agent = f"/Satoshi:{release.text}(simulated)/"
        self._facts = Facts(host=host, port=p2p_port, chain=chain, release=release, agent=agent)
        self._write = write
        self._cut_off: frozenset[str] = frozenset()
        self._peers: Peers | None = None
        self._rpc: RpcServer | None = None
        self._running: asyncio.Task[None] | None = None
        self._lock = -1
        self._written_by = release
        self._tip_time: datetime | None = None
        self._is_downloaded = False

    def __repr__(self) -> str:
        return f"SimulatedNode({self.host}, {'running' if self.is_running else 'stopped'}, height {self.chain.height})"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the node was started and has not ended."""
        return self._running is not None and not self._running.done()

    async def start(self) -> None:
        """Start the node with the chain in `datadir`, else with an empty one."""
        if self.is_running:
            raise RuntimeError(f"start the simulated node {self.host}: it runs; stop it first")
        self._take_folder()
        self.chain = self._load()
        self._is_downloaded = False
        peers = Peers(
            (self.host, self._facts.port),
            self.chain,
            self._on_new_blocks,
            self._write,
            added=self._added,
            default_port=self._facts.chain.p2p_port,
            agent=self._facts.agent,
        )
        peers.cut_off(self._cut_off)
        methods = Methods(
            self._facts,
            chain=self.chain,
            peers=peers,
            warm_s=asyncio.get_running_loop().time() + self._warmup_s,
            is_downloading=self._is_downloading,
            tip_time=lambda: self._tip_time,
            on_new_blocks=self._on_new_blocks,
            shut_down=self.shut_down,
        )
        rpc = RpcServer(
            host=self.host,
            port=self._rpc_port,
            admits=self._access().admits_header,
            call=methods.call,
            faults=lambda: self.faults,
            speaks_2_0=self._facts.release >= _JSON_RPC_2_0,
        )
        try:
            await peers.listen()
            await rpc.open()
        except OSError:
            peers.close()
            await rpc.close()
            self._leave_folder()
            raise
        self._write("Simulated bitcoin node: its blocks are invented")
        self._write(f"Loaded best chain: hashBestChain={self.chain.tip} height={self.chain.height}")
        self._write(f"Bound to {self.host}:{self._facts.port}")
        self._write("init message: Done loading")
        self._peers, self._rpc = peers, rpc
        self._running = asyncio.create_task(self._serve(peers, rpc), name=f"simulated node {self.host}")
        await asyncio.sleep(0)  # a task that was cancelled before its first step would never close anything

    def shut_down(self) -> None:
        """Begin to stop, as SIGTERM or the RPC method `stop` do; `wait_stopped` waits for the end."""
        if self._running is not None:
            self._running.cancel()

    async def wait_stopped(self) -> None:
        """Wait for the end; raises the exception that ended the node, if there is one."""
        if self._running is None:
            return
        await asyncio.wait([self._running])
        if not self._running.cancelled() and (error := self._running.exception()) is not None:
            raise error

    async def stop(self) -> None:
        """Stop the node: answer running calls, then close all connections. No error if it has ended."""
        self.shut_down()
        await self.wait_stopped()

    async def refuse_rpc(self) -> None:
        """Fault: refuse RPC connections; connections to peers stay."""
        if self._rpc is not None:
            await self._rpc.refuse()

    async def accept_rpc(self) -> None:
        """End the fault of `refuse_rpc`."""
        if self._rpc is not None:
            await self._rpc.open()

    def cut_off(self, *hosts: str) -> None:
        """Fault: cut the connections to these hosts, until called with others or none, even after a restart."""
        self._cut_off = frozenset(hosts)
        if self._peers is not None:
            self._peers.cut_off(self._cut_off)

    def _access(self) -> Access:
        """Return who may call the node; without a password, who can read its cookie."""
        pairs = list(self._pairs)
        if not pairs and self._folder is not None:
            pairs.append(write_cookie(self._folder))
        return Access(self._auth, pairs)

    def _is_downloading(self) -> bool:
        self._is_downloaded = self._is_downloaded or (
            self._tip_time is not None and clock.now() - self._tip_time < TIP_AGE_MAX
        )
        return not self._is_downloaded

    def _take_folder(self) -> None:
        """Have the data folder alone. Errors: CannotStart."""
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise CannotStart(f"the data folder {self._folder} is another node's that runs; stop that first") from None
        self._lock = lock

    def _leave_folder(self) -> None:
        if self._folder is None or self._lock < 0:
            return
        (self._folder / COOKIE).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1

    @property
    def _chain_file(self) -> Path | None:
        return None if self._folder is None else self._folder / "simulated-chain.json"

    def _load(self) -> Chain:
        """Read the chain. Errors: CannotStart if a later release has written it in another way."""
        self._written_by, self._tip_time = self._facts.release, None
        genesis = self._facts.chain.genesis
        if self._chain_file is None or not self._chain_file.exists():
            return Chain(genesis=genesis)
        kept = json.loads(self._chain_file.read_text())
        if isinstance(kept, list):  # of a version that kept nothing else
            return Chain(kept, genesis=genesis)
        written_by = Release(kept["written_by"])
        if not self._facts.release.reads(written_by):
            self._leave_folder()
            raise CannotStart(
                f"version {written_by.text} has written the blocks, which {self._facts.release.text} cannot read; "
                "start that version or a later one"
            )
        self._written_by = max(written_by, self._facts.release)
        self._tip_time = None if kept["tip_time"] is None else datetime.fromisoformat(kept["tip_time"])
        return Chain(kept["blocks"], genesis=genesis)

    def _on_new_blocks(self) -> None:
        self._tip_time = clock.now()
        self._write(f"UpdateTip: new best={self.chain.tip} height={self.chain.height}")
        self._save()

    def _save(self) -> None:
        if self._chain_file is None:
            return
        tip_time = None if self._tip_time is None else self._tip_time.isoformat()
        kept = {"written_by": self._written_by.version, "tip_time": tip_time, "blocks": list(self.chain.hashes)}
        unfinished = self._chain_file.with_suffix(".new")
        unfinished.write_text(json.dumps(kept))
        unfinished.replace(self._chain_file)

    async def _serve(self, peers: Peers, rpc: RpcServer) -> None:
        try:
            await peers.run()
        finally:
            await rpc.close()
            self._save()
            self._leave_folder()
            self._write("Shutdown: done")


class SimulatedNetwork:
    """
    Several nodes in one process, by host; leaving the block stops them all. They connect over TCP.

        async with SimulatedNetwork(user="u", password="p") as network:
            first = await network.start("127.77.0.1")
            network.cut("127.77.0.1", "127.77.0.2")

    A test may stop and start the nodes itself.
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
        """All nodes that were started, by host."""
        return self._nodes

    @property
    def heights(self) -> dict[str, int]:
        """The height of the chain of each running node, by host."""
        return {host: node.chain.height for host, node in self._nodes.items() if node.is_running}

    async def start(self, host: str, *, datadir: Path | None = None, warmup_s: float = 0.0) -> SimulatedNode:
        """Start a new node at `host`. One that has stopped there is forgotten."""
        if host in self._nodes and self._nodes[host].is_running:
            raise RuntimeError(f"start a simulated node at {host}: one runs there; stop it first")
        node = SimulatedNode(host, user=self._user, password=self._password, datadir=datadir, warmup_s=warmup_s)
        self._nodes[host] = node
        self._apply_cuts(host)
        await node.start()
        return node

    def cut(self, one: str, other: str) -> None:
        """Fault: cut the connections between two nodes until `heal`."""
        self._cuts.add(frozenset((one, other)))
        self._apply_cuts(one, other)

    def heal(self, one: str, other: str) -> None:
        """End the fault of `cut`."""
        self._cuts.discard(frozenset((one, other)))
        self._apply_cuts(one, other)

    def _apply_cuts(self, *hosts: str) -> None:
        for host in hosts:
            if host in self._nodes:
                self._nodes[host].cut_off(*(end for cut in self._cuts if host in cut for end in cut if end != host))
