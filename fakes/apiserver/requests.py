"""Reads HTTP requests: the Action of a request, or an error in the words of a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from ctrlkit.errors import ApiError, BadRequest, MethodNotAllowed, RequestEntityTooLarge, UnsupportedMediaType
from ctrlkit.fakes.apiserver.accept import Media
from ctrlkit.fakes.apiserver.discovery import subresources_of
from ctrlkit.fakes.apiserver.options import check_delete_body, check_options
from ctrlkit.fakes.apiserver.protobuf import ENVELOPES, Envelopes, Unreadable, envelopes_of
from ctrlkit.fakes.tracker import Registry, Strategy
from ctrlkit.fakes.tracker.callers import AgentName
from ctrlkit.fakes.tracker.decode import decode
from ctrlkit.fakes.tracker.kinds.metadata import no_such_kind
from ctrlkit.fakes.tracker.notices import notice_if_read
from ctrlkit.fakes.tracker.ownership.managed_fields import MANAGER_BYTES_MAX
from ctrlkit.fakes.tracker.refusals import json_text, unknown_resource, unreadable_patch
from ctrlkit.fakes.tracker.schema.depth import TooDeep, check_levels, deeply
from ctrlkit.fakes.tracker.schema.go_text import go_text
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.fakes.tracker.verbs.json_patch import unknown_fields
from ctrlkit.fakes.tracker.verbs.malformed import json_problem
from ctrlkit.model import Action, AnyResource, PatchType, Verb
from ctrlkit.wire.routes import to_action

BODY_BYTES_MAX = 3 * 1024 * 1024
_BODY_TYPES = tuple(media.value for media in Media)
_PROTOBUF = Media.PROTOBUF.value
_CUSTOM_PATCHES = (PatchType.JSON.value, PatchType.MERGE.value, PatchType.APPLY.value)
_PATCHES = (*_CUSTOM_PATCHES, PatchType.STRATEGIC.value)
_SUMMARY_CHARACTERS = 30
_SURROGATE = b"\\ud"
_METHODS = {
    "GET": Verb.GET,
    "POST": Verb.CREATE,
    "PUT": Verb.UPDATE,
    "PATCH": Verb.PATCH,
    "DELETE": Verb.DELETE,
}
_STREAMED = ("attach", "exec", "log", "portforward", "proxy")


class UnknownPath(Exception):
    """No API is served at this path; the answer is plain text, not a Status."""


@dataclass(frozen=True, slots=True)
class Target:
    """The kind at a path and the methods that the path supports."""

    served: Strategy
    methods: tuple[str, ...]
    subresource: str = ""
    envelopes: Envelopes = ENVELOPES
    path: tuple[str, ...] = ()
    """The parts of a subresource's path, without what comes behind it; none for other paths."""

    @property
    def kind(self) -> tuple[str, str]:
        """The apiVersion and kind of what is read and written there."""
        facts = subresources_of(self.served).get(self.subresource)
        if facts is None or not facts.version:
            return self.served.resource.api_version, self.served.resource.kind
        return f"{facts.group}/{facts.version}".lstrip("/"), facts.kind


def find_target(path: str, registry: Registry) -> Target:
    """
    Find the kind that a percent-encoded path names.

    Errors  NotFound in the groups of the release, UnknownPath elsewhere.
    """
    path, _ = _watched(path)
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise UnknownPath
    if not rest or not registry.has_version(group, version):
        raise _unknown(registry, group)
    in_namespace = len(rest) > 2 and rest[0] == "namespaces" and (bool(group) or rest[2] not in ("status", "finalize"))
    rest = rest[2:] if in_namespace else rest
    served = registry.find(group, version, rest[0])
    if served is None:
        raise _unknown(registry, group)
    return Target(
        served,
        _methods(served, rest[1:], in_namespace=in_namespace),
        "".join(rest[2:3]),
        envelopes_of(registry.release),
        tuple(parts[: len(parts) - len(rest) + 3]) if len(rest) > 2 else (),
    )


_WATCH_PATH = re.compile(r"(/api/[^/]+|/apis/[^/]+/[^/]+)/watch(/.+)")


def _watched(path: str) -> tuple[str, bool]:
    """
    A path without the `watch` by which older clients ask for a watch, and whether it was there.

    >>> _watched("/api/v1/watch/namespaces/a/pods")
    ('/api/v1/namespaces/a/pods', True)
    """
    found = _WATCH_PATH.fullmatch(path)
    return (f"{found[1]}{found[2]}", True) if found else (path, False)


