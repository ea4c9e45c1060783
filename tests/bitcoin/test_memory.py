"""Nodes in memory live with their pods, keep what their claims keep, and behave as nodes do."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ctrlkit.bitcoin.rpc import BadCredentials, Code, Credentials, NodeUnreachable, RpcRefused
from ctrlkit.clock import monotonic
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch, Options
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS
from tests.bitcoin.memory import MANUAL_CONNECTIONS_MAX, MemoryNodes

OLD, NEW = Credentials(user="u", password="old"), Credentials(user="u", password="new")
DEFAULT = Credentials(user="user", password="password")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world without a kubelet: what is in it is what a test puts there."""
    async with World({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}) as world:
        yield world


@pytest.fixture
def nodes(world: World) -> MemoryNodes:
    """The nodes of its pods."""
    nodes = MemoryNodes()
    nodes.follow(world.tracker)
    return nodes


def put_pod(world: World, ordinal: int, *, claim: str = "", image: str = "bitcoin/bitcoin:29.1", conf: str = "") -> str:
    """A pod that runs; returns the name of its node."""
    volumes: list[dict[str, Any]] = []
    if claim:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
    if conf:
        items = [{"key": "main.conf", "path": "bitcoin.conf"}]
        volumes.append({"name": "config", "secret": {"secretName": conf, "items": items}})
    container = {"name": "bitcoind", "image": image}
    status = {"phase": "Running", "podIP": address(ordinal)}
    seed(
        world.tracker,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"net-{ordinal}", "namespace": "demo"},
            "spec": {"containers": [container], "volumes": volumes},
            "status": status,
        },
    )
    return f"demo/net-{ordinal}"


def put_claim(world: World, name: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "demo"}}
    seed(world.tracker, {**claim, "spec": spec})


