"""A candidate may be shown a Lease that it does not compete for yet; a Lease that it makes bears its labels."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from ctrlkit.election import LeaseTimes
from ctrlkit.election.state import Claim, ElectionState, ReadLease, Step, Wait
from ctrlkit.model import ObjectKey

WALL = datetime(2026, 1, 2, 12, tzinfo=UTC)
TIMES = LeaseTimes()


def state(**more: Any) -> ElectionState:
    return ElectionState(ObjectKey("demo", "net"), identity="a", times=TIMES, **more)


def a_lease(holder: str, version: str = "7") -> dict[str, Any]:
    metadata = {"name": "net", "namespace": "demo", "uid": "u", "resourceVersion": version}
    return {"metadata": metadata, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}}


def step(of: ElectionState, now: float) -> Step:
    return of.step(now, wall=WALL, chance=Random(1))


@pytest.mark.behaviour("L6")
def test_who_was_shown_a_lease_waits_only_for_what_is_left_of_it() -> None:
    """From the moment of the first showing of this version; it is read again before it is claimed."""
    watched = state()
    watched.observed(a_lease("b", "6"), 90.0)
    watched.observed(a_lease("b"), 100.0)
    watched.observed(a_lease("b"), 110.0)
    assert step(watched, 114.0) == ReadLease()
    watched.found(a_lease("b"), 114.0)
    assert step(watched, 114.0) == Wait(115.0)
    assert step(watched, 115.0) == ReadLease()
    watched.found(a_lease("b"), 115.0)
    assert isinstance(step(watched, 115.0), Claim)


def test_a_showing_is_nothing_to_claim_from() -> None:
    watched = state()
    watched.observed(a_lease(""), 100.0)
    assert step(watched, 100.0) == ReadLease()


def test_a_late_showing_does_not_end_a_term_nor_settle_a_claim() -> None:
    """A list may be older than what the candidate knows itself."""
    leader = state()
    assert step(leader, 100.0) == ReadLease()
    leader.missing()
    claim = step(leader, 100.0)
    assert isinstance(claim, Claim)
    leader.observed(a_lease("b"), 100.1)
    leader.carried_out(claim, claim.lease, 100.2)
    leader.observed(a_lease("b"), 100.3)
    assert leader.is_leading(100.4)
    assert leader.record.holder == "a"
    assert step(leader, 100.4) == Wait(102.0)


def test_a_lease_that_is_made_new_bears_the_labels_and_no_other_does() -> None:
    maker = state(labels={"app": "net"})
    assert step(maker, 100.0) == ReadLease()
    maker.missing()
    claim = step(maker, 100.0)
    assert isinstance(claim, Claim)
    assert claim.lease["metadata"]["labels"] == {"app": "net"}

    taker = state(labels={"app": "net"})
    assert step(taker, 100.0) == ReadLease()
    taker.found(a_lease(""), 100.0)
    claim = step(taker, 100.0)
    assert isinstance(claim, Claim)
    assert "labels" not in claim.lease["metadata"]
