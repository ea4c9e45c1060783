"""Chains of simulated nodes, for any way in which two of them came to differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.bitcoind.chain import GENESIS, Chain

_LENGTHS = st.integers(0, 60)


def chains(shared: int, mine: int, yours: int) -> tuple[Chain, Chain]:
    """Two chains that have `shared` blocks in common, and then some of their own."""
    first = Chain()
    for block in range(shared):
        first.mine(f"shared {block}")
    second = Chain(first.hashes)
    for block in range(mine):
        first.mine(f"mine {block}")
    for block in range(yours):
        second.mine(f"yours {block}")
    return first, second


@given(_LENGTHS, _LENGTHS, _LENGTHS)
def test_for_any_two_chains_the_shorter_becomes_the_longer_in_one_exchange(shared: int, mine: int, yours: int) -> None:
    """One locator, one answer. Of two chains of one length each side keeps its own."""
    first, second = chains(shared, mine, yours)
    before = list(first.hashes)
    assert first.adopt(*second.after(first.locator())) is (yours > mine)
    assert list(first.hashes) == (list(second.hashes) if yours > mine else before)
    assert (first.height, first.tip) == (len(first.hashes), [GENESIS, *first.hashes][-1])


@given(_LENGTHS, _LENGTHS)
def test_for_any_lag_the_answer_holds_at_most_twice_what_is_lacking(shared: int, ahead: int) -> None:
    """The steps of a locator double, so it misses the last shared block by no more than was mined since."""
    first, second = chains(shared, ahead, 2 * ahead)
    _, following = second.after(first.locator())
    assert len(following) <= 2 * ahead + 2 * ahead


@given(_LENGTHS)
def test_for_any_chain_the_locator_is_short(length: int) -> None:
    """It starts at the tip, ends at the genesis block and grows with the logarithm of the height."""
    chain, _ = chains(length, 0, 0)
    locator = chain.locator()
    assert (locator[0], locator[-1]) == (chain.tip, GENESIS)
    assert len(locator) <= length.bit_length() + 1


def test_blocks_that_follow_an_unknown_block_are_not_taken() -> None:
    """However many they are: they belong to no chain that is known."""
    chain = Chain()
    assert not chain.adopt("ff" * 32, ["ab" * 32] * 10)
    assert chain.height == 0


def test_miners_at_different_places_or_times_find_different_blocks() -> None:
    """Else two nodes would agree without talking."""
    assert len({Chain().mine(who) for who in ("a 1", "a 2", "b 1")}) == 3