def put_conf(world: World, text: str) -> None:
    """The Secret with a bitcoin.conf, made or changed."""
    data = {"main.conf": b64encode(text.encode()).decode()}
    if any(secret.key.name == "conf" for secret in world.tracker.list(SECRETS, "demo")):
        world.tracker.patch(SECRETS, "demo/conf", MergePatch({"data": data}))
    else:
        metadata = {"name": "conf", "namespace": "demo"}
        seed(world.tracker, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def delete_pod(world: World, ordinal: int) -> None:
    world.tracker.delete(PODS, f"demo/net-{ordinal}", Options(grace_period_s=0))


def address(ordinal: int) -> str:
    return f"10.0.0.{ordinal + 1}"


async def test_a_node_is_where_its_pod_is_and_is_gone_with_it(world: World, nodes: MemoryNodes) -> None:
    """It answers at the pod's address, at its port alone."""
    put_pod(world, 0)
    answer = await nodes.node(address(0), DEFAULT).answer()
    assert (answer.version, answer.agent, answer.height) == (290100, "/Satoshi:29.1.0/", 0)
    with pytest.raises(NodeUnreachable):
        await nodes.node(address(0), DEFAULT, port=8332).answer()
    delete_pod(world, 0)
    with pytest.raises(NodeUnreachable):
        await nodes.node(address(0), DEFAULT).answer()


async def test_nodes_connect_by_their_lists_and_both_ends_see_it(world: World, nodes: MemoryNodes) -> None:
    """One has the other on its list; blocks go both ways."""
    one, other = put_pod(world, 0), put_pod(world, 1)
    await nodes.node(address(0), DEFAULT).add_node(address(1))
    assert (await nodes.node(address(0), DEFAULT).answer()).added == {address(1): False}
    await world.pass_time(1)
    assert (await nodes.node(address(0), DEFAULT).answer()).added == {address(1): True}
    assert nodes.connections == {one: 1, other: 1}
    nodes.mine(other, 3)
    await world.pass_time(1)
    nodes.mine(one, 2)
    await world.pass_time(1)
    assert nodes.heights == {one: 5, other: 5}
    assert len(set(nodes.tips.values())) == 1


async def test_blocks_come_in_steps_and_reach_those_behind_others(world: World, nodes: MemoryNodes) -> None:
    """A chain of nodes: the last one has them later."""
    nodes.blocks_a_step = 10
    for ordinal in range(3):
        put_pod(world, ordinal)
    nodes.mine("demo/net-0", 30)
    for ordinal in range(2):
        await nodes.node(address(ordinal), DEFAULT).add_node(address(ordinal + 1))
    await world.pass_time(0.25)
    first, second, third = nodes.heights.values()
    assert first == 30 > second > 0
    assert third <= second
    await world.pass_time(5)
    assert set(nodes.heights.values()) == {30}


async def test_of_two_chains_the_longer_one_wins_when_a_partition_ends(world: World, nodes: MemoryNodes) -> None:
    """And while it lasts neither side sees the other, even one that restarts."""
    one, other = put_pod(world, 0), put_pod(world, 1)
    await nodes.node(address(0), DEFAULT).add_node(address(1))
    nodes.mine(one)
    await world.pass_time(1)
    nodes.partition({one}, {other})
    nodes.mine(one, 2)
    nodes.mine(other, 3)
    await world.pass_time(60)
    assert nodes.heights == {one: 3, other: 4}
    assert nodes.connections == {one: 0, other: 0}
    tip = nodes.tips[other]
    nodes.heal()
    await world.pass_time(nodes.retry_s + 1)
    assert nodes.tips == {one: tip, other: tip}


async def test_the_chain_is_on_the_claim(world: World, nodes: MemoryNodes) -> None:
    """It survives the pod, not the claim; a pod without one takes its chain along, and that is told."""
    put_claim(world, "data")
    kept, lost = put_pod(world, 0, claim="data"), put_pod(world, 1)
    nodes.mine(kept, 7)
    nodes.mine(lost, 7)
    for ordinal in (0, 1):
        delete_pod(world, ordinal)
    assert nodes.heights == {}
    put_pod(world, 0, claim="data")
    put_pod(world, 1)
    assert nodes.heights == {kept: 7, lost: 0}
    assert nodes.went_back == [f"{lost}: from 7 to 0"]
    delete_pod(world, 0)
    world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, "demo/data", MergePatch({"metadata": {"finalizers": None}}))
    world.tracker.delete(PERSISTENT_VOLUME_CLAIMS, "demo/data")
    put_claim(world, "data")
    put_pod(world, 0, claim="data")
    assert nodes.heights[kept] == 0


async def test_the_list_of_added_nodes_is_lost_with_the_run_and_others_connect_again(
    world: World, nodes: MemoryNodes
) -> None:
    """As in Bitcoin Core: who has a node on a list tries again until it is there."""
    one, other = put_pod(world, 0), put_pod(world, 1)
    await nodes.node(address(0), DEFAULT).add_node(address(1))
    await nodes.node(address(1), DEFAULT).add_node(address(0))
    await world.pass_time(1)
    delete_pod(world, 1)
    assert nodes.connections == {one: 0}
    put_pod(world, 1)
    await world.pass_time(nodes.retry_s / 2)
    assert nodes.lists == {one: {address(1)}, other: set()}
    assert nodes.connections == {one: 0, other: 0}, "who has just looked at its list does so again a minute later"
    await world.pass_time(nodes.retry_s)
    assert nodes.connections == {one: 1, other: 1}


async def test_a_node_tries_a_peer_at_once_if_it_is_told_to(world: World, nodes: MemoryNodes) -> None:
    """Even if it is not on the list, and however lately the list was looked at."""
    put_pod(world, 0)
    node = nodes.node(address(0), DEFAULT)
    await node.add_node(address(1))
    await world.pass_time(1)
    put_pod(world, 1)
    await node.connect(address(1))
    await world.pass_time(1)
    assert (await node.answer()).added == {address(1): True}


