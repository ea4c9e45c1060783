"""The client for bitcoin nodes: what it asks, what it returns, and what it says when a node does not do its part."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.rpc import (
    RPC_PORT,
    BadAnswer,
    BadCredentials,
    Busy,
    Code,
    Credentials,
    Family,
    NodeUnreachable,
    NotAllowed,
    RpcClient,
    RpcError,
    RpcNode,
    RpcRefused,
    WarmingUp,
    peer_address,
)
from ctrlkit.fakes.bitcoind.node import SimulatedNode
from ctrlkit.fakes.bitcoind.rpc import Mode, NodeFaults
from tests.support.loopback import own_address

HOST, OTHER = own_address(1), own_address(2)
CREDENTIALS = Credentials(user="an-unusual-user", password="an-unusual-password")


@pytest.fixture
async def simulated() -> AsyncIterator[SimulatedNode]:
    async with SimulatedNode(HOST, user=CREDENTIALS.user, password=CREDENTIALS.password) as node:
        yield node


@pytest.fixture
async def node(simulated: SimulatedNode) -> AsyncIterator[RpcNode]:
    async with RpcClient() as client:
        yield client.node(simulated.host, CREDENTIALS)


class Canned(RpcClient):
    """A client whose every request is answered with the same status and body."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._answer = status, body

    async def post(
        self, address: str, call: str, body: bytes, credentials: Credentials, *, port: int = RPC_PORT
    ) -> tuple[int, bytes]:
        return self._answer


async def test_a_peer_that_was_added_is_on_the_list_until_it_is_removed(node: RpcNode) -> None:
    """The list changes by add_node and remove_node only."""
    await node.add_node("127.77.1.8")
    await node.add_node("127.77.1.9")
    assert await node.added_nodes() == {"127.77.1.8", "127.77.1.9"}
    await node.remove_node("127.77.1.8")
    assert await node.added_nodes() == {"127.77.1.9"}


async def test_adding_a_peer_twice_is_no_error(node: RpcNode) -> None:
    """-23 means that another worker was faster: the goal is reached."""
    await node.add_node(OTHER)
    await node.add_node(OTHER)
    assert await node.added_nodes() == {OTHER}


async def test_removing_a_peer_that_is_not_there_is_no_error(node: RpcNode) -> None:
    """-24 means that another worker was faster: the goal is reached."""
    await node.remove_node(OTHER)
    assert await node.added_nodes() == frozenset()


async def test_an_entry_with_a_port_is_returned_as_it_was_added_and_can_be_removed_so(node: RpcNode) -> None:
    """A node compares entries letter by letter; `peer_address` tells which node an entry leads to."""
    await node.add_node(f"{OTHER}:18444")
    (entry,) = await node.added_nodes()
    assert (entry, peer_address(entry)) == (f"{OTHER}:18444", OTHER)
    await node.remove_node(OTHER)
    assert await node.added_nodes() == {entry}
    await node.remove_node(entry)
    assert await node.added_nodes() == frozenset()


@given(st.ip_addresses().map(str))
def test_for_any_address_the_entries_that_lead_there_are_known_as_it(address: str) -> None:
    """Bare or with the P2P port, an entry is the address; with another port it is something else."""
    host = f"[{address}]" if ":" in address else address
    assert peer_address(address) == peer_address(f"{host}:18444") == address
    assert peer_address(f"{host}:18445") == f"{host}:18445"


async def test_only_peers_that_the_node_connected_to_are_connected(node: RpcNode) -> None:
    """One added peer runs, the other does not; the connection shows among the peers under the name it was added by."""
    async with SimulatedNode(OTHER, user="u", password="p"):
        await node.add_node(OTHER)
        await node.add_node("127.77.1.9")
        await asyncio.sleep(1)
        assert await node.connected_nodes() == {OTHER}
        assert await node.peer_addresses() == [OTHER]
        assert (await node.network_info()).connections == 1


