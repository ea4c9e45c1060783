"""What a Lease says about its holder, as a value (row L4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ctrlkit.clock import micro_timestamp
from ctrlkit.election.times import LEASE_MAX_S, LeaseTimes

_RELEASED_DURATION_S: Final = 1
_INT32_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """
    The fields of a `coordination.k8s.io/v1` Lease that an election is about.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    >>> free = LeaseRecord.of({"spec": {"holderIdentity": "", "leaseTransitions": 3}})
    >>> held = free.claimed("a", LeaseTimes(), noon)
    >>> held.holder, held.duration_s, held.acquired, held.transitions
    ('a', 15, '2026-01-02T12:00:00.000000Z', 4)
    >>> held.claimed("a", LeaseTimes(), noon).transitions       # a renewal is none
    4

    Shape   `holder` is "" where nobody holds it. `duration_s` is None where the Lease names no positive one, and
            never more than times.LEASE_MAX_S: a slip in a Lease keeps nobody out for good.
            `acquired` and `renewed` are texts for people, by the clock of whoever wrote them: nobody compares them
            with a time (row L7).
    """

    holder: str = ""
    duration_s: int | None = None
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0

    @classmethod
    def of(cls, lease: Mapping[str, Any]) -> LeaseRecord:
        """Read a Lease; what is missing, or is not what it should be, counts as not said."""
        spec = lease.get("spec")
        fields = spec if isinstance(spec, Mapping) else {}
        duration, transitions = fields.get("leaseDurationSeconds"), fields.get("leaseTransitions")
        return cls(
            holder=str(fields.get("holderIdentity") or ""),
            duration_s=min(duration, int(LEASE_MAX_S)) if isinstance(duration, int) and duration > 0 else None,
            acquired=str(fields.get("acquireTime") or ""),
            renewed=str(fields.get("renewTime") or ""),
            transitions=transitions if isinstance(transitions, int) and 0 <= transitions < _INT32_MAX else 0,
        )

    def within(self, lease: Mapping[str, Any]) -> dict[str, Any]:
        """That Lease with this record in it; all else stays as it is, fields of the spec that are not ours included."""
        ours = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration_s,
            "acquireTime": self.acquired,
            "renewTime": self.renewed,
            "leaseTransitions": self.transitions,
        }
        spec = lease.get("spec")
        return {**lease, "spec": {**(spec if isinstance(spec, Mapping) else {}), **ours}}

    def claimed(self, identity: str, times: LeaseTimes, wall: datetime) -> LeaseRecord:
        """The record after `identity` renewed it or took it; only a new holder counts as a transition."""
        stamp = micro_timestamp(wall)
        claimed = replace(self, holder=identity, duration_s=times.duration_s, renewed=stamp)
        if self.holder == identity and self.acquired:
            return claimed
        moved = 0 if self.holder == identity else 1
        return replace(claimed, acquired=stamp, transitions=self.transitions + moved)

    def released(self, wall: datetime) -> LeaseRecord:
        """The record after its holder gave it up: anybody may take it at once (rows L8, L11)."""
        stamp = micro_timestamp(wall)
        return replace(self, holder="", duration_s=_RELEASED_DURATION_S, acquired=stamp, renewed=stamp)

    @classmethod
    def first(cls, identity: str, times: LeaseTimes, wall: datetime) -> LeaseRecord:
        """The record of a Lease that is made new: no transition yet."""
        stamp = micro_timestamp(wall)
        return cls(holder=identity, duration_s=times.duration_s, acquired=stamp, renewed=stamp)
