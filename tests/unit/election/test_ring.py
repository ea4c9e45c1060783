"""Plans are the same everywhere, even, and steady; so are the shards of keys."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.election.ring import plan, shard_of

MEMBERS = st.sets(st.text(min_size=1, max_size=12), min_size=1, max_size=16)
SHARDS = st.integers(1, 130)


@pytest.mark.parametrize(
    ("key", "shard"), [("demo/a", 7), ("demo/b", 9), ("cluster-scoped", 5), ("demo/ünïcode", 12), ("", 4)]
)
def test_the_shard_of_a_key_is_the_same_for_ever(key: str, shard: int) -> None:
    """Numbers that a release must not change: two replicas of different releases run side by side."""
    assert shard_of(key, 16) == shard


def test_another_process_computes_the_same_whatever_its_hash_seed() -> None:
    """No use of hash(), no order of a set."""
    program = (
        "from ctrlkit.election.ring import plan, shard_of\n"
        "print(plan({f'replica-{n}' for n in range(7)}, 20), [shard_of(f'demo/{n}', 20) for n in range(9)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    here = plan({f"replica-{n}" for n in range(7)}, 20), [shard_of(f"demo/{n}", 20) for n in range(9)]
    assert said == {f"{here[0]} {here[1]}\n"}


def test_keys_are_spread_over_all_shards() -> None:
    """Ten thousand keys in 32 shards: 312 each, give or take what chance allows (5 sigma)."""
    spread = Counter(shard_of(f"demo/net-{number}", 32) for number in range(10_000))
    assert set(spread) == set(range(32))
    assert all(abs(count - 312.5) < 5 * 312.5**0.5 for count in spread.values())


def test_no_member_no_plan() -> None:
    assert plan(set(), 8) == {}


@given(members=MEMBERS, shards=SHARDS)
def test_each_shard_has_one_member_and_shares_differ_by_one_at_most(members: set[str], shards: int) -> None:
    """For any members: even, whatever their names."""
    planned = plan(members, shards)
    assert list(planned) == list(range(shards))
    shares = Counter(planned.values())
    assert set(shares) <= members
    assert max(shares.values()) <= ceil(shards / len(members))
    assert min(shares[member] for member in members) >= shards // len(members)


@given(members=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=12, unique=True), shards=SHARDS)
def test_a_plan_does_not_depend_on_an_order(members: list[str], shards: int) -> None:
    assert plan(members, shards) == plan(members[::-1], shards)


@given(members=MEMBERS, newcomer=st.text(min_size=1, max_size=12), shards=SHARDS)
def test_few_shards_move_when_one_comes_or_goes(members: set[str], newcomer: str, shards: int) -> None:
    """A join and a leave are the same two plans, the other way round: at most 2 x ceil(S / n) + n shards differ."""
    more = members | {newcomer}
    before, after = plan(more - {newcomer}, shards), plan(more, shards)
    moved = sum(before.get(shard) != after[shard] for shard in range(shards))
    assert moved <= 2 * ceil(shards / len(more)) + len(more)


def test_on_average_little_more_moves_than_has_to() -> None:
    """The figures of the docstring: over 50 groups, 64 shards; 1 is what a plan that only feeds the newcomer moves."""

    def excess(size: int) -> float:
        moved = 0
        for group in range(50):
            members = [f"replica-{group}-{number}" for number in range(size)]
            before, after = plan(members[:-1], 64), plan(members, 64)
            moved += sum(before[shard] != after[shard] for shard in range(64))
        return moved / 50 / (64 / size)

    assert excess(3) < 1.2
    assert excess(5) < 1.3
    assert excess(20) < 2.5
