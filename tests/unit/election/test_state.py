"""What a candidate does next, moment by moment: a table of its decisions, without a server and without a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from ctrlkit.election.lease import LeaseRecord, LeaseTimes
from ctrlkit.election.state import Claim, ElectionState, Lost, ReadLease, Step, Term, Wait
from ctrlkit.model import ObjectKey, ObjectMeta, Verb

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TIMES = LeaseTimes()
KEY = ObjectKey("demo", "net")


class Played:
    """A state of candidate "a", and a server's side of it kept by hand."""

    def __init__(self) -> None:
        self.state = ElectionState(KEY, identity="a", times=TIMES)
        self.chance = Random(1)
        self.version = 0

    def step(self, now: float) -> Step:
        return self.state.step(now, wall=NOON + timedelta(seconds=now), chance=self.chance)

    def claim(self, now: float) -> Claim:
        step = self.step(now)
        assert isinstance(step, Claim)
        return step

    def rest(self, now: float) -> float:
        step = self.step(now)
        assert isinstance(step, Wait)
        return step.until

    def lease(
        self, holder: str, *, duration_s: int | None = 15, renewed: str = "", transitions: int = 2
    ) -> dict[str, Any]:
        """A new version of the Lease, as a server would show it."""
        self.version += 1
        metadata = {"namespace": "demo", "name": "net", "uid": "u", "resourceVersion": str(self.version)}
        record = LeaseRecord(
            holder=holder,
            duration_s=duration_s,
            acquired="then",
            renewed=renewed or str(self.version),
            transitions=transitions,
        )
        return record.within({"metadata": metadata})

    def finds(self, lease: dict[str, Any], now: float) -> None:
        assert self.step(now) == ReadLease()
        self.state.found(lease, now)

    def written(self, claim: Claim) -> dict[str, Any]:
        """The Lease as the server answers it after a claim."""
        self.version += 1
        metadata = {**claim.lease["metadata"], "uid": "u", "resourceVersion": str(self.version)}
        return {**claim.lease, "metadata": metadata}

    def claimed_at(self, lease: dict[str, Any], now: float) -> float:
        """When it claims a lease that it finds unchanged from now on."""
        while True:
            self.finds(lease, now)
            step = self.step(now)
            if not isinstance(step, Wait):
                assert isinstance(step, Claim)
                return now
            now = step.until

    def leads(self, now: float) -> None:
        """Acquire, with a claim sent and answered at this moment."""
        self.finds(self.lease(""), now)
        claim = self.claim(now)
        self.state.carried_out(claim, self.written(claim), now)


@pytest.fixture
def played() -> Played:
    return Played()


# ---- to acquire ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("L2", "L6")
def test_the_first_try_is_made_at_once(played: Played) -> None:
    """A read, and where there is no Lease, one is made."""
    assert played.step(5.0) == ReadLease()
    assert played.state.meta == ObjectMeta(name="net", namespace="demo")
    played.state.missing()
    claim = played.claim(5.0)
    assert (claim.verb, claim.record.holder, claim.record.transitions) == (Verb.CREATE, "a", 0)
    assert "resourceVersion" not in claim.lease["metadata"]


@pytest.mark.behaviour("L6", "L8", "L12", "B3")
@pytest.mark.parametrize(("holder", "transitions"), [("", 3), ("a", 2)])
def test_a_lease_of_nobody_or_of_ones_own_is_claimed_at_once(played: Played, holder: str, transitions: int) -> None:
    """In the very version that was read; one's own, found after a restart, is only renewed."""
    lease = played.lease(holder)
    played.finds(lease, 0.0)
    claim = played.claim(0.0)
    assert claim.verb is Verb.UPDATE
    assert claim.lease["metadata"] == lease["metadata"]
    assert (claim.record.holder, claim.record.transitions) == ("a", transitions)


