"""Who is alive is told from what was seen when, on one clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.election.membership import Announcement, Membership
from ctrlkit.model import ObjectKey

LASTS_S = 15.0


def a(identity: str, version: str, *, name: str = "") -> Announcement:
    return Announcement(
        lease=ObjectKey("demo", f"net-member-{name or identity}"), identity=identity, version=version, lasts_s=LASTS_S
    )


@pytest.mark.behaviour("L6", "L7")
def test_a_member_is_alive_until_it_has_stood_still_for_its_duration() -> None:
    """To the moment: from the answer that showed its version first to the question of the latest look."""
    membership = Membership()
    membership.look([a("a", "1"), a("b", "1")], asked_at=100.0, answered_at=101.0)
    membership.look([a("a", "1"), a("b", "2")], asked_at=116.0, answered_at=130.0)
    assert membership.alive == {"a", "b"}
    membership.look([a("a", "1"), a("b", "2")], asked_at=116.1, answered_at=130.1)
    assert membership.alive == {"b"}
    membership.look([a("a", "2"), a("b", "2")], asked_at=140.0, answered_at=140.1)
    assert membership.alive == {"a", "b"}


def test_one_that_was_never_seen_before_counts_from_the_first_sight() -> None:
    """Whoever starts knows of nobody how long it has been silent."""
    membership = Membership()
    membership.look([a("old", "1")], asked_at=0.0, answered_at=0.1)
    assert membership.alive == {"old"}


def test_nobody_dies_while_nobody_looks() -> None:
    """Cut off from the server for an hour: the view stays; the first look after it knows better at once."""
    membership = Membership()
    membership.look([a("a", "1"), a("b", "1"), a("c", "1")], asked_at=0.0, answered_at=0.1)
    assert membership.alive == {"a", "b", "c"}  # and so it is at any time until the next look
    membership.look([a("a", "1"), a("b", "900")], asked_at=3600.0, answered_at=3600.1)
    assert membership.alive == {"b"}


def test_one_that_has_left_is_no_member() -> None:
    """Its Lease names nobody, or is gone."""
    membership = Membership()
    membership.look([a("a", "1"), a("b", "1")], asked_at=0.0, answered_at=0.1)
    membership.look([a("", "2", name="a")], asked_at=2.0, answered_at=2.1)
    assert membership.alive == frozenset()


def test_what_stands_still_for_ten_times_its_duration_can_be_removed() -> None:
    """At the version that was seen, so that one that comes back in that moment is left alone."""
    membership = Membership()
    membership.look([a("a", "1"), a("b", "1")], asked_at=0.0, answered_at=0.0)
    membership.look([a("a", "1"), a("b", "2")], asked_at=150.0, answered_at=150.0)
    assert membership.forgotten == frozenset()
    membership.look([a("a", "1"), a("b", "2")], asked_at=150.1, answered_at=150.2)
    assert membership.forgotten == {a("a", "1")}


@given(
    st.lists(
        st.tuples(st.floats(0.1, 40.0), st.floats(0.0, 5.0), st.sampled_from(["stands still", "moves", "is away"])),
        min_size=1,
        max_size=20,
    )
)
def test_for_any_looks_no_member_that_moves_within_its_duration_is_taken_for_dead(
    looks: list[tuple[float, float, str]],
) -> None:
    """Alive by the view exactly if no two looks prove it still for longer than its duration."""
    membership, now, version, since = Membership(), 0.0, 0, None
    for pause_s, takes_s, what in looks:
        asked_at = now + pause_s
        now = asked_at + takes_s
        if what == "is away":
            membership.look([], asked_at=asked_at, answered_at=now)
            since = None
            assert membership.alive == frozenset()
            continue
        if what == "moves" or since is None:
            version += 1
            since = now
        membership.look([a("a", str(version))], asked_at=asked_at, answered_at=now)
        assert ("a" in membership.alive) == (asked_at - since <= LASTS_S)
