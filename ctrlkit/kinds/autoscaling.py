"""The kinds of autoscaling/v2 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from ctrlkit.kinds.base import TypedKind
from ctrlkit.kinds.core import LabelSelector
from ctrlkit.model import ObjectMeta, Resource, kinds

__all__ = [
    "HORIZONTAL_POD_AUTOSCALERS",
    "ContainerResourceMetricSource",
    "ContainerResourceMetricStatus",
    "CrossVersionObjectReference",
    "ExternalMetricSource",
    "ExternalMetricStatus",
    "HPAScalingPolicy",
    "HPAScalingRules",
    "HorizontalPodAutoscaler",
    "HorizontalPodAutoscalerBehavior",
    "HorizontalPodAutoscalerCondition",
    "HorizontalPodAutoscalerSpec",
    "HorizontalPodAutoscalerStatus",
    "MetricIdentifier",
    "MetricSpec",
    "MetricStatus",
    "MetricTarget",
    "MetricValueStatus",
    "ObjectMetricSource",
    "ObjectMetricStatus",
    "PodsMetricSource",
    "PodsMetricStatus",
    "ResourceMetricSource",
    "ResourceMetricStatus",
]


class HPAScalingPolicy(TypedKind, frozen=True, kw_only=True):
    """The fields of a HPAScalingPolicy."""

    period_seconds: int
    type: str
    value: int


class HPAScalingRules(TypedKind, frozen=True, kw_only=True):
    """The fields of a HPAScalingRules."""

    policies: tuple[HPAScalingPolicy, ...] = ()
    select_policy: str | None = None
    stabilization_window_seconds: int | None = None
    tolerance: str | None = None


class HorizontalPodAutoscalerBehavior(TypedKind, frozen=True, kw_only=True):
    """The fields of a HorizontalPodAutoscalerBehavior."""

    scale_down: HPAScalingRules | None = None
    scale_up: HPAScalingRules | None = None


class MetricTarget(TypedKind, frozen=True, kw_only=True):
    """The fields of a MetricTarget."""

    type: str
    average_utilization: int | None = None
    average_value: str | None = None
    value: str | None = None


class ContainerResourceMetricSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerResourceMetricSource."""

    container: str
    name: str
    target: MetricTarget


class MetricIdentifier(TypedKind, frozen=True, kw_only=True):
    """The fields of a MetricIdentifier."""

    name: str
    selector: LabelSelector | None = None


class ExternalMetricSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ExternalMetricSource."""

    metric: MetricIdentifier
    target: MetricTarget


class CrossVersionObjectReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a CrossVersionObjectReference."""

    kind: str
    name: str
    api_version: str = ""


class ObjectMetricSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ObjectMetricSource."""

    described_object: CrossVersionObjectReference
    metric: MetricIdentifier
    target: MetricTarget


class PodsMetricSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodsMetricSource."""

    metric: MetricIdentifier
    target: MetricTarget


class ResourceMetricSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceMetricSource."""

    name: str
    target: MetricTarget


class MetricSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a MetricSpec."""

    type: str
    container_resource: ContainerResourceMetricSource | None = None
    external: ExternalMetricSource | None = None
    object: ObjectMetricSource | None = None
    pods: PodsMetricSource | None = None
    resource: ResourceMetricSource | None = None


class HorizontalPodAutoscalerSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a HorizontalPodAutoscalerSpec."""

    max_replicas: int
    scale_target_ref: CrossVersionObjectReference
    behavior: HorizontalPodAutoscalerBehavior | None = None
    metrics: tuple[MetricSpec, ...] = ()
    min_replicas: int | None = None


class HorizontalPodAutoscalerCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a HorizontalPodAutoscalerCondition."""

    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class MetricValueStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a MetricValueStatus."""

    average_utilization: int | None = None
    average_value: str | None = None
    value: str | None = None


class ContainerResourceMetricStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ContainerResourceMetricStatus."""

    container: str = ""
    current: MetricValueStatus = MetricValueStatus()
    name: str = ""


class ExternalMetricStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ExternalMetricStatus."""

    metric: MetricIdentifier
    current: MetricValueStatus = MetricValueStatus()


class ObjectMetricStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ObjectMetricStatus."""

    described_object: CrossVersionObjectReference
    metric: MetricIdentifier
    current: MetricValueStatus = MetricValueStatus()


class PodsMetricStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodsMetricStatus."""

    metric: MetricIdentifier
    current: MetricValueStatus = MetricValueStatus()


class ResourceMetricStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ResourceMetricStatus."""

    current: MetricValueStatus = MetricValueStatus()
    name: str = ""


class MetricStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a MetricStatus."""

    container_resource: ContainerResourceMetricStatus | None = None
    external: ExternalMetricStatus | None = None
    object: ObjectMetricStatus | None = None
    pods: PodsMetricStatus | None = None
    resource: ResourceMetricStatus | None = None
    type: str = ""


class HorizontalPodAutoscalerStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a HorizontalPodAutoscalerStatus."""

    conditions: tuple[HorizontalPodAutoscalerCondition, ...] = ()
    current_metrics: tuple[MetricStatus, ...] | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    last_scale_time: str | None = None
    observed_generation: int | None = None


class HorizontalPodAutoscaler(TypedKind, frozen=True, kw_only=True):
    """A HorizontalPodAutoscaler with all its fields."""

    metadata: ObjectMeta
    spec: HorizontalPodAutoscalerSpec
    status: HorizontalPodAutoscalerStatus = HorizontalPodAutoscalerStatus()


HORIZONTAL_POD_AUTOSCALERS: Resource[HorizontalPodAutoscaler] = kinds.HORIZONTAL_POD_AUTOSCALERS.of(
    HorizontalPodAutoscaler
)
