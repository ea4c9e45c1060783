"""What nodes are doing, out of their pods and of what they said; and which groups of them see each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.facts import Member, Said, Visit
from ctrlkit.bitcoin.health import Health, Link, assess, trouble_of
from ctrlkit.bitcoin.mesh import Mesh, mesh_of
from ctrlkit.bitcoin.network import Chain, NodeState, Spec
from ctrlkit.bitcoin.rpc import (
    Answer,
    BadAnswer,
    BadCredentials,
    Busy,
    NodeUnreachable,
    NotAllowed,
    RpcError,
    RpcRefused,
    Unsteady,
    WarmingUp,
)

STARTING, BEHIND, AT_TIP = NodeState.STARTING, NodeState.BEHIND, NodeState.AT_TIP


def a_member(ordinal: int) -> Member:
    address = f"10.0.0.{ordinal + 1}"
    return Member(name=f"n-{ordinal}", group="main", ordinal=ordinal, uid="u", address=address, is_ready=True)


def an_answer(height: int = 7, tip: str = "", *, is_syncing: bool = False, connections: int = 1) -> Answer:
    """A node of a chain whose blocks are called by their heights."""
    return Answer(
        version=290100,
        agent="/Satoshi:29.1.0/",
        height=height,
        tip=tip or f"block {height}",
        is_syncing=is_syncing,
        connections=connections,
        added={},
    )


def members(count: int) -> list[Member]:
    return [a_member(ordinal) for ordinal in range(count)]


def a_mesh(count: int, chain: Chain = Chain.REGTEST) -> Mesh:
    return mesh_of(Spec(nodes=count, chain=chain), [member.name for member in members(count)])


def linked(said: Mapping[str, Said], *groups: str) -> dict[str, Said]:
    """What nodes say that are connected within these groups of ordinals, and with nobody else."""
    mesh = a_mesh(len(said))
    together = [{f"n-{at}" for at in group} for group in groups]
    addresses = {member.name: member.address for member in members(len(said))}

    def list_of(name: str) -> dict[str, bool]:
        others = mesh.edges[name]
        return {addresses[other]: any({name, other} <= group for group in together) for other in others}

    return {
        name: replace(what, added=list_of(name)) if isinstance(what, Answer) else what for name, what in said.items()
    }


def whole(*heights: int | Said) -> dict[str, Said]:
    """What nodes at these heights say that are all connected."""
    said = {f"n-{at}": an_answer(what) if isinstance(what, int) else what for at, what in enumerate(heights)}
    return linked(said, "".join(map(str, range(len(heights)))))


def earlier(*heights: int) -> dict[str, Answer]:
    return {f"n-{at}": an_answer(height) for at, height in enumerate(heights)}


def assessed(said: Mapping[str, Said], **visit: Any) -> Health:
    return assess(members(len(said)), replace(Visit(said=said), **visit), a_mesh(len(said)))


def states(health: Health) -> list[NodeState]:
    return [node.state for _, node in sorted(health.nodes.items())]


def messages(health: Health) -> list[str]:
    return [node.message for _, node in sorted(health.nodes.items())]


# ---- connections that are wanted anew


@pytest.mark.parametrize(("before", "after"), [(3, 20), (20, 3)])
def test_scaling_is_no_partition_while_the_new_connections_were_not_asked_for(before: int, after: int) -> None:
    """A full mesh becomes rings, and rings a full mesh: what nodes said before is of the connections of before."""
    mesh, names = mesh_of(Spec(nodes=before), [f"n-{at}" for at in range(before)]), members(before)
    addresses = {one.name: one.address for one in names}
    said: dict[str, Said] = {
        one.name: replace(an_answer(), added={addresses[other]: True for other in mesh.edges[one.name]})
        for one in names[: min(before, after)]
    }
    health = assess(members(after), Visit(said=said), a_mesh(after))
    assert health.link in (Link.CONNECTED, Link.CONNECTING)
    cut = {name: replace(an_answer(), added=dict.fromkeys(one.added, False)) for name, one in _answers(said).items()}
    if before < after:
        assert assess(members(3), Visit(said=cut), a_mesh(3)).link is Link.PARTITIONED


def _answers(said: Mapping[str, Said]) -> dict[str, Answer]:
    return {name: one for name, one in said.items() if isinstance(one, Answer)}


# ---- tips


def test_nodes_with_the_same_best_block_are_at_the_tip() -> None:
    """There is nothing to say of them."""
    health = assessed(whole(7, 7, 7))
    assert (states(health), messages(health)) == ([AT_TIP] * 3, [""] * 3)
    assert (health.height, health.tip, sorted(health.at_tip)) == (7, "block 7", ["n-0", "n-1", "n-2"])


def test_a_node_without_the_chain_is_behind_at_once() -> None:
    """Its pod was just replaced; no other pod may be replaced before it has the chain."""
    health = assessed(whole(7, 7, 0), earlier={"n-0": an_answer(7), "n-1": an_answer(7)})
    assert states(health) == [AT_TIP, AT_TIP, BEHIND]
    assert messages(health)[2] == "it is at height 0, n-1 is at 7"


def test_most_nodes_without_the_chain_are_behind_the_one_that_has_it() -> None:
    """The longest chain counts, and not what most have: else the one that has it would be taken for outdated."""
    for known in ({}, earlier(7, 0, 0)):
        health = assessed(whole(7, 0, 0), earlier=known)
        assert states(health) == [AT_TIP, BEHIND, BEHIND]
        assert (health.height, sorted(health.at_tip)) == (0, ["n-0"])


def test_a_block_that_is_new_leaves_nobody_behind() -> None:
    """A node needs only what the network had earlier."""
    health = assessed(whole(9, 7, 8), earlier=earlier(7, 7, 7))
    assert (states(health), len(health.at_tip)) == ([AT_TIP] * 3, 3)


def test_a_node_that_was_down_needs_all_that_the_network_has_now() -> None:
    """It was not heard earlier; no other pod may be replaced before it has the chain."""
    health = assessed(whole(9, 9, 8), earlier={"n-0": an_answer(7), "n-1": an_answer(7)})
    assert states(health) == [AT_TIP, AT_TIP, BEHIND]


def test_a_node_to_which_no_block_can_be_on_its_way_is_behind() -> None:
    """Also while its connections are too new to be missed."""
    said = {f"n-{at}": an_answer(height) for at, height in enumerate((9, 9, 8))}
    health = assessed(linked(said, "01", "2"), earlier=earlier(7, 7, 7), young=frozenset({"n-2"}))
    assert states(health) == [AT_TIP, AT_TIP, BEHIND]


def test_a_node_that_stays_where_it_was_is_behind() -> None:
    """The others have gone on since, however fast."""
    assert states(assessed(whole(500, 480, 100), earlier=earlier(300, 300, 100))) == [AT_TIP, AT_TIP, BEHIND]


def test_a_node_whose_blocks_nobody_takes_is_told() -> None:
    """It has the longest chain, and the others are behind it; that they may refuse its blocks is said of it."""
    health = assessed(whole(9, 7, 7), earlier=earlier(9, 7, 7))
    assert states(health) == [AT_TIP, BEHIND, BEHIND]
    assert "no other node has its last blocks" in messages(health)[0]


def test_two_blocks_at_one_height_are_told_when_they_stay() -> None:
    """Which of them the chain goes on with shows with the next block; until then the smaller side is not at the tip."""
    said = linked({"n-0": an_answer(7, "a"), "n-1": an_answer(7, "b"), "n-2": an_answer(7, "a")}, "012")
    before = {name: what for name, what in said.items() if isinstance(what, Answer)}
    health = assessed(said, earlier=before)
    assert states(health) == [AT_TIP, BEHIND, AT_TIP]
    assert messages(health)[1] == "at height 7 it has another block than n-2"
    assert states(assessed(said, earlier=earlier(6, 6, 6))) == [AT_TIP] * 3


def test_a_chain_that_became_shorter_is_the_networks_chain() -> None:
    """All have lost their claims: nobody waits for blocks that nobody has."""
    assert states(assessed(whole(0, 0), earlier=earlier(7, 7))) == [AT_TIP, AT_TIP]


def test_an_isolated_node_with_a_longer_chain_leaves_nobody_behind_and_nobody_surely_at_the_tip() -> None:
    """The others are what the network is; but a rollout waits, for these blocks may be all that is left."""
    health = assessed(linked({"n-0": an_answer(9), "n-1": an_answer(7), "n-2": an_answer(7)}, "0", "12"))
    assert states(health) == [NodeState.ISOLATED, AT_TIP, AT_TIP]
    assert health.at_tip == frozenset()


def test_an_initial_download_counts_on_public_chains_alone() -> None:
    """A private chain that rests for a day looks like one that is loaded."""
    said = {"n-0": an_answer(7, is_syncing=True)}
    assert states(assess(members(1), Visit(said=said), a_mesh(1))) == [AT_TIP]
    assert states(assess(members(1), Visit(said=said), a_mesh(1, Chain.MAIN))) == [BEHIND]


# ---- connections


def test_right_lists_without_connections_are_a_partition() -> None:
    """Every node has all on its list that it should have, and sees nobody."""
    health = assessed(linked({f"n-{at}": an_answer() for at in range(3)}, "0", "1", "2"))
    assert (health.link, health.parts) == (Link.PARTITIONED, (("n-0",), ("n-1",), ("n-2",)))
    assert (health.seen, health.wanted, states(health)) == (0, 3, [NodeState.ISOLATED] * 3)


def test_a_partition_names_its_groups_and_isolates_the_smaller() -> None:
    """Three of five go on; two have no connection to most of the others."""
    health = assessed(linked({f"n-{at}": an_answer() for at in range(5)}, "024", "13"))
    assert health.parts == (("n-0", "n-2", "n-4"), ("n-1", "n-3"))
    assert states(health) == [AT_TIP, NodeState.ISOLATED, AT_TIP, NodeState.ISOLATED, AT_TIP]
    assert messages(health)[1].startswith("it is connected with 1 of the 4 other nodes that answer")


def test_of_two_halves_neither_is_connected_with_most_of_the_others() -> None:
    """Which of them goes on, nobody can say; a larger group comes first, whatever the names are."""
    halves = assessed(linked({f"n-{at}": an_answer() for at in range(6)}, "012", "345"))
    assert states(halves) == [NodeState.ISOLATED] * 6
    assert halves.at_tip == frozenset()
    one = assessed(linked({f"n-{at}": an_answer() for at in range(4)}, "0", "123"))
    assert one.parts == (("n-1", "n-2", "n-3"), ("n-0",))


def test_connections_that_are_new_are_waited_for() -> None:
    """A node that was just added is no partition."""
    said = linked({f"n-{at}": an_answer() for at in range(3)}, "01", "2")
    assert assessed(said, young=frozenset({"n-2"})).link is Link.CONNECTING
    assert states(assessed(said, young=frozenset({"n-2"}))) == [AT_TIP] * 3
    assert assessed(said, young=frozenset()).link is Link.PARTITIONED


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NodeUnreachable("no answer"), NodeState.UNREACHABLE),
        (WarmingUp("starting", code=-28, text="Verifying blocks…"), STARTING),
        (Unsteady("it answers now and then"), NodeState.UNSTEADY),
    ],
)
def test_a_node_that_says_nothing_is_no_partition(error: RpcError, state: NodeState) -> None:
    """It may be what connects two others: they see it, or it sees them and does not say so."""
    health = assessed(whole(7, error, 7))
    assert (health.link, health.parts, states(health)) == (Link.CONNECTED, (("n-0", "n-2"),), [AT_TIP, state, AT_TIP])
    assert (health.seen, health.wanted) == (1, 1)


def test_two_nodes_that_see_a_silent_one_are_connected_over_it() -> None:
    """The connection of the two is missing, those to the third are there."""
    said: dict[str, Said] = {"n-0": an_answer(), "n-1": an_answer(), "n-2": NodeUnreachable("no answer")}
    lists = {"n-0": {"10.0.0.2": False, "10.0.0.3": True}, "n-1": {"10.0.0.3": True}}
    said |= {name: replace(an_answer(), added=added) for name, added in lists.items()}
    assert assessed(said).link is Link.CONNECTED


def test_a_connection_of_the_second_direction_counts() -> None:
    """A network made before had both directions on its lists."""
    said: dict[str, Said] = {"n-0": an_answer(), "n-1": replace(an_answer(), added={"10.0.0.1:18444": True})}
    assert assessed(said).link is Link.CONNECTED


def test_a_node_of_a_public_chain_is_isolated_without_any_connection() -> None:
    """Its peers are its own; one is enough."""
    said = {"n-0": an_answer(connections=0), "n-1": an_answer(connections=1)}
    health = assess(members(2), Visit(said=said), a_mesh(2, Chain.MAIN))
    assert (health.link, states(health)) == (Link.CONNECTED, [NodeState.ISOLATED, AT_TIP])
    assert health.parts == (("n-0", "n-1"),)


# ---- pods and errors


@pytest.mark.parametrize(
    ("member", "said", "state", "message"),
    [
        (replace(a_member(0), uid="", address="", is_ready=False), None, NodeState.WAITING, "there is no pod"),
        (replace(a_member(0), is_deleting=True, is_ready=False), None, NodeState.WAITING, "its pod is ending"),
        (replace(a_member(0), address="", is_ready=False), None, STARTING, "its pod is not ready yet"),
        (replace(a_member(0), is_ready=False, trouble="no image"), None, NodeState.WAITING, "no image"),
        (replace(a_member(0), is_ready=False), an_answer(), STARTING, "its pod is not ready yet"),
        (
            replace(a_member(0), is_ready=False),
            WarmingUp("", code=-28, text="Verifying blocks…"),
            STARTING,
            "it is starting: Verifying blocks…",
        ),
        (a_member(0), None, STARTING, "it was not asked yet"),
    ],
)
def test_a_node_that_is_not_ready_waits_or_starts(
    member: Member, said: Said | None, state: NodeState, message: str
) -> None:
    """What is known of its pod comes first."""
    health = assess([member], Visit(said={} if said is None else {"n-0": said}), a_mesh(1))
    assert (states(health), messages(health), health.at_tip) == ([state], [message], frozenset())


def test_each_kind_of_error_says_what_to_look_at() -> None:
    """In words that do not change with the moment: an address, a duration or a reason of the system would."""
    errors = [kind("x") for kind in (NodeUnreachable, Busy, BadCredentials, NotAllowed, BadAnswer)]
    texts = [trouble_of(error) for error in errors]
    assert len(set(texts)) == len(errors)
    assert not any(text == "x" for text in texts)
    assert trouble_of(RpcRefused("x", code=-1, text="no")) == "it refuses to answer: no (code -1)"


# ---- for any


ANY_SAID: st.SearchStrategy[Said] = st.one_of(
    st.builds(an_answer, st.integers(0, 3), st.sampled_from(["", "other"]), is_syncing=st.booleans()),
    st.sampled_from([NodeUnreachable("x"), Unsteady("x"), WarmingUp("x", code=-28, text="")]),
)


@st.composite
def any_network(draw: st.DrawFn) -> tuple[Sequence[Member], Visit, Mesh]:
    """Members in any state, of which any said anything and see any of the others."""
    count = draw(st.integers(0, 20))
    changed: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            {},
            {"is_ready": False},
            {"is_deleting": True, "is_ready": False},
            {"trouble": "x"},
            {"address": "", "is_ready": False},
        ]
    )
    every = [replace(member, **draw(changed)) for member in members(count)]
    mesh = a_mesh(count)
    said: dict[str, Said] = {}
    for member in every:
        if draw(st.booleans()):
            what = draw(ANY_SAID)
            if isinstance(what, Answer):
                others = [other.address for other in every if other.address and other.name in mesh.edges[member.name]]
                what = replace(what, added={address: draw(st.booleans()) for address in others})
            said[member.name] = what
    names = st.sampled_from([member.name for member in every]) if every else st.nothing()
    return (
        every,
        Visit(
            said=said,
            earlier=draw(st.dictionaries(names, st.builds(an_answer, st.integers(0, 3)))),
            young=draw(st.frozensets(names)),
        ),
        mesh,
    )


@given(any_network())
def test_for_any_answers_each_node_has_a_state_and_the_groups_are_those_that_see_each_other(
    network: tuple[Sequence[Member], Visit, Mesh],
) -> None:
    """Disjoint, together all that answer, and no node sees one of another group."""
    every, visit, mesh = network
    health = assess(every, visit, mesh)
    answering = {member.name for member in every if member.is_ready and isinstance(visit.said.get(member.name), Answer)}
    assert set(health.nodes) == {member.name for member in every}
    assert sorted(name for part in health.parts for name in part) == sorted(answering)
    assert (health.link is Link.PARTITIONED) <= (len(health.parts) > 1)
    assert health.seen <= health.wanted
    part_of = {name: number for number, part in enumerate(health.parts) for name in part}
    addresses = {member.address: member.name for member in every}
    for name in answering:
        said = visit.said[name]
        assert isinstance(said, Answer)
        seen = {addresses[address] for address, connected in said.added.items() if connected} & answering
        assert {part_of[other] for other in seen} <= {part_of[name]}


@given(any_network())
def test_for_any_answers_whoever_is_at_the_tip_answers_and_has_all_that_anybody_had(
    network: tuple[Sequence[Member], Visit, Mesh],
) -> None:
    """So at the most the blocks of the last moments are missing on a node that a rollout relies on."""
    every, visit, mesh = network
    health = assess(every, visit, mesh)
    answers = {member.name: visit.said.get(member.name) for member in every if member.is_ready}
    heights = {name: said.height for name, said in answers.items() if isinstance(said, Answer)}
    counted = {name for name in heights if health.nodes[name].state is not NodeState.ISOLATED}
    before = [visit.earlier[name].height for name in counted if name in visit.earlier]
    for name in health.at_tip:
        assert heights[name] >= min(max(heights.values()), max(before, default=max(heights.values())))
