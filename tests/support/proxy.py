"""A TCP proxy that does to an HTTP connection what networks do: cut, lose, refuse, delay, answer for the server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 65536


class Proxy:
    """
    Stands between a client and a server on loopback, faithful until told otherwise.

    Owner   `proxy_to` opens and closes it; each connection is a task of its own.
    """

    def __init__(self, upstream: int) -> None:
        self.requests = 0
        self.delay_s = 0.0
        self._upstream = upstream
        self._port = 0
        self._server: asyncio.Server | None = None
        self._answers: deque[bytes | None] = deque()
        self._dead: set[asyncio.Task[None]] = set()
        self._deaf: set[asyncio.Task[None]] = set()
        self._left: int | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self._port}"

    def cut_after(self, response_bytes: int) -> None:
        """Cut the connection over which so many more bytes of answers have passed."""
        self._left = response_bytes

    def answer(self, status: str, body: bytes = b"", *headers: str) -> None:
        """Answer the next request ourselves; it does not reach the server."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
        self._answers.append("\r\n".join([*lines, "", ""]).encode() + body)

    def pass_on(self) -> None:
        """Let the next request through, before the answers that were given after this."""
        self._answers.append(None)

    def lose_answers(self) -> None:
        """Let no answer through any more on the connections that are open, without a word to either end."""
        self._dead |= self._connections

    def lose(self) -> None:
        """Let nothing more through on them."""
        self.lose_answers()
        self._deaf |= self._connections

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and cut the open ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            self._connections.discard(task)
            self._dead.discard(task)
            self._deaf.discard(task)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            both = [
                asyncio.create_task(self._requests(reader, writer, upstream_writer, asyncio.current_task())),
                asyncio.create_task(self._responses(upstream_reader, writer, asyncio.current_task())),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            upstream_writer.transport.abort()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: asyncio.StreamWriter,
        connection: asyncio.Task[None] | None,
    ) -> None:
        while data := await reader.read(CHUNK):
            if connection in self._deaf:
                continue
            self.requests += data.count(b" HTTP/1.1\r\n")
            answer = self._answers.popleft() if self._answers and b" HTTP/1.1\r\n" in data else None
            if answer is None:
                upstream.write(data)
            else:
                writer.write(answer)

    async def _responses(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: asyncio.Task[None] | None
    ) -> None:
        while data := await upstream.read(CHUNK):
            await asyncio.sleep(self.delay_s)
            if connection in self._dead:
                await asyncio.Event().wait()
            if self._left is not None and len(data) > self._left:
                writer.write(data[: self._left])
                await writer.drain()
                self._left = None
                return
            if self._left is not None:
                self._left -= len(data)
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """A proxy in front of a port of this machine."""
    proxy = Proxy(port)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