async def test_a_node_holds_eight_connections_to_those_it_added(world: World, nodes: MemoryNodes) -> None:
    """The ninth waits."""
    for ordinal in range(10):
        put_pod(world, ordinal)
    for ordinal in range(1, 10):
        await nodes.node(address(0), DEFAULT).add_node(address(ordinal))
    await world.pass_time(1)
    answer = await nodes.node(address(0), DEFAULT).answer()
    assert sum(answer.added.values()) == answer.connections == MANUAL_CONNECTIONS_MAX
    assert len(answer.added) == 9


async def test_a_young_tip_ends_the_initial_download_and_a_restart_asks_again(world: World, nodes: MemoryNodes) -> None:
    """So a new regtest network is in it, and so is a node that starts with an old tip."""
    put_claim(world, "data")
    name = put_pod(world, 0, claim="data")
    node = nodes.node(address(0), DEFAULT)
    assert (await node.answer()).is_syncing
    nodes.mine(name)
    assert not (await node.answer()).is_syncing
    await world.pass_time("25h")
    assert not (await node.answer()).is_syncing
    delete_pod(world, 0)
    put_pod(world, 0, claim="data")
    assert (await node.answer()).is_syncing


def auth(salt: str, credentials: Credentials) -> str:
    """A line of rpcauth, as share/rpcauth of Bitcoin Core makes it."""
    digest = hmac.new(salt.encode(), credentials.password.encode(), "sha256").hexdigest()
    return f"rpcauth={credentials.user}:{salt}${digest}\n"


async def test_credentials_are_those_of_the_configuration_at_the_start(world: World, nodes: MemoryNodes) -> None:
    """Rotation: a Secret that changes means nothing to a node until it starts again; both lines of one are good."""
    put_conf(world, "regtest=1\n[regtest]\nrpcport=18332\n" + auth("a1", OLD))
    put_pod(world, 0, conf="conf")
    await nodes.node(address(0), OLD).answer()
    put_conf(world, "[regtest]\nrpcport=18332\n" + auth("a1", OLD) + auth("b2", NEW))
    with pytest.raises(BadCredentials):
        await nodes.node(address(0), NEW).answer()
    delete_pod(world, 0)
    put_pod(world, 0, conf="conf")
    for credentials in (OLD, NEW):
        await nodes.node(address(0), credentials).answer()
    for wrong in (DEFAULT, Credentials(user="v", password="new")):
        with pytest.raises(BadCredentials):
            await nodes.node(address(0), wrong).answer()


async def test_faults(world: World, nodes: MemoryNodes) -> None:
    """Silent, slow, flapping, warming up, of other credentials, with a full disk: each as the client sees it."""
    name = put_pod(world, 0)
    node, faults = nodes.node(address(0), DEFAULT), nodes.faults[name]
    began = monotonic()
    faults.silent = True
    with pytest.raises(NodeUnreachable):
        await node.answer()
    assert monotonic() - began == nodes.timeout_s
    faults.silent, faults.call_s = False, 4.9
    await node.answer()
    assert monotonic() - began == nodes.timeout_s + 4.9
    faults.call_s, faults.is_warming_up = 0, True
    with pytest.raises(RpcRefused) as refused:
        await node.answer()
    assert refused.value.code == Code.WARMING_UP
    faults.is_warming_up, faults.fails_every = False, 2
    outcomes = []
    for _ in range(4):
        try:
            await node.answer()
            outcomes.append(True)
        except NodeUnreachable:
            outcomes.append(False)
    assert sorted(outcomes) == [False, False, True, True]
    faults.fails_every, faults.wrong_credentials = 0, True
    with pytest.raises(BadCredentials):
        await node.answer()
    faults.wrong_credentials, faults.disk_full = False, True
    with pytest.raises(NodeUnreachable):
        await node.answer()
    del nodes.faults[name]
    nodes.add_strangers(name, 20_000)
    assert len((await node.answer()).added) == 20_000
    assert [call.failure for call in nodes.calls if call.failure] == [
        *("NodeUnreachable", "WarmingUp", "NodeUnreachable", "NodeUnreachable", "BadCredentials", "NodeUnreachable")
    ]


