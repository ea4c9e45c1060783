"""
What a server says of itself besides its API: health, paths, OpenAPI documents, metrics, the keys of its tokens.

A page is answered whatever the method of the request, but for those about tokens, as a real server does.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from aiohttp import hdrs, web

from ctrlkit import clock
from ctrlkit.errors import MethodNotAllowed
from ctrlkit.fakes.apiserver.answers import document_answer, json_answer, text_answer
from ctrlkit.fakes.apiserver.openapi import Document, OpenApi
from ctrlkit.fakes.apiserver.protobuf.openapi import JSON, accepted, encode
from ctrlkit.fakes.tracker import Registry
from ctrlkit.fakes.tracker.tokens import ISSUER

_PLAIN = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_CHECKS: Mapping[str, Sequence[str]] = {
    "healthz": ("ping", "log"),
    "livez": ("ping", "log"),
    "readyz": ("ping", "log", "shutdown"),
}
_PATHS = (
    "/.well-known/openid-configuration",
    "/api",
    "/apis",
    "/apis/",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/openid/v1/jwks",
    "/version",
)
_FOR_AN_HOUR = {hdrs.CACHE_CONTROL: "public, max-age=3600"}
_YEAR = timedelta(days=365)

Keys = Callable[[], Sequence[Mapping[str, Any]]]
"""Returns the public keys of a server's tokens, each as a JSON Web Key."""


class Pages:
    """
    The pages of one server.

    Shape   `watches` returns how many watches are open, `keys` the public keys of its tokens.
    """

    def __init__(self, registry: Registry, *, watches: Callable[[], int], keys: Keys) -> None:
        self._registry = registry
        self._openapi = OpenApi(registry)
        self._watches = watches
        self._keys = keys

    def answer(self, request: web.BaseRequest, url: str) -> web.Response | None:  # noqa: PLR0911 - a page each
        """Answer a request for a page; `url` is the server's own. None for other paths."""
        match request.path.split("/")[1:]:
            case [""]:
                paths = msgspec.json.encode({"paths": sorted(set(self._paths()))})
                return document_answer(msgspec.json.format(paths, indent=2))
            case ["healthz" | "livez" | "readyz" as kind, *check]:
                return _health(request, kind, check)
            case ["metrics"]:
                return web.Response(text=self._metrics(), headers={"Content-Type": _METRICS})
            case ["openapi", *rest]:
                return self._documents(request, rest)
            case [".well-known", "openid-configuration", *rest] if not any(rest):
                return _public(request, _issuer(url), "application/json")
            case ["openid", "v1", "jwks", *rest] if not any(rest):
                return _public(request, {"keys": list(self._keys())}, "application/jwk-set+json")
        return None

    def _documents(self, request: web.BaseRequest, rest: list[str]) -> web.Response | None:
        match rest:
            case ["v2"]:
                return _document_answer(request, self._openapi.whole(), "v2")
            case ["v3"]:
                return json_answer(self._openapi.index(), content_type=_PLAIN)  # as a real server calls it
            case ["v3", *root]:
                return self._document(request, "/".join(root))
        return None

    def _paths(self) -> Iterator[str]:
        yield from _PATHS
        for served in self._registry.served():
            resource = served.resource
            yield from (f"/apis/{resource.group}", f"/apis/{resource.api_version}") if resource.group else ("/api/v1",)
        for kind, checks in _CHECKS.items():
            yield f"/{kind}"
            yield from (f"/{kind}/{check}" for check in checks)

    def _document(self, request: web.BaseRequest, root: str) -> web.Response:
        document = self._openapi.document(root)
        if document is None:
            return web.Response(status=404)
        wanted = request.rel_url.query.get("hash", "")
        if wanted in ("", document.hash):
            return _document_answer(request, document, "v3", is_named=bool(wanted))
        return web.Response(
            status=301,
            headers={hdrs.LOCATION: f"/openapi/v3/{root}?hash={document.hash}", "Content-Type": "application/json"},
        )

    def _metrics(self) -> str:
        major, minor = self._registry.release.split(".")
        health = (
            f'kubernetes_healthcheck{{name="{check}",type="{kind}"}} 1'
            for kind, checks in _CHECKS.items()
            for check in checks
        )
        return "".join(
            (
                _family(
                    "apiserver_longrunning_requests",
                    [f'apiserver_longrunning_requests{{verb="WATCH"}} {self._watches()}'],
                ),
                _family("kubernetes_build_info", [f'kubernetes_build_info{{major="{major}",minor="{minor}"}} 1']),
                _family("kubernetes_healthcheck", sorted(health)),
            )
        )


_HELP = {
    "apiserver_longrunning_requests": "Watches that are open.",
    "kubernetes_build_info": "The release that is imitated.",
    "kubernetes_healthcheck": "Whether a check of the server's health passes.",
}


def _family(name: str, samples: Iterable[str]) -> str:
    return "\n".join((f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge", *samples, ""))


def _health(request: web.BaseRequest, kind: str, check: list[str]) -> web.Response | None:
    if check:
        return text_answer("ok") if "/".join(check) in _CHECKS[kind] else None
    query = request.rel_url.query
    if "verbose" not in query:
        return text_answer("ok")
    excluded = query.getall("exclude", [])
    lines = (f"[+]{one} excluded: ok" if one in excluded else f"[+]{one} ok" for one in _CHECKS[kind])
    return text_answer("\n".join((*lines, f"{kind} check passed", "")))


def _issuer(url: str) -> dict[str, Any]:
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{url}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def _public(request: web.BaseRequest, body: Mapping[str, Any], content_type: str) -> web.Response:
    """Answer with what whoever checks tokens reads. Errors: MethodNotAllowed unless it is read."""
    if request.method != "GET":
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    answer = json_answer(body, content_type=content_type)
    answer.headers.update(_FOR_AN_HOUR)
    return answer


def _document_answer(
    request: web.BaseRequest, document: Document, version: str, *, is_named: bool = False
) -> web.Response:
    """Answer with an OpenAPI document; one that is named by its hash may be kept for a year."""
    headers = {hdrs.ETAG: f'"{document.hash}"', hdrs.VARY: "Accept", hdrs.CACHE_CONTROL: "no-cache, private"}
    media = accepted(request.headers.get(hdrs.ACCEPT, ""), version)
    if media is None:
        return web.Response(status=406, headers={hdrs.VARY: "Accept"})
    if is_named:
        expires = (clock.now() + _YEAR).strftime("%a, %d %b %Y %H:%M:%S UTC")
        headers |= {hdrs.CACHE_CONTROL: "public, immutable", hdrs.EXPIRES: expires}
    if headers[hdrs.ETAG] in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    takes_gzip = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
    if media == JSON:
        content = document.compressed if takes_gzip else document.json
    else:
        content = encode(document.json, version)
        content = gzip.compress(content, compresslevel=1, mtime=0) if takes_gzip else content
    answer = document_answer(content, content_type=media)
    answer.headers.update(headers | ({hdrs.CONTENT_ENCODING: "gzip"} if takes_gzip else {}))
    return answer
