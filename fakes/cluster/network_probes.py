"""The probes that need no container, only its address: a connection, and an HTTP request."""

from __future__ import annotations

import asyncio

import aiohttp

from fakes.cluster.runtime import HttpGet, ProbeResult, TcpSocket


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
                    return await _get(f"http://{address}:{port}{path}")
    except TimeoutError:
        return ProbeResult(ok=False, output=f"timed out after {timeout_s:g} s")
    except (OSError, aiohttp.ClientError) as error:
        return ProbeResult(ok=False, output=f"connect to {address}:{action.port}: {type(error).__name__}")


async def _get(url: str) -> ProbeResult:
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        return ProbeResult(ok=200 <= answer.status < 400, output=f"status {answer.status}")
