"""HTTP connections whose failures are answered as the API answers: by a Status, never by a page of the library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from ctrlkit.errors import BadRequest, InternalError
from fakes.apiserver.answers import status_answer


class StatusServer(web.Server):
    """
    aiohttp's server of requests, with a Status for those that are no HTTP.

    An exception that a handler lets out is logged with its traceback, and answered by the Status of an internal error.
    """

    def __init__(self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handle, handler_cancellation=True, access_log=None)

    def __call__(self) -> web.RequestHandler:
        """One connection."""
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
        """The answer to what could not be read, or to what a handler failed of; the connection ends with it."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, and cannot become another")
        if status < 500:
            answer = status_answer(BadRequest("the request is no HTTP that this server reads"))
        else:
            self.log_exception("the API server failed of %s %s", request.method, request.path, exc_info=exc)
            answer = status_answer(InternalError("the server failed of this request; its log has the traceback"))
        answer.force_close()
        return answer
