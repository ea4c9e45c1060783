"""Telemetry of telemetry.istio.io, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class Filter(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    expression: str | None = None


class Match(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    mode: Literal["CLIENT_AND_SERVER", "CLIENT", "SERVER"] | None = None


class Providers(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(min_length=1)]


class AccessLogging(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    disabled: Annotated[bool | None, Schema(nullable=True)] = None
    filter: Filter | None = None
    match: Match | None = None
    providers: list[Providers] | None = None


@Schema(
    more={
        "oneOf": [
            {"not": {"anyOf": [{"required": ["metric"]}, {"required": ["customMetric"]}]}},
            {"required": ["metric"]},
            {"required": ["customMetric"]},
        ]
    }
)
class Match2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    custom_metric: Annotated[str, Meta(min_length=1)] | None = None
    metric: (
        Literal[
            "ALL_METRICS",
            "REQUEST_COUNT",
            "REQUEST_DURATION",
            "REQUEST_SIZE",
            "RESPONSE_SIZE",
            "TCP_OPENED_CONNECTIONS",
            "TCP_CLOSED_CONNECTIONS",
            "TCP_SENT_BYTES",
            "TCP_RECEIVED_BYTES",
            "GRPC_REQUEST_MESSAGES",
            "GRPC_RESPONSE_MESSAGES",
        ]
        | None
    ) = None
    mode: Literal["CLIENT_AND_SERVER", "CLIENT", "SERVER"] | None = None


class TagOverrides(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    operation: Literal["UPSERT", "REMOVE"] | None = None
    value: str | None = None


class Overrides(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    disabled: Annotated[bool | None, Schema(nullable=True)] = None
    match: Match2 | None = None
    tag_overrides: dict[str, TagOverrides] | None = None


class Metrics(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    overrides: list[Overrides] | None = None
    providers: list[Providers] | None = None
    reporting_interval: str | None = None


class Selector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_labels: Annotated[
        dict[str, Annotated[str, Meta(max_length=63)]] | None, Schema(more={"maxProperties": 4096})
    ] = None


class TargetRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: (
        Annotated[
            str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None
    ) = None
    kind: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")]
    name: Annotated[str, Meta(max_length=253, min_length=1)]
    namespace: str | None = None


class Environment(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    default_value: str | None = None
    name: Annotated[str, Meta(min_length=1)]


class Formatter(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    value: Annotated[str, Meta(min_length=1)]


@Schema(
    more={
        "oneOf": [
            {
                "not": {
                    "anyOf": [
                        {"required": ["literal"]},
                        {"required": ["environment"]},
                        {"required": ["header"]},
                        {"required": ["formatter"]},
                    ]
                }
            },
            {"required": ["literal"]},
            {"required": ["environment"]},
            {"required": ["header"]},
            {"required": ["formatter"]},
        ]
    }
)
class CustomTags(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    environment: Environment | None = None
    formatter: Formatter | None = None
    header: Environment | None = None
    literal: Formatter | None = None


class Tracing(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    custom_tags: dict[str, CustomTags] | None = None
    disable_context_propagation: Annotated[bool | None, Schema(nullable=True)] = None
    disable_span_reporting: Annotated[bool | None, Schema(nullable=True)] = None
    enable_istio_tags: Annotated[bool | None, Schema(nullable=True)] = None
    match: Match | None = None
    providers: list[Providers] | None = None
    random_sampling_percentage: Annotated[
        Annotated[float, Meta(le=100, ge=0)] | None, Schema(format="double", nullable=True)
    ] = None
    use_request_id_for_trace_sampling: Annotated[bool | None, Schema(nullable=True)] = None


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    access_logging: list[AccessLogging] | None = None
    metrics: list[Metrics] | None = None
    selector: Selector | None = None
    target_ref: TargetRef | None = None
    target_refs: Annotated[list[TargetRef], Meta(max_length=16)] | None = None
    tracing: list[Tracing] | None = None


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


class Telemetry(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec | None = None
    status: Status | None = None


TELEMETRY_V1 = custom_resource(
    group="telemetry.istio.io",
    version="v1",
    kind="Telemetry",
    plural="telemetries",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=False),
).of(Telemetry)
TELEMETRY_V1ALPHA1 = custom_resource(
    group="telemetry.istio.io",
    version="v1alpha1",
    kind="Telemetry",
    plural="telemetries",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=True),
).of(Telemetry)

VERSIONS = (
    TELEMETRY_V1,
    TELEMETRY_V1ALPHA1,
)
