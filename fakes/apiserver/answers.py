"""HTTP responses: documents, plain text, Status errors, and objects in the form that the client accepts."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from aiohttp import web

from ctrlkit import clock
from ctrlkit.errors import ApiError, NotAcceptable
from ctrlkit.fakes.apiserver.accept import (
    Form,
    Media,
    check_route,
    check_streamed,
    forms_of,
    media_of_status,
    negotiate,
    produced_by,
)
from ctrlkit.fakes.apiserver.protobuf import ENVELOPES, Envelopes
from ctrlkit.fakes.apiserver.requests import Target
from ctrlkit.fakes.apiserver.tables import Include, Tables
from ctrlkit.fakes.apiserver.yaml_text import to_yaml
from ctrlkit.fakes.clientset.faults import Overloaded
from ctrlkit.fakes.tracker.verbs.partial import metadata_event, metadata_only
from ctrlkit.model import Verb

_JSON = Media.JSON.value
_WARNINGS_CHARACTERS_MAX = 4 * 1024
_WARNING_CHARACTERS_MAX = 256
_WITH_EMPTY_DETAILS = (
    "the server could not find the requested resource",
    "the server does not allow this method on the requested resource",
    "the server rejected our request due to an error in our request",
    "415: Unsupported Media Type",
    "406: Not Acceptable",
    "forbidden: ",
)


def json_answer(body: object, *, content_type: str = _JSON) -> web.Response:
    """Encode plain data as a JSON response; the content type may have parameters."""
    return document_answer(msgspec.json.encode(body), content_type=content_type)


def document_answer(document: bytes, *, status: int = 200, content_type: str = _JSON) -> web.Response:
    """Return an encoded JSON document as a response."""
    return web.Response(body=document, status=status, headers={"Content-Type": content_type})


def with_warnings(answer: web.Response, texts: Sequence[str]) -> web.Response:
    """Add Warning headers to a response; long ones are truncated."""
    shown = [text for text in texts if text and not any(unicodedata.category(letter) == "Cc" for letter in text)]
    if sum(map(len, shown)) > _WARNINGS_CHARACTERS_MAX:
        shown = list(_truncated(shown))
    for text in shown:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{quoted}"')
    return answer


def _truncated(texts: Sequence[str]) -> Iterator[str]:
    """Yield shorter texts until they are too many; the one that exceeds the limit is the last."""
    characters = 0
    for text in texts:
        if characters >= _WARNINGS_CHARACTERS_MAX:
            return
        yield text[:_WARNING_CHARACTERS_MAX]
        characters += len(text[:_WARNING_CHARACTERS_MAX])


def text_answer(text: str, *, status: int = 200) -> web.Response:
    """Return plain text, as for health checks and unknown paths."""
    return web.Response(text=text, status=status)


def as_media(document: bytes, media: Media, envelopes: Envelopes = ENVELOPES) -> bytes:
    """Convert an encoded JSON document to another media type. Errors: NotAcceptable for protobuf without a message."""
    match media:
        case Media.YAML:
            return to_yaml(msgspec.json.decode(document))
        case Media.PROTOBUF:
            return _as_protobuf(msgspec.json.decode(document), envelopes)
    return document


def _as_protobuf(thing: dict[str, Any], envelopes: Envelopes) -> bytes:
    try:
        return envelopes.write(thing)
    except KeyError:
        raise NotAcceptable(
            f"object {thing.get('kind', '')} does not implement the protobuf marshalling interface and cannot be "
            "encoded to a protobuf message"
        ) from None


def media_answer(body: object, media: Media, *, parameters: str = "") -> web.Response:
    """Encode plain data of a kind with a message in a media type; `parameters` are added to the content type."""
    document = as_media(msgspec.json.encode(body), media)
    return document_answer(document, content_type=media.value + parameters)


_PRIORITY_AND_FAIRNESS = {
    "X-Kubernetes-PF-FlowSchema-UID": str(uuid.uuid4()),
    "X-Kubernetes-PF-PriorityLevel-UID": str(uuid.uuid4()),
}
"""What names the queue that was full. Nothing is queued here, so it is none of the objects."""


def status_answer(error: ApiError, accept: str = "", *, allow: Sequence[str] = ()) -> web.Response:
    """Return an error as a Status with its HTTP code; `allow` are the methods that the path supports."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(int(error.retry_after_s), 1))
    if error.code == 405 and allow:
        headers["Allow"] = ", ".join(allow)
    if isinstance(error, Overloaded):
        answer = text_answer(f"{error.message}\n", status=error.code)
        answer.headers.update(headers | _PRIORITY_AND_FAIRNESS)
        return answer
    media = media_of_status(accept)
    document = as_media(msgspec.json.encode(_status_of(error)), media)
    answer = document_answer(document, status=error.code, content_type=media.value)
    answer.headers.update(headers)
    return answer