async def test_generated_blocks_count(node: RpcNode) -> None:
    """A new chain has no blocks; three generated ones have three different hashes."""
    assert await node.block_count() == 0
    assert len(set(await node.generate(3))) == 3
    assert await node.block_count() == 3


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-23, "the node has this peer on its list; leave it [HTTP 500, code -23]"),
        (-24, "the node does not have this peer on its list; leave it [HTTP 500, code -24]"),
        (-28, "the node is starting; try again in some seconds [HTTP 500, code -28]"),
        (-32601, "the node does not know this method; use a bitcoind that does [HTTP 404, code -32601]"),
        (-8, "the node refused: no such thing; see what it demands [HTTP 500, code -8]"),
    ],
)
async def test_a_refusal_carries_code_text_and_a_next_step(
    node: RpcNode, simulated: SimulatedNode, code: int, message: str
) -> None:
    """Code that decides reads `code`; people read the message. Only the first line of the node's text goes along."""
    simulated.faults.fail_next(1, code=code, message="no such thing\nand a long explanation")
    with pytest.raises(RpcRefused) as refused:
        await node.block_count()
    assert str(refused.value) == f"getblockcount on {HOST}: {message}"
    assert (refused.value.code, refused.value.text) == (code, "no such thing")


async def test_the_peer_is_named_in_the_message_of_a_failed_addnode(node: RpcNode, simulated: SimulatedNode) -> None:
    """Who reads the message learns which link is missing."""
    simulated.faults.fail_next(2, code=-28)
    with pytest.raises(RpcRefused, match=rf"^addnode {OTHER} add on {HOST}: the node is starting"):
        await node.add_node(OTHER)
    with pytest.raises(RpcRefused, match=rf"^addnode {OTHER} remove on {HOST}: the node is starting"):
        await node.remove_node(OTHER)


async def test_a_connection_stays_when_its_entry_goes_until_it_is_closed(node: RpcNode) -> None:
    """Closing one that is not there is no error: it may have ended by itself."""
    async with SimulatedNode(OTHER, user="u", password="p"):
        await node.add_node(OTHER)
        await asyncio.sleep(1)
        await node.remove_node(OTHER)
        assert (await node.answer()).connections == 1
        await node.disconnect(OTHER)
        await asyncio.sleep(1)
        assert (await node.answer()).connections == 0
        await node.disconnect(OTHER)


async def test_a_node_connects_at_once_when_it_is_asked_to(node: RpcNode) -> None:
    """By itself it may wait for a minute. Nobody at the other end is no error."""
    await node.connect(OTHER)
    async with SimulatedNode(OTHER, user="u", password="p"):
        await node.connect(OTHER)
        answer = await node.answer()
        assert (answer.connections, answer.added) == (1, {})


class Greeting(RpcClient):
    """A client of a node whose peer greets after some looks."""

    def __init__(self, looks: float) -> None:
        super().__init__()
        self.left = looks

    async def post(
        self, address: str, call: str, body: bytes, credentials: Credentials, *, port: int = RPC_PORT
    ) -> tuple[int, bytes]:
        if call.startswith("addnode"):
            return 200, b'{"result": null, "error": null, "id": 1}'
        self.left -= 1
        peers = [{"addr": "10.0.0.1:5", "version": 0}, {"addr": OTHER, "version": 0 if self.left > 0 else 70016}]
        return 200, json.dumps({"result": peers, "error": None, "id": 1}).encode()


@pytest.mark.parametrize(("looks", "took_s"), [(1, 0.0), (3, 0.04), (math.inf, 1.0)])
async def test_a_connection_is_there_once_the_peer_has_greeted(looks: float, took_s: float) -> None:
    """Blocks that are mined before are told to nobody (Bitcoin SV). One that never greets is not waited for."""
    began = asyncio.get_running_loop().time()
    await Greeting(looks).node(HOST, CREDENTIALS).connect(OTHER)
    assert asyncio.get_running_loop().time() - began == pytest.approx(took_s)


async def test_a_node_that_warms_up_says_so_and_then_serves() -> None:
    """-28 for as long as the start takes."""
    async with (
        SimulatedNode(HOST, user=CREDENTIALS.user, password=CREDENTIALS.password, warmup_s=10),
        RpcClient() as client,
    ):
        with pytest.raises(RpcRefused) as refused:
            await client.node(HOST, CREDENTIALS).block_count()
        assert refused.value.code == Code.WARMING_UP
        await asyncio.sleep(10)
        assert await client.node(HOST, CREDENTIALS).block_count() == 0


