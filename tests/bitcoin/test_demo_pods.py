"""What the pods of the demo answer: their logs, and commands as articles about bitcoin controllers type them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from ctrlkit.bitcoin.demo.binary import Binary, choose
from ctrlkit.bitcoin.demo.environment import check_addresses, embedded
from ctrlkit.bitcoin.demo.installation import NAMESPACE
from ctrlkit.client import Client
from ctrlkit.errors import ConfigError
from ctrlkit.manager import connect
from ctrlkit.model.kinds import NAMESPACES, PODS

pytestmark = pytest.mark.real_time

_CLI = ("/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf")
_DEADLINE_S = 30.0


async def _ready(client: Client, name: str) -> str:
    """Create a node without a controller, and return its address once it answers."""
    container = {
        "name": "node",
        "image": "christianb93/bitcoind:v1.0",
        "readinessProbe": {"exec": {"command": [*_CLI, "getnetworkinfo"]}},
    }
    await client.create(PODS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"containers": [container]}})
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            pod = await client.get(PODS, f"{NAMESPACE}/{name}")
            if any(one["ready"] for one in pod.at("status.containerStatuses") or ()):
                return str(pod.at("status.podIP"))
            await asyncio.sleep(0.05)


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


def test_a_machine_with_one_loopback_address_is_told_what_to_type_before_anything_starts() -> None:
    """As macOS is, in one line, as errors are; where addresses were added, or all are there, the demo begins."""
    with pytest.raises(ConfigError) as refused:
        check_addresses(4, is_set_up=lambda address: address in ("127.0.0.1", "127.0.0.3"))
    fact, _, command = str(refused.value).partition("; set them up (until it is started again): ")
    assert "lacks 2" in fact
    assert command == "sudo ifconfig lo0 alias 127.0.0.2 up && sudo ifconfig lo0 alias 127.0.0.4 up"
    check_addresses(3, is_set_up=lambda address: address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"))
    check_addresses(100, is_set_up=lambda address: True)
