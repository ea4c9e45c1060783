"""Two replicas of the controller, as the Deployment sets them: one works, and when it is lost the other finishes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.rpc import RPC_PORT, Answer, Credentials, Node
from ctrlkit.clock import monotonic
from ctrlkit.election import LeadershipLost
from ctrlkit.errors import Unreachable
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.manager import Manager
from ctrlkit.model.kinds import LEASES
from tests.bitcoin.deployed import OWN_NAMESPACE, deployed
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import Scene, scene_with

NODES = 4
ENTRIES = NODES * (NODES - 1) // 2
SETTINGS = deployed(lease_namespace=OWN_NAMESPACE)
HOME = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN_NAMESPACE}}
TAKE_OVER_S = SETTINGS.lease_s + SETTINGS.lease_times.longest_rest_s


@dataclass
class Way:
    """The way of one replica to the nodes: the calls that go it, and when each began and ended."""

    nodes: MemoryNodes
    calls: list[tuple[str, float, float]] = field(default_factory=list)

    def node(self, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> Node:
        return _Handle(self, self.nodes.node(address, credentials, port=port))

    @property
    def added(self) -> int:
        """How many entries were added by it."""
        return sum(what == "add" for what, _, _ in self.calls)

    @asynccontextmanager
    async def noting(self, what: str) -> AsyncIterator[None]:
        """Note a call, whatever becomes of it."""
        began = monotonic()
        try:
            yield
        finally:
            self.calls.append((what, began, monotonic()))


@dataclass(frozen=True)
class _Handle:
    way: Way
    to: Node

    async def answer(self) -> Answer:
        async with self.way.noting("answer"):
            return await self.to.answer()

    async def add_node(self, peer: str) -> None:
        async with self.way.noting("add"):
            await self.to.add_node(peer)

    async def remove_node(self, entry: str) -> None:
        async with self.way.noting("remove"):
            await self.to.remove_node(entry)

    async def connect(self, entry: str) -> None:
        async with self.way.noting("connect"):
            await self.to.connect(entry)

    async def disconnect(self, entry: str) -> None:
        async with self.way.noting("disconnect"):
            await self.to.disconnect(entry)


@dataclass
class Two:
    """The replica that leads (the scene's), the one that stands by, and the way of each to the same nodes."""

    scene: Scene
    leader: Way
    standby: Manager
    other: Way

    @property
    def entries(self) -> int:
        """How many entries the lists of all nodes have."""
        return sum(map(len, self.scene.nodes.lists.values()))

    def assert_whole(self) -> None:
        """Every two nodes are connected."""
        assert len(self.scene.pairs()) == self.entries == ENTRIES

    def assert_never_both_at_once(self) -> None:
        """The last call of the one has ended when the first of the other begins."""
        assert max(ended for _, _, ended in self.leader.calls) <= min(began for _, began, _ in self.other.calls)

    def assert_made_once(self) -> None:
        """No object of the network was made by both."""
        made = [told for told in self.scene.events("Normal") if told[0].startswith("Created")]
        names = "secret net-credentials, secret net-config, service net-svc, poddisruptionbudget net-pdb"
        assert made == [("Created", f"created {names}, statefulset net-sts")]


@asynccontextmanager
async def two_replicas(*, call_s: float) -> AsyncIterator[Two]:
    """A network whose pods have just become ready: the leader begins to connect them, with calls that take a while."""
    nodes = MemoryNodes(call_s=call_s, timeout_s=60)
    leader, other = Way(nodes), Way(nodes)
    async with scene_with(nodes, HOME, bitcoind=leader, settings=SETTINGS) as scene:
        standby = scene.world.manage(lambda manager: build(manager, bitcoind=other), settings=SETTINGS, name="second")
        scene.apply(NODES)
        await scene.world.settle()
        for ordinal in range(NODES):
            scene.run_pod(ordinal)
        yield Two(scene, leader, standby, other)


async def test_one_replica_works_and_the_other_stands_by_with_filled_caches() -> None:
    """For as long as the first one renews its lease."""
    async with two_replicas(call_s=1) as two:
        await two.scene.world.settle()
        await two.scene.world.advance("10m")
        two.assert_whole()
        assert (two.other.calls, two.standby.elected.is_set()) == ([], False)
        assert all(informer.has_synced() for informer in two.standby.informers)
        two.assert_made_once()


async def test_a_leader_that_crashes_is_followed_by_the_other_which_finishes_the_mesh() -> None:
    """Within the time of the lease and one look at it; what the first one had done is not done again."""
    async with two_replicas(call_s=1) as two:
        await two.scene.world.pass_time(2.5)
        done = two.entries
        assert 0 < done < ENTRIES
        await two.scene.world.crash(two.scene.manager)
        crashed_at = monotonic()

        await two.scene.world.until(two.standby.elected.is_set, within=TAKE_OVER_S)
        assert monotonic() - crashed_at > SETTINGS.renew_s
        await two.scene.world.settle()

        two.assert_whole()
        assert two.scene.condition("Available") == ("True", "NodesConnected")
        assert two.other.added == ENTRIES - done
        two.assert_never_both_at_once()
        two.assert_made_once()


async def test_a_leader_that_is_cut_off_from_its_lease_leaves_the_nodes_before_the_other_begins() -> None:
    """It reaches the nodes all the time, and stops in the middle of a call."""
    async with two_replicas(call_s=30) as two:
        world, leader = two.scene.world, two.scene.manager
        await two.scene.world.pass_time(5)
        world.faults_of(leader).outage(Calls(resource=LEASES), error=Unreachable("the network is gone"))
        with pytest.raises(LeadershipLost):
            await world.until(two.standby.elected.is_set, within=TAKE_OVER_S)
        assert not two.standby.elected.is_set()
        assert [ended for _, _, ended in two.leader.calls[-NODES:]] == [monotonic()] * NODES
        await world.crash(leader)  # it has ended; the world need not tell of it again

        two.scene.nodes.call_s = 1
        await world.advance(30)
        two.assert_whole()
        assert two.other.added == ENTRIES
        two.assert_never_both_at_once()


async def test_a_leader_that_is_stopped_hands_over_at_once() -> None:
    """A rolling update costs the time of one look at the lease, and what ran is finished before."""
    async with two_replicas(call_s=1) as two:
        await two.scene.world.pass_time(2.5)
        await two.scene.world.stop(two.scene.manager)
        two.assert_whole()
        stopped_at = monotonic()

        await two.scene.world.until(two.standby.elected.is_set, within=SETTINGS.lease_times.longest_rest_s)
        await two.scene.world.settle()

        assert monotonic() - stopped_at < SETTINGS.lease_times.longest_rest_s + 2
        assert two.other.added == 0
        assert two.scene.condition("Available") == ("True", "NodesConnected")
        two.assert_never_both_at_once()
        two.assert_made_once()
