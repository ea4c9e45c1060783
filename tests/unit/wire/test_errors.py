"""Refusals and exceptions of the HTTP library reach the caller as typed errors, cut to size and without bodies."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime

import aiohttp
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.client import Client, noting_writes
from ctrlkit.errors import (
    RETRY_AFTER_MAX_S,
    ApiError,
    ConfigError,
    Conflict,
    CtrlkitError,
    DecodeError,
    Expired,
    Forbidden,
    NotFound,
    ServiceUnavailable,
    StreamBroken,
    TooManyRequests,
    Unreachable,
)
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.model import Action, MergePatch, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, PODS
from ctrlkit.wire import transport as wire_transport
from ctrlkit.wire.endpoint import Anonymous, Endpoint
from ctrlkit.wire.errors import refusal, unreachable, warnings_in
from ctrlkit.wire.transport import RestTransport
from tests.support.lies import PAGES
from tests.unit.wire.support import answers, serving


def _refusal(code: int, body: bytes = b"", **headers: str) -> ApiError:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(code, given, body, attempted="get pods demo/a", evidence="GET /api/v1/namespaces/demo/pods/a")


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (410, "Expired", Expired),
        (403, "Forbidden", Forbidden),
    ],
)
def test_a_status_becomes_its_class(code: int, reason: str, kind: type[ApiError]) -> None:
    """The reason of the Status picks the class; what was tried, the evidence and the audit id are on it."""
    body = msgspec.json.encode({"kind": "Status", "code": code, "reason": reason, "message": "it is so"})
    error = _refusal(code, body, Audit_Id="5f1c")
    assert type(error) is kind
    assert str(error).startswith("get pods demo/a: it is so; ")
    assert str(error).endswith(f"[GET /api/v1/namespaces/demo/pods/a (audit 5f1c) -> {code} {reason}]")


@pytest.mark.parametrize(
    ("code", "message", "step"),
    [
        (
            403,
            'pods is forbidden: User "a" cannot list resource "pods" in API group "" at the cluster scope',
            "grant the",
        ),
        (403, 'forbidden: User "a" cannot get path "/metrics"', "grant the verb"),
        (
            403,
            'roles "r" is forbidden: user "a" is attempting to grant RBAC permissions not currently held:',
            "grant this",
        ),
        (
            403,
            'pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1',
            "ask for less",
        ),
        (
            403,
            'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: web',
            "set the requests and limits",
        ),
        (
            403,
            '"a" is forbidden: unable to create new content in namespace b because it is being terminated',
            "create no",
        ),
        (
            403,
            'pods "a" is forbidden: violates PodSecurity "restricted:latest": privileged',
            "correct the pod's security",
        ),
        (403, 'pods "a" is forbidden: maximum cpu usage per Container is 1, but limit is 2', "see which rule"),
        (
            500,
            "failed to create typed patch object (d/a; /v1, Kind=ConfigMap): .metdata: field not declared",
            "correct",
        ),
        (500, 'Internal error occurred: failed calling webhook "w": no endpoints available', "see whether the webhook"),
        (500, "etcdserver: no leader", "see the server's log"),
    ],
)
def test_what_to_do_next_is_about_what_was_refused(code: int, message: str, step: str) -> None:
    """A quota is no missing right, and what the server calls an error of its own may be in what was sent."""
    said = str(_refusal(code, msgspec.json.encode({"kind": "Status", "code": code, "message": message})))
    assert f"{message}; {step}" in said


def test_a_page_that_is_no_status_is_cut() -> None:
    """A proxy's page becomes an error by its status code; 256 characters of it are kept."""
    error = _refusal(503, b"<html>\n" + b"x" * 5000)
    assert isinstance(error, ServiceUnavailable)
    assert error.message.startswith("<html> xxx")
    assert len(error.message) == 256


@pytest.mark.parametrize("body", [b"<html>no such route</html>", b"", b'{"error": "unknown host"}'])
def test_nothing_is_gone_because_a_gateway_says_so(body: bytes) -> None:
    """Who takes NotFound for the end of an object must not be told it by what never saw the object."""
    error = _refusal(404, body)
    assert type(error) is ApiError
    assert error.code == 404
    assert "does not say that the object is gone" in str(error)


