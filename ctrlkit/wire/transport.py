"""
Actions over HTTP, on one pool of kept-alive connections.

In      Actions; an Endpoint that says where, with which TLS, as whom.
Out     Bytes, lines, or an error that says what was tried on what.
Owns    The connections: `async with RestTransport(endpoint)` closes them.

R-a  A call has a time limit (30 s for each attempt). A watch has it until its stream opens, and may then last as much
     longer than the timeout it asks the server for: a server that has not ended it by then is there no more.
R-b  A write leaves once (connections.py), unless the server says that it did not start: 429, or a 503 with a Status,
     with a time in Retry-After, and it is sent again after that; a 401 of credentials that can be renewed. A 503
     without a Status is a gateway's, which may have passed the write on. A read is tried again after any 429 or 5xx
     with such a time, and 1 s after its connection was lost. Up to 10 times; nothing else is (row C2).
     A wait longer than the time limit is left to the caller, who finds it in `retry_after_s`.
R-c  There is no throttle on this side: the server's own fairness says when to wait (rows C1 and B21).
R-d  A 401, or a certificate of the server that is not trusted, has the configuration read again, once, where there may
     be something fresher. Later calls go over connections of their own where that brought another certificate.
R-e  Answers may come compressed, as servers do with lists above 128 KB; a watch asks that it does not, so that nobody
     on the way holds an event back until a block is full.
R-f  A watch whose connection is lost or timed out while it opens is an error, not an empty stream as in row C3: the
     watcher learns the cause, and waits before the next try instead of listing again.
R-g  Logs are read piece by piece as they come, uncompressed; exec, attach and port-forward are WebSockets, over the
     same connections, credentials and proxies. They have the time limit until they are open, as a watch, and then no
     other end than their own. A log that is not followed must bring something within each time limit.
R-h  No exception that leaves here, a cancellation included, leads to what was sent: not by its traceback, whoever
     formats it with the values of variables, and not by its causes.
"""

from __future__ import annotations

import asyncio
import io
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from yarl import URL

