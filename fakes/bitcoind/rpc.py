"""
JSON-RPC over HTTP as bitcoind serves it: credentials, statuses, bodies; and scripted faults.

    200  the result                      400  -32600, malformed request     401  wrong credentials, empty body
    404  -32601, unknown method          404  another path, empty body      405  not POST
    500  any other error, as JSON        403, 503  only as faults                   200  a batch, whatever its parts say
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from aiohttp import web

from ctrlkit.fakes.bitcoind.methods import METHOD_NOT_FOUND, MISC_ERROR, MethodError

Params = list[Any] | dict[str, Any]
"""The parameters of a call, in order or by name."""

RPC_PORT: Final = 18332

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600

_WRONG_CREDENTIALS_DELAY_S: Final = 0.25
_STATUS: Final = {INVALID_REQUEST: 400, METHOD_NOT_FOUND: 404}


class Mode(Enum):
    """How a node answers requests."""

    SERVE = auto()
    HANG = auto()  # never
    GARBAGE = auto()  # with a page that is not JSON
    FORBID = auto()  # 403, as for a client that is not in rpcallowip
    BUSY = auto()  # 503, as with a full work queue


@dataclass(slots=True)
class NodeFaults:
    """Scripted faults of a node, kept over its restarts; assign a new value to end them all."""

    mode: Mode = Mode.SERVE
    delay_s: float = 0.0
    errors: deque[MethodError] = field(default_factory=deque)

    def fail_next(self, calls: int, *, code: int = MISC_ERROR, message: str = "Error: on demand") -> None:
        """Fail the next `calls` calls with this error."""
        self.errors.extend(MethodError(code, message) for _ in range(calls))


class RpcServer:
    """
    The HTTP server of one node. `faults` is called for each request, `admits` with its header Authorization.

    Errors  OSError from `open` if the port is taken.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        admits: Callable[[str | None], bool],
        call: Callable[[str, Params], Awaitable[Any]],
        faults: Callable[[], NodeFaults],
        speaks_2_0: bool = True,
    ) -> None:
        self._host = host
        self._port = port
        self._admits = admits
        self._call = call
        self._faults = faults
        self._speaks_2_0 = speaks_2_0
        self._closed = asyncio.Event()
        self._runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True, access_log=None), shutdown_timeout=1.0
        )
        self._site: web.TCPSite | None = None

    async def open(self) -> None:
        """Accept connections."""
        if self._runner.server is None:
            await self._runner.setup()
        if self._site is None:
            site = web.TCPSite(self._runner, self._host, self._port)
            await site.start()
            self._site = site

    async def refuse(self) -> None:
        """Refuse new connections until the next `open`."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def close(self) -> None:
        """Answer running requests, for a second at most, and close everything."""
        self._closed.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        faults = self._faults()
        await asyncio.sleep(faults.delay_s)
        match faults.mode:
            case Mode.HANG:
                await self._closed.wait()
                return _plain(503)
            case Mode.GARBAGE:
                return _plain(200, "<html>It works!</html>")
            case Mode.FORBID:
                return _plain(403)
            case Mode.BUSY:
                return _plain(503, "Work queue depth exceeded")
            case Mode.SERVE:
                return await self._serve(request, faults)

    async def _serve(self, request: web.BaseRequest, faults: NodeFaults) -> web.StreamResponse:
        if request.path != "/":
            return _plain(404)
        if request.method != "POST":
            return _plain(405, "JSONRPC server handles only POST requests")
        authorization = request.headers.get("Authorization")
        if not self._admits(authorization):
            await asyncio.sleep(0 if authorization is None else _WRONG_CREDENTIALS_DELAY_S)
            return _plain(401, headers={"WWW-Authenticate": 'Basic realm="jsonrpc"'})
        try:
            asked = _parse(await request.read())
        except MethodError as error:
            return _json(*_failed(error, {"id": None}))
        if isinstance(asked, list):
            answers = await self._perform_all(asked, faults)
            return _json(200, answers) if answers or not asked else web.Response(status=204)
        status, answer = await self._perform(asked, asked, faults)
        return _json(status, answer) if answer is not None else web.Response(status=204)

    async def _perform_all(self, asked: list[Any], faults: NodeFaults) -> list[dict[str, Any]]:
        """Perform a batch; what is no call in it is answered with the id and in the version of the call before it."""
        answers, head = [], {"id": None}
        for one in asked:
            if isinstance(one, dict) or not self._speaks_2_0:
                head = one if isinstance(one, dict) else {}
            _, answer = await self._perform(one, head, faults)
            answers.append(answer)
        return [answer for answer in answers if answer is not None]

    async def _perform(self, asked: Any, head: dict[str, Any], faults: NodeFaults) -> tuple[int, dict[str, Any] | None]:
        """
        Perform one call; returns the status of an answer to it alone, and its part of the body.

        `head` has the id and the version of the answer. One of JSON-RPC 2.0 has the status 200 whatever comes of the
        call, and without an id there is none.
        """
        is_new = self._speaks_2_0 and head.get("jsonrpc") == "2.0"
        number = {"id": head.get("id")} if "id" in head or not self._speaks_2_0 else {}
        try:
            method, params = _method_and_params(asked)
            if faults.errors:
                raise faults.errors.popleft()
            result = await self._call(method, params)
        except MethodError as error:
            status, answer = _failed(error, number)
            if is_new:
                status, answer = 200, {"jsonrpc": "2.0", "error": answer["error"], **number}
        else:
            status, answer = 200, {"result": result, "error": None, **number}
            if is_new:
                answer = {"jsonrpc": "2.0", "result": result, **number}
        return (status, None) if is_new and not number else (status, answer)


def _failed(error: MethodError, number: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = {"code": error.code, "message": error.message}
    return _STATUS.get(error.code, 500), {"result": None, "error": answer, **number}


def _parse(body: bytes) -> dict[str, Any] | list[Any]:
    try:
        asked = json.loads(body)
    except ValueError:
        raise MethodError(PARSE_ERROR, "Parse error") from None
    if not isinstance(asked, dict | list):
        raise MethodError(PARSE_ERROR, "Top-level object parse error")
    return asked


def _method_and_params(asked: Any) -> tuple[str, Params]:
    match asked:
        case {"method": str(method)}:
            pass
        case {"method": _}:
            raise MethodError(INVALID_REQUEST, "Method must be a string")
        case {}:
            raise MethodError(INVALID_REQUEST, "Missing method")
        case _:
            raise MethodError(INVALID_REQUEST, "Invalid Request object")
    match asked.get("params"):
        case None:
            return method, []
        case list(params) | dict(params):
            return method, params
        case _:
            raise MethodError(INVALID_REQUEST, "Params must be an array or object")


def _json(status: int, answer: Any) -> web.Response:
    body = json.dumps(answer, separators=(",", ":")) + "\n"
    return web.Response(status=status, body=body.encode(), content_type="application/json")


def _plain(status: int, text: str = "", *, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=text.encode(), headers=headers, content_type="text/html", charset="ISO-8859-1"
    )