def test_a_kind_that_is_not_served_is_not_found() -> None:
    """API servers refuse its paths in plain text."""
    assert isinstance(_refusal(404, b"404 page not found\n"), NotFound)


def test_an_empty_refusal_says_its_code() -> None:
    """Without a body the status code is the message."""
    assert "the server answered 502" in str(_refusal(502))


NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("86400", RETRY_AFTER_MAX_S),
        ("9" * 5000, RETRY_AFTER_MAX_S),
        ("Wed, 21 Oct 2026 12:00:30 GMT", 30.0),
        ("Wednesday, 21-Oct-26 12:00:30 GMT", 30.0),
        ("Wed Oct 21 12:00:30 2026", 30.0),
        ("Wed, 21 Oct 2026 11:00:00 GMT", 0.0),
        ("Thu, 22 Oct 2026 12:00:00 GMT", RETRY_AFTER_MAX_S),
        *(
            (text, None)
            for text in ("", "-3", "1.5", "nan", "inf", "1e9", "abc", "\u0663", "Wed, 99 Oct 2026 99:00:00 GMT")
        ),
    ],
)
@pytest.mark.behaviour("C2")
def test_retry_after_is_seconds_or_a_date(header: str, wait_s: float | None) -> None:
    """A date counts by the sender's clock; what is neither was not said; and nobody is made to wait for a day."""
    error = _refusal(429, Retry_After=header, Date=NOON)
    assert isinstance(error, TooManyRequests)
    assert error.retry_after_s == wait_s


async def test_a_date_of_who_shows_no_clock_counts_by_our_own() -> None:
    """Gateways always say what time it is; what does not is not left out for that."""
    until = format_datetime(clock.now() + timedelta(seconds=20), usegmt=True)
    wait_s = _refusal(503, Retry_After=until).retry_after_s
    assert wait_s is not None
    assert 18 < wait_s <= 20


def test_a_redirect_names_the_other_server_only() -> None:
    """The place a redirect leads to is named without path and query, which may hold secrets."""
    text = str(_refusal(307, Location="https://login.example/oauth?token=secret"))
    assert "redirects to https://login.example," in text
    assert "secret" not in text


@pytest.mark.behaviour("C6")
def test_warnings_are_read_from_the_header() -> None:
    """Several in one header, several headers, escaped quotes; other codes are not the API server's."""
    assert warnings_in(['299 kube "a", 299 - "b\\\\c"', '199 - "no"', '299 - "d"']) == ["a", "b\\c", "d"]
    assert warnings_in([]) == []


LIST = Action(verb=Verb.LIST, resource=PODS)
EMPTY = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":null}'


