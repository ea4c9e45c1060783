"""The kinds of policy/v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from collections.abc import Mapping

from ctrlkit.kinds.base import TypedKind, show_read_only
from ctrlkit.kinds.core import LabelSelector
from ctrlkit.model import Condition, ObjectMeta, Resource, kinds

__all__ = [
    "POD_DISRUPTION_BUDGETS",
    "PodDisruptionBudget",
    "PodDisruptionBudgetSpec",
    "PodDisruptionBudgetStatus",
]


class PodDisruptionBudgetSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodDisruptionBudgetSpec."""

    max_unavailable: int | str | None = None
    min_available: int | str | None = None
    selector: LabelSelector | None = None
    unhealthy_pod_eviction_policy: str | None = None
    """AlwaysAllow or IfHealthyBudget."""


class PodDisruptionBudgetStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a PodDisruptionBudgetStatus."""

    conditions: tuple[Condition, ...] = ()
    current_healthy: int = 0
    desired_healthy: int = 0
    disrupted_pods: Mapping[str, str | None] = {}
    disruptions_allowed: int = 0
    expected_pods: int = 0
    observed_generation: int = 0


show_read_only(PodDisruptionBudgetStatus, "disrupted_pods")


class PodDisruptionBudget(TypedKind, frozen=True, kw_only=True):
    """A PodDisruptionBudget with all its fields."""

    metadata: ObjectMeta
    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus = PodDisruptionBudgetStatus()


POD_DISRUPTION_BUDGETS: Resource[PodDisruptionBudget] = kinds.POD_DISRUPTION_BUDGETS.of(PodDisruptionBudget)
