"""Which connections are made: one kept-alive pool for all, and the proxies that the environment names."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import traceback
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
import yaml
from aiohttp import web

from ctrlkit.errors import ApiError, Unreachable
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, PODS
from ctrlkit.wire.config import load_endpoint
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.unit.wire.support import ScriptedServer, answers, serving

GET = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")
LIST = Action(verb=Verb.LIST, resource=PODS)
WATCH = Action(verb=Verb.WATCH, resource=PODS)
EMPTY = {"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []}


# ---- the pool ---------------------------------------------------------------------------------------------------


class Peers:
    """A server that answers calls and streams watches, and counts requests by connection."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        self.requests[request.transport.get_extra_info("peername")[1]] += 1
        if "watch" not in request.path_qs:
            return await answers(EMPTY)(request)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{}\n")
        await asyncio.sleep(60)
        await response.write_eof()
        return response


async def _watch_thrice(transport: RestTransport, action: Action) -> None:
    await transport.do(LIST)
    for _ in range(3):
        async with transport.watch(action) as lines:
            assert [batch async for batch in lines] == [[b"{}"]]


async def test_all_watches_share_one_pool_of_connections() -> None:
    """Twenty collections that list once and watch again and again keep twenty connections, and calls make few more."""
    peers = Peers()
    async with (
        serving(peers) as server,
        RestTransport(Endpoint(server=server.url)) as transport,
        asyncio.TaskGroup() as group,
    ):
        for turn in range(20):
            group.create_task(_watch_thrice(transport, Action(verb=Verb.WATCH, resource=(PODS, CONFIG_MAPS)[turn % 2])))
        await asyncio.sleep(30)
        assert len(peers.requests) == 20
        for _ in range(10):
            await transport.do(LIST)
    assert peers.requests.total() == 20 * 4 + 10
    assert len(peers.requests) == 21, "ten calls, one after the other, over one more connection"


async def test_a_watch_that_is_left_takes_its_connection_along() -> None:
    """What comes on it is nobody's answer; those of others stay."""
    peers = Peers()
    async with serving(peers) as server, RestTransport(Endpoint(server=server.url)) as transport:
        for _ in range(3):
            async with transport.watch(WATCH) as lines:
                await anext(lines)
    assert sorted(peers.requests.values()) == [1, 1, 1]


