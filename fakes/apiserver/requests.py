"""What a client asks for: the Action in an HTTP request, or the refusal in the words of a real server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec
from aiohttp import web

from ctrlkit.errors import BadRequest, MethodNotAllowed, NotFound, RequestEntityTooLarge, UnsupportedMediaType
from ctrlkit.fakes.tracker.kinds.registry import Registry
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.ownership import MANAGER_BYTES_MAX
from ctrlkit.fakes.tracker.schema.depth import TooDeep, check_levels, deeply
from ctrlkit.fakes.tracker.verbs.malformed import json_problem
from ctrlkit.model import Action, AnyResource, PatchType, custom_resource
from ctrlkit.wire.routes import to_action

BODY_BYTES_MAX = 3 * 1024 * 1024
_BODY_TYPES = ("application/json", "application/yaml")
_PROTOBUF = "application/vnd.kubernetes.protobuf"  # a real server reads it for built-in kinds and says so
_CUSTOM_PATCHES = (PatchType.JSON.value, PatchType.MERGE.value, PatchType.APPLY.value)
_PATCHES = (*_CUSTOM_PATCHES, PatchType.STRATEGIC.value)
_SUMMARY_CHARACTERS = 30
_SURROGATE = b"\\ud"
_BINDINGS = Strategy(resource=custom_resource(group="", kind="Binding", plural="bindings"), singular="binding")
"""Made and never kept, so no kind of the registry: the tracker takes a Binding as a write to its pod."""


class NoSuchPage(Exception):
    """No API lives at this path: the answer is plain text, not a Status."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to: a kind, and the methods the path supports."""

    served: Strategy
    methods: tuple[str, ...]


def find_target(path: str, registry: Registry) -> Target:
    """
    The kind that a percent-encoded path is about.

    Errors  NoSuchPage where no such API group version is served, NotFound where the kind is not.
    """
    match path.strip("/").split("/"):
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            raise NoSuchPage
    kinds = [kind for kind in registry.served() if (kind.resource.group, kind.resource.version) == (group, version)]
    if not kinds:
        raise NoSuchPage
    in_namespace = len(rest) > 2 and rest[0] == "namespaces" and (bool(group) or rest[2] not in ("status", "finalize"))
    rest = rest[2:] if in_namespace else rest
    for kind in (*kinds, _BINDINGS) if not group else kinds:
        if kind.resource.plural == rest[0]:
            return Target(kind, _methods(kind, rest[1:], in_namespace=in_namespace))
    raise _unknown_resource()


def _methods(kind: Strategy, below: list[str], *, in_namespace: bool) -> tuple[str, ...]:
    if kind is _BINDINGS or (len(below) == 2 and below[1] in kind.unlisted_subresources):
        return ("POST",)
    if below:
        return ("GET", "HEAD", "PUT", "PATCH", "DELETE")
    if kind.resource.namespaced and not in_namespace:
        return ("GET", "HEAD")
    return ("GET", "HEAD", "POST", "DELETE")


async def read_body(request: web.BaseRequest) -> bytes | None:
    """
    The body, None where there is none.

    Errors  RequestEntityTooLarge beyond 3 MiB, of which no more is read; BadRequest where it is broken off.
    """
    chunks = []
    size_bytes = 0
    try:
        async for chunk in request.content.iter_any():
            size_bytes += len(chunk)
            if size_bytes > BODY_BYTES_MAX:
                raise RequestEntityTooLarge(f"Request entity too large: limit is {BODY_BYTES_MAX}")
            chunks.append(chunk)
    except web.RequestPayloadError as error:
        raise BadRequest(f"the body cannot be read: {error}") from None
    return _without_broken_text(b"".join(chunks)) or None


def read_deeply(request: web.BaseRequest, body: bytes | None, target: Target) -> Action:
    """What `read_action` does, for a body of any depth that a server reads."""
    try:
        return deeply(lambda: read_action(request, body, target))
    except TooDeep as error:
        raise BadRequest(str(error)) from None


