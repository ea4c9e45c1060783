"""
The Kubernetes releases whose API servers the fakes imitate: facts as data, a folder for each.

`extract.py` makes the data from what a server of the release publishes. A release is read when it is first asked for.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Mapping
from importlib import resources
from typing import Any

import msgspec

NAMES = ("1.36", "1.34")
"""The releases there are, the newest first."""

NEWEST = NAMES[0]
_STORED = ".json.gz"


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A column of a Table."""

    name: str
    type: str
    format: str
    priority: int


class SubresourceFacts(msgspec.Struct, frozen=True):
    """A subresource as discovery has it; `group` and `version` are empty where they are those of the kind."""

    kind: str
    group: str
    version: str
    verbs: tuple[str, ...]


class KindFacts(msgspec.Struct, frozen=True):
    """
    A kind at one version, as a server of the release serves it.

    Shape   `type` is the name of its type in `Release.types`. `storage_hash` is discovery's storageVersionHash, which
            two versions of the same objects share; "" for a kind that is not stored. `columns` are those of its Table,
            none if it cannot be listed.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    type: str
    verbs: tuple[str, ...]
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    storage_hash: str
    subresources: Mapping[str, SubresourceFacts]
    columns: tuple[Column, ...]

    @property
    def api_version(self) -> str:
        """The group and version, as in an object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version


class Release(msgspec.Struct, frozen=True):
    """
    What a server of a release knows of its kinds.

    Shape   `kinds` in the order of discovery. `types` has the fields of each type, by name; `extract.py` says what the
            text of a field means. `atomic` names the types that server-side apply takes as one value.
    """

    version: str
    kinds: tuple[KindFacts, ...]
    atomic: frozenset[str]
    types: Mapping[str, Mapping[str, str]]


@functools.cache
def release(name: str) -> Release:
    """
    Return the facts of a release.

    >>> pods = next(kind for kind in release("1.36").kinds if kind.plural == "pods")
    >>> pods.short_names, pods.subresources["eviction"].group
    (('po',), 'policy')

    Errors  ValueError for a release that is not in NAMES.
    """
    if name not in NAMES:
        raise ValueError(f"no API server of release {name!r} is imitated: the releases are {', '.join(NAMES)}")
    return msgspec.json.decode(_folder(name).joinpath("facts.json").read_bytes(), type=Release)


def furniture(name: str) -> list[dict[str, Any]]:
    """Return the objects that a new cluster of a release has from the start, in the order in which to make them."""
    found: list[dict[str, Any]] = msgspec.json.decode(_folder(name).joinpath("furniture.json").read_bytes())
    return found


def openapi_document(name: str, root: str) -> bytes | None:
    """
    Return an OpenAPI document of a release as JSON: of `v2`, or of a root of v3 such as `apis/apps/v1` or `version`.

    None if the release has none of that name.
    """
    stored = stored_openapi(name, root)
    return gzip.decompress(stored) if stored is not None else None


def stored_openapi(name: str, root: str) -> bytes | None:
    """Return what `openapi_document` does, compressed with gzip as it is stored."""
    if "_" in root:
        return None
    file = _folder(name).joinpath("openapi").joinpath(root.replace("/", "_") + _STORED)
    return file.read_bytes() if file.is_file() else None


@functools.cache
def openapi_roots(name: str) -> tuple[str, ...]:
    """Return the roots of which a release has OpenAPI v3 documents."""
    files = (file.name for file in _folder(name).joinpath("openapi").iterdir())
    roots = (file.removesuffix(_STORED).replace("_", "/") for file in files if file.endswith(_STORED))
    return tuple(sorted(root for root in roots if root != "v2"))


def _folder(name: str) -> resources.abc.Traversable:
    return resources.files(__package__).joinpath(name)


def go_type(name: str) -> str:
    """
    Return a type's name in Go, with its package.

    >>> go_type("Container"), go_type("autoscaling.v2.MetricSpec")
    ('v1.Container', 'v2.MetricSpec')
    """
    package, _, bare = name.rpartition(".")
    return f"{package.rpartition('.')[2] or ('v2' if bare in _ONLY_IN_V2 else 'v1')}.{bare}"


_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")
_ONLY_IN_V2 = frozenset(
    (
        *(f"{name}Metric{end}" for name in _METRICS for end in ("Source", "Status")),
        *("HPAScalingPolicy", "HPAScalingRules", "HorizontalPodAutoscalerBehavior", "HorizontalPodAutoscalerCondition"),
        *("MetricIdentifier", "MetricSpec", "MetricStatus", "MetricTarget", "MetricValueStatus"),
    )
)
"""The types of autoscaling/v2 that no v1 has, and whose names are written without a package."""


@functools.cache
def internal_types(name: str) -> Mapping[str, str]:
    """
    Return the types that a server of a release uses inside, the fields of each in their order.

    `internaltypes/main.go` says how a field is written. A release without such types has those of the newest.

    >>> internal_types("1.36")["PodIP"]
    'IP ip s'
    """
    file = _folder(name).joinpath("internal.json")
    if not file.is_file():
        return internal_types(NEWEST)
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])


@functools.cache
def template_types(name: str) -> Mapping[str, str]:
    """
    Return the Go types that a pod template of a release consists of, the fields of each in their order.

    `templatetypes/main.go` says how a field is written. A release without such types has those of the newest.

    >>> template_types("1.36")["v1.PodTemplateSpec"]
    'ObjectMeta metadata v1.ObjectMeta, Spec spec v1.PodSpec'
    """
    file = _folder(name).joinpath("template.json")
    if not file.is_file():
        return template_types(NEWEST)
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
