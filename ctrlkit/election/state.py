"""
Decide what a candidate for one Lease does next, and until when it may act. Pure: no I/O and no clock.

In      What the server answered, and when by the candidate's own monotonic clock.
Out     One `Step` at a time: read the Lease, claim it, rest until a moment, or know that the term is lost.
Owns    What is known of the Lease, and the end of the term. elector.py only carries the steps out.

Why no two act at once. Call the holder H and another candidate C.

S-a  H acts for `renew_s`, on its own clock, after it *sent* the last claim that it knows to have succeeded. The claim
     was carried out after it was sent, so H counts from too early a moment and never from too late a one. When that
     time is over H has lost, whatever hangs: the end is a moment, not an answer (`ElectionState.is_leading`).
S-b  C leaves the Lease alone until it has known one and the same version of it for the duration the record names,
     which is at least H's `lease_s`, and an hour at most (times.py). C counts, on its own clock, from when the answer
     that first showed the version *came*: that is after H's claim was carried out, and so after H sent it.
S-c  C's claim carries the version that C judged, and the server refuses it if another claim of H came first. So what C
     takes over from is H's last claim, and H acts on no later one.

Hence H acts for at most `renew_s` on its clock, and C at the earliest `lease_s` on its own, after moments of which
H's is the earlier. Both act at once only if C's clock runs faster than H's by a factor of more than lease_s /
renew_s: 1.5 unless told otherwise (row L7). What the wall clocks say decides nothing. A version is new if its number
is new, so a wall clock that stands still or is set back can hide no renewal; and each claim has a stamp of its own,
so that no server takes a renewal for a write that changes nothing.

This rests on the server's word that a claim is carried out against the very version it names, or not at all; on names
that no two running candidates share; on clocks that go on while their machine does (what a machine does that wakes
from suspension, before it asks `is_leading` again, is not covered; nor are requests that are already on their way);
and on nobody but candidates writing or deleting the Lease. If somebody deletes it all the same, or the server is
restored from a backup and shows an earlier version of it, free or held by whomever, those who saw it held wait as long
as they would have waited otherwise (better than row L6).

A claim whose answer was lost, or that timed out, may be carried out late, or never. Then the Lease is read, and says
which: if it bears the claim's own stamp, the claim has succeeded, and counts from when it was sent.

A try is at most four calls: two reads, and a claim after each. Tries to acquire are `retry_s` x [1, 2.2) apart (row
L2), but one more is made at the very moment a lease runs out. Tries to renew are `retry_s` apart, the last one of a
term a quarter of `retry_s` before its end (row L3), and no call of a holder takes all that is left before that: a
connection that went dark costs one try, not the term. So when H is gone, and every call takes at most d, another acts
after at most lease_s + 2.2 x retry_s + 5 x d, on a clock that is right.

Rows L2, L3, L5 to L8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from ctrlkit.election.lease import LeaseRecord, LeaseTimes
from ctrlkit.model import ObjectKey, ObjectMeta, Verb, is_newer, meta_of

_TICK: Final = timedelta(microseconds=1)
_FALSE_STEP: Final = timedelta(minutes=1)
"""A wall clock that goes back by less than this is overridden: stamps go on from the last one."""


@dataclass(frozen=True, slots=True)
class ReadLease:
    """Ask the server for the Lease."""


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """Send this Lease, made new (CREATE) or in the place of the version it carries (UPDATE)."""

    verb: Verb
    lease: Mapping[str, Any]
    record: LeaseRecord
    sent_at: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing before this moment."""

    until: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The term is over; why, in words."""

    why: str


Step = ReadLease | Claim | Wait | Lost


@dataclass(frozen=True, slots=True)
class Term:
    """The time for which this candidate may act: from its last successful claim until `until`."""

    renewed_at: float
    until: float


@dataclass(frozen=True, slots=True)
class ObservedLease:
    """A version of the Lease, and when it was first observed."""

    lease: Mapping[str, Any]
    record: LeaseRecord
    since: float

    @property
    def version(self) -> tuple[str, str]:
        """What tells this version from all others, those of a Lease deleted and made again included."""
        return _version(self.lease)


class ElectionState:
    """
    The state of one candidate in an election. Ask `step`, carry the step out, and report the answer.

    >>> from datetime import UTC
    >>> state = ElectionState(ObjectKey("demo", "net"), identity="a", times=LeaseTimes())
    >>> noon, chance = datetime(2026, 1, 2, 12, tzinfo=UTC), Random(1)
    >>> state.step(100.0, wall=noon, chance=chance)
    ReadLease()
    >>> state.missing()
    >>> claim = state.step(100.1, wall=noon, chance=chance)
    >>> claim.verb.value, claim.record.holder
    ('create', 'a')
    >>> state.carried_out(claim, claim.lease, 100.9)
    >>> state.term                                 # from when it was sent, not from when it was answered
    Term(renewed_at=100.1, until=110.1)
    >>> state.step(101.0, wall=noon, chance=chance)
    Wait(until=102.1)

    Units   Moments are seconds of one monotonic clock, the candidate's own.
    Shape   A ReadLease is answered by `found`, `missing` or `failed`, a Claim by `carried_out`, `moved_on` or `failed`;
            both by nothing if they were cancelled. Counted since the start: `slow_paths`, the reads of a holder, who
            needs none as long as nothing fails; `failed_renewals`; `changes_of_holder`, the first one seen too.
    """

    def __init__(
        self, key: ObjectKey, *, identity: str, times: LeaseTimes, labels: Mapping[str, str] | None = None
    ) -> None:
        self._key = key
        self._labels = dict(labels or {})
        self._identity = identity
        self._times = times
        self._term: Term | None = None
        self._seen: ObservedLease | None = None
        self._gone = False
        self._held_until = float("-inf")  # by the word of a history that the server does not tell any more
        self._fresh = False  # whether what was seen is good enough to send a claim from
        self._sent: Claim | None = None  # the last claim, while nobody knows what became of it
        self._stamp: datetime | None = None
        self._try_at: float | None = None  # when this try sent its first request
        self._due: float | None = float("-inf")  # when the next one may be sent; None: this try is over
        self._conflicts = 0
        self._has_claimed = False
        self._last_error = ""
        self.slow_paths: int = 0
        self.failures: int = 0
        self.failed_renewals: int = 0
        self.changes_of_holder: int = 0

    # ---- what is known -----------------------------------------------------------------------------------------------

    @property
    def term(self) -> Term | None:
        """The latest term; it stays, past its end, until a step says that it is lost."""
        return self._term

    @property
    def record(self) -> LeaseRecord:
        """What the Lease said when it was seen last; empty if it was not there."""
        return LeaseRecord() if self._seen is None or self._gone else self._seen.record

    @property
    def meta(self) -> ObjectMeta:
        """The Lease's metadata as it was seen last; its name alone where it was not."""
        if self._seen is None:
            return ObjectMeta(name=self._key.name, namespace=self._key.namespace)
        return meta_of(self._seen.lease)

    @property
    def last_error(self) -> str:
        """Why the last try failed; "" once one succeeds."""
        return self._last_error

    @property
    def has_claimed(self) -> bool:
        """Whether the Lease may name this candidate: a claim was sent, and not given up since."""
        return self._has_claimed

    def is_leading(self, now: float) -> bool:
        """Whether this candidate may act."""
        return self._term is not None and now < self._term.until

    def limit_s(self, now: float) -> float:
        """How long the next call may take; a holder's leaves time for another one before the term ends."""
        return self._times.call_limit_s if self._term is None else self._times.renewal_limit_s(self._term.until - now)

    # ---- what to do --------------------------------------------------------------------------------------------------

    def step(self, now: float, *, wall: datetime, chance: Random) -> Step:
        """Decide what to do now; `wall` is the time stamp of a claim, `chance` draws the length of a wait."""
        if self._term is not None and now >= self._term.until:
            return self._lose(now, f"no renewal succeeded within {self._times.renew_s:g} s")
        if self._due is None:
            self._due = self._next_try(now, chance)
        if now < self._due:
            return Wait(self._due)
        if self._try_at is None:
            self._try_at = now
        if not self._fresh:
            self.slow_paths += self._term is not None
            return ReadLease()
        holder = self.record.holder
        if self._term is not None and not self._gone and holder != self._identity:
            return self._lose(now, f"the lease is held by {holder}" if holder else "the lease is held by nobody")
        if now < self._free_at():
            self._last_error, self._fresh = "", False
            self._due = self._next_try(now, chance)
            return Wait(self._due)
        return self._claim(now, wall)

    def observed(self, lease: Mapping[str, Any], now: float) -> None:
        """Note the Lease as a list showed it at `now`; nothing is claimed from that version."""
        if self._term is None and self._sent is None:
            self._see(lease, now)
            self._fresh = False

    def found(self, lease: Mapping[str, Any], now: float) -> None:
        """The answer to a ReadLease, which came at `now`."""
        if not meta_of(lease).resource_version:
            self.failed("the Lease has no resourceVersion, so that a claim could take it from anybody")
            return
        self._see(lease, now)
        if self._sent is not None and _bears(lease, self._sent):
            self._succeed(self._sent, now)  # its answer was lost, and it was carried out

    def missing(self) -> None:
        """The answer to a ReadLease: there is no such Lease."""
        self._gone = self._fresh = True

    def carried_out(self, claim: Claim, lease: Mapping[str, Any], now: float) -> None:
        """The answer to a Claim: the Lease as it is now. One that was resigned meanwhile changes nothing."""
        if claim is not self._sent:
            return
        if not _bears(lease, claim):
            self.failed("the answer to the claim does not bear it; see what answers at this address")
            return
        self._see(lease, now)
        self._succeed(claim, now)

    def moved_on(self, error: str) -> None:
        """The answer to a Claim: the Lease is not what it was. The first time in a try, it is read at once."""
        self._conflicts += 1
        if self._conflicts > 1:
            self.failed(error)

    def failed(self, error: str) -> None:
        """A call failed; whether a claim was carried out nobody knows."""
        self._last_error = error
        self.failures += 1
        self.failed_renewals += self._term is not None
        self._due = None

    def resign(self, now: float) -> None:
        """Give the term up; an answer that is still to come does not bring it back."""
        self._term = self._sent = None
        self._fresh, self._due = False, now

    def given_up(self) -> None:
        """Note that the Lease does not name this candidate any more."""
        self._has_claimed = False

    # ---- how ---------------------------------------------------------------------------------------------------------

    def _see(self, lease: Mapping[str, Any], now: float) -> None:
        record = LeaseRecord.of(lease)
        self.changes_of_holder += record.holder not in ("", self.record.holder)
        if self._seen is not None and is_newer(_version(self._seen.lease)[1], than=_version(lease)[1]):
            self._held_until = max(self._held_until, self._free_at())
        if self._seen is None or self._seen.version != _version(lease):
            self._seen = ObservedLease(lease, record, since=now)
        self._gone, self._fresh = False, True

    def _succeed(self, claim: Claim, now: float) -> None:
        self._sent = self._try_at = None
        self._conflicts = 0
        until = claim.sent_at + self._times.renew_s
        if now < until:  # else it was answered so late that it is worth nothing: claimed again, at once
            self._term = Term(claim.sent_at, until)
            self._due = claim.sent_at + self._times.retry_s
            self._last_error = ""

    def _claim(self, now: float, wall: datetime) -> Claim:
        stamp, seen = self._next_stamp(wall), self._seen
        if self._gone or seen is None:
            record = LeaseRecord.first(self._identity, self._times, stamp)
            metadata = {"namespace": self._key.namespace, "name": self._key.name}
            lease = record.within({"metadata": metadata | ({"labels": self._labels} if self._labels else {})})
            claim = Claim(Verb.CREATE, lease, record, now)
        else:
            record = seen.record.claimed(self._identity, self._times, stamp)
            claim = Claim(Verb.UPDATE, record.within(seen.lease), record, now)
        self._sent, self._has_claimed, self._fresh = claim, True, False
        return claim

    def _next_stamp(self, wall: datetime) -> datetime:
        last = self._stamp
        if last is not None and wall <= last < wall + _FALSE_STEP:
            wall = last + _TICK
        self._stamp = wall
        return wall

    def _free_at(self) -> float:
        """From when on the Lease may be claimed, as far as is known."""
        seen = self._seen
        if self._term is not None:
            return float("-inf")
        if seen is None or seen.record.holder in ("", self._identity):
            return self._held_until
        return max(self._held_until, seen.since + (seen.record.duration_s or self._times.duration_s))

    def _next_try(self, now: float, chance: Random) -> float:
        began_at = now if self._try_at is None else self._try_at
        self._try_at, self._conflicts = None, 0
        if self._term is None:
            rested_at, free_at = now + self._times.rest_s(chance), self._free_at()
            return min(rested_at, free_at) if now < free_at else rested_at
        next_at = max(now, began_at + self._times.retry_s)
        last_at = self._term.until - self._times.last_try_s
        if next_at <= last_at:
            return next_at
        return last_at if now < last_at else self._term.until

    def _lose(self, now: float, why: str) -> Lost:
        self._term = None
        self._fresh, self._due = False, now
        return Lost(f"{why}; the last error: {self._last_error}" if self._last_error else why)


def _bears(lease: Mapping[str, Any], claim: Claim) -> bool:
    """Whether a Lease is what a claim made of it, by the claim's own stamp."""
    record = LeaseRecord.of(lease)
    return (record.holder, record.renewed) == (claim.record.holder, claim.record.renewed)


def _version(lease: Mapping[str, Any]) -> tuple[str, str]:
    metadata = lease.get("metadata") or {}
    return str(metadata.get("uid")), str(metadata.get("resourceVersion"))
