"""What a Lease says about its holder, how long it lasts, and how often it is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, Final

from ctrlkit.clock import micro_timestamp

RENEW_MARGIN: Final = 1.2
"""The renew deadline is more than this many retry periods, so that a renewal has a second try."""
REST_SPREAD: Final = 1.2
"""Who waits for a lease rests between one retry period and 1 + 1.2 of them."""
LEAST_CALL_LIMIT_S: Final = 1.0
SECOND_TRY: Final = 0.3
"""The part of the renew deadline that a holder's call leaves for one more try, over a connection of its own."""
LEASE_MAX_S: Final = 3600.0
"""Nobody is left alone for longer because a Lease says so: that is a slip, and would keep all others out for good."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """
    The three durations of leader election.

    >>> LeaseTimes()
    LeaseTimes(lease_s=15.0, renew_s=10.0, retry_s=2.0)
    >>> LeaseTimes(lease_s=10.0)
    Traceback (most recent call last):
      ...
    ValueError: LeaseTimes: lease_s must be longer than renew_s, got 10 and 10; ...

    Shape   Seconds, each on the clock of whoever waits. `lease_s`: others leave a lease alone for so long after they
            saw it change. `renew_s`: its holder acts for so long after it sent its last renewal that succeeded.
            `retry_s`: the pause between renewals, and the shortest one between tries to acquire.
    Skew    Clocks may run at different rates, as long as the fastest of them and the slowest differ by no more than the
            factor lease_s / renew_s: 1.5 as it is.
    Errors  ValueError unless 3600 >= lease_s > renew_s > 1.2 x retry_s > 0.
    """

    lease_s: float = 15.0
    renew_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not (self.retry_s > 0 and math.isfinite(self.lease_s)):
            raise ValueError(f"LeaseTimes: all must be positive numbers of seconds, got {self}")
        if self.lease_s > LEASE_MAX_S:
            raise ValueError(
                f"LeaseTimes: lease_s must be {LEASE_MAX_S:g} at most, got {self.lease_s:g}; others wait no longer "
                "for a holder that fell silent"
            )
        if not self.lease_s > self.renew_s:
            raise ValueError(
                f"LeaseTimes: lease_s must be longer than renew_s, got {self.lease_s:g} and {self.renew_s:g}; "
                "a holder has to stop before others take over"
            )
        if not self.renew_s > RENEW_MARGIN * self.retry_s:
            raise ValueError(
                f"LeaseTimes: renew_s must be longer than {RENEW_MARGIN:g} x retry_s, got {self.renew_s:g} and "
                f"{self.retry_s:g}; a renewal that fails needs time for another try"
            )

    @property
    def call_limit_s(self) -> float:
        """How long one call to the server may take."""
        return max(LEAST_CALL_LIMIT_S, self.renew_s / 2)

    def renewal_limit_s(self, left_s: float) -> float:
        """
        How long a call of a holder may take whose term lasts `left_s` more.

        A call that hangs, perhaps on a connection that went dark, leaves time for another one.

        >>> [LeaseTimes().renewal_limit_s(left_s) for left_s in (8.0, 3.0, 0.5)]
        [5.0, 1.5, 0.5]
        """
        if left_s <= self.last_try_s:
            return left_s
        return min(self.call_limit_s, max(left_s - SECOND_TRY * self.renew_s, left_s / 2))

    @property
    def last_try_s(self) -> float:
        """How long before the end of a term its holder tries for the last time, and never for the first."""
        return min(self.retry_s / 4, (self.renew_s - self.retry_s) / 3)

    @property
    def duration_s(self) -> int:
        """`leaseDurationSeconds` of the Lease: `lease_s` in whole seconds, rounded up."""
        return math.ceil(self.lease_s)

    @property
    def longest_rest_s(self) -> float:
        """The longest pause between two tries to acquire."""
        return self.retry_s * (1 + REST_SPREAD)

    def rest_s(self, chance: Random) -> float:
        """How long to wait between two tries to acquire: uniform from `retry_s` to `longest_rest_s`."""
        return self.retry_s * chance.uniform(1, 1 + REST_SPREAD)


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
            with a time.
    """

    holder: str = ""
    duration_s: int | None = None
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0

    @classmethod
    def of(cls, lease: Mapping[str, Any]) -> LeaseRecord:
        """Read a Lease; fields that are missing or malformed keep their defaults."""
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
        """Return that Lease with this record in its spec; all other fields stay as they are."""
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
        """The record after its holder gave it up: anybody may take it at once."""
        stamp = micro_timestamp(wall)
        return replace(self, holder="", duration_s=_RELEASED_DURATION_S, acquired=stamp, renewed=stamp)

    @classmethod
    def first(cls, identity: str, times: LeaseTimes, wall: datetime) -> LeaseRecord:
        """The record of a Lease that is made new: no transition yet."""
        stamp = micro_timestamp(wall)
        return cls(holder=identity, duration_s=times.duration_s, acquired=stamp, renewed=stamp)
