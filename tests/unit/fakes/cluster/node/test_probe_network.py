"""Probes over real connections: what they pass with, and the words in which they fail, as a kubelet was seen to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ctrlkit.fakes.cluster.node.probe_network import probe_network
from ctrlkit.fakes.cluster.node.runtime import HttpGet, ProbeErrored, ProbeResult, TcpSocket

LOCAL = "127.0.0.1"


@asynccontextmanager
async def server(answer: Callable[[str], str | None]) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve on a port: `answer` returns what is sent for a request, None for nothing ever."""
    requests: list[str] = []
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.read(4096)).decode(errors="replace")
        requests.append(request)
        text = answer(request.partition(" ")[2].partition(" ")[0])
        if text is None:
            await ended.wait()
        else:
            writer.write(text.encode())
        writer.close()

    listening = await asyncio.start_server(serve, LOCAL, 0)
    try:
        yield listening.sockets[0].getsockname()[1], requests
    finally:
        ended.set()
        listening.close()


async def get(answer: str | None, *, timeout_s: float = 5.0, scheme: str = "http") -> tuple[ProbeResult, int]:
    async with server(lambda path: answer) as (port, _):
        return await probe_network(LOCAL, HttpGet(port, "/a?b=c", scheme=scheme), timeout_s=timeout_s), port


def http(status: int, body: str = "", *headers: str) -> str:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


async def test_an_answer_from_200_to_399_passes_and_the_body_of_a_failure_is_not_shown() -> None:
    """A redirect that is not followed passes with a warning."""
    assert (await get(http(200, "fine")))[0] == ProbeResult(ok=True, output="fine", status=200)
    failed, _ = await get(http(503, "secret"))
    assert failed == ProbeResult(ok=False, output="HTTP probe failed with statuscode: 503", status=503)
    text = "Probe terminated redirects, Response body: hi"
    for headers in (["Location: http://example.com/"], []):
        redirected, _ = await get(http(302, "hi", *headers))
        assert redirected == ProbeResult(ok=True, output=text, warns=True, status=302)


async def test_a_redirect_on_the_same_host_is_followed_ten_times_at_most() -> None:
    """The path of the last one is named."""
    async with server(lambda path: http(200, "there") if path == "/s" else http(302, "", "Location: /s")) as (port, _):
        assert (await probe_network(LOCAL, HttpGet(port), timeout_s=5)).output == "there"
    async with server(lambda path: http(302, "", "Location: /b")) as (port, requests):
        ended = await probe_network(LOCAL, HttpGet(port), timeout_s=5)
    assert ended == ProbeResult(ok=False, output='Get "/b": stopped after 10 redirects')
    assert len(requests) == 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "EOF"),
        ("SSH-2.0-OpenSSH\r\n", "net/http: HTTP/1.x transport connection broken: malformed HTTP response"),
        (None, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
    ],
)
async def test_what_is_no_answer_is_told_in_the_words_of_the_library(answer: str | None, words: str) -> None:
    """Behind the request that was made."""
    failed, port = await get(answer, timeout_s=0.05 if answer is None else 5.0)
    assert not failed.ok
    assert failed.output.startswith(f'Get "http://{LOCAL}:{port}/a?b=c": {words}')


async def test_http_where_https_is_asked_for_and_a_body_that_is_cut_off() -> None:
    """The first is a failure; the second shows nothing of the container."""
    failed, port = await get("HTTP/1.1 400 Bad Request\r\n\r\n", scheme="https")
    assert failed.output == f'Get "https://{LOCAL}:{port}/a?b=c": http: server gave HTTP response to HTTPS client'
    with pytest.raises(ProbeErrored, match="unexpected EOF"):
        await get("HTTP/1.1 200 x\r\nContent-Length: 200\r\n\r\nhi")


async def test_where_nobody_listens_the_connection_is_refused() -> None:
    """A port that was just free."""
    async with server(lambda path: "") as (port, _):
        assert (await probe_network(LOCAL, TcpSocket(port), timeout_s=5)) == ProbeResult(ok=True)
    refused = f"dial tcp {LOCAL}:{port}: connect: connection refused"
    assert (await probe_network(LOCAL, TcpSocket(port), timeout_s=5)).output == refused
    assert (
        await probe_network(LOCAL, HttpGet(port, ""), timeout_s=5)
    ).output == f'Get "http://{LOCAL}:{port}": {refused}'


async def test_headers_are_sent_as_they_are_given() -> None:
    """An empty Accept takes the default one away, Host is another one, and a name may come twice."""
    async with server(lambda path: http(204)) as (port, requests):
        await probe_network(LOCAL, HttpGet(port), timeout_s=5)
        headers = (("Accept", ""), ("host", "web.example"), ("X-A", "1"), ("X-A", "2"), ("User-Agent", "me"))
        await probe_network(LOCAL, HttpGet(port, headers=headers), timeout_s=5)
    plain, given = (set(request.splitlines()) for request in requests)
    assert {"User-Agent: kube-probe/1.36", "Accept: */*", "Connection: close", f"Host: {LOCAL}:{port}"} <= plain
    assert {"User-Agent: me", "X-A: 1", "X-A: 2", "host: web.example"} <= given
    assert not [line for line in given if line.startswith(("Accept", "Host"))]


@pytest.mark.parametrize("host", ["10.1.2.3", "example.com", "169.254.169.254"])
async def test_no_other_machine_is_asked(host: str) -> None:
    """Whoever may create pods cannot make this process send requests elsewhere."""
    failed = await probe_network(LOCAL, TcpSocket(80, host), timeout_s=5)
    assert failed.output == f"dial tcp {host}:80: connect: network is unreachable"
    assert not (await probe_network(LOCAL, HttpGet(80, host=host), timeout_s=5)).ok
