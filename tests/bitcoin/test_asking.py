"""One pass over the nodes of a network: its budget, what failing nodes are spared, and what is remembered of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any

import pytest

from ctrlkit.bitcoin.asking import AGAIN_S, BUDGET_S, CHANGES_MAX, EARLIER_S, STEADY_S, YOUNG_S, NodeCalls
from ctrlkit.bitcoin.facts import Member, Visit
from ctrlkit.bitcoin.health import Link, assess
from ctrlkit.bitcoin.mesh import Mesh, mesh_of
from ctrlkit.bitcoin.names import pod_name
from ctrlkit.bitcoin.network import NodeState, Spec
from ctrlkit.bitcoin.rpc import (
    RPC_PORT,
    Answer,
    BadCredentials,
    Credentials,
    NodeUnreachable,
    RpcRefused,
    Unsteady,
    WarmingUp,
)
from ctrlkit.clock import monotonic
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.world.world import World
from ctrlkit.model import ObjectKey
from tests.bitcoin.memory import MemoryNode, MemoryNodes

KEY = ObjectKey("demo", "net")
CREDENTIALS = Credentials(user="user", password="password")


@dataclass
class Pass:
    """Nodes in memory of one network, and the passes over them."""

    world: World
    nodes: MemoryNodes
    calls: NodeCalls
    members: list[Member]
    mesh: Mesh

    async def visit(self, *, credentials: Credentials = CREDENTIALS, changes_max: int = CHANGES_MAX) -> Visit:
        visiting = self.calls.visit(KEY, self.members, credentials, self.mesh, port=RPC_PORT, changes_max=changes_max)
        return (await visiting)[0]

    async def settled(self) -> Visit:
        """Visit until all is well."""
        for _ in range(9):
            visit = await self.visit()
            if visit.again_s == math.inf:
                self.nodes.calls.clear()
                return visit
            await asyncio.sleep(visit.again_s)
        raise AssertionError("not all is well after nine visits")

    async def visits(self, seconds: float) -> Visit:
        """Visit every other second for some time; returns the last one."""
        end = monotonic() + seconds
        while True:
            visit = await self.visit()
            await asyncio.sleep(2)
            if monotonic() >= end:
                return visit

    def change(self, ordinal: int, **fields: Any) -> None:
        """Change what is known of a pod."""
        self.members[ordinal] = replace(self.members[ordinal], **fields)

    def fault(self, ordinal: int, **faults: Any) -> None:
        """Set faults of a node."""
        for name, value in faults.items():
            setattr(self.nodes.faults[f"demo/{pod_name('net', ordinal)}"], name, value)

    def asked(self, ordinal: int) -> int:
        """How often a node was asked since all was well."""
        name = f"demo/{pod_name('net', ordinal)}"
        return sum(call.node == name and call.what == "answer" for call in self.nodes.calls)


@pytest.fixture
async def network() -> AsyncIterator[Pass]:
    """Three nodes that run and are ready."""
    async with World({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}) as world:
        nodes = MemoryNodes()
        nodes.follow(world.tracker)
        names = [pod_name("net", ordinal) for ordinal in range(3)]
        for at, name in enumerate(names):
            seed(
                world.tracker,
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name, "namespace": "demo"},
                    "spec": {"containers": [{"name": "bitcoind", "image": "bitcoin/bitcoin:29.1"}]},
                    "status": {"phase": "Running", "podIP": f"10.0.0.{at + 1}"},
                },
            )
        members = [
            Member(name=name, group="main", ordinal=at, uid=f"uid-{at}", address=f"10.0.0.{at + 1}", is_ready=True)
            for at, name in enumerate(names)
        ]
        yield Pass(world, nodes, NodeCalls(nodes), members, mesh_of(Spec(nodes=3), names))


async def test_a_visit_connects_the_nodes_and_the_next_ones_change_nothing(network: Pass) -> None:
    """Each list has those that the mesh says, each node says what it is, and the first visit sees what it did."""
    first = await network.visit()
    assert all(isinstance(said, Answer) for said in first.said.values())
    assert network.nodes.lists == {
        "demo/net-sts-0": {"10.0.0.2"},
        "demo/net-sts-1": {"10.0.0.3"},
        "demo/net-sts-2": {"10.0.0.1"},
    }
    assert assess(network.members, first, network.mesh).link is Link.CONNECTED
    assert {said.connections for said in first.said.values() if isinstance(said, Answer)} == {2}
    assert first.again_s == 1  # connections are new: somebody should look soon whether they stay
    await network.settled()
    await network.visit()
    assert network.nodes.writes == []


async def test_a_node_that_others_add_is_seen_with_its_connections_by_all(network: Pass) -> None:
    """What they say after the visit is what they said in it."""
    one, other, last = (member.name for member in network.members)
    edges = {one: frozenset({last}), other: frozenset({last}), last: frozenset[str]()}
    network.mesh = replace(network.mesh, edges=edges)
    visit = await network.visit()
    assert [said.connections for said in visit.said.values() if isinstance(said, Answer)] == [1, 1, 2]
    assert (await network.visit()).said == visit.said


async def test_a_node_that_does_not_say_what_its_new_connections_are_keeps_what_it_said(network: Pass) -> None:
    """It is asked once more in what is left of the budget, and looked at again soon."""
    network.fault(0, fails_every=4)  # asked, added to, connected; then asked again
    visit = await network.visit()
    assert isinstance(visit.said["net-sts-0"], Answer)
    assert [network.asked(ordinal) for ordinal in range(3)] == [2, 2, 2]
    assert visit.again_s == 1
    network.fault(1, call_s=4.9)
    await network.nodes.node("10.0.0.2", CREDENTIALS).remove_node("10.0.0.3")
    began = monotonic()
    await network.visit()
    assert monotonic() - began <= BUDGET_S


async def test_to_ask_only_changes_no_list(network: Pass) -> None:
    """So a network that is paused shows how it is."""
    visit = await network.visit(changes_max=0)
    assert len(visit.said) == 3
    assert network.nodes.writes == []


async def test_a_node_with_a_long_list_that_answers_slowly_keeps_nobody_waiting(network: Pass) -> None:
    """B1: the visit ends in its budget, the others are connected, and the slow one gets something done each time."""
    network.fault(0, call_s=4.9)
    network.nodes.add_strangers("demo/net-sts-0", 20_000)
    for entries in (20_001, 20_000, 19_999):
        began = monotonic()
        visit = await network.visit()
        assert monotonic() - began <= BUDGET_S
        assert [len(visit.said), visit.unfinished] == [3, {"net-sts-0"}]
        assert len(network.nodes.lists["demo/net-sts-0"]) == entries
    assert network.nodes.lists["demo/net-sts-1"] == {"10.0.0.3"}
    assert "10.0.0.2" in network.nodes.lists["demo/net-sts-0"]


async def test_a_list_is_corrected_by_so_many_entries_a_visit(network: Pass) -> None:
    """A node that answers fast keeps its worker no longer than others."""
    await network.settled()
    network.nodes.add_strangers("demo/net-sts-0", 3 * CHANGES_MAX)
    counts = []
    for _ in range(4):
        visit = await network.visit()
        counts.append((len(network.nodes.lists["demo/net-sts-0"]), bool(visit.unfinished)))
    assert counts == [(401, True), (201, True), (1, False), (1, False)]


async def test_a_connection_that_nobody_wants_gives_its_room_to_one_that_is_wanted(network: Pass) -> None:
    """A node makes 8 connections to added nodes; those of entries that went would keep the others out."""
    node = network.nodes.node("10.0.0.1", CREDENTIALS)
    await node.add_node("10.0.0.3")
    await asyncio.sleep(1)
    assert network.nodes.connections["demo/net-sts-0"] == 1
    await network.settled()
    assert network.nodes.lists["demo/net-sts-0"] == {"10.0.0.2"}
    assert (await node.answer()).connections == 2  # to the second, and from the third


class CutOff(MemoryNodes):
    """Nodes that wait in vain for each connection that they are asked to make now."""

    def node(self, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> MemoryNode:
        return _CutOff(self, address, credentials, port)


class _CutOff(MemoryNode):
    async def connect(self, entry: str) -> None:
        await asyncio.sleep(5)
        raise NodeUnreachable(f"addnode {entry} onetry on {self.address}: no answer within 5 s")


async def test_a_node_that_cannot_reach_a_peer_is_no_node_that_fails(network: Pass) -> None:
    """The call to connect takes as long as the attempt, and its list is right without it."""
    cut_off = CutOff()
    cut_off.follow(network.world.tracker)
    network.nodes, network.calls = cut_off, NodeCalls(cut_off)
    visit = await network.visit()
    assert all(isinstance(said, Answer) for said in visit.said.values())
    assert visit.unfinished == frozenset()
    assert network.nodes.lists["demo/net-sts-0"] == {"10.0.0.2"}


async def test_a_silent_node_costs_the_budget_at_most_and_its_error_stands_between(network: Pass) -> None:
    """Each node has a task of its own, and one that fails is asked again later and later."""
    await network.settled()
    network.fault(1, silent=True)
    asked_at = []
    began = monotonic()
    while monotonic() - began < 600:
        before = network.asked(1)
        visit = await network.visit()
        assert isinstance(visit.said["net-sts-1"], NodeUnreachable)
        assert isinstance(visit.said["net-sts-0"], Answer)
        if network.asked(1) > before:
            asked_at.append(monotonic())
        await asyncio.sleep(1)
    waits = [round(after - before) for before, after in pairwise(asked_at)]
    assert waits[0] <= 8
    assert waits == sorted(waits)
    assert AGAIN_S <= waits[-1] <= AGAIN_S + 10
    assert network.asked(0) > 100


async def test_a_node_that_hangs_beyond_its_timeout_says_nothing_in_the_visit(network: Pass) -> None:
    """The budget holds even if the client's own limit does not."""
    network.nodes.timeout_s = 99
    network.fault(2, silent=True)
    began = monotonic()
    visit = await network.visit()
    assert monotonic() - began == BUDGET_S
    assert "within the 10 s of a visit" in str(visit.said["net-sts-2"])


