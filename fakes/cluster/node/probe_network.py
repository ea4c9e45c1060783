"""
Probes over real connections, for pods whose address is one of this machine.

Only loopback addresses are asked: whoever may create pods cannot make this process send requests to other machines. A
host elsewhere counts as one that cannot be reached.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ctrlkit.fakes.cluster.node import grpc_health
from ctrlkit.fakes.cluster.node.probe_texts import (
    BODY_LIMIT,
    http_answer,
    no_answer,
    no_connection,
    timed_out,
    url_of,
)
from ctrlkit.fakes.cluster.node.runtime import Grpc, HttpGet, ProbeErrored, ProbeResult, TcpSocket

_REDIRECTS_MAX = 10
_HTTP = b"HTTP/"


async def probe_network(address: str, action: TcpSocket | HttpGet | Grpc, *, timeout_s: float) -> ProbeResult:
    """Run a probe against an address; a failure is a result. Errors: ProbeErrored for an answer that is cut off."""
    host = address if isinstance(action, Grpc) else action.host or address
    if not _is_loopback(host):
        return no_connection(action, address, "connect: network is unreachable", timeout_s=timeout_s)
    if isinstance(action, Grpc):
        return await grpc_health.check(host, action, timeout_s=timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            match action:
                case TcpSocket(port):
                    return await _connect(action, host, port)
                case HttpGet():
                    return await _get(action, address)
    except TimeoutError:
        return timed_out(action, address, timeout_s=timeout_s)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


async def _connect(action: TcpSocket, host: str, port: int) -> ProbeResult:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except (OSError, OverflowError) as error:
        return no_connection(action, host, _dial_failure(error))
    writer.close()
    return ProbeResult(ok=True)


def _dial_failure(error: OSError | OverflowError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return f"connect: {os.strerror(number or errno.ECONNREFUSED).lower()}"


async def _get(action: HttpGet, address: str) -> ProbeResult:
    url, host = URL(url_of(action, address), encoded=True), action.host or address
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(ssl=False, force_close=True, family=socket.AF_UNSPEC)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "Accept", "User-Agent"),
    ) as session:
        for _ in range(_REDIRECTS_MAX):
            try:
                answer = await session.get(url, headers=_headers(action.headers), allow_redirects=False)
            except (OSError, ValueError, aiohttp.ClientError) as error:
                return no_answer(action, address, _http_failure(error, action, host))
            async with answer:
                following = _following(url, answer)
                if following is None:
                    return http_answer(answer.status, await _body(answer))
            url = following
    return ProbeResult(ok=False, output=f'Get "{url.raw_path_qs}": stopped after {_REDIRECTS_MAX} redirects')


def _headers(given: Iterable[tuple[str, str]]) -> CIMultiDict[str]:
    headers = CIMultiDict(given)
    headers.setdefault("User-Agent", "kube-probe/1.36")
    headers.setdefault("Accept", "*/*")
    if not headers["Accept"]:
        del headers["Accept"]
    return headers


def _following(url: URL, answer: aiohttp.ClientResponse) -> URL | None:
    """Where an answer sends the probe on to, if that is on the same host."""
    where = answer.headers.get("Location")
    if answer.status not in (301, 302, 303, 307, 308) or not where:
        return None
    with suppress(ValueError):
        following = url.join(URL(where))
        if following.host == url.host and following.scheme in ("http", "https"):
            return following
    return None


async def _body(answer: aiohttp.ClientResponse) -> str:
    try:
        body = bytearray()
        while len(body) < BODY_LIMIT and (piece := await answer.content.read(BODY_LIMIT - len(body))):
            body += piece
    except aiohttp.ClientError:
        raise ProbeErrored("unexpected EOF", state="failure") from None
    return body.decode(errors="replace")


def _http_failure(error: Exception, action: HttpGet, host: str) -> str:
    match error:
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return "http: server gave HTTP response to HTTPS client"
        case aiohttp.ClientConnectorError(os_error=cause):
            where = f"[{host}]:{action.port}" if ":" in host else f"{host}:{action.port}"
            return f"dial tcp {where}: {_dial_failure(cause)}"
        case aiohttp.ServerDisconnectedError():
            return "EOF"
        case ConnectionResetError():
            return "read: connection reset by peer"
        case aiohttp.ClientResponseError():
            return f"net/http: HTTP/1.x transport connection broken: malformed HTTP response: {error.message}"
    return str(error) or type(error).__name__
