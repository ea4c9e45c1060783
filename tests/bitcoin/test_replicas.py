"""Two replicas of the controller, as the Deployment sets them: one works, and when it is lost the other finishes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from ctrlkit.bitcoin.controller import build
from ctrlkit.clock import monotonic
from ctrlkit.election import LeadershipLost
from ctrlkit.errors import Unreachable
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.manager import Manager
from ctrlkit.model.kinds import LEASES, SERVICES, STATEFULSETS
from tests.bitcoin.deployed import OWN_NAMESPACE, deployed
from tests.bitcoin.scene import SERVICE_KEY, STATEFULSET_KEY, MemoryNodes, Scene, mesh, scene_with

NODES = 4
ENTRIES = NODES * (NODES - 1)
SETTINGS = deployed(lease_namespace=OWN_NAMESPACE)
HOME = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN_NAMESPACE}}
TAKE_OVER_S = SETTINGS.lease_s + SETTINGS.lease_times.longest_rest_s


@dataclass
class Two:
    """The replica that leads (the scene's), the one that stands by, and the way of each to the same nodes."""

    scene: Scene
    leader: MemoryNodes
    standby: Manager
    other: MemoryNodes

    @property
    def entries(self) -> int:
        """How many entries the lists of all nodes have."""
        return sum(map(len, self.leader.lists.values()))

    def assert_never_both_at_once(self) -> None:
        """The last call of the one has ended when the first of the other begins."""
        assert max(ended for _, ended in self.leader.spans) <= min(began for began, _ in self.other.spans)

    def assert_made_once(self) -> None:
        """Neither child of the network was made by both."""
        writes = self.scene.world.clientset.writes
        for made in (Write("create", SERVICES, SERVICE_KEY), Write("create", STATEFULSETS, STATEFULSET_KEY)):
            assert writes.count(made) == 1


@asynccontextmanager
async def two_replicas(*, call_s: float) -> AsyncIterator[Two]:
    """A network whose pods have just become ready: the leader begins to connect them, with calls that take a while."""
    leader = MemoryNodes(call_s=call_s)
    other = MemoryNodes(lists=leader.lists, call_s=call_s)
    async with scene_with(leader, leader, HOME, settings=SETTINGS) as scene:
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
        assert two.leader.lists == mesh(NODES)
        assert (two.other.calls, two.standby.elected.is_set()) == ([], False)
        assert all(informer.has_synced() for informer in two.standby.informers)
        two.assert_made_once()


async def test_a_leader_that_crashes_is_followed_by_the_other_which_finishes_the_mesh() -> None:
    """Within the time of the lease and one look at it; what the first one had done is not done again."""
    async with two_replicas(call_s=1) as two:
        await two.scene.pass_time(2.5)
        done = two.entries
        assert 0 < done < ENTRIES
        await two.scene.world.crash(two.scene.manager)
        crashed_at = monotonic()

        await two.scene.world.until(two.standby.elected.is_set, within=TAKE_OVER_S)
        assert monotonic() - crashed_at > SETTINGS.renew_s
        await two.scene.world.settle()

        assert two.leader.lists == mesh(NODES)
        assert two.scene.condition("Available") == ("True", "NodesConnected")
        assert len(two.other.writes) == ENTRIES - done
        two.assert_never_both_at_once()
        two.assert_made_once()


async def test_a_leader_that_is_cut_off_from_its_lease_leaves_the_nodes_before_the_other_begins() -> None:
    """It reaches the nodes all the time, and stops in the middle of a call."""
    async with two_replicas(call_s=30) as two:
        world, leader = two.scene.world, two.scene.manager
        await two.scene.pass_time(5)
        world.faults_of(leader).outage(Calls(resource=LEASES), error=Unreachable("the network is gone"))
        with pytest.raises(LeadershipLost):
            await world.until(two.standby.elected.is_set, within=TAKE_OVER_S)
        assert not two.standby.elected.is_set()
        assert [ended for _, ended in two.leader.spans] == [monotonic()] * NODES
        await world.crash(leader)  # it has ended; the world need not tell of it again

        await world.settle()
        assert two.leader.lists == mesh(NODES)
        assert len(two.other.writes) == ENTRIES
        two.assert_never_both_at_once()


async def test_a_leader_that_is_stopped_hands_over_at_once() -> None:
    """A rolling update costs the time of one look at the lease, and what ran is finished before."""
    async with two_replicas(call_s=1) as two:
        await two.scene.pass_time(2.5)
        await two.scene.world.stop(two.scene.manager)
        assert two.leader.lists == mesh(NODES)
        stopped_at = monotonic()

        await two.scene.world.until(two.standby.elected.is_set, within=SETTINGS.lease_times.longest_rest_s)
        await two.scene.world.settle()

        assert monotonic() - stopped_at < SETTINGS.lease_times.longest_rest_s + 2
        assert two.other.writes == []
        assert two.scene.condition("Available") == ("True", "NodesConnected")
        two.assert_never_both_at_once()
        two.assert_made_once()
