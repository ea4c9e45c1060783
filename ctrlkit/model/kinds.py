"""The built-in kinds in use, as dict-like objects; `PODS.of(MyPod)` decodes the fields of a type of yours instead."""

from __future__ import annotations

from ctrlkit.model.resource import Resource, Scope
from ctrlkit.model.unstructured import Unstructured


def _kind(api_version: str, kind: str, plural: str, scope: Scope = Scope.NAMESPACED) -> Resource[Unstructured]:
    group, _, version = api_version.rpartition("/")
    return Resource(type=Unstructured, group=group, version=version, kind=kind, plural=plural, scope=scope)


NAMESPACES = _kind("v1", "Namespace", "namespaces", Scope.CLUSTER)
NODES = _kind("v1", "Node", "nodes", Scope.CLUSTER)
PODS = _kind("v1", "Pod", "pods")
SERVICES = _kind("v1", "Service", "services")
SECRETS = _kind("v1", "Secret", "secrets")
CONFIG_MAPS = _kind("v1", "ConfigMap", "configmaps")
EVENTS = _kind("v1", "Event", "events")
EVENTS_V1 = _kind("events.k8s.io/v1", "Event", "events")
"""The same Events in their newer form; not in BUILT_IN, which has each kind of object once."""
SERVICE_ACCOUNTS = _kind("v1", "ServiceAccount", "serviceaccounts")
PERSISTENT_VOLUME_CLAIMS = _kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
STATEFULSETS = _kind("apps/v1", "StatefulSet", "statefulsets")
DEPLOYMENTS = _kind("apps/v1", "Deployment", "deployments")
CONTROLLER_REVISIONS = _kind("apps/v1", "ControllerRevision", "controllerrevisions")
LEASES = _kind("coordination.k8s.io/v1", "Lease", "leases")
ROLES = _kind("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDINGS = _kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
CLUSTER_ROLES = _kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", Scope.CLUSTER)
CLUSTER_ROLE_BINDINGS = _kind(
    "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", Scope.CLUSTER
)
CUSTOM_RESOURCE_DEFINITIONS = _kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Scope.CLUSTER
)

BUILT_IN: tuple[Resource[Unstructured], ...] = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    SECRETS,
    CONFIG_MAPS,
    EVENTS,
    SERVICE_ACCOUNTS,
    PERSISTENT_VOLUME_CLAIMS,
    STATEFULSETS,
    DEPLOYMENTS,
    CONTROLLER_REVISIONS,
    LEASES,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    CUSTOM_RESOURCE_DEFINITIONS,
)
