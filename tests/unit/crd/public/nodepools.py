"""NodePool of karpenter.sh, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class Budgets(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    duration: Annotated[str, Meta(pattern="^((([0-9]+(h|m))|([0-9]+h[0-9]+m))(0s)?)$")] | None = None
    nodes: Annotated[Annotated[str, Meta(pattern="^((100|[0-9]{1,2})%|[0-9]+)$")], Schema(default="10%")]
    reasons: Annotated[
        Annotated[list[Literal["Underutilized", "Empty", "Drifted"]], Meta(max_length=50)] | None,
        Schema(list_type="set"),
    ] = None
    schedule: (
        Annotated[
            str,
            Meta(
                pattern="^(@(annually|yearly|monthly|weekly|daily|midnight|hourly))|((.+)\\s(.+)\\s(.+)\\s(.+)\\s(.+))$"
            ),
        ]
        | None
    ) = None


class Disruption(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    budgets: Annotated[
        Annotated[list[Budgets], Meta(max_length=50)] | None, Schema(default=[{"nodes": "10%"}], list_type="atomic")
    ] = None
    consolidate_after: Annotated[
        Annotated[str, Meta(pattern="^(([0-9]+(s|m|h))+|Never)$")] | None, Schema(default="0s")
    ] = None
    consolidation_policy: Annotated[
        Literal["WhenEmpty", "WhenEmptyOrUnderutilized", "Balanced"] | None, Schema(default="WhenEmptyOrUnderutilized")
    ] = None


class Metadata(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    annotations: Annotated[dict[str, str] | None, Schema(map_type="granular")] = None
    labels: Annotated[
        dict[str, Annotated[str, Meta(max_length=63, pattern="^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]] | None,
        Schema(map_type="atomic", more={"maxProperties": 100}),
    ] = None


class NodeClassRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: Annotated[str, Meta(pattern="^[^/]*$")]
    kind: str
    name: str


class Requirements(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: Annotated[
        str,
        Meta(
            max_length=316,
            pattern="^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(\\/))?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$",
        ),
    ]
    min_values: Annotated[int, Meta(le=50, ge=1)] | None = None
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte"]
    values: Annotated[
        list[str] | None,
        Schema(list_type="atomic", more={"maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"}),
    ] = None


class StartupTaints(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    key: Annotated[
        str,
        Meta(
            min_length=1,
            pattern="^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(\\/))?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$",
        ),
    ]
    time_added: Annotated[str | None, Schema(format="date-time")] = None
    value: (
        Annotated[
            str,
            Meta(
                pattern="^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(\\/))?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"
            ),
        ]
        | None
    ) = None


class Spec2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    expire_after: Annotated[
        Annotated[str, Meta(pattern="^(([0-9]+(s|m|h))+|Never)$")] | None, Schema(default="720h")
    ] = None
    node_class_ref: NodeClassRef
    requirements: Annotated[Annotated[list[Requirements], Meta(max_length=100)], Schema(list_type="atomic")]
    startup_taints: Annotated[list[StartupTaints] | None, Schema(list_type="atomic")] = None
    taints: Annotated[list[StartupTaints] | None, Schema(list_type="atomic")] = None
    termination_grace_period: Annotated[str, Meta(pattern="^([0-9]+(s|m|h))+$")] | None = None


class Template(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    metadata: Metadata | None = None
    spec: Spec2


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    disruption: Annotated[Disruption | None, Schema(default={"consolidateAfter": "0s"})] = None
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
    replicas: Annotated[Annotated[int, Meta(ge=0)] | None, Schema(format="int64")] = None
    template: Template
    weight: Annotated[Annotated[int, Meta(le=100, ge=1)] | None, Schema(format="int32")] = None


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


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    conditions: Annotated[list[Conditions] | None, Schema(list_map_keys=("type",), list_type="map")] = None
    node_class_observed_generation: Annotated[int | None, Schema(format="int64")] = None
    nodes: Annotated[int | None, Schema(default=0, format="int64")] = None
    resources: (
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


class NodePool(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec
    status: Status | None = None


NODE_POOL_V1 = custom_resource(
    group="karpenter.sh",
    version="v1",
    kind="NodePool",
    plural="nodepools",
    scope=Scope.CLUSTER,
    definition=Definition(storage=True),
).of(NodePool)

VERSIONS = (NODE_POOL_V1,)
