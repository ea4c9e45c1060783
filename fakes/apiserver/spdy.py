"""
SPDY/3.1 inside a WebSocket, as kubectl forwards ports: pairs of streams, one for data and one for errors.

Each pair has a request id and a port in the headers of its streams; it becomes a connection of its own to that port.
Flow control is that of the WebSocket, as in the servers that kubectl is made for.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple

from aiohttp import WSMsgType, web

from ctrlkit.errors import CtrlkitError, StreamBroken
from ctrlkit.model import Action, Options
from ctrlkit.model.streams import V4, V5, Connection, StreamTransport

TUNNEL = "SPDY/3.1+portforward.k8s.io"
"""The WebSocket protocol in which kubectl forwards ports."""

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.replace("_", " ").encode() for word in _WORDS.split()) + _REST.encode()
)
"""The text with which SPDY/3 begins the compression of headers; its checksum is in the specification."""

_VERSION = 3
_FIN = 1
_DATA_BYTES_MAX = 32 * 1024
_FRAME_BYTES_MAX = 16 * 1024 * 1024


class Control(IntEnum):
    """The types of control frames that matter here; others are ignored."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    PING = 6
    GOAWAY = 7


class Frame(NamedTuple):
    """One frame: data of a stream (`kind` None), or a control frame."""

    kind: int | None
    stream: int
    flags: int
    data: bytes

    def encode(self) -> bytes:
        """Return its bytes; those of a control frame begin with the stream's number in `data`."""
        first = self.stream if self.kind is None else (1 << 31) | (_VERSION << 16) | self.kind
        return struct.pack(">II", first, (self.flags << 24) | len(self.data)) + self.data


class Frames:
    """
    Cuts a stream of bytes into frames.

    >>> frames = Frames()
    >>> sent = Frame(None, 1, _FIN, b"hello").encode()
    >>> list(frames.feed(sent[:9])), list(frames.feed(sent[9:]))
    ([], [Frame(kind=None, stream=1, flags=1, data=b'hello')])
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that these bytes complete. Errors: ValueError for a frame that is too long."""
        self._rest += data
        while len(self._rest) >= 8:
            first, second = struct.unpack_from(">II", self._rest)
            length = second & 0xFFFFFF
            if length > _FRAME_BYTES_MAX:
                raise ValueError(f"a frame of {length} bytes")
            if len(self._rest) < 8 + length:
                return
            body = bytes(self._rest[8 : 8 + length])
            del self._rest[: 8 + length]
            flags = second >> 24
            if first >> 31:
                stream = struct.unpack_from(">I", body)[0] & 0x7FFFFFFF if length >= 4 else 0
                yield Frame(first & 0xFFFF, stream, flags, body)
            else:
                yield Frame(None, first, flags, body)


class Headers:
    """
    Reads and writes the compressed headers of one connection.

    >>> Headers().read(Headers().write({"streamtype": "data"}))
    {'streamtype': 'data'}
    """

    def __init__(self) -> None:
        self._reader = zlib.decompressobj(zdict=DICTIONARY)
        self._writer = zlib.compressobj(zdict=DICTIONARY)

    def read(self, block: bytes) -> dict[str, str]:
        """Return the headers in a block, by names in lower case. Errors: ValueError, zlib.error, struct.error."""
        text = self._reader.decompress(block)
        (count,), place = struct.unpack_from(">I", text), 4
        found: dict[str, str] = {}
        for _ in range(count):
            pair = []
            for _ in range(2):
                (length,) = struct.unpack_from(">I", text, place)
                pair.append(text[place + 4 : place + 4 + length].decode())
                place += 4 + length
            found[pair[0].lower()] = pair[1]
        return found

    def write(self, headers: Mapping[str, str]) -> bytes:
        """Return a block with these headers."""
        texts = [text.encode() for pair in headers.items() for text in pair]
        block = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(text)) + text for text in texts)
        return self._writer.compress(block) + self._writer.flush(zlib.Z_SYNC_FLUSH)


@dataclass(slots=True)
class _Pair:
    """The streams of one forwarded connection, 0 for those that did not come yet, and what was sent to the port."""

    port: str = ""
    data: int = 0
    error: int = 0
    sent: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)


class Tunnel:
    """The server's end of a SPDY connection inside a WebSocket; each pair of streams is forwarded to its port."""

    def __init__(self, socket: web.WebSocketResponse, streams: StreamTransport, action: Action) -> None:
        self._socket = socket
        self._streams = streams
        self._action = action
        self._headers = Headers()
        self._pairs: dict[str, _Pair] = {}
        self._by_stream: dict[int, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the client leaves."""
        frames = Frames()
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.BINARY:
                    continue
                for frame in frames.feed(message.data):
                    await self._handle(frame)
        except (ValueError, zlib.error, struct.error):
            await self._socket.close(code=1002, message=b"no SPDY/3.1")
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _handle(self, frame: Frame) -> None:
        match frame.kind:
            case None:
                self._receive(frame)
            case Control.SYN_STREAM:
                await self._begin(frame)
            case Control.PING:
                await self._send(Frame(Control.PING, 0, 0, frame.data))
            case Control.RST_STREAM:
                self._receive(Frame(None, frame.stream, _FIN, b""))

    def _receive(self, frame: Frame) -> None:
        pair = self._by_stream.get(frame.stream)
        if pair is None or frame.stream != pair.data:
            return
        if frame.data:
            pair.sent.put_nowait(frame.data)
        if frame.flags & _FIN:
            pair.sent.put_nowait(None)

    async def _begin(self, frame: Frame) -> None:
        """Accept a new stream, and forward its pair once both are there."""
        headers = self._headers.read(frame.data[10:])
        reply = struct.pack(">I", frame.stream) + self._headers.write({})
        await self._send(Frame(Control.SYN_REPLY, 0, 0, reply))
        pair = self._pairs.setdefault(headers.get("requestid", ""), _Pair())
        pair.port = headers.get("port", "")
        self._by_stream[frame.stream] = pair
        if headers.get("streamtype") == "error":
            pair.error = frame.stream
        else:
            pair.data = frame.stream
        if pair.data and pair.error:
            task = asyncio.create_task(self._forward(pair), name=f"port {pair.port}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, pair: _Pair) -> None:
        action = replace(self._action, options=Options(parameters=(("ports", pair.port),)))
        try:
            async with self._streams.connect(action, (V5, V4)) as connection:
                feeding = asyncio.create_task(_feed(pair, connection))
                try:
                    begun: set[int] = set()
                    while (message := await connection.receive()) is not None:
                        if message.channel in begun:  # the first message of each is the port's number
                            await self._data(pair.error if message.channel else pair.data, message.data)
                        begun.add(message.channel)
                finally:
                    feeding.cancel()
        except CtrlkitError as error:
            await self._data(pair.error, str(getattr(error, "message", error)).encode())
        for stream in (pair.data, pair.error):
            await self._send(Frame(None, stream, _FIN, b""))
            self._by_stream.pop(stream, None)

    async def _data(self, stream: int, data: bytes) -> None:
        for start in range(0, len(data), _DATA_BYTES_MAX):
            await self._send(Frame(None, stream, 0, data[start : start + _DATA_BYTES_MAX]))

    async def _send(self, frame: Frame) -> None:
        await self._socket.send_bytes(frame.encode())


async def _feed(pair: _Pair, connection: Connection) -> None:
    with suppress(StreamBroken):  # the port has been closed, and the client does not know yet
        while (data := await pair.sent.get()) is not None:
            await connection.send(0, data)
        await connection.close_channel(0)
