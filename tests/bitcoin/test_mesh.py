"""The plan for one node's list, and what all plans together lead to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.mesh import Plan, plan
from ctrlkit.bitcoin.rpc import peer_address

ADDRESSES = st.integers(1, 9).map(lambda number: f"10.0.0.{number}") | st.just("fd00::7")
ENTRIES = st.builds(
    lambda address, port: f"[{address}]{port}" if ":" in address and port else address + port,
    ADDRESSES,
    st.sampled_from(["", ":18444", ":8333"]),
)


@given(st.frozensets(ADDRESSES), st.dictionaries(ADDRESSES, st.frozensets(ENTRIES)))
def test_for_any_ready_nodes_and_lists_the_plans_make_a_full_mesh(
    ready: frozenset[str], lists: dict[str, frozenset[str]]
) -> None:
    """Carried out, every list leads to all other ready nodes and to nobody else, and a second plan is empty."""
    for own in ready:
        entries = lists.get(own, frozenset())
        first = plan(entries, own_address=own, ready=ready)
        after = (entries | set(first.add)) - set(first.remove)
        assert {peer_address(entry) for entry in after} == ready - {own}
        assert not plan(after, own_address=own, ready=ready)


@given(st.frozensets(ADDRESSES), st.frozensets(ENTRIES), ADDRESSES)
def test_for_any_list_a_plan_removes_only_what_is_there_and_adds_only_what_is_not(
    ready: frozenset[str], entries: frozenset[str], own: str
) -> None:
    """So that no call is refused with -23 or -24, unless somebody else was faster."""
    needed = plan(entries, own_address=own, ready=ready)
    assert set(needed.remove) <= entries
    assert not set(needed.add) & entries


def test_a_list_that_is_right_needs_no_plan() -> None:
    """A plan of nothing is false."""
    assert not plan(["10.0.0.2"], own_address="10.0.0.1", ready={"10.0.0.1", "10.0.0.2"})
    assert Plan(add=("10.0.0.2",))


def test_a_node_alone_has_an_empty_list() -> None:
    """Nobody is left to know."""
    assert plan(["10.0.0.2"], own_address="10.0.0.1", ready={"10.0.0.1"}) == Plan(remove=("10.0.0.2",))