@pytest.mark.behaviour("L6", "L7")
@pytest.mark.parametrize(("duration_s", "free_at"), [(15, 115.0), (60, 160.0), (None, 115.0)])
def test_the_lease_of_another_is_left_alone_for_the_time_it_names(
    played: Played, duration_s: int | None, free_at: float
) -> None:
    """Counted from when this very version was first seen, by the own clock; it is claimed at that moment, not later."""
    assert played.claimed_at(played.lease("b", duration_s=duration_s), 100.0) == free_at


@pytest.mark.behaviour("L7")
def test_any_new_version_starts_the_wait_anew(played: Played) -> None:
    """Even one that says what the last one said, as under a wall clock that was set back."""
    now = 0.0
    for _ in range(10):
        played.finds(played.lease("b", renewed="same"), now)
        now = played.rest(now)
    assert now > 20.0
    assert played.claimed_at(played.lease("b", renewed="same"), now) == now + 15.0


@pytest.mark.behaviour("L2")
def test_tries_to_acquire_are_between_one_and_2_2_retry_periods_apart(played: Played) -> None:
    """Each drawn anew, whatever the try came to: another's lease, a failure, a missing answer."""
    pauses, now = [], 0.0
    for round_ in range(200):
        assert played.step(now) == ReadLease()
        if round_ % 2:
            played.state.failed("no route")
        else:
            played.state.found(played.lease("b"), now)
        until = played.rest(now)
        pauses.append(until - now)
        now = until
    assert 2.0 <= min(pauses) < 2.2
    assert 4.2 < max(pauses) <= 4.4


@pytest.mark.behaviour("L2")
@pytest.mark.parametrize("after_s", [0.0, 0.5])
def test_a_try_that_fails_at_the_very_expiry_of_anothers_lease_is_followed_by_a_rest(
    played: Played, after_s: float
) -> None:
    """From then on nothing is waited for but the next try; before it, the expiry is not slept through."""
    lease = played.lease("b")
    played.finds(lease, 0.0)
    now = played.rest(0.0)
    while now < 15.0:
        assert played.step(now) == ReadLease()
        played.state.failed("no route")
        now = played.rest(now)
    assert now == 15.0
    assert played.step(now) == ReadLease()
    played.state.failed("no route")
    assert now + 2.0 <= played.rest(now + after_s) <= now + 4.4


@pytest.mark.behaviour("L6")
def test_a_claim_that_came_too_late_leads_to_a_read_and_no_endless_race(played: Played) -> None:
    """Another was faster: the first refusal of a try is looked into at once, the second ends the try."""
    played.finds(played.lease(""), 0.0)
    played.claim(0.0)
    played.state.moved_on("conflict")
    played.finds(played.lease(""), 0.1)
    played.claim(0.1)
    played.state.moved_on("conflict again")
    assert played.rest(0.2) >= 2.2
    assert played.state.last_error == "conflict again"


@pytest.mark.behaviour("L6")
def test_the_first_refusal_of_each_try_is_looked_into_at_once(played: Played) -> None:
    """Also of a later try, whatever became of those before it."""
    now = 0.0
    for _ in range(3):
        played.finds(played.lease(""), now)
        played.claim(now)
        played.state.moved_on("conflict")
        assert played.step(now) == ReadLease()
        played.state.failed("no route")
        now = played.rest(now)


def test_a_lease_that_was_deleted_while_held_is_waited_for_all_the_same(played: Played) -> None:
    """Its holder may not have noticed yet (better than L6)."""
    played.finds(played.lease("b"), 0.0)
    now = played.rest(0.0)
    while now < 15.0:
        assert played.step(now) == ReadLease()
        played.state.missing()
        now = played.rest(now)
    assert now == 15.0
    assert played.step(now) == ReadLease()
    played.state.missing()
    assert played.claim(now).verb is Verb.CREATE


@pytest.mark.parametrize("restored", ["", "a", "c"])
def test_a_lease_that_goes_back_to_an_earlier_version_is_waited_for_all_the_same(played: Played, restored: str) -> None:
    """A server restored from a backup shows it free, or held by who held it then: its holder may not have noticed."""
    before = played.lease(restored, duration_s=1)
    played.finds(played.lease("b"), 0.0)
    assert played.rest(0.0) < 10.0
    now = played.claimed_at(before, 10.0)
    assert now == 15.0


