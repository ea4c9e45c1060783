"""
One HTTP server for whoever looks after a manager.

    GET /metrics                        Prometheus or OpenMetrics text
    GET /healthz, /readyz               and /healthz/NAME, /readyz/NAME for one check
    GET /debug, /debug.json             what runs, waits and fails now; / leads there
    GET /debug/key                      what is known of one key of a controller
    GET, PUT /debug/log-level           the level of the log

In       A manager, asked at each request and at no other time, and the options that say where and for whom.
Owns     The listening socket, from entering `serve` to leaving it.

Rows M9 to M12, W11. Nothing here knows what is measured or shown: metrics.py, health.py and debug.py do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ctrlkit.failures import FailureLog
from ctrlkit.library_logs import library_logger
from ctrlkit.manager.endpoints.access import Certificate, Guard, Token
from ctrlkit.manager.endpoints.debug import picture, program
from ctrlkit.manager.endpoints.debug_key import key_picture
from ctrlkit.manager.endpoints.health import CheckKind, Heartbeat, Reasons, Report, checks_of, report, single
from ctrlkit.manager.endpoints.metrics import families, registry
from ctrlkit.manager.endpoints.options import Endpoints, not_listening
from ctrlkit.manager.endpoints.pages import CONTENT_SECURITY_POLICY, Asked, key_page, missing, missing_page, page
from ctrlkit.names import unique_names
from ctrlkit.telemetry import LogLevel, log_level, logger, set_log_level

if TYPE_CHECKING:
    from ctrlkit.manager.manager import Manager

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

IDLE_S: Final = 90
SHUTDOWN_S: Final = 5
BODY_MAX: Final = 1024
_FAILURES: Final = web.AppKey("failures", FailureLog)
_NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_HTML = {
    **_NOT_KEPT,
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
}


@asynccontextmanager
async def serve(manager: Manager, options: Endpoints) -> AsyncIterator[str]:
    """
    Answer for a manager, for as long as this lasts; yields the address that is listened at, as HOST:PORT.

        async with serve(manager, Endpoints(address="127.0.0.1:0")) as address:
            print(f"curl http://{address}/metrics")

    Errors  ConfigError on entering, where the address is taken or no address here, or a file cannot be used.
    """
    token = Token(options.token_file) if options.token_file else None
    certificate = Certificate(options.tls_cert, options.tls_key) if options.tls_cert else None
    heartbeat = Heartbeat()
    answers = _Answers(manager, options, Guard(token), heartbeat, certificate)
    runner = web.AppRunner(
        answers.application(),
        access_log=None,
        logger=library_logger("aiohttp.server", logger("endpoints")),
        keepalive_timeout=IDLE_S,
        shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()
    try:
        await _listen(runner, options, certificate)
        host, port = runner.addresses[0][:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        _tell(options, address)
        with heartbeat.beating():
            yield address
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, options: Endpoints, certificate: Certificate | None) -> None:
    tls = None if certificate is None else certificate.context
    try:
        await web.TCPSite(runner, options.host or None, options.port, ssl_context=tls).start()
    except OSError as error:
        raise not_listening(f"serve endpoints at {options.address}", error) from None


def _tell(options: Endpoints, address: str) -> None:
    log = logger("endpoints")
    debug_page = f"http{'s' if options.tls_cert else ''}://{_reachable(address)}/debug"
    tls, token = bool(options.tls_cert), bool(options.token_file)
    log.info("endpoints_serving", address=address, debug_page=debug_page, tls=tls, token=token)
    if options.is_local or (options.tls_cert and options.token_file):
        return
    if not options.token_file:
        risk = "whoever reaches this address may read the metrics; give a token file"
    else:
        risk = "the token travels unencrypted; give a TLS certificate"
    log.warning("endpoints_exposed", address=address, risk=risk)


def _reachable(address: str) -> str:
    """
    Where a browser on this machine finds what listens at an address.

    >>> _reachable("0.0.0.0:8080"), _reachable("[::]:8080"), _reachable("[::1]:8080")
    ('127.0.0.1:8080', '[::1]:8080', '[::1]:8080')
    """
    host, _, port = address.rpartition(":")
    own = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"{own}:{port}"


class _Answers:
    """The handlers, and what they ask."""

    def __init__(
        self,
        manager: Manager,
        options: Endpoints,
        guard: Guard,
        heartbeat: Heartbeat,
        certificate: Certificate | None,
    ) -> None:
        self._manager = manager
        self._options = options
        self._guard = guard
        self._heartbeat = heartbeat
        self._registry = registry(manager, heartbeat=heartbeat, certificate=certificate)

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(middlewares=[_reporting], client_max_size=BODY_MAX)
        application[_FAILURES] = FailureLog(logger("endpoints"))
        application.add_routes(
            [
                web.get("/metrics", self._metrics),
                *(web.get(f"/{kind}", self._health(kind)) for kind in CheckKind),
                *(web.get(f"/{kind}/{{name}}", self._one_check(kind)) for kind in CheckKind),
                web.get("/", self._for_operators(_to_debug)),
                web.get("/debug", self._for_operators(self._debug)),
                web.get("/debug.json", self._for_operators(self._debug)),
                web.get("/debug/key", self._for_operators(self._debug_key)),
                web.get("/debug/log-level", self._for_operators(get_level)),
                web.put("/debug/log-level", self._for_operators(put_level)),
            ]
        )
        return application

    # ---- metrics -----------------------------------------------------------------------------------------------------

    async def _metrics(self, request: web.Request) -> web.Response:
        self._guard.check_metrics(request)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        found = _Families(families(self._registry))
        body = await asyncio.to_thread(encode, found)  # most of the work: it need not hold the loop
        response = web.Response(body=body, headers={"Content-Type": content_type})
        response.enable_compression()
        return response

    # ---- health ------------------------------------------------------------------------------------------------------

    def _health(self, kind: CheckKind) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            found = report(
                kind,
                checks_of(self._manager, self._heartbeat, kind),
                exclude=request.query.getall("exclude", []),
                verbose="verbose" in request.query,
                reasons=self._reasons_for(request),
            )
            return _answered(found)

        return answer

    def _one_check(self, kind: CheckKind) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            name = request.match_info["name"]
            check = checks_of(self._manager, self._heartbeat, kind).get(name)
            if check is None:
                raise web.HTTPNotFound(text=f"404: no check of this name at /{kind}; /{kind}?verbose lists them\n")
            return _answered(single(check, self._reasons_for(request)))

        return answer

    def _reasons_for(self, request: web.Request) -> Reasons:
        return Reasons.SHOWN if self._guard.may_see_details(request) else Reasons.WITHHELD

    # ---- debug -------------------------------------------------------------------------------------------------------

    def _for_operators(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self._guard.check_debug(request)
            return await handler(request)

        return guarded

    async def _debug(self, request: web.Request) -> web.Response:
        asked, names = _asked(request), self._controllers()
        if asked.controller and asked.controller not in names:
            return self._missing(request, asked, page_path="debug")
        found = picture(self._manager, self._options, self._heartbeat, controller=asked.controller, key=asked.key)
        if _wants_json(request):
            return web.json_response(found, headers=_NOT_KEPT)
        return _html(await asyncio.to_thread(page, found, asked, controllers=names), asked)  # a long page takes 0.1 s

    def _controllers(self) -> list[str]:
        return [name for name, _ in unique_names((each.name, each) for each in self._manager.controllers)]

    def _missing(self, request: web.Request, asked: Asked, *, page_path: str) -> web.Response:
        names = self._controllers()
        if _wants_json(request):
            return web.json_response({"error": missing(asked, names)[1]}, status=404, headers=_NOT_KEPT)
        known = program(self._manager, self._heartbeat)
        return _html(missing_page(known, asked, names, page_path=page_path), asked, status=404)

    async def _debug_key(self, request: web.Request) -> web.Response:
        asked = _asked(request)
        if not (asked.controller and asked.key):
            raise web.HTTPBadRequest(text="400: name a key: /debug/key?controller=NAME&key=NAMESPACE/NAME\n")
        found = key_picture(self._manager, asked.controller, asked.key, self._heartbeat)
        if found is None:
            return self._missing(request, asked, page_path="debug/key")
        if _wants_json(request):
            return web.json_response(found, headers=_NOT_KEPT)
        return _html(key_page(found, asked), asked)


class _Families(Collector):
    """What a registry collected on the loop, for an encoder in a thread."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


