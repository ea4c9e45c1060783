"""HTTP responses: JSON documents, plain text, Status errors, and objects in the form that the client accepts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec
from aiohttp import web

from ctrlkit import clock
from ctrlkit.errors import ApiError, NotAcceptable
from ctrlkit.fakes.apiserver.tables import Include, Tables
from ctrlkit.fakes.tracker import Strategy
from ctrlkit.fakes.tracker.verbs.partial import metadata_event, metadata_only

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
    """Encode plain data as a JSON response; the content type may have parameters."""
    return document_answer(msgspec.json.encode(body), content_type=content_type)


def document_answer(document: bytes, *, status: int = 200, content_type: str = _JSON) -> web.Response:
    """Return an encoded JSON document as a response."""
    return web.Response(body=document, status=status, headers={"Content-Type": content_type})


def with_warnings(answer: web.Response, texts: Sequence[str]) -> web.Response:
    """Add Warning headers to a response; long ones are truncated."""
    shown = [text for text in texts if not any(unicodedata.category(letter) == "Cc" for letter in text)]
    if sum(map(len, shown)) > _WARNINGS_CHARACTERS_MAX:
        count = _WARNINGS_CHARACTERS_MAX // _WARNING_CHARACTERS_MAX
        shown = [text[:_WARNING_CHARACTERS_MAX] for text in shown[:count]]
    for text in shown:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{quoted}"')
    return answer


def text_answer(text: str, *, status: int = 200) -> web.Response:
    """Return plain text, as for health checks and unknown paths."""
    return web.Response(text=text, status=status)


def status_answer(error: ApiError, *, allow: Sequence[str] = ()) -> web.Response:
    """Return an error as a Status with its HTTP code; `allow` are the methods that the path supports."""
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


_ACCEPTED_TYPES = ("application/json", "application/*", "*/*")
AGGREGATED_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Form(Enum):
    """The form in which objects, lists and watch events are sent."""

    OBJECT = "Object"
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"


_FORMS = {
    ("Table", "v1", "meta.k8s.io"): Form.TABLE,
    ("PartialObjectMetadata", "v1", "meta.k8s.io"): Form.METADATA,
    ("PartialObjectMetadataList", "v1", "meta.k8s.io"): Form.METADATA,
    ("", "", ""): Form.OBJECT,
}


def accepted_form(accept: str) -> Form:
    """
    Return the first form in an Accept header that the server supports; JSON by default.

    >>> accepted_form("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    <Form.TABLE: 'Table'>
    >>> accepted_form("application/json;as=Table;v=v9;g=meta.k8s.io, application/json")
    <Form.OBJECT: 'Object'>

    Errors  NotAcceptable if there is none.
    """
    for media_type, parameters in _clauses(accept or "*/*"):
        wanted = (parameters.get("as", ""), parameters.get("v", ""), parameters.get("g", ""))
        if media_type in _ACCEPTED_TYPES and wanted in _FORMS:
            return _FORMS[wanted]
    raise NotAcceptable("only the following media types are accepted: application/json")


def accepts_aggregated_discovery(accept: str) -> bool:
    """
    Whether a client of /api or /apis accepts the aggregated discovery document.

    >>> accepts_aggregated_discovery("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    True
    """
    return any(
        parameters.get("as") == "APIGroupDiscoveryList" and parameters.get("v") == "v2"
        for _, parameters in _clauses(accept)
    )


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Parse an Accept header into media types with their parameters, in order."""
    clauses = []
    for clause in accept.split(","):
        media_type, *parts = (part.strip() for part in clause.split(";"))
        pairs = (part.partition("=") for part in parts)
        clauses.append((media_type.lower(), {name.strip(): value.strip().strip('"') for name, _, value in pairs}))
    return clauses


class Representation:
    """
    Converts answers to the form that a client accepts: whole objects, Tables, or metadata only.

    Errors  NotAcceptable and BadRequest on construction, before the request is performed.
    """

    def __init__(self, request: web.BaseRequest, served: Strategy) -> None:
        self._form = accepted_form(request.headers.get("Accept", ""))
        self._tables = Tables(served, Include.parse(request.rel_url.query.get("includeObject", "")))
        self._columns_sent = False

    def of(self, answer: bytes) -> bytes:
        """Convert an object or a list."""
        match self._form:
            case Form.OBJECT:
                return answer
            case Form.METADATA:
                return metadata_only(answer)
            case Form.TABLE:
                return self._tables.of(answer, clock.now())

    def event(self, line: bytes) -> bytes:
        """Convert a line of a watch."""
        match self._form:
            case Form.OBJECT:
                return line
            case Form.METADATA:
                return metadata_event(line)
            case Form.TABLE:
                first, self._columns_sent = not self._columns_sent, True
                return self._tables.event(line, clock.now(), first=first)
