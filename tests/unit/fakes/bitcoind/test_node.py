"""Simulated bitcoin nodes: what they answer, how they find each other, what goes wrong when it is asked to."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.fakes.bitcoind.chain import GENESIS
from ctrlkit.fakes.bitcoind.node import SimulatedNetwork, SimulatedNode
from ctrlkit.fakes.bitcoind.release import Release
from ctrlkit.fakes.bitcoind.rpc import Mode, NodeFaults
from tests.support.loopback import own_address

A, B, C, D = (own_address(number) for number in range(1, 5))

Answer = tuple[int, str, str]  # status, Content-Type, body


async def send(host: str, body: str, *, http: str = "POST", path: str = "/", password: str = "p") -> Answer:
    """One HTTP request."""
    headers = {"Authorization": "Basic " + b64encode(f"u:{password}".encode()).decode()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(http, f"http://{host}:18332{path}", data=body, headers=headers) as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def call(host: str, method: str, *params: Any) -> Any:
    """The result of a call that succeeds."""
    status, _, body = await send(host, json.dumps({"id": 1, "method": method, "params": params}))
    assert status == 200, body
    return json.loads(body)["result"]


async def mine(host: str, blocks: int) -> list[str]:
    """Mine some blocks on a node."""
    mined: list[str] = await call(host, "generatetoaddress", blocks, "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8")
    return mined


async def fail(host: str, method: str, *params: Any) -> tuple[int, int, str]:
    """Status, code and message of a call that fails."""
    status, _, body = await send(host, json.dumps({"id": 1, "method": method, "params": params}))
    error = json.loads(body)["error"]
    return status, error["code"], error["message"]


def a_network() -> SimulatedNetwork:
    return SimulatedNetwork(user="u", password="p")


def a_node(*, datadir: Path | None = None, warmup_s: float = 0.0) -> SimulatedNode:
    return SimulatedNode(A, user="u", password="p", datadir=datadir, warmup_s=warmup_s)


async def test_an_answer_has_result_error_and_id() -> None:
    """The shape of every answer; the id is the caller's own."""
    async with a_node():
        assert await send(A, '{"id": "mine", "method": "getblockcount"}') == (
            200,
            "application/json",
            '{"result":0,"error":null,"id":"mine"}\n',
        )
        assert await send(A, '{"id": 7, "method": "nosuch", "params": []}') == (
            404,
            "application/json",
            '{"result":null,"error":{"code":-32601,"message":"Method not found"},"id":7}\n',
        )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("garbage", 500, -32700),
        ("5", 500, -32700),
        ("{}", 400, -32600),
        ('{"method": 5}', 400, -32600),
        ('{"method": "getblockcount", "params": 7}', 400, -32600),
        ('{"method": "getblockcount", "params": [1]}', 500, -1),
        ('{"method": "addnode", "params": ["127.0.0.1"]}', 500, -1),
        ('{"method": "addnode", "params": ["127.0.0.1", "bogus"]}', 500, -1),
        ('{"method": "addnode", "params": [5, "add"]}', 500, -3),
        ('{"method": "generate", "params": [1]}', 500, -1),
        ('{"method": "generate"}', 404, -32601),
        ('{"method": "generatetoaddress", "params": [true, "m"]}', 500, -3),
        ('{"method": "generatetoaddress", "params": [1, "nope"]}', 500, -5),
        ('{"method": "getaddednodeinfo", "params": ["127.0.0.1"]}', 500, -24),
    ],
)
async def test_a_wrong_request_is_answered_with_its_code(body: str, status: int, code: int) -> None:
    """The statuses and codes of a real node."""
    async with a_node():
        answer = await send(A, body)
        assert (answer[0], json.loads(answer[2])["error"]["code"]) == (status, code)


async def test_who_is_not_known_gets_an_empty_body() -> None:
    """401 after a quarter of a second, 405 for another verb, 404 for another path; none of them is JSON."""
    async with a_node():
        assert (await send(A, "{}", password="another"))[::2] == (401, "")
        assert asyncio.get_running_loop().time() == 0.25
        assert (await send(A, "", http="GET"))[0] == 405
        assert (await send(A, "{}", path="/elsewhere"))[::2] == (404, "")


async def test_every_call_is_refused_until_the_node_is_warm() -> None:
    """-28 even for a method that does not exist."""
    async with a_node(warmup_s=3):
        assert await fail(A, "getblockcount") == (500, -28, "Verifying blocks…")
        assert await fail(A, "nosuch") == (500, -28, "Verifying blocks…")
        await asyncio.sleep(3)
        assert await call(A, "getblockcount") == 0


