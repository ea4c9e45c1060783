"""The probes that need no container, only its address: a connection, and an HTTP request."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from ctrlkit.fakes.cluster.node.runtime import HttpGet, ProbeResult, TcpSocket


async def probe_network(address: str, action: TcpSocket | HttpGet, *, timeout_s: float) -> ProbeResult:
    """Run a probe against an address; any failure is a result."""
    try:
        async with asyncio.timeout(timeout_s):
            match action:
                case TcpSocket(port):
                    _, writer = await asyncio.open_connection(address, port)
                    writer.close()
                    return ProbeResult(ok=True)
                case HttpGet(port, path):
                    return await _get(_url(address, port, path))
    except TimeoutError:
        return ProbeResult(ok=False, output=f"timed out after {timeout_s:g} s")
    except (OSError, OverflowError, ValueError, aiohttp.ClientError) as error:
        return ProbeResult(ok=False, output=f"connect to {address}:{action.port}: {type(error).__name__}")


def _url(address: str, port: int, path: str) -> URL:
    """
    Where to ask; whatever the path holds, it is a path.

    >>> print(_url("127.16.0.1", 8080, "/healthz?full=1"), _url("127.16.0.1", 8080, "@evil.example/"))
    http://127.16.0.1:8080/healthz?full=1 http://127.16.0.1:8080/@evil.example/
    """
    path, _, query = path.removeprefix("/").partition("?")
    return URL.build(scheme="http", host=address, port=port, path=f"/{path}", query_string=query)


async def _get(url: URL) -> ProbeResult:
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        return ProbeResult(ok=200 <= answer.status < 400, output=f"status {answer.status}")
