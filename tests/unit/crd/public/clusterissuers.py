"""ClusterIssuer of cert-manager.io, as classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class KeySecretRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str | None = None
    name: str


class ExternalAccountBinding(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key_algorithm: Literal["HS256", "HS384", "HS512"] | None = None
    key_id: str = msgspec.field(name="keyID")
    key_secret_ref: KeySecretRef


class AcmeDNS(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    account_secret_ref: KeySecretRef
    host: str


class Akamai(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    access_token_secret_ref: KeySecretRef
    client_secret_secret_ref: KeySecretRef
    client_token_secret_ref: KeySecretRef
    service_consumer_domain: str


class ManagedIdentity(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    client_id: str | None = msgspec.field(default=None, name="clientID")
    resource_id: str | None = msgspec.field(default=None, name="resourceID")
    tenant_id: str | None = msgspec.field(default=None, name="tenantID")


class AzureDNS(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    client_id: str | None = msgspec.field(default=None, name="clientID")
    client_secret_secret_ref: KeySecretRef | None = None
    environment: Literal["AzurePublicCloud", "AzureChinaCloud", "AzureGermanCloud", "AzureUSGovernmentCloud"] | None = (
        None
    )
    hosted_zone_name: str | None = None
    managed_identity: ManagedIdentity | None = None
    resource_group_name: str
    subscription_id: str = msgspec.field(name="subscriptionID")
    tenant_id: str | None = msgspec.field(default=None, name="tenantID")
    zone_type: Literal["AzurePublicZone", "AzurePrivateZone"] | None = None


class CloudDNS(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    hosted_zone_name: str | None = None
    project: str
    service_account_secret_ref: KeySecretRef | None = None


class Cloudflare(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    api_key_secret_ref: KeySecretRef | None = None
    api_token_secret_ref: KeySecretRef | None = None
    email: str | None = None


class Digitalocean(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    token_secret_ref: KeySecretRef


class Rfc2136(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    nameserver: str
    protocol: Literal["TCP", "UDP"] | None = None
    tsig_algorithm: str | None = None
    tsig_key_name: str | None = None
    tsig_secret_secret_ref: KeySecretRef | None = None


class ServiceAccountRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    audiences: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    name: str


class Kubernetes(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    service_account_ref: ServiceAccountRef


class Auth(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    kubernetes: Kubernetes


class Route53(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    access_key_id: str | None = msgspec.field(default=None, name="accessKeyID")
    access_key_id_secret_ref: KeySecretRef | None = msgspec.field(default=None, name="accessKeyIDSecretRef")
    auth: Auth | None = None
    hosted_zone_id: str | None = msgspec.field(default=None, name="hostedZoneID")
    region: str | None = None
    role: str | None = None
    secret_access_key_secret_ref: KeySecretRef | None = None


class Webhook(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    config: Any = None
    group_name: str
    solver_name: str


class Dns01(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    acme_dns: AcmeDNS | None = msgspec.field(default=None, name="acmeDNS")
    akamai: Akamai | None = None
    azure_dns: AzureDNS | None = msgspec.field(default=None, name="azureDNS")
    cloud_dns: CloudDNS | None = msgspec.field(default=None, name="cloudDNS")
    cloudflare: Cloudflare | None = None
    cname_strategy: Literal["None", "Follow"] | None = None
    digitalocean: Digitalocean | None = None
    nameservers: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    rfc2136: Rfc2136 | None = None
    route53: Route53 | None = None
    webhook: Webhook | None = None


class ParentRefs(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[
        Annotated[
            str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None,
        Schema(default="gateway.networking.k8s.io"),
    ] = None
    kind: Annotated[
        Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")] | None,
        Schema(default="Gateway"),
    ] = None
    name: Annotated[str, Meta(max_length=253, min_length=1)]
    namespace: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = (
        None
    )
    port: Annotated[Annotated[int, Meta(le=65535, ge=1)] | None, Schema(format="int32")] = None
    section_name: (
        Annotated[
            str,
            Meta(
                max_length=253,
                min_length=1,
                pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            ),
        ]
        | None
    ) = None


class Metadata(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class MatchExpressions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    operator: str
    values: Annotated[list[str] | None, Schema(list_type="atomic")] = None


@Schema(map_type="atomic")
class Preference(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_expressions: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None
    match_fields: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None


class PreferredDuringSchedulingIgnoredDuringExecution(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    preference: Preference
    weight: Annotated[int, Schema(format="int32")]


@Schema(map_type="atomic")
class RequiredDuringSchedulingIgnoredDuringExecution(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    node_selector_terms: Annotated[list[Preference], Schema(list_type="atomic")]


class NodeAffinity(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredDuringSchedulingIgnoredDuringExecution] | None, Schema(list_type="atomic")
    ] = None
    required_during_scheduling_ignored_during_execution: RequiredDuringSchedulingIgnoredDuringExecution | None = None


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


class PreferredDuringSchedulingIgnoredDuringExecution2(
    msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True
):
    pod_affinity_term: PodAffinityTerm
    weight: Annotated[int, Schema(format="int32")]


class PodAffinity(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredDuringSchedulingIgnoredDuringExecution2] | None, Schema(list_type="atomic")
    ] = None
    required_during_scheduling_ignored_during_execution: Annotated[
        list[PodAffinityTerm] | None, Schema(list_type="atomic")
    ] = None


class Affinity(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


@Schema(map_type="atomic")
class ImagePullSecrets(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str | None, Schema(default="")] = None


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


class SeLinuxOptions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    level: str | None = None
    role: str | None = None
    type: str | None = None
    user: str | None = None


class SeccompProfile(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    localhost_profile: str | None = None
    type: str


class Sysctls(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    value: str


class SecurityContext(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    fs_group: Annotated[int | None, Schema(format="int64")] = None
    fs_group_change_policy: str | None = None
    run_as_group: Annotated[int | None, Schema(format="int64")] = None
    run_as_non_root: bool | None = None
    run_as_user: Annotated[int | None, Schema(format="int64")] = None
    se_linux_options: SeLinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: Annotated[list[Annotated[int, Schema(format="int64")]] | None, Schema(list_type="atomic")] = (
        None
    )
    sysctls: Annotated[list[Sysctls] | None, Schema(list_type="atomic")] = None


class Tolerations(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    effect: str | None = None
    key: str | None = None
    operator: str | None = None
    toleration_seconds: Annotated[int | None, Schema(format="int64")] = None
    value: str | None = None


class Spec2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    affinity: Affinity | None = None
    image_pull_secrets: Annotated[list[ImagePullSecrets] | None, Schema(list_map_keys=("name",), list_type="map")] = (
        None
    )
    node_selector: dict[str, str] | None = None
    priority_class_name: str | None = None
    resources: Resources | None = None
    security_context: SecurityContext | None = None
    service_account_name: str | None = None
    tolerations: Annotated[list[Tolerations] | None, Schema(list_type="atomic")] = None


class PodTemplate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    metadata: Metadata | None = None
    spec: Spec2 | None = None


class GatewayHTTPRoute(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    labels: dict[str, str] | None = None
    parent_refs: Annotated[list[ParentRefs] | None, Schema(list_type="atomic")] = None
    pod_template: PodTemplate | None = None
    service_type: str | None = None


class IngressTemplate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    metadata: Metadata | None = None


class Ingress(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    class_: str | None = None
    ingress_class_name: str | None = None
    ingress_template: IngressTemplate | None = None
    name: str | None = None
    pod_template: PodTemplate | None = None
    service_type: str | None = None


class Http01(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    gateway_http_route: GatewayHTTPRoute | None = msgspec.field(default=None, name="gatewayHTTPRoute")
    ingress: Ingress | None = None


class Selector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    dns_names: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    dns_zones: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    match_labels: dict[str, str] | None = None


class Solvers(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    dns01: Dns01 | None = None
    http01: Http01 | None = None
    selector: Selector | None = None
    wait_instead_of_self_check: str | None = None


class Acme(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ca_bundle: Annotated[str | None, Schema(format="byte")] = None
    disable_account_key_generation: bool | None = None
    email: str | None = None
    enable_duration_feature: bool | None = None
    external_account_binding: ExternalAccountBinding | None = None
    preferred_chain: Annotated[str, Meta(max_length=64)] | None = None
    private_key_secret_ref: KeySecretRef
    profile: str | None = None
    renewal_information_source: Annotated[Literal["ARI", "None"] | None, Schema(default="ARI")] = None
    server: str
    skip_tls_verify: bool | None = msgspec.field(default=None, name="skipTLSVerify")
    solvers: Annotated[list[Solvers] | None, Schema(list_type="atomic")] = None


class Ca(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    crl_distribution_points: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    issuing_certificate_urls: Annotated[list[str] | None, Schema(list_type="atomic")] = msgspec.field(
        default=None, name="issuingCertificateURLs"
    )
    ocsp_servers: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    secret_name: str


class SelfSigned(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    crl_distribution_points: Annotated[list[str] | None, Schema(list_type="atomic")] = None


class AppRole(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    path: str
    role_id: str
    secret_ref: KeySecretRef


class Aws(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    iam_role_arn: str | None = None
    mount_path: str | None = None
    region: str | None = None
    role: Annotated[str, Meta(min_length=1)]
    service_account_ref: ServiceAccountRef | None = None
    vault_header_value: str | None = None


class ClientCertificate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    mount_path: str | None = None
    name: str | None = None
    secret_name: str | None = None


class Kubernetes2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    mount_path: str | None = None
    role: str
    secret_ref: KeySecretRef | None = None
    service_account_ref: ServiceAccountRef | None = None


class Auth2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    app_role: AppRole | None = None
    aws: Aws | None = None
    client_certificate: ClientCertificate | None = None
    kubernetes: Kubernetes2 | None = None
    token_secret_ref: KeySecretRef | None = None


class Vault(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    auth: Auth2
    ca_bundle: Annotated[str | None, Schema(format="byte")] = None
    ca_bundle_secret_ref: KeySecretRef | None = None
    client_cert_secret_ref: KeySecretRef | None = None
    client_key_secret_ref: KeySecretRef | None = None
    namespace: str | None = None
    path: str
    server: str
    server_name: str | None = None


class Cloud(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    api_token_secret_ref: KeySecretRef
    url: str | None = None


class CredentialsRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str


class Ngts(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    credentials_ref: CredentialsRef
    token_endpoint: str | None = None
    tsg_id: str = msgspec.field(name="tsgID")
    url: str | None = None


class Tpp(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ca_bundle: Annotated[str | None, Schema(format="byte")] = None
    ca_bundle_secret_ref: KeySecretRef | None = None
    credentials_ref: CredentialsRef
    url: str


class Venafi(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    cloud: Cloud | None = None
    ngts: Ngts | None = None
    tpp: Tpp | None = None
    zone: str


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    acme: Acme | None = None
    ca: Ca | None = None
    self_signed: SelfSigned | None = None
    vault: Vault | None = None
    venafi: Venafi | None = None


class Acme2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    last_private_key_hash: str | None = None
    last_registered_email: str | None = None
    uri: str | None = None


class Conditions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    last_transition_time: Annotated[str | None, Schema(format="date-time")] = None
    message: str | None = None
    observed_generation: Annotated[int | None, Schema(format="int64")] = None
    reason: str | None = None
    status: Literal["True", "False", "Unknown"]
    type: str


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    acme: Acme2 | None = None
    conditions: Annotated[list[Conditions] | None, Schema(list_map_keys=("type",), list_type="map")] = None


class ClusterIssuer(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec
    status: Status | None = None


CLUSTER_ISSUER_V1 = custom_resource(
    group="cert-manager.io",
    version="v1",
    kind="ClusterIssuer",
    plural="clusterissuers",
    scope=Scope.CLUSTER,
    definition=Definition(storage=True),
).of(ClusterIssuer)

VERSIONS = (CLUSTER_ISSUER_V1,)