async def test_the_list_of_added_nodes_is_kept_letter_by_letter() -> None:
    """-23 for an address that is there, however it is spelled, and -24 for other letters, as Bitcoin Core has them."""
    async with a_node() as node:
        await call(A, "addnode", B, "add")
        assert await fail(A, "addnode", B, "add") == (500, -23, "Error: Node already added")
        assert await fail(A, "addnode", f"{B}:18444", "add") == (500, -23, "Error: Node already added")
        never_added = (500, -24, "Error: Node could not be removed. It has not been added previously.")
        assert await fail(A, "addnode", f"{B}:18444", "remove") == never_added
        await call(A, "addnode", f"{B}:18555", "add")
        assert await call(A, "getaddednodeinfo") == [
            {"addednode": B, "connected": False, "addresses": []},
            {"addednode": f"{B}:18555", "connected": False, "addresses": []},
        ]
        await call(A, "addnode", B, "remove")
        assert await call(A, "getaddednodeinfo", f"{B}:18555") == [
            {"addednode": f"{B}:18555", "connected": False, "addresses": []}
        ]
        await node.stop()
    async with SimulatedNode(A, user="u", password="p", release=Release.of("0.16")):
        for entry in (B, f"{B}:18444"):
            await call(A, "addnode", entry, "add")
        assert [added["addednode"] for added in await call(A, "getaddednodeinfo")] == [B, f"{B}:18444"]


async def test_an_added_node_is_connected_as_soon_as_both_run() -> None:
    """Within a second of its start, whichever of the two starts later; the accepting side has it as inbound."""
    async with a_network() as network:
        await network.start(A)
        await call(A, "addnode", B, "add")
        await asyncio.sleep(10)
        assert await call(A, "getpeerinfo") == []
        await network.start(B)
        await asyncio.sleep(1)
        assert await call(A, "getaddednodeinfo") == [
            {"addednode": B, "connected": True, "addresses": [{"address": f"{B}:18444", "connected": "outbound"}]}
        ]
        assert [(peer["addr"], peer["inbound"]) for peer in await call(A, "getpeerinfo")] == [(B, False)]
        ((inbound, address),) = [(peer["inbound"], peer["addr"]) for peer in await call(B, "getpeerinfo")]
        assert inbound
        assert address.startswith(f"{A}:"), "who connects is seen at its own address, as in a cluster"
        assert await call(B, "getaddednodeinfo") == []


async def test_a_link_survives_the_removal_of_its_entry_and_not_the_end_of_its_node() -> None:
    """`remove` changes the list only, as with real nodes."""
    async with a_network() as network:
        await network.start(A)
        await network.start(B)
        await call(A, "addnode", B, "add")
        await asyncio.sleep(1)
        await call(A, "addnode", B, "remove")
        await asyncio.sleep(1)
        assert len(await call(A, "getpeerinfo")) == 1
        await network.nodes[B].stop()
        await asyncio.sleep(1)
        assert await call(A, "getpeerinfo") == []


async def test_onetry_connects_once_and_lists_nothing() -> None:
    """The link is there when the call returns; after the peer's restart it is not made again."""
    async with a_network() as network:
        await network.start(A)
        peer = await network.start(B)
        await call(A, "addnode", B, "onetry")
        await asyncio.sleep(0.1)
        assert [link["connection_type"] for link in await call(A, "getpeerinfo")] == ["manual"]
        assert await call(A, "getaddednodeinfo") == []
        await peer.stop()
        await peer.start()
        await asyncio.sleep(5)
        assert await call(A, "getpeerinfo") == []


async def test_a_node_does_not_connect_to_itself() -> None:
    """Its own address may be on its list and changes nothing."""
    async with a_node():
        await call(A, "addnode", A, "add")
        await asyncio.sleep(5)
        assert await call(A, "getpeerinfo") == []


@pytest.mark.parametrize("entry", ["127.0.0.1:99999", "a" * 80 + ".b", "ü\x00"])
async def test_an_entry_that_is_no_address_harms_nobody(entry: str) -> None:
    """The node goes on serving and connecting to the others on its list."""
    async with a_network() as network:
        await network.start(A)
        await network.start(B)
        await call(A, "addnode", entry, "add")
        await call(A, "addnode", B, "add")
        await asyncio.sleep(10)
        assert [peer["addr"] for peer in await call(A, "getpeerinfo")] == [B]


async def test_blocks_reach_every_node_there_is_a_way_to() -> None:
    """Along a line of nodes, in both directions of its links, and to no node beside it."""
    async with a_network() as network:
        for host in (A, B, C, D):
            await network.start(host)
        await call(A, "addnode", B, "add")
        await call(C, "addnode", B, "add")
        await asyncio.sleep(1)
        blocks = await mine(A, 101)
        await asyncio.sleep(0.1)
        assert network.heights == {A: 101, B: 101, C: 101, D: 0}
        assert await call(C, "getbestblockhash") == blocks[-1]
        assert await call(D, "getbestblockhash") == GENESIS
        await mine(C, 1)
        await asyncio.sleep(0.1)
        assert network.heights == {A: 102, B: 102, C: 102, D: 0}
        assert (await call(A, "getblockchaininfo"))["blocks"] == 102