@pytest.mark.parametrize("fields", [{"uid": "another"}, {"is_ready": True}])
async def test_another_pod_is_asked_at_once_and_so_is_one_that_became_ready(
    network: Pass, fields: dict[str, Any]
) -> None:
    """Back-off is of a pod that fails, and not of a name."""
    await network.settled()
    network.change(1, is_ready=fields != {"is_ready": True})
    network.fault(1, refuses=True)
    for _ in range(5):
        await network.visit()
    assert network.asked(1) == 1
    network.fault(1, refuses=False)
    network.change(1, **fields)
    assert isinstance((await network.visit()).said["net-sts-1"], Answer)


async def test_other_credentials_are_tried_at_once(network: Pass) -> None:
    """A person who corrects a secret does not wait for a minute."""
    wrong = Credentials(user="user", password="wrong")
    for _ in range(5):
        visit = await network.visit(credentials=wrong)
        assert all(isinstance(said, BadCredentials) for said in visit.said.values())
    assert network.asked(0) == 1
    assert all(isinstance(said, Answer) for said in (await network.visit()).said.values())


async def test_a_node_that_fails_every_second_call_is_unsteady_and_stays_so(network: Pass) -> None:
    """B2: what is said of it changes a few times, and then no more, and it is asked once a minute."""
    await network.settled()
    network.fault(1, fails_every=2)
    told: list[str] = []
    began = monotonic()
    while monotonic() - began < 3600:
        visit = await network.visit()
        health = assess(network.members, visit, network.mesh).nodes["net-sts-1"]
        text = f"{health.state}: {health.message}"
        if [text] != told[-1:]:
            told.append(text)
        await asyncio.sleep(min(visit.again_s, 60))
    assert told[-1].startswith("Unsteady: it answers some calls and not others")
    assert len(told) <= 5
    assert network.asked(1) <= 80