def answer(body: bytes = EMPTY, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer over HTTP."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@asynccontextmanager
async def saying(*answers: bytes) -> AsyncIterator[str]:
    """A server that says these in turn, one on each connection, the last one again and again."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length[0].partition(b":")[2]) if length else 0)
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


ACCEPTED = {
    "9 KB in one header": answer(EMPTY, b"Via: " + b"a" * 9_000),
    "64 KB in one header": answer(EMPTY, b"Via: " + b"a" * 65_536),
    "64 KB in many headers": answer(EMPTY, *(b"x-%d: a" % n for n in range(7_000))),
    "compressed": answer(gzip.compress(EMPTY), b"Content-Encoding: gzip"),
    "an odd charset": answer(EMPTY, b"Content-Type: application/json; charset=nonsense"),
    "no content type": answer(EMPTY),
    "headers in latin-1": answer(EMPTY, b"Via: \xe9"),
    "201": answer(EMPTY, status=b"201 Created"),
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + answer(),
}
REFUSED: Mapping[str, tuple[bytes, type[CtrlkitError], str]] = {
    "100 KB in one header": (answer(EMPTY, b"Via: " + b"a" * 100_000), Unreachable, "more in its headers than is read"),
    "a name of 100 KB": (answer(EMPTY, b"a" * 100_000 + b": a"), Unreachable, "more in its headers than is read"),
    "20,000 headers": (answer(EMPTY, *[b"x: a"] * 20_000), Unreachable, "more in its headers than is read"),
    "a status of 100 KB": (answer(status=b"200 " + b"a" * 100_000), Unreachable, "more in its headers than is read"),
    "not compressed": (answer(EMPTY, b"Content-Encoding: gzip"), Unreachable, "not compressed as its"),
    "compressed wrongly": (
        answer(gzip.compress(EMPTY)[:10] + b"\xff" * 40, b"Content-Encoding: gzip"),
        Unreachable,
        "not compressed as its",
    ),
    "half compressed": (answer(gzip.compress(EMPTY)[:-20], b"Content-Encoding: gzip"), DecodeError, "no JSON"),
    "unknown compression": (answer(EMPTY, b"Content-Encoding: br"), Unreachable, "not compressed as its"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n", Unreachable, "did not answer as an HTTP server: Bad status line;"),
    "a length below zero": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Unreachable, "as an HTTP server"),
    "wrong chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Unreachable, "as an HTTP server"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", DecodeError, "nothing at all"),
    "an empty 200": (answer(b""), DecodeError, "nothing at all"),
    "a page": (answer(b"<html>", status=b"203 Yes"), DecodeError, "a page of HTML"),
    "a redirect": (answer(b"", b"Location: http://a", status=b"302 Found"), ApiError, "redirects to http://a"),
    "other protocols": (
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ApiError,
        "answered 101",
    ),
    "UTF-16": (answer(EMPTY.decode().encode("utf-16")), DecodeError, "another encoding than UTF-8"),
    "a byte order mark": (answer(b"\xef\xbb\xbf" + EMPTY), DecodeError, "no JSON"),
    "a refusal nested deeply": (answer(b"[" * 9_000, status=b"403 No"), ApiError, "403"),
    "a refusal without sense": (
        answer(b'{"kind":"Status","code":{},"details":7,"message":[]}', status=b"403 No"),
        ApiError,
        "403 Forbidden",
    ),
}


@pytest.mark.parametrize("said", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_gateways_may_add_what_they_like(said: bytes) -> None:
    """Up to 64 KB of headers and more, in few or in many."""
    async with saying(said) as url, RestTransport(Endpoint(server=url)) as transport:
        assert await Client(transport).list(PODS) == []


@pytest.mark.parametrize(("said", "kind", "text"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_no_answer_is_told_as_what_it_is(said: bytes, kind: type[CtrlkitError], text: str) -> None:
    """At once, on one line, without the bytes that came; and the next call is answered as if nothing had been."""
    async with saying(said, answer()) as url, RestTransport(Endpoint(server=url)) as transport:
        began = asyncio.get_running_loop().time()
        with pytest.raises(kind) as caught:
            await Client(transport).list(PODS)
        assert text in str(caught.value)
        assert "aaaa" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert asyncio.get_running_loop().time() == began
        assert await Client(transport).list(PODS) == []


async def test_a_watch_that_is_not_compressed_as_it_says_is_broken() -> None:
    """As one that was cut."""
    said = answer(b'{"type":"ADDED"}', b"Content-Encoding: gzip")
    async with saying(said) as url, RestTransport(Endpoint(server=url)) as transport:
        with pytest.raises(StreamBroken):
            async with transport.watch(Action(verb=Verb.WATCH, resource=PODS)) as lines:
                await anext(lines)


class _Says(Anonymous):
    """Credentials that say this, or raise it."""

    def __init__(self, what: str | Exception) -> None:
        self._what = what

    async def headers(self) -> Mapping[str, str]:
        if isinstance(self._what, Exception):
            raise self._what
        return {"Authorization": self._what}


@pytest.mark.parametrize("text", ["Bearer s3cret\nx", "Bearer s3cret\r\n", "Bearer s3cret\0", "Bearer s3cret\ud800"])
async def test_credentials_that_no_header_can_hold_are_told_without_them(text: str) -> None:
    """A token file with a line break inside; nothing is sent."""
    async with (
        serving(answers(EMPTY)) as server,
        RestTransport(Endpoint(server=server.url, credentials=_Says(text))) as transport,
    ):
        with pytest.raises(ConfigError, match=r"list pods \*: the header Authorization cannot be sent") as caught:
            await transport.do(LIST)
    assert "s3cret" not in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize("error", [ValueError("s3cret"), OSError("gone"), KeyError("token"), TypeError("x")])
async def test_credentials_that_fail_are_told(error: Exception) -> None:
    """Whoever wrote them."""
    async with (
        serving(answers(EMPTY)) as server,
        RestTransport(Endpoint(server=server.url, credentials=_Says(error))) as transport,
    ):
        with pytest.raises(ConfigError, match=rf"cannot be had: {type(error).__name__}; check the user"):
            await transport.do(LIST)


UNFORESEEN = [
    ValueError("password"),
    UnicodeError("password"),
    aiohttp.InvalidURL("http://user:password@x"),
    RuntimeError("Session is closed"),
    AssertionError(),
    TypeError("password"),
    KeyError("password"),
]


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
async def test_any_failure_of_the_library_is_one_of_ours(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call and of a watch; its text stays out, as nobody knows what is in it."""

    async def fails(*_args: object, **_options: object) -> None:
        raise error

    async with serving(answers(EMPTY)) as server, RestTransport(Endpoint(server=server.url)) as transport:
        monkeypatch.setattr(aiohttp.ClientSession, "_request", fails)
        with pytest.raises(Unreachable, match="list pods") as caught:
            await transport.do(LIST)
        assert "password" not in str(caught.value)
        assert not isinstance(caught.value.__cause__, ValueError), "nor does a traceback show it"
        with pytest.raises(Unreachable, match="watch pods"):
            async with transport.watch(Action(verb=Verb.WATCH, resource=PODS)):
                pass


async def test_a_transport_that_is_closed_under_a_call_says_so() -> None:
    """It is no bug of the call."""
    release = asyncio.Event()

    async def waits(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        await release.wait()
        return aiohttp.web.Response()

    async with serving(waits) as server:
        transport = RestTransport(Endpoint(server=server.url))
        async with transport:
            call = asyncio.create_task(transport.do(LIST))
            await asyncio.sleep(0.1)
        with pytest.raises(Unreachable, match="the transport was closed meanwhile"):
            await call
        release.set()


# ---- whatever is answered over HTTP ----------------------------------------------------------------------------------

BODY = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"d","resourceVersion":"7"}}'
CODES = st.sampled_from(
    [b"200 OK", b"201 Created", b"202 Accepted", b"204 No", b"206 Part", b"302 Found", b"404 No", b"409 No", b"500 No"]
)
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Via: " + b"a" * 9_000,
            b"Via: " + b"a" * 65_000,
            b"Via: " + b"a" * 100_000,
            b"Content-Encoding: gzip",
            b"Content-Type: text/html",
            b"Retry-After: soon",
            b"Retry-After: 99999999999999999999",
            b'Warning: 299 - "old',
            b"Transfer-Encoding: chunked",
            b"Content-Length: 3",
            b"Location: \xff",
        ]
    ),
    max_size=2,
)
BODIES = st.one_of(
    st.sampled_from([BODY, *PAGES]),
    st.integers(0, len(BODY)).map(lambda end: BODY[:end]),
    st.sampled_from(["utf-16", "utf-8-sig"]).map(BODY.decode().encode),
    st.just(gzip.compress(BODY)),
)