@pytest.mark.parametrize(
    ("mode", "error", "message"),
    [
        (
            Mode.FORBID,
            NotAllowed,
            "the node does not serve this client's address; add it to its rpcallowip [HTTP 403]",
        ),
        (Mode.BUSY, Busy, "the node's work queue is full; try again later [HTTP 503]"),
        (
            Mode.HANG,
            NodeUnreachable,
            "no answer within 5 s; try again later, and see whether the node is overloaded or cut off [port 18332]",
        ),
        (
            Mode.GARBAGE,
            BadAnswer,
            "the answer is not that of a bitcoin node; see what listens there "
            "[HTTP 200, JSON is malformed: invalid character (byte 0)]",
        ),
    ],
)
async def test_each_way_to_fail_has_its_own_error(
    node: RpcNode, simulated: SimulatedNode, mode: Mode, error: type[RpcError], message: str
) -> None:
    """A reconciler decides by class; once the fault is gone the same handle works."""
    simulated.faults = NodeFaults(mode=mode)
    with pytest.raises(error) as raised:
        await node.block_count()
    assert str(raised.value) == f"getblockcount on {HOST}: {message}"
    simulated.faults = NodeFaults()
    assert await node.block_count() == 0


async def test_wrong_credentials_are_told_from_other_errors(simulated: SimulatedNode) -> None:
    """401 comes without a body."""
    async with RpcClient() as client:
        with pytest.raises(BadCredentials) as raised:
            await client.node(HOST, Credentials(user=CREDENTIALS.user, password="another")).block_count()
    assert str(raised.value) == (
        f"getblockcount on {HOST}: the node does not accept these credentials; make secret and node agree [HTTP 401]"
    )


async def test_a_refused_connection_is_an_unreachable_node(node: RpcNode, simulated: SimulatedNode) -> None:
    """No pod, or one that is not up yet."""
    await simulated.refuse_rpc()
    with pytest.raises(NodeUnreachable) as raised:
        await node.block_count()
    assert str(raised.value) == (
        f"getblockcount on {HOST}: the node cannot be reached; try again later, and see whether it runs "
        "[port 18332, Connection refused]"
    )
    await simulated.accept_rpc()
    assert await node.block_count() == 0


async def test_a_slow_node_is_waited_for_until_the_timeout(simulated: SimulatedNode) -> None:
    """The timeout holds for the call as a whole, in seconds."""
    started_s = asyncio.get_running_loop().time()
    async with RpcClient(timeout_s=2) as client:
        node = client.node(HOST, CREDENTIALS)
        simulated.faults = NodeFaults(delay_s=1.5)
        assert await node.block_count() == 0
        simulated.faults = NodeFaults(delay_s=2.5)
        with pytest.raises(NodeUnreachable, match="no answer within 2 s"):
            await node.block_count()
    assert asyncio.get_running_loop().time() - started_s == pytest.approx(3.5)


async def test_a_node_that_was_restarted_is_reached_at_once() -> None:
    """No connection of the former life is used again."""
    async with RpcClient() as client:
        node = client.node(HOST, CREDENTIALS)
        for _ in range(2):
            async with SimulatedNode(HOST, user=CREDENTIALS.user, password=CREDENTIALS.password):
                assert await node.block_count() == 0


async def test_calls_to_a_silent_node_do_not_delay_those_to_others(node: RpcNode, simulated: SimulatedNode) -> None:
    """Hundreds of hanging calls leave the session usable."""
    simulated.faults = NodeFaults(mode=Mode.HANG)
    async with SimulatedNode(OTHER, user=CREDENTIALS.user, password=CREDENTIALS.password), RpcClient() as client:
        silent = [asyncio.create_task(client.node(HOST, CREDENTIALS).block_count()) for _ in range(150)]
        await asyncio.sleep(1)
        started_s = asyncio.get_running_loop().time()
        assert await client.node(OTHER, CREDENTIALS).block_count() == 0
        assert asyncio.get_running_loop().time() == started_s
        assert all(
            isinstance(error, NodeUnreachable) for error in await asyncio.gather(*silent, return_exceptions=True)
        )


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def ask(serve: Serve) -> int:
    """Ask for the height of a chain where `serve` listens."""
    async with await asyncio.start_server(serve, HOST, 18332), RpcClient() as client:
        return await client.node(HOST, CREDENTIALS).block_count()


