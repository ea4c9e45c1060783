"""Which kinds the server knows: the built-in ones, and those that custom resource definitions add and take away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.model import AnyResource, Resource, Unstructured, kinds

Identity = tuple[str, str]
"""Group and plural, as `Resource.identity`."""


class ScalePaths(NamedTuple):
    """Where a kind keeps what the scale subresource shows, as dotted paths without a leading dot; "" is not kept."""

    spec_replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """
    One kind at one of its versions, as the server serves it.

    Shape   `columns` are a definition's additionalPrinterColumns, None where the kind is built in or names none.
            `schema` is a definition's schema. `generation` says whether its objects count their spec's
            changes, `blind_updates` whether an update may leave out the resourceVersion.
    """

    resource: Resource[Unstructured]
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    columns: tuple[Mapping[str, Any], ...] | None = None
    scale: ScalePaths | None = None
    custom: bool = False
    generation: bool = False
    blind_updates: bool = True
    selectable_fields: tuple[str, ...] = ()
    schema: CustomSchema | None = None
    head: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        resource = self.resource
        object.__setattr__(self, "head", f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'.encode())

    @property
    def has_status(self) -> bool:
        """Whether the status is written through its own subresource only."""
        return "status" in self.subresources


class Registry:
    """All kinds now served, found by group, version and plural."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Served] = {}
        self._by_kind: dict[tuple[str, str], Served] = {}
        for resource in (*kinds.BUILT_IN, kinds.EVENTS_V1):
            self.register(_built_in(resource))

    def find(self, group: str, version: str, plural: str) -> Served | None:
        """The kind at a path of the API, None where it is not served."""
        return self._by_path.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> Served | None:
        """The kind that objects of this apiVersion and kind belong to."""
        return self._by_kind.get((api_version, kind))

    def served(self) -> tuple[Served, ...]:
        """Every kind at every version, in order of registration."""
        return tuple(self._by_path.values())

    def register(self, served: Served) -> None:
        """Serve a kind, or serve it anew with other properties."""
        resource = served.resource
        self._by_path[resource.group, resource.version, resource.plural] = served
        named = self._by_kind.get((resource.api_version, resource.kind))
        if named is None or named.resource.plural == resource.plural:
            self._by_kind[resource.api_version, resource.kind] = served

    def register_custom(self, resource: AnyResource) -> None:
        """Serve a custom kind without its definition: no schema, and a status subresource."""
        self.register(
            Served(
                resource=resource.of(Unstructured),
                singular=resource.kind.lower(),
                subresources=frozenset({"status"}),
                custom=True,
                generation=True,
                blind_updates=False,
            )
        )

    def unregister(self, resource: AnyResource) -> None:
        """Serve a kind no longer, at the version given."""
        self._by_path.pop((resource.group, resource.version, resource.plural), None)
        named = self._by_kind.get((resource.api_version, resource.kind))
        if named is not None and named.resource.plural == resource.plural:
            del self._by_kind[resource.api_version, resource.kind]


_SHORT_NAMES = {
    "configmaps": ("cm",),
    "events": ("ev",),
    "namespaces": ("ns",),
    "nodes": ("no",),
    "persistentvolumeclaims": ("pvc",),
    "pods": ("po",),
    "serviceaccounts": ("sa",),
    "services": ("svc",),
    "deployments": ("deploy",),
    "statefulsets": ("sts",),
    "customresourcedefinitions": ("crd", "crds"),
}
_CATEGORIES = {
    "pods": ("all",),
    "services": ("all",),
    "deployments": ("all",),
    "statefulsets": ("all",),
    "customresourcedefinitions": ("api-extensions",),
}
_SUBRESOURCES = {
    "namespaces": frozenset({"status", "finalize"}),
    "nodes": frozenset({"status"}),
    "pods": frozenset({"status"}),
    "services": frozenset({"status"}),
    "persistentvolumeclaims": frozenset({"status"}),
    "deployments": frozenset({"status", "scale"}),
    "statefulsets": frozenset({"status", "scale"}),
    "customresourcedefinitions": frozenset({"status"}),
}
_COUNTING = frozenset({"pods", "deployments", "statefulsets", "customresourcedefinitions"})
_NEVER_BLIND = frozenset({"leases", "serviceaccounts", "customresourcedefinitions"})
_WORKLOAD_SCALE = ScalePaths("spec.replicas", "status.replicas", "spec.selector")
_SELECTABLE = {
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}


def _built_in(resource: Resource[Unstructured]) -> Served:
    plural = resource.plural
    subresources = _SUBRESOURCES.get(plural, frozenset())
    return Served(
        resource=resource,
        singular=resource.kind.lower(),
        short_names=_SHORT_NAMES.get(plural, ()),
        categories=_CATEGORIES.get(plural, ()),
        subresources=subresources,
        scale=_WORKLOAD_SCALE if "scale" in subresources else None,
        generation=plural in _COUNTING,
        blind_updates=plural not in _NEVER_BLIND,
        selectable_fields=_SELECTABLE.get(plural, ()),
    )
