"""DestinationRule of networking.istio.io, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class Http2KeepAlive(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    interval: str | None = None
    timeout: str | None = None


class Http(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] | None = None
    http1_max_pending_requests: Annotated[int | None, Schema(format="int32")] = None
    http2_keep_alive: Http2KeepAlive | None = None
    http2_max_requests: Annotated[int | None, Schema(format="int32")] = None
    idle_timeout: str | None = None
    max_concurrent_streams: Annotated[int | None, Schema(format="int32")] = None
    max_requests_per_connection: Annotated[int | None, Schema(format="int32")] = None
    max_retries: Annotated[int | None, Schema(format="int32")] = None
    use_client_protocol: bool | None = None


class TcpKeepalive(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    interval: str | None = None
    probes: Annotated[int, Meta(le=4294967295, ge=0)] | None = None
    time: str | None = None


class Tcp(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    connect_timeout: str | None = None
    idle_timeout: str | None = None
    max_connection_duration: str | None = None
    max_connections: Annotated[int | None, Schema(format="int32")] = None
    tcp_keepalive: TcpKeepalive | None = None


class ConnectionPool(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    http: Http | None = None
    tcp: Tcp | None = None


class Attributes(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    value: str | None = None


class HttpCookie(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    attributes: list[Attributes] | None = None
    name: str
    path: str | None = None
    ttl: str | None = None


class Maglev(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    table_size: Annotated[int, Meta(ge=0)] | None = None


class RingHash(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    minimum_ring_size: Annotated[int, Meta(ge=0)] | None = None


@Schema(
    more={
        "allOf": [
            {
                "oneOf": [
                    {
                        "not": {
                            "anyOf": [
                                {"required": ["httpHeaderName"]},
                                {"required": ["httpCookie"]},
                                {"required": ["useSourceIp"]},
                                {"required": ["httpQueryParameterName"]},
                            ]
                        }
                    },
                    {"required": ["httpHeaderName"]},
                    {"required": ["httpCookie"]},
                    {"required": ["useSourceIp"]},
                    {"required": ["httpQueryParameterName"]},
                ]
            },
            {
                "oneOf": [
                    {"not": {"anyOf": [{"required": ["ringHash"]}, {"required": ["maglev"]}]}},
                    {"required": ["ringHash"]},
                    {"required": ["maglev"]},
                ]
            },
        ]
    }
)
class ConsistentHash(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    http_cookie: HttpCookie | None = None
    http_header_name: str | None = None
    http_query_parameter_name: str | None = None
    maglev: Maglev | None = None
    minimum_ring_size: Annotated[int, Meta(ge=0)] | None = None
    ring_hash: RingHash | None = None
    use_source_ip: bool | None = None


class Distribute(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    from_: str | None = None
    to: dict[str, Annotated[int, Meta(le=4294967295, ge=0)]] | None = None


class Failover(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    from_: str | None = None
    to: str | None = None


class LocalityLbSetting(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    distribute: list[Distribute] | None = None
    enabled: Annotated[bool | None, Schema(nullable=True)] = None
    failover: list[Failover] | None = None
    failover_priority: list[str] | None = None


class Warmup(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    aggression: Annotated[Annotated[float, Meta(ge=0)] | None, Schema(format="double", nullable=True)] = None
    duration: str
    minimum_percent: Annotated[Annotated[float, Meta(le=100, ge=0)] | None, Schema(format="double", nullable=True)] = (
        None
    )


class ZoneAwareLbSetting(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    enabled: Annotated[bool | None, Schema(nullable=True)] = None
    failover: list[Failover] | None = None
    failover_priority: list[str] | None = None
    min_cluster_size: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(nullable=True)] = None


@Schema(
    more={
        "oneOf": [
            {"not": {"anyOf": [{"required": ["simple"]}, {"required": ["consistentHash"]}]}},
            {"required": ["simple"]},
            {"required": ["consistentHash"]},
        ]
    }
)
class LoadBalancer(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    consistent_hash: ConsistentHash | None = None
    locality_lb_setting: LocalityLbSetting | None = None
    simple: Literal["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"] | None = None
    warmup: Warmup | None = None
    warmup_duration_secs: str | None = None
    zone_aware_lb_setting: ZoneAwareLbSetting | None = None


class OutlierDetection(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    base_ejection_time: str | None = None
    consecutive5xx_errors: Annotated[Annotated[int, Meta(le=4294967295, ge=0)] | None, Schema(nullable=True)] = None
    consecutive_errors: Annotated[int | None, Schema(format="int32")] = None
    consecutive_gateway_errors: Annotated[Annotated[int, Meta(le=4294967295, ge=0)] | None, Schema(nullable=True)] = (
        None
    )
    consecutive_local_origin_failures: Annotated[
        Annotated[int, Meta(le=4294967295, ge=0)] | None, Schema(nullable=True)
    ] = None
    interval: str | None = None
    max_ejection_percent: Annotated[int | None, Schema(format="int32")] = None
    min_health_percent: Annotated[int | None, Schema(format="int32")] = None
    outlier_detection_http_error_codes: list[Annotated[int, Meta(le=599, ge=100)]] | None = None
    split_external_local_origin_errors: bool | None = None


class Port(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    number: Annotated[int, Meta(le=4294967295, ge=0)] | None = None


class Tls(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ca_certificates: str | None = None
    ca_crl: str | None = None
    client_certificate: str | None = None
    credential_name: str | None = None
    insecure_skip_verify: Annotated[bool | None, Schema(nullable=True)] = None
    mode: Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"] | None = None
    private_key: str | None = None
    sni: str | None = None
    subject_alt_names: list[str] | None = None


class PortLevelSettings(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    connection_pool: ConnectionPool | None = None
    load_balancer: LoadBalancer | None = None
    outlier_detection: OutlierDetection | None = None
    port: Port | None = None
    tls: Tls | None = None


class ProxyProtocol(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    version: Literal["V1", "V2"] | None = None


class RetryBudget(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    budget_interval: str | None = None
    min_retry_concurrency: Annotated[int, Meta(le=4294967295, ge=0)] | None = None
    percent: Annotated[Annotated[float, Meta(le=100, ge=0)] | None, Schema(format="double", nullable=True)] = None


class Tunnel(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    protocol: str | None = None
    target_host: str
    target_port: Annotated[int, Meta(le=4294967295, ge=0)]


class TrafficPolicy(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    connection_pool: ConnectionPool | None = None
    load_balancer: LoadBalancer | None = None
    outlier_detection: OutlierDetection | None = None
    port_level_settings: Annotated[list[PortLevelSettings], Meta(max_length=4096)] | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None
    tls: Tls | None = None
    tunnel: Tunnel | None = None


class Subsets(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    labels: dict[str, str] | None = None
    name: str
    traffic_policy: TrafficPolicy | None = None


class WorkloadSelector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_labels: Annotated[
        dict[str, Annotated[str, Meta(max_length=63)]] | None, Schema(more={"maxProperties": 4096})
    ] = None


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    export_to: list[str] | None = None
    host: str
    subsets: list[Subsets] | None = None
    traffic_policy: TrafficPolicy | None = None
    workload_selector: WorkloadSelector | None = None


class Conditions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    last_probe_time: Annotated[str | None, Schema(format="date-time")] = None
    last_transition_time: Annotated[str | None, Schema(format="date-time")] = None
    message: str | None = None
    observed_generation: int | str | None = None
    reason: str | None = None
    status: str | None = None
    type: str | None = None


class Type(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    code: str | None = None
    name: str | None = None


class ValidationMessages(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    documentation_url: str | None = None
    level: Literal["UNKNOWN", "ERROR", "WARNING", "INFO"] | None = None
    type: Type | None = None


@Schema(unknown_fields=True)
class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    conditions: list[Conditions] | None = None
    observed_generation: int | str | None = None
    validation_messages: list[ValidationMessages] | None = None


class DestinationRule(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec | None = None
    status: Status | None = None


DESTINATION_RULE_V1 = custom_resource(
    group="networking.istio.io",
    version="v1",
    kind="DestinationRule",
    plural="destinationrules",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=True),
).of(DestinationRule)
DESTINATION_RULE_V1ALPHA3 = custom_resource(
    group="networking.istio.io",
    version="v1alpha3",
    kind="DestinationRule",
    plural="destinationrules",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=False),
).of(DestinationRule)
DESTINATION_RULE_V1BETA1 = custom_resource(
    group="networking.istio.io",
    version="v1beta1",
    kind="DestinationRule",
    plural="destinationrules",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=False),
).of(DestinationRule)

VERSIONS = (
    DESTINATION_RULE_V1,
    DESTINATION_RULE_V1ALPHA3,
    DESTINATION_RULE_V1BETA1,
)
