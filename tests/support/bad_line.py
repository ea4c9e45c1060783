"""A Transport in this process that does to bytes and connections what networks and servers do, when it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum

from ctrlkit import clock
from ctrlkit.errors import Invalid, StreamBroken, Unreachable
from ctrlkit.model import Action, Lines, Transport
from ctrlkit.wire.streams import LineSplitter

_INTERNAL_ERROR = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":500,'
    b'"reason":"InternalError","message":"the required storage feature RequestWatchProgress is disabled"}}'
)
_REMEMBERED = 20


class Manner(Enum):
    """What a server makes of a request to stream a list, and whether it sends bookmarks."""

    STREAMS = "streams lists"
    REFUSES = "refuses to, with 422"
    FAILS = "fails to, inside the stream"
    NEVER_MARKS = "leaves out the end marker"
    NO_BOOKMARKS = "streams lists, and sends no bookmark but the end marker"


class _End(Enum):
    CLEAN = "the server closed the stream"
    SILENCE = "nothing comes any more"


_Piece = bytes | float | Exception | _End
"""Bytes, seconds to wait, an error, or an end."""


class BadLine:
    """
    Stands between a client and a server, faithful until told otherwise.

    Shape   Faults of streams strike those that are open; `answer`, `refuse`, `cut_next` and `end_all` strike the next
            ones. `streams` and `requests` tell what the client holds and how often it asked.
    """

    def __init__(self, server: Transport, manner: Manner = Manner.STREAMS) -> None:
        self.requests = 0
        self.streams: list[_Stream] = []
        self._server = server
        self._manner = manner
        self._answers: deque[Exception] = deque()
        self._cuts: deque[int] = deque()
        self._refused_until = 0.0
        self._ended_until = 0.0

    def answer(self, *errors: Exception) -> None:
        """Answer the next requests ourselves."""
        self._answers.extend(errors)

    def refuse(self, seconds: float) -> None:
        """Refuse connections, and cut those there are."""
        self._refused_until = clock.monotonic() + seconds
        for stream in self.streams:
            stream.put(Unreachable("reset"))

    def heal(self) -> None:
        """Accept and answer all requests again; what streams have in them stays."""
        self._answers.clear()
        self._cuts.clear()
        self._refused_until = self._ended_until = 0.0

    def cut(self, after: int) -> None:
        """End each stream after so many more bytes, in mid-line or not."""
        for stream in self.streams:
            stream.left = after

    def end(self) -> None:
        """Close each stream, as a server does."""
        for stream in self.streams:
            stream.put(_End.CLEAN)

    def cut_next(self, *after: int) -> None:
        """End each of the next streams after so many bytes."""
        self._cuts.extend(after)

    def end_all(self, seconds: float) -> None:
        """Close the streams there are, and for so long each new one when it has said what it has to say."""
        self._ended_until = clock.monotonic() + seconds
        self.end()

    def mangle(self, line: bytes) -> None:
        """Put another line in the place of the next one."""
        for stream in self.streams:
            stream.instead = line

    def send(self, line: bytes) -> None:
        """Have a line of our own in each stream."""
        for stream in self.streams:
            stream.put(line + b"\n")

    def repeat(self, lines: int, but: int) -> None:
        """Send again so many lines that were sent before, but for the last few."""
        for stream in self.streams:
            before = list(stream.sent)
            for line in before[: len(before) - but][-lines:]:
                stream.put(line + b"\n")

    def delay(self, seconds: float) -> None:
        """Hold up all that comes from now on."""
        for stream in self.streams:
            stream.put(seconds)

    def stall(self) -> None:
        """Send nothing any more, and do not end."""
        for stream in self.streams:
            stream.put(_End.SILENCE)

    def halve(self, seconds: float) -> None:
        """Send half of the next bytes, and the rest so much later."""
        for stream in self.streams:
            stream.pause_s = seconds

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        self._check()
        return await self._server.do(action)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Open a watch (Transport)."""
        self._check()
        asks_for_list = bool(action.options.send_initial_events)
        if asks_for_list and self._manner is Manner.REFUSES:
            raise Invalid("sendInitialEvents: Forbidden")
        async with self._server.watch(action) as lines:
            stream = _Stream(self._manner)
            if asks_for_list and self._manner is Manner.FAILS:
                stream.put(_INTERNAL_ERROR + b"\n")
                stream.put(_End.CLEAN)
            if self._cuts:
                stream.left = self._cuts.popleft()
            stream.ends = clock.monotonic() < self._ended_until
            self.streams.append(stream)
            pump = asyncio.create_task(stream.pump(lines), name="bad line")
            try:
                yield stream
            finally:
                self.streams.remove(stream)
                pump.cancel()
                await asyncio.wait([pump])

    def _check(self) -> None:
        self.requests += 1
        if clock.monotonic() < self._refused_until:
            raise Unreachable("connection refused")
        if self._answers:
            raise self._answers.popleft()


class _Stream:
    """Bytes on their way from the server's lines to the client's."""

    def __init__(self, manner: Manner) -> None:
        self.sent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self.left: int | None = None
        self.pause_s = 0.0
        self.instead: bytes | None = None
        self.ends = False
        self._manner = manner
        self._pieces: asyncio.Queue[_Piece] = asyncio.Queue()
        self._splitter = LineSplitter()

    def put(self, piece: _Piece) -> None:
        self._pieces.put_nowait(piece)

    async def pump(self, lines: Lines) -> None:
        if self.ends:
            asyncio.get_running_loop().call_later(0.01, self.put, _End.CLEAN)
        async for batch in lines:
            kept = [line for line in batch if self._is_sent(line)]
            self.sent.extend(kept)
            if self.instead is not None and kept:
                kept[0], self.instead = self.instead, None
            data = b"".join(line + b"\n" for line in kept)
            if self.pause_s:
                half = len(data) // 2
                self.put(data[:half])
                self.put(self.pause_s)
                self.pause_s, data = 0.0, data[half:]
            self.put(data)
        self.put(_End.CLEAN)

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> Sequence[bytes]:
        while True:
            piece = await self._pieces.get()
            match piece:
                case bytes():
                    lines = self._splitter.feed(self._before_cut(piece))
                    if lines:
                        return lines
                case float() | int():
                    await asyncio.sleep(piece)
                case Exception():
                    raise piece
                case _End.CLEAN:
                    if self._splitter.unfinished:
                        raise StreamBroken("cut within a line")
                    raise StopAsyncIteration
                case _End.SILENCE:
                    await asyncio.get_running_loop().create_future()

    def _before_cut(self, data: bytes) -> bytes:
        if self.left is None:
            return data
        if len(data) < self.left:
            self.left -= len(data)
            return data
        self._pieces = asyncio.Queue()
        self.put(_End.CLEAN)
        return data[: self.left]

    def _is_sent(self, line: bytes) -> bool:
        if b'"type":"BOOKMARK"' not in line:
            return True
        is_marker = b"initial-events-end" in line
        return self._manner is not (Manner.NEVER_MARKS if is_marker else Manner.NO_BOOKMARKS)