async def test_an_unsteady_node_that_answers_for_a_while_is_steady_again(network: Pass) -> None:
    """And one that fails for a while is unreachable."""
    await network.settled()
    for faults in ({"fails_every": 0}, {"silent": True}):
        network.fault(1, fails_every=2)
        last = await network.visits(60)
        assert isinstance(last.said["net-sts-1"], Unsteady)
        network.fault(1, **faults)
        last = await network.visits(STEADY_S + 2 * AGAIN_S)
        assert isinstance(last.said["net-sts-1"], NodeUnreachable if "silent" in faults else Answer)


async def test_a_node_that_warms_up_is_starting_whether_its_pod_is_ready_or_not(network: Pass) -> None:
    """A container that was started again may be ready for some seconds by its old probe."""
    network.fault(0, is_warming_up=True)
    visit = await network.visit()
    assert isinstance(visit.said["net-sts-0"], WarmingUp)
    assert assess(network.members, visit, network.mesh).nodes["net-sts-0"].state is NodeState.STARTING


async def test_connections_that_do_not_come_about_are_a_partition_after_a_while(network: Pass) -> None:
    """B3: the lists are right, and the nodes see nobody; it is told once they had time to connect."""
    network.nodes.partition(["demo/net-sts-0"], ["demo/net-sts-1"], ["demo/net-sts-2"])
    began = monotonic()
    visit = await network.visit()
    while monotonic() - began < YOUNG_S:
        assert assess(network.members, visit, network.mesh).link is Link.CONNECTING
        assert visit.again_s <= AGAIN_S
        await asyncio.sleep(visit.again_s)
        visit = await network.visit()
    assert monotonic() - began < YOUNG_S + 2
    assert assess(network.members, visit, network.mesh).link is Link.PARTITIONED
    assert network.nodes.lists["demo/net-sts-0"] == {"10.0.0.2"}


