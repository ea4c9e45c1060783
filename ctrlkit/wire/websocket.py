"""
Connections with channels over WebSocket: each binary message is the number of a channel and its bytes.

In      An open WebSocket of the HTTP library.
Out     A Connection; what the library raises is a StreamBroken here. `not_upgraded` keeps the answer of a server that
        refuses to open one, which the library would throw away.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Mapping
from typing import Final, TypeVar

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, hdrs

from ctrlkit.errors import StreamBroken
from ctrlkit.model.streams import CLOSED, V5, Message
from ctrlkit.wire.secrets import Sealed

R = TypeVar("R")

PING_EVERY_S: Final = 30.0
"""How often the other end is asked whether it is still there; half of that may pass before it answers."""
CLOSE_WITHIN_S: Final = 1.0
REFUSAL_BYTES_MAX: Final = 64 * 1024
_NORMAL: Final = (1000, 1001, 1005)
_ENDS: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


class NotUpgraded(Exception):
    """The server answered something else than an open WebSocket."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body


async def not_upgraded(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """A middleware of the HTTP library that reads the answer of a server which opens no WebSocket."""
    response = await send(request)
    if hdrs.SEC_WEBSOCKET_KEY not in request.headers or response.status == 101:
        return response
    async with response:
        raise NotUpgraded(response.status, response.headers, await _start_of(response))


async def _start_of(response: ClientResponse) -> bytes:
    body = io.BytesIO()
    async for chunk in response.content.iter_any():
        body.write(chunk)
        if body.tell() > REFUSAL_BYTES_MAX:
            break
    return body.getvalue()[:REFUSAL_BYTES_MAX]


class WebSocketConnection:
    """A Connection over an open WebSocket; `attempted` and `evidence` are for its errors."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, attempted: str, evidence: str) -> None:
        self._socket = socket
        self._attempted = attempted
        self._evidence = evidence

    @property
    def protocol(self) -> str:
        """The subprotocol that the server chose."""
        return self._socket.protocol or ""

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel."""
        await self._sealed(self._socket.send_bytes(bytes((channel,)) + data))

    async def close_channel(self, channel: int) -> None:
        """Close a channel, which only v5 can."""
        if self.protocol == V5:
            await self.send(CLOSED, bytes((channel,)))

    async def receive(self) -> Message | None:
        """Wait for the next message; None once the server has closed the connection."""
        while True:
            message = await self._sealed(self._socket.receive())
            if message.type in _ENDS:
                if self._socket.close_code not in _NORMAL:
                    raise self._broken(f"closed with code {self._socket.close_code}")
                return None
            if message.type is aiohttp.WSMsgType.ERROR:
                raise self._broken(type(message.data).__name__)
            data = message.data.encode() if isinstance(message.data, str) else message.data
            if data:
                return Message(data[0], bytes(data[1:]))

    async def _sealed(self, doing: Awaitable[R]) -> R:
        """Wait; what is raised holds nothing of what was sent."""
        with Sealed():
            try:
                return await doing
            except (aiohttp.ClientError, OSError, RuntimeError) as error:
                raise self._broken(type(error).__name__) from None

    def _broken(self, cause: str) -> StreamBroken:
        return StreamBroken(
            f"{self._attempted}: the connection was cut; nobody knows what the other end did meanwhile "
            f"[{self._evidence} -> {cause}]"
        )
