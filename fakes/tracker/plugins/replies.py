"""What webhooks answer: read and checked as a server does, with the words of its HTTP client."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.exchanges import Answered, Question, Reply
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.fakes.tracker.verbs.malformed import json_problem

Object = Mapping[str, Any]

_REVIEW = "AdmissionReview"
_VERSIONS = ("v1", "v1beta1")
_STRUCT = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_BY_CODE: Mapping[int, str] = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    406: "the server was unable to respond with a content type that the client supports",
    409: "the server reported a conflict",
    415: "the server was unable to respond with a content type that the client supports",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
"""What a server's client says of an answer without a Status."""


class NotAnswered(Exception):
    """A webhook could not be called, or did not answer as it should; the message says why, in the server's words."""


class Response(NamedTuple):
    """The response of a webhook for admission."""

    allowed: bool
    patch: bytes = b""
    patch_type: str = ""
    status: Object | None = None
    warnings: tuple[str, ...] = ()
    annotations: Mapping[str, str] = {}


def address_of(client: Object) -> str:
    """
    Return the URL of a webhook, as messages have it.

    >>> address_of({"service": {"namespace": "demo", "name": "hook", "port": 443, "path": "/check"}})
    'https://hook.demo.svc:443/check'
    """
    service = client.get("service")
    if service is None:
        return str(client.get("url") or "")
    path = str(service.get("path") or "").lstrip("/")
    return f"https://{service['name']}.{service['namespace']}.svc:{service.get('port') or 443}/{path}".rstrip("/")


def query_of(question: Question) -> str:
    """Return the query that tells a webhook for admission how long the server waits."""
    return "" if question.kind == "converting" else f"?timeout={int(question.timeout_s)}s"


def read_document(question: Question, reply: Reply) -> dict[str, Any]:
    """Return the object that a webhook answered with. Errors: NotAnswered."""
    if reply.failure:
        raise NotAnswered(f'Post "{address_of(question.client)}{query_of(question)}": {reply.failure}')
    if not 200 <= reply.status <= 206:
        raise NotAnswered(_refused(reply))
    if not reply.body:
        raise NotAnswered(f"0-length response with status code: {reply.status} and content type: {reply.content_type}")
    document = _decoded(reply.body)
    if not isinstance(document, dict):
        found = json_type(document)
        start = "couldn't get version/kind; json parse error: json: cannot unmarshal"
        raise NotAnswered(f"{start} {found} into Go value of type {_STRUCT}")
    return document


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        pass  # a server's client reads YAML, too
    import yaml  # noqa: PLC0415  # few webhooks answer so

    try:
        return yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise NotAnswered(f"couldn't get version/kind; json parse error: {json_problem(body)}") from None


def _refused(reply: Reply) -> str:
    try:
        status = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status" and status.get("status") != "Success":
        return str(status.get("message") or "")
    text = reply.body.decode(errors="replace").strip() if reply.content_type.startswith("text/") else "unknown"
    if reply.status == 403:
        return text
    if reply.status in _BY_CODE:
        return _BY_CODE[reply.status]
    if reply.status >= 500:
        quoted = msgspec.json.encode(text).decode()
        return f"an error on the server ({quoted}) has prevented the request from succeeding"
    return f"the server responded with the status code {reply.status} but did not return more information"


# ---- admission -------------------------------------------------------------------------------------------------------


def read_response(question: Question, answered: Answered, version: str) -> Response:
    """Return a webhook's response to a review of a version, "v1" or "v1beta1". Errors: NotAnswered."""
    if not answered.reply.is_tried:
        raise NotAnswered(f"could not get REST client: {answered.reply.failure}")
    try:
        review = read_document(question, answered.reply)
        _check_kind(review, version)
        response = _typed(review)
        patch = _base64(str((response or {}).get("patch") or ""))
    except NotAnswered as error:
        raise NotAnswered(f"failed to call webhook: {error}") from None
    try:
        return _checked(question, review, response, patch, answered.uid)
    except NotAnswered as error:
        raise NotAnswered(f"received invalid webhook response: {error}") from None


