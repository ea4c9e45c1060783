"""The kinds of apps/v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from typing import Any

from ctrlkit.kinds.base import TypedKind
from ctrlkit.kinds.core import LabelSelector, PersistentVolumeClaim, PodTemplateSpec
from ctrlkit.model import ObjectMeta, Resource, kinds

__all__ = [
    "CONTROLLER_REVISIONS",
    "DAEMONSETS",
    "DEPLOYMENTS",
    "REPLICASETS",
    "STATEFULSETS",
    "ControllerRevision",
    "DaemonSet",
    "DaemonSetCondition",
    "DaemonSetSpec",
    "DaemonSetStatus",
    "DaemonSetUpdateStrategy",
    "Deployment",
    "DeploymentCondition",
    "DeploymentSpec",
    "DeploymentStatus",
    "DeploymentStrategy",
    "ReplicaSet",
    "ReplicaSetCondition",
    "ReplicaSetSpec",
    "ReplicaSetStatus",
    "RollingUpdateDaemonSet",
    "RollingUpdateDeployment",
    "RollingUpdateStatefulSetStrategy",
    "StatefulSet",
    "StatefulSetCondition",
    "StatefulSetOrdinals",
    "StatefulSetPersistentVolumeClaimRetentionPolicy",
    "StatefulSetSpec",
    "StatefulSetStatus",
    "StatefulSetUpdateStrategy",
]


class ControllerRevision(TypedKind, frozen=True, kw_only=True):
    """A ControllerRevision with all its fields."""

    metadata: ObjectMeta
    revision: int
    data: Any = None


class RollingUpdateDaemonSet(TypedKind, frozen=True, kw_only=True):
    """The fields of a RollingUpdateDaemonSet."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class DaemonSetUpdateStrategy(TypedKind, frozen=True, kw_only=True):
    """The fields of a DaemonSetUpdateStrategy."""

    rolling_update: RollingUpdateDaemonSet | None = None
    type: str = ""
    """OnDelete or RollingUpdate."""


class DaemonSetSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a DaemonSetSpec."""

    selector: LabelSelector | None
    template: PodTemplateSpec
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None
    update_strategy: DaemonSetUpdateStrategy = DaemonSetUpdateStrategy()


class DaemonSetCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a DaemonSetCondition."""

    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class DaemonSetStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a DaemonSetStatus."""

    collision_count: int | None = None
    conditions: tuple[DaemonSetCondition, ...] = ()
    current_number_scheduled: int = 0
    desired_number_scheduled: int = 0
    number_available: int = 0
    number_misscheduled: int = 0
    number_ready: int = 0
    number_unavailable: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0


class DaemonSet(TypedKind, frozen=True, kw_only=True):
    """A DaemonSet with all its fields."""

    metadata: ObjectMeta
    spec: DaemonSetSpec
    status: DaemonSetStatus = DaemonSetStatus()


class RollingUpdateDeployment(TypedKind, frozen=True, kw_only=True):
    """The fields of a RollingUpdateDeployment."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class DeploymentStrategy(TypedKind, frozen=True, kw_only=True):
    """The fields of a DeploymentStrategy."""

    rolling_update: RollingUpdateDeployment | None = None
    type: str = ""
    """Recreate or RollingUpdate."""


class DeploymentSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a DeploymentSpec."""

    selector: LabelSelector | None
    template: PodTemplateSpec
    min_ready_seconds: int = 0
    paused: bool = False
    progress_deadline_seconds: int | None = None
    replicas: int | None = None
    revision_history_limit: int | None = None
    strategy: DeploymentStrategy = DeploymentStrategy()


class DeploymentCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a DeploymentCondition."""

    last_transition_time: str | None = None
    last_update_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class DeploymentStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a DeploymentStatus."""

    available_replicas: int = 0
    collision_count: int | None = None
    conditions: tuple[DeploymentCondition, ...] = ()
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = 0
    terminating_replicas: int | None = None
    unavailable_replicas: int = 0
    updated_replicas: int = 0


class Deployment(TypedKind, frozen=True, kw_only=True):
    """A Deployment with all its fields."""

    metadata: ObjectMeta
    spec: DeploymentSpec
    status: DeploymentStatus = DeploymentStatus()


class ReplicaSetSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a ReplicaSetSpec."""

    selector: LabelSelector | None
    template: PodTemplateSpec
    min_ready_seconds: int = 0
    replicas: int | None = None


class ReplicaSetCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a ReplicaSetCondition."""

    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class ReplicaSetStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ReplicaSetStatus."""

    available_replicas: int = 0
    conditions: tuple[ReplicaSetCondition, ...] = ()
    fully_labeled_replicas: int = 0
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = 0
    terminating_replicas: int | None = None


class ReplicaSet(TypedKind, frozen=True, kw_only=True):
    """A ReplicaSet with all its fields."""

    metadata: ObjectMeta
    spec: ReplicaSetSpec
    status: ReplicaSetStatus = ReplicaSetStatus()


class StatefulSetOrdinals(TypedKind, frozen=True, kw_only=True):
    """The fields of a StatefulSetOrdinals."""

    start: int = 0


class StatefulSetPersistentVolumeClaimRetentionPolicy(TypedKind, frozen=True, kw_only=True):
    """The fields of a StatefulSetPersistentVolumeClaimRetentionPolicy."""

    when_deleted: str = ""
    when_scaled: str = ""


class RollingUpdateStatefulSetStrategy(TypedKind, frozen=True, kw_only=True):
    """The fields of a RollingUpdateStatefulSetStrategy."""

    max_unavailable: int | str | None = None
    partition: int | None = None


class StatefulSetUpdateStrategy(TypedKind, frozen=True, kw_only=True):
    """The fields of a StatefulSetUpdateStrategy."""

    rolling_update: RollingUpdateStatefulSetStrategy | None = None
    type: str = ""
    """OnDelete or RollingUpdate."""


class StatefulSetSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a StatefulSetSpec."""

    selector: LabelSelector | None
    template: PodTemplateSpec
    min_ready_seconds: int = 0
    ordinals: StatefulSetOrdinals | None = None
    persistent_volume_claim_retention_policy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    pod_management_policy: str = ""
    """OrderedReady or Parallel."""
    replicas: int | None = None
    revision_history_limit: int | None = None
    service_name: str = ""
    update_strategy: StatefulSetUpdateStrategy = StatefulSetUpdateStrategy()
    volume_claim_templates: tuple[PersistentVolumeClaim, ...] = ()


class StatefulSetCondition(TypedKind, frozen=True, kw_only=True):
    """The fields of a StatefulSetCondition."""

    last_transition_time: str | None = None
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class StatefulSetStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a StatefulSetStatus."""

    available_replicas: int = 0
    collision_count: int | None = None
    conditions: tuple[StatefulSetCondition, ...] = ()
    current_replicas: int = 0
    current_revision: str = ""
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = 0
    update_revision: str = ""
    updated_replicas: int = 0


class StatefulSet(TypedKind, frozen=True, kw_only=True):
    """A StatefulSet with all its fields."""

    metadata: ObjectMeta
    spec: StatefulSetSpec
    status: StatefulSetStatus = StatefulSetStatus()


CONTROLLER_REVISIONS: Resource[ControllerRevision] = kinds.CONTROLLER_REVISIONS.of(ControllerRevision)
DAEMONSETS: Resource[DaemonSet] = kinds.DAEMONSETS.of(DaemonSet)
DEPLOYMENTS: Resource[Deployment] = kinds.DEPLOYMENTS.of(Deployment)
REPLICASETS: Resource[ReplicaSet] = kinds.REPLICASETS.of(ReplicaSet)
STATEFULSETS: Resource[StatefulSet] = kinds.STATEFULSETS.of(StatefulSet)
