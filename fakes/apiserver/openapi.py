"""
OpenAPI documents of a server: those of its release as they are stored, custom kinds' built in the same form.

Nothing is kept but hashes: a document is read or built when it is asked for.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from ctrlkit.fakes.apiserver.custom_openapi import V2, V3, Dialect, Plain, merged, parts_of, references
from ctrlkit.fakes.releases import openapi_document, openapi_roots, stored_openapi
from ctrlkit.fakes.tracker import Registry, Strategy

_CUSTOM_HEAD: Mapping[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
}
_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_KINDS = "x-kubernetes-group-version-kind"


class Document(NamedTuple):
    """A document as JSON compressed with gzip, and its hash, which is its entity tag."""

    compressed: bytes
    hash: str

    @property
    def json(self) -> bytes:
        """The document as JSON."""
        return gzip.decompress(self.compressed)


class _Components(msgspec.Struct):
    schemas: dict[str, msgspec.Raw] = {}


class _Document3(msgspec.Struct):
    """The parts of a stored document that custom kinds need, undecoded."""

    paths: dict[str, msgspec.Raw]
    components: _Components


class _Document2(msgspec.Struct):
    paths: dict[str, msgspec.Raw]
    definitions: dict[str, msgspec.Raw]


class OpenApi:
    """The OpenAPI documents of a server with a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._hashes: dict[str, tuple[tuple[Strategy, ...], str]] = {}

    def index(self) -> Plain:
        """Return the document of /openapi/v3: where each document is, with its hash."""
        roots = {*openapi_roots(self._registry.release), *map(_root, self._registry.custom())}
        return {
            "paths": {
                root: {"serverRelativeURL": f"/openapi/v3/{root}?hash={self._hash(root)}"} for root in sorted(roots)
            }
        }

    def document(self, root: str) -> Document | None:
        """Return the document of a root such as `apis/apps/v1`; None if nothing is served there."""
        if root in openapi_roots(self._registry.release):
            return _stored(self._registry.release, root)
        kinds = self._custom_at(root)
        return _compressed(msgspec.json.encode(self._built(kinds))) if kinds else None

    def whole(self) -> Document:
        """Return the document of /openapi/v2, with all kinds."""
        stored = _stored(self._registry.release, "v2")
        return _compressed(self._whole(stored.json)) if self._registry.custom() else stored

    def whole_document(self) -> Plain:
        """Return the document of /openapi/v2 as plain data."""
        found: Plain = msgspec.json.decode(self.whole().json)
        return found

    def _custom_at(self, root: str) -> tuple[Strategy, ...]:
        return tuple(kind for kind in self._registry.custom() if _root(kind) == root)

    def _hash(self, root: str) -> str:
        kinds = self._custom_at(root)
        known = self._hashes.get(root)
        if (
            known is None
            or len(known[0]) != len(kinds)
            or any(a is not b for a, b in zip(known[0], kinds, strict=True))
        ):
            document = self.document(root)
            known = self._hashes[root] = (kinds, document.hash if document else "")
        return known[1]

    def _built(self, kinds: Iterable[Strategy]) -> Plain:
        model = _read_v3(self._registry.release, "apis/apps/v1")
        core = _read_v3(self._registry.release, "api/v1")
        paths, schemas = merged(parts_of(kind, V3, model.paths) for kind in kinds)
        schemas |= _needed([*paths.values(), *schemas.values()], {**core.components.schemas}, V3, have=schemas)
        if _OPTIONS in schemas:
            options = msgspec.json.decode(schemas[_OPTIONS])
            schemas[_OPTIONS] = options | {_KINDS: self._delete_options_kinds()}
        return {**_CUSTOM_HEAD, "paths": _sorted(paths), "components": {"schemas": _sorted(schemas)}}

    def _delete_options_kinds(self) -> Any:
        """In the documents of custom kinds DeleteOptions belong to the groups of all kinds."""
        whole = _stored(self._registry.release, "v2").json
        definitions = msgspec.json.decode(whole, type=_Document2).definitions
        return msgspec.json.decode(definitions[_OPTIONS])[_KINDS]

    def _whole(self, stored: bytes) -> bytes:
        document = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
        own = msgspec.json.decode(stored, type=_Document2)
        paths, schemas = merged(parts_of(kind, V2, own.paths) for kind in self._registry.custom())
        more = {"paths": _sorted({**own.paths, **paths}), "definitions": _sorted({**own.definitions, **schemas})}
        return msgspec.json.encode({**document, **more})


def _root(kind: Strategy) -> str:
    return f"apis/{kind.resource.group}/{kind.resource.version}"


def _stored(release: str, root: str) -> Document:
    compressed = stored_openapi(release, root)
    assert compressed is not None, f"the release {release} has no OpenAPI document of {root}"
    return Document(compressed, _stored_hash(release, root))


@functools.lru_cache(maxsize=128)
def _stored_hash(release: str, root: str) -> str:
    return _hash_of(openapi_document(release, root) or b"")


def _compressed(document: bytes) -> Document:
    return Document(gzip.compress(document, compresslevel=1, mtime=0), _hash_of(document))


def _hash_of(document: bytes) -> str:
    return hashlib.sha512(document).hexdigest().upper()


def _read_v3(release: str, root: str) -> _Document3:
    return msgspec.json.decode(_stored(release, root).json, type=_Document3)


def _needed(
    parts: Iterable[Any], known: Mapping[str, msgspec.Raw], dialect: Dialect, *, have: Mapping[str, Any]
) -> dict[str, msgspec.Raw]:
    """Return the schemas that parts refer to, and those that these refer to."""
    found: dict[str, msgspec.Raw] = {}
    wanted = set[str]().union(*(references(part, dialect) for part in parts))
    while wanted:
        name = wanted.pop()
        if name in known and name not in found and name not in have:
            found[name] = known[name]
            wanted |= references(bytes(known[name]).decode(), dialect)
    return found


def _sorted(parts: Mapping[str, Any]) -> Plain:
    return {name: parts[name] for name in sorted(parts)}
