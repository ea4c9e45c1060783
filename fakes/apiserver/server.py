"""
An API server over HTTP: it turns each request into an Action, has a Transport perform it, and sends the answer.

It needs a Transport (an object tracker, a FakeClientset, even a client of another server) and the Registry of kinds. It
serves discovery, objects, lists, Tables, watches and Status errors as kubectl and client libraries expect them. It owns
the listening socket and the open watches, and keeps no objects.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import HttpVersion11, http_exceptions, web

from ctrlkit import clock
from ctrlkit.errors import (
    ApiError,
    BadRequest,
    ConfigError,
    CtrlkitError,
    MethodNotAllowed,
    ServiceUnavailable,
    TransportError,
)
from ctrlkit.fakes.apiserver import discovery
from ctrlkit.fakes.apiserver.accept import (
    DISCOVERY_FORMS,
    PLAIN_FORMS,
    Form,
    Media,
    check_route,
    negotiate,
    produced_by,
)
from ctrlkit.fakes.apiserver.access import Access, Security
from ctrlkit.fakes.apiserver.answers import (
    Representation,
    document_answer,
    json_answer,
    media_answer,
    status_answer,
    text_answer,
    with_warnings,
)
from ctrlkit.fakes.apiserver.clients import NO_CLIENTS, Clients
from ctrlkit.fakes.apiserver.door import Door
from ctrlkit.fakes.apiserver.kubeconfig import kubeconfig_text
from ctrlkit.fakes.apiserver.options import is_still_there
from ctrlkit.fakes.apiserver.pages import Pages
from ctrlkit.fakes.apiserver.requests import (
    UnknownPath,
    check_duplicates,
    content_type_of,
    find_target,
    read_body,
    read_deeply,
    read_streamed,
)
from ctrlkit.fakes.apiserver.streams import open_stream
from ctrlkit.fakes.files import write_private
from ctrlkit.fakes.tracker import Registry
from ctrlkit.fakes.tracker.callers import called_by
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.fakes.tracker.refusals import internal_error
from ctrlkit.fakes.tracker.schema.depth import deeply
from ctrlkit.fakes.tracker.verbs.serve import Made
from ctrlkit.model import Action, AnyResource, Transport, Verb
from ctrlkit.telemetry import logger

_log = logger("apiserver")
_SHUTDOWN_S = 1.0
_PIECE_BYTES = 16 * 1024
_SHOWN_CHARACTERS = 256

STALL_S = 60.0
"""Seconds that a client of a watch may take to read a batch of lines before it is disconnected."""

_AGGREGATED = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class PortTaken(CtrlkitError):
    """Another program listens at the address."""


class ApiServer:
    """
    Serves a Transport over HTTP while `serve()` is entered.

        async with ApiServer(tracker, tracker.registry).serve() as server:
            print(server.url)

    Shape   It uses TLS with a certificate authority of its own and requires a token. Only its kubeconfig has both, and
            they do not change during the life of this object. `Security.INSECURE` is for tests and tools that need
            plain HTTP on loopback without a token. `clients` are users besides the administrator and service accounts.
            `made` is called with the kind of each object that a client makes.
    Errors  PortTaken on entering; ConfigError from `url` and `kubeconfig()` while nothing is served.
    Owner   One event loop; one `serve()` at a time.
    """

    def __init__(
        self,
        transport: Transport,
        registry: Registry,
        *,
        security: Security = Security.TLS,
        clients: Clients = NO_CLIENTS,
        made: Callable[[AnyResource], object] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._made = made
        self._registry = registry
        self._door = Door(transport, registry.release)
        self._access = Access(
            security,
            authenticate=getattr(transport, "authenticate", None),
            clients=clients,
            checks_all=self._door.is_guarded,
        )
        self._host = ""
        self._address = ""
        self._watches: set[asyncio.Timeout] = set()
        self._pages = Pages(registry, watches=lambda: len(self._watches), keys=getattr(transport, "token_keys", list))

    @property
    def url(self) -> str:
        """`https://host:port` of the running server; `http://` of an insecure one."""
        if not self._address:
            raise ConfigError("ask for the API server's URL: it does not run; enter serve() first")
        return f"{self._access.scheme}://{self._address}"

    @property
    def root_ca(self) -> str:
        """The certificate of the server's authority as PEM; "" of an insecure one."""
        authority = self._access.authority
        return authority.pem.decode() if authority else ""

    def kubeconfig(self, *, namespace: str = "default") -> str:
        """Return a kubeconfig for the running server as YAML; its user may do everything, in a namespace by default."""
        authority = self._access.authority
        return kubeconfig_text(
            self.url,
            token=self._access.token,
            authority_pem=None if authority is None else authority.pem,
            namespace=namespace,
        )

    def write_kubeconfig(self, path: str | Path, *, namespace: str = "default") -> None:
        """Write the kubeconfig to a file that only its owner can read."""
        write_private(Path(path), self.kubeconfig(namespace=namespace))

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[ApiServer]:
        """Listen (port 0: any free one); on leaving, end all watches and close all connections."""
        if self._address:
            raise ConfigError(f"serve at {host}:{port}: this API server already serves {self.url}; make another one")
        tls = self._access.context_for(host)
        runner = web.ServerRunner(_StatusServer(self._handle), shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await _listen(runner, host, port, tls)
            self._host = host
            found_host, found_port = runner.addresses[0][:2]
            self._address = f"[{found_host}]:{found_port}" if ":" in found_host else f"{found_host}:{found_port}"
            yield self
        finally:
            self._address = ""
            self._end_watches()
            await runner.cleanup()

    # -----------------------------------------------------------------------------------------------------------------
    # Requests
    # -----------------------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except UnknownPath:
            return text_answer("404 page not found\n", status=404)
        except ApiError as error:
            return status_answer(error, _accept(request))
        except TransportError:
            return _drop(request)
        except Exception as error:  # noqa: BLE001 - a server answers every request
            _log.error("request_failed", method=request.method, path=request.path[:_SHOWN_CHARACTERS], exc_info=True)
            return status_answer(internal_error(type(error).__name__), _accept(request))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        user = self._door.admit(request, self._access.check(request, self._host))
        if (page := self._pages.answer(request, self.url)) is not None:
            return page
        if (answer := self._discover(request)) is not None:
            return answer
        with called_by(user, self._access.user_of, is_admitted=True):
            return await self._perform(request)

    def _discover(self, request: web.BaseRequest) -> web.Response | None:
        """Answer a request for discovery; that of the release's own groups is read with GET only."""
        accept = _accept(request)
        root, *parts = request.path.strip("/").split("/")
        match root, *(["", *parts] if root == "api" else parts):
            case ["version"]:
                _check_get(request)
                check_route(accept, (Media.JSON.value,))
                return json_answer(discovery.version_document(self._registry.release))
            case ["apis"] | ["api", ""]:
                return self._discover_groups(request, core=root == "api")
            case ["apis", group]:
                body = discovery.group_document(self._registry, group)
                return media_answer(body, negotiate(accept, PLAIN_FORMS).media) if body else None
            case ["api" | "apis", group, version]:
                return self._discover_resources(request, group, version)
        return None

    def _discover_groups(self, request: web.BaseRequest, *, core: bool) -> web.Response:
        accept = _accept(request)
        if core:
            _check_get(request)
            check_route(accept, produced_by(lists=False))
        accepted = negotiate(accept, DISCOVERY_FORMS)
        if accepted.form is Form.DISCOVERY:
            return media_answer(discovery.aggregated(self._registry, core=core), accepted.media, parameters=_AGGREGATED)
        return media_answer(
            discovery.core_versions(self._address) if core else discovery.group_list(self._registry), accepted.media
        )

    def _discover_resources(self, request: web.BaseRequest, group: str, version: str) -> web.Response | None:
        accept = _accept(request)
        body = discovery.resource_list(self._registry, group, version)
        if not body:
            return None
        if self._registry.is_own(group):
            _check_get(request)
            check_route(accept, produced_by(lists=False))
        return media_answer(body, negotiate(accept, PLAIN_FORMS).media)

    async def _perform(self, request: web.BaseRequest) -> web.StreamResponse:
        target = find_target(request.rel_url.raw_path, self._registry)
        texts: Sequence[str] = ()
        try:
            if (streamed := read_streamed(request, target)) is not None:
                return await self._open(request, streamed)
            body = await read_body(request)
            action = read_deeply(request, body, target)
            representation = Representation(request, target, action.verb)
            if action.verb is Verb.WATCH:
                return await self._stream(request, action, representation)
            with noticed() as texts:
                check = functools.partial(check_duplicates, action, body, content_type_of(request), target.served)
                action = deeply(check)
                answer = await self._transport.do(action)
            is_made = action.verb is Verb.CREATE or isinstance(answer, Made)
            if is_made and not (action.subresource or action.options.dry_run):
                self._made(action.resource)
            document = deeply(lambda: representation.of(answer))
            status = 201 if is_made else 200
            if action.verb is Verb.DELETE and is_still_there(
                request.rel_url.query, body, content_type_of(request), answer
            ):
                status = 202
            return with_warnings(
                document_answer(document, status=status, content_type=representation.content_type), texts
            )
        except ApiError as error:
            if target.served.deprecated and error.code not in (405, 415):  # these come from before a kind is looked at
                texts = list(dict.fromkeys((target.served.deprecated, *texts)))
            return with_warnings(status_answer(error, _accept(request), allow=target.methods), texts)

    async def _open(self, request: web.BaseRequest, action: Action) -> web.StreamResponse:
        """Send a text or carry a connection until the transport ends it, the client leaves, or the server stops."""
        until_stopped = asyncio.timeout(None)
        self._watches.add(until_stopped)
        try:
            async with until_stopped:
                return await open_stream(request, self._transport, action)
        except (TimeoutError, ConnectionError):
            return _drop(request)
        finally:
            self._watches.discard(until_stopped)

    # -----------------------------------------------------------------------------------------------------------------
    # Watches
    # -----------------------------------------------------------------------------------------------------------------

    async def _stream(
        self, request: web.BaseRequest, action: Action, representation: Representation
    ) -> web.StreamResponse:
        """Send the lines of a watch until the transport ends it, the client leaves, or the server stops."""
        response = web.StreamResponse(headers={"Content-Type": representation.stream_type})
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        else:
            response.force_close()  # the end of the connection is the end of the stream
        until_stopped = asyncio.timeout(None)
        self._watches.add(until_stopped)
        try:
            async with until_stopped, self._transport.watch(action) as batches:
                await response.prepare(request)
                if request.transport is not None:
                    request.transport.set_write_buffer_limits(high=_PIECE_BYTES)
                async for lines in batches:
                    async with asyncio.timeout(STALL_S):
                        await _send(response, representation, lines)
        except TimeoutError:
            if not response.prepared:
                raise ServiceUnavailable("the server is shutting down") from None
            if not until_stopped.expired():
                return _drop(request)  # the client takes nothing
        except ConnectionError:
            return response  # the client left
        except TransportError:
            return _drop(request)
        finally:
            self._watches.discard(until_stopped)
        await response.write_eof()
        return response

    def _end_watches(self) -> None:
        for watch in self._watches:
            watch.reschedule(clock.monotonic())


def _accept(request: web.BaseRequest) -> str:
    return request.headers.get("Accept", "")


def _check_get(request: web.BaseRequest) -> None:
    if request.method != "GET":
        raise MethodNotAllowed("the server does not allow this method on the requested resource")


async def _send(response: web.StreamResponse, representation: Representation, lines: Sequence[bytes]) -> None:
    """Write lines in pieces, each after the client has read the one before, so that no copies pile up."""
    piece: list[bytes] = []
    size_bytes = 0
    for line in lines:
        shown = deeply(functools.partial(representation.event, line))
        size_bytes += len(shown) + 1
        if size_bytes > _PIECE_BYTES and piece:
            await response.write(b"".join(piece))
            piece, size_bytes = [], len(shown)
        if len(shown) > _PIECE_BYTES:
            whole = memoryview(shown)
            for start in range(0, len(shown), _PIECE_BYTES):
                await response.write(whole[start : start + _PIECE_BYTES])
            shown, size_bytes = b"", 0
        piece += (shown, representation.event_end)
    await response.write(b"".join(piece))


async def _listen(runner: web.ServerRunner, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"serve the API at {host}:{port}: the port is taken; choose another, or 0 for any free one"
            ) from None
        problem = error.strerror or error
        raise ConfigError(f"serve the API at {host}:{port}: {problem}; choose another address") from None


def _drop(request: web.BaseRequest) -> web.Response:
    """Close the connection without an answer, because the transport had none."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


LINE_BYTES_MAX = 1024 * 1024
"""Longest request line in bytes, as for Go's servers."""

HEADER_BYTES_MAX = 64 * 1024
HEADERS_MAX = 100
"""Most headers of a request: they are kept in memory before the client is authenticated."""


class _StatusServer(web.Server):
    """
    aiohttp's low-level server, with a real API server's limits, which answers malformed HTTP with a Status.

    An exception in a handler is logged with its traceback and answered with the Status of an internal error.
    """

    def __init__(self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(
            handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,  # a server reads bodies as they come
            max_line_size=LINE_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )

    def __call__(self) -> web.RequestHandler:
        """Create the protocol of a connection."""
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that could not be read, or whose handler failed, and close the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, and cannot become another")
        if status >= 500:
            self.log_exception("the API server failed of %s %s", request.method, request.path, exc_info=exc)
        answer = status_answer(_refusal(status, exc), _accept(request))
        answer.force_close()
        return answer


def _refusal(status: int, error: BaseException | None) -> ApiError:
    match error:
        case http_exceptions.LineTooLong():
            text = f"the request line is longer than {LINE_BYTES_MAX} bytes, or a header than {HEADER_BYTES_MAX}"
            return ApiError(text, code=431, reason="RequestHeaderFieldsTooLarge")
        case http_exceptions.HttpProcessingError():
            return BadRequest("the request is no HTTP that this server reads")
    if status >= 500:
        return internal_error("the server failed of this request; its log has the traceback")
    return BadRequest("the request is no HTTP that this server reads")