async def test_while_something_is_expected_somebody_looks_soon_and_then_less_often(network: Pass) -> None:
    """A node that has blocks to get; any change of the picture is a reason to look soon again."""
    await network.settled()
    network.nodes.partition(["demo/net-sts-0"], ["demo/net-sts-1", "demo/net-sts-2"])
    await asyncio.sleep(YOUNG_S)
    waits = []
    for _ in range(8):
        visit = await network.visit()
        waits.append(visit.again_s)
        await asyncio.sleep(visit.again_s)
    assert waits == [1, 1, 2, 4, 8, 16, 32, 60]
    network.nodes.mine("demo/net-sts-1", 1)
    await asyncio.sleep(2 * EARLIER_S)
    await network.visit()
    network.change(0, uid="another")
    assert (await network.visit()).again_s == 1


async def test_a_new_controller_sees_a_partition_at_once(network: Pass) -> None:
    """The nodes were there before it, and their lists are right: a restart does not change a status."""
    await network.settled()
    network.nodes.partition(["demo/net-sts-0"], ["demo/net-sts-1"], ["demo/net-sts-2"])
    network.calls = NodeCalls(network.nodes)
    assert assess(network.members, await network.visit(), network.mesh).link is Link.PARTITIONED


async def test_a_node_that_was_started_again_has_time_to_connect(network: Pass) -> None:
    """Its connections are gone with it, and its own list is empty."""
    await network.settled()
    network.change(1, is_ready=False)
    await network.visit()
    network.nodes.partition(["demo/net-sts-1"], ["demo/net-sts-0", "demo/net-sts-2"])
    network.change(1, is_ready=True)
    assert assess(network.members, await network.visit(), network.mesh).link is Link.CONNECTING


async def test_what_nodes_said_earlier_is_at_least_half_a_minute_old_and_without_lists(network: Pass) -> None:
    """So a block that is new leaves nobody behind, and memory does not grow with lists."""
    await network.visit()
    network.nodes.mine("demo/net-sts-0", 5)
    began, heights = monotonic(), list[set[int]]()
    while monotonic() - began < 3 * EARLIER_S:
        await asyncio.sleep(EARLIER_S / 3)
        visit = await network.visit()
        heights.append({answer.height for answer in visit.earlier.values()})
        assert not any(answer.added for answer in visit.earlier.values())
    assert heights == [set(), set(), {0}, {0}, {0}, {5}, {5}, {5}, {5}]


