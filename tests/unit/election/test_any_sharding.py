"""
Whatever happens to replicas, their clocks and their ways to the server, no two of them act on one shard at once.

A history is drawn by hypothesis and played on virtual time over a tracker: replicas come, go and crash; their clocks
go at different rates within the tolerance; requests and answers are lost, late or refused; what runs takes its time to
end. In the end all heals: then each shard is acted on by one replica, shares are even, and nothing moves any more.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ctrlkit.election import LeaseTimes
from ctrlkit.fakes.tracker import Tracker
from tests.support.bad_network import Network
from tests.support.candidates import TROUBLES, true_time
from tests.support.clocks import LocalClock, SkewedLoop
from tests.support.effort import tries
from tests.support.replicas import Replica, Replicas

TIMES = LeaseTimes(lease_s=15.0, renew_s=10.0, retry_s=3.0)
SHARDS = 5
SLOWEST, FASTEST = 0.82, 1.22
"""Their ratio is a little less than lease_s / renew_s = 1.5."""

LATE_S = 12.5
"""So late the last of the requests from before may arrive, that of somebody dead included."""
DRAIN_S = 20.0
"""The longest drain, by the clock of the replica."""
RECOVERY_S = (
    LATE_S + 2.0 + (TIMES.call_limit_s + 4 * TIMES.retry_s + TIMES.lease_s + DRAIN_S + TIMES.longest_rest_s) / SLOWEST
)
"""From any state: what crashing may take (sharding.py), after a call that hangs and a late renewal of somebody dead."""

History = list[tuple[Any, ...]]
WHO = st.integers(0, 4)
SECONDS = st.sampled_from([0.3, 1.0, 2.0, 3.5, 5.0, 9.0, 16.0, 30.0])
WAYS = st.lists(st.tuples(st.sampled_from(["cut", "cut", *TROUBLES]), SECONDS), min_size=1, max_size=4)
RATES = st.sampled_from([SLOWEST, FASTEST, FASTEST, 1.0])
NEW = st.tuples(
    st.builds(LocalClock, st.sampled_from([0.0, -5000.0, 1e6]), RATES),
    st.sampled_from([0.0, -3600.0, 86400.0]),
    st.sampled_from([0.0, 0.0, 0.5, 4.0, DRAIN_S]),
)
EVENTS = st.one_of(
    st.tuples(st.just("wait"), SECONDS),
    st.tuples(st.just("trouble"), WHO, WAYS),
    st.tuples(st.just("trouble"), WHO, WAYS),
    st.tuples(st.just("trouble"), WHO, st.just([("cut", 40.0)])),
    st.tuples(st.just("join"), NEW),
    st.tuples(st.just("leave"), WHO),
    st.tuples(st.just("crash"), WHO),
)
STEPS = st.tuples(EVENTS, SECONDS)

A_SLOW_AND_B_FAST = [(LocalClock(0.0, SLOWEST), 0.0, DRAIN_S), (LocalClock(0.0, FASTEST), 0.0, 0.5)]
CUT_OFF_AND_BACK: History = [
    (("wait", 9.0), 0.3),
    *[(("trouble", 0, [(how, 30.0)]), 60.0) for how in ("cut", "answers lost", "refused")],
    (("trouble", 0, [("slow back", 9.0), ("cut", 30.0)]), 60.0),
]
DRAINS: History = [(("join", (LocalClock(0.0, FASTEST), 0.0, DRAIN_S)), 5.0), (("trouble", 0, [("cut", 16.0)]), 30.0)]


@pytest.mark.behaviour("L6", "L7", "L8", "L11", "B3")
@settings(max_examples=tries(3, thorough=50), suppress_health_check=[HealthCheck.too_slow])
@example(A_SLOW_AND_B_FAST, CUT_OFF_AND_BACK)
@example([(LocalClock(0.0, SLOWEST), 0.0, DRAIN_S)], DRAINS)
@given(first=st.lists(NEW, min_size=2, max_size=3), history=st.lists(STEPS, min_size=3, max_size=12))
def test_no_two_act_on_one_shard_and_in_the_end_one_acts_on_each(first: list[Any], history: History) -> None:
    """Joins, leaves, crashes, partitions, lost and late requests and answers, clocks, slow drains: as drawn."""
    with asyncio.Runner(loop_factory=SkewedLoop) as runner:
        runner.run(play(first, history))


async def play(first: list[Any], history: History) -> None:
    async with Network(Tracker()) as network:
        replicas = Replicas(network, shards=SHARDS, times=TIMES)
        try:
            for clock, skew_s, drain_s in first:
                replicas.join(clock, skew_s=skew_s, drain_s=drain_s)
            for event, seconds in history:
                await happens(event, replicas)
                await replicas.watch(seconds)
            await all_heals(replicas)
        finally:
            await replicas.end()


async def happens(event: tuple[Any, ...], replicas: Replicas) -> None:
    match event:
        case ("wait", seconds):
            await replicas.watch(seconds)
        case ("trouble", who, troubles) if replicas.there:
            replicas.trouble(the(who, replicas), troubles)
        case ("join", (clock, skew_s, drain_s)) if len(replicas.there) < 4:
            replicas.join(clock, skew_s=skew_s, drain_s=drain_s)
        case ("leave", who) if replicas.there and not the(who, replicas).is_leaving:
            replicas.leave(the(who, replicas))
        case ("crash", who) if replicas.there:
            await replicas.crash(the(who, replicas))


def the(who: int, replicas: Replicas) -> Replica:
    return replicas.there[who % len(replicas.there)]


async def all_heals(replicas: Replicas) -> None:
    """Each shard soon has one replica, an even share each, and it stays so, at the price that sharding.py names."""
    replicas.heal()
    if all(replica.is_leaving for replica in replicas.there):
        replicas.join()

    assert await replicas.watch(RECOVERY_S, until=replicas.is_settled), replicas.reports()
    await replicas.watch(LATE_S + TIMES.lease_s / SLOWEST)  # late requests from before have arrived
    assert replicas.is_settled()
    moves, began_at = replicas.moves(), true_time()
    before = {replica: replica.way.calls.copy() for replica in replicas.there}
    await replicas.watch(30.0)
    assert replicas.moves() == moves, "a shard moved though nobody came or went"
    for replica in replicas.there:
        assert replica.owned() == replica.work.acting
        assert replica.context.copy().run(replica.sharding.busy) == ()
        new = replica.way.calls - before[replica]
        share = math.ceil(SHARDS / len(replicas.there))
        rounds = 1 + (true_time() - began_at) * replica.clock.rate / TIMES.retry_s
        assert set(new) <= {"update", "list", "delete"}
        assert new["list"] <= rounds
        assert new["update"] <= rounds * (share + 1)
