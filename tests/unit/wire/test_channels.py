"""Texts and connections with channels over real sockets: what arrives, how they end, what is said where they break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from ctrlkit.errors import DecodeError, Forbidden, StreamBroken, TimedOut
from ctrlkit.model import Action, Options, Verb
from ctrlkit.model.kinds import PODS
from ctrlkit.model.streams import V4, V5, Connection, Message
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import TIME_LIMIT_S, RestTransport
from ctrlkit.wire.websocket import REFUSAL_BYTES_MAX
from tests.unit.wire.support import ScriptedServer, refuses, serving, streams

LOG = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a", subresource="log")
FOLLOWED = Action(
    verb=Verb.GET,
    resource=PODS,
    namespace="demo",
    name="a",
    subresource="log",
    options=Options(parameters=(("follow", "true"),)),
)
EXEC = Action(verb=Verb.CREATE, resource=PODS, namespace="demo", name="a", subresource="exec")

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


def _transport(server: ScriptedServer) -> RestTransport:
    return RestTransport(Endpoint(server=server.url))


async def _text(transport: RestTransport, action: Action = LOG) -> list[bytes]:
    async with transport.read(action) as pieces:
        return [piece async for piece in pieces]


def _slowly(*pieces: bytes, every_s: float) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await asyncio.sleep(every_s)
            await response.write(piece)
        return response

    return reply


def _talks(
    talk: Talk, *, protocols: Sequence[str] = (V5, V4)
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Opens a WebSocket in one of these protocols, and leaves the rest to `talk`."""

    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await talk(socket)
        return socket

    return reply


@asynccontextmanager
async def _connected(talk: Talk) -> AsyncIterator[Connection]:
    async with (
        serving(_talks(talk)) as server,
        _transport(server) as transport,
        transport.connect(EXEC, (V5, V4)) as connection,
    ):
        yield connection


async def test_a_text_ends_where_the_server_ends_it() -> None:
    async with serving(streams(b"one\n", b"two\n")) as server, _transport(server) as transport:
        assert b"".join(await _text(transport)) == b"one\ntwo\n"


async def test_a_text_may_take_long_as_long_as_pieces_come() -> None:
    """Each within the limit; one that is followed may wait for ever."""
    parts = (b"one\n", b"two\n", b"three\n")
    async with serving(_slowly(*parts, every_s=0.8 * TIME_LIMIT_S)) as server, _transport(server) as transport:
        assert b"".join(await _text(transport)) == b"".join(parts)
    async with serving(_slowly(*parts, every_s=3 * TIME_LIMIT_S)) as server, _transport(server) as transport:
        assert b"".join(await _text(transport, FOLLOWED)) == b"".join(parts)


async def test_a_text_whose_next_piece_does_not_come_has_timed_out() -> None:
    slow = _slowly(b"one\n", b"two\n", every_s=2 * TIME_LIMIT_S)
    async with serving(slow) as server, _transport(server) as transport:
        with pytest.raises(
            TimedOut, match=rf"had not ended after {TIME_LIMIT_S:g} s, as it should have; read it again"
        ):
            await _text(transport)


async def test_a_text_that_is_cut_says_to_read_it_again() -> None:
    async with serving(streams(b"one\n", cut=True)) as server, _transport(server) as transport:
        with pytest.raises(StreamBroken, match="read it again"):
            await _text(transport)


async def test_bytes_go_and_come_on_their_channels() -> None:
    """A message without a channel says nothing; after an orderly end there is none."""
    heard: list[bytes] = []

    async def talk(socket: web.WebSocketResponse) -> None:
        heard.append(await socket.receive_bytes())
        await socket.send_bytes(b"")
        await socket.send_bytes(b"\1out")
        await socket.send_str("\2words")
        await socket.send_bytes(b"\3")
        await socket.close()

    async with _connected(talk) as connection:
        assert connection.protocol == V5
        await connection.send(0, b"in")
        got = [await connection.receive() for _ in range(4)]
    assert heard == [b"\0in"]
    assert got == [Message(1, b"out"), Message(2, b"words"), Message(3, b""), None]


@pytest.mark.parametrize(("protocol", "heard"), [(V5, [b"\xff\0", b"\0end"]), (V4, [b"\0end"])])
async def test_a_channel_is_closed_in_the_protocol_that_can(protocol: str, heard: list[bytes]) -> None:
    """In v5 a message says which one; in v4 nothing is sent, as the other end would take it for something else."""
    seen: list[bytes] = []

    async def talk(socket: web.WebSocketResponse) -> None:
        seen.extend([message.data async for message in socket])

    async with serving(_talks(talk, protocols=[protocol])) as server, _transport(server) as transport:
        async with transport.connect(EXEC, (V5, V4)) as connection:
            await connection.close_channel(0)
            await connection.send(0, b"end")
        await asyncio.sleep(1)
    assert seen == heard


async def test_a_connection_that_is_closed_with_an_error_is_broken() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.close(code=aiohttp.WSCloseCode.INTERNAL_ERROR)

    async with _connected(talk) as connection:
        with pytest.raises(StreamBroken, match=r"the connection was cut; .* closed with code 1011"):
            await connection.receive()


async def test_what_is_sent_after_the_end_is_broken() -> None:
    """And the error holds nothing of what was sent."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.close()

    async with _connected(talk) as connection:
        assert await connection.receive() is None
        with pytest.raises(StreamBroken, match="the connection was cut") as told:
            await connection.send(0, b"secret")
    assert (told.value.__cause__, "secret" in str(told.value)) == (None, False)


async def test_a_server_that_opens_no_connection_says_why() -> None:
    """Its answer is read, however long it is."""
    async with serving(refuses(403, "Forbidden", "not you")) as server, _transport(server) as transport:
        with pytest.raises(Forbidden, match="not you"):
            async with transport.connect(EXEC, (V5,)):
                pass
        assert transport.statistics().requests == {("403", "GET"): 1}
    long = refuses(403, "Forbidden", "n" * (2 * REFUSAL_BYTES_MAX))
    async with serving(long) as server, _transport(server) as transport:
        with pytest.raises(Forbidden):
            async with transport.connect(EXEC, (V5,)):
                pass


async def test_a_connection_in_none_of_the_protocols_is_refused() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive()

    async with serving(_talks(talk, protocols=())) as server, _transport(server) as transport:
        with pytest.raises(DecodeError, match=f"a WebSocket in none of {V5}, {V4}"):
            async with transport.connect(EXEC, (V5, V4)):
                pass