async def test_what_a_node_said_before_its_pod_was_replaced_or_not_ready_is_not_what_it_said_earlier(
    network: Pass,
) -> None:
    """It says nothing of what the node has to have now; what the others said stands."""
    await network.settled()
    await network.visits(2 * EARLIER_S)
    network.change(1, is_ready=False)
    assert len((await network.visit()).earlier) == 3
    network.change(1, is_ready=True)
    network.change(2, uid="another")
    assert set((await network.visit()).earlier) == {"net-sts-0"}


async def test_what_is_remembered_goes_with_the_network_and_with_its_nodes(network: Pass) -> None:
    """A name that comes back begins anew."""
    network.fault(1, refuses=True)
    for _ in range(3):
        await network.visit()
    assert network.asked(1) == 1
    network.calls.forget(KEY)
    await network.visit()
    assert network.asked(1) == 2
    one = network.members.pop(1)
    await network.visit()
    network.members.insert(1, one)
    await network.visit()
    assert network.asked(1) == 3


async def test_an_ending_pod_and_one_without_an_address_are_not_asked(network: Pass) -> None:
    """Nobody is there to answer."""
    network.change(0, is_deleting=True, is_ready=False)
    network.change(1, address="", is_ready=False)
    visit = await network.visit()
    assert set(visit.said) == {"net-sts-2"}
    assert {call.node for call in network.nodes.calls} == {"demo/net-sts-2"}


async def test_a_change_of_peers_is_one_line_with_names_and_numbers(
    network: Pass, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of twenty thousand entries would fill a log."""
    network.nodes.add_strangers("demo/net-sts-0", 50)
    await network.visit()
    logged = capsys.readouterr().err
    assert "peers_changed part=bitcoin network=demo/net node=net-sts-0 added=1 removed=50" in logged
    assert len(logged.splitlines()) == 3
    assert "198.18" not in logged
    assert CREDENTIALS.password not in logged


async def test_a_visit_keeps_of_a_list_what_may_be_changed_and_no_more(network: Pass) -> None:
    """Twenty nodes with lists of a hundred thousand entries would take more memory than the controller may have."""
    await network.settled()
    network.nodes.add_strangers("demo/net-sts-0", 20_000)
    run = network.nodes._run("demo/net-sts-0")
    run.added["x" * 100_000] = ""
    await network.nodes.node("10.0.0.1", CREDENTIALS).add_node("10.0.0.3")
    said = (await network.visit(changes_max=0)).said["net-sts-0"]
    assert isinstance(said, Answer)
    assert len(said.added) == CHANGES_MAX + 3
    assert {"10.0.0.2", "10.0.0.3"} <= said.added.keys()
    assert max(map(len, said.added)) < 20
    for left in (19_803, 19_603):
        assert (await network.visit()).unfinished == {"net-sts-0"}
        assert len(network.nodes.lists["demo/net-sts-0"]) == left


async def test_a_refusal_in_other_words_is_the_same_refusal(network: Pass) -> None:
    """What is told of a node does not change with each of its texts."""
    await network.settled()
    reach, words = network.nodes.reach, count()

    async def refuse(address: str, port: int, credentials: Credentials, what: str) -> Any:
        if address == "10.0.0.2":
            raise RpcRefused("no", code=-1, text=f"no {next(words)}")
        return await reach(address, port, credentials, what)

    network.nodes.reach = refuse  # type: ignore[method-assign]
    told = set()
    for _ in range(20):
        told.add(str(assess(network.members, await network.visit(), network.mesh).nodes["net-sts-1"].message))
        await asyncio.sleep(AGAIN_S)
    assert told == {"it refuses to answer: no 0 (code -1)"}
    assert next(words) > 10
