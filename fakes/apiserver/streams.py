"""
Texts and connections over HTTP: logs as plain text; exec, attach and port-forward over WebSocket.

A WebSocket carries the messages of a Connection as they are. kubectl forwards ports by SPDY inside of one (spdy.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import cast

from aiohttp import HttpVersion11, WSMsgType, hdrs, web

from ctrlkit.errors import BadRequest, StreamBroken
from ctrlkit.fakes.apiserver.spdy import TUNNEL, Tunnel
from ctrlkit.fakes.tracker.refusals import plain_failure, upgrade_required
from ctrlkit.fakes.tracker.subresources.connect import NoText
from ctrlkit.model import Action, Transport
from ctrlkit.model.streams import Connection, StreamTransport

_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
_PLAIN = "text/plain"


async def open_stream(request: web.BaseRequest, transport: Transport, action: Action) -> web.StreamResponse:
    """
    Serve what is read or connected to until it ends.

    Errors  ApiError before anything is sent; those of the transport.
    """
    if not hasattr(transport, "connect"):
        raise plain_failure("error dialing backend: what serves this API opens no streams")
    streams = cast("StreamTransport", transport)
    if action.subresource == "log":
        return await _send_text(request, streams, action)
    upgrade = request.headers.get(hdrs.UPGRADE, "").lower()
    if action.subresource != "proxy" and upgrade == "websocket":
        return await _carry(request, streams, action)
    try:
        await transport.do(action)
    except BadRequest as refusal:
        if upgrade and refusal.message == upgrade_required().message:
            text = f"unable to upgrade: this server speaks WebSocket and not {upgrade[:32]}; use kubectl 1.31 or later"
            raise BadRequest(text) from None
        raise
    raise upgrade_required()


async def _send_text(request: web.BaseRequest, streams: StreamTransport, action: Action) -> web.StreamResponse:
    async with streams.read(action) as pieces:
        if isinstance(pieces, NoText):
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": _PLAIN})
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        else:
            response.force_close()
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    return response


async def _carry(request: web.BaseRequest, streams: StreamTransport, action: Action) -> web.StreamResponse:
    offered = [name.strip() for name in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
    if action.subresource == "portforward" and TUNNEL in offered:
        try:
            await streams.do(action)  # which has no ports yet, and checks the pod alone
        except BadRequest as refusal:
            if refusal.message != upgrade_required().message:
                raise
        socket = await _opened(request, TUNNEL)
        await Tunnel(socket, streams, action).run()
        return socket
    async with streams.connect(action, offered) as connection:
        socket = await _opened(request, connection.protocol)
        await first_of(_to_client(connection, socket), _from_client(connection, socket))
        await socket.close()
    return socket


async def _opened(request: web.BaseRequest, protocol: str) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=(protocol,), max_msg_size=_MESSAGE_BYTES_MAX, timeout=1.0)
    await socket.prepare(request)
    return socket


async def _to_client(connection: Connection, socket: web.WebSocketResponse) -> None:
    while (message := await connection.receive()) is not None:
        await socket.send_bytes(bytes((message.channel,)) + message.data)


async def _from_client(connection: Connection, socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY and message.data:
            with suppress(StreamBroken):  # it has ended, and the client does not know yet
                await connection.send(message.data[0], bytes(message.data[1:]))


async def first_of(*ways: Awaitable[None]) -> None:
    """Wait until one of these has ended, and cancel the others; its exception is raised."""
    tasks: Sequence[asyncio.Future[None]] = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            if not task.done():
                task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