from ctrlkit.clock import monotonic
from ctrlkit.errors import (
    ApiError,
    ConfigError,
    CtrlkitError,
    DecodeError,
    DisruptionBudgetViolated,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from ctrlkit.failures import FailureLog
from ctrlkit.model import Action, Lines, Verb
from ctrlkit.model.streams import Connection
from ctrlkit.names import program_name
from ctrlkit.telemetry import LogLevel, logger
from ctrlkit.wire.answers import READ_AGAIN
from ctrlkit.wire.connections import Connections, sent_once
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.errors import (
    can_be_sent,
    refusal,
    telling_cause,
    unreachable,
    warnings_in,
    was_cut,
    was_untrusted,
)
from ctrlkit.wire.routes import HttpRequest, to_http
from ctrlkit.wire.secrets import Sealed
from ctrlkit.wire.streams import LineStream, TextStream
from ctrlkit.wire.websocket import CLOSE_WITHIN_S, PING_EVERY_S, NotUpgraded, WebSocketConnection, not_upgraded

R = TypeVar("R")

TIME_LIMIT_S = 30.0
MAX_RETRIES = 10
CUT_WAIT_S = 1.0
LEAST_WAIT_S = 1.0
NO_ANSWER = "<error>"
HEADER_BYTES_MAX = 96 * 1024
"""Of one header of an answer; gateways add some of many kilobytes."""
HEADERS_MAX = 16 * 1024
_NO_TOKEN = re.compile(r"[^0-9A-Za-z!#$%&'*+.^_`|~-]")
_READ_BUFFER_BYTES = 256 * 1024
_WARNINGS_MAX = 1000

log: Final = logger("wire")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportStatistics:
    """
    The requests that a transport has sent to its server, `host` (host:port).

    `requests` counts them by the answer's code and the method, each attempt once, a watch when it opens; the code is
    `<error>` where no answer came.
    """

    host: str
    requests: Mapping[tuple[str, str], int]


class _Pool(NamedTuple):
    connections: Connections
    session: aiohttp.ClientSession


class RestTransport:
    """
    Performs Actions over HTTP on an API server.

        async with RestTransport(await load_endpoint()) as transport:
            client = Client(transport)

    Shape   `program` is who the server's audit log says that calls; the program's own name unless given.
    Errors  ApiError for any answer but a success, redirects included (they are not followed); Unreachable with host,
            port and cause; TimedOut; StreamBroken for a watch that is cut.
    """

    def __init__(self, endpoint: Endpoint, *, time_limit_s: float = TIME_LIMIT_S, program: str = "") -> None:
        self._endpoint = endpoint
        self._user_agent = user_agent(program or program_name())
        self._time_limit_s = time_limit_s
        self._address = _address(endpoint.server)
        self._pool: _Pool | None = None
        self._requests: Counter[tuple[str, str]] = Counter()
        self._warned: set[str] = set()
        self._failures = FailureLog(log)

    def statistics(self) -> TransportStatistics:
        """Return a snapshot, also before the transport is entered and after it is closed."""
        return TransportStatistics(host=self._address, requests=dict(self._requests))

    async def __aenter__(self) -> Self:
        if self._pool is not None:
            raise RuntimeError(f"enter the transport to {self._address}: it is entered already; make another one")
        connections = Connections()
        session = aiohttp.ClientSession(
            connector=connections,
            middlewares=(sent_once, not_upgraded),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # R-a is kept here, in one place
            read_bufsize=_READ_BUFFER_BYTES,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        self._pool = _Pool(connections, session)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            await self._endpoint.credentials.close()
            await self._pool.session.close()
            self._pool = None

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch."""
        self._check_entered()
        request = to_http(action)

        async def attempt() -> bytes:
            async with await self._send(action, request) as response:
                return await _read_whole(response)

        return await self._with_retries(action, request, attempt)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Open a watch; leaving the context closes its connection."""
        self._check_entered()
        request = to_http(action)
        response = await self._with_retries(action, request, lambda: self._send(action, request))
        asked_s = action.options.timeout_s
        limit_s = asked_s + self._time_limit_s if asked_s else None
        try:
            yield LineStream(response, attempted=str(action), evidence=_evidence(request), limit_s=limit_s)
        finally:
            response.close()

    @asynccontextmanager
    async def read(self, action: Action) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a text, such as a log, in pieces as they arrive; leaving the context closes its connection."""
        self._check_entered()
        request = to_http(action)
        response = await self._with_retries(action, request, lambda: self._send(action, request))
        is_followed = ("follow", "true") in action.options.parameters
        limit_s = None if is_followed else self._time_limit_s
        try:
            yield TextStream(response, attempted=str(action), evidence=_evidence(request), limit_s=limit_s)
        finally:
            response.close()

    @asynccontextmanager
    async def connect(self, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
        """Open a connection with channels over WebSocket; leaving the context closes it."""
        self._check_entered()
        request = to_http(action)
        socket = await self._with_retries(action, request, lambda: self._upgrade(action, request, protocols))
        try:
            yield WebSocketConnection(socket, attempted=str(action), evidence=_evidence(request))
        finally:
            await socket.close()

    def _check_entered(self) -> None:
        if self._pool is None:
            raise RuntimeError("RestTransport is used outside `async with`")

    def _pool_for(self, action: Action) -> _Pool:
        if self._pool is None:
            raise Unreachable(f"{action}: the transport was closed meanwhile; end what calls the server before it")
        return self._pool

    async def _with_retries(self, action: Action, request: HttpRequest, attempt: Callable[[], Awaitable[R]]) -> R:
        renewed = False
        retries = 0
        while True:
            sent_at = monotonic()
            try:
                return await self._within_limits(action, request, attempt)
            except Unauthorized:
                if renewed or not self._endpoint.credentials.refused(sent_at):
                    raise
                renewed = True
                continue
            except ApiError as error:
                wait_s = self._wait_asked_for(action, error)
                if wait_s is None or retries == MAX_RETRIES:
                    raise
                cause = f"{error.code} {error.reason}".strip()
            except Unreachable as error:
                if was_untrusted(error) and not renewed and self._endpoint.credentials.refused(sent_at):
                    renewed = True  # nothing was sent, so that a write may go again too
                    continue
                if (
                    action.verb.writes
                    or action.verb is action.verb.WATCH
                    or not was_cut(error)
                    or retries == MAX_RETRIES
                ):
                    raise
                wait_s, cause = CUT_WAIT_S, "connection lost"
            retries += 1
            self._failures.say(
                "retry_waited_for",
                (action.verb, action.resource),
                what=cause,
                level=LogLevel.INFO,
                attempted=str(action),
                cause=cause,
                retry=retries,
                wait_s=wait_s,
            )
            await asyncio.sleep(wait_s)

    def _wait_asked_for(self, action: Action, error: ApiError) -> float | None:
        if action.verb.writes:
            may_repeat = error.code == 429 or (error.code == 503 and error.has_status)
        else:
            may_repeat = error.code == 429 or error.code >= 500
        if error.retry_after_s is None or not may_repeat or isinstance(error, DisruptionBudgetViolated):
            return None
        wait_s = max(error.retry_after_s, LEAST_WAIT_S)
        return wait_s if wait_s <= self._time_limit_s else None

    async def _within_limits(self, action: Action, request: HttpRequest, attempt: Callable[[], Awaitable[R]]) -> R:
        """One attempt; what it raises holds nothing of what was sent."""
        with Sealed():
            return await self._attempt(action, request, attempt)

    async def _attempt(self, action: Action, request: HttpRequest, attempt: Callable[[], Awaitable[R]]) -> R:
        """The border at which the library's exceptions end, whatever they are."""
        try:
            with self._pool_for(action).connections.trying():
                async with asyncio.timeout(self._time_limit_s):
                    return await attempt()
        except TimeoutError as error:
            next_step = READ_AGAIN if action.verb.writes else "see whether the server is overloaded"
            raise TimedOut(
                f"{action}: no complete answer from {self._address} within {self._time_limit_s:g} s; "
                f"{next_step} [{_evidence(request)}]"
            ) from error
        except CtrlkitError:
            raise
        except Exception as error:  # noqa: BLE001 - no failure of a call may be taken for a bug of its caller
            raise unreachable(
                error, action=action, evidence=_evidence(request), address=self._address
            ) from telling_cause(error)

    async def _send(self, action: Action, request: HttpRequest) -> aiohttp.ClientResponse:
        """Send once and return a success, still unread. Every request passes here, and is counted."""
        is_streamed = action.verb is Verb.WATCH or action.subresource == "log"
        encoding = "gzip" if self._endpoint.compresses and not is_streamed else "identity"
        credentials = await self._credentials(action)
        code = NO_ANSWER
        try:
            response = await self._pool_for(action).session.request(
                request.method,
                self._url(request),
                headers=[("Accept-Encoding", encoding), *request.headers.items(), *credentials.items()],
                data=None if request.body is None else io.BytesIO(request.body),  # bytes would be written in one go
                ssl=self._tls(),
                allow_redirects=False,
                proxy=self._endpoint.proxy,
                server_hostname=self._endpoint.tls_server_name,
            )
            code = str(response.status)
        finally:
            self._requests[code, request.method] += 1
        self._note_warnings(action, response)
        if 200 <= response.status < 300:
            return response
        async with response:
            raise refusal(
                response.status,
                response.headers,
                await response.read(),
                attempted=str(action),
                evidence=_evidence(request),
            )

    async def _upgrade(
        self, action: Action, request: HttpRequest, protocols: Sequence[str]
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket once, which counts as a GET; it is one in one of the protocols."""
        credentials = await self._credentials(action)
        code = NO_ANSWER
        try:
            socket = await self._pool_for(action).session.ws_connect(
                self._url(request),
                protocols=protocols,
                headers=[*credentials.items()],
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_WITHIN_S),  # pyright: ignore[reportCallIssue] - made by attrs
                heartbeat=PING_EVERY_S,
                max_msg_size=0,
                ssl=self._tls(),
                proxy=self._endpoint.proxy,
                server_hostname=self._endpoint.tls_server_name,
            )
            code = "101"
        except NotUpgraded as answer:
            code = str(answer.status)
            raise refusal(
                answer.status, answer.headers, answer.body, attempted=str(action), evidence=_evidence(request)
            ) from None
        finally:
            self._requests[code, "GET"] += 1
        if socket.protocol is None:
            await socket.close()
            raise DecodeError(
                f"{action}: the server opened a WebSocket in none of {', '.join(protocols)}; see what answers at "
                f"{self._address} [{_evidence(request)}]"
            )
        return socket

    def _tls(self) -> ssl.SSLContext | bool:
        return self._endpoint.credentials.tls or self._endpoint.tls or True

    async def _credentials(self, action: Action) -> Mapping[str, str]:
        """Headers that say who we are, and can be sent; ConfigError else."""
        try:
            headers = await self._endpoint.credentials.headers()
        except CtrlkitError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{action}: the credentials for {self._address} cannot be had: {type(error).__name__}; "
                "check the user in the kubeconfig, and its files"
            ) from error
        for name, value in headers.items():
            if not can_be_sent(value):
                raise ConfigError(
                    f"{action}: the header {name} cannot be sent: it holds a line break, or another character that no "
                    "header may have; check the user in the kubeconfig, and the file of its token"
                )
        return headers

    def _url(self, request: HttpRequest) -> URL:
        query = urlencode(request.query, quote_via=quote)
        return URL(self._endpoint.server + request.path + (f"?{query}" if query else ""), encoded=True)

    def _note_warnings(self, action: Action, response: aiohttp.ClientResponse) -> None:
        """Each text once, as long as they are not endlessly many."""
        for text in warnings_in(response.headers.getall("Warning", ())):
            if text not in self._warned and len(self._warned) < _WARNINGS_MAX:
                self._warned.add(text)
                log.warning("server_warned", attempted=str(action), text=text)


async def _read_whole(response: aiohttp.ClientResponse) -> bytes:
    """A body of any size; aiohttp's own `read` joins all chunks at the end, and 45 MB of them hold the loop 20 ms."""
    body = io.BytesIO()
    async for chunk in response.content.iter_any():
        body.write(chunk)
    return body.getvalue()


def user_agent(program: str) -> str:
    """
    Make a program's User-Agent; servers take the part before the slash as field manager of writes that name none.

    >>> user_agent("bitcoin-controller"), user_agent("my app/2")
    ('bitcoin-controller/0 (ctrlkit)', 'my-app-2/0 (ctrlkit)')
    """
    return f"{_NO_TOKEN.sub('-', program)}/0 (ctrlkit)"


def _evidence(request: HttpRequest) -> str:
    return f"{request.method} {request.path}"


def _address(server: str) -> str:
    parts = urlsplit(server)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
