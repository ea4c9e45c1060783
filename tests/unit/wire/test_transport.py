"""The transport over real sockets, on virtual time: what it sends, what it waits for, how it fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import msgspec
import pytest
import structlog
import trustme
from aiohttp import web

from ctrlkit import clock
from ctrlkit.errors import (
    ApiError,
    Conflict,
    Gone,
    ServiceUnavailable,
    StreamBroken,
    TimedOut,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from ctrlkit.model import Action, Options, PatchType, Verb
from ctrlkit.model.kinds import PODS
from ctrlkit.names import program_name
from ctrlkit.wire.connections import alive_socket
from ctrlkit.wire.endpoint import Anonymous, Endpoint
from ctrlkit.wire.transport import RestTransport, user_agent
from tests.unit.wire.support import ScriptedServer, answers, refuses, resets, serving, streams

GET = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")
LIST = Action(verb=Verb.LIST, resource=PODS)
WATCH = Action(verb=Verb.WATCH, resource=PODS, options=Options(resource_version="7", label_selector="a=b,c in (d)"))
CREATE = Action(verb=Verb.CREATE, resource=PODS, namespace="demo", name="a", body={"metadata": {"name": "a"}})
DELETE = Action(verb=Verb.DELETE, resource=PODS, namespace="demo", name="a")
POD = {"metadata": {"name": "a"}}


def _transport(server: ScriptedServer) -> RestTransport:
    return RestTransport(Endpoint(server=server.url))


async def _read(transport: RestTransport, action: Action = WATCH) -> list[bytes]:
    lines: list[bytes] = []
    async with transport.watch(action) as stream:
        async for batch in stream:
            lines += batch
    return lines


def _hangs() -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def reply(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    return reply


async def test_a_call_is_one_request() -> None:
    """Method, path, query, headers and body arrive as the Action says; the answer's bytes come back."""
    patch = Action(
        verb=Verb.PATCH,
        resource=PODS,
        namespace="demo",
        name="a",
        body={"spec": {}},
        patch_type=PatchType.APPLY,
        options=Options(field_manager="me", force=True),
    )
    async with serving(answers(POD)) as server, _transport(server) as transport:
        assert msgspec.json.decode(await transport.do(patch)) == POD
    asked = server.asked[0]
    assert (asked.method, asked.target) == ("PATCH", "/api/v1/namespaces/demo/pods/a?fieldManager=me&force=true")
    assert asked.body == b'{"spec":{}}'
    assert asked.headers["Content-Type"] == "application/apply-patch+yaml"
    assert asked.headers["Accept"] == "application/json"
    assert asked.headers["User-Agent"] == user_agent(program_name())


async def test_a_server_below_a_path_is_reached() -> None:
    """A kubeconfig's server may carry a path, as behind some gateways."""
    async with serving(answers(POD)) as server, RestTransport(Endpoint(server=f"{server.url}/k8s/c-1")) as transport:
        await transport.do(GET)
    assert server.asked[0].target == "/k8s/c-1/api/v1/namespaces/demo/pods/a"


@pytest.mark.behaviour("C1", "B21")
async def test_there_is_no_throttle_on_this_side() -> None:
    """A hundred calls at once wait for nothing, also while as many watches are open."""
    async with serving(answers(POD)) as server, _transport(server) as transport, asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(transport.do(GET))
    assert {asked.at_s for asked in server.asked} == {0.0}
    assert len(server.asked) == 100


@pytest.mark.parametrize("action", [GET, CREATE, DELETE, WATCH], ids=lambda action: str(action.verb))
@pytest.mark.parametrize(("code", "reason"), [(429, "TooManyRequests"), (503, "ServiceUnavailable")])
@pytest.mark.behaviour("C2")
async def test_a_server_that_names_a_time_is_asked_again_after_it(action: Action, code: int, reason: str) -> None:
    """429 and 503 with Retry-After: the same request after that many seconds, writes included."""
    refusal = refuses(code, reason, Retry_After="4")
    async with serving(refusal, refusal, answers(b"{}\n")) as server, _transport(server) as transport:
        await (_read(transport) if action.verb is Verb.WATCH else transport.do(action))
    assert [asked.at_s for asked in server.asked] == [0.0, 4.0, 8.0]
    assert len({(asked.method, asked.target, asked.body) for asked in server.asked}) == 1


