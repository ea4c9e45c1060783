"""
OpenAPI documents of custom kinds, as apiextensions-apiserver publishes them, in both versions of OpenAPI.

The operations of a custom kind are those of Deployments in the release's own document, in other words and with what
custom kinds lack or have more; the schemas are those of the definition, with the fields that every object has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from ctrlkit.fakes.tracker import Strategy
from ctrlkit.model import AnyResource

Plain = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_MEDIA = ("application/json", "application/yaml")
_STRATEGIC = "application/strategic-merge-patch+json"
_MODEL = "/apis/apps/v1/namespaces/{namespace}/deployments"
_MODEL_OF_ALL = "/apis/apps/v1/deployments"
_RESOURCE_VERSION = "resourceVersion"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_INT_OR_STRING_TYPES = [{"type": "integer"}, {"type": "string"}]
_TYPE_META: Mapping[str, Any] = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
_JUNCTORS = ("allOf", "oneOf", "anyOf", "not")


class Dialect(NamedTuple):
    """A version of OpenAPI: where schemas are referred to, and whether it is the second."""

    references: str
    is_v2: bool


V2 = Dialect("#/definitions/", is_v2=True)
V3 = Dialect("#/components/schemas/", is_v2=False)


class Parts(NamedTuple):
    """What a kind adds to a document: paths and schemas."""

    paths: Plain
    schemas: Plain


def parts_of(kind: Strategy, dialect: Dialect, own: Mapping[str, msgspec.Raw]) -> Parts:
    """Return what a custom kind adds to a document; `own` are the paths of the release's own kinds."""
    resource = kind.resource
    group_version_kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    fields = [{"fieldPath": path} for path in kind.selectable_fields]
    said = {"x-kubernetes-selectable-fields": fields} if fields else {}
    listed = {**group_version_kind, "kind": resource.list_kind}
    schemas = {
        _name(resource, resource.kind): {
            **_schema(kind, dialect),
            "x-kubernetes-group-version-kind": [group_version_kind],
            **said,
        },
        _name(resource, resource.list_kind): {
            **_list_schema(resource, dialect),
            "x-kubernetes-group-version-kind": [listed],
            **said,
        },
    }
    return Parts(dict(_paths(kind, dialect, own)), schemas)


def references(value: Any, dialect: Dialect) -> set[str]:
    """Return the names of the schemas that a part of a document refers to."""
    text = value if isinstance(value, str) else json.dumps(value)
    return set(re.findall(re.escape(dialect.references) + r'([^"]+)', text))


# ---- schemas ---------------------------------------------------------------------------------------------------------


def _name(resource: AnyResource, kind: str) -> str:
    return ".".join([*reversed(resource.group.split(".")), resource.version, kind])


def _meta(name: str, dialect: Dialect) -> Plain:
    reference = {"$ref": f"{dialect.references}{_META}.{name}"}
    return reference if dialect.is_v2 else {"allOf": [reference]}


def _list_schema(resource: AnyResource, dialect: Dialect) -> Plain:
    items = {"$ref": dialect.references + _name(resource, resource.kind)}
    return {
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            **_TYPE_META,
            "items": {"type": "array", "items": items},
            "metadata": _meta("ListMeta", dialect),
        },
    }


def _schema(kind: Strategy, dialect: Dialect) -> Plain:
    """Return a kind's schema; one that says nothing of fields where kubectl would refuse all others."""
    written = kind.schema.openapi if kind.schema else None
    if written is None or (dialect.is_v2 and written.get(_PRESERVE)):
        return {"type": "object"}
    node = _in_v2(written) if dialect.is_v2 else _in_v3(written)
    node["properties"] = {
        **{name: _with_embedded(part, dialect) for name, part in node.get("properties", {}).items()},
        **_TYPE_META,
        "metadata": _meta("ObjectMeta", dialect),
    }
    return node


def _in_v3(node: Mapping[str, Any]) -> Plain:
    """Say which types an integer or text has."""
    found = _below(node, _in_v3)
    if found.get(_INT_OR_STRING) and not _says_types(found):
        if "anyOf" in found:
            found["allOf"] = [{"anyOf": _INT_OR_STRING_TYPES}, *found.get("allOf", ())]
        else:
            found["anyOf"] = _INT_OR_STRING_TYPES
    return found


def _says_types(node: Mapping[str, Any]) -> bool:
    among = [node, *node.get("allOf", ())[:1]]
    return any(one.get("anyOf") == _INT_OR_STRING_TYPES for one in among)


def _in_v2(node: Mapping[str, Any]) -> Plain:
    """Leave out what the second version cannot say, and what kubectl would misread in it."""
    found = {name: value for name, value in node.items() if name not in (*_JUNCTORS, "default", "nullable")}
    is_nullable, is_open = node.get("nullable"), node.get(_PRESERVE)
    if is_nullable or is_open:
        found = {name: value for name, value in found.items() if name not in ("items", "properties")}
    if is_nullable or (found.get("type") == "array" and "items" not in found) or (is_open and "type" in found):
        found.pop("type", None)
    optional = {name for name, part in (found.get("properties") or {}).items() if part.get("nullable")}
    required = [name for name in found.pop("required", ()) if name not in optional]
    more = found.get("additionalProperties")
    if required and not (isinstance(more, Mapping) and more.get("nullable")):
        found["required"] = required
    return _below(found, _in_v2)


