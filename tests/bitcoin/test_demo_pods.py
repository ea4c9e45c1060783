"""What the pods of the demo answer: their logs, and commands as articles about bitcoin controllers type them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from ctrlkit.bitcoin.demo.binary import Binary, NoBitcoind, choose
from ctrlkit.bitcoin.demo.environment import check_addresses, embedded
from ctrlkit.bitcoin.demo.installation import NAMESPACE
from ctrlkit.bitcoin.layout import config_secret, desired_objects
from ctrlkit.bitcoin.network import BitcoinNetwork, Chain, Ports, Spec, Storage
from ctrlkit.bitcoin.objects import SECRETS, STATEFULSETS
from ctrlkit.bitcoin.rotation import next_config
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.client import Client
from ctrlkit.errors import ConfigError
from ctrlkit.manager import connect
from ctrlkit.model import ObjectMeta
from ctrlkit.model.kinds import NAMESPACES, PODS

pytestmark = pytest.mark.real_time

_CLI = ("/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf")
_DEADLINE_S = 30.0


async def _address(client: Client, name: str) -> str:
    """The address of a pod, once it is ready."""
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            pods = {pod.metadata.name: pod for pod in await client.list(PODS, namespace=NAMESPACE)}
            if name in pods and any(one["ready"] for one in pods[name].at("status.containerStatuses") or ()):
                return str(pods[name].at("status.podIP"))
            await asyncio.sleep(0.05)


async def _ready(client: Client, name: str) -> str:
    """Create a node without a controller, and return its address once it answers."""
    container = {
        "name": "node",
        "image": "christianb93/bitcoind:v1.0",
        "readinessProbe": {"exec": {"command": [*_CLI, "getnetworkinfo"]}},
    }
    await client.create(PODS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"containers": [container]}})
    return await _address(client, name)


async def _ask(client: Client, pod: str, *command: str) -> str:
    done = await client.exec(f"{NAMESPACE}/{pod}", command)
    assert done.exit_code == 0, done.stderr
    return done.stdout.decode()


async def _peers(client: Client, pod: str) -> list[str]:
    """The addresses of a node's peers, once it has some."""
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            peers = json.loads(await _ask(client, pod, *_CLI, "getpeerinfo"))
            if peers:
                return [peer["addr"] for peer in peers]
            await asyncio.sleep(0.05)


def _namespace_of(kubeconfig: str) -> str:
    (one,) = yaml.safe_load(Path(kubeconfig).read_text())["contexts"]
    return str(one["context"]["namespace"])


async def test_nodes_tell_of_themselves_and_are_connected_by_hand() -> None:
    """The kubeconfig is in the demo's namespace; logs, addnode, getpeerinfo, and credentials on the command line."""
    binary: Binary = await choose("simulated")
    async with embedded(binary, port=0) as ground, connect(kubeconfig=ground.kubeconfig) as client:
        assert _namespace_of(ground.kubeconfig) == NAMESPACE
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        (_, there) = await asyncio.gather(_ready(client, "a"), _ready(client, "b"))
        assert "init message: Done loading" in await client.logs(f"{NAMESPACE}/a")
        await _ask(client, "a", *_CLI, "addnode", there, "add")
        assert await _peers(client, "a") == [there]
        assert f"peeraddr={there}" in await client.logs(f"{NAMESPACE}/a")
        named = ("/usr/local/bin/bitcoin-cli", "-regtest", "-rpcuser=user", "-rpcpassword=password", "getnetworkinfo")
        assert json.loads(await _ask(client, "b", *named))["connections"] == 1


async def _asked_without_flags(binary: Binary, spec: Spec) -> None:
    """Make what the controller makes of a network, and ask its node as people do, and as articles do."""
    network = BitcoinNetwork(metadata=ObjectMeta(name="net", namespace=NAMESPACE, uid="uid"), spec=spec)
    state = next_config(None, Credentials(user="bc", password="s3cret"), salt="5a17", all_updated=False)
    objects = desired_objects(network, state, {"main": "demo/bitcoind:30.2"})
    wanted = [(SECRETS, config_secret(network, state)), *(one for one in objects if one[0] is STATEFULSETS)]
    async with embedded(binary, port=0) as ground, connect(kubeconfig=ground.kubeconfig) as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for resource, body in wanted:
            del body["metadata"]["ownerReferences"]  # nothing else is there that would own it
            await client.create(resource, body)
        await _address(client, "net-sts-0")
        for cli in (("bitcoin-cli",), ("/usr/local/bin/bitcoin-cli", "-conf=/bitcoin.conf")):
            assert json.loads(await _ask(client, "net-sts-0", *cli, "getpeerinfo")) == []
            told = json.loads(await _ask(client, "net-sts-0", *cli, "getblockchaininfo"))
            assert told["chain"] == str(spec.chain)


@pytest.mark.parametrize(
    "spec",
    [
        Spec(nodes=1, storage=Storage(ephemeral=True)),
        Spec(
            nodes=1, storage=Storage(ephemeral=True), chain=Chain.SIGNET, signet_challenge="51", ports=Ports(rpc=2000)
        ),
    ],
    ids=["regtest", "another chain and port"],
)
async def test_a_node_of_a_network_is_asked_without_flags(spec: Spec) -> None:
    """`kubectl exec net-sts-0 -- bitcoin-cli getpeerinfo`: its home folder has what says where the node is."""
    await _asked_without_flags(await choose("simulated"), spec)


@pytest.mark.long
@pytest.mark.parametrize("ports", [Ports(), Ports(rpc=20000)], ids=["default port", "another port"])
async def test_a_real_node_of_a_network_is_asked_without_flags(ports: Ports) -> None:
    """By its own bitcoin-cli, of Bitcoin Core or of a fork."""
    try:
        binary = await choose("real")
    except NoBitcoind as error:
        pytest.skip(str(error))
    await _asked_without_flags(binary, Spec(nodes=1, storage=Storage(ephemeral=True), ports=ports))


def test_a_machine_with_one_loopback_address_is_told_what_to_type_before_anything_starts() -> None:
    """As macOS is, in one line, as errors are; where addresses were added, or all are there, the demo begins."""
    with pytest.raises(ConfigError) as refused:
        check_addresses(4, is_set_up=lambda address: address in ("127.0.0.1", "127.0.0.3"))
    fact, _, command = str(refused.value).partition("; set them up (until it is started again): ")
    assert "lacks 2" in fact
    assert command == "sudo ifconfig lo0 alias 127.0.0.2 up && sudo ifconfig lo0 alias 127.0.0.4 up"
    check_addresses(3, is_set_up=lambda address: address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"))
    check_addresses(100, is_set_up=lambda address: True)
