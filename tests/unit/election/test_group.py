"""A group of replicas: names of its Leases, who is alive, and who is to have which shard."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrlkit.election.group import GROUP_LABEL, Group, MemberLease, Membership, Role, plan, shard_of
from ctrlkit.errors import ConfigError
from ctrlkit.model import LabelSelector, ObjectKey, Unstructured

GROUP = Group("net", "demo", 4)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@given(identity=st.text(min_size=1, max_size=300))
@example(identity="node-7.example.com_0b6b4c3e-5f0e-4f57-a3e2-7d9a3c5b7d11")
@example(identity="...")
@example(identity="-")
def test_for_any_identity_the_lease_of_a_member_has_a_valid_name(identity: str) -> None:
    """A DNS subdomain of at most 253 characters."""
    key = Group("a" * 63, "demo", 1).of_member(identity)
    assert SUBDOMAIN.fullmatch(key.name)
    assert len(key.name) <= 253
    assert key.namespace == "demo"


@given(identities=st.sets(st.text(min_size=1, max_size=130), min_size=2, max_size=20))
@example(identities={"web_0", "web-0", "WEB-0", "web.0"})
def test_members_have_names_of_their_own(identities: set[str]) -> None:
    """Bending does not make two of them one."""
    assert len({GROUP.of_member(identity) for identity in identities}) == len(identities)


@pytest.mark.parametrize("name", ["", "Net", "net_1", "-net", "net-", "net.demo", "a" * 64, "nét"])
def test_a_name_that_labels_or_leases_do_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="want a name of lower-case letters"):
        Group(name, "demo", 4)


def test_no_namespace_and_no_shards_are_refused() -> None:
    with pytest.raises(ValueError, match="the namespace of its Leases must not be empty"):
        Group("net", "", 4)
    with pytest.raises(ValueError, match="shards must be at least 1, got 0"):
        Group("net", "demo", 0)


def test_one_selector_finds_all_of_a_group_and_nothing_of_another() -> None:
    selector = LabelSelector.parse(GROUP.selector)
    assert all(selector.matches(GROUP.labels(role)) for role in Role)
    assert selector.matches(GROUP.lease()["metadata"]["labels"])
    assert not any(selector.matches(Group("net-2", "demo", 4).labels(role)) for role in Role)
    assert not selector.matches({})


def test_a_list_reads_as_members_and_shards() -> None:
    """By role for members, whose names are anybody's; by name for shards. All else is passed over."""
    leases = [
        lease("net-shards", Role.GROUP),
        lease("net-shard-3", Role.SHARD, holder="a"),
        lease("net-shard-4", Role.SHARD, holder="a"),  # of a group of more shards, once upon a time
        lease("net-member-a", Role.MEMBER, holder="a", duration=20),
        lease("net-member-b", Role.MEMBER),
        lease("stranger", None, holder="x"),
    ]
    sight = GROUP.read(leases, lasts_s=15.0)
    assert list(sight.shards) == [3]
    assert [(member.lease, member.identity, member.version, member.lasts_s) for member in sight.members] == [
        (ObjectKey("demo", "net-member-a"), "a", "7", 20),
        (ObjectKey("demo", "net-member-b"), "", "7", 15.0),
    ]


@pytest.mark.parametrize("annotations", [{"ctrlkit.dev/shards": "8"}, {}, None])
def test_a_group_of_another_number_of_shards_is_not_joined(annotations: dict[str, str] | None) -> None:
    """Keys would belong to two shards at once."""
    found = Unstructured({"metadata": {"name": "net-shards", "namespace": "demo", "annotations": annotations}})
    with pytest.raises(ConfigError, match=r"join the group net with 4 shards: it has .* \[Lease demo/net-shards\]"):
        GROUP.check(found)
    GROUP.check(Unstructured(GROUP.lease()))


def lease(name: str, role: Role | None, *, holder: str = "", duration: int | None = None) -> Unstructured:
    labels = {GROUP_LABEL: "net"} | ({} if role is None else GROUP.labels(role))
    metadata = {"name": name, "namespace": "demo", "uid": f"u-{name}", "resourceVersion": "7", "labels": labels}
    return Unstructured({"metadata": metadata, "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration}})


LASTS_S = 15.0


def a(identity: str, version: str, *, name: str = "") -> MemberLease:
    return MemberLease(
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
        "from ctrlkit.election.group import plan, shard_of\n"
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
