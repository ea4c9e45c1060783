"""ServiceMonitor of monitoring.coreos.com, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class AttachMetadata(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    node: bool | None = None


@Schema(map_type="atomic")
class Credentials(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    name: Annotated[str | None, Schema(default="")] = None
    optional: bool | None = None


class Authorization(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    credentials: Credentials | None = None
    type: str | None = None


class BasicAuth(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    password: Credentials | None = None
    username: Credentials | None = None


class MetricRelabelings(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
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
    modulus: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    regex: str | None = None
    replacement: str | None = None
    separator: str | None = None
    source_labels: list[str] | None = None
    target_label: str | None = None


class ClientId(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    config_map: Credentials | None = None
    secret: Credentials | None = None


class TlsConfig(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ca: ClientId | None = None
    cert: ClientId | None = None
    insecure_skip_verify: bool | None = None
    key_secret: Credentials | None = None
    max_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] | None = None
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] | None = None
    server_name: str | None = None


class Oauth2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    client_id: ClientId
    client_secret: Credentials
    endpoint_params: dict[str, str] | None = None
    no_proxy: str | None = None
    proxy_connect_header: Annotated[dict[str, list[Credentials]] | None, Schema(map_type="atomic")] = None
    proxy_from_environment: bool | None = None
    proxy_url: Annotated[str, Meta(pattern="^(http|https|socks5)://.+$")] | None = None
    scopes: list[str] | None = None
    tls_config: TlsConfig | None = None
    token_url: Annotated[str, Meta(pattern="^(http|https)://.+$")]


class TlsConfig2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ca: ClientId | None = None
    ca_file: str | None = None
    cert: ClientId | None = None
    cert_file: str | None = None
    insecure_skip_verify: bool | None = None
    key_file: str | None = None
    key_secret: Credentials | None = None
    max_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] | None = None
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] | None = None
    server_name: str | None = None


class Endpoints(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    authorization: Authorization | None = None
    basic_auth: BasicAuth | None = None
    bearer_token_file: str | None = None
    bearer_token_secret: Credentials | None = None
    enable_http2: bool | None = None
    filter_running: bool | None = None
    follow_redirects: bool | None = None
    honor_labels: bool | None = None
    honor_timestamps: bool | None = None
    interval: (
        Annotated[
            str,
            Meta(pattern="^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"),
        ]
        | None
    ) = None
    metric_relabelings: list[MetricRelabelings] | None = None
    no_proxy: str | None = None
    oauth2: Oauth2 | None = None
    params: dict[str, list[str]] | None = None
    path: str | None = None
    port: str | None = None
    proxy_connect_header: Annotated[dict[str, list[Credentials]] | None, Schema(map_type="atomic")] = None
    proxy_from_environment: bool | None = None
    proxy_url: Annotated[str, Meta(pattern="^(http|https|socks5)://.+$")] | None = None
    relabelings: list[MetricRelabelings] | None = None
    scheme: Literal["http", "https", "HTTP", "HTTPS"] | None = None
    scrape_timeout: (
        Annotated[
            str,
            Meta(pattern="^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"),
        ]
        | None
    ) = None
    target_port: int | str | None = None
    tls_config: TlsConfig2 | None = None
    track_timestamps_staleness: bool | None = None


class NamespaceSelector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    any: bool | None = None
    match_names: list[str] | None = None


class MatchExpressions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    operator: str
    values: Annotated[list[str] | None, Schema(list_type="atomic")] = None


@Schema(map_type="atomic")
class Selector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_expressions: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None
    match_labels: dict[str, str] | None = None


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    attach_metadata: AttachMetadata | None = None
    body_size_limit: Annotated[str, Meta(pattern="(^0|([0-9]*[.])?[0-9]+((K|M|G|T|E|P)i?)?B)$")] | None = None
    convert_classic_histograms_to_nhcb: bool | None = msgspec.field(default=None, name="convertClassicHistogramsToNHCB")
    endpoints: list[Endpoints]
    fallback_scrape_protocol: (
        Literal[
            "PrometheusProto",
            "OpenMetricsText0.0.1",
            "OpenMetricsText1.0.0",
            "PrometheusText0.0.4",
            "PrometheusText1.0.0",
        ]
        | None
    ) = None
    job_label: str | None = None
    keep_dropped_targets: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    label_limit: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    label_name_length_limit: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    label_value_length_limit: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    namespace_selector: NamespaceSelector | None = None
    native_histogram_bucket_limit: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    native_histogram_min_bucket_factor: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None
    pod_target_labels: list[str] | None = None
    sample_limit: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    scrape_class: Annotated[str, Meta(min_length=1)] | None = None
    scrape_classic_histograms: bool | None = None
    scrape_native_histograms: bool | None = None
    scrape_protocols: Annotated[
        list[
            Literal[
                "PrometheusProto",
                "OpenMetricsText0.0.1",
                "OpenMetricsText1.0.0",
                "PrometheusText0.0.4",
                "PrometheusText1.0.0",
            ]
        ]
        | None,
        Schema(list_type="set"),
    ] = None
    selector: Selector
    selector_mechanism: Literal["RelabelConfig", "RoleSelector"] | None = None
    service_discovery_role: Literal["Endpoints", "EndpointSlice"] | None = None
    target_labels: list[str] | None = None
    target_limit: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None


class Conditions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    last_transition_time: Annotated[str, Schema(format="date-time")]
    message: str | None = None
    observed_generation: Annotated[int | None, Schema(format="int64")] = None
    reason: str | None = None
    status: Annotated[str, Meta(min_length=1)]
    type: Annotated[Literal["Accepted"], Schema(more={"minLength": 1})]


class Bindings(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    conditions: Annotated[list[Conditions] | None, Schema(list_map_keys=("type",), list_type="map")] = None
    group: Literal["monitoring.coreos.com"]
    name: Annotated[str, Meta(min_length=1)]
    namespace: Annotated[str, Meta(min_length=1)]
    resource: Literal["prometheuses", "prometheusagents", "thanosrulers", "alertmanagers"]


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    bindings: Annotated[
        list[Bindings] | None, Schema(list_map_keys=("group", "resource", "name", "namespace"), list_type="map")
    ] = None


class ServiceMonitor(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec
    status: Status | None = None


SERVICE_MONITOR_V1 = custom_resource(
    group="monitoring.coreos.com",
    version="v1",
    kind="ServiceMonitor",
    plural="servicemonitors",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=True),
).of(ServiceMonitor)

VERSIONS = (SERVICE_MONITOR_V1,)