@pytest.mark.parametrize("holder", ["", "a", "b"])
def test_an_answer_that_does_not_bear_the_claim_begins_no_term(played: Played, holder: str) -> None:
    """Something on the way answered from what it had; the Lease itself says whose it is."""
    played.finds(played.lease(""), 0.0)
    claim = played.claim(0.0)
    played.state.carried_out(claim, played.lease(holder), 0.1)
    assert played.state.term is None
    assert "does not bear it" in played.state.last_error
    now = played.rest(0.1)
    played.finds(played.written(claim), now)
    assert played.state.term == Term(0.0, 10.0)


def test_a_lease_without_a_version_is_not_claimed(played: Played) -> None:
    """Nobody could say what the claim takes the place of."""
    lease = played.lease("")
    played.finds({**lease, "metadata": {"namespace": "demo", "name": "net"}}, 0.0)
    played.rest(0.0)
    assert "no resourceVersion" in played.state.last_error


def test_a_lease_that_is_given_back_is_taken_at_once(played: Played) -> None:
    """That is a later version."""
    played.finds(played.lease("b"), 0.0)
    played.rest(0.0)
    assert played.claimed_at(played.lease(""), 5.0) == 5.0


def test_an_error_is_forgotten_when_the_lease_is_seen_to_be_held(played: Played) -> None:
    """Nothing is wrong any more with who looks on."""
    played.step(0.0)
    played.state.failed("no route")
    now = played.rest(0.0)
    assert played.state.last_error == "no route"
    played.finds(played.lease("b"), now)
    played.rest(now)
    assert played.state.last_error == ""


def test_a_lease_that_was_deleted_when_free_is_made_at_once(played: Played) -> None:
    """Nobody held it."""
    played.finds(played.lease(""), 0.0)
    played.claim(0.0)
    played.state.moved_on("not found")
    assert played.step(0.1) == ReadLease()
    played.state.missing()
    assert played.claim(0.1).verb is Verb.CREATE


# ---- to hold ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("L3", "L5")
def test_a_holder_renews_every_retry_period_without_reading(played: Played) -> None:
    """From the answer to its last claim; what it was answered is what it sends."""
    played.leads(100.0)
    for sent_at in (102.0, 104.0, 106.0):
        assert played.rest(sent_at - 0.5) == sent_at
        claim = played.claim(sent_at)
        assert claim.lease["metadata"]["resourceVersion"] == str(played.version)
        assert (claim.record.acquired, claim.record.transitions) == ("2026-01-02T12:01:40.000000Z", 3)
        played.state.carried_out(claim, played.written(claim), sent_at + 0.3)
    assert played.state.slow_paths == 0


@pytest.mark.behaviour("L3", "L7")
def test_a_term_counts_from_when_its_claim_was_sent(played: Played) -> None:
    """Not from when it was answered; and it ends at its moment, whatever anybody does."""
    played.finds(played.lease(""), 100.0)
    claim = played.claim(100.0)
    played.state.carried_out(claim, played.written(claim), 104.0)
    assert played.state.term == Term(renewed_at=100.0, until=110.0)
    assert played.state.is_leading(109.99)
    assert not played.state.is_leading(110.0)
    assert isinstance(played.step(110.0), Lost)
    assert played.state.term is None


def test_an_answer_that_comes_after_the_term_it_brings_is_worth_nothing(played: Played) -> None:
    """The lease is ours, and claimed again at once."""
    played.finds(played.lease(""), 100.0)
    claim = played.claim(100.0)
    played.state.carried_out(claim, played.written(claim), 110.0)
    assert played.state.term is None
    assert played.claim(110.0).record.transitions == 3