def _methods(served: Strategy, below: list[str], *, in_namespace: bool) -> tuple[str, ...]:
    match below:
        case []:
            if served.resource.namespaced and not in_namespace:
                return tuple(_with_head("GET" for verb in (Verb.LIST,) if served.supports(verb)))
            methods = {"GET": Verb.LIST, "POST": Verb.CREATE, "DELETE": Verb.DELETE_COLLECTION}
        case [_]:
            methods = {"GET": Verb.GET, "PUT": Verb.UPDATE, "PATCH": Verb.PATCH, "DELETE": Verb.DELETE}
        case [_, str(subresource), *_] if subresource in served.subresources:
            return tuple(_with_head(method for method, verb in _METHODS.items() if served.supports(verb, subresource)))
        case _:
            return tuple(_METHODS)
    return tuple(_with_head(method for method, verb in methods.items() if served.supports(verb)))


def _with_head(methods: Iterable[str]) -> Iterator[str]:
    for method in methods:
        yield method
        if method == "GET":
            yield "HEAD"


def read_streamed(request: web.BaseRequest, target: Target) -> Action | None:
    """
    Convert a request for a text, a connection or a proxy to an Action; None for any other. Its body is not read.

    Errors  MethodNotAllowed, BadRequest, NotFound.
    """
    path = target.path
    if not path or path[-1] not in _STREAMED:
        return None
    if path[-1] not in target.served.subresources:
        raise unknown_resource()
    if request.method not in target.methods:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    resource = target.served.resource
    url = request.rel_url
    action = to_action("GET", "/".join(path), url.query.items(), request.headers, None, lambda *_: resource)
    verb = _METHODS.get(request.method, Verb.GET)
    return replace(action, verb=verb if path[-1] in ("log", "proxy") else Verb.CREATE)


async def read_body(request: web.BaseRequest) -> bytes | None:
    """
    Read the body; None if there is none.

    Errors  RequestEntityTooLarge beyond 3 MiB, without reading the rest; BadRequest for an incomplete body.
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
    body = b"".join(chunks)
    return (body if content_type_of(request) == _PROTOBUF else _without_broken_text(body)) or None


def read_deeply(request: web.BaseRequest, body: bytes | None, target: Target) -> Action:
    """Do the same as `read_action` for deeply nested bodies."""
    try:
        return deeply(lambda: read_action(request, body, target))
    except TooDeep as error:
        raise BadRequest(str(error)) from None


def read_action(request: web.BaseRequest, body: bytes | None, target: Target) -> Action:
    """
    Convert a request to an Action.

    Errors  MethodNotAllowed, UnsupportedMediaType, BadRequest, NotFound.
    """
    served = target.served

    def resolve(_group: str, _version: str, plural: str) -> AnyResource | None:
        return served.resource if plural == served.resource.plural else None

    path, is_watch = _watched(request.rel_url.raw_path)
    if request.method not in target.methods or request.method == "HEAD" or (is_watch and request.method != "GET"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    if request.method in ("POST", "PUT", "PATCH"):
        _check_body(request, body or b"", served)
    elif request.method == "DELETE" and body:
        if content_type_of(request) not in _BODY_TYPES:
            raise _unknown_format((*_BODY_TYPES, _PROTOBUF))
        check_delete_body(body, content_type_of(request))
    url = request.rel_url
    headers: Mapping[str, str] = request.headers
    if content_type_of(request) == _PROTOBUF and request.method in ("POST", "PUT", "DELETE"):
        body, headers = _as_json(request, body or b"", target), _IN_JSON
    query, name = list(url.query.items()), ""
    if is_watch:
        query.insert(0, ("watch", "true"))
        above, _, last = path.rstrip("/").rpartition("/")
        path, name = (path, "") if last == served.resource.plural else (above, unquote(last))
    if request.method in ("POST", "PUT") and body and body.strip() == b"null":
        body = b"{}"  # which Go's decoder makes of it
    action = to_action(request.method, path, query, headers, body, resolve)
    action = replace(action, name=name) if name else action
    check_options(action, url.query, body, content_type_of(request))
    if action.subresource and action.subresource not in served.subresources and not served.custom:
        raise unknown_resource()
    return _with_manager(action, request.headers.get("User-Agent", ""))


_IN_JSON = {"Content-Type": Media.JSON.value}


def _as_json(request: web.BaseRequest, body: bytes, target: Target) -> bytes | None:
    """Convert a body in protobuf to JSON. Errors: UnsupportedMediaType for custom resources; BadRequest."""
    if request.method == "DELETE":
        return _options_as_json(body) if body else None
    if target.envelopes.message_of(*target.kind) is None:
        raise _unknown_format(media.value for media in Media if media is not Media.PROTOBUF)
    _, wanted = target.kind
    try:
        return msgspec.json.encode(target.envelopes.read(body, *target.kind))
    except Unreadable as error:
        if error.kind:
            version = error.api_version.rpartition("/")[2]
            text = f'{error.kind} in version "{version}" cannot be handled as a {wanted}: {error}'
        else:
            text = f"the object provided is unrecognized (must be of type {wanted}): {error} ({_summary(body)})"
        raise BadRequest(text) from None


def _options_as_json(body: bytes) -> bytes:
    try:
        options = ENVELOPES.read(body, "v1", "DeleteOptions", only=True)
    except Unreadable as error:
        raise BadRequest(str(error)) from None
    if options["kind"] != "DeleteOptions":
        raise BadRequest(no_such_kind(options["kind"], options["apiVersion"]))
    return msgspec.json.encode(options)


def _with_manager(action: Action, user_agent: str) -> Action:
    """Set the default field manager, from the User-Agent; an apply must name its own."""
    if action.options.field_manager or not action.verb.writes or action.patch_type is PatchType.APPLY:
        return action
    printable = "".join(letter for letter in user_agent.partition("/")[0] if letter.isprintable())
    manager = printable.encode()[:MANAGER_BYTES_MAX].decode(errors="ignore")
    return replace(action, options=replace(action.options, field_manager=AgentName(manager)))


def content_type_of(request: web.BaseRequest) -> str:
    """Return the media type of a request's body; JSON by default."""
    return request.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()


