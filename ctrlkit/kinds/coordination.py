"""The kinds of coordination.k8s.io/v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from ctrlkit.kinds.base import TypedKind
from ctrlkit.model import ObjectMeta, Resource, kinds

__all__ = [
    "LEASES",
    "Lease",
    "LeaseSpec",
]


class LeaseSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a LeaseSpec."""

    acquire_time: str | None = None
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None
    preferred_holder: str | None = None
    renew_time: str | None = None
    strategy: str | None = None


class Lease(TypedKind, frozen=True, kw_only=True):
    """A Lease with all its fields."""

    metadata: ObjectMeta
    spec: LeaseSpec = LeaseSpec()


LEASES: Resource[Lease] = kinds.LEASES.of(Lease)
