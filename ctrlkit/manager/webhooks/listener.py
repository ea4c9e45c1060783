"""
The HTTPS server for webhooks: reads what is posted, within limits of time and size, and sends the answers back.

HTTP/1.1 alone. Rows W1, W2, M10.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import hdrs, web

from ctrlkit.clock import monotonic
from ctrlkit.library_logs import library_logger
from ctrlkit.manager.endpoints.options import not_listening
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.telemetry import logger
from ctrlkit.webhooks import Webhooks
from ctrlkit.webhooks.configurations import CONVERT_PATH
from ctrlkit.webhooks.webhooks import REVIEW_BYTES_MAX

IDLE_S: Final = 90.0
"""A connection without requests is closed after so long; servers keep theirs for as long."""
FIRST_REQUEST_S: Final = 30.0
"""Who has connected and sent no whole request after so long is disconnected."""
BODY_S: Final = 10.0
"""So long a body may take to arrive; servers send it at once."""
LINGER_S: Final = 2.0
"""So long the rest of a body that was refused is read, so that the refusal arrives."""
SHUTDOWN_S: Final = 10.0
"""So long the answers that are being made may take when the server stops."""
CONVERSION_BYTES_MAX: Final = 256 * 1024 * 1024
"""A server sends all objects of a list in one review."""
BACKLOG: Final = 1024
_READ_BUFFER_BYTES: Final = 256 * 1024


@asynccontextmanager
async def listen(webhooks: Webhooks, options: WebhookServing, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """
    Answer for webhooks as long as this lasts; yields the port. At the end the answers that are being made are sent.

    Errors  ConfigError on entering, where the address is taken or none of this machine.
    """
    answering = _Answering(webhooks)
    server = web.Server(
        answering.answer,
        access_log=None,
        logger=library_logger("aiohttp.server", logger("webhooks")),
        keepalive_timeout=IDLE_S,
        lingering_time=LINGER_S,
        read_bufsize=_READ_BUFFER_BYTES,
    )
    runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    sweeping = asyncio.create_task(answering.disconnect_silent(server), name="webhooks:silent")
    try:
        await _bind(runner, options, tls)
        yield int(runner.addresses[0][1])
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await runner.cleanup()


async def _bind(runner: web.ServerRunner, options: WebhookServing, tls: ssl.SSLContext) -> None:
    site = web.TCPSite(runner, options.host or None, options.port, ssl_context=tls, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        raise not_listening(f"serve webhooks at {options.address}", error, "webhooks_address") from None


class _Answering:
    """Answers requests, and remembers who has sent one."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._spoke: set[Any] = set()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        self._spoke.add(request.protocol)
        if request.method != hdrs.METH_POST:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_POST])
        is_conversion = request.path.rstrip("/") == CONVERT_PATH
        limit = CONVERSION_BYTES_MAX if is_conversion else REVIEW_BYTES_MAX
        try:
            async with asyncio.timeout(BODY_S):
                body, is_whole = await _read(request, limit)
        except TimeoutError:
            raise _closing(web.HTTPRequestTimeout(text=f"408: the body did not arrive within {BODY_S:g} s\n")) from None
        except (web.RequestPayloadError, ConnectionError):
            raise _closing(web.HTTPBadRequest(text="400: the body cannot be read to its end\n")) from None
        if not is_whole and is_conversion:
            raise _closing(web.HTTPRequestEntityTooLarge(limit, text=f"413: more than {limit} bytes\n"))
        content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
        answer = await self._webhooks.answer(request.path_qs, body, content_type=content_type)
        response = web.Response(status=answer.status, body=answer.body, content_type="application/json")
        return response if is_whole else _closing(response)

    async def disconnect_silent(self, server: web.Server) -> None:
        """Disconnect those that connect and send nothing."""
        since: dict[Any, float] = {}
        while True:
            await asyncio.sleep(FIRST_REQUEST_S / 3)
            now = monotonic()
            self._spoke.intersection_update(server.connections)
            silent = [each for each in server.connections if each not in self._spoke]
            since = {each: since.get(each, now) for each in silent}
            for each, began in since.items():
                if now - began >= FIRST_REQUEST_S:
                    each.force_close()


async def _read(request: web.BaseRequest, limit: int) -> tuple[bytes, bool]:
    """Return the body, or the beginning of one that is too large, and whether it is the whole."""
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            return b"".join(parts), False
    return b"".join(parts), True


def _closing(response: web.Response) -> Any:
    response.force_close()
    return response
