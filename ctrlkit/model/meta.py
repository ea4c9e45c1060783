"""
Keys of objects, the order of their versions, their metadata and their owners, frozen, as far as controllers use them.

Metadata is text all the way down, so no cycle goes through it, and the garbage collector need not know of it (`gc`): it
would have to look at each cached object again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ctrlkit.model.pydantic_models import as_model_field
from ctrlkit.model.read_only import show_read_only


class ObjectKey(NamedTuple):
    """
    The namespace and the name of an object: `namespace/name` as text, `name` alone for a cluster-scoped kind.

    >>> ObjectKey.parse("demo/net"), str(ObjectKey("", "demo"))
    (ObjectKey(namespace='demo', name='net'), 'demo')
    >>> ObjectKey.parse("a/b/c")
    Traceback (most recent call last):
      ...
    ValueError: object key 'a/b/c': want 'name' or 'namespace/name'
    """

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ObjectKey:
        """Read `namespace/name` or `name`; ValueError for anything else."""
        try:
            namespace, slash, name = text.rpartition("/")
        except AttributeError:
            raise ValueError(f"object key {text!r}: want an ObjectKey or its text") from None
        if not name or "/" in namespace or (slash and not namespace):
            raise ValueError(f"object key {text!r}: want 'name' or 'namespace/name'")
        return cls(namespace, name)

    @classmethod
    def of(cls, key: ObjectKey | str) -> ObjectKey:
        """Return a key, read from text where it is text."""
        return key if isinstance(key, ObjectKey) else cls.parse(key)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def is_newer(version: str, than: str) -> bool:
    """
    Whether one resourceVersion comes after another of the same resource.

    >>> is_newer("10", "9"), is_newer("9", "9"), is_newer("1", "")
    (True, False, True)

    Versions are decimal numbers of any length (KEP-5504); an empty one is older than all. Two that are not numbers are
    never newer than each other, so a caller falls back on equality.
    """
    if len(version) == len(than) and version <= than:
        return False  # whatever they are; nearly all questions end here
    if not than:
        return bool(version)
    if not (version.isdigit() and than.isdigit()):
        return False
    return (len(version), version) > (len(than), than)


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

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let it stand as a field in a pydantic model."""
        return as_model_field(cls)


class ObjectMeta(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True, gc=False):
    """
    `metav1.ObjectMeta`, without what only servers read. Times are RFC 3339 text, empty where unset.

    >>> meta = ObjectMeta(name="net", namespace="demo", deletion_timestamp="2026-01-01T00:00:00Z")
    >>> str(meta.key), meta.deleting
    ('demo/net', True)

    Shape   Labels, annotations, owner references and finalizers are None in an object that has none:
            `(meta.labels or {}).get("app")`. Labels and annotations are read-only views: a change raises TypeError.
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
        """The namespace and the name."""
        return ObjectKey(self.namespace, self.name)

    @property
    def deleting(self) -> bool:
        """Whether the object has a deletionTimestamp: it waits for finalizers or its grace period."""
        return bool(self.deletion_timestamp)

    @property
    def controller(self) -> OwnerReference | None:
        """The owner reference with `controller: true`, if any."""
        for owner in self.owner_references or ():
            if owner.controller:
                return owner
        return None

    def is_controlled_by(self, owner: ObjectMeta) -> bool:
        """Whether `owner`, by its uid, is the controller of this object."""
        controller = self.controller
        return controller is not None and controller.uid == owner.uid

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let it stand as a field in a pydantic model."""
        return as_model_field(cls)


class PartialObjectMetadata(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An object of which only the metadata is fetched; see Resource.metadata_only."""

    metadata: ObjectMeta


read_labels: Callable[[ObjectMeta], Mapping[str, str] | None] = ObjectMeta.__dict__["labels"].__get__
"""The labels without the read-only view, for code that reads those of many objects and changes none."""

show_read_only(ObjectMeta, "labels", "annotations")


def meta_of(body: Mapping[str, Any]) -> ObjectMeta:
    """
    Return the typed metadata of a plain object.

    >>> meta_of({"metadata": {"name": "net", "namespace": "demo"}}).key
    ObjectKey(namespace='demo', name='net')

    Errors  msgspec.ValidationError where a field has another type than Kubernetes gives it.
    """
    return msgspec.convert(body.get("metadata") or {}, ObjectMeta)