def _check_kind(review: Object, version: str) -> None:
    api_version, kind = review.get("apiVersion") or "", review.get("kind") or ""
    if not api_version and not kind:
        return
    group, _, given = str(api_version).rpartition("/")
    is_known = group == "admission.k8s.io" and given in _VERSIONS
    if kind and (kind != _REVIEW or (api_version and not is_known)):
        scheme = 'in scheme "pkg/runtime/scheme.go:111"'
        raise NotAnswered(f'no kind "{kind}" is registered for version "{api_version}" {scheme}')
    if is_known and given != version:
        raise NotAnswered(f"converting ({given}.{_REVIEW}) to ({version}.{_REVIEW}): unknown conversion")


_FIELDS: Mapping[str, tuple[type, str]] = {
    "uid": (str, "types.UID"),
    "allowed": (bool, "bool"),
    "status": (dict, "v1.Status"),
    "patch": (str, "[]uint8"),
    "patchType": (str, "v1.PatchType"),
    "auditAnnotations": (dict, "map[string]string"),
    "warnings": (list, "[]string"),
}


def _typed(review: Object) -> Object | None:
    response = review.get("response")
    if response is None:
        return None
    if not isinstance(response, dict):
        raise _wrong(response, "AdmissionReview.response", "v1.AdmissionResponse")
    for name, (kind, go_type) in _FIELDS.items():
        value = response.get(name)
        if value is not None and type(value) is not kind:
            raise _wrong(value, f"AdmissionResponse.response.{name}", go_type)
    texts = (
        ("warnings", response.get("warnings") or ()),
        ("auditAnnotations", (response.get("auditAnnotations") or {}).values()),
    )
    for name, values in texts:
        for value in values:
            if not isinstance(value, str | None):
                raise _wrong(value, f"AdmissionResponse.response.{name}", "string")
    return response


def _wrong(value: Any, field: str, go_type: str) -> NotAnswered:
    return NotAnswered(f"json: cannot unmarshal {json_type(value)} into Go struct field {field} of type {go_type}")


def _checked(question: Question, review: Object, response: Object | None, patch: bytes, uid: str) -> Response:
    if response is None:
        raise NotAnswered("webhook response was absent")
    patch_type = response.get("patchType")
    mutates = question.kind == "mutating"
    if msgspec.json.decode(question.review)["apiVersion"] == "admission.k8s.io/v1":
        if response.get("uid") != uid:
            raise NotAnswered(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
        _check_named(review)
        _check_patch(patch, patch_type, mutates=mutates)
    elif mutates:
        patch_type = "JSONPatch" if patch else ""
    return Response(
        allowed=bool(response.get("allowed")),
        patch=patch if mutates else b"",
        patch_type=patch_type or "",
        status=response.get("status"),
        warnings=tuple(text or "" for text in response.get("warnings") or ()),
        annotations={name: text or "" for name, text in (response.get("auditAnnotations") or {}).items()},
    )


def _check_named(review: Object) -> None:
    wanted = "admission.k8s.io/v1, Kind=AdmissionReview"
    api_version, kind = review.get("apiVersion") or "/", review.get("kind") or ""
    if f"{api_version}, Kind={kind}" != wanted:
        raise NotAnswered(f"expected webhook response of {wanted}, got {api_version}, Kind={kind}")


def _check_patch(patch: bytes, patch_type: str | None, *, mutates: bool) -> None:
    if not mutates:
        for name, value in (("patch", patch or None), ("patchType", patch_type)):
            if value is not None:
                raise NotAnswered(f"validating webhook may not return response.{name}")
    elif patch and patch_type is None:
        raise NotAnswered("webhook returned response.patch but not response.patchType")
    elif not patch and patch_type is not None:
        raise NotAnswered("webhook returned response.patchType but not response.patch")
    elif patch_type == "":
        raise NotAnswered('webhook returned invalid response.patchType of ""')


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _base64(text: str) -> bytes:
    text = text.replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        wrong = (place for place, letter in enumerate(text) if letter not in _ALPHABET)
        raise NotAnswered(f"illegal base64 data at input byte {next(wrong, len(text))}") from None


def denied(name: str, status: Object | None) -> ApiError:
    """Return the refusal of a webhook, from the status that it gave if it gave one."""
    said = status or {}
    start, message, reason = f'admission webhook "{name}" denied the request', said.get("message"), said.get("reason")
    text = f"{start}: {message or reason}" if message or reason else f"{start} without explanation"
    code = said.get("code") or 0
    code = code if isinstance(code, int) and code >= 400 else 400
    whole = {"message": text, "reason": reason or "", "code": code, "details": said.get("details") or {}}
    made = ApiError.of_status(whole)
    return type(made)(text, code=code, reason=reason or "", details=made.details)