async def test_the_longer_chain_wins_when_parts_come_together() -> None:
    """Both sides of a cut mine; after it the blocks of the shorter side are gone."""
    async with a_network() as network:
        for host in (A, B, C):
            await network.start(host)
        await call(A, "addnode", B, "add")
        await call(B, "addnode", C, "add")
        await mine(A, 2)
        await asyncio.sleep(1)
        network.cut(B, C)
        await mine(A, 1)
        longer = await mine(C, 2)
        await asyncio.sleep(5)
        assert network.heights == {A: 3, B: 3, C: 4}
        assert [len(await call(host, "getpeerinfo")) for host in (A, B, C)] == [1, 1, 0]
        network.heal(B, C)
        await asyncio.sleep(1)
        assert {await call(host, "getbestblockhash") for host in (A, B, C)} == {longer[-1]}


async def test_a_cut_holds_for_nodes_that_start_later() -> None:
    """What separates two addresses is not a matter of which node runs there."""
    async with a_network() as network:
        network.cut(A, B)
        await network.start(A)
        await network.start(B)
        await call(A, "addnode", B, "add")
        await call(B, "addnode", A, "add")
        await asyncio.sleep(5)
        assert await call(A, "getpeerinfo") == await call(B, "getpeerinfo") == []


async def test_a_restarted_node_has_neither_blocks_nor_list_and_gets_the_blocks_again() -> None:
    """As a pod that was replaced; its neighbour, which still lists it, connects again."""
    async with a_network() as network:
        for host in (A, B):
            await network.start(host)
        await call(A, "addnode", B, "add")
        await call(B, "addnode", A, "add")
        await mine(A, 5)
        await asyncio.sleep(1)
        network.cut(A, B)
        await network.nodes[A].stop()
        await network.nodes[A].start()
        await asyncio.sleep(5)
        assert await call(A, "getaddednodeinfo") == []
        assert network.heights == {A: 0, B: 5}
        network.heal(A, B)
        await asyncio.sleep(1)
        assert network.heights == {A: 5, B: 5}


async def test_a_node_with_a_data_folder_keeps_its_blocks(tmp_path: Path) -> None:
    """As a container that was restarted; the list of added nodes is not kept."""
    async with a_node(datadir=tmp_path) as node:
        await call(A, "addnode", B, "add")
        blocks = await mine(A, 3)
        await node.stop()
        await node.start()
        assert await call(A, "getbestblockhash") == blocks[-1]
        assert await call(A, "getaddednodeinfo") == []


async def test_the_method_stop_ends_the_node() -> None:
    """The call is answered; then ports and links are closed."""
    async with a_node() as node:
        assert await call(A, "stop") == "Bitcoin Core stopping"
        await node.wait_stopped()
        assert not node.is_running
        with pytest.raises(aiohttp.ClientConnectorError):
            await call(A, "uptime")


async def test_a_port_that_is_taken_is_told_at_the_start() -> None:
    """And what had been opened is closed again, so that a later start works."""
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), A, 18332)
    node = a_node()
    with pytest.raises(OSError, match="in use"):
        await node.start()
    taken.close()
    await taken.wait_closed()
    async with node:
        assert await call(A, "uptime") == 0


async def test_a_running_node_cannot_be_started() -> None:
    """Neither by itself nor through its network."""
    async with a_network() as network:
        node = await network.start(A)
        with pytest.raises(RuntimeError, match="it runs"):
            await node.start()
        with pytest.raises(RuntimeError, match="one runs there"):
            await network.start(A)


async def test_errors_on_demand_are_counted() -> None:
    """The next two calls fail, the third is served."""
    async with a_node() as node:
        node.faults.fail_next(2, code=-8, message="as you wish")
        assert await fail(A, "uptime") == (500, -8, "as you wish")
        assert await fail(A, "uptime") == (500, -8, "as you wish")
        assert await call(A, "uptime") == 0


async def test_a_slow_node_answers_in_the_end() -> None:
    """After exactly the delay that was asked for."""
    async with a_node() as node:
        node.faults = NodeFaults(delay_s=60)
        assert await call(A, "uptime") == 60