def _check_body(request: web.BaseRequest, body: bytes, served: Strategy) -> None:
    """Refuse malformed bodies in the words of a real server."""
    content_type = content_type_of(request)
    is_patch = request.method == "PATCH"
    if is_patch and content_type not in _PATCHES and not served.custom:
        raise UnsupportedMediaType("415: Unsupported Media Type")
    accepted = _BODY_TYPES if not is_patch else _CUSTOM_PATCHES if served.custom else _PATCHES
    if content_type not in accepted:
        raise _unknown_format(accepted)
    if content_type.endswith("json"):
        problem = _json_problem(body) or ("" if is_patch else _no_object(body))
        if problem:
            strictness = request.rel_url.query.get("fieldValidation", "")
            raise BadRequest(_refusal(problem, body, served, content_type if is_patch else "", strictness))


def _json_problem(body: bytes) -> str:
    """What is wrong with a JSON text, "" if nothing is."""
    try:
        check_levels(body)
        msgspec.json.decode(body, type=msgspec.Raw)
    except TooDeep as error:
        return str(error)
    except msgspec.DecodeError:
        return json_problem(body)
    return ""


_OBJECT_STARTS = (b"{", b"n", b"")
"""How a body begins that is an object, null, or empty."""


def _no_object(body: bytes) -> str:
    """What Go's decoder says of a JSON text that is no object, "" of one that is, or null."""
    if body.lstrip()[:1] in _OBJECT_STARTS:
        return ""
    wanted = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    return f"json: cannot unmarshal {json_type(json.loads(body))} into Go value of type {wanted}"


def _unknown_format(accepted: Iterable[str]) -> UnsupportedMediaType:
    return UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    )


def _without_broken_text(body: bytes) -> bytes:
    """Replace invalid Unicode in a JSON body, as a real server does."""
    try:
        body.decode()
        if _SURROGATE not in body:
            return body
        whole = json.dumps(json.loads(body), ensure_ascii=False)
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    except ValueError:
        return body  # not JSON: refused later
    return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _refusal(problem: str, body: bytes, served: Strategy, patch_type: str, strictness: str) -> str:
    match patch_type:
        case PatchType.MERGE.value if strictness == "Ignore":
            return "Invalid JSON Patch"
        case PatchType.MERGE.value | PatchType.JSON.value if strictness != "Ignore":
            return f"error decoding patch: {problem}"
        case PatchType.STRATEGIC.value | PatchType.JSON.value:
            return problem
    return (
        f"the object provided is unrecognized (must be of type {served.resource.kind}): "
        f"couldn't get version/kind; json parse error: {problem} ({_summary(body)})"
    )


