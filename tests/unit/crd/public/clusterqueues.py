"""ClusterQueue of kueue.x-k8s.io, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class AdmissionChecks(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(max_length=316)]
    on_flavors: (
        list[
            Annotated[
                str, Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
            ]
        ]
        | None
    ) = None


class AdmissionChecksStrategy(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admission_checks: list[AdmissionChecks] | None = None


class AdmissionScope(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admission_mode: str


class FairSharing(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    weight: Annotated[
        int | str | None,
        Schema(
            default=1,
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            },
        ),
    ] = None


class FlavorFungibility(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    preference: Literal["BorrowingOverPreemption", "PreemptionOverBorrowing"] | None = None
    when_can_borrow: Annotated[
        Literal["MayStopSearch", "TryNextFlavor", "Borrow"] | None, Schema(default="MayStopSearch")
    ] = None
    when_can_preempt: Annotated[
        Literal["MayStopSearch", "TryNextFlavor", "Preempt"] | None, Schema(default="TryNextFlavor")
    ] = None


class MatchExpressions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str
    operator: str
    values: Annotated[list[str] | None, Schema(list_type="atomic")] = None


@Schema(map_type="atomic")
class NamespaceSelector(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    match_expressions: Annotated[list[MatchExpressions] | None, Schema(list_type="atomic")] = None
    match_labels: dict[str, str] | None = None


class BorrowWithinCohort(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    max_priority_threshold: Annotated[int | None, Schema(format="int32")] = None
    policy: Annotated[Literal["Never", "LowerPriority"] | None, Schema(default="Never")] = None


class Preemption(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    borrow_within_cohort: Annotated[BorrowWithinCohort | None, Schema(default={})] = None
    reclaim_within_cohort: Annotated[Literal["Never", "LowerPriority", "Any"] | None, Schema(default="Never")] = None
    within_cluster_queue: Annotated[
        Literal["Never", "LowerPriority", "LowerOrNewerEqualPriority"] | None, Schema(default="Never")
    ] = None


class Resources(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    borrowing_limit: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None
    lending_limit: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None
    name: str
    nominal_quota: Annotated[
        int | str,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ]


class Flavors(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[
        str, Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    ]
    resources: Annotated[
        Annotated[list[Resources], Meta(max_length=64, min_length=1)], Schema(list_map_keys=("name",), list_type="map")
    ]


class ResourceGroups(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    covered_resources: Annotated[list[str], Meta(max_length=64, min_length=1)]
    flavors: Annotated[
        Annotated[list[Flavors], Meta(max_length=64, min_length=1)], Schema(list_map_keys=("name",), list_type="map")
    ]


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admission_checks: list[Annotated[str, Meta(max_length=316)]] | None = None
    admission_checks_strategy: AdmissionChecksStrategy | None = None
    admission_scope: AdmissionScope | None = None
    cohort: (
        Annotated[
            str, Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None
    ) = None
    fair_sharing: FairSharing | None = None
    flavor_fungibility: Annotated[FlavorFungibility | None, Schema(default={})] = None
    namespace_selector: NamespaceSelector | None = None
    preemption: Annotated[Preemption | None, Schema(default={})] = None
    queueing_strategy: Annotated[Literal["StrictFIFO", "BestEffortFIFO"] | None, Schema(default="BestEffortFIFO")] = (
        None
    )
    resource_groups: Annotated[
        Annotated[list[ResourceGroups], Meta(max_length=16)] | None, Schema(list_type="atomic")
    ] = None
    stop_policy: Annotated[Literal["None", "Hold", "HoldAndDrain"] | None, Schema(default="None")] = None


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


class AdmissionFairSharingStatus(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    consumed_resources: dict[
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
    last_update: Annotated[str, Schema(format="date-time")]


class FairSharing2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admission_fair_sharing_status: AdmissionFairSharingStatus | None = None
    weighted_share: Annotated[int, Schema(format="int64")]


class Resources2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    borrowed: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None
    name: str
    total: Annotated[
        int | str | None,
        Schema(
            more={
                "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"
            }
        ),
    ] = None


class FlavorsReservation(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[
        str, Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    ]
    resources: Annotated[
        Annotated[list[Resources2], Meta(max_length=64)], Schema(list_map_keys=("name",), list_type="map")
    ]


class ClusterQueuePendingWorkload(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    namespace: str


class PendingWorkloadsStatus(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    cluster_queue_pending_workload: Annotated[list[ClusterQueuePendingWorkload] | None, Schema(list_type="atomic")] = (
        None
    )
    last_change_time: Annotated[str, Schema(format="date-time")]


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admitted_workloads: Annotated[int | None, Schema(format="int32")] = None
    conditions: Annotated[list[Conditions] | None, Schema(list_map_keys=("type",), list_type="map")] = None
    fair_sharing: FairSharing2 | None = None
    flavors_reservation: Annotated[
        Annotated[list[FlavorsReservation], Meta(max_length=64)] | None,
        Schema(list_map_keys=("name",), list_type="map"),
    ] = None
    flavors_usage: Annotated[
        Annotated[list[FlavorsReservation], Meta(max_length=64)] | None,
        Schema(list_map_keys=("name",), list_type="map"),
    ] = None
    pending_workloads: Annotated[int | None, Schema(format="int32")] = None
    pending_workloads_status: PendingWorkloadsStatus | None = None
    reserving_workloads: Annotated[int | None, Schema(format="int32")] = None


class ClusterQueue(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec | None = None
    status: Status | None = None


class AdmissionChecks2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    name: Annotated[str, Meta(max_length=316, min_length=1)]
    on_flavors: Annotated[
        Annotated[
            list[
                Annotated[
                    str,
                    Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
                ]
            ],
            Meta(max_length=64),
        ]
        | None,
        Schema(list_type="set"),
    ] = None


class AdmissionChecksStrategy2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admission_checks: Annotated[
        Annotated[list[AdmissionChecks2], Meta(max_length=64, min_length=1)],
        Schema(list_map_keys=("name",), list_type="map"),
    ]


class AdmissionScope2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admission_mode: Literal["UsageBasedAdmissionFairSharing", "NoAdmissionFairSharing"]


class Constraints(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    last_acceptable_flavor_name: (
        Annotated[
            str, Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None
    ) = None


class Migration(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    constraints: Constraints | None = None
    mode: Annotated[Literal["TryPreferredFlavors", "RetainFirstAdmission"], Schema(more={"maxLength": 253})]


class ConcurrentAdmissionPolicy(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    migration: Migration


class FlavorFungibility2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    preference: Literal["BorrowingOverPreemption", "PreemptionOverBorrowing"] | None = None
    when_can_borrow: Annotated[Literal["MayStopSearch", "TryNextFlavor"] | None, Schema(default="MayStopSearch")] = None
    when_can_preempt: Annotated[Literal["MayStopSearch", "TryNextFlavor"] | None, Schema(default="TryNextFlavor")] = (
        None
    )


class ResourceGroups2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    covered_resources: Annotated[Annotated[list[str], Meta(max_length=64, min_length=1)], Schema(list_type="atomic")]
    flavors: Annotated[
        Annotated[list[Flavors], Meta(max_length=64, min_length=1)], Schema(list_map_keys=("name",), list_type="map")
    ]


class Spec2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admission_checks_strategy: AdmissionChecksStrategy2 | None = None
    admission_scope: AdmissionScope2 | None = None
    cohort_name: (
        Annotated[
            str, Meta(max_length=253, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        ]
        | None
    ) = None
    concurrent_admission_policy: ConcurrentAdmissionPolicy | None = None
    fair_sharing: FairSharing | None = None
    flavor_fungibility: Annotated[FlavorFungibility2 | None, Schema(default={})] = None
    namespace_selector: NamespaceSelector | None = None
    preemption: Annotated[Preemption | None, Schema(default={})] = None
    queueing_strategy: Annotated[Literal["StrictFIFO", "BestEffortFIFO"] | None, Schema(default="BestEffortFIFO")] = (
        None
    )
    resource_groups: Annotated[
        Annotated[list[ResourceGroups2], Meta(max_length=16)] | None, Schema(list_type="atomic")
    ] = None
    stop_policy: Annotated[Literal["None", "Hold", "HoldAndDrain"] | None, Schema(default="None")] = None


class FairSharing3(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    weighted_share: Annotated[int, Schema(format="int64")]


class Status2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    admitted_workloads: Annotated[int | None, Schema(format="int32")] = None
    conditions: Annotated[
        Annotated[list[Conditions], Meta(max_length=16)] | None, Schema(list_map_keys=("type",), list_type="map")
    ] = None
    fair_sharing: FairSharing3 | None = None
    flavors_reservation: Annotated[
        Annotated[list[FlavorsReservation], Meta(max_length=64)] | None,
        Schema(list_map_keys=("name",), list_type="map"),
    ] = None
    flavors_usage: Annotated[
        Annotated[list[FlavorsReservation], Meta(max_length=64)] | None,
        Schema(list_map_keys=("name",), list_type="map"),
    ] = None
    pending_workloads: Annotated[int | None, Schema(format="int32")] = None
    reserving_workloads: Annotated[int | None, Schema(format="int32")] = None


class ClusterQueue2(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec2 | None = None
    status: Status2 | None = None


CLUSTER_QUEUE_V1BETA1 = custom_resource(
    group="kueue.x-k8s.io",
    version="v1beta1",
    kind="ClusterQueue",
    plural="clusterqueues",
    scope=Scope.CLUSTER,
    definition=Definition(storage=False),
).of(ClusterQueue)
CLUSTER_QUEUE_V1BETA2 = custom_resource(
    group="kueue.x-k8s.io",
    version="v1beta2",
    kind="ClusterQueue",
    plural="clusterqueues",
    scope=Scope.CLUSTER,
    definition=Definition(storage=True),
).of(ClusterQueue2)

VERSIONS = (
    CLUSTER_QUEUE_V1BETA1,
    CLUSTER_QUEUE_V1BETA2,
)
