"""Gateway of gateway.networking.k8s.io, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


@Schema(
    more={
        "oneOf": [
            {
                "properties": {
                    "type": {"enum": ["IPAddress"]},
                    "value": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
                }
            },
            {"properties": {"type": {"not": {"enum": ["IPAddress"]}}}},
        ]
    }
)
class Addresses(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    type: Annotated[
        Annotated[
            str,
            Meta(
                max_length=253,
                min_length=1,
                pattern="^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$",
            ),
        ]
        | None,
        Schema(default="IPAddress"),
    ] = None
    value: Annotated[str, Meta(max_length=253)] | None = None


class MatchExpressions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    operator: str
    values: Annotated[list[str] | None, Schema(list_type="atomic")] = None


@Schema(map_type="atomic")
class Selector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_expressions: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None
    match_labels: dict[str, str] | None = None


class Namespaces(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    from_: Annotated[Literal["All", "Selector", "Same", "None"] | None, Schema(default="None")] = None
    selector: Selector | None = None


class AllowedListeners(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    namespaces: Annotated[Namespaces | None, Schema(default={"from": "None"})] = None


class ParametersRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[
        str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    ]
    kind: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")]
    name: Annotated[str, Meta(max_length=253, min_length=1)]


class Infrastructure(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    annotations: Annotated[
        dict[str, Annotated[Annotated[str, Meta(max_length=4096)], Schema(more={"minLength": 0})]] | None,
        Schema(more={"maxProperties": 16}),
    ] = None
    labels: Annotated[
        dict[
            str,
            Annotated[
                Annotated[str, Meta(max_length=63, pattern="^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")],
                Schema(more={"minLength": 0}),
            ],
        ]
        | None,
        Schema(more={"maxProperties": 8}),
    ] = None
    parameters_ref: ParametersRef | None = None


class Kinds(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[
        Annotated[
            str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None,
        Schema(default="gateway.networking.k8s.io"),
    ] = None
    kind: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")]


class Namespaces2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    from_: Annotated[Literal["All", "Selector", "Same"] | None, Schema(default="Same")] = None
    selector: Selector | None = None


class AllowedRoutes(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    kinds: Annotated[Annotated[list[Kinds], Meta(max_length=8)] | None, Schema(list_type="atomic")] = None
    namespaces: Annotated[Namespaces2 | None, Schema(default={"from": "Same"})] = None


class CertificateRefs(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[
        Annotated[
            str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None,
        Schema(default=""),
    ] = None
    kind: Annotated[
        Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")] | None,
        Schema(default="Secret"),
    ] = None
    name: Annotated[str, Meta(max_length=253, min_length=1)]
    namespace: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = (
        None
    )


class Tls(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    certificate_refs: Annotated[
        Annotated[list[CertificateRefs], Meta(max_length=64)] | None, Schema(list_type="atomic")
    ] = None
    mode: Annotated[Literal["Terminate", "Passthrough"] | None, Schema(default="Terminate")] = None
    options: Annotated[
        dict[str, Annotated[Annotated[str, Meta(max_length=4096)], Schema(more={"minLength": 0})]] | None,
        Schema(more={"maxProperties": 16}),
    ] = None


class Listeners(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    allowed_routes: Annotated[AllowedRoutes | None, Schema(default={"namespaces": {"from": "Same"}})] = None
    hostname: (
        Annotated[
            str,
            Meta(
                max_length=253,
                min_length=1,
                pattern="^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            ),
        ]
        | None
    ) = None
    name: Annotated[
        str,
        Meta(
            max_length=253, min_length=1, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
        ),
    ]
    port: Annotated[Annotated[int, Meta(le=65535, ge=1)], Schema(format="int32")]
    protocol: Annotated[
        str,
        Meta(
            max_length=255,
            min_length=1,
            pattern="^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9]+$",
        ),
    ]
    tls: Tls | None = None


class Backend(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    client_certificate_ref: CertificateRefs | None = None


class CaCertificateRefs(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[
        str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    ]
    kind: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")]
    name: Annotated[str, Meta(max_length=253, min_length=1)]
    namespace: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = (
        None
    )


class Validation(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ca_certificate_refs: Annotated[
        Annotated[list[CaCertificateRefs], Meta(max_length=16, min_length=1)], Schema(list_type="atomic")
    ]
    mode: Annotated[Literal["AllowValidOnly", "AllowInsecureFallback"] | None, Schema(default="AllowValidOnly")] = None


class Default(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    validation: Validation | None = None


class PerPort(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    port: Annotated[Annotated[int, Meta(le=65535, ge=1)], Schema(format="int32")]
    tls: Default


class Frontend(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    default: Default
    per_port: Annotated[
        Annotated[list[PerPort], Meta(max_length=64)] | None, Schema(list_map_keys=("port",), list_type="map")
    ] = None


class Tls2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    backend: Backend | None = None
    frontend: Frontend | None = None


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    addresses: Annotated[Annotated[list[Addresses], Meta(max_length=16)] | None, Schema(list_type="atomic")] = None
    allowed_listeners: AllowedListeners | None = None
    gateway_class_name: Annotated[str, Meta(max_length=253, min_length=1)]
    infrastructure: Infrastructure | None = None
    listeners: Annotated[
        Annotated[list[Listeners], Meta(max_length=64, min_length=1)], Schema(list_map_keys=("name",), list_type="map")
    ]
    tls: Tls2 | None = None


@Schema(
    more={
        "oneOf": [
            {
                "properties": {
                    "type": {"enum": ["IPAddress"]},
                    "value": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
                }
            },
            {"properties": {"type": {"not": {"enum": ["IPAddress"]}}}},
        ]
    }
)
class Addresses2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    type: Annotated[
        Annotated[
            str,
            Meta(
                max_length=253,
                min_length=1,
                pattern="^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$",
            ),
        ]
        | None,
        Schema(default="IPAddress"),
    ] = None
    value: Annotated[str, Meta(max_length=253, min_length=1)]


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


class Listeners2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    attached_routes: Annotated[int, Schema(format="int32")]
    conditions: Annotated[
        Annotated[list[Conditions], Meta(max_length=8)], Schema(list_map_keys=("type",), list_type="map")
    ]
    name: Annotated[
        str,
        Meta(
            max_length=253, min_length=1, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
        ),
    ]
    supported_kinds: Annotated[Annotated[list[Kinds], Meta(max_length=8)] | None, Schema(list_type="atomic")] = None


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    addresses: Annotated[Annotated[list[Addresses2], Meta(max_length=16)] | None, Schema(list_type="atomic")] = None
    attached_listener_sets: Annotated[int | None, Schema(format="int32")] = None
    conditions: Annotated[
        Annotated[list[Conditions], Meta(max_length=8)] | None,
        Schema(
            default=[
                {
                    "lastTransitionTime": "1970-01-01T00:00:00Z",
                    "message": "Waiting for controller",
                    "reason": "Pending",
                    "status": "Unknown",
                    "type": "Accepted",
                },
                {
                    "lastTransitionTime": "1970-01-01T00:00:00Z",
                    "message": "Waiting for controller",
                    "reason": "Pending",
                    "status": "Unknown",
                    "type": "Programmed",
                },
            ],
            list_map_keys=("type",),
            list_type="map",
        ),
    ] = None
    listeners: Annotated[
        Annotated[list[Listeners2], Meta(max_length=64)] | None, Schema(list_map_keys=("name",), list_type="map")
    ] = None


class Gateway(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec
    status: Annotated[
        Status | None,
        Schema(
            default={
                "conditions": [
                    {
                        "lastTransitionTime": "1970-01-01T00:00:00Z",
                        "message": "Waiting for controller",
                        "reason": "Pending",
                        "status": "Unknown",
                        "type": "Accepted",
                    },
                    {
                        "lastTransitionTime": "1970-01-01T00:00:00Z",
                        "message": "Waiting for controller",
                        "reason": "Pending",
                        "status": "Unknown",
                        "type": "Programmed",
                    },
                ]
            }
        ),
    ] = None


GATEWAY_V1 = custom_resource(
    group="gateway.networking.k8s.io",
    version="v1",
    kind="Gateway",
    plural="gateways",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=True, annotations={"api-approved.kubernetes.io": "unapproved, for tests"}),
).of(Gateway)
GATEWAY_V1BETA1 = custom_resource(
    group="gateway.networking.k8s.io",
    version="v1beta1",
    kind="Gateway",
    plural="gateways",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=False, annotations={"api-approved.kubernetes.io": "unapproved, for tests"}),
).of(Gateway)

VERSIONS = (
    GATEWAY_V1,
    GATEWAY_V1BETA1,
)
