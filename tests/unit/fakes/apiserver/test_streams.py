"""Connections over WebSocket end in order, whatever the client still sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from ctrlkit.errors import StreamBroken
from ctrlkit.fakes import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action
from ctrlkit.model.streams import V5, Connection, Message

EXEC = "/api/v1/namespaces/demo/pods/web/exec?command=tar&stdin=true"


class Deaf:
    """A connection whose other end says one thing, takes nothing, and ends once something is sent."""

    protocol = V5

    def __init__(self) -> None:
        self._left = [Message(3, b'{"status":"Failure"}')]
        self._sent = asyncio.Event()

    async def send(self, channel: int, data: bytes) -> None:
        self._sent.set()
        raise StreamBroken("the other end has closed the connection")

    async def close_channel(self, channel: int) -> None:
        raise AssertionError("nobody asks for that")

    async def receive(self) -> Message | None:
        if self._left:
            return self._left.pop()
        await self._sent.wait()
        return None


class Ended(Tracker):
    """A tracker whose commands end before they read."""

    @asynccontextmanager
    async def connect(self, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
        yield Deaf()


@pytest.mark.real_time
async def test_input_after_the_end_of_a_command_is_dropped_and_the_connection_closed_in_order() -> None:
    """`kubectl cp` sends a file to a command that has ended; it must read how, and not that the connection broke."""
    tracker = Ended()
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url + EXEC, protocols=(V5,), autoclose=False) as socket,
    ):
        said = await socket.receive()
        assert (said.type, said.data) == (aiohttp.WSMsgType.BINARY, b'\3{"status":"Failure"}')
        await socket.send_bytes(b"\0a file")
        closed = await socket.receive()
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.OK)