@pytest.mark.behaviour("L3")
def test_a_holder_tries_every_retry_period_until_the_deadline_and_once_more_before_it(played: Played) -> None:
    """The last try is half a second before the end: whatever comes back within 9.4 s is not too late."""
    played.leads(100.0)
    tries, now = [], 100.0
    while not isinstance(step := played.step(now), Lost):
        match step:
            case Wait(until):
                now = until
            case _:
                tries.append(now)
                played.state.failed("down")
    assert tries == [102.0, 104.0, 106.0, 108.0, 109.5]
    assert now == 110.0
    assert step.why == "no renewal succeeded within 10 s; the last error: down"
    assert played.state.failed_renewals == 5


@pytest.mark.behaviour("L3", "L16")
def test_a_try_that_took_long_is_followed_by_the_next_at_once(played: Played) -> None:
    """No call may outlast the term, and the first leaves time for more than one."""
    played.leads(100.0)
    played.claim(102.0)
    assert played.state.limit_s(102.0) == 5.0
    played.state.failed("timed out")
    assert played.step(107.0) == ReadLease()
    assert played.state.limit_s(107.0) == 1.5
    played.state.failed("timed out")
    assert played.rest(108.5) == 109.0
    assert played.step(109.0) == ReadLease()
    assert played.state.limit_s(109.0) == 0.5


@pytest.mark.behaviour("L5", "L6")
def test_after_a_failed_renewal_the_lease_is_read(played: Played) -> None:
    """Nobody knows what became of the claim; if nothing did, it is sent again."""
    played.leads(100.0)
    version = played.version
    played.claim(102.0)
    played.state.failed("broken pipe")
    assert played.rest(102.1) == 104.0
    played.finds({**played.lease("a"), "metadata": {"uid": "u", "resourceVersion": str(version)}}, 104.0)
    assert played.state.term == Term(100.0, 110.0)
    assert played.claim(104.0).lease["metadata"]["resourceVersion"] == str(version)
    assert played.state.slow_paths == 1


@pytest.mark.behaviour("L5", "L6")
def test_a_claim_whose_answer_was_lost_is_recognised(played: Played) -> None:
    """It counts from when it was sent, and the next renewal has its time from there."""
    played.leads(100.0)
    claim = played.claim(102.0)
    played.state.failed("broken pipe")
    played.finds(played.written(claim), 104.0)
    assert played.state.term == Term(102.0, 112.0)
    assert isinstance(played.step(104.0), Claim)


@pytest.mark.behaviour("L6")
def test_a_first_claim_whose_answer_was_lost_is_recognised_too(played: Played) -> None:
    """If it is not too old by then; else it is claimed again, and the transition is not counted twice."""
    played.finds(played.lease(""), 100.0)
    lost = played.claim(100.0)
    played.state.failed("broken pipe")
    until = played.rest(100.0)
    played.finds(played.written(lost), until)
    assert played.state.term == Term(100.0, 110.0)

    late = Played()
    late.finds(late.lease(""), 100.0)
    lost = late.claim(100.0)
    late.state.failed("broken pipe")
    late.rest(100.0)
    late.finds(late.written(lost), 110.0)
    assert late.state.term is None
    assert late.claim(110.0).record.transitions == 3


def test_the_claim_of_another_is_not_taken_for_ones_own(played: Played) -> None:
    """Although both have the same stamp: two clocks may agree to the microsecond."""
    played.finds(played.lease(""), 100.0)
    lost = played.claim(100.0)
    played.state.failed("broken pipe")
    until = played.rest(100.0)
    played.finds(played.lease("b", renewed=lost.record.renewed), until)
    assert played.state.term is None
    assert played.rest(until) > until


def test_an_older_claim_is_not_taken_for_the_last_one(played: Played) -> None:
    """Although both have the same holder, and wall clocks stand still: each has a stamp of its own."""
    played.leads(100.0)
    stamps = []
    for now in (102.0, 104.0, 106.0):
        step = played.state.step(now, wall=NOON, chance=played.chance)
        while isinstance(step, ReadLease):
            played.state.found(played.lease("a", renewed="older"), now)
            step = played.state.step(now, wall=NOON, chance=played.chance)
        assert isinstance(step, Claim)
        stamps.append(step.record.renewed)
        played.state.failed("broken pipe")
        played.state.step(now, wall=NOON, chance=played.chance)
    assert len(set(stamps)) == 3
    assert played.state.term == Term(100.0, 110.0)


