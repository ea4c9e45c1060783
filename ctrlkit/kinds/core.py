"""The kinds of v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ctrlkit.kinds.base import TypedKind, show_read_only
from ctrlkit.model import Condition, ObjectMeta, Resource, kinds

__all__ = [
    "CONFIG_MAPS",
    "ENDPOINTS",
    "EVENTS",
    "LIMIT_RANGES",
    "NAMESPACES",
    "NODES",
    "PERSISTENT_VOLUMES",
    "PERSISTENT_VOLUME_CLAIMS",
    "PODS",
    "POD_TEMPLATES",
    "REPLICATION_CONTROLLERS",
    "RESOURCE_QUOTAS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "AWSElasticBlockStoreVolumeSource",
    "Affinity",
    "AppArmorProfile",
    "AttachedVolume",
    "AzureDiskVolumeSource",
    "AzureFilePersistentVolumeSource",
    "AzureFileVolumeSource",
    "Binding",
    "CSIPersistentVolumeSource",
    "CSIVolumeSource",
    "Capabilities",
    "CephFSPersistentVolumeSource",
    "CephFSVolumeSource",
    "CinderPersistentVolumeSource",
    "CinderVolumeSource",
    "ClientIPConfig",
    "ClusterTrustBundleProjection",
    "ComponentCondition",
    "ComponentStatus",
    "ConfigMap",
    "ConfigMapEnvSource",
    "ConfigMapKeySelector",
    "ConfigMapNodeConfigSource",
    "ConfigMapProjection",
    "ConfigMapVolumeSource",
    "Container",
    "ContainerExtendedResourceRequest",
    "ContainerImage",
    "ContainerPort",
    "ContainerResizePolicy",
    "ContainerRestartRule",
    "ContainerRestartRuleOnExitCodes",
    "ContainerState",
    "ContainerStateRunning",
    "ContainerStateTerminated",
    "ContainerStateWaiting",
    "ContainerStatus",
    "ContainerUser",
    "DaemonEndpoint",
    "DownwardAPIProjection",
    "DownwardAPIVolumeFile",
    "DownwardAPIVolumeSource",
    "EmptyDirVolumeSource",
    "EndpointAddress",
    "EndpointPort",
    "EndpointSubset",
    "Endpoints",
    "EnvFromSource",
    "EnvVar",
    "EnvVarSource",
    "EphemeralContainer",
    "EphemeralVolumeSource",
    "Event",
    "EventSeries",
    "EventSource",
    "ExecAction",
    "FCVolumeSource",
    "FileKeySelector",
    "FlexPersistentVolumeSource",
    "FlexVolumeSource",
    "FlockerVolumeSource",
    "GCEPersistentDiskVolumeSource",
    "GRPCAction",
    "GitRepoVolumeSource",
    "GlusterfsPersistentVolumeSource",
    "GlusterfsVolumeSource",
    "HTTPGetAction",
    "HTTPHeader",
    "HostAlias",
    "HostIP",
    "HostPathVolumeSource",
    "ISCSIPersistentVolumeSource",
    "ISCSIVolumeSource",
    "ImageVolumeSource",
    "ImageVolumeStatus",
    "KeyToPath",
    "LabelSelector",
    "LabelSelectorRequirement",
    "Lifecycle",
    "LifecycleHandler",
    "LimitRange",
    "LimitRangeItem",
    "LimitRangeSpec",
    "LinuxContainerUser",
    "LoadBalancerIngress",
    "LoadBalancerStatus",
    "LocalObjectReference",
    "LocalVolumeSource",
    "ModifyVolumeStatus",
    "NFSVolumeSource",
    "Namespace",
    "NamespaceCondition",
    "NamespaceSpec",
    "NamespaceStatus",
    "Node",
    "NodeAddress",
    "NodeAffinity",
    "NodeAllocatableResourceClaimStatus",
    "NodeCondition",
    "NodeConfigSource",
    "NodeConfigStatus",
    "NodeDaemonEndpoints",
    "NodeFeatures",
    "NodeRuntimeHandler",
    "NodeRuntimeHandlerFeatures",
    "NodeSelector",
    "NodeSelectorRequirement",
    "NodeSelectorTerm",
    "NodeSpec",
    "NodeStatus",
    "NodeSwapStatus",
    "NodeSystemInfo",
    "ObjectFieldSelector",
    "ObjectReference",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PersistentVolumeClaimCondition",
    "PersistentVolumeClaimSpec",
    "PersistentVolumeClaimStatus",
    "PersistentVolumeClaimTemplate",
    "PersistentVolumeClaimVolumeSource",
    "PersistentVolumeSpec",
    "PersistentVolumeStatus",
    "PhotonPersistentDiskVolumeSource",
    "Pod",
    "PodAffinity",
    "PodAffinityTerm",
    "PodAntiAffinity",
    "PodCertificateProjection",
    "PodCondition",
    "PodDNSConfig",
    "PodDNSConfigOption",
    "PodExtendedResourceClaimStatus",
    "PodIP",
    "PodOS",
    "PodReadinessGate",
    "PodResourceClaim",
    "PodResourceClaimStatus",
    "PodSchedulingGate",
    "PodSchedulingGroup",
    "PodSecurityContext",
    "PodSpec",
    "PodStatus",
    "PodTemplate",
    "PodTemplateSpec",
    "PortStatus",
    "PortworxVolumeSource",
    "PreferredSchedulingTerm",
    "Probe",
    "ProjectedVolumeSource",
    "QuobyteVolumeSource",
    "RBDPersistentVolumeSource",
    "RBDVolumeSource",
    "ReplicationController",
    "ReplicationControllerCondition",
    "ReplicationControllerSpec",
    "ReplicationControllerStatus",
    "ResourceClaim",
    "ResourceFieldSelector",
    "ResourceHealth",
    "ResourceQuota",
    "ResourceQuotaSpec",
    "ResourceQuotaStatus",
    "ResourceRequirements",
    "ResourceStatus",
    "SELinuxOptions",
    "ScaleIOPersistentVolumeSource",
    "ScaleIOVolumeSource",
    "ScopeSelector",
    "ScopedResourceSelectorRequirement",
    "SeccompProfile",
    "Secret",
    "SecretEnvSource",
    "SecretKeySelector",
    "SecretProjection",
    "SecretReference",
    "SecretVolumeSource",
    "SecurityContext",
    "Service",
    "ServiceAccount",
    "ServiceAccountTokenProjection",
    "ServicePort",
    "ServiceSpec",
    "ServiceStatus",
    "SessionAffinityConfig",
    "SleepAction",
    "StorageOSPersistentVolumeSource",
    "StorageOSVolumeSource",
    "Sysctl",
    "TCPSocketAction",
    "Taint",
    "Toleration",
    "TopologySpreadConstraint",
    "TypedLocalObjectReference",
    "TypedObjectReference",
    "Volume",
    "VolumeDevice",
    "VolumeMount",
    "VolumeMountStatus",
    "VolumeNodeAffinity",
    "VolumeProjection",
    "VolumeResourceRequirements",
    "VolumeStatus",
    "VsphereVirtualDiskVolumeSource",
    "WeightedPodAffinityTerm",
    "WindowsSecurityContextOptions",
]


class ObjectReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a ObjectReference."""

    api_version: str = ""
    field_path: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    uid: str = ""


class Binding(TypedKind, frozen=True, kw_only=True):
    """A Binding with all its fields."""

    metadata: ObjectMeta
    target: ObjectReference


class ComponentCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a ComponentCondition."""

    status: str
    type: str
    error: str = ""
    message: str = ""


class ComponentStatus(TypedKind, frozen=True, kw_only=True):
    """A ComponentStatus with all its fields."""

    metadata: ObjectMeta
    conditions: tuple[ComponentCondition, ...] = ()


class ConfigMap(TypedKind, frozen=True, kw_only=True):
    """A ConfigMap with all its fields."""

    metadata: ObjectMeta
    binary_data: Mapping[str, bytes] = {}
    data: Mapping[str, str] = {}
    immutable: bool | None = None


show_read_only(ConfigMap, "binary_data", "data")


class EndpointAddress(TypedKind, frozen=True, kw_only=True):
    """The fields of a EndpointAddress."""

    ip: str
    hostname: str = ""
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class EndpointPort(TypedKind, frozen=True, kw_only=True):
    """The fields of a EndpointPort."""

    port: int
    app_protocol: str | None = None
    name: str = ""
    protocol: str = ""
    """SCTP, TCP or UDP."""


class EndpointSubset(TypedKind, frozen=True, kw_only=True):
    """The fields of a EndpointSubset."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(TypedKind, frozen=True, kw_only=True):
    """A Endpoints with all its fields."""

    metadata: ObjectMeta
    subsets: tuple[EndpointSubset, ...] = ()


class EventSeries(TypedKind, frozen=True, kw_only=True):
    """The fields of a EventSeries."""

    count: int = 0
    last_observed_time: str | None = None


class EventSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a EventSource."""

    component: str = ""
    host: str = ""


class Event(TypedKind, frozen=True, kw_only=True):
    """A Event with all its fields."""

    involved_object: ObjectReference
    metadata: ObjectMeta
    action: str = ""
    count: int = 0
    event_time: str | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    message: str = ""
    reason: str = ""
    related: ObjectReference | None = None
    reporting_component: str = ""
    reporting_instance: str = ""
    series: EventSeries | None = None
    source: EventSource = EventSource()
    type: str = ""


class LimitRangeItem(TypedKind, frozen=True, kw_only=True):
    """The fields of a LimitRangeItem."""

    type: str
    default: Mapping[str, str] = {}
    default_request: Mapping[str, str] = {}
    max: Mapping[str, str] = {}
    max_limit_request_ratio: Mapping[str, str] = {}
    min: Mapping[str, str] = {}


show_read_only(LimitRangeItem, "default", "default_request", "max", "max_limit_request_ratio", "min")


class LimitRangeSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a LimitRangeSpec."""

    limits: tuple[LimitRangeItem, ...] | None


class LimitRange(TypedKind, frozen=True, kw_only=True):
    """A LimitRange with all its fields."""

    metadata: ObjectMeta
    spec: LimitRangeSpec


class NamespaceSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a NamespaceSpec."""

    finalizers: tuple[str, ...] = ()


class NamespaceCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a NamespaceCondition."""

    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class NamespaceStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a NamespaceStatus."""

    conditions: tuple[NamespaceCondition, ...] = ()
    phase: str = ""
    """Active or Terminating."""


class Namespace(TypedKind, frozen=True, kw_only=True):
    """A Namespace with all its fields."""

    metadata: ObjectMeta
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


class ConfigMapNodeConfigSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ConfigMapNodeConfigSource."""

    kubelet_config_key: str
    name: str
    namespace: str
    resource_version: str = ""
    uid: str = ""


class NodeConfigSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeConfigSource."""

    config_map: ConfigMapNodeConfigSource | None = None


class Taint(TypedKind, frozen=True, kw_only=True):
    """The fields of a Taint."""

    effect: str
    """NoExecute, NoSchedule or PreferNoSchedule."""
    key: str
    time_added: str | None = None
    value: str = ""


class NodeSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeSpec."""

    config_source: NodeConfigSource | None = None
    external_id: str = msgspec.field(default="", name="externalID")
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = msgspec.field(default=(), name="podCIDRs")
    provider_id: str = msgspec.field(default="", name="providerID")
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeAddress(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeAddress."""

    address: str = ""
    type: str = ""


class NodeCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeCondition."""

    last_heartbeat_time: str | None = None
    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class NodeConfigStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeConfigStatus."""

    active: NodeConfigSource | None = None
    assigned: NodeConfigSource | None = None
    error: str = ""
    last_known_good: NodeConfigSource | None = None


class DaemonEndpoint(TypedKind, frozen=True, kw_only=True):
    """The fields of a DaemonEndpoint."""

    port: int = msgspec.field(default=0, name="Port")


class NodeDaemonEndpoints(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeDaemonEndpoints."""

    kubelet_endpoint: DaemonEndpoint = DaemonEndpoint()


class NodeFeatures(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeFeatures."""

    supplemental_groups_policy: bool | None = None


class ContainerImage(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerImage."""

    names: tuple[str, ...] | None = None
    size_bytes: int = 0


class NodeSwapStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeSwapStatus."""

    capacity: int | None = None


class NodeSystemInfo(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeSystemInfo."""

    architecture: str = ""
    boot_id: str = msgspec.field(default="", name="bootID")
    container_runtime_version: str = ""
    kernel_version: str = ""
    kube_proxy_version: str = ""
    kubelet_version: str = ""
    machine_id: str = msgspec.field(default="", name="machineID")
    operating_system: str = ""
    os_image: str = ""
    swap: NodeSwapStatus | None = None
    system_uuid: str = msgspec.field(default="", name="systemUUID")


class NodeRuntimeHandlerFeatures(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeRuntimeHandlerFeatures."""

    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeRuntimeHandler(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeRuntimeHandler."""

    features: NodeRuntimeHandlerFeatures | None = None
    name: str = ""


class AttachedVolume(TypedKind, frozen=True, kw_only=True):
    """The fields of a AttachedVolume."""

    device_path: str = ""
    name: str = ""


class NodeStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeStatus."""

    addresses: tuple[NodeAddress, ...] = ()
    allocatable: Mapping[str, str] = {}
    capacity: Mapping[str, str] = {}
    conditions: tuple[NodeCondition, ...] = ()
    config: NodeConfigStatus | None = None
    daemon_endpoints: NodeDaemonEndpoints = NodeDaemonEndpoints()
    declared_features: tuple[str, ...] = ()
    features: NodeFeatures | None = None
    images: tuple[ContainerImage, ...] = ()
    node_info: NodeSystemInfo = NodeSystemInfo()
    phase: str = ""
    """Pending, Running or Terminated."""
    runtime_handlers: tuple[NodeRuntimeHandler, ...] = ()
    volumes_attached: tuple[AttachedVolume, ...] = ()
    volumes_in_use: tuple[str, ...] = ()


show_read_only(NodeStatus, "allocatable", "capacity")


class Node(TypedKind, frozen=True, kw_only=True):
    """A Node with all its fields."""

    metadata: ObjectMeta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class TypedLocalObjectReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a TypedLocalObjectReference."""

    kind: str
    name: str
    api_group: str | None = None


class TypedObjectReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a TypedObjectReference."""

    kind: str
    name: str
    api_group: str | None = None
    namespace: str | None = None


class VolumeResourceRequirements(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeResourceRequirements."""

    limits: Mapping[str, str] = {}
    requests: Mapping[str, str] = {}


show_read_only(VolumeResourceRequirements, "limits", "requests")


class LabelSelectorRequirement(TypedKind, frozen=True, kw_only=True):
    """The fields of a LabelSelectorRequirement."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a LabelSelector."""

    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    match_labels: Mapping[str, str] = {}


show_read_only(LabelSelector, "match_labels")


class PersistentVolumeClaimSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a PersistentVolumeClaimSpec."""

    access_modes: tuple[str, ...] = ()
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    resources: VolumeResourceRequirements = VolumeResourceRequirements()
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    """Block or Filesystem."""
    volume_name: str = ""


class PersistentVolumeClaimCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a PersistentVolumeClaimCondition."""

    last_probe_time: str | None = None
    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class ModifyVolumeStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ModifyVolumeStatus."""

    status: str = ""
    """InProgress, Infeasible or Pending."""
    target_volume_attributes_class_name: str = ""


class PersistentVolumeClaimStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PersistentVolumeClaimStatus."""

    access_modes: tuple[str, ...] = ()
    allocated_resource_statuses: Mapping[str, str] = {}
    allocated_resources: Mapping[str, str] = {}
    capacity: Mapping[str, str] = {}
    conditions: tuple[PersistentVolumeClaimCondition, ...] = ()
    current_volume_attributes_class_name: str | None = None
    modify_volume_status: ModifyVolumeStatus | None = None
    phase: str = ""
    """Bound, Lost or Pending."""


show_read_only(PersistentVolumeClaimStatus, "allocated_resource_statuses", "allocated_resources", "capacity")


class PersistentVolumeClaim(TypedKind, frozen=True, kw_only=True):
    """A PersistentVolumeClaim with all its fields."""

    metadata: ObjectMeta
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus = PersistentVolumeClaimStatus()


class AWSElasticBlockStoreVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a AWSElasticBlockStoreVolumeSource."""

    volume_id: str = msgspec.field(name="volumeID")
    fs_type: str = ""
    partition: int = 0
    read_only: bool = False


class AzureDiskVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a AzureDiskVolumeSource."""

    disk_name: str
    disk_uri: str = msgspec.field(name="diskURI")
    caching_mode: str | None = None
    """None, ReadOnly or ReadWrite."""
    fs_type: str | None = None
    kind: str | None = None
    """Dedicated, Managed or Shared."""
    read_only: bool | None = None


class AzureFilePersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a AzureFilePersistentVolumeSource."""

    secret_name: str
    share_name: str
    read_only: bool = False
    secret_namespace: str | None = None


class SecretReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a SecretReference."""

    name: str = ""
    namespace: str = ""


class CephFSPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a CephFSPersistentVolumeSource."""

    monitors: tuple[str, ...]
    path: str = ""
    read_only: bool = False
    secret_file: str = ""
    secret_ref: SecretReference | None = None
    user: str = ""


class CinderPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a CinderPersistentVolumeSource."""

    volume_id: str = msgspec.field(name="volumeID")
    fs_type: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None


class CSIPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a CSIPersistentVolumeSource."""

    driver: str
    volume_handle: str
    controller_expand_secret_ref: SecretReference | None = None
    controller_publish_secret_ref: SecretReference | None = None
    fs_type: str = ""
    node_expand_secret_ref: SecretReference | None = None
    node_publish_secret_ref: SecretReference | None = None
    node_stage_secret_ref: SecretReference | None = None
    read_only: bool = False
    volume_attributes: Mapping[str, str] = {}


show_read_only(CSIPersistentVolumeSource, "volume_attributes")


class FCVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a FCVolumeSource."""

    fs_type: str = ""
    lun: int | None = None
    read_only: bool = False
    target_wwns: tuple[str, ...] = msgspec.field(default=(), name="targetWWNs")
    wwids: tuple[str, ...] = ()


class FlexPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a FlexPersistentVolumeSource."""

    driver: str
    fs_type: str = ""
    options: Mapping[str, str] = {}
    read_only: bool = False
    secret_ref: SecretReference | None = None


show_read_only(FlexPersistentVolumeSource, "options")


class FlockerVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a FlockerVolumeSource."""

    dataset_name: str = ""
    dataset_uuid: str = msgspec.field(default="", name="datasetUUID")


class GCEPersistentDiskVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a GCEPersistentDiskVolumeSource."""

    pd_name: str
    fs_type: str = ""
    partition: int = 0
    read_only: bool = False


class GlusterfsPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a GlusterfsPersistentVolumeSource."""

    endpoints: str
    path: str
    endpoints_namespace: str | None = None
    read_only: bool = False


class HostPathVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a HostPathVolumeSource."""

    path: str
    type: str | None = None
    """, BlockDevice, CharDevice, Directory, DirectoryOrCreate, File, FileOrCreate or Socket."""


class ISCSIPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ISCSIPersistentVolumeSource."""

    iqn: str
    lun: int
    target_portal: str
    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    fs_type: str = ""
    initiator_name: str | None = None
    iscsi_interface: str = ""
    portals: tuple[str, ...] = ()
    read_only: bool = False
    secret_ref: SecretReference | None = None


class LocalVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a LocalVolumeSource."""

    path: str
    fs_type: str | None = None


class NFSVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a NFSVolumeSource."""

    path: str
    server: str
    read_only: bool = False


class NodeSelectorRequirement(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeSelectorRequirement."""

    key: str
    operator: str
    """DoesNotExist, Exists, Gt, In, Lt or NotIn."""
    values: tuple[str, ...] = ()


class NodeSelectorTerm(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeSelectorTerm."""

    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


class NodeSelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeSelector."""

    node_selector_terms: tuple[NodeSelectorTerm, ...]


class VolumeNodeAffinity(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeNodeAffinity."""

    required: NodeSelector | None = None


class PhotonPersistentDiskVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a PhotonPersistentDiskVolumeSource."""

    pd_id: str = msgspec.field(name="pdID")
    fs_type: str = ""


class PortworxVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a PortworxVolumeSource."""

    volume_id: str = msgspec.field(name="volumeID")
    fs_type: str = ""
    read_only: bool = False


class QuobyteVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a QuobyteVolumeSource."""

    registry: str
    volume: str
    group: str = ""
    read_only: bool = False
    tenant: str = ""
    user: str = ""


class RBDPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a RBDPersistentVolumeSource."""

    image: str
    monitors: tuple[str, ...]
    fs_type: str = ""
    keyring: str = ""
    pool: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None
    user: str = ""


class ScaleIOPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ScaleIOPersistentVolumeSource."""

    gateway: str
    secret_ref: SecretReference | None
    system: str
    fs_type: str = ""
    protection_domain: str = ""
    read_only: bool = False
    ssl_enabled: bool = False
    storage_mode: str = ""
    storage_pool: str = ""
    volume_name: str = ""


class StorageOSPersistentVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a StorageOSPersistentVolumeSource."""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: ObjectReference | None = None
    volume_name: str = ""
    volume_namespace: str = ""


class VsphereVirtualDiskVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a VsphereVirtualDiskVolumeSource."""

    volume_path: str
    fs_type: str = ""
    storage_policy_id: str = msgspec.field(default="", name="storagePolicyID")
    storage_policy_name: str = ""


class PersistentVolumeSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a PersistentVolumeSpec."""

    access_modes: tuple[str, ...] = ()
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFilePersistentVolumeSource | None = None
    capacity: Mapping[str, str] = {}
    cephfs: CephFSPersistentVolumeSource | None = None
    cinder: CinderPersistentVolumeSource | None = None
    claim_ref: ObjectReference | None = None
    csi: CSIPersistentVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexPersistentVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    glusterfs: GlusterfsPersistentVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    iscsi: ISCSIPersistentVolumeSource | None = None
    local: LocalVolumeSource | None = None
    mount_options: tuple[str, ...] = ()
    nfs: NFSVolumeSource | None = None
    node_affinity: VolumeNodeAffinity | None = None
    persistent_volume_reclaim_policy: str = ""
    """Delete, Recycle or Retain."""
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDPersistentVolumeSource | None = None
    scale_io: ScaleIOPersistentVolumeSource | None = msgspec.field(default=None, name="scaleIO")
    storage_class_name: str = ""
    storageos: StorageOSPersistentVolumeSource | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    """Block or Filesystem."""
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None


show_read_only(PersistentVolumeSpec, "capacity")


class PersistentVolumeStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PersistentVolumeStatus."""

    last_phase_transition_time: str | None = None
    message: str = ""
    phase: str = ""
    """Available, Bound, Failed, Pending or Released."""
    reason: str = ""


class PersistentVolume(TypedKind, frozen=True, kw_only=True):
    """A PersistentVolume with all its fields."""

    metadata: ObjectMeta
    spec: PersistentVolumeSpec = PersistentVolumeSpec()
    status: PersistentVolumeStatus = PersistentVolumeStatus()


class PreferredSchedulingTerm(TypedKind, frozen=True, kw_only=True):
    """The fields of a PreferredSchedulingTerm."""

    preference: NodeSelectorTerm
    weight: int


class NodeAffinity(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeAffinity."""

    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class PodAffinityTerm(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodAffinityTerm."""

    topology_key: str
    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()


class WeightedPodAffinityTerm(TypedKind, frozen=True, kw_only=True):
    """The fields of a WeightedPodAffinityTerm."""

    pod_affinity_term: PodAffinityTerm
    weight: int


class PodAffinity(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodAffinity."""

    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class PodAntiAffinity(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodAntiAffinity."""

    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class Affinity(TypedKind, frozen=True, kw_only=True):
    """The fields of a Affinity."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class ConfigMapKeySelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a ConfigMapKeySelector."""

    key: str
    name: str = ""
    optional: bool | None = None


class ObjectFieldSelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a ObjectFieldSelector."""

    field_path: str
    api_version: str = ""


class FileKeySelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a FileKeySelector."""

    key: str
    path: str
    volume_name: str
    optional: bool | None = None


class ResourceFieldSelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceFieldSelector."""

    resource: str
    container_name: str = ""
    divisor: str = ""


class SecretKeySelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a SecretKeySelector."""

    key: str
    name: str = ""
    optional: bool | None = None


class EnvVarSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a EnvVarSource."""

    config_map_key_ref: ConfigMapKeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    secret_key_ref: SecretKeySelector | None = None


class EnvVar(TypedKind, frozen=True, kw_only=True):
    """The fields of a EnvVar."""

    name: str
    value: str = ""
    value_from: EnvVarSource | None = None


class ConfigMapEnvSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ConfigMapEnvSource."""

    name: str = ""
    optional: bool | None = None


class SecretEnvSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a SecretEnvSource."""

    name: str = ""
    optional: bool | None = None


class EnvFromSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a EnvFromSource."""

    config_map_ref: ConfigMapEnvSource | None = None
    prefix: str = ""
    secret_ref: SecretEnvSource | None = None


class ExecAction(TypedKind, frozen=True, kw_only=True):
    """The fields of a ExecAction."""

    command: tuple[str, ...] = ()


class HTTPHeader(TypedKind, frozen=True, kw_only=True):
    """The fields of a HTTPHeader."""

    name: str
    value: str


class HTTPGetAction(TypedKind, frozen=True, kw_only=True):
    """The fields of a HTTPGetAction."""

    port: int | str
    host: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()
    path: str = ""
    scheme: str = ""
    """HTTP or HTTPS."""


class SleepAction(TypedKind, frozen=True, kw_only=True):
    """The fields of a SleepAction."""

    seconds: int


class TCPSocketAction(TypedKind, frozen=True, kw_only=True):
    """The fields of a TCPSocketAction."""

    port: int | str
    host: str = ""


class LifecycleHandler(TypedKind, frozen=True, kw_only=True):
    """The fields of a LifecycleHandler."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcp_socket: TCPSocketAction | None = None


class Lifecycle(TypedKind, frozen=True, kw_only=True):
    """The fields of a Lifecycle."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class GRPCAction(TypedKind, frozen=True, kw_only=True):
    """The fields of a GRPCAction."""

    port: int
    service: str | None = None


class Probe(TypedKind, frozen=True, kw_only=True):
    """The fields of a Probe."""

    exec: ExecAction | None = None
    failure_threshold: int = 0
    grpc: GRPCAction | None = None
    http_get: HTTPGetAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    tcp_socket: TCPSocketAction | None = None
    termination_grace_period_seconds: int | None = None
    timeout_seconds: int = 0


class ContainerPort(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerPort."""

    container_port: int
    host_ip: str = msgspec.field(default="", name="hostIP")
    host_port: int = 0
    name: str = ""
    protocol: str = ""
    """SCTP, TCP or UDP."""


class ContainerResizePolicy(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerResizePolicy."""

    resource_name: str
    restart_policy: str


class ResourceClaim(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceClaim."""

    name: str
    request: str = ""


class ResourceRequirements(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceRequirements."""

    claims: tuple[ResourceClaim, ...] = ()
    limits: Mapping[str, str] = {}
    requests: Mapping[str, str] = {}


show_read_only(ResourceRequirements, "limits", "requests")


class ContainerRestartRuleOnExitCodes(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerRestartRuleOnExitCodes."""

    operator: str
    values: tuple[int, ...] = ()


class ContainerRestartRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerRestartRule."""

    action: str
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class AppArmorProfile(TypedKind, frozen=True, kw_only=True):
    """The fields of a AppArmorProfile."""

    type: str
    """Localhost, RuntimeDefault or Unconfined."""
    localhost_profile: str | None = None


class Capabilities(TypedKind, frozen=True, kw_only=True):
    """The fields of a Capabilities."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SELinuxOptions(TypedKind, frozen=True, kw_only=True):
    """The fields of a SELinuxOptions."""

    level: str = ""
    role: str = ""
    type: str = ""
    user: str = ""


class SeccompProfile(TypedKind, frozen=True, kw_only=True):
    """The fields of a SeccompProfile."""

    type: str
    """Localhost, RuntimeDefault or Unconfined."""
    localhost_profile: str | None = None


class WindowsSecurityContextOptions(TypedKind, frozen=True, kw_only=True):
    """The fields of a WindowsSecurityContextOptions."""

    gmsa_credential_spec: str | None = None
    gmsa_credential_spec_name: str | None = None
    host_process: bool | None = None
    run_as_user_name: str | None = None


class SecurityContext(TypedKind, frozen=True, kw_only=True):
    """The fields of a SecurityContext."""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    """Default or Unmasked."""
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    windows_options: WindowsSecurityContextOptions | None = None


class VolumeDevice(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeDevice."""

    device_path: str
    name: str


class VolumeMount(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeMount."""

    mount_path: str
    name: str
    mount_propagation: str | None = None
    """Bidirectional, HostToContainer or None."""
    read_only: bool = False
    recursive_read_only: str | None = None
    sub_path: str = ""
    sub_path_expr: str = ""


class Container(TypedKind, frozen=True, kw_only=True):
    """The fields of a Container."""

    name: str
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    """Always, IfNotPresent or Never."""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool = False
    stdin_once: bool = False
    termination_message_path: str = ""
    termination_message_policy: str = ""
    """FallbackToLogsOnError or File."""
    tty: bool = False
    volume_devices: tuple[VolumeDevice, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    working_dir: str = ""


class PodDNSConfigOption(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodDNSConfigOption."""

    name: str = ""
    value: str | None = None


class PodDNSConfig(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodDNSConfig."""

    nameservers: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()
    searches: tuple[str, ...] = ()


class EphemeralContainer(TypedKind, frozen=True, kw_only=True):
    """The fields of a EphemeralContainer."""

    name: str
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    """Always, IfNotPresent or Never."""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool = False
    stdin_once: bool = False
    target_container_name: str = ""
    termination_message_path: str = ""
    termination_message_policy: str = ""
    """FallbackToLogsOnError or File."""
    tty: bool = False
    volume_devices: tuple[VolumeDevice, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    working_dir: str = ""


class HostAlias(TypedKind, frozen=True, kw_only=True):
    """The fields of a HostAlias."""

    ip: str
    hostnames: tuple[str, ...] = ()


class LocalObjectReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a LocalObjectReference."""

    name: str = ""


class PodOS(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodOS."""

    name: str


class PodReadinessGate(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodReadinessGate."""

    condition_type: str


class PodResourceClaim(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodResourceClaim."""

    name: str
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class PodSchedulingGate(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodSchedulingGate."""

    name: str


class PodSchedulingGroup(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodSchedulingGroup."""

    pod_group_name: str | None = None


class Sysctl(TypedKind, frozen=True, kw_only=True):
    """The fields of a Sysctl."""

    name: str
    value: str


class PodSecurityContext(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodSecurityContext."""

    app_armor_profile: AppArmorProfile | None = None
    fs_group: int | None = None
    fs_group_change_policy: str | None = None
    """Always or OnRootMismatch."""
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_change_policy: str | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str | None = None
    """Merge or Strict."""
    sysctls: tuple[Sysctl, ...] = ()
    windows_options: WindowsSecurityContextOptions | None = None


class Toleration(TypedKind, frozen=True, kw_only=True):
    """The fields of a Toleration."""

    effect: str = ""
    """NoExecute, NoSchedule or PreferNoSchedule."""
    key: str = ""
    operator: str = ""
    """Equal, Exists, Gt or Lt."""
    toleration_seconds: int | None = None
    value: str = ""


class TopologySpreadConstraint(TypedKind, frozen=True, kw_only=True):
    """The fields of a TopologySpreadConstraint."""

    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    """DoNotSchedule or ScheduleAnyway."""
    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    min_domains: int | None = None
    node_affinity_policy: str | None = None
    """Honor or Ignore."""
    node_taints_policy: str | None = None
    """Honor or Ignore."""


class AzureFileVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a AzureFileVolumeSource."""

    secret_name: str
    share_name: str
    read_only: bool = False


class CephFSVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a CephFSVolumeSource."""

    monitors: tuple[str, ...]
    path: str = ""
    read_only: bool = False
    secret_file: str = ""
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class CinderVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a CinderVolumeSource."""

    volume_id: str = msgspec.field(name="volumeID")
    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class KeyToPath(TypedKind, frozen=True, kw_only=True):
    """The fields of a KeyToPath."""

    key: str
    path: str
    mode: int | None = None


class ConfigMapVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ConfigMapVolumeSource."""

    default_mode: int | None = None
    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class CSIVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a CSIVolumeSource."""

    driver: str
    fs_type: str | None = None
    node_publish_secret_ref: LocalObjectReference | None = None
    read_only: bool | None = None
    volume_attributes: Mapping[str, str] = {}


show_read_only(CSIVolumeSource, "volume_attributes")


class DownwardAPIVolumeFile(TypedKind, frozen=True, kw_only=True):
    """The fields of a DownwardAPIVolumeFile."""

    path: str
    field_ref: ObjectFieldSelector | None = None
    mode: int | None = None
    resource_field_ref: ResourceFieldSelector | None = None


class DownwardAPIVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a DownwardAPIVolumeSource."""

    default_mode: int | None = None
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class EmptyDirVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a EmptyDirVolumeSource."""

    medium: str = ""
    size_limit: str | None = None


class PersistentVolumeClaimTemplate(TypedKind, frozen=True, kw_only=True):
    """The fields of a PersistentVolumeClaimTemplate."""

    spec: PersistentVolumeClaimSpec
    metadata: ObjectMeta = ObjectMeta()


class EphemeralVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a EphemeralVolumeSource."""

    volume_claim_template: PersistentVolumeClaimTemplate | None = None


class FlexVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a FlexVolumeSource."""

    driver: str
    fs_type: str = ""
    options: Mapping[str, str] = {}
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


show_read_only(FlexVolumeSource, "options")


class GitRepoVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a GitRepoVolumeSource."""

    repository: str
    directory: str = ""
    revision: str = ""


class GlusterfsVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a GlusterfsVolumeSource."""

    endpoints: str
    path: str
    read_only: bool = False


class ImageVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ImageVolumeSource."""

    pull_policy: str = ""
    """Always, IfNotPresent or Never."""
    reference: str = ""


class ISCSIVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ISCSIVolumeSource."""

    iqn: str
    lun: int
    target_portal: str
    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    fs_type: str = ""
    initiator_name: str | None = None
    iscsi_interface: str = ""
    portals: tuple[str, ...] = ()
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class PersistentVolumeClaimVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a PersistentVolumeClaimVolumeSource."""

    claim_name: str
    read_only: bool = False


class ClusterTrustBundleProjection(TypedKind, frozen=True, kw_only=True):
    """The fields of a ClusterTrustBundleProjection."""

    path: str
    label_selector: LabelSelector | None = None
    name: str | None = None
    optional: bool | None = None
    signer_name: str | None = None


class ConfigMapProjection(TypedKind, frozen=True, kw_only=True):
    """The fields of a ConfigMapProjection."""

    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class DownwardAPIProjection(TypedKind, frozen=True, kw_only=True):
    """The fields of a DownwardAPIProjection."""

    items: tuple[DownwardAPIVolumeFile, ...] = ()


class PodCertificateProjection(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodCertificateProjection."""

    key_type: str
    signer_name: str
    certificate_chain_path: str = ""
    credential_bundle_path: str = ""
    key_path: str = ""
    max_expiration_seconds: int | None = None
    user_annotations: Mapping[str, str] = {}


show_read_only(PodCertificateProjection, "user_annotations")


class SecretProjection(TypedKind, frozen=True, kw_only=True):
    """The fields of a SecretProjection."""

    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class ServiceAccountTokenProjection(TypedKind, frozen=True, kw_only=True):
    """The fields of a ServiceAccountTokenProjection."""

    path: str
    audience: str = ""
    expiration_seconds: int | None = None


class VolumeProjection(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeProjection."""

    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    config_map: ConfigMapProjection | None = None
    downward_api: DownwardAPIProjection | None = msgspec.field(default=None, name="downwardAPI")
    pod_certificate: PodCertificateProjection | None = None
    secret: SecretProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ProjectedVolumeSource."""

    default_mode: int | None = None
    sources: tuple[VolumeProjection, ...] | None = None


class RBDVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a RBDVolumeSource."""

    image: str
    monitors: tuple[str, ...]
    fs_type: str = ""
    keyring: str = ""
    pool: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class ScaleIOVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ScaleIOVolumeSource."""

    gateway: str
    secret_ref: LocalObjectReference | None
    system: str
    fs_type: str = ""
    protection_domain: str = ""
    read_only: bool = False
    ssl_enabled: bool = False
    storage_mode: str = ""
    storage_pool: str = ""
    volume_name: str = ""


class SecretVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a SecretVolumeSource."""

    default_mode: int | None = None
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None
    secret_name: str = ""


class StorageOSVolumeSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a StorageOSVolumeSource."""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    volume_name: str = ""
    volume_namespace: str = ""


class Volume(TypedKind, frozen=True, kw_only=True):
    """The fields of a Volume."""

    name: str
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")
    empty_dir: EmptyDirVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    git_repo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    image: ImageVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scale_io: ScaleIOVolumeSource | None = msgspec.field(default=None, name="scaleIO")
    secret: SecretVolumeSource | None = None
    storageos: StorageOSVolumeSource | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None


class PodSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodSpec."""

    containers: tuple[Container, ...]
    active_deadline_seconds: int | None = None
    affinity: Affinity | None = None
    automount_service_account_token: bool | None = None
    dns_config: PodDNSConfig | None = None
    dns_policy: str = ""
    """ClusterFirst, ClusterFirstWithHostNet, Default or None."""
    enable_service_links: bool | None = None
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    host_ipc: bool = msgspec.field(default=False, name="hostIPC")
    host_network: bool = False
    host_pid: bool = msgspec.field(default=False, name="hostPID")
    host_users: bool | None = None
    hostname: str = ""
    hostname_override: str | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    node_selector: Mapping[str, str] = {}
    os: PodOS | None = None
    overhead: Mapping[str, str] = {}
    preemption_policy: str | None = None
    """Never or PreemptLowerPriority."""
    priority: int | None = None
    priority_class_name: str = ""
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    resource_claims: tuple[PodResourceClaim, ...] = ()
    resources: ResourceRequirements | None = None
    restart_policy: str = ""
    """Always, Never or OnFailure."""
    runtime_class_name: str | None = None
    scheduler_name: str = ""
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()
    scheduling_group: PodSchedulingGroup | None = None
    security_context: PodSecurityContext | None = None
    service_account: str = ""
    service_account_name: str = ""
    set_hostname_as_fqdn: bool | None = msgspec.field(default=None, name="setHostnameAsFQDN")
    share_process_namespace: bool | None = None
    subdomain: str = ""
    termination_grace_period_seconds: int | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    volumes: tuple[Volume, ...] = ()


show_read_only(PodSpec, "node_selector", "overhead")


class PodCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodCondition."""

    last_probe_time: str | None = None
    last_transition_time: str | None = None
    message: str = ""
    observed_generation: int = 0
    reason: str = ""
    status: str = ""
    type: str = ""


class ResourceHealth(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceHealth."""

    health: str = ""
    message: str | None = None
    resource_id: str = msgspec.field(default="", name="resourceID")


class ResourceStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceStatus."""

    name: str = ""
    resources: tuple[ResourceHealth, ...] = ()


class ContainerStateRunning(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerStateRunning."""

    started_at: str | None = None


class ContainerStateTerminated(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerStateTerminated."""

    container_id: str = msgspec.field(default="", name="containerID")
    exit_code: int = 0
    finished_at: str | None = None
    message: str = ""
    reason: str = ""
    signal: int = 0
    started_at: str | None = None


class ContainerStateWaiting(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerStateWaiting."""

    message: str = ""
    reason: str = ""


class ContainerState(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerState."""

    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class LinuxContainerUser(TypedKind, frozen=True, kw_only=True):
    """The fields of a LinuxContainerUser."""

    gid: int = 0
    supplemental_groups: tuple[int, ...] = ()
    uid: int = 0


class ContainerUser(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerUser."""

    linux: LinuxContainerUser | None = None


class ImageVolumeStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ImageVolumeStatus."""

    image_ref: str = ""


class VolumeStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeStatus."""

    image: ImageVolumeStatus | None = None


class VolumeMountStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeMountStatus."""

    mount_path: str = ""
    name: str = ""
    read_only: bool = False
    recursive_read_only: str | None = None
    volume_status: VolumeStatus | None = None


class ContainerStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerStatus."""

    allocated_resources: Mapping[str, str] = {}
    allocated_resources_status: tuple[ResourceStatus, ...] = ()
    container_id: str = msgspec.field(default="", name="containerID")
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    last_state: ContainerState = ContainerState()
    name: str = ""
    ready: bool = False
    resources: ResourceRequirements | None = None
    restart_count: int = 0
    started: bool | None = None
    state: ContainerState = ContainerState()
    stop_signal: str | None = None
    user: ContainerUser | None = None
    volume_mounts: tuple[VolumeMountStatus, ...] = ()


show_read_only(ContainerStatus, "allocated_resources")


class ContainerExtendedResourceRequest(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerExtendedResourceRequest."""

    container_name: str = ""
    request_name: str = ""
    resource_name: str = ""


class PodExtendedResourceClaimStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodExtendedResourceClaimStatus."""

    request_mappings: tuple[ContainerExtendedResourceRequest, ...] | None = None
    resource_claim_name: str = ""


class HostIP(TypedKind, frozen=True, kw_only=True):
    """The fields of a HostIP."""

    ip: str = ""


class NodeAllocatableResourceClaimStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a NodeAllocatableResourceClaimStatus."""

    containers: tuple[str, ...] = ()
    resource_claim_name: str = ""
    resources: Mapping[str, str] = {}


show_read_only(NodeAllocatableResourceClaimStatus, "resources")


class PodIP(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodIP."""

    ip: str = ""


class PodResourceClaimStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodResourceClaimStatus."""

    name: str = ""
    resource_claim_name: str | None = None


class PodStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodStatus."""

    allocated_resources: Mapping[str, str] = {}
    conditions: tuple[PodCondition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    extended_resource_claim_status: PodExtendedResourceClaimStatus | None = None
    host_ip: str = msgspec.field(default="", name="hostIP")
    host_ips: tuple[HostIP, ...] = msgspec.field(default=(), name="hostIPs")
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    message: str = ""
    node_allocatable_resource_claim_statuses: tuple[NodeAllocatableResourceClaimStatus, ...] = ()
    nominated_node_name: str = ""
    observed_generation: int = 0
    phase: str = ""
    """Failed, Pending, Running, Succeeded or Unknown."""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    qos_class: str = ""
    """BestEffort, Burstable or Guaranteed."""
    reason: str = ""
    resize: str = ""
    resource_claim_statuses: tuple[PodResourceClaimStatus, ...] = ()
    resources: ResourceRequirements | None = None
    start_time: str | None = None


show_read_only(PodStatus, "allocated_resources")


class Pod(TypedKind, frozen=True, kw_only=True):
    """A Pod with all its fields."""

    metadata: ObjectMeta
    spec: PodSpec
    status: PodStatus = PodStatus()


class PodTemplateSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodTemplateSpec."""

    spec: PodSpec
    metadata: ObjectMeta = ObjectMeta()


class PodTemplate(TypedKind, frozen=True, kw_only=True):
    """A PodTemplate with all its fields."""

    metadata: ObjectMeta
    template: PodTemplateSpec


class ReplicationControllerSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a ReplicationControllerSpec."""

    min_ready_seconds: int = 0
    replicas: int | None = None
    selector: Mapping[str, str] = {}
    template: PodTemplateSpec | None = None


show_read_only(ReplicationControllerSpec, "selector")


class ReplicationControllerCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a ReplicationControllerCondition."""

    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class ReplicationControllerStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ReplicationControllerStatus."""

    available_replicas: int = 0
    conditions: tuple[ReplicationControllerCondition, ...] = ()
    fully_labeled_replicas: int = 0
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = 0


class ReplicationController(TypedKind, frozen=True, kw_only=True):
    """A ReplicationController with all its fields."""

    metadata: ObjectMeta
    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: ReplicationControllerStatus = ReplicationControllerStatus()


class ScopedResourceSelectorRequirement(TypedKind, frozen=True, kw_only=True):
    """The fields of a ScopedResourceSelectorRequirement."""

    operator: str
    """DoesNotExist, Exists, In or NotIn."""
    scope_name: str
    values: tuple[str, ...] = ()


class ScopeSelector(TypedKind, frozen=True, kw_only=True):
    """The fields of a ScopeSelector."""

    match_expressions: tuple[ScopedResourceSelectorRequirement, ...] = ()


class ResourceQuotaSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceQuotaSpec."""

    hard: Mapping[str, str] = {}
    scope_selector: ScopeSelector | None = None
    scopes: tuple[str, ...] = ()


show_read_only(ResourceQuotaSpec, "hard")


class ResourceQuotaStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceQuotaStatus."""

    hard: Mapping[str, str] = {}
    used: Mapping[str, str] = {}


show_read_only(ResourceQuotaStatus, "hard", "used")


class ResourceQuota(TypedKind, frozen=True, kw_only=True):
    """A ResourceQuota with all its fields."""

    metadata: ObjectMeta
    spec: ResourceQuotaSpec = ResourceQuotaSpec()
    status: ResourceQuotaStatus = ResourceQuotaStatus()


class Secret(TypedKind, frozen=True, kw_only=True):
    """A Secret with all its fields."""

    metadata: ObjectMeta
    data: Mapping[str, bytes] = {}
    immutable: bool | None = None
    string_data: Mapping[str, str] = {}
    type: str = ""


show_read_only(Secret, "data", "string_data")


class ServiceAccount(TypedKind, frozen=True, kw_only=True):
    """A ServiceAccount with all its fields."""

    metadata: ObjectMeta
    automount_service_account_token: bool | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    secrets: tuple[ObjectReference, ...] = ()


class ServicePort(TypedKind, frozen=True, kw_only=True):
    """The fields of a ServicePort."""

    port: int
    app_protocol: str | None = None
    name: str = ""
    node_port: int = 0
    protocol: str = ""
    """SCTP, TCP or UDP."""
    target_port: int | str = 0


class ClientIPConfig(TypedKind, frozen=True, kw_only=True):
    """The fields of a ClientIPConfig."""

    timeout_seconds: int | None = None


class SessionAffinityConfig(TypedKind, frozen=True, kw_only=True):
    """The fields of a SessionAffinityConfig."""

    client_ip: ClientIPConfig | None = msgspec.field(default=None, name="clientIP")


class ServiceSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a ServiceSpec."""

    allocate_load_balancer_node_ports: bool | None = None
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    external_name: str = ""
    external_traffic_policy: str = ""
    """Cluster or Local."""
    health_check_node_port: int = 0
    internal_traffic_policy: str | None = None
    """Cluster or Local."""
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    """PreferDualStack, RequireDualStack or SingleStack."""
    load_balancer_class: str | None = None
    load_balancer_ip: str = msgspec.field(default="", name="loadBalancerIP")
    load_balancer_source_ranges: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    publish_not_ready_addresses: bool = False
    selector: Mapping[str, str] = {}
    session_affinity: str = ""
    """ClientIP or None."""
    session_affinity_config: SessionAffinityConfig | None = None
    traffic_distribution: str | None = None
    type: str = ""
    """ClusterIP, ExternalName, LoadBalancer or NodePort."""


show_read_only(ServiceSpec, "selector")


class PortStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PortStatus."""

    error: str | None = None
    port: int = 0
    protocol: str = ""
    """SCTP, TCP or UDP."""


class LoadBalancerIngress(TypedKind, frozen=True, kw_only=True):
    """The fields of a LoadBalancerIngress."""

    hostname: str = ""
    ip: str = ""
    ip_mode: str | None = None
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a LoadBalancerStatus."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ServiceStatus."""

    conditions: tuple[Condition, ...] = ()
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(TypedKind, frozen=True, kw_only=True):
    """A Service with all its fields."""

    metadata: ObjectMeta
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


CONFIG_MAPS: Resource[ConfigMap] = kinds.CONFIG_MAPS.of(ConfigMap)
ENDPOINTS: Resource[Endpoints] = kinds.ENDPOINTS.of(Endpoints)
EVENTS: Resource[Event] = kinds.EVENTS.of(Event)
LIMIT_RANGES: Resource[LimitRange] = kinds.LIMIT_RANGES.of(LimitRange)
NAMESPACES: Resource[Namespace] = kinds.NAMESPACES.of(Namespace)
NODES: Resource[Node] = kinds.NODES.of(Node)
PERSISTENT_VOLUMES: Resource[PersistentVolume] = kinds.PERSISTENT_VOLUMES.of(PersistentVolume)
PERSISTENT_VOLUME_CLAIMS: Resource[PersistentVolumeClaim] = kinds.PERSISTENT_VOLUME_CLAIMS.of(PersistentVolumeClaim)
PODS: Resource[Pod] = kinds.PODS.of(Pod)
POD_TEMPLATES: Resource[PodTemplate] = kinds.POD_TEMPLATES.of(PodTemplate)
REPLICATION_CONTROLLERS: Resource[ReplicationController] = kinds.REPLICATION_CONTROLLERS.of(ReplicationController)
RESOURCE_QUOTAS: Resource[ResourceQuota] = kinds.RESOURCE_QUOTAS.of(ResourceQuota)
SECRETS: Resource[Secret] = kinds.SECRETS.of(Secret)
SERVICES: Resource[Service] = kinds.SERVICES.of(Service)
SERVICE_ACCOUNTS: Resource[ServiceAccount] = kinds.SERVICE_ACCOUNTS.of(ServiceAccount)
