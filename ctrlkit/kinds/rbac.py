"""The kinds of rbac.authorization.k8s.io/v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

import msgspec

from ctrlkit.kinds.base import TypedKind
from ctrlkit.kinds.core import LabelSelector
from ctrlkit.model import ObjectMeta, Resource, kinds

__all__ = [
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "ROLES",
    "ROLE_BINDINGS",
    "AggregationRule",
    "ClusterRole",
    "ClusterRoleBinding",
    "PolicyRule",
    "Role",
    "RoleBinding",
    "RoleRef",
    "Subject",
]


class RoleRef(TypedKind, frozen=True, kw_only=True):
    """The fields of a RoleRef."""

    kind: str
    name: str
    api_group: str = ""


class Subject(TypedKind, frozen=True, kw_only=True):
    """The fields of a Subject."""

    kind: str
    name: str
    api_group: str = ""
    namespace: str = ""


class ClusterRoleBinding(TypedKind, frozen=True, kw_only=True):
    """A ClusterRoleBinding with all its fields."""

    metadata: ObjectMeta
    role_ref: RoleRef
    subjects: tuple[Subject, ...] = ()


class AggregationRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a AggregationRule."""

    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class PolicyRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a PolicyRule."""

    verbs: tuple[str, ...]
    api_groups: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")
    resource_names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()


class ClusterRole(TypedKind, frozen=True, kw_only=True):
    """A ClusterRole with all its fields."""

    metadata: ObjectMeta
    aggregation_rule: AggregationRule | None = None
    rules: tuple[PolicyRule, ...] | None = None


class RoleBinding(TypedKind, frozen=True, kw_only=True):
    """A RoleBinding with all its fields."""

    metadata: ObjectMeta
    role_ref: RoleRef
    subjects: tuple[Subject, ...] = ()


class Role(TypedKind, frozen=True, kw_only=True):
    """A Role with all its fields."""

    metadata: ObjectMeta
    rules: tuple[PolicyRule, ...] | None = None


CLUSTER_ROLES: Resource[ClusterRole] = kinds.CLUSTER_ROLES.of(ClusterRole)
CLUSTER_ROLE_BINDINGS: Resource[ClusterRoleBinding] = kinds.CLUSTER_ROLE_BINDINGS.of(ClusterRoleBinding)
ROLES: Resource[Role] = kinds.ROLES.of(Role)
ROLE_BINDINGS: Resource[RoleBinding] = kinds.ROLE_BINDINGS.of(RoleBinding)