async def test_what_is_waited_for_is_logged() -> None:
    """Why, which retry it is, and how long it takes; what is the same again at debug, for a while."""
    refusal = refuses(429, "TooManyRequests", Retry_After="4")
    with structlog.testing.capture_logs() as logs:
        async with serving(refusal, refusal, answers(POD)) as server, _transport(server) as transport:
            await transport.do(GET)
    assert logs == [
        {
            "event": "retry_waited_for",
            "part": "wire",
            "attempted": "get pods demo/a",
            "cause": "429 TooManyRequests",
            "retry": retry,
            "wait_s": 4.0,
            "log_level": level,
            **repeated,
        }
        for retry, level, repeated in ((1, "info", {}), (2, "debug", {"repeated": 1}))
    ]


@pytest.mark.behaviour("C2")
async def test_it_is_asked_eleven_times_at_most() -> None:
    """After ten retries the refusal is the caller's."""
    async with serving(refuses(429, "TooManyRequests", Retry_After="1")) as server, _transport(server) as transport:
        with pytest.raises(TooManyRequests) as caught:
            await transport.do(GET)
    assert len(server.asked) == 11
    assert caught.value.retry_after_s == 1.0
    assert caught.value.attempted == "get pods demo/a"


@pytest.mark.parametrize(
    ("code", "reason", "headers"),
    [
        (429, "TooManyRequests", {}),
        (503, "ServiceUnavailable", {}),
        (429, "TooManyRequests", {"Retry_After": "31"}),
        (409, "Conflict", {"Retry_After": "1"}),
    ],
)
@pytest.mark.behaviour("C2")
async def test_other_refusals_are_not_tried_again(code: int, reason: str, headers: Mapping[str, str]) -> None:
    """Without a time, with one longer than a call may last, or for another refusal, the caller decides."""
    async with serving(refuses(code, reason, **headers)) as server, _transport(server) as transport:
        with pytest.raises(ApiError) as caught:
            await transport.do(CREATE)
    assert len(server.asked) == 1
    assert caught.value.code == code


@pytest.mark.behaviour("C2")
async def test_a_wait_of_nothing_still_is_a_second() -> None:
    """A server that says 0 is not hammered."""
    refusal = refuses(429, "TooManyRequests", Retry_After="0")
    async with serving(refusal, answers(POD)) as server, _transport(server) as transport:
        await transport.do(GET)
    assert [asked.at_s for asked in server.asked] == [0.0, 1.0]


@pytest.mark.parametrize("action", [GET, LIST], ids=str)
@pytest.mark.behaviour("C2")
async def test_a_read_that_lost_its_connection_is_tried_again(action: Action) -> None:
    """Once a second, up to ten times."""
    async with serving(resets(), resets(), resets(), answers(POD)) as server, _transport(server) as transport:
        await transport.do(action)
    assert clock.monotonic() <= 3.0
    async with serving(resets()) as server, _transport(server) as transport:
        with pytest.raises(Unreachable, match="closed the connection before the answer was complete"):
            await transport.do(action)
    assert len({asked.at_s for asked in server.asked}) == 11


@pytest.mark.behaviour("C2")
async def test_a_create_that_lost_its_connection_is_not() -> None:
    """Nobody knows whether it was carried out."""
    async with serving(resets()) as server, _transport(server) as transport:
        with pytest.raises(Unreachable):
            await transport.do(CREATE)
    assert len(server.asked) == 1


async def test_half_an_answer_is_no_answer() -> None:
    """A body that ends early is a lost connection."""
    async with serving(streams(b'{"metadata"', cut=True)) as server, _transport(server) as transport:
        with pytest.raises(Unreachable, match="before the answer was complete"):
            await transport.do(DELETE)


