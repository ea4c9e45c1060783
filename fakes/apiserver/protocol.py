"""HTTP connections whose failures are answered as the API answers: by a Status, never by a page of the library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import http_exceptions, web

from ctrlkit.errors import ApiError, BadRequest
from ctrlkit.fakes.apiserver.answers import status_answer
from ctrlkit.fakes.tracker.refusals import internal_error

LINE_BYTES_MAX = 1024 * 1024
"""Bytes of a request line, as Go's servers take them."""

HEADER_BYTES_MAX = 64 * 1024
HEADERS_MAX = 100
"""Headers of a request: they are held before it is known who sends them, so that all of them together must be few."""


class StatusServer(web.Server):
    """
    aiohttp's server of requests, with a Status for those that are no HTTP, and with a real server's bounds.

    An exception that a handler lets out is logged with its traceback, and answered by the Status of an internal error.
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
        if status >= 500:
            self.log_exception("the API server failed of %s %s", request.method, request.path, exc_info=exc)
        answer = status_answer(_refusal(status, exc))
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
