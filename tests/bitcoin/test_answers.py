"""What a node may say: whatever the controller takes of it can be told, and is told without what is not for others."""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.facts import Member, Visit
from ctrlkit.bitcoin.health import assess, trouble_of
from ctrlkit.bitcoin.mesh import mesh_of
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, Spec
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.bitcoin.rpc import Answer, BadAnswer, Credentials, RpcClient, RpcError, RpcNode, RpcRefused
from ctrlkit.bitcoin.status import Findings, status_of
from ctrlkit.crd import definition_of
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import MergePatch, ObjectMeta, Unstructured, to_plain
from tests.bitcoin.test_rpc import Canned

ROOT = Path(__file__).parents[2]
CREDENTIALS = Credentials(user="an-unusual-user", password="an-unusual-password")
INFO = {"version": 290100, "subversion": "/Satoshi:29.1.0/", "connections": 1}
CHAIN = {"blocks": 7, "bestblockhash": "0f" * 32, "initialblockdownload": False}
NETWORKS, KEY = BITCOIN_NETWORKS.of(Unstructured), "default/net"


async def answer_of(network: dict[str, Any], chain: dict[str, Any], added: Any = ()) -> Answer:
    """What the controller makes of a node that says this."""
    parts = [{"result": part, "error": None, "id": "ctrlkit"} for part in (INFO | network, CHAIN | chain, added)]
    return await RpcNode(Canned(200, json.dumps(parts).encode()), "10.0.0.1", CREDENTIALS).answer()


async def refusal_of(code: int, text: str) -> RpcRefused:
    """What the controller makes of a node that refuses so."""
    parts = [{"result": None, "error": {"code": code, "message": text}}] * 3
    with pytest.raises(RpcRefused) as refused:
        await RpcNode(Canned(200, json.dumps(parts).encode()), "10.0.0.1", CREDENTIALS).answer()
    return refused.value


# ---- numbers


@functools.cache
def server() -> Tracker:
    """A server with one network."""
    tracker = FakeClientset(None, definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1)).tracker
    body = {"apiVersion": BITCOIN_NETWORKS.api_version, "kind": "BitcoinNetwork", "spec": {"nodes": 1}}
    tracker.create(NETWORKS, Unstructured(body | {"metadata": {"name": "net", "namespace": "default"}}))
    return tracker


_NUMBERS = st.one_of(
    st.integers(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**53, 2**63, 2**64]).flatmap(lambda edge: st.integers(edge - 2, edge + 2)),
)


@given(
    connections=_NUMBERS,
    blocks=_NUMBERS,
    version=_NUMBERS,
    agent=st.text(max_size=300),
    tip=st.sampled_from(["0f" * 32, "0f" * 32 + "\n", "0F" * 32, ""]),
)
async def test_for_any_answer_that_is_taken_the_server_takes_its_status(
    connections: int, blocks: int, version: int, agent: str, tip: str
) -> None:
    """A number that no field of the status holds would have each write of it refused, and hide all other nodes."""
    network = BitcoinNetwork(metadata=ObjectMeta(name="net", namespace="default"), spec=Spec(nodes=1))
    member = Member(name="net-sts-0", group="main", ordinal=0, uid="u", address="10.0.0.1", is_ready=True)
    for said in ({"connections": connections}, {"version": version}, {"subversion": agent}):
        with suppress(RpcError):
            answer = await answer_of(said, {"blocks": blocks, "bestblockhash": tip})
            visit = Visit(said={member.name: answer})
            health = assess([member], visit, mesh_of(network.spec, [member.name]))
            status = status_of(network, Findings(members=(member,), said=visit.said, health=health))
            stored = server().patch(
                NETWORKS, KEY, MergePatch({"status": json.loads(json.dumps(to_plain(status)))}), subresource="status"
            )
            (told,) = stored.at("status.nodes")
            assert (told["height"], told["connections"]) == (answer.height, answer.connections)
            assert len(told["tip"]) == 64


@pytest.mark.parametrize(
    ("network", "chain"),
    [
        ({"connections": 2**31}, {}),
        ({"connections": 2**40}, {}),
        ({"connections": -1}, {}),
        ({}, {"blocks": 2**63}),
        ({}, {"bestblockhash": "0f" * 32 + "\n"}),
    ],
)
async def test_a_number_that_no_status_holds_is_a_bad_answer(network: dict[str, Any], chain: dict[str, Any]) -> None:
    """It is that node's trouble, and told so."""
    with pytest.raises(BadAnswer, match="not that of a bitcoin node"):
        await answer_of(network, chain)


# ---- texts


async def test_a_node_that_calls_itself_by_its_credentials_is_not_quoted() -> None:
    """Who may read a network is not who may read its Secret."""
    for secret in (CREDENTIALS.password, CREDENTIALS.user, CREDENTIALS.authorization()):
        answer = await answer_of({"subversion": f"/{secret}/"}, {})
        assert answer.agent == "(its name is withheld, as it repeats credentials)"