async def test_a_slow_server_is_left_after_the_time_limit() -> None:
    """A call ends after 30 s with an error that says so."""
    async with serving(_hangs()) as server, _transport(server) as transport:
        with pytest.raises(TimedOut, match=rf"get pods demo/a: no complete answer from {server.address} within 30 s"):
            await transport.do(GET)
        assert clock.monotonic() == pytest.approx(30.0)


async def test_an_answer_that_never_ends_is_left_after_the_time_limit() -> None:
    """The limit is for the whole call, not for its first byte."""

    async def trickle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b" ")
            await asyncio.sleep(1)
        return response

    async with serving(trickle) as server, _transport(server) as transport:
        with pytest.raises(TimedOut):
            await transport.do(GET)


async def test_a_refused_connection_says_where() -> None:
    """The message has what was tried, host and port, the fact and the next step, on one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with RestTransport(Endpoint(server=f"http://127.0.0.1:{port}")) as transport:
            for call in (transport.do(GET), _read(transport)):
                with pytest.raises(Unreachable) as caught:
                    await call
                assert f": 127.0.0.1:{port} refused the connection; check that the server runs there [GET /" in str(
                    caught.value
                )
                assert "\n" not in str(caught.value)


async def test_an_unknown_host_says_so() -> None:
    """Name resolution is told apart from a server that is down."""
    async with RestTransport(Endpoint(server="https://server.invalid:6443")) as transport:
        with pytest.raises(Unreachable, match=r"the host of server\.invalid:6443 has no address"):
            await transport.do(CREATE)


async def test_a_server_that_speaks_no_http_says_so() -> None:
    """As when the port belongs to something else."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, RestTransport(Endpoint(server=f"http://127.0.0.1:{port}")) as transport:
        with pytest.raises(Unreachable, match="did not answer as an HTTP server"):
            await transport.do(CREATE)


async def test_redirects_are_not_followed() -> None:
    """Credentials go nowhere but to the configured server."""
    async with serving(answers(POD)) as other:
        elsewhere = answers(b"", status=307, headers={"Location": f"{other.url}/x?token=1"})
        async with serving(elsewhere) as server, _transport(server) as transport:
            with pytest.raises(ApiError, match=f"redirects to {other.url}, which is not followed"):
                await transport.do(GET)
    assert other.asked == []


@pytest.mark.behaviour("C6")
async def test_each_warning_is_logged_once() -> None:
    """However often the server repeats it."""
    warns = answers(POD, headers={"Warning": '299 - "pods are deprecated", 299 - "use dogs"'})
    with structlog.testing.capture_logs() as logs:
        async with serving(warns) as server, _transport(server) as transport:
            await transport.do(GET)
            await transport.do(LIST)
    assert [entry["text"] for entry in logs] == ["pods are deprecated", "use dogs"]
    assert logs[0] == {
        "event": "server_warned",
        "part": "wire",
        "attempted": "get pods demo/a",
        "text": "pods are deprecated",
        "log_level": "warning",
    }


class _Renewing(Anonymous):
    """Credentials that grow fresher each time they are refused, up to a number of times."""

    def __init__(self, renewals: int) -> None:
        self.age = 0
        self.renewals = renewals

    async def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer t{self.age}"}

    def refused(self, sent_at: float) -> bool:
        self.age += 1
        return self.age <= self.renewals


@pytest.mark.parametrize(("renewals", "tokens"), [(0, ["t0"]), (1, ["t0", "t1"]), (5, ["t0", "t1"])])
async def test_refused_credentials_are_renewed_once(renewals: int, tokens: list[str]) -> None:
    """A 401 is tried again with fresher credentials, if there are any, and then is the caller's."""
    async with serving(refuses(401, "Unauthorized")) as server:
        endpoint = Endpoint(server=server.url, credentials=_Renewing(renewals))
        async with RestTransport(endpoint) as transport:
            with pytest.raises(Unauthorized):
                await transport.do(GET)
    assert [asked.headers["Authorization"].partition(" ")[2] for asked in server.asked] == tokens