# ---- proxies ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ForwardProxy:
    """An HTTP proxy on loopback: forwards plain requests and tunnels, all to one port, whatever host they are for."""

    upstream: int
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.partition(b"\r\n")[0].decode())
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            method, _, rest = head.partition(b" ")
            up_writer.write(method + b" /" + rest.partition(b"//")[2].partition(b"/")[2])
        await asyncio.gather(_pass_on(reader, up_writer), _pass_on(up_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def forwarding(to: ScriptedServer) -> AsyncIterator[ForwardProxy]:
    """A proxy in front of a server, for the length of a block."""
    proxy = ForwardProxy(int(to.address.rpartition(":")[2]))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        proxy.tasks.add(task)
        try:
            await proxy.serve(reader, writer)
        finally:
            proxy.tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listener.close()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without any."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def _kubeconfig(folder: Path, server: str, **cluster: str) -> str:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def _call_and_watch(path: str) -> None:
    async with RestTransport(await load_endpoint(kubeconfig=path)) as transport:
        await transport.do(GET)
        async with transport.watch(WATCH) as lines:
            assert [batch async for batch in lines] == [[b"{}"]]


async def test_a_server_is_reached_by_the_proxy_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls and watches; the proxy sees the server's own name, which need not be known here."""
    async with serving(answers(b"{}\n")) as server, forwarding(server) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "elsewhere.example,.internal.example")
        await _call_and_watch(_kubeconfig(tmp_path, "http://api.example:8001"))
    assert [asked.target.partition("?")[0] for asked in server.asked] == [
        "/api/v1/namespaces/demo/pods/a",
        "/api/v1/pods",
    ]
    assert server.asked[0].headers["Host"] == "api.example:8001"
    assert proxy.asked[0] == "GET http://api.example:8001/api/v1/namespaces/demo/pods/a HTTP/1.1"


async def test_a_server_over_tls_is_reached_through_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees where to, and nothing of what is said; the certificate is the server's."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example").configure_cert(context)
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    async with serving(answers(b"{}\n"), tls=context) as server, forwarding(server) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        path = _kubeconfig(tmp_path, "https://api.example:6443", **{"certificate-authority": "ca.pem"})
        await _call_and_watch(path)
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer t", "Bearer t"]
    assert proxy.asked == ["CONNECT api.example:6443 HTTP/1.1"], "and the tunnel is kept for the next request"


async def test_what_no_proxy_names_is_asked_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a part of its name; there is no such host, so that the call fails, and the proxy does not hear of it."""
    async with serving(answers({})) as server, forwarding(server) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "elsewhere.example,.cluster.invalid")
        with pytest.raises(Unreachable, match=r"the host of api\.cluster\.invalid:8001 has no address"):
            await _call_and_watch(_kubeconfig(tmp_path, "http://api.cluster.invalid:8001"))
    assert proxy.asked == []


async def test_this_machine_is_never_reached_by_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says: the proxy's loopback is another."""
    async with serving(answers(b"{}\n")) as server, forwarding(server) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        await _call_and_watch(_kubeconfig(tmp_path, server.url))
    assert len(server.asked) == 2
    assert proxy.asked == []


@pytest.mark.parametrize("server", ["https://10.0.0.1:6443", "http://10.0.0.1:6443"])
async def test_a_proxy_that_refuses_is_said_without_its_password(server: str) -> None:
    """The password in a proxy's URL is in no error and in no repr."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        tls = ssl.create_default_context() if server.startswith("https") else None
        endpoint = Endpoint(server=server, tls=tls, proxy=f"http://me:s3cret@127.0.0.1:{port}")
        async with RestTransport(endpoint) as transport:
            with pytest.raises((Unreachable, ApiError), match="407") as caught:
                await transport.do(GET)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value)) + repr(endpoint)


async def test_a_proxy_that_cannot_be_reached_is_named_as_what_failed() -> None:
    """It is not the server that refused the connection."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = Endpoint(server="http://10.0.0.1:6443", proxy=f"http://me:s3cret@127.0.0.1:{taken.getsockname()[1]}")
        async with RestTransport(endpoint) as transport:
            with pytest.raises(Unreachable, match=r"the proxy on the way to 10.0.0.1:6443 cannot be reached") as caught:
                await transport.do(GET)
    assert "s3cret" not in str(caught.value)


# ---- contexts ---------------------------------------------------------------------------------------------------


class Mark:
    """Something that a call has in its context."""


MARK: ContextVar[Mark | None] = ContextVar("mark", default=None)


async def test_a_pooled_connection_does_not_keep_the_context_of_the_call_that_it_was_made_for() -> None:
    """Nor does the timer that closes idle ones: what a reconcile has in its context ends with it."""
    limit_s = 2.0
    async with (
        serving(answers({"kind": "Pod"})) as server,
        RestTransport(Endpoint(server=server.url), time_limit_s=limit_s) as transport,
    ):

        async def call() -> Callable[[], Mark | None]:
            mark = Mark()
            MARK.set(mark)
            await transport.do(GET)
            return weakref.ref(mark)

        marks = [await asyncio.create_task(call()) for _ in range(2)]
        await asyncio.sleep(limit_s)  # asyncio keeps the context of a timer that was cancelled until it were due
        gc.collect()
        assert [mark() for mark in marks] == [None, None]
        await transport.do(GET)
        assert len({asked.port for asked in server.asked}) == 1


@pytest.mark.real_time
async def test_a_call_that_is_cancelled_while_it_connects_leaves_no_task_behind() -> None:
    """What makes the connection ends with it."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the one place in its backlog
            async with RestTransport(Endpoint(server=f"http://127.0.0.1:{port}")) as transport:
                before = asyncio.all_tasks()
                calls = [asyncio.create_task(transport.do(GET)) for _ in range(3)]
                await asyncio.sleep(0.05)
                for call in calls:
                    call.cancel()
                await asyncio.wait(calls)
                assert asyncio.all_tasks() == before