async def _ask(said: bytes, *, makes: bool) -> None:
    async with saying(said) as url, RestTransport(Endpoint(server=url), time_limit_s=3) as transport:
        client = Client(transport)
        with noting_writes() as writes:
            try:
                found = await (
                    client.patch(CONFIG_MAPS, "d/a", MergePatch({})) if makes else client.get(CONFIG_MAPS, "d/a")
                )
            except CtrlkitError:
                assert writes == []
            else:
                assert found == msgspec.json.decode(BODY)
                assert len(writes) == makes


@given(code=CODES, headers=HEADERS, body=BODIES, makes=st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_for_any_answer_over_http_a_call_has_the_truth_or_an_error_of_ours(
    code: bytes, headers: list[bytes], body: bytes, makes: bool
) -> None:
    """And a write counts as made only with the truth."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed=1)) as runner:
        runner.run(_ask(answer(body, *headers, status=code), makes=makes))


def test_the_limits_are_what_the_words_say() -> None:
    """A client may be asked how much it reads."""
    assert wire_transport.HEADER_BYTES_MAX >= 65_536
    error = unreachable(ValueError("x"), action=LIST, evidence="GET /", address="a:1")
    assert str(error) == (
        "list pods *: the call to a:1 could not be carried out: ValueError; check the server's URL, the headers and "
        "the proxy in the kubeconfig; if they are right, please report it [GET / -> ValueError]"
    )