def _summary(body: bytes) -> str:
    start = body[:_SUMMARY_CHARACTERS]
    shown = start.decode(errors="replace") if start.startswith(b"{") else start.hex()
    return "<empty>" if not body else shown if len(body) <= _SUMMARY_CHARACTERS else f"{shown} ..."


def _unknown(registry: Registry, group: str) -> Exception:
    return unknown_resource() if registry.is_own(group) else UnknownPath()


_STRICT = "strict decoding error: "


def check_duplicates(action: Action, body: bytes | None, content_type: str, served: Strategy) -> Action:
    """
    Warn of duplicate fields in a JSON body and of fields no JSON patch has.

    Returns the Action, with duplicates of a built-in kind's fields merged as Go's decoder does: objects by field, of
    anything else the last one counts.

    Errors  BadRequest, or Invalid for a patch, if field validation is strict.
    """
    strictness = action.options.field_validation
    if body and action.patch_type is PatchType.APPLY and strictness != "Ignore":
        _check_applied(body, strictness)
    is_json = content_type.endswith("json") and action.verb in (Verb.CREATE, Verb.UPDATE, Verb.PATCH)
    if not body or not is_json:
        return action
    texts = [f'duplicate field "{path}"' for path in dict.fromkeys(duplicate_fields(body))]
    if action.patch_type is PatchType.JSON:
        texts += [f'unknown field "{path}"' for path in unknown_fields(action.body)]
        texts = [f"json patch {text}" for text in texts]
    if texts and strictness == "Strict":
        also = _said_of_unknown(served, action) if served.custom and action.patch_type is None else ""
        raise _strict_refusal(action, f"{_STRICT}{', '.join(texts)}{also}")
    if strictness != "Ignore":
        for text in texts:
            notice_if_read(text)
    is_merged = texts and action.verb is not Verb.PATCH and not served.custom
    return replace(action, body=_merged(json.loads(body, object_pairs_hook=_Pairs))) if is_merged else action


def _said_of_unknown(served: Strategy, action: Action) -> str:
    """What a server says of a custom object's unknown fields, after it has told of duplicates."""
    try:
        decode(served, action, action.body)
    except ApiError as error:
        _, is_strict, unknown = str(error.message).partition(_STRICT)
        return f", {unknown}" if is_strict else ""
    return ""


def _check_applied(body: bytes, strictness: str) -> None:
    """Warn of fields that an applied body has more than once."""
    try:
        if not duplicate_fields(body):
            return  # JSON is YAML, and what most clients send
    except ValueError:
        pass
    from ctrlkit.wire.yaml_body import read_yaml  # noqa: PLC0415 - only who is sent YAML pays for it

    doubled: list[tuple[int, str]] = []
    read_yaml(body, doubled)
    texts = [f'line {line}: key "{name}" already set in map' for line, name in doubled]
    if texts and strictness == "Strict":
        found = "\n  ".join(["yaml: unmarshal errors:", *texts])
        raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {found}")
    for text in texts:
        notice_if_read(text)


def _strict_refusal(action: Action, text: str) -> ApiError:
    if action.patch_type is not None:
        is_strategic = action.patch_type is PatchType.STRATEGIC
        return unreadable_patch(go_text(action.body) if is_strategic else json_text(action.body), text)
    kind, version = action.resource.kind, action.resource.version
    return BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {text}')


def duplicate_fields(body: bytes) -> list[str]:
    """
    Return the paths of the fields that a JSON text has more than once.

    >>> duplicate_fields(b'{"spec": {"a": 1, "a": 2, "l": [{"b": 1, "b": 1}]}}')
    ['spec.a', 'spec.l[0].b']
    """
    return list(_duplicates(json.loads(body, object_pairs_hook=_Pairs), ""))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its duplicate fields."""


def _merged(value: Any) -> Any:
    if isinstance(value, _Pairs):
        merged: dict[str, Any] = {}
        for name, inner in value:
            found, known = _merged(inner), merged.get(name)
            merged[name] = known | found if isinstance(known, dict) and isinstance(found, dict) else found
        return merged
    return [_merged(one) for one in value] if isinstance(value, list) else value


def _duplicates(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen = set()
        for name, inner in value:
            here = f"{path}.{name}".lstrip(".")
            if name in seen:
                yield here
            seen.add(name)
            yield from _duplicates(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _duplicates(inner, f"{path}[{index}]")
