"""Who adds whom in a network, for any names; and what is changed on one list, and what all changes lead to."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.mesh import MANUAL_MAX, ListChanges, edges, list_changes, mesh_of, topology_of
from ctrlkit.bitcoin.names import pod_name
from ctrlkit.bitcoin.network import Chain, Ports, Spec, Topology
from ctrlkit.bitcoin.rpc import peer_address

NAMES = st.from_regex("[a-z]{1,3}(-[a-z]{1,2})?-[0-9]{1,2}", fullmatch=True)
SLOTS = st.integers(1, MANUAL_MAX)
FEW, MANY = st.frozensets(NAMES, max_size=17), st.frozensets(NAMES, min_size=18, max_size=60)


def named(count: int) -> list[str]:
    """The names of the nodes of a network with one group."""
    return [pod_name("net", ordinal) for ordinal in range(count)]


def pairs(found: Mapping[str, frozenset[str]]) -> frozenset[frozenset[str]]:
    """The pairs of nodes of which one adds the other."""
    return frozenset(frozenset((name, other)) for name, others in found.items() for other in others)


def neighbours(found: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """With how many others each node is connected."""
    return {name: sum(name in pair for pair in pairs(found)) for name in found}


def are_connected(found: Mapping[str, frozenset[str]], without: str = "") -> bool:
    """Whether one reaches every node from any, over connections made by either side."""
    left = set(found) - {without}
    reached = {min(left)}
    while grown := {other for pair in pairs(found) if pair & reached for other in pair & left} - reached:
        reached |= grown
    return reached == left


@given(FEW)
def test_for_any_seventeen_names_or_less_every_pair_is_connected_once(names: frozenset[str]) -> None:
    """And nobody adds more than the 8 that Bitcoin Core keeps connections to."""
    found = edges(names)
    assert pairs(found) == {frozenset(pair) for pair in combinations(names, 2)}
    assert sum(map(len, found.values())) == len(pairs(found))
    assert max(map(len, found.values()), default=0) <= MANUAL_MAX


@given(MANY, st.data())
def test_for_any_names_above_that_all_are_connected_without_any_one_of_them(
    names: frozenset[str], data: st.DataObject
) -> None:
    """Nobody adds more than 4 others, and has 2 to 8."""
    found = edges(names)
    assert all(are_connected(found, without) for without in ("", data.draw(st.sampled_from(sorted(names)))))
    assert max(map(len, found.values())) <= 4
    assert all(2 <= count <= 8 for count in neighbours(found).values())


@given(st.one_of(FEW, MANY), SLOTS)
def test_for_any_room_that_peers_leave_all_are_connected_and_nobody_adds_more(
    names: frozenset[str], slots: int
) -> None:
    """The peers of the spec take manual connections of each node."""
    found = edges(names, slots)
    assert max(map(len, found.values()), default=0) <= slots
    assert not names or are_connected(found)
    assert (pairs(found) == {frozenset(pair) for pair in combinations(names, 2)}) == (
        topology_of(len(names), slots) is not Topology.RINGS or len(names) <= 3
    )


@given(MANY, st.data())
def test_for_any_nodes_that_are_absent_the_others_are_connected(names: frozenset[str], data: st.DataObject) -> None:
    """Most of a large network may wait for room in the cluster."""
    absent = data.draw(st.sets(st.sampled_from(sorted(names)), max_size=len(names) - 1))
    found = mesh_of(Spec(nodes=len(names)), names, absent=absent).edges
    assert found.keys() == names
    assert not any(found[name] for name in absent)
    assert are_connected({name: others for name, others in found.items() if name not in absent})


@given(st.one_of(FEW, MANY), SLOTS, st.randoms())
def test_for_any_names_their_order_does_not_matter(names: frozenset[str], slots: int, chance: random.Random) -> None:
    """Caches list pods in any order."""
    shuffled = sorted(names)
    chance.shuffle(shuffled)
    assert edges(shuffled, slots) == edges(sorted(names), slots)


@given(MANY, NAMES)
def test_for_any_names_above_that_one_more_or_less_changes_few_pairs(names: frozenset[str], more: str) -> None:
    """On each of four rings one pair is replaced by two, at most."""
    assert len(pairs(edges(names)) ^ pairs(edges(names | {more}))) <= 12


@given(st.integers(0, 16))
def test_for_any_network_up_to_seventeen_one_more_node_changes_no_other_edge(count: int) -> None:
    """So scaling touches no connection between nodes that stay; pod 10 comes after pod 9."""
    before, after = edges(named(count)), edges(named(count + 1))
    new = pod_name("net", count)
    assert before == {name: others - {new} for name, others in after.items() if name != new}


@pytest.mark.parametrize(("count", "mean"), [(18, 6), (19, 6), (25, 7), (40, 7), (60, 7.5), (100, 7.5)])
def test_the_networks_that_people_make_have_nearly_eight_neighbours_in_the_mean(count: int, mean: float) -> None:
    """For names as the controller gives them, and 5 at least for each node."""
    found = neighbours(edges(named(count)))
    assert sum(found.values()) / count > mean
    assert min(found.values()) >= 5


def test_a_spec_says_which_connections_there_are() -> None:
    """Public chains have peers of their own, and peers of the spec take room."""
    assert mesh_of(Spec(nodes=17), named(17)).topology is Topology.FULL_MESH
    assert mesh_of(Spec(nodes=17, peers=["seed.example"]), named(17)).topology is Topology.RINGS
    assert mesh_of(Spec(nodes=1), named(1)).topology is Topology.NONE
    for spec in (Spec(nodes=3, chain=Chain.MAIN), Spec(nodes=3, peers=[f"seed{n}.example" for n in range(8)])):
        mesh = mesh_of(spec, named(3))
        assert (mesh.topology, mesh.is_kept, set(mesh.edges)) == (Topology.PUBLIC, False, set(named(3)))
        assert not any(mesh.edges.values())


@pytest.mark.parametrize(
    ("spec", "is_public"),
    [
        (Spec(nodes=1), False),
        (Spec(nodes=1, chain=Chain.SIGNET), True),
        (Spec(nodes=1, chain=Chain.SIGNET, signet_challenge="51"), False),
        (Spec(nodes=1, chain=Chain.TESTNET4), True),
    ],
)
def test_a_chain_is_public_unless_only_our_nodes_can_make_blocks(spec: Spec, is_public: bool) -> None:
    """A signet of one's own is private."""
    assert mesh_of(spec, []).is_public is is_public