@web.middleware
async def _reporting(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An answer that fails is a line of the log like any other, and 500."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - the server outlives every answer
        log = request.app[_FAILURES]
        log.tell("endpoint_failed", error, about=request.path, path=request.path)
        return web.Response(status=500, text="500: the answer could not be made; the log has the reason\n")


def _answered(found: Report) -> web.Response:
    return web.Response(text=found.text + "\n", status=500 if found.failed else 200, headers=_NOT_KEPT)


def _wants_json(request: web.Request) -> bool:
    accept = request.headers.get("Accept", "")
    asks = request.path.endswith(".json") or request.query.get("format") == "json"
    return asks or ("application/json" in accept and "text/html" not in accept)


def _asked(request: web.Request) -> Asked:
    try:
        return Asked.of(request.query)
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"400: {error}\n") from None


def _html(text: str, asked: Asked, *, status: int = 200) -> web.Response:
    fresh = {} if asked.refresh_s is None else {"Refresh": str(asked.refresh_s)}
    answer = web.Response(status=status, text=text, content_type="text/html", headers={**_HTML, **fresh})
    answer.enable_compression()
    return answer


async def _to_debug(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("debug")  # beside this path, also behind a proxy that puts it below another one


_LEVELS = ", ".join(LogLevel)


async def get_level(_request: web.Request) -> web.Response:
    """`{"level": "info", "levels": [...]}`; the level is null where the program has configured logging itself."""
    return web.json_response({"level": log_level(), "levels": list(LogLevel)})


async def put_level(request: web.Request) -> web.Response:
    """Takes `debug`, `"debug"` or `{"level": "debug"}`; answers the new level and the one before."""
    wanted = _wanted(await request.text())
    before = log_level()
    if before is None:
        raise web.HTTPConflict(
            text="409: the program has configured structlog itself, so its log level is not ours to set\n"
        )
    log = logger("endpoints")
    more = list(LogLevel).index(wanted) < list(LogLevel).index(before)
    if more:
        set_log_level(wanted)
    log.warning("log_level_changed", to=wanted.value, before=before.value)
    set_log_level(wanted)
    return web.json_response({"level": wanted, "before": before})


def _wanted(body: str) -> LogLevel:
    text = body.strip()
    try:
        named = json.loads(text)
    except ValueError:
        named = text
    if isinstance(named, dict):
        named = named.get("level")
    try:
        return LogLevel(str(named).lower())
    except ValueError:
        raise web.HTTPBadRequest(
            text=f"400: {str(named)[:64]!r} is no log level; send one of {_LEVELS}, as text or JSON\n"
        ) from None