@given(st.text(max_size=256))
async def test_for_any_name_and_refusal_of_a_node_what_is_told_prints(text: str) -> None:
    """One line, of characters that do nothing to a terminal."""
    with suppress(BadAnswer):  # a half of a character that takes two
        for told in ((await answer_of({"subversion": text}, {})).agent, trouble_of(await refusal_of(-1, text))):
            assert told.isprintable()
            assert len(told) <= 300


async def test_names_of_nodes_are_told_as_they_are() -> None:
    """Their versions are read out of them."""
    for agent in ("/Satoshi:29.1.0/", "/Bitcoin SV:1.0.13/", "/Satoshi:29.1.0(a comment)/Knots:20250305/"):
        assert (await answer_of({"subversion": agent}, {})).agent == agent


async def test_control_characters_of_a_refusal_do_not_come_through() -> None:
    """Whoever reads the status reads it in a terminal."""
    refused = await refusal_of(-1, "\x1b[2J\x1b]0;title\x07no")
    assert refused.text == "[2J ]0;title no"
    assert "\x1b" not in str(refused)


# ---- sizes


async def serving(answer: bytes, *headers: bytes) -> asyncio.Server:
    """A server that gives the same answer to each request."""

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = [b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: %d" % len(answer), *headers]
        with suppress(ConnectionError):
            writer.write(b"\r\n".join([*head, b"", answer]))
            await writer.drain()
        writer.close()

    return await asyncio.start_server(give, "127.0.0.1", 0)


async def test_a_compressed_answer_is_a_bad_answer() -> None:
    """A megabyte of it may become more than there is memory, before anybody sees how long it is."""
    results: list[Any] = [INFO, CHAIN, []]
    body = gzip.compress(json.dumps([{"result": result, "error": None} for result in results]).encode())
    async with await serving(body, b"Content-Encoding: gzip") as server, RpcClient() as bitcoind:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BadAnswer, match="not that of a bitcoin node"):
            await bitcoind.node("127.0.0.1", CREDENTIALS, port=port).answer()


async def test_long_lists_at_once_are_all_read() -> None:
    """A few of them at a time, each as long as that of a node with twenty thousand strangers."""
    added = [{"addednode": f"100.64.{number // 250}.{number % 250}", "connected": False} for number in range(20_000)]
    parts: list[Any] = [{"result": part, "error": None, "id": "ctrlkit"} for part in (INFO, CHAIN, added)]
    async with await serving(json.dumps(parts).encode()) as server, RpcClient(timeout_s=60) as bitcoind:
        node = bitcoind.node("127.0.0.1", CREDENTIALS, port=server.sockets[0].getsockname()[1])
        answers = await asyncio.gather(*(node.answer() for _ in range(6)))
    assert [len(answer.added) for answer in answers] == [20_000] * 6


@pytest.mark.long
def test_one_network_does_not_take_the_memory_of_the_controller() -> None:
    """Twenty nodes whose lists are as long as an answer may be; the Deployment has 256 MiB for all networks."""
    with subprocess.Popen([sys.executable, "-c", _NODE], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        port = node.stdout.readline().strip()
        told = subprocess.run([sys.executable, "-c", _VISITOR, port], stdout=subprocess.PIPE, check=True, cwd=ROOT)
        node.kill()
    before, after, answers = map(int, told.stdout.split())
    assert answers == 20
    assert after - before < 90


_NODE = """
import asyncio, json

def part(result):
    return {"result": result, "error": None, "id": "ctrlkit"}

network = {"version": 290100, "subversion": "/Satoshi:29.1.0/", "connections": 1}
chain = {"blocks": 7, "bestblockhash": "0f" * 32, "initialblockdownload": False}
added = [{"addednode": f"{number:x}", "connected": True} for number in range(100_000)]
body = json.dumps([part(network), part(chain), part(added)], separators=(",", ":")).encode()

async def give(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body))
    writer.write(body)
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(give, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""

_VISITOR = """
import asyncio, resource, sys
from ctrlkit.bitcoin.asking import NodeCalls
from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.mesh import mesh_of
from ctrlkit.bitcoin.network import Spec
from ctrlkit.bitcoin.rpc import Answer, Credentials, RpcClient
from ctrlkit.model import ObjectKey

def mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

async def main():
    names = [f"net-sts-{at}" for at in range(20)]
    members = [
        Member(name=name, group="main", ordinal=at, uid="u", address="127.0.0.1", is_ready=True)
        for at, name in enumerate(names)
    ]
    mesh, credentials = mesh_of(Spec(nodes=20), names), Credentials(user="user", password="password")
    async with RpcClient(timeout_s=60) as bitcoind:
        before, calls = mib(), NodeCalls(bitcoind)
        key, port = ObjectKey("demo", "net"), int(sys.argv[1])
        visit, _ = await calls.visit(key, members, credentials, mesh, port=port, changes_max=0)
        print(before, mib(), sum(isinstance(said, Answer) for said in visit.said.values()))

asyncio.run(main())
"""