def test_nodes_at_another_port_are_added_with_it() -> None:
    """A node takes an entry without a port for one at its chain's."""
    own, other = members(2)
    mesh = mesh_of(Spec(nodes=2, ports=Ports(p2p=8555)), named(2))
    assert list_changes(mesh, own.name, [own, other], {"10.0.0.2": True}, limit=9).add == ("10.0.0.2:8555",)


def members(count: int) -> list[Member]:
    return [
        Member(name=name, group="main", ordinal=at, uid=f"uid-{at}", address=f"10.0.0.{at + 1}", is_ready=True)
        for at, name in enumerate(named(count))
    ]


ENTRY = st.builds("{}{}".format, st.integers(1, 25).map("10.0.0.{}".format), st.sampled_from(["", ":18444", ":8333"]))


@given(st.integers(1, 20), st.dictionaries(ENTRY, st.booleans()), st.integers(1, 9))
def test_for_any_list_repeated_changes_lead_to_what_is_wanted_and_to_nothing_else(
    count: int, added: dict[str, bool], limit: int
) -> None:
    """Each time as many entries as allowed; the changes of a list that is right are none."""
    every = members(count)
    mesh = mesh_of(Spec(nodes=count), named(count))
    own = every[count // 2]
    entries = dict(added)
    for _ in range(1 + (len(added) + count) // limit):
        changes = list_changes(mesh, own.name, every, entries, limit=limit)
        assert len(changes.add) + len(changes.remove) <= limit
        assert set(changes.remove) <= set(entries)
        assert not set(changes.add) & set(entries)
        entries = {entry: False for entry in (*entries, *changes.add) if entry not in changes.remove}
    assert list_changes(mesh, own.name, every, entries, limit=limit) == ListChanges()
    wanted = {member.address for member in every if member.name in mesh.edges[own.name]}
    assert {peer_address(entry) for entry in entries} == wanted


def test_peers_of_the_spec_stay_on_the_list() -> None:
    """They stand in bitcoin.conf, and a node has them on its list from the start."""
    (own,) = members(1)
    mesh = mesh_of(Spec(nodes=1, peers=["seed.example:18555"]), named(1))
    added = {"seed.example:18555": True, "10.9.9.9": False}
    assert list_changes(mesh, own.name, [own], added, limit=9).remove == ("10.9.9.9",)


def test_a_public_network_keeps_the_lists_that_it_has() -> None:
    """Who runs it there knows whom to add."""
    (own,) = members(1)
    mesh = mesh_of(Spec(nodes=1, chain=Chain.MAIN), named(1))
    assert not list_changes(mesh, own.name, [own], {"10.9.9.9": False}, limit=9).remove


def test_a_node_that_starts_again_stays_on_the_lists_and_one_that_never_was_ready_is_not_added_yet() -> None:
    """A node tries an entry that does not answer again only after a minute."""
    own, other = members(2)
    starting = [own, Member(name=other.name, group="main", ordinal=1, uid="u", address=other.address)]
    mesh = mesh_of(Spec(nodes=2), named(2))
    for added in ({}, {other.address: False}):
        changes = list_changes(mesh, own.name, starting, added, limit=9)
        assert not changes.add + changes.remove


def test_a_node_that_started_again_is_connected_to_at_once() -> None:
    """Its address may be the same, and so its entry is there; one that nobody reaches for long is left to the node."""
    own, other = members(2)
    mesh = mesh_of(Spec(nodes=2), named(2))
    for young, is_connected, expected in (
        ({other.name}, False, (other.address,)),
        ({other.name}, True, ()),
        ((), False, ()),
    ):
        changes = list_changes(mesh, own.name, [own, other], {other.address: is_connected}, limit=9, young=young)
        assert changes == ListChanges(connect=expected)


def test_a_node_that_ends_leaves_the_lists() -> None:
    """Its successor has another address."""
    own, other = members(2)
    ending = Member(name=other.name, group="main", ordinal=1, uid="u", address=other.address, is_deleting=True)
    changes = list_changes(mesh_of(Spec(nodes=2), named(2)), own.name, [own, ending], {other.address: True}, limit=9)
    assert changes.remove == (other.address,)


def test_of_both_directions_of_a_network_made_before_one_goes() -> None:
    """It had every node on the list of every other."""
    every = members(4)
    mesh = mesh_of(Spec(nodes=4), named(4))
    left = set()
    for own in every:
        added = {other.address: True for other in every if other is not own}
        gone = list_changes(mesh, own.name, every, added, limit=9).remove
        left |= {frozenset((own.address, entry)) for entry in added if entry not in gone}
    assert len(left) == 6


def test_connections_between_nodes_stay_until_those_that_take_their_place_are_there() -> None:
    """From 3 nodes to 20: the new neighbours have no pods yet, and without the old ones a node would be alone."""
    mesh, every = mesh_of(Spec(nodes=20), named(20)), members(20)
    own = next(name for name in named(3) if not mesh.edges[name] & set(named(3)))
    old = next(member for member in every[:3] if member.name != own)
    coming = [*every[:3], *(replace(member, is_ready=False) for member in every[3:])]
    stranger = "10.9.9.9"
    first = list_changes(mesh, own, coming, {old.address: True, stranger: True}, limit=99)
    assert first == ListChanges(remove=(stranger,), disconnect=frozenset({stranger}))
    assert list_changes(mesh, own, coming, {old.address: False}, limit=99).remove == (old.address,)
    wanted = {member.address: True for member in every if member.name in mesh.edges[own]}
    for there in ([], [next(iter(wanted))]):
        added = {old.address: True, **wanted, **dict.fromkeys(there, False)}
        assert list_changes(mesh, own, every, added, limit=99).remove == (() if there else (old.address,))


@given(st.integers(0, 20), st.integers(0, 20), st.randoms())
def test_for_any_change_of_their_number_no_node_is_connected_to_more_than_it_can(
    before: int, after: int, chance: random.Random
) -> None:
    """What stays for a while takes no room from what is wanted."""
    old, mesh = mesh_of(Spec(nodes=before), named(before)), mesh_of(Spec(nodes=after), named(after))
    every = [replace(member, is_ready=chance.random() < 0.7) for member in members(after)]
    for own in set(old.edges) & set(mesh.edges):
        added = {member.address: chance.random() < 0.8 for member in members(before) if member.name in old.edges[own]}
        changes = list_changes(mesh, own, every, added, limit=99)
        wanted = {member.address for member in every if member.name in mesh.edges[own]}
        assert len((added.keys() - set(changes.remove)) | wanted) <= MANUAL_MAX


def test_a_list_of_twenty_thousand_entries_costs_what_is_changed() -> None:
    """Additions come first; the rest waits for the next pass."""
    own, other = members(2)
    added = {f"198.18.{at // 250}.{at % 250}": False for at in range(20_000)}
    changes = list_changes(mesh_of(Spec(nodes=2), named(2)), own.name, [own, other], added, limit=200)
    assert (changes.add, len(changes.remove), changes.more) == ((other.address,), 199, True)