def answering(data: bytes) -> Serve:
    """A server that reads what there is, answers with `data` and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(data)
        writer.close()
        await writer.wait_closed()

    return serve


@pytest.mark.parametrize(
    ("data", "error", "fact"),
    [
        (b"", NodeUnreachable, "the node cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", NodeUnreachable, "the node cannot be reached"),
        (b"220 mail.example ESMTP\r\n\r\n", BadAnswer, "the answer is not HTTP"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.77.1.2:18332/\r\nContent-Length: 0\r\n\r\n",
            BadAnswer,
            "HTTP 302",
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", BadAnswer, "HTTP 404"),
    ],
)
async def test_a_connection_that_ends_too_early_or_speaks_otherwise(
    data: bytes, error: type[RpcError], fact: str
) -> None:
    """Cut before or in the answer: unreachable. Something else listens there, or sends us elsewhere: a bad answer."""
    with pytest.raises(error, match=fact):
        await ask(answering(data))


async def test_an_answer_without_end_is_left_early() -> None:
    """Whatever runs in a pod cannot fill the controller's memory."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while sent < 100_000_000:
                writer.write(b" " * 100_000)
                sent += 100_000
                await writer.drain()
        writer.transport.abort()

    with pytest.raises(BadAnswer, match="more than 4 MiB"):
        await ask(flood)
    assert sent < 50_000_000


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"result":"5","error":null,"id":1}'),
        (200, b'{"result":null,"error":null,"id":1}'),
        (200, b'{"result":5,"error":"none","id":1}'),
        (200, b"[5]"),
        (500, b'{"result":5,"error":null,"id":1}'),
        (500, b"{}"),
    ],
)
async def test_an_answer_of_another_shape_is_a_bad_answer(status: int, body: bytes) -> None:
    """A number as text, no number, an error without code: nothing of it reaches the caller."""
    with pytest.raises(BadAnswer, match="not that of a bitcoin node"):
        await RpcNode(Canned(status, body), HOST, CREDENTIALS).block_count()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["result", "error", "code", "message"]) | st.text(), inner)
    ),
)


@given(
    status=st.sampled_from([200, 302, 400, 401, 403, 404, 500, 503]),
    body=st.binary() | _JSON.map(lambda value: json.dumps(value).encode()),
)
async def test_for_any_answer_a_call_returns_a_number_or_raises_an_rpc_error(status: int, body: bytes) -> None:
    """No answer makes the client raise anything else."""
    with suppress(RpcError):
        assert type(await RpcNode(Canned(status, body), HOST, CREDENTIALS).block_count()) is int


def echo_of(text: str) -> bytes:
    return json.dumps({"result": None, "error": {"code": -1, "message": f"you sent {text}"}, "id": 1}).encode()


@pytest.mark.parametrize(
    "text", [CREDENTIALS.password, CREDENTIALS.user, CREDENTIALS.authorization(), f"help\n{CREDENTIALS.password}"]
)
async def test_a_node_that_repeats_credentials_is_not_quoted(text: str) -> None:
    """The node's own text is withheld as a whole when it holds a part of what was sent."""
    with pytest.raises(RpcRefused, match="its text is withheld") as refused:
        await RpcNode(Canned(500, echo_of(text)), HOST, CREDENTIALS).block_count()
    assert not CREDENTIALS.appear_in(str(refused.value) + refused.value.text)


