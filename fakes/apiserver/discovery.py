"""Discovery documents, built from the registry on each request: the facts of the release, and custom kinds."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from ctrlkit.fakes.releases import SubresourceFacts
from ctrlkit.fakes.tracker import Registry, Strategy
from ctrlkit.fakes.tracker.kinds.definitions.forms import version_rank

_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_CUSTOM_SUBRESOURCE_VERBS = ("get", "patch", "update")
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def version_document(release: str) -> dict[str, str]:
    """Return the document of /version, for a release such as "1.36"."""
    major, minor = release.split(".")
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"v{major}.{minor}.0+ctrlkit",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def core_versions(address: str) -> dict[str, Any]:
    """Return the document of /api; `address` is the server's `host:port`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(registry: Registry) -> dict[str, Any]:
    """Return the document of /apis."""
    groups = [_group(group, kinds) for group, kinds in _by_group(registry) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_document(registry: Registry, group: str) -> dict[str, Any] | None:
    """Return the document of /apis/GROUP; None if the group is not served."""
    kinds = [kind for kind in registry.served() if kind.resource.group == group]
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, kinds)} if kinds else None


def resource_list(registry: Registry, group: str, version: str) -> dict[str, Any] | None:
    """Return the document of /api/v1 or /apis/GROUP/VERSION; None if the version is not served."""
    served = registry.served()
    kinds = [kind for kind in served if (kind.resource.group, kind.resource.version) == (group, version)]
    if not kinds:
        return None
    resources = [entry for kind in _by_plural(kinds) for entry in _resource_entries(kind)]
    head = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}  # as the real server: not for core
    return {**head, "groupVersion": kinds[0].resource.api_version, "resources": resources}


def aggregated(registry: Registry, *, core: bool) -> dict[str, Any]:
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
        for group, kinds in _by_group(registry)
        if core is (group == "")
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _by_group(registry: Registry) -> Iterator[tuple[str, list[Strategy]]]:
    """Yield the groups: those of the release in its order, then the others by name."""
    groups: dict[str, list[Strategy]] = {}
    for kind in registry.served():
        groups.setdefault(kind.resource.group, []).append(kind)
    own = [group for group, kinds in groups.items() if any(kind.facts for kind in kinds)]
    for group in (*own, *sorted(groups.keys() - set(own))):
        yield group, groups[group]


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
    return list(kind.facts.verbs if kind.facts else _CUSTOM_VERBS)


def subresources_of(kind: Strategy) -> Mapping[str, SubresourceFacts]:
    """Return the subresources of a kind, in the order of discovery."""
    if kind.facts:
        return kind.facts.subresources
    names = sorted(kind.subresources, reverse=True)  # custom resources name their status first
    return {name: _custom_subresource(kind, name) for name in names}


def _custom_subresource(kind: Strategy, name: str) -> SubresourceFacts:
    if name == "scale":
        return SubresourceFacts(**_SCALE, verbs=_CUSTOM_SUBRESOURCE_VERBS)
    return SubresourceFacts(kind=kind.resource.kind, group="", version="", verbs=_CUSTOM_SUBRESOURCE_VERBS)


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
        **({"storageVersionHash": storage_hash(kind)} if storage_hash(kind) else {}),
    }
    for name, subresource in subresources_of(kind).items():
        answers = {"group": subresource.group, "version": subresource.version}
        yield {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **(answers if subresource.version else {}),
            "kind": subresource.kind,
            "verbs": list(subresource.verbs),
        }


def storage_hash(kind: Strategy) -> str:
    """Return the word for the version in which a kind is stored; "" for one that is not stored."""
    if kind.facts:
        return kind.facts.storage_hash
    version = kind.forms.stored_as if kind.forms is not None else kind.resource.version
    stored = f"{kind.resource.group}/{version}/{kind.resource.kind}"
    return base64.b64encode(hashlib.sha256(stored.encode()).digest()[:8]).decode()


def _aggregated_entry(kind: Strategy) -> dict[str, Any]:
    resource = kind.resource
    own_kind = {
        "group": resource.group if kind.custom else "",
        "version": resource.version if kind.custom else "",
        "kind": resource.kind,
    }
    subresources = [
        {
            "subresource": name,
            "responseKind": (
                {"group": facts.group, "version": facts.version, "kind": facts.kind}
                if facts.version
                else own_kind | {"kind": facts.kind}
            ),
            "verbs": list(facts.verbs),
        }
        for name, facts in subresources_of(kind).items()
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
