"""
Discovery and OpenAPI documents, built from the registry on each request.

kubectl looks up a kind's PATCH operation in the OpenAPI documents. Where that takes `fieldValidation`, kubectl leaves
validation to the server and needs no schemas, so these documents have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from ctrlkit.fakes.tracker import Strategy
from ctrlkit.model import PatchType
from ctrlkit.model.kinds import BUILT_IN, EVENTS_V1

SERVER_VERSION = "v1.36.0"
"""The Kubernetes release whose answers this server gives."""

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
_SUBRESOURCE_VERBS = {"finalize": ["update"], "status": ["get", "patch", "update"], "scale": ["get", "patch", "update"]}
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_GROUPS = dict.fromkeys(resource.group for resource in (*BUILT_IN, EVENTS_V1))
_GROUP_ORDER = {group: place for place, group in enumerate(_GROUPS)}


def version_document() -> dict[str, str]:
    """Return the document of /version."""
    major, minor, _ = SERVER_VERSION.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{SERVER_VERSION}+ctrlkit",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }


def core_versions(address: str) -> dict[str, Any]:
    """Return the document of /api; `address` is the server's `host:port`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(served: Iterable[Strategy]) -> dict[str, Any]:
    """Return the document of /apis."""
    groups = [_group(group, kinds) for group, kinds in _by_group(served) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_document(served: Iterable[Strategy], group: str) -> dict[str, Any] | None:
    """Return the document of /apis/GROUP; None if the group is not served."""
    kinds = [kind for kind in served if kind.resource.group == group]
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, kinds)} if kinds else None


def resource_list(served: Iterable[Strategy], group: str, version: str) -> dict[str, Any] | None:
    """Return the document of /api/v1 or /apis/GROUP/VERSION; None if the version is not served."""
    kinds = [kind for kind in served if (kind.resource.group, kind.resource.version) == (group, version)]
    if not kinds:
        return None
    resources = [entry for kind in _by_plural(kinds) for entry in _resource_entries(kind)]
    head = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}  # as the real server: not for core
    return {**head, "groupVersion": kinds[0].resource.api_version, "resources": resources}


def aggregated(served: Iterable[Strategy], *, core: bool) -> dict[str, Any]:
    """Return the aggregated discovery document of /api (`core`) or /apis."""
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [
                {
                    "version": version,
                    "resources": [_aggregated_entry(kind) for kind in _by_plural(of_version)],
                    "freshness": "Current",
                }
                for version, of_version in _by_version(kinds)
            ],
        }
        for group, kinds in _by_group(served)
        if core is (group == "")
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def version_rank(version: str) -> tuple[int, int, int, str]:
    """
    Return a sort key for API versions: stable before beta before alpha, then the higher number.

    >>> sorted(["v1alpha1", "v1", "v2beta1", "v2", "mine"], key=version_rank)
    ['v2', 'v1', 'v2beta1', 'v1alpha1', 'mine']
    """
    found = re.fullmatch(r"v(?P<major>\d+)((?P<stage>alpha|beta)(?P<minor>\d+))?", version)
    if not found:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found["stage"]]
    return (stage, -int(found["major"]), -int(found["minor"] or 0), version)


def _by_group(served: Iterable[Strategy]) -> Iterator[tuple[str, list[Strategy]]]:
    ordered = sorted(served, key=lambda kind: (_GROUP_ORDER.get(kind.resource.group, 99), kind.resource.group))
    for group, kinds in groupby(ordered, key=lambda kind: kind.resource.group):
        yield group, list(kinds)


def _by_version(kinds: Iterable[Strategy]) -> Iterator[tuple[str, list[Strategy]]]:
    ordered = sorted(kinds, key=lambda kind: version_rank(kind.resource.version))
    for version, of_version in groupby(ordered, key=lambda kind: kind.resource.version):
        yield version, list(of_version)


def _by_plural(kinds: Iterable[Strategy]) -> list[Strategy]:
    return sorted(kinds, key=lambda kind: kind.resource.plural)


def _group(group: str, kinds: Iterable[Strategy]) -> dict[str, Any]:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version, _ in _by_version(kinds)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def verbs_of(kind: Strategy) -> list[str]:
    """Return the verbs of a kind without its subresources."""
    if kind.custom:
        return _CUSTOM_VERBS
    return [verb for verb in _VERBS if kind.deletes_collections or verb != "deletecollection"]


def _subresources(kind: Strategy) -> list[str]:
    return sorted(kind.subresources, reverse=kind.custom)  # custom resources name their status first


def _names(kind: Strategy) -> dict[str, Any]:
    given = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    return {name: values for name, values in given.items() if values}


def _resource_entries(kind: Strategy) -> Iterator[dict[str, Any]]:
    resource = kind.resource
    yield {
        "name": resource.plural,
        "singularName": kind.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs_of(kind),
        **_names(kind),
    }
    for subresource in _subresources(kind):
        yield {
            "name": f"{resource.plural}/{subresource}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **(_SCALE if subresource == "scale" else {"kind": resource.kind}),
            "verbs": _SUBRESOURCE_VERBS[subresource],
        }


def _aggregated_entry(kind: Strategy) -> dict[str, Any]:
    resource = kind.resource
    own_kind = {
        "group": resource.group if kind.custom else "",
        "version": resource.version if kind.custom else "",
        "kind": resource.kind,
    }
    subresources = [
        {
            "subresource": subresource,
            "responseKind": _SCALE if subresource == "scale" else own_kind,
            "verbs": _SUBRESOURCE_VERBS[subresource],
        }
        for subresource in _subresources(kind)
    ]
    return {
        "resource": resource.plural,
        "responseKind": own_kind,
        "scope": resource.scope.value,
        "singularResource": kind.singular,
        "verbs": verbs_of(kind),
        **_names(kind),
        **({"subresources": subresources} if subresources else {}),
    }


_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_NAMESPACE = {**_NAME, "name": "namespace"}
_QUERY = ("dryRun", "fieldManager", "fieldValidation", "force")


def openapi_index(served: Iterable[Strategy]) -> dict[str, Any]:
    """Return the document of /openapi/v3: the path of each group version's document."""
    roots = sorted({_root(kind) for kind in served})
    return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}


def openapi_document(served: Iterable[Strategy], root: str) -> dict[str, Any] | None:
    """Return the document of /openapi/v3/ROOT, such as `apis/apps/v1`; None if nothing is served there."""
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
    """Return the patch types of a kind; strategic merge patches are for built-in kinds only."""
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
