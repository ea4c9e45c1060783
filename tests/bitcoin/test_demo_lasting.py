"""What the demo holds its network to while nodes go and come: a majority with all blocks, and no lower chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
import pytest

from ctrlkit.bitcoin.demo.checks import NodeFacts
from ctrlkit.bitcoin.demo.lasting import Majority
from ctrlkit.bitcoin.demo.nodes import Nodes
from ctrlkit.bitcoin.demo.observer import at_pods
from ctrlkit.bitcoin.demo.stage import NodeImages, Stage
from ctrlkit.bitcoin.demo.steps import StepFailed
from ctrlkit.bitcoin.network import NodeStatus
from ctrlkit.bitcoin.objects import Pod, PodStatus
from ctrlkit.bitcoin.rpc import Answer, BadCredentials, Credentials, NodeUnreachable
from ctrlkit.model import ObjectMeta

OLD, NEW = Credentials(user="old", password="1"), Credentials(user="new", password="2")


def facts_of(*blocks: int | None) -> list[NodeFacts]:
    """Nodes with these heights; None for one that is not ready."""
    return [
        NodeFacts(name=f"net-sts-{at}", ready=height is not None, address="", blocks=height)
        for at, height in enumerate(blocks)
    ]


def a_stage(nodes: int) -> Stage:
    """A stage of which only sizes matter."""
    nobody: Any = None
    images = NodeImages("a:1", "a:2", "a:3")
    return Stage(
        client=nobody, installation=nobody, observer=nobody, rpc=nobody, images=images, nodes=nodes, blocks=101
    )


@pytest.mark.parametrize(("nodes", "least"), [(2, 1), (3, 2), (4, 3), (5, 3), (12, 7)], ids=str)
def test_a_majority_has_all_blocks_each_time_the_nodes_are_asked(nodes: int, least: int) -> None:
    """Of two, one; a node that has fewer blocks does not count."""
    watched = Majority(a_stage(nodes))
    watched.look_at(facts_of(*[101] * nodes))
    watched.look_at(facts_of(*[101] * least, *[None] * (nodes - least)))
    assert str(watched) == f"{least} or more of {nodes} had all blocks, asked 2 times"
    with pytest.raises(StepFailed, match=f"only {least - 1} of {nodes} nodes had all blocks"):
        watched.look_at(facts_of(*[101] * (least - 1), *[100] * (nodes - least + 1)))


def test_too_few_nodes_are_told_with_what_the_others_have_instead() -> None:
    """Fewer blocks, no answer, or no address to ask at."""
    watched = Majority(a_stage(4))
    silent = NodeFacts(name="net-2", ready=True, address="c", error="getblockcount on c: refused")
    nowhere = NodeFacts(name="net-3", ready=False, address="")
    with pytest.raises(
        StepFailed, match="a majority: net-sts-1 has 7; getblockcount on c: refused; net-3 has no address"
    ):
        watched.look_at([*facts_of(101, 7), silent, nowhere])


async def test_a_majority_is_asked_where_pods_are_and_not_where_the_status_says() -> None:
    """
    A node that is up again counts before the controller has said that it is ready, as it does for the controller.

    Found by a walk-through on a busy machine: the next node was down already.
    """
    rpc = Heights({"new": 101, "up": 101}, {"new": (OLD,), "up": (OLD,)})
    old = msgspec.structs.replace(a_node("old"), ready=False)
    pods = {
        f"node-{was}": Pod(metadata=ObjectMeta(name=f"node-{was}"), status=PodStatus(pod_ip=ip))
        for was, ip in {"old": "new", "up": "up", "down": "down"}.items()
    }
    watched = Majority(a_stage(3))
    watched.look_at(await nodes_on(rpc).survey(at_pods([old, a_node("up"), a_node("down")], pods)))
    assert str(watched) == "2 or more of 3 had all blocks, asked 1 times"


class Heights:
    """An RPC client of nodes with these heights, each of which takes these credentials."""

    def __init__(self, heights: dict[str, int], takes: Mapping[str, tuple[Credentials, ...]]) -> None:
        self.heights = heights
        self.takes = takes

    def node(self, address: str, credentials: Credentials) -> Node:
        return Node(self, address, credentials)


class Node:
    """One of them."""

    def __init__(self, all_nodes: Heights, address: str, credentials: Credentials) -> None:
        self._nodes, self._address, self._credentials = all_nodes, address, credentials

    async def block_count(self) -> int:
        if self._address not in self._nodes.heights:
            raise NodeUnreachable("no answer")
        if self._credentials not in self._nodes.takes[self._address]:
            raise BadCredentials("refused")
        return self._nodes.heights[self._address]

    async def answer(self) -> Answer:
        height = await self.block_count()
        return Answer(version=1, agent="", height=height, tip="", is_syncing=False, connections=1, added={})


def a_node(address: str) -> NodeStatus:
    """A node that the status tells as ready."""
    return NodeStatus(ordinal=0, ready=True, ip=address, node_name=f"node-{address}", dns_name="")


def nodes_on(rpc: Heights) -> Nodes:
    """The nodes, called with the old credentials."""
    nodes = Nodes(cast(Any, rpc), on_survey=lambda facts: None)
    nodes.credentials = OLD
    return nodes


async def test_a_highest_chain_that_becomes_lower_is_noticed() -> None:
    """One node may be lower than it was while another has all; when the network is gone, it begins anew."""
    rpc = Heights({"a": 101, "b": 101}, {"a": (OLD,), "b": (OLD,)})
    nodes = nodes_on(rpc)
    both = [a_node("a"), a_node("b")]
    await nodes.survey(both)
    rpc.heights["a"] = 3
    await nodes.survey(both)
    assert nodes.went_back == ""
    del rpc.heights["b"]
    await nodes.survey(both)
    assert nodes.went_back == "the highest chain had 101 blocks, and then 3"
    again = nodes_on(rpc)
    await again.survey(both)
    again.forget_heights()
    rpc.heights["a"] = 0
    await again.survey(both)
    assert again.went_back == ""


async def test_nodes_are_called_with_the_credentials_that_they_take() -> None:
    """Those in force first; who takes which is told, and nothing of a node that does not answer."""
    rpc = Heights({"a": 7, "b": 8}, {"a": (OLD,), "b": (NEW,)})
    nodes = nodes_on(rpc)
    nodes.others = (NEW,)
    facts = await nodes.survey([a_node("a"), a_node("b"), a_node("c")])
    assert [fact.blocks for fact in facts] == [7, 8, None]
    assert [await nodes.accepts(address, NEW) for address in ("a", "b", "c", "")] == [False, True, None, None]
    nodes.others = ()
    (refused,) = await nodes.survey([a_node("b")])
    assert (refused.blocks, refused.error) == (None, "refused")
