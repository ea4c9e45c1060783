"""
Object metadata and owner references, frozen, as far as controllers use them.

They are text all the way down, so no cycle goes through them, and the garbage collector need not know of them (`gc`):
it would have to look at each cached object again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from ctrlkit.model.keys import ObjectKey


class OwnerReference(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True, gc=False):
    """A child's link to the object it exists for."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


class ObjectMeta(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True, gc=False):
    """
    `metav1.ObjectMeta`, without what only servers read. Times are RFC 3339 text, empty where unset.

    >>> meta = ObjectMeta(name="net", namespace="demo", deletion_timestamp="2026-01-01T00:00:00Z")
    >>> str(meta.key), meta.deleting
    ('demo/net', True)

    Labels and annotations are read-only views: a change raises TypeError where it is tried.
    """

    name: str = ""
    namespace: str = ""
    generate_name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = ""
    deletion_timestamp: str | None = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    finalizers: tuple[str, ...] | None = None

    @property
    def key(self) -> ObjectKey:
        """Where the object lives within its kind."""
        return ObjectKey(self.namespace, self.name)

    @property
    def deleting(self) -> bool:
        """Whether deletion was asked for and waits for finalizers or the grace period."""
        return bool(self.deletion_timestamp)

    @property
    def controller(self) -> OwnerReference | None:
        """The one owner that manages this object, if any."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)

    def is_controlled_by(self, owner: ObjectMeta) -> bool:
        """Whether `owner`, this very object and no namesake, manages this object."""
        controller = self.controller
        return controller is not None and controller.uid == owner.uid


class PartialObjectMetadata(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An object of which only the metadata is asked for; see Resource.metadata_only."""

    metadata: ObjectMeta


def _show_read_only(*fields: str) -> None:
    """
    Have reads of a mapping field give a read-only view of it.

    The decoder fills a Struct's slots in C and does not look at the class, so decoding costs what it did; a view costs
    0.1 us when somebody asks for it. Freezing the mapping while it is decoded would cost every object more than that.
    """
    for field in fields:
        slot = ObjectMeta.__dict__[field]

        def view(meta: ObjectMeta, read: Any = slot.__get__) -> Mapping[str, str] | None:
            value = read(meta)
            return None if value is None else MappingProxyType(value)

        setattr(ObjectMeta, field, property(view))


read_labels: Callable[[ObjectMeta], Mapping[str, str] | None] = ObjectMeta.__dict__["labels"].__get__
"""The labels themselves, for who looks at those of many objects and changes none."""

_show_read_only("labels", "annotations")


def meta_of(body: Mapping[str, Any]) -> ObjectMeta:
    """
    The typed metadata of a plain object.

    >>> meta_of({"metadata": {"name": "net", "namespace": "demo"}}).key
    ObjectKey(namespace='demo', name='net')

    Errors  msgspec.ValidationError where a field has another type than Kubernetes gives it.
    """
    return msgspec.convert(body.get("metadata") or {}, ObjectMeta)
