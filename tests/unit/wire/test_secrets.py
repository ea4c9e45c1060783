"""No formatter shows a secret, and no exception of the transport leads to what was sent."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from traceback import TracebackException

import pytest
import rich.console
import rich.traceback
import structlog
from aiohttp import web
from multidict import CIMultiDict
from rich.console import Console
from rich.traceback import Traceback

from ctrlkit import Client, JsonPatch, MergePatch
from ctrlkit.client.list_watch import ClientListWatch
from ctrlkit.errors import ConfigError, CtrlkitError
from ctrlkit.model import Action, Options, PatchType, Unstructured, Verb
from ctrlkit.model.kinds import PODS, SECRETS
from ctrlkit.wire.config import load_endpoint
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.secrets import Sealed, Secret
from ctrlkit.wire.transport import RestTransport
from tests.unit.wire.support import Reply, answers, refuses, resets, serving, streams


def test_a_secret_is_not_shown_by_what_holds_it() -> None:
    """Lists, dicts and the headers of a request use the repr."""
    secret = Secret("s3cret")
    assert "s3cret" not in f"{[secret]} { ({'a': secret}) } {CIMultiDict(Authorization=secret)!r} {secret!r}"


def test_a_secret_is_text() -> None:
    """For whoever sends it."""
    secret = Secret("s3cret")
    assert (f"Bearer {secret}", secret.encode(), str(secret), secret == "s3cret", len(secret)) == (
        "Bearer s3cret",
        b"s3cret",
        "s3cret",
        True,
        6,
    )
    assert secret[1:3] == "3c"
    assert isinstance(secret[1:3], Secret)


def test_tracebacks_with_locals_show_nothing_of_it() -> None:
    """Those of the standard library, and those of rich, which cuts long values before it shows them."""
    secret = Secret("s3cret" * 100)
    headers = CIMultiDict(Authorization=Secret(f"Bearer {secret}"))
    out = io.StringIO()
    try:
        raise ValueError(len(headers))
    except ValueError as error:
        plain = "".join(TracebackException.from_exception(error, capture_locals=True).format())
        trace = rich.traceback.Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=80
        )
        rich.console.Console(file=out, width=200).print(trace)
    for shown in (plain, out.getvalue()):
        assert "headers" in shown
        assert "s3crets3cret" not in shown


TOKEN, PROXY_PASSWORD, CONTENT = "s3cret-token", "s3cret-proxy", "s3cret-content"


# ---- formatters -------------------------------------------------------------------------------------------------


def as_structlog_does(error: BaseException) -> str:
    """What a program gets that configures nothing."""
    line = structlog.dev.ConsoleRenderer(colors=False)(None, "error", {"event": "e", "exc_info": error})
    return str(line)


def as_rich_does(error: BaseException) -> str:
    """With all that it can show."""
    out = io.StringIO()
    shown = Traceback.from_exception(
        type(error),
        error,
        error.__traceback__,
        width=2000,
        show_locals=True,
        locals_max_length=None,  # type: ignore[arg-type]
        locals_max_string=None,  # type: ignore[arg-type]
        locals_hide_dunder=False,
    )
    Console(file=out, width=2000).print(shown)
    return out.getvalue()


def as_traceback_does(error: BaseException) -> str:
    """The standard library's way to show local variables."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def as_logging_does(error: BaseException) -> str:
    """Without variables."""
    return logging.Formatter().formatException((type(error), error, error.__traceback__))


def as_a_collector_does(error: BaseException) -> str:
    """Every frame of every exception that can be reached, suppressed or not, and what attributes of `self` show."""
    shown: list[str] = []
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        left += [found.__cause__, found.__context__]
        left += found.exceptions if isinstance(found, BaseExceptionGroup) else ()
        shown += [repr(found), str(found), repr(found.args), repr(vars(found))]
        for frame, _ in traceback.walk_tb(found.__traceback__):
            shown += [f"{frame.f_code.co_qualname} {name}={value!r}" for name, value in frame.f_locals.items()]
            shown += [repr(value) for value in getattr(frame.f_locals.get("self"), "__dict__", {}).values()]
    return "\n".join(shown)


QUICK = (as_traceback_does, as_logging_does, as_a_collector_does)
ALL = (*QUICK, as_structlog_does, as_rich_does)


def check(error: BaseException, formatters: Sequence[Callable[[BaseException], str]] = QUICK) -> None:
    """No secret is in any form of what somebody raises from it."""
    with pytest.raises(ValueError, match="what a reconcile makes of it") as caught:
        raise ValueError("what a reconcile makes of it") from error
    for form in formatters:
        text = form(caught.value)
        assert "what a reconcile makes of it" in text
        found = [secret for secret in (TOKEN, PROXY_PASSWORD, CONTENT) if secret in text]
        assert not found, f"{form.__name__} of {error!r} shows {found}:\n{text}"


# ---- calls that fail --------------------------------------------------------------------------------------------