async def test_a_certificate_that_is_not_trusted_has_the_configuration_read_again_once() -> None:
    """It may name another authority by now, and nothing was sent; then it is the caller's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    credentials = _Renewing(5)
    async with serving(answers(POD), tls=context) as server:
        endpoint = Endpoint(server=server.url, tls=ssl.create_default_context(), credentials=credentials)
        async with RestTransport(endpoint) as transport:
            with pytest.raises(Unreachable, match="not trusted"):
                await transport.do(CREATE)
    assert credentials.age == 1
    assert server.asked == []


async def test_no_error_shows_the_token() -> None:
    """Neither a refusal nor a lost connection."""
    async with serving(refuses(403, "Forbidden"), resets()) as server:
        endpoint = Endpoint(server=server.url, credentials=_Renewing(0))
        async with RestTransport(endpoint) as transport:
            for _ in range(2):
                with pytest.raises((ApiError, Unreachable)) as caught:
                    await transport.do(CREATE)
                assert "t0" not in f"{caught.value} {caught.value!r}"


async def test_a_watch_gives_lines_and_ends_with_the_stream() -> None:
    """However the chunks are cut; the query carries the options."""
    async with serving(streams(b'{"a":1}\n{"b', b'":2}\n', b'{"c":3}\n')) as server, _transport(server) as transport:
        assert await _read(transport) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    assert server.asked[0].target == "/api/v1/pods?watch=true&labelSelector=a%3Db%2Cc%20in%20%28d%29&resourceVersion=7"


@pytest.mark.parametrize(
    ("chunk", "fact"), [(b'{"b', "within a line, after 3 bytes"), (b"", "before the server had ended")]
)
async def test_a_watch_that_is_cut_is_broken(chunk: bytes, fact: str) -> None:
    """What came before is delivered, then StreamBroken says where it was cut."""
    chunks = [part for part in (b'{"a":1}\n', chunk) if part]
    async with (
        serving(streams(*chunks, cut=True)) as server,
        _transport(server) as transport,
        transport.watch(WATCH) as stream,
    ):
        assert await anext(stream) == [b'{"a":1}']
        with pytest.raises(StreamBroken, match=f"watch pods .*{fact}"):
            await anext(stream)


async def test_a_watch_that_ends_within_a_line_is_broken() -> None:
    """Also where HTTP itself ended well."""
    async with serving(streams(b'{"a":1}\n{"b')) as server, _transport(server) as transport:
        with pytest.raises(StreamBroken, match="within a line"):
            await _read(transport)


async def test_a_quiet_watch_has_no_time_limit() -> None:
    """Hours without an event are no error."""

    async def quiet(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(5 * 3600)
        await response.write(b"{}\n")
        return response

    async with serving(quiet) as server, _transport(server) as transport:
        assert await _read(transport) == [b"{}"]


@pytest.mark.behaviour("C3")
async def test_a_watch_that_does_not_open_says_why() -> None:
    """A lost connection and a time-out are errors, at once, not an empty stream: see docs/deviations.md."""
    async with serving(_hangs()) as server, _transport(server) as transport:
        with pytest.raises(TimedOut, match="within 30 s"):
            await _read(transport)
    async with serving(resets()) as server, _transport(server) as transport:
        began = clock.monotonic()
        with pytest.raises(Unreachable, match="closed the connection"):
            await _read(transport)
        assert clock.monotonic() == began


@pytest.mark.parametrize(
    ("code", "reason", "kind"), [(410, "Expired", Gone), (503, "", ServiceUnavailable), (409, "Conflict", Conflict)]
)
@pytest.mark.behaviour("B26")
async def test_a_refused_watch_is_a_typed_error(code: int, reason: str, kind: type[ApiError]) -> None:
    """A 410 at the opening is Gone, as within the stream."""
    async with serving(refuses(code, reason)) as server, _transport(server) as transport:
        with pytest.raises(kind):
            await _read(transport)


async def test_leaving_a_watch_closes_its_connection() -> None:
    """The server sees it at once, and no task or socket is left."""
    closed = asyncio.Event()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"{}\n")
                await asyncio.sleep(1)
        finally:
            closed.set()

    async with serving(endless) as server, _transport(server) as transport:
        async with transport.watch(WATCH) as stream:
            await anext(stream)
        await closed.wait()
        assert clock.monotonic() <= 5.0


async def test_many_watches_starve_no_call() -> None:
    """A hundred open watches, and a call gets through: the pool has no limit."""

    async def quiet(request: web.BaseRequest) -> web.StreamResponse:
        if "watch" not in request.path_qs:
            return await answers(POD)(request)
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)
        return response

    async with serving(quiet) as server, _transport(server) as transport, asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(_read(transport))
        await asyncio.sleep(1)
        await transport.do(GET)
        assert clock.monotonic() == pytest.approx(1.0)


async def test_it_must_be_entered() -> None:
    """Used outside `async with` it says so."""
    with pytest.raises(RuntimeError, match="async with"):
        await RestTransport(Endpoint(server="http://127.0.0.1:1")).do(GET)


async def test_a_watch_whose_connection_died_in_silence_is_left_after_its_own_timeout() -> None:
    """The server ends a watch when it was asked to; one that does not, half a minute later, is there no more."""

    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"a":1}\n')
        await asyncio.sleep(24 * 3600)
        return response

    watch = replace(WATCH, options=Options(timeout_s=300))
    async with serving(silent) as server, _transport(server) as transport:
        with pytest.raises(TimedOut, match=r"watch pods \*: the stream .* 330 s"):
            await _read(transport, watch)
        assert clock.monotonic() == pytest.approx(330.0)


def test_connections_are_kept_alive_by_the_system() -> None:
    """So a connection whose other end vanished is noticed within minutes, and not after two hours."""
    with alive_socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 0))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


class _RenewingSlowly(Anonymous):
    """Credentials that are renewed once, after which a refusal of the older ones is no reason for another renewal."""

    def __init__(self) -> None:
        self.token, self.renewed_at = "old", -1.0

    async def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def refused(self, sent_at: float) -> bool:
        if self.token == "old":
            self.token, self.renewed_at = "new", clock.monotonic()
        return self.renewed_at > sent_at


async def test_a_refusal_of_what_was_renewed_since_is_tried_again() -> None:
    """Of two calls on their way with the old token, the second hears of its refusal after the first had it renewed."""

    async def by_token(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(2.0 if "b" in request.path.rpartition("/")[2] else 1.0)
        fresh = request.headers["Authorization"] == "Bearer new"
        return await (answers(POD) if fresh else refuses(401, "Unauthorized"))(request)

    async with serving(by_token) as server:
        endpoint = Endpoint(server=server.url, credentials=_RenewingSlowly())
        async with RestTransport(endpoint) as transport, asyncio.TaskGroup() as calls:
            calls.create_task(transport.do(GET))
            calls.create_task(transport.do(replace(GET, name="b")))
    assert len(server.asked) == 4


async def test_an_address_with_colons_stands_in_brackets() -> None:
    """So the port can be told from it."""
    async with RestTransport(Endpoint(server="http://[::1]:1")) as transport:
        with pytest.raises(Unreachable, match=r"\[::1\]:1 "):
            await transport.do(GET)


async def test_a_body_of_megabytes_is_sent() -> None:
    """Objects may be large; the HTTP library's own warning about it must not get in the way."""
    large = replace(CREATE, body={"metadata": {"name": "a"}, "data": "x" * 2_000_000})
    async with serving(answers(POD)) as server, _transport(server) as transport:
        await transport.do(large)
    assert len(server.asked[0].body) > 2_000_000


class _Closing(Anonymous):
    closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_credentials_hear_that_nobody_calls_any_more() -> None:
    """They may be at work on fresher ones."""
    credentials = _Closing()
    async with serving(answers(POD)) as server:
        async with RestTransport(Endpoint(server=server.url, credentials=credentials)) as transport:
            await transport.do(GET)
            assert credentials.closed == 0
        assert credentials.closed == 1
