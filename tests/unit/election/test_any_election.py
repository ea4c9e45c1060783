"""
Whatever happens to candidates, their clocks and their ways to the server, no two of them act at once.

A history is drawn by hypothesis and played on virtual time over a tracker: three to five candidates, whose clocks go at
different rates within the tolerance, and whose wall clocks are anything. In the end all heals: then there is a leader,
within the time that state.py promises, and it stays the one.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ctrlkit.election import LeaseTimes
from ctrlkit.fakes.tracker import Tracker
from tests.support.bad_network import Network
from tests.support.candidates import LATENCY_S, TROUBLES, Candidate, Election, true_time
from tests.support.clocks import LocalClock, SkewedLoop
from tests.support.effort import tries

TIMES = LeaseTimes()
SLOWEST, FASTEST = 0.82, 1.22
"""Their ratio is a little less than lease_s / renew_s = 1.5."""

ROUND_TRIP_S = 2 * LATENCY_S
RECOVERY_S = (TIMES.lease_s + 2 * TIMES.longest_rest_s + TIMES.call_limit_s) / SLOWEST + 5 * ROUND_TRIP_S + 12.0
"""
From when all ways are clear until somebody leads: a call may hang for its limit first, and be rested from; and a claim
that was sent by somebody dead may arrive 12 s late, and be waited for.
"""

History = list[tuple[Any, ...]]
WHO = st.integers(0, 4)
SECONDS = st.sampled_from([0.3, 1.0, 2.0, 3.5, 5.0, 9.0, 16.0, 30.0])
WAYS = st.lists(st.tuples(st.sampled_from(["cut", "cut", *TROUBLES]), SECONDS), min_size=1, max_size=4)
EVENTS = st.one_of(
    st.tuples(st.just("wait"), SECONDS),
    st.tuples(st.just("trouble"), WHO, WAYS),
    st.tuples(st.just("trouble leader"), WAYS, SECONDS),
    st.tuples(st.just("trouble leader"), WAYS, SECONDS),
    st.tuples(st.just("crash"), WHO),
    st.tuples(st.just("crash leader")),
    st.tuples(st.just("restart under its own name"), WHO),
    st.tuples(st.just("stop"), WHO),
    st.tuples(st.just("stop leader")),
    st.tuples(st.just("set the wall clock"), WHO, st.sampled_from([-3600.0, -1.0, 0.5, 86400.0])),
)
RATES = st.sampled_from([SLOWEST, FASTEST, FASTEST, 1.0])
CLOCKS = st.lists(st.builds(LocalClock, st.sampled_from([0.0, -5000.0, 1e6]), RATES), min_size=3, max_size=5)
SLOW_AND_FAST = [LocalClock(0.0, SLOWEST), LocalClock(0.0, FASTEST), LocalClock(0.0, FASTEST)]
LATE_ANSWERS = [("slow back", 9.0), ("cut", 30.0)]
GLIMPSE = [("answers lost", 5.0), ("none", 1.0), ("cut", 30.0)]


@pytest.mark.behaviour("L3", "L6", "L7", "L8", "L11", "L12", "B3")
@settings(max_examples=tries(8, thorough=120), suppress_health_check=[HealthCheck.too_slow])
@example(SLOW_AND_FAST, 6 * [("trouble leader", LATE_ANSWERS, 30.0)])
@example(SLOW_AND_FAST, 6 * [("trouble leader", GLIMPSE, 30.0)])
@given(clocks=CLOCKS, history=st.lists(EVENTS, min_size=6, max_size=20))
def test_no_two_act_at_once_and_one_does_in_the_end(clocks: list[LocalClock], history: History) -> None:
    """Clocks, crashes, partitions, lost and late requests and answers, refusals, releases: as drawn."""
    with asyncio.Runner(loop_factory=SkewedLoop) as runner:
        runner.run(play(clocks, history))


async def play(clocks: list[LocalClock], history: History) -> None:
    tracker = Tracker()
    async with Network(tracker) as network:
        election = Election(clocks, TIMES, network, tracker)
        try:
            for candidate in election.candidates:
                election.start(candidate)
            for event in history:
                await happens(event, election)
            await all_heals(election)
        finally:
            await election.end()


async def happens(event: tuple[Any, ...], election: Election) -> None:
    candidates = election.candidates
    leaders = election.leaders()
    match event:
        case ("wait", seconds):
            await election.watch(seconds)
        case ("trouble", who, troubles):
            election.trouble(candidates[who % len(candidates)], troubles)
        case ("trouble leader", troubles, seconds) if leaders:
            election.trouble(leaders[0], troubles)
            await election.watch(seconds)
        case ("crash", who):
            await replaced(election, who % len(candidates))
        case ("crash leader",) if leaders:
            await replaced(election, candidates.index(leaders[0]))
        case ("restart under its own name", who):
            await replaced(election, who % len(candidates), identity=candidates[who % len(candidates)].name)
        case ("stop", who):
            await stopped(election, candidates[who % len(candidates)])
        case ("stop leader",) if leaders:
            await stopped(election, leaders[0])
        case ("set the wall clock", who, by_s):
            candidates[who % len(candidates)].skew.seconds += by_s


async def replaced(election: Election, place: int, *, identity: str = "") -> None:
    await election.crash(election.candidates[place])
    election.start(election.reborn(place, identity=identity))


async def stopped(election: Election, candidate: Candidate) -> None:
    """It releases, is away for a moment, and is a candidate again."""
    await election.stop(candidate)
    assert not candidate.is_leading()
    await election.watch(1.0)
    election.start(candidate)


async def all_heals(election: Election) -> None:
    """One leads soon, and goes on with one PUT for each renewal and no GET."""
    election.heal()
    assert await election.watch(RECOVERY_S, until=lambda: bool(election.leaders())), "nobody leads"
    await election.watch(TIMES.renew_s / SLOWEST)  # late requests from before have arrived
    [leader] = election.leaders()
    calls, terms, began_at = leader.way.calls.copy(), len(election.terms), true_time()
    await election.watch(30.0)
    assert election.leaders() == [leader]
    assert len(election.terms) == terms
    new = leader.way.calls - calls
    renewals = (true_time() - began_at) * leader.clock.rate / TIMES.retry_s
    assert set(new) == {"update"}
    assert abs(new["update"] - renewals) <= 1


@pytest.mark.behaviour("L2", "L3", "L6", "L8")
@settings(max_examples=tries(15, thorough=150), suppress_health_check=[HealthCheck.too_slow])
@given(clocks=CLOCKS, after_s=st.floats(0.0, 6.0), how=st.sampled_from(["crash", "release"]))
def test_another_leads_in_time(clocks: list[LocalClock], after_s: float, how: str) -> None:
    """After a crash within lease_s + 2.2 x retry_s, after a release within 2.2 x retry_s; and a few calls."""
    with asyncio.Runner(loop_factory=SkewedLoop) as runner:
        runner.run(succession(clocks, after_s, how))


async def succession(clocks: list[LocalClock], after_s: float, how: str) -> None:
    tracker = Tracker()
    async with Network(tracker) as network:
        election = Election(clocks, TIMES, network, tracker)
        try:
            for candidate in election.candidates:
                election.start(candidate)
            assert await election.watch(1.0, until=lambda: bool(election.leaders()))
            await asyncio.sleep(after_s)
            [leader] = election.leaders()
            end = election.crash if how == "crash" else election.stop
            await end(leader)
            gone_at = true_time()
            assert await election.watch(60.0, until=lambda: bool(election.leaders()))
            slowest = min(candidate.clock.rate for candidate in election.candidates if candidate is not leader)
            local_s = TIMES.longest_rest_s + (TIMES.lease_s if how == "crash" else 0.0)
            assert election.terms[1][0] - gone_at <= local_s / slowest + 5 * ROUND_TRIP_S
        finally:
            await election.end()
