"""How long a lease lasts, and what a Lease says about its holder."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.election import LeaseRecord, LeaseTimes
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import LEASES


@pytest.mark.behaviour("L1", "M14")
def test_the_customary_times() -> None:
    """15, 10 and 2 seconds."""
    assert LeaseTimes() == LeaseTimes(15.0, 10.0, 2.0)


@pytest.mark.behaviour("L1")
@pytest.mark.parametrize(
    ("lease_s", "renew_s", "retry_s", "says"),
    [
        (10.0, 10.0, 2.0, "lease_s must be longer than renew_s"),
        (15.0, 2.4, 2.0, "renew_s must be longer than 1.2 x retry_s"),
        (15.0, 10.0, 0.0, "positive"),
        (15.0, 10.0, -2.0, "positive"),
        (math.inf, 10.0, 2.0, "positive"),
        (3601.0, 10.0, 2.0, "lease_s must be 3600 at most"),
        (15.0, math.nan, 2.0, "lease_s must be longer"),
        (15.0, 10.0, math.nan, "positive"),
    ],
)
def test_times_that_cannot_work_are_refused(lease_s: float, renew_s: float, retry_s: float, says: str) -> None:
    """With the numbers, and what is wrong about them."""
    with pytest.raises(ValueError, match=says):
        LeaseTimes(lease_s, renew_s, retry_s)


@pytest.mark.behaviour("L4", "L7")
@pytest.mark.parametrize(("lease_s", "recorded"), [(15.0, 15), (2.5, 3), (0.5, 1)])
def test_a_lease_is_recorded_in_whole_seconds_rounded_up(lease_s: float, recorded: int) -> None:
    """Others go by what is recorded: they must not be early, and a server refuses 0."""
    assert LeaseTimes(lease_s, lease_s / 2, lease_s / 10).duration_s == recorded


@pytest.mark.behaviour("L16")
@pytest.mark.parametrize(("renew_s", "limit_s"), [(10.0, 5.0), (1.0, 1.0)])
def test_a_call_may_take_half_the_renew_deadline_but_a_second_at_least(renew_s: float, limit_s: float) -> None:
    """As controller-runtime sets its client's time-out."""
    assert LeaseTimes(15.0, renew_s, 0.5).call_limit_s == limit_s


@pytest.mark.behaviour("L3", "L16")
@given(st.floats(0.5, 600.0), st.floats(0.01, 0.8))
def test_a_renewal_that_hangs_leaves_time_for_another(renew_s: float, retries: float) -> None:
    """For any times: the first try of a term is not its last one, and is not cut short for that either."""
    times = LeaseTimes(renew_s * 1.5, renew_s, retry_s=renew_s * retries)
    left_s = renew_s - times.retry_s
    limit_s = times.renewal_limit_s(left_s)
    assert limit_s >= min(times.call_limit_s, left_s / 2)
    assert left_s - limit_s > times.last_try_s


@pytest.mark.behaviour("L3", "L16")
def test_the_last_call_of_a_term_has_what_is_left() -> None:
    """There is none after it."""
    times = LeaseTimes()
    assert times.renewal_limit_s(times.last_try_s) == times.last_try_s == 0.5


@pytest.mark.behaviour("L2")
@given(st.randoms(use_true_random=False), st.floats(0.01, 8.0))
def test_rests_are_between_one_and_2_2_retry_periods(chance: Random, retry_s: float) -> None:
    """For any chance."""
    times = LeaseTimes(15.0, 10.0, retry_s)
    assert retry_s <= times.rest_s(chance) <= times.longest_rest_s == pytest.approx(2.2 * retry_s)


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