def read_action(request: web.BaseRequest, body: bytes | None, target: Target) -> Action:
    """
    The Action a request carries.

    Errors  MethodNotAllowed, UnsupportedMediaType, BadRequest, NotFound.
    """
    served = target.served

    def resolve(_group: str, _version: str, plural: str) -> AnyResource | None:
        return served.resource if plural == served.resource.plural else None

    if request.method not in target.methods:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    if request.method in ("POST", "PUT", "PATCH"):
        _check_body(request, body or b"", served)
    elif request.method == "DELETE" and body and content_type_of(request) not in _BODY_TYPES:
        raise _unknown_format(_BODY_TYPES)
    url = request.rel_url
    action = to_action(request.method, url.raw_path, url.query.items(), request.headers, body, resolve)
    if action.subresource and action.subresource not in served.subresources and "POST" not in target.methods:
        raise _unknown_resource()
    return _with_manager(action, request.headers.get("User-Agent", ""))


def _with_manager(action: Action, user_agent: str) -> Action:
    """The Action with the field manager that a client which names none is taken for; who applies must name one."""
    if action.options.field_manager or not action.verb.writes or action.patch_type is PatchType.APPLY:
        return action
    printable = "".join(letter for letter in user_agent.partition("/")[0] if letter.isprintable())
    manager = printable.encode()[:MANAGER_BYTES_MAX].decode(errors="ignore")
    return replace(action, options=replace(action.options, field_manager=manager))


def content_type_of(request: web.BaseRequest) -> str:
    """The type of a request's body, JSON where none is given."""
    return request.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()


def _check_body(request: web.BaseRequest, body: bytes, served: Strategy) -> None:
    """Refuse what `to_action` would refuse too, in the words clients know."""
    content_type = content_type_of(request)
    is_patch = request.method == "PATCH"
    if is_patch and content_type not in _PATCHES and not served.custom:
        raise UnsupportedMediaType("415: Unsupported Media Type")
    accepted = _BODY_TYPES if not is_patch else _CUSTOM_PATCHES if served.custom else _PATCHES
    if content_type == _PROTOBUF and not (is_patch or served.custom):
        raise UnsupportedMediaType(
            "this server reads no protobuf, in which some kubectl commands send built-in kinds; write the object into "
            "a file and use kubectl apply -f FILE"
        )
    if content_type not in accepted:
        raise _unknown_format(accepted if is_patch or served.custom else (*accepted, _PROTOBUF))
    if content_type.endswith("json"):
        try:
            check_levels(body)
            msgspec.json.decode(body, type=msgspec.Raw)
        except TooDeep as error:
            raise BadRequest(_refusal(str(error), body, served, is_patch=is_patch)) from None
        except msgspec.DecodeError:
            raise BadRequest(_refusal(json_problem(body), body, served, is_patch=is_patch)) from None


def _unknown_format(accepted: Iterable[str]) -> UnsupportedMediaType:
    return UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    )


def _without_broken_text(body: bytes) -> bytes:
    """A JSON body in which what is no Unicode has been replaced, as the server does it; others as they are."""
    try:
        body.decode()
        if _SURROGATE not in body:
            return body
        whole = json.dumps(json.loads(body), ensure_ascii=False)
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    except ValueError:
        return body  # no JSON: that is told elsewhere
    return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _refusal(problem: str, body: bytes, served: Strategy, *, is_patch: bool) -> str:
    if is_patch:
        return f"error decoding patch: {problem}"
    start = body[:_SUMMARY_CHARACTERS]
    shown = start.decode(errors="replace") if start.startswith(b"{") else start.hex()
    summary = "<empty>" if not body else shown if len(body) <= _SUMMARY_CHARACTERS else f"{shown} ..."
    return (
        f"the object provided is unrecognized (must be of type {served.resource.kind}): "
        f"couldn't get version/kind; json parse error: {problem} ({summary})"
    )


def _unknown_resource() -> NotFound:
    return NotFound("the server could not find the requested resource")