async def test_a_chain_of_a_newer_format_does_not_start(world: World, nodes: MemoryNodes) -> None:
    """Back from 29 to 27 there is no node, and the chain is there for one that reads it."""
    put_claim(world, "data")
    name = put_pod(world, 0, claim="data", image="bitcoin/bitcoin:29.1")
    nodes.mine(name, 5)
    delete_pod(world, 0)
    put_pod(world, 0, claim="data", image="bitcoin/bitcoin:27.0")
    assert nodes.heights == {}
    delete_pod(world, 0)
    put_pod(world, 0, claim="data", image="bitcoin/bitcoin:28.0")
    assert nodes.heights == {name: 5}


async def test_in_a_cluster_containers_are_nodes() -> None:
    """Ready when the node is warm; one with a full disk ends and is not started again until there is room."""
    nodes = MemoryNodes(warmup_s=20)
    probe = {"exec": {"command": ["bitcoin-cli", "getblockchaininfo"]}, "periodSeconds": 5}
    container = {"name": "bitcoind", "image": "bitcoin/bitcoin:28.0", "readinessProbe": probe}
    metadata = {"name": "net-0", "namespace": "default"}
    async with World(cluster=ALL, images=nodes.images) as world:
        nodes.follow(world.tracker)
        spec = {"containers": [container]}
        world.seed({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

        def ready() -> str:
            status = world.tracker.get(PODS, "default/net-0").at("status")
            return str(next(one["status"] for one in status["conditions"] if one["type"] == "Ready"))

        await world.pass_time(10)
        assert ready() == "False"
        await world.pass_time(30)
        assert ready() == "True"
        nodes.mine("default/net-0", 4)
        nodes.faults["default/net-0"].disk_full = True
        await world.pass_time(60)
        assert ready() == "False"
        assert nodes.heights == {}
        (status,) = world.tracker.get(PODS, "default/net-0").at("status.containerStatuses")
        assert status["restartCount"] > 0
        assert "Disk space" in str(status["lastState"]) or "message" not in str(status)
        nodes.faults.clear()
        await world.pass_time(600)
        assert ready() == "True"
        assert nodes.heights == {"default/net-0": 4}


@pytest.mark.parametrize(("grace_s", "replays"), [(30, True), (90, False)])
async def test_a_node_that_is_killed_while_it_writes_starts_more_slowly(grace_s: int, replays: bool) -> None:
    """It has all of its blocks nevertheless, on its claim; with time enough to stop nothing is to be replayed."""
    nodes = MemoryNodes(stop_s=60, replay_s=1000)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "data", "namespace": "default"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "net-0", "namespace": "default"},
        "spec": {
            "terminationGracePeriodSeconds": grace_s,
            "containers": [{"name": "bitcoind", "image": "bitcoin/bitcoin:30.2"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    }
    async with World(cluster=ALL, images=nodes.images, furnished=True) as world:
        nodes.follow(world.tracker)
        world.seed({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim}, pod)
        await world.pass_time(60)
        nodes.mine("default/net-0", 5)
        await world.client.delete(PODS, "default/net-0")
        await world.pass_time(120)
        assert nodes.heights == {}
        world.seed(pod)
        await world.pass_time(60)
        assert nodes.heights == {"default/net-0": 5}
        ip = world.tracker.get(PODS, "default/net-0").at("status.podIP")
        if replays:
            with pytest.raises(RpcRefused):
                await nodes.node(ip, DEFAULT).answer()
            await world.pass_time(1000)
        assert (await nodes.node(ip, DEFAULT).answer()).height == 5
