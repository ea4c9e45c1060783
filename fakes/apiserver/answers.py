"""What the server sends back: JSON documents, plain text, and refusals as Status."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from ctrlkit.errors import ApiError

_JSON = "application/json"
_WARNINGS_CHARACTERS_MAX = 4 * 1024
_WARNING_CHARACTERS_MAX = 256
_WITH_EMPTY_DETAILS = (
    "the server could not find the requested resource",
    "the server does not allow this method on the requested resource",
    "the server rejected our request due to an error in our request",
    "415: Unsupported Media Type",
)


def json_answer(body: object, *, content_type: str = _JSON) -> web.Response:
    """A JSON document made of plain data; the content type may carry parameters."""
    return document_answer(msgspec.json.encode(body), content_type=content_type)


def document_answer(document: bytes, *, status: int = 200, content_type: str = _JSON) -> web.Response:
    """A JSON document that is already text."""
    return web.Response(body=document, status=status, headers={"Content-Type": content_type})


def with_warnings(answer: web.Response, texts: Sequence[str]) -> web.Response:
    """An answer with what the server says besides it, a header each; of much it says only the beginnings."""
    shown = [text for text in texts if not any(unicodedata.category(letter) == "Cc" for letter in text)]
    if sum(map(len, shown)) > _WARNINGS_CHARACTERS_MAX:
        count = _WARNINGS_CHARACTERS_MAX // _WARNING_CHARACTERS_MAX
        shown = [text[:_WARNING_CHARACTERS_MAX] for text in shown[:count]]
    for text in shown:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{quoted}"')
    return answer


def text_answer(text: str, *, status: int = 200) -> web.Response:
    """Plain text, as probes and unknown paths have it."""
    return web.Response(text=text, status=status)


def status_answer(error: ApiError, *, allow: Sequence[str] = ()) -> web.Response:
    """A refusal: its Status as the body, its code as the HTTP status, `allow` as the methods that would be taken."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(int(error.retry_after_s), 1))
    if error.code == 405 and allow:
        headers["Allow"] = ", ".join(allow)
    answer = document_answer(msgspec.json.encode(_status_of(error)), status=error.code)
    answer.headers.update(headers)
    return answer


def _status_of(error: ApiError) -> dict[str, Any]:
    status = error.to_status()
    if error.message in _WITH_EMPTY_DETAILS:  # the server's generic refusals carry details, even if they are empty
        status.setdefault("details", {})
    return status
