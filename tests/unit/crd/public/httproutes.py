"""HTTPRoute of gateway.networking.k8s.io, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


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


class Cors(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    allow_credentials: bool | None = None
    allow_headers: Annotated[
        Annotated[
            list[Annotated[str, Meta(max_length=256, min_length=1, pattern="^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$")]],
            Meta(max_length=64),
        ]
        | None,
        Schema(list_type="set"),
    ] = None
    allow_methods: Annotated[
        Annotated[
            list[Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"]],
            Meta(max_length=9),
        ]
        | None,
        Schema(list_type="set"),
    ] = None
    allow_origins: Annotated[
        Annotated[
            list[
                Annotated[
                    str,
                    Meta(
                        max_length=253,
                        min_length=1,
                        pattern="(^\\*$)|(^(http(s)?):\\/\\/(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)(:([0-9]{1,5}))?)$)",
                    ),
                ]
            ],
            Meta(max_length=64),
        ]
        | None,
        Schema(list_type="set"),
    ] = None
    expose_headers: Annotated[
        Annotated[
            list[Annotated[str, Meta(max_length=256, min_length=1, pattern="^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$")]],
            Meta(max_length=64),
        ]
        | None,
        Schema(list_type="set"),
    ] = None
    max_age: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(default=5, format="int32")] = None


class ExtensionRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[
        str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    ]
    kind: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")]
    name: Annotated[str, Meta(max_length=253, min_length=1)]


class Add(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(max_length=256, min_length=1, pattern="^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$")]
    value: Annotated[str, Meta(max_length=4096, min_length=1)]


class RequestHeaderModifier(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    add: Annotated[
        Annotated[list[Add], Meta(max_length=16)] | None, Schema(list_map_keys=("name",), list_type="map")
    ] = None
    remove: Annotated[Annotated[list[str], Meta(max_length=16)] | None, Schema(list_type="set")] = None
    set: Annotated[
        Annotated[list[Add], Meta(max_length=16)] | None, Schema(list_map_keys=("name",), list_type="map")
    ] = None


class BackendRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[
        Annotated[
            str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None,
        Schema(default=""),
    ] = None
    kind: Annotated[
        Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")] | None,
        Schema(default="Service"),
    ] = None
    name: Annotated[str, Meta(max_length=253, min_length=1)]
    namespace: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = (
        None
    )
    port: Annotated[Annotated[int, Meta(le=65535, ge=1)] | None, Schema(format="int32")] = None


class Fraction(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    denominator: Annotated[Annotated[int, Meta(ge=1)] | None, Schema(default=100, format="int32")] = None
    numerator: Annotated[Annotated[int, Meta(ge=0)], Schema(format="int32")]


class RequestMirror(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    backend_ref: BackendRef
    fraction: Fraction | None = None
    percent: Annotated[Annotated[int, Meta(le=100, ge=0)] | None, Schema(format="int32")] = None


class Path(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    replace_full_path: Annotated[str, Meta(max_length=1024)] | None = None
    replace_prefix_match: Annotated[str, Meta(max_length=1024)] | None = None
    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]


class RequestRedirect(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    hostname: (
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
    path: Path | None = None
    port: Annotated[Annotated[int, Meta(le=65535, ge=1)] | None, Schema(format="int32")] = None
    scheme: Literal["http", "https"] | None = None
    status_code: Annotated[int | None, Schema(default=302, more={"enum": [301, 302, 303, 307, 308]})] = None


class UrlRewrite(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    hostname: (
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
    path: Path | None = None


class Filters(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    cors: Cors | None = None
    extension_ref: ExtensionRef | None = None
    request_header_modifier: RequestHeaderModifier | None = None
    request_mirror: RequestMirror | None = None
    request_redirect: RequestRedirect | None = None
    response_header_modifier: RequestHeaderModifier | None = None
    type: Literal[
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
        "RequestMirror",
        "RequestRedirect",
        "URLRewrite",
        "ExtensionRef",
        "CORS",
    ]
    url_rewrite: UrlRewrite | None = None


class BackendRefs(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    filters: Annotated[Annotated[list[Filters], Meta(max_length=16)] | None, Schema(list_type="atomic")] = None
    group: Annotated[
        Annotated[
            str, Meta(max_length=253, pattern="^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None,
        Schema(default=""),
    ] = None
    kind: Annotated[
        Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")] | None,
        Schema(default="Service"),
    ] = None
    name: Annotated[str, Meta(max_length=253, min_length=1)]
    namespace: Annotated[str, Meta(max_length=63, min_length=1, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = (
        None
    )
    port: Annotated[Annotated[int, Meta(le=65535, ge=1)] | None, Schema(format="int32")] = None
    weight: Annotated[Annotated[int, Meta(le=1000000, ge=0)] | None, Schema(default=1, format="int32")] = None


class Headers(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(max_length=256, min_length=1, pattern="^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$")]
    type: Annotated[Literal["Exact", "RegularExpression"] | None, Schema(default="Exact")] = None
    value: Annotated[str, Meta(max_length=4096, min_length=1)]


class Path2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    type: Annotated[Literal["Exact", "PathPrefix", "RegularExpression"] | None, Schema(default="PathPrefix")] = None
    value: Annotated[Annotated[str, Meta(max_length=1024)] | None, Schema(default="/")] = None


class QueryParams(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(max_length=256, min_length=1, pattern="^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$")]
    type: Annotated[Literal["Exact", "RegularExpression"] | None, Schema(default="Exact")] = None
    value: Annotated[str, Meta(max_length=1024, min_length=1)]


class Matches(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    headers: Annotated[
        Annotated[list[Headers], Meta(max_length=16)] | None, Schema(list_map_keys=("name",), list_type="map")
    ] = None
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] | None = None
    path: Annotated[Path2 | None, Schema(default={"type": "PathPrefix", "value": "/"})] = None
    query_params: Annotated[
        Annotated[list[QueryParams], Meta(max_length=16)] | None, Schema(list_map_keys=("name",), list_type="map")
    ] = None


class Timeouts(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    backend_request: Annotated[str, Meta(pattern="^([0-9]{1,5}(h|m|s|ms)){1,4}$")] | None = None
    request: Annotated[str, Meta(pattern="^([0-9]{1,5}(h|m|s|ms)){1,4}$")] | None = None


class Rules(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    backend_refs: Annotated[Annotated[list[BackendRefs], Meta(max_length=16)] | None, Schema(list_type="atomic")] = None
    filters: Annotated[Annotated[list[Filters], Meta(max_length=16)] | None, Schema(list_type="atomic")] = None
    matches: Annotated[
        Annotated[list[Matches], Meta(max_length=64)] | None,
        Schema(default=[{"path": {"type": "PathPrefix", "value": "/"}}], list_type="atomic"),
    ] = None
    name: (
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
    timeouts: Timeouts | None = None


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    hostnames: Annotated[
        Annotated[
            list[
                Annotated[
                    str,
                    Meta(
                        max_length=253,
                        min_length=1,
                        pattern="^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
                    ),
                ]
            ],
            Meta(max_length=16),
        ]
        | None,
        Schema(list_type="atomic"),
    ] = None
    parent_refs: Annotated[Annotated[list[ParentRefs], Meta(max_length=32)] | None, Schema(list_type="atomic")] = None
    rules: Annotated[
        Annotated[list[Rules], Meta(max_length=16, min_length=1)] | None,
        Schema(default=[{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}], list_type="atomic"),
    ] = None


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


class Parents(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    conditions: Annotated[
        Annotated[list[Conditions], Meta(max_length=8, min_length=1)], Schema(list_map_keys=("type",), list_type="map")
    ]
    controller_name: Annotated[
        str,
        Meta(
            max_length=253,
            min_length=1,
            pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$",
        ),
    ]
    parent_ref: ParentRefs


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    parents: Annotated[Annotated[list[Parents], Meta(max_length=32)], Schema(list_type="atomic")]


class HTTPRoute(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec
    status: Status | None = None


H_T_T_P_ROUTE_V1 = custom_resource(
    group="gateway.networking.k8s.io",
    version="v1",
    kind="HTTPRoute",
    plural="httproutes",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=True, annotations={"api-approved.kubernetes.io": "unapproved, for tests"}),
).of(HTTPRoute)
H_T_T_P_ROUTE_V1BETA1 = custom_resource(
    group="gateway.networking.k8s.io",
    version="v1beta1",
    kind="HTTPRoute",
    plural="httproutes",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=False, annotations={"api-approved.kubernetes.io": "unapproved, for tests"}),
).of(HTTPRoute)

VERSIONS = (
    H_T_T_P_ROUTE_V1,
    H_T_T_P_ROUTE_V1BETA1,
)