@pytest.mark.parametrize(
    "data",
    [b"", b"220 mail.example ESMTP\r\n\r\n", b"HTTP/1.1 401 Unauthorized\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>"],
)
async def test_no_failure_shows_credentials(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the message, the repr, the traceback with all causes, contexts and variables, nor in any log line."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RpcError) as raised:
        await ask(answering(data))
    shown = [*_with_variables(raised.value), repr(raised.value), caplog.text]
    linked: BaseException | None = raised.value
    while linked is not None:
        shown.append(repr(linked))
        linked = linked.__cause__ or linked.__context__
    assert not CREDENTIALS.appear_in("".join(shown))


def _with_variables(error: BaseException) -> list[str]:
    return list(traceback.TracebackException.from_exception(error, capture_locals=True).format())


async def test_nor_does_a_call_that_is_cancelled() -> None:
    """A cancellation passes through the frames in which they are sent."""
    asked = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()
        writer.close()

    async with (
        await asyncio.start_server(hear, "127.0.0.1", 0) as silent,
        RpcClient() as bitcoind,
    ):
        port = silent.sockets[0].getsockname()[1]
        call = asyncio.create_task(bitcoind.node("127.0.0.1", CREDENTIALS, port=port).block_count())
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await call
    shown = "".join(_with_variables(raised.value))
    assert not any(secret in shown for secret in (CREDENTIALS.password, CREDENTIALS.authorization()))


def test_credentials_keep_to_themselves() -> None:
    """Neither their repr nor that of a handle shows a password."""
    node = RpcClient().node(HOST, CREDENTIALS)
    assert CREDENTIALS.password not in repr(CREDENTIALS) + str(CREDENTIALS) + repr(node)
    with pytest.raises(ValueError, match="cannot contain a colon") as refused:
        Credentials(user="a:b", password="s3cret")
    assert "s3cret" not in str(refused.value)


async def test_a_call_outside_of_the_session_says_so() -> None:
    """The session opens with `async with` and not by itself."""
    with pytest.raises(RuntimeError, match="the RpcClient is not open"):
        await RpcClient().node(HOST, CREDENTIALS).block_count()


async def test_a_cancelled_call_ends_as_cancelled(node: RpcNode, simulated: SimulatedNode) -> None:
    """Cancellation is not taken for an unreachable node."""
    simulated.faults = NodeFaults(mode=Mode.HANG)
    call = asyncio.create_task(node.block_count())
    await asyncio.sleep(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_node_says_of_itself_what_it_is_where_it_stands_and_whom_it_has(node: RpcNode) -> None:
    """One call for all of it."""
    async with SimulatedNode(OTHER, user="u", password="p"):
        await node.add_node(OTHER)
        await node.add_node("127.77.1.9")
        await asyncio.sleep(1)
        await node.generate(3)
        answer = await node.answer()
    assert (answer.family, answer.version, answer.height, answer.connections) == (Family.CORE, 300200, 3, 1)
    assert answer.added == {OTHER: True, "127.77.1.9": False}
    assert len(answer.tip) == 64


async def test_a_node_that_warms_up_says_so_and_what_it_does(node: RpcNode, simulated: SimulatedNode) -> None:
    """-28 has an error of its own, in a batch too; who calls tells a node that starts from one that refuses."""
    for call in (node.answer, node.block_count):
        simulated.faults.fail_next(1, code=Code.WARMING_UP, message="Loading block index…")
        with pytest.raises(WarmingUp, match="the node is starting") as warming:
            await call()
        assert (warming.value.code, warming.value.text) == (-28, "Loading block index…")


@given(
    status=st.sampled_from([200, 302, 400, 401, 403, 404, 500, 503]),
    body=st.binary() | _JSON.map(lambda value: json.dumps(value).encode()),
)
async def test_for_any_answer_what_a_node_says_is_understood_or_an_rpc_error(status: int, body: bytes) -> None:
    """Nothing that runs in a pod makes the client raise anything else."""
    with suppress(RpcError):
        await RpcNode(Canned(status, body), HOST, CREDENTIALS).answer()


_INFO = {"version": 290100, "subversion": "/Satoshi:29.1.0/", "connections": 1}
_CHAIN = {"blocks": 7, "bestblockhash": "0f" * 32, "initialblockdownload": True}


def batch_of(network: object, chain: object, added: object) -> bytes:
    parts = [{"result": part, "error": None, "id": "ctrlkit"} for part in (network, chain, added)]
    return json.dumps(parts).encode()


async def test_bitcoin_core_is_known_by_its_name() -> None:
    """Its number has another form than that of Bitcoin SV; the name of itself tells whose software it is."""
    node = RpcNode(Canned(200, batch_of(_INFO, _CHAIN, [])), HOST, CREDENTIALS)
    answer = await node.answer()
    assert (answer.family, answer.version, answer.is_syncing) == (Family.CORE, 290100, True)


@pytest.mark.parametrize(
    "body",
    [
        batch_of(_INFO, _CHAIN, "none"),
        batch_of(_INFO, {**_CHAIN, "blocks": -1}, []),
        batch_of(_INFO, {**_CHAIN, "blocks": 10**30}, []),
        batch_of(_INFO, {**_CHAIN, "bestblockhash": "x" * 64}, []),
        batch_of({**_INFO, "subversion": "/Satoshi/" * 1000}, _CHAIN, []),
        batch_of(_INFO, _CHAIN, [])[:-1],
        b"[" * 100_000,
        b"[]",
    ],
)
async def test_an_answer_beyond_bounds_is_a_bad_answer(body: bytes) -> None:
    """What reaches the status and the log is of a known shape and size."""
    with pytest.raises(BadAnswer, match="not that of a bitcoin node"):
        await RpcNode(Canned(200, body), HOST, CREDENTIALS).answer()


async def test_a_part_of_a_batch_that_fails_is_the_nodes_error() -> None:
    """A batch has status 200 even if one of its parts failed."""
    parts = [{"result": _INFO, "error": None}, {"result": None, "error": {"code": -1, "message": "no"}}, {}]
    with pytest.raises(RpcRefused, match="the node refused: no") as refused:
        await RpcNode(Canned(200, json.dumps(parts).encode()), HOST, CREDENTIALS).answer()
    assert refused.value.code == -1