def _below(node: Mapping[str, Any], change: Any) -> Plain:
    """Change the schemas right below one."""
    found = dict(node)
    if "properties" in node:
        found["properties"] = {name: change(part) for name, part in node["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), Mapping):
            found[name] = change(node[name])
    return found


def _with_embedded(node: Mapping[str, Any], dialect: Dialect) -> Plain:
    """Add the fields of an object to embedded ones."""
    found = _below(node, lambda part: _with_embedded(part, dialect))
    if found.get(_EMBEDDED) and not (dialect.is_v2 and found.get(_PRESERVE)):
        found["properties"] = {
            **found.get("properties", {}),
            **_TYPE_META,
            "metadata": _meta("ObjectMeta", dialect),
        }
        required = found.get("required", [])
        found["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
    return found


# ---- operations ------------------------------------------------------------------------------------------------------


def _paths(kind: Strategy, dialect: Dialect, own: Mapping[str, msgspec.Raw]) -> Iterator[tuple[str, Plain]]:
    resource = kind.resource
    root = f"/apis/{resource.group}/{resource.version}"
    everywhere = _path(kind, own[_MODEL_OF_ALL])
    listing = everywhere["parameters"]
    if resource.namespaced:
        yield f"{root}/{resource.plural}", _adapted(everywhere, kind, dialect, listing)
        root += "/namespaces/{namespace}"
    below = ["", "/{name}", *(f"/{{name}}/{name}" for name in sorted(kind.subresources & {"scale", "status"}))]
    for place in below:
        path = _path(kind, own[_MODEL + place])
        yield f"{root}/{resource.plural}{place}", _adapted(path, kind, dialect, listing)


def _path(kind: Strategy, model: msgspec.Raw) -> Plain:
    """Return the operations at one path of Deployments, in the words of another kind."""
    resource = kind.resource
    group = resource.group.removesuffix(".k8s.io")
    identifier = _identifier(group, is_first=False) + _identifier(resource.version, is_first=False)
    words = {
        "io.k8s.api.apps.v1.DeploymentList": _name(resource, resource.list_kind),
        "io.k8s.api.apps.v1.Deployment": _name(resource, resource.kind),
        "apps_v1": f"{_identifier(group, is_first=True)}_{_identifier(resource.version, is_first=True)}",
        "AppsV1Namespaced": identifier + ("Namespaced" if resource.namespaced else ""),
        "CollectionNamespaced": "CollectionNamespaced" if resource.namespaced else "Collection",
        "AppsV1": identifier,
        "Deployment": resource.kind,
    }
    text = re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], bytes(model).decode())
    path: Plain = msgspec.json.decode(text)
    if not resource.namespaced:
        path["parameters"] = [one for one in path["parameters"] if not _is_parameter(one, "namespace")]
    return path


def _identifier(text: str, *, is_first: bool) -> str:
    """
    Return a text as a part of the name of an operation.

    >>> _identifier("my-shop.example.com", is_first=True), _identifier("v1", is_first=False)
    ('myShopExampleCom', 'V1')
    """
    first, *words = re.split(r"[^\w]+", text)
    return (first if is_first else first[:1].upper() + first[1:]) + "".join(
        word[:1].upper() + word[1:] for word in words
    )


def _is_parameter(parameter: Mapping[str, Any], name: str) -> bool:
    return parameter.get("name") == name or parameter.get("$ref", "").startswith(f"#/parameters/{name}-")


def _adapted(path: Plain, kind: Strategy, dialect: Dialect, listing: list[Plain]) -> Plain:
    """Return operations with what custom kinds lack or have more."""
    resource = kind.resource
    for operation in (one for name, one in path.items() if name != "parameters"):
        action = operation["x-kubernetes-action"]
        operation["x-kubernetes-group-version-kind"] = {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        }
        if action == "get":
            operation["parameters"] = [one for one in listing if _is_parameter(one, _RESOURCE_VERSION)]
        elif action == "deletecollection":
            operation["parameters"] = [one for one in listing if not _is_parameter(one, "pretty")]
            operation.pop("requestBody", None)
        elif action == "patch":
            operation["responses"].pop("201", None)
        (_media_of_v2 if dialect.is_v2 else _media_of_v3)(operation)
    return path


def _media_of_v2(operation: Plain) -> None:
    operation["produces"] = list(_MEDIA)
    is_patch = operation["x-kubernetes-action"] == "patch"
    operation["consumes"] = [one for one in operation["consumes"] if one != _STRATEGIC] if is_patch else list(_MEDIA)


def _media_of_v3(operation: Plain) -> None:
    for response in operation["responses"].values():
        if "content" in response:
            response["content"] = {media: response["content"][media] for media in _MEDIA}
    body = operation.get("requestBody")
    if body:
        content = body["content"]
        any_media = content.get("*/*")
        body["content"] = (
            dict.fromkeys(_MEDIA, any_media)
            if any_media
            else {media: schema for media, schema in content.items() if media != _STRATEGIC}
        )


def merged(parts: Iterable[Parts]) -> Parts:
    """Put together what kinds add to a document."""
    paths: Plain = {}
    schemas: Plain = {}
    for one in parts:
        paths |= one.paths
        schemas |= one.schemas
    return Parts(paths, schemas)
