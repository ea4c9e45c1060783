"""The controller and nodes that speak HTTP: what nodes in memory show holds through the RPC client too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ctrlkit.bitcoin.mesh import edges
from ctrlkit.bitcoin.rpc import RPC_PORT, Answer, Credentials, RpcClient, RpcNode
from ctrlkit.fakes.bitcoind.node import SimulatedNetwork
from ctrlkit.fakes.bitcoind.rpc import Mode
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import CREDENTIALS, Scene, scene_with
from tests.support.loopback import own_address

HOSTS = tuple(own_address(number) for number in (11, 12, 13))


@dataclass(frozen=True)
class Wired:
    """A scene whose nodes are simulated ones, with their own credentials."""

    scene: Scene
    network: SimulatedNetwork
    bitcoind: RpcClient

    async def lists(self) -> dict[str, set[str]]:
        """The list of added nodes of each node, asked of itself."""
        nodes = {host: self.bitcoind.node(host, CREDENTIALS) for host in HOSTS}
        return {host: set(await node.added_nodes()) for host, node in nodes.items()}

    async def bring_up(self) -> None:
        """A network of three, all ready."""
        self.scene.put_secret("rpc")
        self.scene.apply(3, secret="rpc")
        await self.scene.world.settle()
        for ordinal, host in enumerate(HOSTS):
            self.scene.run_pod(ordinal, ip=host)


NAMES = {f"net-sts-{ordinal}": host for ordinal, host in enumerate(HOSTS)}
FULL_MESH = {NAMES[name]: {NAMES[other] for other in others} for name, others in edges(NAMES).items()}
"""Of every two nodes one has the other on its list."""


class FasterWorker(RpcClient):
    """After each look at a list, somebody else does first what its reader is about to do."""

    def node(self, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> RpcNode:
        return _Overtaken(self, address, credentials, port=port)


class _Overtaken(RpcNode):
    async def answer(self) -> Answer:
        seen = await super().answer()
        for host in FULL_MESH[self._address] - set(seen.added):
            await self.add_node(host)
        for stranger in set(seen.added) - FULL_MESH[self._address]:
            await self.remove_node(stranger)
        return seen


@asynccontextmanager
async def three_nodes(bitcoind: RpcClient) -> AsyncIterator[Wired]:
    """A world, and three nodes that run and know nobody."""
    async with (
        SimulatedNetwork(user=CREDENTIALS.user, password=CREDENTIALS.password) as network,
        bitcoind,
        scene_with(MemoryNodes(), bitcoind=bitcoind) as scene,
    ):
        for host in HOSTS:
            await network.start(host)
        yield Wired(scene, network, bitcoind)


async def test_real_calls_make_a_full_mesh() -> None:
    """And the chains become one."""
    async with three_nodes(RpcClient()) as wired:
        await wired.bring_up()
        await wired.scene.world.advance(15)
        assert await wired.lists() == FULL_MESH
        assert wired.scene.condition("Available") == ("True", "NodesConnected")
        await wired.bitcoind.node(HOSTS[0], CREDENTIALS).generate(5)
        await wired.scene.pass_time(5)
        assert set(wired.network.heights.values()) == {5}


async def test_already_added_and_not_added_are_no_errors() -> None:
    """Whatever another worker did first (-23, -24), the pass ends well, and nobody is told of it."""
    async with three_nodes(FasterWorker()) as wired:
        await RpcClient.node(wired.bitcoind, HOSTS[0], CREDENTIALS).add_node("127.77.2.9")
        await wired.bring_up()
        await wired.scene.world.advance(15)
        assert await wired.lists() == FULL_MESH
        assert wired.scene.condition("Available") == ("True", "NodesConnected")
        assert wired.scene.events("Warning") == []


async def test_a_node_that_accepts_calls_and_never_answers_holds_up_nobody() -> None:
    """After the timeout of one call the others are connected; the silent one follows when it speaks."""
    async with three_nodes(RpcClient()) as wired:
        silent = wired.network.nodes[HOSTS[1]]
        silent.faults.mode = Mode.HANG
        await wired.bring_up()
        await wired.scene.pass_time(11)
        assert wired.scene.condition("Available") == ("False", "NodesUnreachable")
        assert "net-sts-1" in wired.scene.message("Available")
        for host in (HOSTS[0], HOSTS[2]):
            assert await wired.bitcoind.node(host, CREDENTIALS).added_nodes() == FULL_MESH[host]
        silent.faults.mode = Mode.SERVE
        await wired.scene.world.advance(60)
        assert await wired.lists() == FULL_MESH
