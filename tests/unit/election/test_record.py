"""What a Lease says, read and written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrlkit.election import LeaseRecord, LeaseTimes
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import LEASES

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=2)
TIMES = LeaseTimes()


@pytest.mark.behaviour("L4")
def test_what_is_written_can_be_read() -> None:
    """By the names that a Lease has for it, and a server takes it."""
    first = LeaseRecord.first("a", TIMES, NOON)
    lease = first.within({"metadata": {"name": "net", "namespace": "default"}})
    assert lease["spec"] == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-02T12:00:00.000000Z",
        "renewTime": "2026-01-02T12:00:00.000000Z",
        "leaseTransitions": 0,
    }
    tracker = Tracker()
    assert LeaseRecord.of(tracker.create(LEASES, lease)) == first


@pytest.mark.behaviour("L4", "L5")
def test_a_renewal_keeps_when_the_lease_was_acquired_and_how_often_it_moved() -> None:
    """Only the time of the renewal is new."""
    first = LeaseRecord.first("a", TIMES, NOON)
    renewed = first.claimed("a", TIMES, LATER)
    assert (renewed.acquired, renewed.transitions) == (first.acquired, 0)
    assert renewed.renewed == "2026-01-02T12:00:02.000000Z"


@pytest.mark.behaviour("L4")
@pytest.mark.parametrize("holder", ["a", ""])
def test_another_holder_is_a_transition(holder: str) -> None:
    """From another one, or from nobody; and the lease is acquired anew, for as long as the new holder says."""
    before = LeaseRecord(holder=holder, duration_s=60, acquired="then", renewed="then", transitions=4)
    taken = before.claimed("b", TIMES, LATER)
    assert (taken.holder, taken.transitions, taken.duration_s) == ("b", 5, 15)
    assert taken.acquired == taken.renewed == "2026-01-02T12:00:02.000000Z"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (2**31 - 1, 3600),
        (10**400, 3600),
        (3601, 3600),
        (3600, 3600),
        (1, 1),
        (0, None),
        (-5, None),
        ("15", None),
        (1.5, None),
    ],
)
def test_a_slip_in_a_lease_keeps_nobody_out_for_good(said: object, read: int | None) -> None:
    """A duration of years counts as an hour, which is the longest that a candidate may ask for."""
    assert LeaseRecord.of({"spec": {"leaseDurationSeconds": said}}).duration_s == read
    LeaseTimes(lease_s=3600)


@pytest.mark.parametrize("said", [2**31 - 1, 10**30, -1, "4", None])
def test_a_count_that_cannot_go_on_begins_anew(said: object) -> None:
    """A server refuses a number above its own, and with it every claim."""
    assert LeaseRecord.of({"spec": {"leaseTransitions": said}}).claimed("a", TIMES, NOON).transitions == 1


@pytest.mark.behaviour("L11")
def test_a_released_lease_names_nobody_for_one_second() -> None:
    """The transitions stay."""
    released = LeaseRecord.first("a", TIMES, NOON).claimed("b", TIMES, NOON).released(LATER)
    assert (released.holder, released.duration_s, released.transitions) == ("", 1, 1)


@pytest.mark.behaviour("L14")
def test_fields_that_are_not_ours_stay() -> None:
    """Labels, owners, and what coordinated elections put into the spec."""
    lease = {
        "metadata": {"name": "net", "labels": {"team": "x"}},
        "spec": {"holderIdentity": "a", "strategy": "OldestEmulationVersion", "preferredHolder": "b"},
    }
    written = LeaseRecord.of(lease).claimed("a", TIMES, NOON).within(lease)
    assert written["metadata"] == lease["metadata"]
    assert written["spec"]["preferredHolder"] == "b"
    assert written["spec"]["strategy"] == "OldestEmulationVersion"


@pytest.mark.parametrize(
    "lease",
    [{}, {"spec": None}, {"spec": {}}, {"spec": {"leaseDurationSeconds": 0, "leaseTransitions": "x"}}],
)
def test_what_a_lease_does_not_say_is_empty(lease: dict[str, Any]) -> None:
    """Nothing that a server may hold makes reading fail."""
    assert LeaseRecord.of(lease) == LeaseRecord()
