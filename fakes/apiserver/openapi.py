"""
OpenAPI v3, as far as kubectl needs it: which paths there are, and that the server itself validates fields.

kubectl looks a kind's PATCH up in these documents. Where that takes `fieldValidation`, it leaves validation to the
server and needs no schemas; so there are none here.

In       The registry's served kinds.
Out      The index, and a document for each group and version, as plain dicts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctrlkit.fakes.apiserver.discovery import SERVER_VERSION
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.model import PatchType

_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_NAMESPACE = {**_NAME, "name": "namespace"}
_QUERY = ("dryRun", "fieldManager", "fieldValidation", "force")


def index(served: Iterable[Strategy]) -> dict[str, Any]:
    """What /openapi/v3 answers: where each document is."""
    roots = sorted({_root(kind) for kind in served})
    return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}


def document(served: Iterable[Strategy], root: str) -> dict[str, Any] | None:
    """What /openapi/v3/ROOT answers, such as for `apis/apps/v1`; None where nothing is served there."""
    kinds = [kind for kind in served if _root(kind) == root]
    if not kinds:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": SERVER_VERSION},
        "paths": {_path(kind): {"patch": _patch(kind)} for kind in kinds},
        "components": {"schemas": {}},
    }


def _root(kind: Strategy) -> str:
    resource = kind.resource
    return f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"


def _path(kind: Strategy) -> str:
    scope = "namespaces/{namespace}/" if kind.resource.namespaced else ""
    return f"/{_root(kind)}/{scope}{kind.resource.plural}/{{name}}"


def _patch_types(kind: Strategy) -> list[str]:
    """The types of patch that a kind takes; only built-in ones know how their lists merge."""
    return [one.value for one in PatchType if not (kind.custom and one is PatchType.STRATEGIC)]


def _patch(kind: Strategy) -> dict[str, Any]:
    resource = kind.resource
    places = [_NAME, _NAMESPACE] if resource.namespaced else [_NAME]
    return {
        "operationId": f"patch{resource.kind}",
        "parameters": [*places, *({"name": name, "in": "query", "schema": {"type": "string"}} for name in _QUERY)],
        "requestBody": {
            "content": {name: {"schema": {"type": "object"}} for name in _patch_types(kind)},
            "required": True,
        },
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }
