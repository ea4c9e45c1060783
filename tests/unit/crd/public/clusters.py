"""Cluster of postgresql.cnpg.io, as classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class MatchExpressions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    operator: str
    values: Annotated[list[str] | None, Schema(list_type="atomic")] = None


@Schema(map_type="atomic")
class LabelSelector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_expressions: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None
    match_labels: dict[str, str] | None = None


class PodAffinityTerm(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    label_selector: LabelSelector | None = None
    match_label_keys: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    mismatch_label_keys: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    namespace_selector: LabelSelector | None = None
    namespaces: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    topology_key: str


class PreferredDuringSchedulingIgnoredDuringExecution(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    pod_affinity_term: PodAffinityTerm
    weight: Annotated[int, Schema(format="int32")]


class AdditionalPodAffinity(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredDuringSchedulingIgnoredDuringExecution] | None, Schema(list_type="atomic")
    ] = None
    required_during_scheduling_ignored_during_execution: Annotated[
        list[PodAffinityTerm] | None, Schema(list_type="atomic")
    ] = None


@Schema(map_type="atomic")
class Preference(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_expressions: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None
    match_fields: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None


class PreferredDuringSchedulingIgnoredDuringExecution2(
    msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True
):
    preference: Preference
    weight: Annotated[int, Schema(format="int32")]


@Schema(map_type="atomic")
class RequiredDuringSchedulingIgnoredDuringExecution(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    node_selector_terms: Annotated[list[Preference], Schema(list_type="atomic")]


class NodeAffinity(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredDuringSchedulingIgnoredDuringExecution2] | None, Schema(list_type="atomic")
    ] = None
    required_during_scheduling_ignored_during_execution: RequiredDuringSchedulingIgnoredDuringExecution | None = None


class Tolerations(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    effect: str | None = None
    key: str | None = None
    operator: str | None = None
    toleration_seconds: Annotated[int | None, Schema(format="int64")] = None
    value: str | None = None


class Affinity(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    additional_pod_affinity: AdditionalPodAffinity | None = None
    additional_pod_anti_affinity: AdditionalPodAffinity | None = None
    enable_pod_anti_affinity: bool | None = None
    node_affinity: NodeAffinity | None = None
    node_selector: dict[str, str] | None = None
    pod_anti_affinity_type: str | None = None
    tolerations: list[Tolerations] | None = None
    topology_key: str | None = None


class ConnectionString(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    name: str


class AzureCredentials(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    connection_string: ConnectionString | None = None
    inherit_from_azure_ad: bool | None = msgspec.field(default=None, name="inheritFromAzureAD")
    storage_account: ConnectionString | None = None
    storage_key: ConnectionString | None = None
    storage_sas_token: ConnectionString | None = None
    use_default_azure_credentials: bool | None = None


class Data(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    additional_command_args: list[str] | None = None
    compression: Literal["bzip2", "gzip", "lz4", "snappy"] | None = None
    encryption: Literal["AES256", "aws:kms"] | None = None
    immediate_checkpoint: bool | None = None
    jobs: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(format="int32")] = None
    restore_additional_command_args: list[str] | None = None


class GoogleCredentials(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    application_credentials: ConnectionString | None = None
    gke_environment: bool | None = None


class S3Credentials(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    access_key_id: ConnectionString | None = None
    inherit_from_iam_role: bool | None = msgspec.field(default=None, name="inheritFromIAMRole")
    region: ConnectionString | None = None
    secret_access_key: ConnectionString | None = None
    session_token: ConnectionString | None = None


class Wal(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    archive_additional_command_args: list[str] | None = None
    compression: Literal["bzip2", "gzip", "lz4", "snappy", "xz", "zstd"] | None = None
    encryption: Literal["AES256", "aws:kms"] | None = None
    max_parallel: Annotated[int, Meta(ge=1)] | None = None
    restore_additional_command_args: list[str] | None = None


class BarmanObjectStore(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    azure_credentials: AzureCredentials | None = None
    data: Data | None = None
    destination_path: Annotated[str, Meta(min_length=1)]
    endpoint_ca: ConnectionString | None = msgspec.field(default=None, name="endpointCA")
    endpoint_url: str | None = msgspec.field(default=None, name="endpointURL")
    google_credentials: GoogleCredentials | None = None
    history_tags: dict[str, str] | None = None
    s3_credentials: S3Credentials | None = None
    server_name: str | None = None
    tags: dict[str, str] | None = None
    wal: Wal | None = None


class OnlineConfiguration(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    immediate_checkpoint: bool | None = None
    wait_for_archive: Annotated[bool | None, Schema(default=True)] = None


class VolumeSnapshot(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    annotations: dict[str, str] | None = None
    class_name: str | None = None
    labels: dict[str, str] | None = None
    online: Annotated[bool | None, Schema(default=True)] = None
    online_configuration: Annotated[
        OnlineConfiguration | None, Schema(default={"immediateCheckpoint": False, "waitForArchive": True})
    ] = None
    snapshot_owner_reference: Annotated[Literal["none", "cluster", "backup"] | None, Schema(default="none")] = None
    tablespace_class_name: dict[str, str] | None = None
    wal_class_name: str | None = None


class Backup(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    barman_object_store: BarmanObjectStore | None = None
    retention_policy: Annotated[str, Meta(pattern="^[1-9][0-9]*[dwm]$")] | None = None
    target: Annotated[Literal["primary", "prefer-standby"] | None, Schema(default="prefer-standby")] = None
    volume_snapshot: VolumeSnapshot | None = None


class Source(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    external_cluster: str


class Import(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    databases: list[str]
    pg_dump_extra_options: list[str] | None = None
    pg_restore_data_options: list[str] | None = None
    pg_restore_extra_options: list[str] | None = None
    pg_restore_postdata_options: list[str] | None = None
    pg_restore_predata_options: list[str] | None = None
    post_import_application_sql: list[str] | None = msgspec.field(default=None, name="postImportApplicationSQL")
    roles: list[str] | None = None
    schema_only: bool | None = None
    source: Source
    type: Literal["microservice", "monolith"]


class PostInitApplicationSQLRefs(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    config_map_refs: list[ConnectionString] | None = None
    secret_refs: list[ConnectionString] | None = None


class Secret(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str


class Initdb(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    builtin_locale: str | None = None
    data_checksums: bool | None = None
    database: str | None = None
    encoding: str | None = None
    icu_locale: str | None = None
    icu_rules: str | None = None
    import_: Import | None = None
    locale: str | None = None
    locale_c_type: str | None = None
    locale_collate: str | None = None
    locale_provider: str | None = None
    options: list[str] | None = None
    owner: str | None = None
    post_init_application_sql: list[str] | None = msgspec.field(default=None, name="postInitApplicationSQL")
    post_init_application_sql_refs: PostInitApplicationSQLRefs | None = msgspec.field(
        default=None, name="postInitApplicationSQLRefs"
    )
    post_init_sql: list[str] | None = msgspec.field(default=None, name="postInitSQL")
    post_init_sql_refs: PostInitApplicationSQLRefs | None = msgspec.field(default=None, name="postInitSQLRefs")
    post_init_template_sql: list[str] | None = msgspec.field(default=None, name="postInitTemplateSQL")
    post_init_template_sql_refs: PostInitApplicationSQLRefs | None = msgspec.field(
        default=None, name="postInitTemplateSQLRefs"
    )
    secret: Secret | None = None
    wal_segment_size: Annotated[int, Meta(le=1024, ge=1)] | None = None


class Pg_basebackup(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    database: str | None = None
    owner: str | None = None
    secret: Secret | None = None
    source: Annotated[str, Meta(min_length=1)]


class Backup2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    endpoint_ca: ConnectionString | None = msgspec.field(default=None, name="endpointCA")
    name: str


class RecoveryTarget(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    backup_id: str | None = msgspec.field(default=None, name="backupID")
    exclusive: bool | None = None
    target_immediate: bool | None = None
    target_lsn: str | None = msgspec.field(default=None, name="targetLSN")
    target_name: str | None = None
    target_tli: str | None = msgspec.field(default=None, name="targetTLI")
    target_time: str | None = None
    target_xid: str | None = msgspec.field(default=None, name="targetXID")


@Schema(map_type="atomic")
class Storage(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    api_group: str | None = None
    kind: str
    name: str


class VolumeSnapshots(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    storage: Storage
    tablespace_storage: dict[str, Storage] | None = None
    wal_storage: Storage | None = None


class Recovery(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    backup: Backup2 | None = None
    database: str | None = None
    owner: str | None = None
    recovery_target: RecoveryTarget | None = None
    secret: Secret | None = None
    source: str | None = None
    volume_snapshots: VolumeSnapshots | None = None


class Bootstrap(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    initdb: Initdb | None = None
    pg_basebackup: Pg_basebackup | None = msgspec.field(default=None, name="pg_basebackup")
    recovery: Recovery | None = None


class Certificates(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    client_ca_secret: str | None = msgspec.field(default=None, name="clientCASecret")
    replication_tls_secret: str | None = msgspec.field(default=None, name="replicationTLSSecret")
    server_alt_dns_names: list[str] | None = msgspec.field(default=None, name="serverAltDNSNames")
    server_ca_secret: str | None = msgspec.field(default=None, name="serverCASecret")
    server_tls_secret: str | None = msgspec.field(default=None, name="serverTLSSecret")


@Schema(map_type="atomic")
class ConfigMapKeyRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    name: Annotated[str | None, Schema(default="")] = None
    optional: bool | None = None


@Schema(map_type="atomic")
class FieldRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    api_version: str | None = None
    field_path: str


@Schema(map_type="atomic")
class FileKeyRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    optional: Annotated[bool | None, Schema(default=False)] = None
    path: str
    volume_name: str


@Schema(map_type="atomic")
class ResourceFieldRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    container_name: str | None = None
    divisor: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None
    resource: str


class ValueFrom(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    config_map_key_ref: ConfigMapKeyRef | None = None
    field_ref: FieldRef | None = None
    file_key_ref: FileKeyRef | None = None
    resource_field_ref: ResourceFieldRef | None = None
    secret_key_ref: ConfigMapKeyRef | None = None


class Env(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    value: str | None = None
    value_from: ValueFrom | None = None


@Schema(map_type="atomic")
class ConfigMapRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str | None, Schema(default="")] = None
    optional: bool | None = None


class EnvFrom(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    config_map_ref: ConfigMapRef | None = None
    prefix: str | None = None
    secret_ref: ConfigMapRef | None = None


class DataSourceRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    api_group: str | None = None
    kind: str
    name: str
    namespace: str | None = None


class Resources(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    limits: (
        dict[
            str,
            Annotated[
                int | str,
                Schema(
                    more={
                        "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
                    }
                ),
            ],
        ]
        | None
    ) = None
    requests: (
        dict[
            str,
            Annotated[
                int | str,
                Schema(
                    more={
                        "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
                    }
                ),
            ],
        ]
        | None
    ) = None


class Spec2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    access_modes: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    data_source: Storage | None = None
    data_source_ref: DataSourceRef | None = None
    resources: Resources | None = None
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    volume_name: str | None = None


class VolumeClaimTemplate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    metadata: Annotated[dict[str, Any] | None, Schema(type="object")] = None
    spec: Spec2


class EphemeralVolumeSource(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    volume_claim_template: VolumeClaimTemplate | None = None


class EphemeralVolumesSizeLimit(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    shm: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None
    temporary_data: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None


class Plugin(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enabled: Annotated[bool | None, Schema(default=True)] = None
    is_wal_archiver: Annotated[bool | None, Schema(default=False)] = msgspec.field(default=None, name="isWALArchiver")
    name: str
    parameters: dict[str, str] | None = None


class ExternalClusters(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    barman_object_store: BarmanObjectStore | None = None
    connection_parameters: dict[str, str] | None = None
    name: str
    password: ConfigMapKeyRef | None = None
    plugin: Plugin | None = None
    ssl_cert: ConfigMapKeyRef | None = None
    ssl_key: ConfigMapKeyRef | None = None
    ssl_root_cert: ConfigMapKeyRef | None = None


@Schema(map_type="atomic")
class ImageCatalogRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    api_group: str | None = None
    kind: str
    major: int
    name: str


class InheritedMetadata(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class Roles(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    bypassrls: bool | None = None
    comment: str | None = None
    connection_limit: Annotated[int | None, Schema(default=-1, format="int64")] = None
    createdb: bool | None = None
    createrole: bool | None = None
    disable_password: bool | None = None
    ensure: Annotated[Literal["present", "absent"] | None, Schema(default="present")] = None
    in_roles: list[str] | None = None
    inherit: Annotated[bool | None, Schema(default=True)] = None
    login: bool | None = None
    name: str
    password_secret: Secret | None = None
    replication: bool | None = None
    superuser: bool | None = None
    valid_until: Annotated[str | None, Schema(format="date-time")] = None


class Metadata(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    name: str | None = None


class Ports(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    app_protocol: str | None = None
    name: str | None = None
    node_port: Annotated[int | None, Schema(format="int32")] = None
    port: Annotated[int, Schema(format="int32")]
    protocol: Annotated[str | None, Schema(default="TCP")] = None
    target_port: int | str | None = None


class ClientIP(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    timeout_seconds: Annotated[int | None, Schema(format="int32")] = None


class SessionAffinityConfig(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    client_ip: ClientIP | None = msgspec.field(default=None, name="clientIP")


class Spec3(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    allocate_load_balancer_node_ports: bool | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: Annotated[list[str] | None, Schema(list_type="atomic")] = msgspec.field(
        default=None, name="clusterIPs"
    )
    external_ips: Annotated[list[str] | None, Schema(list_type="atomic")] = msgspec.field(
        default=None, name="externalIPs"
    )
    external_name: str | None = None
    external_traffic_policy: str | None = None
    health_check_node_port: Annotated[int | None, Schema(format="int32")] = None
    internal_traffic_policy: str | None = None
    ip_families: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    ip_family_policy: str | None = None
    load_balancer_class: str | None = None
    load_balancer_ip: str | None = msgspec.field(default=None, name="loadBalancerIP")
    load_balancer_source_ranges: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    ports: Annotated[list[Ports] | None, Schema(list_map_keys=("port", "protocol"), list_type="map")] = None
    publish_not_ready_addresses: bool | None = None
    selector: Annotated[dict[str, str] | None, Schema(map_type="atomic")] = None
    session_affinity: str | None = None
    session_affinity_config: SessionAffinityConfig | None = None
    traffic_distribution: str | None = None
    type: str | None = None


class ServiceTemplate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    metadata: Metadata | None = None
    spec: Spec3 | None = None


class Additional(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    selector_type: Literal["rw", "r", "ro"]
    service_template: ServiceTemplate
    update_strategy: Annotated[Literal["patch", "replace"] | None, Schema(default="patch")] = None


class Services(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    additional: list[Additional] | None = None
    disabled_default_services: list[Literal["rw", "r", "ro"]] | None = None


class Managed(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    roles: list[Roles] | None = None
    services: Services | None = None


class PodMonitorMetricRelabelings(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    action: Annotated[
        Literal[
            "replace",
            "Replace",
            "keep",
            "Keep",
            "drop",
            "Drop",
            "hashmod",
            "HashMod",
            "labelmap",
            "LabelMap",
            "labeldrop",
            "LabelDrop",
            "labelkeep",
            "LabelKeep",
            "lowercase",
            "Lowercase",
            "uppercase",
            "Uppercase",
            "keepequal",
            "KeepEqual",
            "dropequal",
            "DropEqual",
        ]
        | None,
        Schema(default="replace"),
    ] = None
    modulus: Annotated[int | None, Schema(format="int64")] = None
    regex: str | None = None
    replacement: str | None = None
    separator: str | None = None
    source_labels: list[str] | None = None
    target_label: str | None = None


class Tls(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enabled: Annotated[bool | None, Schema(default=False)] = None


class Monitoring(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    custom_queries_config_map: list[ConnectionString] | None = None
    custom_queries_secret: list[ConnectionString] | None = None
    disable_default_queries: Annotated[bool | None, Schema(default=False)] = None
    enable_pod_monitor: Annotated[bool | None, Schema(default=False)] = None
    metrics_queries_ttl: str | None = msgspec.field(default=None, name="metricsQueriesTTL")
    pod_monitor_metric_relabelings: list[PodMonitorMetricRelabelings] | None = None
    pod_monitor_relabelings: list[PodMonitorMetricRelabelings] | None = None
    tls: Tls | None = None


class NodeMaintenanceWindow(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    in_progress: Annotated[bool | None, Schema(default=False)] = None
    reuse_pvc: Annotated[bool | None, Schema(default=True)] = msgspec.field(default=None, name="reusePVC")


class AppArmorProfile(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    localhost_profile: str | None = None
    type: str


class SeLinuxOptions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    level: str | None = None
    role: str | None = None
    type: str | None = None
    user: str | None = None


class Sysctls(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    value: str


class WindowsOptions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    gmsa_credential_spec: str | None = None
    gmsa_credential_spec_name: str | None = None
    host_process: bool | None = None
    run_as_user_name: str | None = None


class PodSecurityContext(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    app_armor_profile: AppArmorProfile | None = None
    fs_group: Annotated[int | None, Schema(format="int64")] = None
    fs_group_change_policy: str | None = None
    run_as_group: Annotated[int | None, Schema(format="int64")] = None
    run_as_non_root: bool | None = None
    run_as_user: Annotated[int | None, Schema(format="int64")] = None
    se_linux_change_policy: str | None = None
    se_linux_options: SeLinuxOptions | None = None
    seccomp_profile: AppArmorProfile | None = None
    supplemental_groups: Annotated[list[Annotated[int, Schema(format="int64")]] | None, Schema(list_type="atomic")] = (
        None
    )
    supplemental_groups_policy: str | None = None
    sysctls: Annotated[list[Sysctls] | None, Schema(list_type="atomic")] = None
    windows_options: WindowsOptions | None = None


class PodSelectorRefs(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(min_length=1, pattern="^[a-z]([a-z0-9_-]*[a-z0-9])?$")]
    selector: LabelSelector


class Env2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(min_length=1, pattern="^[a-zA-Z_][a-zA-Z0-9_]*$")]
    value: Annotated[str, Meta(min_length=1)]


class Image(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    pull_policy: str | None = None
    reference: str | None = None


class Extensions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    bin_path: list[str] | None = msgspec.field(default=None, name="bin_path")
    dynamic_library_path: list[str] | None = msgspec.field(default=None, name="dynamic_library_path")
    env: Annotated[list[Env2] | None, Schema(list_map_keys=("name",), list_type="map")] = None
    extension_control_path: list[str] | None = msgspec.field(default=None, name="extension_control_path")
    image: Image | None = None
    ld_library_path: list[str] | None = msgspec.field(default=None, name="ld_library_path")
    name: Annotated[str, Meta(max_length=59, min_length=1, pattern="^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$")]


class BindAsAuth(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    prefix: str | None = None
    suffix: str | None = None


class BindSearchAuth(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    base_dn: str | None = msgspec.field(default=None, name="baseDN")
    bind_dn: str | None = msgspec.field(default=None, name="bindDN")
    bind_password: ConfigMapKeyRef | None = None
    search_attribute: str | None = None
    search_filter: str | None = None


class Ldap(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    bind_as_auth: BindAsAuth | None = None
    bind_search_auth: BindSearchAuth | None = None
    port: int | None = None
    scheme: Literal["ldap", "ldaps"] | None = None
    server: str | None = None
    tls: bool | None = None


class SyncReplicaElectionConstraint(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enabled: bool
    node_labels_anti_affinity: list[str] | None = None


class Synchronous(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    data_durability: Literal["required", "preferred"] | None = None
    failover_quorum: bool | None = None
    max_standby_names_from_cluster: int | None = None
    method: Literal["any", "first"]
    node_failure_domain_keys: list[str] | None = None
    number: int
    pod_failure_domain_keys: list[str] | None = None
    standby_names_post: list[str] | None = None
    standby_names_pre: list[str] | None = None


class Postgresql(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enable_alter_system: bool | None = None
    extensions: Annotated[list[Extensions] | None, Schema(list_map_keys=("name",), list_type="map")] = None
    ldap: Ldap | None = None
    parameters: dict[str, str] | None = None
    pg_hba: list[str] | None = msgspec.field(default=None, name="pg_hba")
    pg_ident: list[str] | None = msgspec.field(default=None, name="pg_ident")
    promotion_timeout: Annotated[int | None, Schema(format="int32")] = None
    shared_preload_libraries: list[str] | None = msgspec.field(default=None, name="shared_preload_libraries")
    sync_replica_election_constraint: SyncReplicaElectionConstraint | None = None
    synchronous: Synchronous | None = None


class PrimaryLease(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    lease_duration_seconds: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(default=15, format="int32")] = None
    released_lease_duration_seconds: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(default=1, format="int32")] = (
        None
    )
    renew_deadline_seconds: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(default=10, format="int32")] = None
    retry_period_seconds: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(default=2, format="int32")] = None


class IsolationCheck(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    connection_timeout: Annotated[int | None, Schema(default=1000)] = None
    enabled: Annotated[bool | None, Schema(default=True)] = None
    request_timeout: Annotated[int | None, Schema(default=1000)] = None


class Liveness(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    failure_threshold: Annotated[int | None, Schema(format="int32")] = None
    initial_delay_seconds: Annotated[int | None, Schema(format="int32")] = None
    isolation_check: IsolationCheck | None = None
    period_seconds: Annotated[int | None, Schema(format="int32")] = None
    success_threshold: Annotated[int | None, Schema(format="int32")] = None
    termination_grace_period_seconds: Annotated[int | None, Schema(format="int64")] = None
    timeout_seconds: Annotated[int | None, Schema(format="int32")] = None


class Readiness(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    failure_threshold: Annotated[int | None, Schema(format="int32")] = None
    initial_delay_seconds: Annotated[int | None, Schema(format="int32")] = None
    maximum_lag: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None
    period_seconds: Annotated[int | None, Schema(format="int32")] = None
    success_threshold: Annotated[int | None, Schema(format="int32")] = None
    termination_grace_period_seconds: Annotated[int | None, Schema(format="int64")] = None
    timeout_seconds: Annotated[int | None, Schema(format="int32")] = None
    type: Literal["pg_isready", "streaming", "query"] | None = None


class Probes(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    liveness: Liveness | None = None
    readiness: Readiness | None = None
    startup: Readiness | None = None


class ClusterTrustBundle(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    label_selector: LabelSelector | None = None
    name: str | None = None
    optional: bool | None = None
    path: str
    signer_name: str | None = None


class Items(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    mode: Annotated[int | None, Schema(format="int32")] = None
    path: str


@Schema(map_type="atomic")
class ConfigMap(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    items: Annotated[list[Items] | None, Schema(list_type="atomic")] = None
    name: Annotated[str | None, Schema(default="")] = None
    optional: bool | None = None


class Items2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    field_ref: FieldRef | None = None
    mode: Annotated[int | None, Schema(format="int32")] = None
    path: str
    resource_field_ref: ResourceFieldRef | None = None


class DownwardAPI(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    items: Annotated[list[Items2] | None, Schema(list_type="atomic")] = None


class PodCertificate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    certificate_chain_path: str | None = None
    credential_bundle_path: str | None = None
    key_path: str | None = None
    key_type: str
    max_expiration_seconds: Annotated[int | None, Schema(format="int32")] = None
    signer_name: str
    user_annotations: dict[str, str] | None = None


class ServiceAccountToken(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    audience: str | None = None
    expiration_seconds: Annotated[int | None, Schema(format="int64")] = None
    path: str


class Sources(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    cluster_trust_bundle: ClusterTrustBundle | None = None
    config_map: ConfigMap | None = None
    downward_api: DownwardAPI | None = msgspec.field(default=None, name="downwardAPI")
    pod_certificate: PodCertificate | None = None
    secret: ConfigMap | None = None
    service_account_token: ServiceAccountToken | None = None


class ProjectedVolumeTemplate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    default_mode: Annotated[int | None, Schema(format="int32")] = None
    sources: Annotated[list[Sources] | None, Schema(list_type="atomic")] = None


class Replica(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enabled: bool | None = None
    min_apply_delay: str | None = None
    primary: str | None = None
    promotion_token: str | None = None
    self: str | None = None
    source: Annotated[str, Meta(min_length=1)]


class HighAvailability(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enabled: Annotated[bool | None, Schema(default=True)] = None
    slot_prefix: Annotated[Annotated[str, Meta(pattern="^[0-9a-z_]*$")] | None, Schema(default="_cnpg_")] = None
    synchronize_logical_decoding: bool | None = None


class SynchronizeReplicas(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enabled: Annotated[bool, Schema(default=True)]
    exclude_patterns: list[str] | None = None


class ReplicationSlots(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    high_availability: Annotated[HighAvailability | None, Schema(default={"enabled": True})] = None
    synchronize_replicas: SynchronizeReplicas | None = None
    update_interval: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(default=30)] = None


class Claims(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    request: str | None = None


class Resources2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    claims: Annotated[list[Claims] | None, Schema(list_map_keys=("name",), list_type="map")] = None
    limits: (
        dict[
            str,
            Annotated[
                int | str,
                Schema(
                    more={
                        "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
                    }
                ),
            ],
        ]
        | None
    ) = None
    requests: (
        dict[
            str,
            Annotated[
                int | str,
                Schema(
                    more={
                        "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
                    }
                ),
            ],
        ]
        | None
    ) = None


class Capabilities(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    add: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    drop: Annotated[list[str] | None, Schema(list_type="atomic")] = None


class SecurityContext(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: Annotated[int | None, Schema(format="int64")] = None
    run_as_non_root: bool | None = None
    run_as_user: Annotated[int | None, Schema(format="int64")] = None
    se_linux_options: SeLinuxOptions | None = None
    seccomp_profile: AppArmorProfile | None = None
    windows_options: WindowsOptions | None = None


class ServiceAccountTemplate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    metadata: Metadata


class Storage2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    pvc_template: Spec2 | None = None
    resize_in_use_volumes: Annotated[bool | None, Schema(default=True)] = None
    size: str | None = None
    storage_class: str | None = None


class Owner(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str | None = None


class Tablespaces(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    owner: Owner | None = None
    storage: Storage2
    temporary: Annotated[bool | None, Schema(default=False)] = None


class TopologySpreadConstraints(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    label_selector: LabelSelector | None = None
    match_label_keys: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    max_skew: Annotated[int, Schema(format="int32")]
    min_domains: Annotated[int | None, Schema(format="int32")] = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
    topology_key: str
    when_unsatisfiable: str


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    affinity: Affinity | None = None
    backup: Backup | None = None
    bootstrap: Bootstrap | None = None
    certificates: Certificates | None = None
    description: str | None = None
    enable_pdb: Annotated[bool | None, Schema(default=True)] = msgspec.field(default=None, name="enablePDB")
    enable_superuser_access: Annotated[bool | None, Schema(default=False)] = None
    env: list[Env] | None = None
    env_from: list[EnvFrom] | None = None
    ephemeral_volume_source: EphemeralVolumeSource | None = None
    ephemeral_volumes_size_limit: EphemeralVolumesSizeLimit | None = None
    external_clusters: list[ExternalClusters] | None = None
    failover_delay: Annotated[int | None, Schema(default=0, format="int32")] = None
    image_catalog_ref: ImageCatalogRef | None = None
    image_name: str | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: list[Secret] | None = None
    inherited_metadata: InheritedMetadata | None = None
    instances: Annotated[Annotated[int, Meta(ge=1)], Schema(default=1)]
    liveness_probe_timeout: Annotated[int | None, Schema(format="int32")] = None
    log_level: Annotated[Literal["error", "warning", "info", "debug", "trace"] | None, Schema(default="info")] = None
    managed: Managed | None = None
    max_sync_replicas: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(default=0)] = None
    min_sync_replicas: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(default=0)] = None
    monitoring: Monitoring | None = None
    node_maintenance_window: NodeMaintenanceWindow | None = None
    plugins: list[Plugin] | None = None
    pod_security_context: PodSecurityContext | None = None
    pod_selector_refs: Annotated[list[PodSelectorRefs] | None, Schema(list_map_keys=("name",), list_type="map")] = None
    postgres_gid: Annotated[int | None, Schema(default=26, format="int64")] = msgspec.field(
        default=None, name="postgresGID"
    )
    postgres_uid: Annotated[int | None, Schema(default=26, format="int64")] = msgspec.field(
        default=None, name="postgresUID"
    )
    postgresql: Postgresql | None = None
    primary_lease: PrimaryLease | None = None
    primary_update_method: Annotated[Literal["switchover", "restart"] | None, Schema(default="restart")] = None
    primary_update_strategy: Annotated[Literal["unsupervised", "supervised"] | None, Schema(default="unsupervised")] = (
        None
    )
    priority_class_name: str | None = None
    probes: Probes | None = None
    projected_volume_template: ProjectedVolumeTemplate | None = None
    replica: Replica | None = None
    replication_slots: Annotated[ReplicationSlots | None, Schema(default={"highAvailability": {"enabled": True}})] = (
        None
    )
    resources: Resources2 | None = None
    scheduler_name: str | None = None
    seccomp_profile: AppArmorProfile | None = None
    security_context: SecurityContext | None = None
    service_account_name: Annotated[str, Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = None
    service_account_template: ServiceAccountTemplate | None = None
    smart_shutdown_timeout: Annotated[int | None, Schema(default=180, format="int32")] = None
    start_delay: Annotated[int | None, Schema(default=3600, format="int32")] = None
    stop_delay: Annotated[int | None, Schema(default=1800, format="int32")] = None
    storage: Storage2 | None = None
    superuser_secret: Secret | None = None
    switchover_delay: Annotated[int | None, Schema(default=3600, format="int32")] = None
    tablespaces: list[Tablespaces] | None = None
    topology_spread_constraints: list[TopologySpreadConstraints] | None = None
    wal_storage: Storage2 | None = None


class AvailableArchitectures(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    go_arch: str
    hash: str


class Certificates2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    client_ca_secret: str | None = msgspec.field(default=None, name="clientCASecret")
    expirations: dict[str, str] | None = None
    replication_tls_secret: str | None = msgspec.field(default=None, name="replicationTLSSecret")
    server_alt_dns_names: list[str] | None = msgspec.field(default=None, name="serverAltDNSNames")
    server_ca_secret: str | None = msgspec.field(default=None, name="serverCASecret")
    server_tls_secret: str | None = msgspec.field(default=None, name="serverTLSSecret")


class Conditions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    last_transition_time: Annotated[str, Schema(format="date-time")]
    message: Annotated[str, Meta(max_length=32768)]
    observed_generation: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    reason: Annotated[str, Meta(max_length=1024, min_length=1, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    status: Literal["True", "False", "Unknown"]
    type: Annotated[
        str,
        Meta(
            max_length=316,
            pattern="^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]


class ConfigMapResourceVersion(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    metrics: dict[str, str] | None = None


class InstancesReportedState(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ip: str | None = None
    is_primary: bool
    time_line_id: int | None = msgspec.field(default=None, name="timeLineID")


class PasswordStatus(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    resource_version: str | None = None
    transaction_id: Annotated[int | None, Schema(format="int64")] = msgspec.field(default=None, name="transactionID")


class ManagedRolesStatus(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    by_status: dict[str, list[str]] | None = None
    cannot_reconcile: dict[str, list[str]] | None = None
    password_status: dict[str, PasswordStatus] | None = None


class PgDataImageInfo(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    extensions: list[Extensions] | None = None
    image: str
    major_version: int


class PluginStatus(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    backup_capabilities: list[str] | None = None
    capabilities: list[str] | None = None
    name: str
    operator_capabilities: list[str] | None = None
    restore_job_hook_capabilities: list[str] | None = None
    status: str | None = None
    version: str
    wal_capabilities: list[str] | None = None


class PodSelectorRefs2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ips: list[str] | None = None
    name: str


class PgBouncerIntegration(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    secrets: list[str] | None = None


class PoolerIntegrations(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    pg_bouncer_integration: PgBouncerIntegration | None = None


class SecretsResourceVersion(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    application_secret_version: str | None = None
    barman_endpoint_ca: str | None = msgspec.field(default=None, name="barmanEndpointCA")
    ca_secret_version: str | None = None
    client_ca_secret_version: str | None = None
    external_cluster_secret_version: dict[str, str] | None = None
    managed_role_secret_version: dict[str, str] | None = None
    metrics: dict[str, str] | None = None
    replication_secret_version: str | None = None
    server_ca_secret_version: str | None = None
    server_secret_version: str | None = None
    superuser_secret_version: str | None = None


class SwitchReplicaClusterStatus(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    in_progress: bool | None = None


class TablespacesStatus(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    error: str | None = None
    name: str
    owner: str | None = None
    state: str


class Topology(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    instances: dict[str, dict[str, str]] | None = None
    nodes_used: Annotated[int | None, Schema(format="int32")] = None
    successfully_extracted: bool | None = None


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    available_architectures: list[AvailableArchitectures] | None = None
    certificates: Certificates2 | None = None
    cloud_native_pg_commit_hash: str | None = msgspec.field(default=None, name="cloudNativePGCommitHash")
    cloud_native_pg_operator_hash: str | None = msgspec.field(default=None, name="cloudNativePGOperatorHash")
    conditions: list[Conditions] | None = None
    config_map_resource_version: ConfigMapResourceVersion | None = None
    current_primary: str | None = None
    current_primary_failing_since_timestamp: str | None = None
    current_primary_timestamp: str | None = None
    dangling_pvc: list[str] | None = msgspec.field(default=None, name="danglingPVC")
    demotion_token: str | None = None
    first_recoverability_point: str | None = None
    first_recoverability_point_by_method: dict[str, Annotated[str, Schema(format="date-time")]] | None = None
    healthy_pvc: list[str] | None = msgspec.field(default=None, name="healthyPVC")
    image: str | None = None
    initializing_pvc: list[str] | None = msgspec.field(default=None, name="initializingPVC")
    instance_names: list[str] | None = None
    instances: int | None = None
    instances_reported_state: dict[str, InstancesReportedState] | None = None
    instances_status: dict[str, list[str]] | None = None
    job_count: Annotated[int | None, Schema(format="int32")] = None
    last_failed_backup: str | None = None
    last_promotion_token: str | None = None
    last_successful_backup: str | None = None
    last_successful_backup_by_method: dict[str, Annotated[str, Schema(format="date-time")]] | None = None
    latest_generated_node: int | None = None
    managed_roles_status: ManagedRolesStatus | None = None
    online_update_enabled: bool | None = None
    operator_certificate_fingerprint: str | None = None
    pg_data_image_info: PgDataImageInfo | None = None
    phase: str | None = None
    phase_reason: str | None = None
    plugin_status: list[PluginStatus] | None = None
    pod_selector_refs: Annotated[list[PodSelectorRefs2] | None, Schema(list_map_keys=("name",), list_type="map")] = None
    pooler_integrations: PoolerIntegrations | None = None
    pvc_count: Annotated[int | None, Schema(format="int32")] = None
    read_service: str | None = None
    ready_instances: int | None = None
    resizing_pvc: list[str] | None = msgspec.field(default=None, name="resizingPVC")
    secrets_resource_version: SecretsResourceVersion | None = None
    selector: str | None = None
    switch_replica_cluster_status: SwitchReplicaClusterStatus | None = None
    system_id: str | None = msgspec.field(default=None, name="systemID")
    tablespaces_status: list[TablespacesStatus] | None = None
    target_pg_data_image_info: PgDataImageInfo | None = None
    target_primary: str | None = None
    target_primary_timestamp: str | None = None
    timeline_id: int | None = msgspec.field(default=None, name="timelineID")
    topology: Topology | None = None
    unusable_pvc: list[str] | None = msgspec.field(default=None, name="unusablePVC")
    write_service: str | None = None


class Cluster(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec
    status: Status | None = None


CLUSTER_V1 = custom_resource(
    group="postgresql.cnpg.io",
    version="v1",
    kind="Cluster",
    plural="clusters",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=True),
).of(Cluster)

VERSIONS = (CLUSTER_V1,)
