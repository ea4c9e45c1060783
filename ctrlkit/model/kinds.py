"""The built-in kinds, as dict-like objects; `PODS.of(MyPod)` decodes the fields of a type of yours instead."""

from __future__ import annotations

from ctrlkit.model.resource import Resource, Scope
from ctrlkit.model.unstructured import Unstructured


def _kind(api_version: str, kind: str, plural: str, scope: Scope = Scope.NAMESPACED) -> Resource[Unstructured]:
    group, _, version = api_version.rpartition("/")
    return Resource(type=Unstructured, group=group, version=version, kind=kind, plural=plural, scope=scope)


CONFIG_MAPS = _kind("v1", "ConfigMap", "configmaps")
ENDPOINTS = _kind("v1", "Endpoints", "endpoints")
EVENTS = _kind("v1", "Event", "events")
LIMIT_RANGES = _kind("v1", "LimitRange", "limitranges")
NAMESPACES = _kind("v1", "Namespace", "namespaces", Scope.CLUSTER)
NODES = _kind("v1", "Node", "nodes", Scope.CLUSTER)
PERSISTENT_VOLUME_CLAIMS = _kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
PERSISTENT_VOLUMES = _kind("v1", "PersistentVolume", "persistentvolumes", Scope.CLUSTER)
PODS = _kind("v1", "Pod", "pods")
POD_TEMPLATES = _kind("v1", "PodTemplate", "podtemplates")
REPLICATION_CONTROLLERS = _kind("v1", "ReplicationController", "replicationcontrollers")
RESOURCE_QUOTAS = _kind("v1", "ResourceQuota", "resourcequotas")
SECRETS = _kind("v1", "Secret", "secrets")
SERVICE_ACCOUNTS = _kind("v1", "ServiceAccount", "serviceaccounts")
SERVICES = _kind("v1", "Service", "services")
API_SERVICES = _kind("apiregistration.k8s.io/v1", "APIService", "apiservices", Scope.CLUSTER)
CONTROLLER_REVISIONS = _kind("apps/v1", "ControllerRevision", "controllerrevisions")
DAEMONSETS = _kind("apps/v1", "DaemonSet", "daemonsets")
DEPLOYMENTS = _kind("apps/v1", "Deployment", "deployments")
REPLICASETS = _kind("apps/v1", "ReplicaSet", "replicasets")
STATEFULSETS = _kind("apps/v1", "StatefulSet", "statefulsets")
EVENTS_V1 = _kind("events.k8s.io/v1", "Event", "events")
"""The same Events in their newer form; not in BUILT_IN, which has each kind of object once."""
HORIZONTAL_POD_AUTOSCALERS_V1 = _kind("autoscaling/v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
"""The older form of HORIZONTAL_POD_AUTOSCALERS; not in BUILT_IN."""
HORIZONTAL_POD_AUTOSCALERS = _kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
CRON_JOBS = _kind("batch/v1", "CronJob", "cronjobs")
JOBS = _kind("batch/v1", "Job", "jobs")
CERTIFICATE_SIGNING_REQUESTS = _kind(
    "certificates.k8s.io/v1", "CertificateSigningRequest", "certificatesigningrequests", Scope.CLUSTER
)
INGRESS_CLASSES = _kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", Scope.CLUSTER)
INGRESSES = _kind("networking.k8s.io/v1", "Ingress", "ingresses")
IP_ADDRESSES = _kind("networking.k8s.io/v1", "IPAddress", "ipaddresses", Scope.CLUSTER)
NETWORK_POLICIES = _kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
SERVICE_CIDRS = _kind("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", Scope.CLUSTER)
POD_DISRUPTION_BUDGETS = _kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
CLUSTER_ROLE_BINDINGS = _kind(
    "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", Scope.CLUSTER
)
CLUSTER_ROLES = _kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", Scope.CLUSTER)
ROLE_BINDINGS = _kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
ROLES = _kind("rbac.authorization.k8s.io/v1", "Role", "roles")
CSI_DRIVERS = _kind("storage.k8s.io/v1", "CSIDriver", "csidrivers", Scope.CLUSTER)
CSI_NODES = _kind("storage.k8s.io/v1", "CSINode", "csinodes", Scope.CLUSTER)
CSI_STORAGE_CAPACITIES = _kind("storage.k8s.io/v1", "CSIStorageCapacity", "csistoragecapacities")
STORAGE_CLASSES = _kind("storage.k8s.io/v1", "StorageClass", "storageclasses", Scope.CLUSTER)
VOLUME_ATTACHMENTS = _kind("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", Scope.CLUSTER)
VOLUME_ATTRIBUTES_CLASSES = _kind(
    "storage.k8s.io/v1", "VolumeAttributesClass", "volumeattributesclasses", Scope.CLUSTER
)
MUTATING_ADMISSION_POLICIES = _kind(
    "admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", Scope.CLUSTER
)
MUTATING_ADMISSION_POLICY_BINDINGS = _kind(
    "admissionregistration.k8s.io/v1",
    "MutatingAdmissionPolicyBinding",
    "mutatingadmissionpolicybindings",
    Scope.CLUSTER,
)
MUTATING_WEBHOOK_CONFIGURATIONS = _kind(
    "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", Scope.CLUSTER
)
VALIDATING_ADMISSION_POLICIES = _kind(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", Scope.CLUSTER
)
VALIDATING_ADMISSION_POLICY_BINDINGS = _kind(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    Scope.CLUSTER,
)
VALIDATING_WEBHOOK_CONFIGURATIONS = _kind(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    Scope.CLUSTER,
)
CUSTOM_RESOURCE_DEFINITIONS = _kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Scope.CLUSTER
)
PRIORITY_CLASSES = _kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", Scope.CLUSTER)
LEASES = _kind("coordination.k8s.io/v1", "Lease", "leases")
RUNTIME_CLASSES = _kind("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", Scope.CLUSTER)
ENDPOINT_SLICES = _kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
DEVICE_CLASSES = _kind("resource.k8s.io/v1", "DeviceClass", "deviceclasses", Scope.CLUSTER)
RESOURCE_CLAIMS = _kind("resource.k8s.io/v1", "ResourceClaim", "resourceclaims")
RESOURCE_CLAIM_TEMPLATES = _kind("resource.k8s.io/v1", "ResourceClaimTemplate", "resourceclaimtemplates")
RESOURCE_SLICES = _kind("resource.k8s.io/v1", "ResourceSlice", "resourceslices", Scope.CLUSTER)
FLOW_SCHEMAS = _kind("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "flowschemas", Scope.CLUSTER)
PRIORITY_LEVEL_CONFIGURATIONS = _kind(
    "flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", "prioritylevelconfigurations", Scope.CLUSTER
)

BUILT_IN: tuple[Resource[Unstructured], ...] = (
    CONFIG_MAPS,
    ENDPOINTS,
    EVENTS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    POD_TEMPLATES,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    API_SERVICES,
    CONTROLLER_REVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    REPLICASETS,
    STATEFULSETS,
    HORIZONTAL_POD_AUTOSCALERS,
    CRON_JOBS,
    JOBS,
    CERTIFICATE_SIGNING_REQUESTS,
    INGRESS_CLASSES,
    INGRESSES,
    IP_ADDRESSES,
    NETWORK_POLICIES,
    SERVICE_CIDRS,
    POD_DISRUPTION_BUDGETS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    CSI_DRIVERS,
    CSI_NODES,
    CSI_STORAGE_CAPACITIES,
    STORAGE_CLASSES,
    VOLUME_ATTACHMENTS,
    VOLUME_ATTRIBUTES_CLASSES,
    MUTATING_ADMISSION_POLICIES,
    MUTATING_ADMISSION_POLICY_BINDINGS,
    MUTATING_WEBHOOK_CONFIGURATIONS,
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
    CUSTOM_RESOURCE_DEFINITIONS,
    PRIORITY_CLASSES,
    LEASES,
    RUNTIME_CLASSES,
    ENDPOINT_SLICES,
    DEVICE_CLASSES,
    RESOURCE_CLAIMS,
    RESOURCE_CLAIM_TEMPLATES,
    RESOURCE_SLICES,
    FLOW_SCHEMAS,
    PRIORITY_LEVEL_CONFIGURATIONS,
)
"""Each kind of object that Kubernetes has built in, once, at its newest stable version."""