@pytest.mark.behaviour("L7")
def test_a_clock_that_is_set_back_a_little_makes_no_stamp_twice(played: Played) -> None:
    """It goes on in microseconds; one that is set right by hours is followed at once."""
    stamps = []
    for seconds in (0.0, 0.0, -1.0, -1.0, 5.0, -7200.0):
        played.state.step(0.0, wall=NOON, chance=played.chance)
        played.state.found(played.lease(""), 0.0)
        claim = played.state.step(0.0, wall=NOON + timedelta(seconds=seconds), chance=played.chance)
        assert isinstance(claim, Claim)
        stamps.append(claim.record.renewed[11:])
        played.state.resign(0.0)
    assert stamps == [
        "12:00:00.000000Z",
        "12:00:00.000001Z",
        "12:00:00.000002Z",
        "12:00:00.000003Z",
        "12:00:05.000000Z",
        "10:00:00.000000Z",
    ]


@pytest.mark.behaviour("L6")
@pytest.mark.parametrize("holder", ["b", ""])
def test_a_holder_that_reads_of_another_or_of_none_has_lost_at_once(played: Played, holder: str) -> None:
    """It does not wait for its deadline, and does not fight."""
    played.leads(100.0)
    played.claim(102.0)
    played.state.moved_on("conflict")
    played.finds(played.lease(holder), 102.1)
    assert played.step(102.1) == Lost(f"the lease is held by {holder or 'nobody'}")
    assert not played.state.is_leading(102.2)


@pytest.mark.behaviour("L6")
def test_a_holder_makes_its_lease_again_if_somebody_deleted_it(played: Played) -> None:
    """Its term goes on: those who saw the lease wait."""
    played.leads(100.0)
    played.claim(102.0)
    played.state.moved_on("not found")
    assert played.step(102.1) == ReadLease()
    played.state.missing()
    claim = played.claim(102.2)
    assert claim.verb is Verb.CREATE
    played.state.carried_out(claim, played.written(claim), 102.3)
    assert played.state.term == Term(102.2, 112.2)


@pytest.mark.behaviour("L2")
def test_who_lost_tries_again_at_once(played: Played) -> None:
    """It may have lost to nobody."""
    played.leads(100.0)
    assert isinstance(played.step(110.0), Lost)
    assert played.step(110.0) == ReadLease()


# ---- to give up ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("L11")
def test_an_answer_that_comes_after_the_end_brings_no_term_back(played: Played) -> None:
    """Neither that to a claim, nor a read that shows it."""
    played.leads(100.0)
    claim = played.claim(102.0)
    played.state.resign(102.1)
    played.state.carried_out(claim, played.written(claim), 102.2)
    assert played.state.term is None
    played.finds(played.written(claim), 102.3)
    assert played.state.term is None


def test_a_candidate_knows_whether_a_lease_may_bear_its_name(played: Played) -> None:
    """From the first claim that was sent, answered or not, until the lease is known to be given up."""
    known = [played.state.has_claimed]
    played.finds(played.lease(""), 0.0)
    played.claim(0.0)
    known.append(played.state.has_claimed)
    played.state.resign(0.0)
    known.append(played.state.has_claimed)
    played.state.given_up()
    known.append(played.state.has_claimed)
    assert known == [False, True, True, False]


def test_changes_of_holder_are_counted() -> None:
    """The first sight of one too; nobody is no holder."""
    played, now = Played(), 0.0
    for holder in ("b", "b", "", "b", "c"):
        played.finds(played.lease(holder), now)
        step = played.step(now)
        now = step.until if isinstance(step, Wait) else now
        played.state.resign(now)
    assert played.state.changes_of_holder == 3
