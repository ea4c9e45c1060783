"""A small HTTP server on streams, for containers in this process that serve pages to `kubectl port-forward`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from ctrlkit.fakes.tracker.runtime import Streams

_HEAD_BYTES_MAX = 64 * 1024


async def serve_pages(pages: Mapping[str, str], streams: Streams, log: Callable[[str], None]) -> None:
    """
    Answer the requests of one connection, until it ends; `log` gets a line for each.

    Shape   `pages` are bodies by path. Bodies of requests are none of its business: it closes after one.
    """
    rest = b""
    if streams.stdin is None:
        return
    async for data in streams.stdin:
        rest += data
        while b"\r\n\r\n" in rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            line = head.partition(b"\r\n")[0].decode("latin-1")
            status, body = _answer(pages, line)
            log(f'127.0.0.1 "{line}" {status.value} {len(body)}')
            await streams.stdout(_response(status, body, with_body=not line.startswith("HEAD ")))
            if b"content-length:" in head.lower():
                return
        if len(rest) > _HEAD_BYTES_MAX:
            return


def _answer(pages: Mapping[str, str], line: str) -> tuple[HTTPStatus, bytes]:
    words = line.split()
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        return HTTPStatus.BAD_REQUEST, b"Bad Request\n"
    if words[0] not in ("GET", "HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED, b"Method Not Allowed\n"
    page = pages.get(words[1].partition("?")[0])
    return (HTTPStatus.NOT_FOUND, b"Not Found\n") if page is None else (HTTPStatus.OK, page.encode())


def _response(status: HTTPStatus, body: bytes, *, with_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    return head + (body if with_body else b"")
