"""An HTTP server on the test's own loop that answers by script and remembers what it was asked."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from ctrlkit import clock

Reply = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it, when on the loop's clock, and the port of the other end of its connection."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at_s: float
    port: int = 0


@dataclass(slots=True)
class ScriptedServer:
    """Gives its replies in turn, the last one again and again."""

    replies: list[Reply]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()  # of any size
        port = 0 if request.transport is None else request.transport.get_extra_info("peername")[1]
        self.asked.append(Asked(request.method, request.path_qs, request.headers, body, clock.monotonic(), port))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)

    @property
    def address(self) -> str:
        """host:port."""
        return self.url.partition("//")[2]


@asynccontextmanager
async def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """Run a server on a free port of 127.0.0.1."""
    script = ScriptedServer(list(replies))
    runner = web.ServerRunner(web.Server(script, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        script.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield script
    finally:
        await runner.cleanup()


def answers(
    body: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """A plain answer: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)

    async def reply(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=data, status=status, headers=headers)

    return reply


def refuses(code: int, reason: str, message: str = "no", **headers: str) -> Reply:
    """A Status of failure; header names are written with underscores."""
    status = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return answers(status, status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})


def resets() -> Reply:
    """The connection is lost without an answer."""

    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return reply


def streams(*chunks: bytes, cut: bool = False) -> Reply:
    """A stream of chunks that ends cleanly, or is cut."""

    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if cut:
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write_eof()
        return response

    return reply