def _status_of(error: ApiError) -> dict[str, Any]:
    status = error.to_status()
    if error.message.partition("\n")[0].startswith(_WITH_EMPTY_DETAILS):
        # the server's generic refusals carry details, even if they are empty
        status.setdefault("details", {})
    return status


_META_VERSION, _META_BETA = b'"apiVersion":"meta.k8s.io/v1"', b'"apiVersion":"meta.k8s.io/v1beta1"'


class Representation:
    """
    Converts answers to what a client accepts: whole objects, Tables, or metadata only, as JSON, YAML or protobuf.

    Errors  NotAcceptable and BadRequest on construction, before the request is performed.
    """

    def __init__(self, request: web.BaseRequest, target: Target, verb: Verb) -> None:
        accept = request.headers.get("Accept", "")
        if not target.served.custom:
            check_route(accept, produced_by(lists=verb in (Verb.LIST, Verb.WATCH)))
        self._envelopes = target.envelopes
        has_message = "protobuf" in accept and self._envelopes.message_of(*target.kind) is not None
        self._accepted = negotiate(accept, forms_of(has_message=has_message))
        if verb is Verb.WATCH:
            check_streamed(self._accepted)
        self._target = target
        self._tables = Tables(target.served, Include.parse(request.rel_url.query.get("includeObject", "")))
        self._columns_sent = False

    @property
    def content_type(self) -> str:
        """The media type of an answer."""
        return self._accepted.media.value

    @property
    def stream_type(self) -> str:
        """The media type of a watch."""
        return self._accepted.media.streamed

    @property
    def event_end(self) -> bytes:
        """What follows an event."""
        return b"" if self._accepted.media is Media.PROTOBUF else b"\n"

    def of(self, answer: bytes) -> bytes:
        """Convert an object or a list."""
        return as_media(self._formed(answer), self._accepted.media, self._envelopes)

    def _formed(self, answer: bytes) -> bytes:
        return self._called(self._form(answer))

    def _called(self, formed: bytes) -> bytes:
        """Return the form by the name that it was asked for; in JSON no text of a field has these quotes."""
        return formed.replace(_META_VERSION, _META_BETA) if self._accepted.is_beta else formed

    def _form(self, answer: bytes) -> bytes:
        match self._accepted.form:
            case Form.METADATA | Form.METADATA_LIST as form:
                return self._metadata(answer, form)
            case Form.TABLE:
                return self._tables.of(answer, clock.now())
        return answer

    def _metadata(self, answer: bytes, form: Form) -> bytes:
        """Return metadata alone. Errors: NotAcceptable where a list was asked for and is none, or the reverse."""
        cut = metadata_only(answer)
        is_list, is_object = (
            cut.startswith(b'{"kind":"%s"' % one.value.encode()) for one in (Form.METADATA_LIST, Form.METADATA)
        )
        if is_list and form is Form.METADATA:
            raise _other_form(form, "a list", f"{_go_type(self._target)}List")
        if is_object and form is Form.METADATA_LIST:
            raise _other_form(form, "not a list", _go_type(self._target))
        return cut

    def event(self, line: bytes) -> bytes:
        """Convert a line of a watch."""
        formed = self._called(self._formed_event(line))
        if self._accepted.media is Media.PROTOBUF:
            return self._envelopes.write_event(msgspec.json.decode(formed))
        return formed

    def _formed_event(self, line: bytes) -> bytes:
        match self._accepted.form:
            case Form.METADATA | Form.METADATA_LIST:
                return metadata_event(line)
            case Form.TABLE:
                first, self._columns_sent = not self._columns_sent, True
                return self._tables.event(line, clock.now(), first=first)
        return line


def _go_type(target: Target) -> str:
    if target.served.custom:
        return "unstructured.Unstructured"
    api_version, kind = target.kind
    group = api_version.rpartition("/")[0].partition(".")[0]
    return f"{group or 'core'}.{kind}"


def _other_form(form: Form, what: str, go_type: str) -> NotAcceptable:
    return NotAcceptable(f"you requested {form.value}, but the requested object is {what} (*{go_type})")