async def test_a_hanging_node_never_answers_and_still_stops_at_once() -> None:
    """A call waits for as long as its caller likes; the end of the node does not wait for the call."""
    async with a_node() as node:
        node.faults = NodeFaults(mode=Mode.HANG)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(240):
                await call(A, "uptime")
        waiting = asyncio.create_task(send(A, '{"method": "uptime"}'))
        await asyncio.sleep(1)
        await node.stop()
        assert asyncio.get_running_loop().time() == 241
        assert (await waiting)[0] == 503


@pytest.mark.parametrize(("mode", "status"), [(Mode.FORBID, 403), (Mode.BUSY, 503), (Mode.GARBAGE, 200)])
async def test_other_wrong_answers(mode: Mode, status: int) -> None:
    """None of them is JSON."""
    async with a_node() as node:
        node.faults = NodeFaults(mode=mode)
        answer = await send(A, '{"method": "uptime"}')
        assert (answer[0], answer[1]) == (status, "text/html; charset=ISO-8859-1")


async def test_a_node_that_refuses_calls_still_has_its_peers() -> None:
    """Only the RPC port is closed."""
    async with a_network() as network:
        await network.start(A)
        await network.start(B)
        await call(A, "addnode", B, "add")
        await asyncio.sleep(1)
        await network.nodes[A].refuse_rpc()
        with pytest.raises(aiohttp.ClientConnectorError):
            await call(A, "uptime")
        await mine(B, 1)
        await asyncio.sleep(0.1)
        await network.nodes[A].accept_rpc()
        assert await call(A, "getblockcount") == 1


async def test_a_peer_that_talks_nonsense_is_dropped() -> None:
    """The link ends; the node does not."""
    async with a_node():
        reader, writer = await asyncio.open_connection(A, 18444)
        writer.write(b"\x00\xff nonsense\n")
        assert json.loads(await reader.readline())["type"] == "hello"
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert await call(A, "getpeerinfo") == []


async def test_a_peer_that_hangs_up_is_tried_once_a_second() -> None:
    """Not as fast as it hangs up."""
    tried_at_s: list[float] = []

    def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried_at_s.append(asyncio.get_running_loop().time())
        writer.close()

    async with await asyncio.start_server(hang_up, B, 18444), a_node():
        await call(A, "addnode", B, "add")
        await asyncio.sleep(4.5)
    assert tried_at_s == [0, 1, 2, 3, 4]


HOSTS = (A, B, C, D)
_PAIRS = st.tuples(st.sampled_from(HOSTS), st.sampled_from(HOSTS))
_STEPS = st.one_of(
    st.tuples(st.just("add"), _PAIRS),
    st.tuples(st.just("cut"), _PAIRS),
    st.tuples(st.just("heal"), _PAIRS),
    st.tuples(st.just("mine"), st.tuples(st.sampled_from(HOSTS), st.integers(1, 3))),
    st.tuples(st.just("restart"), st.tuples(st.sampled_from(HOSTS))),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(_STEPS, max_size=12))
async def test_for_any_history_nodes_with_a_way_to_each_other_end_with_chains_of_one_height(steps: Any) -> None:
    """Additions, cuts, blocks and restarts in any order; in the end all are healed and all are added to the first."""
    async with a_network() as network:
        for host in HOSTS:
            await network.start(host)
        for step, (host, *other) in steps:
            match step:
                case "add":
                    await send(host, json.dumps({"method": "addnode", "params": [*other, "add"]}))
                case "mine":
                    await mine(host, *other)
                case "restart":
                    await network.nodes[host].stop()
                    await network.nodes[host].start()
                case "cut":
                    network.cut(host, *other)
                case "heal":
                    network.heal(host, *other)
            await asyncio.sleep(0.1)
        highest = max(network.heights.values())
        for host in HOSTS:
            for other in HOSTS:
                network.heal(host, other)
            await send(host, json.dumps({"method": "addnode", "params": [A, "add"]}))
        await asyncio.sleep(5)
        assert network.heights == dict.fromkeys(HOSTS, highest)


async def test_a_connection_is_closed_by_the_name_or_the_number_of_its_peer() -> None:
    """One that is on the list is made again; one that is not there is -29, and both or none of the two -32602."""
    async with a_network() as network:
        await network.start(A)
        await network.start(B)
        await call(A, "addnode", B, "add")
        await asyncio.sleep(1)
        await call(A, "disconnectnode", B)
        await asyncio.sleep(0.1)
        assert await call(A, "getconnectioncount") == 0
        await asyncio.sleep(2)
        ((peer,), _) = (await call(A, "getpeerinfo"), await call(A, "addnode", B, "remove"))
        await call(A, "disconnectnode", "", peer["id"])
        await asyncio.sleep(5)
        assert await call(A, "getpeerinfo") == []
        assert (await fail(A, "disconnectnode", B))[:2] == (500, -29)
        assert (await fail(A, "disconnectnode"))[:2] == (500, -32602)
