"""
Action <-> HTTP request, both ways and pure: the client's transport reads the tables forwards, the embedded API server
backwards, so the two cannot disagree.

In       Actions, or the parts of a request as a server got them.
Out      HttpRequest without a server, or the Action; how options travel is in parameters.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from ctrlkit.errors import BadRequest, NotFound, UnsupportedMediaType
from ctrlkit.model import Action, AnyResource, Options, PatchType, Verb
from ctrlkit.wire.parameters import (
    DELETES,
    read_delete_options,
    read_flag,
    read_own_parameters,
    read_query,
    write_delete_options,
    write_query,
)

Resolve = Callable[[str, str, str], AnyResource | None]
"""(group, version, plural) -> the resource served there."""

_NAMED = (Verb.GET, Verb.UPDATE, Verb.PATCH, Verb.DELETE)
_METHODS = {
    Verb.GET: "GET",
    Verb.LIST: "GET",
    Verb.WATCH: "GET",
    Verb.CREATE: "POST",
    Verb.UPDATE: "PUT",
    Verb.PATCH: "PATCH",
    Verb.DELETE: "DELETE",
    Verb.DELETE_COLLECTION: "DELETE",
}
_JSON = "application/json"
_YAML = "application/yaml"
_PARTIAL = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
_METADATA_ONLY = {Verb.GET: _PARTIAL.format(""), Verb.LIST: _PARTIAL.format("List"), Verb.WATCH: _PARTIAL.format("")}
"""What to accept; a server that knows no such form sends whole objects, of which the metadata is read."""
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without server and credentials. `path` is percent-encoded, `query` is not."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)


def check_action(action: Action) -> None:
    """
    Refuse locally what a server would not understand, or would take for another request.

    >>> from ctrlkit.model.kinds import PODS
    >>> check_action(Action(verb=Verb.GET, resource=PODS, namespace="demo", name="../secrets/a"))
    Traceback (most recent call last):
      ...
    ctrlkit.errors.BadRequest: get pods demo/../secrets/a: name '../secrets/a' may not be '.', '..' or hold '/' or '%';
        correct the request [400 BadRequest]

    Errors  BadRequest.
    """
    problem = _problem(action)
    if problem:
        raise BadRequest(problem, attempted=str(action))


def _problem(action: Action) -> str:
    is_named_in_body = action.verb is Verb.CREATE and not action.subresource
    for word in ("namespace", "subresource") if is_named_in_body else ("namespace", "name", "subresource"):
        text = getattr(action, word)
        if text in (".", "..") or "/" in text or "%" in text:
            return f"{word} {text!r} may not be '.', '..' or hold '/' or '%'"
    return _problem_with_name(action) or _problem_with_namespace(action)


def _problem_with_name(action: Action) -> str:
    of_namespace = action.resource.identity == ("", "namespaces") and action.subresource
    if of_namespace and action.subresource not in _NAMESPACE_SUBRESOURCES:
        return f"namespaces have no subresource {action.subresource!r}"  # its path would be that of a collection
    if action.verb in _NAMED or (action.verb is Verb.CREATE and action.subresource):
        return "" if action.name else "a name is needed"
    if action.name and action.verb is not Verb.CREATE:
        return "this verb is about a collection and takes no name; use a field selector metadata.name="
    return ""


def _problem_with_namespace(action: Action) -> str:
    if action.namespace and not action.resource.namespaced:
        return f"{action.resource} do not live in namespaces, got {action.namespace!r}"
    if action.resource.namespaced and not action.namespace and action.verb not in (Verb.LIST, Verb.WATCH):
        return "a namespace is needed"
    return ""


def _write_path(action: Action) -> str:
    resource = action.resource
    parts = ["apis", resource.group, resource.version] if resource.group else ["api", resource.version]
    if action.namespace:
        parts += ["namespaces", action.namespace]
    parts.append(resource.plural)
    if action.verb in _NAMED or action.subresource:
        parts += [action.name, action.subresource]
    return "/" + "/".join(quote(part, safe="") for part in parts if part)


@dataclass(frozen=True, slots=True)
class _Place:
    resource: AnyResource
    namespace: str
    name: str
    subresource: str


def _read_path(path: str, resolve: Resolve) -> _Place:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            raise _no_such_path()
    namespace = ""
    in_namespace = len(rest) > 2 and rest[0] == "namespaces"
    if in_namespace and not (group == "" and rest[2] in _NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *more = [*rest, "", ""]
    resource = resolve(group, version, plural)
    if resource is None or any(more) or (namespace and not resource.namespaced):
        raise _no_such_path()
    return _Place(resource, namespace, name, subresource)


def _no_such_path() -> NotFound:
    return NotFound("the server could not find the requested resource")


def _read_document(body: bytes, content_type: str) -> Any:
    try:
        if content_type in (_YAML, PatchType.APPLY.value):
            return _read_yaml(body)
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(f"the body is not {content_type}: {error}") from None
    except ValueError as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: yaml: {error}") from None


def _read_yaml(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)  # JSON is YAML, and what most clients send
    except msgspec.DecodeError:
        pass
    from ctrlkit.wire.yaml_body import read_yaml  # noqa: PLC0415 - only a server that is sent YAML pays for it

    return read_yaml(body)


def _read_body(verb: Verb, body: bytes | None, content_type: str) -> tuple[Any, PatchType | None]:
    if verb is Verb.PATCH:
        try:
            patch_type = PatchType(content_type)
        except ValueError:
            raise _unsupported(content_type) from None
        return _read_document(body or b"", content_type), patch_type  # the server says what it does not take
    if content_type not in (_JSON, _YAML):
        raise _unsupported(content_type)
    document = _read_document(body or b"", content_type)
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    return document, None


def _unsupported(content_type: str) -> UnsupportedMediaType:
    return UnsupportedMediaType(f"the body's content type {content_type[:64]!r} is not supported")


def to_http(action: Action) -> HttpRequest:
    """
    Make the HTTP request for an Action.

    >>> from ctrlkit.model.kinds import PODS
    >>> request = to_http(Action(verb=Verb.LIST, resource=PODS, namespace="demo", options=Options(limit=500)))
    >>> request.method, request.path, request.query
    ('GET', '/api/v1/namespaces/demo/pods', (('limit', '500'),))

    Errors  BadRequest as `check_action`; TypeError for a body that is not plain JSON data.
    """
    check_action(action)
    headers = {"Accept": _METADATA_ONLY.get(action.verb, _JSON) if action.options.metadata_only else _JSON}
    body = None
    if action.verb in DELETES:
        body = write_delete_options(action.options)
    elif action.body is not None:
        body = msgspec.json.encode(action.body)
    if body is not None:
        headers["Content-Type"] = action.patch_type.value if action.patch_type else _JSON
    return HttpRequest(_METHODS[action.verb], _write_path(action), tuple(write_query(action)), headers, body)


def to_action(  # noqa: PLR0917 - the parts of a request, in their order on the wire
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes | None,
    resolve: Resolve,
) -> Action:
    """
    Read the Action of an HTTP request: the reverse of `to_http`, and what other clients send besides.

    >>> from ctrlkit.model.kinds import PODS
    >>> action = to_action("GET", "/api/v1/pods", [("watch", "1")], {}, None, lambda group, version, plural: PODS)
    >>> str(action)
    'watch pods *'

    Shape   `path` is percent-encoded, as on the wire; `query` is not; of a parameter given twice the first counts.
            `headers` find `Accept` and `Content-Type` by these names (aiohttp's headers ignore case); without
            the latter the body is JSON.
    Errors  NotFound for a path that leads to no resource, MethodNotAllowed is for whoever serves the verb;
            UnsupportedMediaType for a body in an unknown form; BadRequest for what cannot be read.
    """
    place = _read_path(path, resolve)
    query = tuple(query)
    pairs: dict[str, str] = {}
    for name, value in query:
        pairs.setdefault(name, value)
    verb = _verb(method, place.name, pairs)
    options = read_query(verb, pairs, has_body=bool(body))
    if place.subresource:
        options["parameters"] = read_own_parameters(query)
    if headers.get("Accept") == _METADATA_ONLY.get(verb, ""):
        options["metadata_only"] = True
    content_type = (headers.get("Content-Type") or _JSON).partition(";")[0].strip().lower()
    document: Any = None
    patch_type = None
    if verb in DELETES:
        if body:
            options |= read_delete_options(_read_document(body, content_type))
    elif verb.writes:
        document, patch_type = _read_body(verb, body, content_type)
    name = place.name
    if verb is Verb.CREATE and not place.subresource:
        if name:
            raise BadRequest("an object is created in its collection, not at its own path")
        name = _name_in(document)
    action = Action(
        verb=verb,
        resource=place.resource,
        namespace=place.namespace,
        name=name,
        subresource=place.subresource,
        body=document,
        patch_type=patch_type,
        options=Options(**options),
    )
    check_action(action)
    return action


def _verb(method: str, name: str, query: Mapping[str, str]) -> Verb:
    match method:
        case "GET" | "HEAD":
            if name:
                return Verb.GET
            return Verb.WATCH if read_flag(query.get("watch", "0")) else Verb.LIST
        case "POST":
            return Verb.CREATE
        case "PUT":
            return Verb.UPDATE
        case "PATCH":
            return Verb.PATCH
        case "DELETE":
            return Verb.DELETE if name else Verb.DELETE_COLLECTION
    raise BadRequest(f"unknown method {method[:16]!r}")


def _name_in(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""