class Bearer:
    """Credentials with a token, as a kubeconfig has them."""

    tls = None

    async def headers(self) -> Mapping[str, str]:
        """The token."""
        return {"Authorization": f"Bearer {TOKEN}"}

    def refused(self, sent_at: float) -> bool:
        """There is a fresher one, which is as good."""
        return sent_at >= 0

    async def close(self) -> None:
        """Nothing is to be ended."""


class Broken(Bearer):
    """Credentials whose renewal has a bug."""

    async def headers(self) -> Mapping[str, str]:
        """Fails with the token at hand."""
        token = f"Bearer {TOKEN}"
        raise KeyError(len(token))


def silent() -> Reply:
    """No answer, for as long as anybody waits."""

    async def reply(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(1e6)
        return web.Response()

    return reply


@asynccontextmanager
async def client_of(url: str, *, proxy: str | None = None, credentials: Bearer | None = None) -> AsyncIterator[Client]:
    """A client with a token."""
    endpoint = Endpoint(server=url, proxy=proxy, credentials=credentials or Bearer())
    async with RestTransport(endpoint, time_limit_s=2) as transport:
        yield Client(transport)


def a_secret() -> dict[str, object]:
    """A body with something in it."""
    return {"metadata": {"name": "a", "namespace": "demo"}, "stringData": {"password": CONTENT}}


Call = Callable[[Client], Awaitable[object]]


async def read(client: Client) -> object:
    return await client.get(PODS, "demo/a")


async def list_all(client: Client) -> object:
    return await client.list(SECRETS)


async def create(client: Client) -> object:
    return await client.create(SECRETS, a_secret())


async def update(client: Client) -> object:
    return await client.update(SECRETS, a_secret())


async def update_status(client: Client) -> object:
    return await client.update_status(SECRETS, a_secret())


async def apply(client: Client) -> object:
    return await client.apply(SECRETS, "demo/a", a_secret())


async def merge(client: Client) -> object:
    return await client.patch(SECRETS, "demo/a", MergePatch(a_secret()))


async def patch(client: Client) -> object:
    return await client.patch(SECRETS, "demo/a", JsonPatch([{"op": "add", "path": "/x", "value": CONTENT}]))


async def in_no_time(call: Call, client: Client) -> object:
    async with asyncio.timeout(0.1):
        return await call(client)


async def watch(client: Client) -> object:
    async with client.watch(SECRETS) as events:
        return [event async for event in events]


async def list_for_a_cache(client: Client) -> object:
    source: ClientListWatch[Unstructured] = client.list_watch(SECRETS)
    return await source.list(resource_version="")


CALLS = [read, list_all, create, update, update_status, apply, merge, patch, watch, list_for_a_cache]


async def error_of(call: Call, client: Client) -> BaseException:
    """What a call raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - of any kind, a cancellation too
        await call(client)
    return caught.value


REPLIES = [
    refuses(403, "Forbidden"),
    refuses(401, "Unauthorized"),
    refuses(503, "ServiceUnavailable", Retry_After="1"),
    refuses(500, "InternalError"),
    resets(),
    silent(),
    answers(b"<html>", status=502),
    answers(b"", status=302, headers={"Location": "http://elsewhere.example/"}),
    streams(b'{"type": "ADDED", "object": {"metadata": {"na', cut=True),
]


@pytest.mark.parametrize("reply", REPLIES)
async def test_a_call_that_fails_shows_no_secret(reply: Reply) -> None:
    """Refused, overloaded until patience ends, cut, silent, no API server at all."""
    async with serving(reply) as server, client_of(server.url) as client:
        for call in CALLS:
            error = await error_of(call, client)
            assert isinstance(error, CtrlkitError)
            check(error, ALL if call is create and reply is REPLIES[0] else QUICK)


@pytest.mark.parametrize("call", [read, create, watch])
async def test_nor_does_one_that_is_cancelled_or_runs_out_of_the_callers_time(call: Call) -> None:
    """A cancellation passes through the frames in which it is sent."""
    async with serving(silent()) as server, client_of(server.url) as client:
        task = asyncio.create_task(error_of(call, client))
        await asyncio.sleep(0.1)
        task.cancel()
        error = await task
        assert isinstance(error, asyncio.CancelledError)
        check(error, ALL if call is create else QUICK)
        late = await error_of(partial(in_no_time, call), client)
        assert isinstance(late, TimeoutError)
        check(late)


@pytest.mark.parametrize("call", [read, create, watch])
async def test_nor_does_one_that_finds_no_server(call: Call) -> None:
    """Nobody listens; the name has no address; the URL is none."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        for url in (f"http://127.0.0.1:{taken.getsockname()[1]}", "http://nowhere.invalid", "http://a b"):
            async with client_of(url) as client:
                check(await error_of(call, client))


@pytest.mark.parametrize("call", [read, create, watch])
async def test_nor_does_one_that_a_proxy_stops(call: Call) -> None:
    """It refuses, closes the connection, is not there; for both schemes."""
    replies = [answers(b"no", status=407), answers(b"no", status=502), resets()]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxies = [f"http://me:{PROXY_PASSWORD}@127.0.0.1:{taken.getsockname()[1]}"]
        async with serving(replies[0]) as one, serving(replies[1]) as two, serving(replies[2]) as three:
            proxies += [f"http://me:{PROXY_PASSWORD}@{server.address}" for server in (one, two, three)]
            for scheme in ("http", "https"):
                for proxy in proxies:
                    async with client_of(f"{scheme}://server.invalid", proxy=proxy) as client:
                        check(await error_of(call, client))


async def test_nor_does_a_bug_in_what_makes_the_credentials() -> None:
    """Whatever is raised beside what is foreseen."""
    async with client_of("http://127.0.0.1:1", credentials=Broken()) as client:
        check(await error_of(read, client))


# ---- configurations that cannot be used -------------------------------------------------------------------------

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://server.example", %(cluster)s}}]
users: [{name: u, user: {%(user)s}}]
"""


def plugin(script: str) -> str:
    """A credential plugin that runs a line of shell, with a secret among its variables."""
    environment = f"env: [{{name: PASSWORD, value: {CONTENT}}}]"
    api = "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never"
    return f"exec: {{command: /bin/sh, args: [-c, '{script}'], {api}, {environment}}}"


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ('certificate-authority-data: "!"', f"token: {TOKEN}"),
        (f'proxy-url: "ftp://me:{PROXY_PASSWORD}@proxy.example"', f"token: {TOKEN}"),
        ("", f"token: [{TOKEN}]"),
        ("", f'token: "{TOKEN}\\n and more"'),
        ("", f"username: me, password: {CONTENT}, as: [1]"),
        (
            "",
            f'token: {TOKEN}, client-certificate-data: eA==, client-key-data: "{b64encode(CONTENT.encode()).decode()}"',
        ),
        ("", plugin(f"echo {TOKEN}; exit 1")),
        ("", plugin(f"echo {TOKEN}")),
        ("", plugin(f"echo {TOKEN} >/dev/null; kill $$")),
    ],
)
async def test_nor_does_a_configuration_that_cannot_be_used(tmp_path: Path, cluster: str, user: str) -> None:
    """What it holds, what a plugin said, and what it was given."""
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG % {"cluster": cluster, "user": user})
    with pytest.raises(ConfigError) as caught:
        await load_endpoint(kubeconfig=str(path))
    caught.value.__traceback__ = caught.value.__traceback__ and caught.value.__traceback__.tb_next
    check(caught.value)


# ---- values -----------------------------------------------------------------------------------------------------


def test_what_holds_a_secret_does_not_show_it() -> None:
    """The values that reconcilers and tracebacks see, by themselves and inside of others."""
    plain = {"kind": "Secret", "apiVersion": "v1", **a_secret()}
    values = [
        Endpoint(server="https://a.example", proxy=f"http://me:{PROXY_PASSWORD}@b.example", credentials=Bearer()),
        Action(verb=Verb.CREATE, resource=SECRETS, body=plain),
        Action(verb=Verb.PATCH, resource=SECRETS, body=plain, patch_type=PatchType.MERGE, options=Options(force=True)),
        MergePatch(plain),
        JsonPatch([plain]),
        Unstructured(plain),
    ]
    for value in values:
        out = io.StringIO()
        Console(file=out, width=2000).print([value])
        shown = [repr(value), repr([value]), f"{value}", out.getvalue()]
        assert not any(secret in text for text in shown for secret in (TOKEN, PROXY_PASSWORD, CONTENT)), shown
    assert repr(Unstructured(plain)) == "<Secret demo/a>"
    assert repr(Unstructured({"kind": "Pod"})) == "{'kind': 'Pod'}"


# ---- the block --------------------------------------------------------------------------------------------------


def breaks_inside(*, cause: bool) -> None:
    """Raises something made of something else, within the block."""
    with Sealed():
        try:
            raise ConnectionResetError("inside")
        except ConnectionResetError as error:
            raise ValueError("made of it") from error if cause else None


def breaks_while_handling() -> None:
    """The same, while an error of the caller's is handled."""
    try:
        raise KeyError("the caller's")
    except KeyError:
        breaks_inside(cause=False)


def test_what_was_handled_outside_keeps_its_frames() -> None:
    """That traceback is the caller's to show."""
    with pytest.raises(ValueError, match="made of it") as caught:
        breaks_while_handling()
    error = caught.value
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[1:] == ["breaks_while_handling"]
    assert isinstance(error.__context__, KeyError)
    assert error.__context__.__traceback__ is not None
    assert error.__suppress_context__


def test_a_cause_stays_without_its_frames() -> None:
    """What it was is worth knowing; what was in its variables is nobody's business."""
    with pytest.raises(ValueError, match="made of it") as caught:
        breaks_inside(cause=True)
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert caught.value.__cause__.__traceback__ is None
