"""Resource: a kind of the API and the Python type that its objects decode to."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, Generic, TypeVar, cast

from ctrlkit.model.definition import Definition
from ctrlkit.model.meta import ObjectMeta, OwnerReference, PartialObjectMetadata
from ctrlkit.model.unstructured import Unstructured

T = TypeVar("T")
U = TypeVar("U")

_GROUPS_OF_KUBERNETES: Final = frozenset(
    {
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io"),
        *("authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"),
        *("flowcontrol.apiserver.k8s.io", "imagepolicy.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io"),
        *("node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"),
        *("storagemigration.k8s.io", "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"),
    }
)
"""Groups with a dot that an API server has itself, or that servers beside it bring; the others are of definitions."""


class Scope(Enum):
    """The scope of a kind: namespaced or cluster-wide."""

    NAMESPACED = "Namespaced"
    CLUSTER = "Cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Generic[T]):
    """
    A kind of the API, and the Python type that its objects decode to.

    >>> from ctrlkit.model.kinds import STATEFULSETS
    >>> STATEFULSETS.api_version, str(STATEFULSETS)
    ('apps/v1', 'statefulsets.apps')

    Shape   `type` is Unstructured, or any type msgspec decodes (Struct, dataclass, attrs class, TypedDict), or a
            pydantic model, with the fields its user needs; other fields are skipped and cost nothing. `list_kind` is
            what lists of the kind call themselves: the kind and `List`, unless a definition says otherwise. Two
            resources are equal when all of this is equal. `definition` is for custom kinds whose definition is made of
            their type (ctrlkit.crd); it does not count for equality.
    Errors  ValueError where version, kind or plural is empty.
    """

    type: type[T]
    group: str = ""
    version: str = "v1"
    kind: str
    plural: str
    scope: Scope = Scope.NAMESPACED
    list_kind: str = ""
    definition: Definition = field(default=Definition(), compare=False, repr=False)
    api_version: str = field(init=False, repr=False, compare=False)
    """`group/version`, or `version` alone for the core group."""
    identity: tuple[str, str] = field(init=False, repr=False, compare=False)
    """Group and plural, which are the same for all versions and Python types."""
    namespaced: bool = field(init=False, repr=False, compare=False)
    """Whether the kind is namespaced."""
    _others: dict[builtins.type[Any], Resource[Any]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """The same kind for other Python types, as asked for."""

    def __post_init__(self) -> None:
        missing = [word for word in ("version", "kind", "plural") if not getattr(self, word)]
        if missing:
            raise ValueError(
                f"resource {self.kind or self.plural or '?'}: it has no {' and no '.join(missing)}; "
                "write them as the kind's definition does"
            )
        if not self.list_kind:
            object.__setattr__(self, "list_kind", f"{self.kind}List")
        object.__setattr__(self, "api_version", f"{self.group}/{self.version}" if self.group else self.version)
        object.__setattr__(self, "identity", (self.group, self.plural))
        object.__setattr__(self, "namespaced", self.scope is Scope.NAMESPACED)

    def __hash__(self) -> int:
        return hash((self.group, self.plural))  # the same for each Python type

    def of(self, python_type: builtins.type[U]) -> Resource[U]:
        """
        Return the same kind, decoded to another Python type.

        Errors  TypeError for a class that no JSON is decoded to.
        """
        known = self._others.get(python_type)
        if known is not None:
            return cast(Resource[U], known)
        if not _is_decodable(python_type):
            raise TypeError(
                f"decode {self} to {python_type.__name__}: it declares no fields that JSON could be read into; make it "
                "a msgspec Struct, a dataclass, an attrs class, a TypedDict or a pydantic model"
            )
        made = cast(Resource[U], replace(cast(Resource[Any], self), type=python_type))
        self._others[python_type] = made
        return made

    def metadata_only(self) -> Resource[PartialObjectMetadata]:
        """The same kind with metadata only, as PartialObjectMetadata; it can be read, patched and deleted."""
        return self.of(PartialObjectMetadata)

    @property
    def is_custom(self) -> bool:
        """
        Whether kinds of the group come from CustomResourceDefinitions, and not with Kubernetes.

        >>> custom_resource(group="gateway.networking.k8s.io", kind="Gateway", plural="gateways").is_custom
        True
        """
        return "." in self.group and self.group not in _GROUPS_OF_KUBERNETES

    @property
    def is_metadata_only(self) -> bool:
        """Whether only metadata is asked for."""
        return self.type is PartialObjectMetadata

    def owner_reference(self, owner: ObjectMeta) -> OwnerReference:
        """Make the controller reference to `owner`, an object of this kind, for a child's `ownerReferences`."""
        return OwnerReference(
            api_version=self.api_version,
            kind=self.kind,
            name=owner.name,
            uid=owner.uid,
            controller=True,
            block_owner_deletion=True,
        )

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _is_decodable(python_type: object) -> bool:
    """Whether JSON objects are decoded to a type; of what is no class, the decoder says so itself."""
    if not isinstance(python_type, type) or python_type is object:
        return True
    declares = ("__struct_fields__", "__dataclass_fields__", "__attrs_attrs__", "__pydantic_validator__")
    return issubclass(python_type, dict) or any(hasattr(python_type, name) for name in declares)


def custom_resource(
    *,
    group: str,
    version: str = "v1",
    kind: str,
    plural: str,
    scope: Scope = Scope.NAMESPACED,
    list_kind: str = "",
    definition: Definition | None = None,
) -> Resource[Unstructured]:
    """
    Make the Resource of a custom kind; its objects are dict-like, unless `.of(Type)` gives it a Python type.

    >>> networks = custom_resource(group="example.com", kind="Network", plural="networks")
    >>> networks.api_version, str(networks)
    ('example.com/v1', 'networks.example.com')

    `definition` says what the kind's CustomResourceDefinition has beside names and schema: columns, short names, scale.
    """
    return Resource(
        type=Unstructured,
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        scope=scope,
        list_kind=list_kind,
        definition=definition or Definition(),
    )


AnyResource = Resource[Any]
"""A kind, whatever the Python type of its objects."""
