"""
What a rollout never does, whatever happens around it, and that it ends.

A small network is played: pods die and come back, nodes are slow, silent or lost, the spec changes to what works and to
what does not. Only `next_step` deletes on our behalf; the rest of the play is the weather.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrlkit.bitcoin.facts import Member, Said
from ctrlkit.bitcoin.rollout import Progress, Step, next_step
from ctrlkit.bitcoin.rpc import Answer, NodeUnreachable, Unsteady
from tests.support.effort import tries


def member(ordinal: int, **fields: object) -> Member:
    shape = {"uid": f"u{ordinal}", "is_ready": True, "has_claim": True} | fields
    return Member(name=f"net-sts-{ordinal}", group="main", ordinal=ordinal, **shape)  # type: ignore[arg-type]


def answer(height: int = 0) -> Answer:
    return Answer(
        version=290100, agent="/Satoshi:29.1.0/", height=height, tip="0f", is_syncing=False, connections=1, added={}
    )


def step(
    *members: Member,
    at_tip: set[int] | None = None,
    heights: dict[int, int] | None = None,
    said: Mapping[int, Said] | None = None,
) -> Step:
    """By default those that are ready answer."""
    tips = {other.ordinal for other in members} if at_tip is None else at_tip
    answers = {member.ordinal: answer() for member in members if member.is_ready} | dict(said or {})
    return next_step(
        members,
        frozenset(f"net-sts-{ordinal}" for ordinal in tips),
        {f"net-sts-{ordinal}": height for ordinal, height in (heights or {}).items()},
        {f"net-sts-{ordinal}": what for ordinal, what in answers.items()},
    )


def test_nodes_that_have_what_the_spec_says_need_nothing() -> None:
    """Not even those that are not at the tip: a rollout is no repair."""
    done = step(member(0, is_updated=True), member(1, is_updated=True, is_ready=False), at_tip={0})
    assert (done.progress, done.why, done.updated, done.nodes) == (Progress.DONE, "", 2, 2)


def test_the_last_node_goes_first_and_the_next_waits_for_it() -> None:
    """Until the one before is at the tip again."""
    old, gone = member(0), member(1, uid="", is_ready=False)
    assert step(member(0), member(1)).delete == member(1)
    assert step(old, gone).why == "waits for pod net-sts-1"
    slow = step(old, member(1, is_updated=True), at_tip={0})
    assert (slow.progress, slow.updated, slow.nodes) == (Progress.STOPPED, 1, 2)
    assert step(old, member(1, is_updated=True)).delete == old


def test_a_version_that_does_not_come_up_is_told_with_its_cause() -> None:
    """In words that do not change while the facts do not."""
    broken = member(2, is_updated=True, is_ready=False, trouble="image x:1 cannot be pulled")
    stopped = step(member(0), member(1), broken, at_tip={0, 1})
    assert stopped.why == (
        "stops until net-sts-2, which has what the spec says, is at the tip: image x:1 cannot be pulled"
    )


def test_a_corrected_spec_goes_on_at_the_node_that_was_broken() -> None:
    """It is outdated now, and replacing it takes nothing down."""
    broken = member(1, is_ready=False)
    assert step(member(0), broken, member(2), at_tip={0, 2}).delete == broken
    untouched = member(0, is_updated=True), member(2, is_updated=True)
    assert step(untouched[0], broken, untouched[1], at_tip={0, 2}).delete == broken


def test_a_ready_pod_whose_node_does_not_answer_waits_for_those_that_are_not_ready() -> None:
    """Others may reach it, and then it is one of the majority."""
    lost, silent = member(0, is_ready=False), {2: NodeUnreachable("no answer")}
    assert step(lost, member(1), member(2), at_tip={1}, said=silent).delete == lost
    assert step(member(0, is_updated=True), member(1), member(2), at_tip={0, 1}, said=silent).delete == member(2)


def test_a_node_that_is_known_to_be_behind_goes_before_one_that_does_not_answer() -> None:
    """The one may serve others, and the other serves nobody; what answers now and then serves somebody."""
    old, silent, unsteady = [member(at) for at in range(3)], NodeUnreachable("no answer"), Unsteady("now and then")
    assert step(*old, at_tip={0}, said={2: silent}).delete == old[1]
    assert step(*old, at_tip={0}, said={2: unsteady, 1: silent}).delete == old[1]
    assert step(*old, at_tip={0, 1}, said={2: unsteady}).delete == old[2]


def test_a_node_that_came_back_is_not_at_the_tip_while_it_lacks_what_a_ready_one_had() -> None:
    """Alone in answering it looks as if it were; the other one answers people now and then, and is the only one."""
    back, unsteady = member(0, is_updated=True), {1: Unsteady("now and then")}
    assert step(back, member(1), at_tip={0}, heights={0: 739, 1: 783}, said=unsteady).progress == Progress.STOPPED
    assert step(back, member(1), at_tip={0}, heights={0: 783, 1: 783}, said=unsteady).delete == member(1)


def test_a_node_that_has_all_but_what_a_silent_one_was_heard_to_have_is_waited_for() -> None:
    """It may be the only one that serves, and the silent one the only one with those blocks: neither goes now."""
    silent, heights = {1: NodeUnreachable("no answer")}, {0: 4, 1: 5}
    late = step(member(0), member(1), at_tip={0}, heights=heights, said=silent)
    assert (late.progress, late.delete) == (Progress.WAITING, None)
    assert late.why == "waits until net-sts-0 has the blocks of net-sts-1, which does not answer now"
    assert step(member(0), member(1), at_tip={0}, heights={0: 5, 1: 5}, said=silent).delete == member(1)
    lost = member(2, is_ready=False)
    assert step(member(0), member(1), lost, at_tip={0}, heights=heights, said=silent).delete == lost


def test_while_parts_of_a_network_do_not_see_each_other_the_longest_chain_stays_up() -> None:
    """Then nobody is at the tip of all; the lowest goes first, and no other one until it is."""
    assert step(member(0), member(1), at_tip=set(), heights={0: 10, 1: 12}).delete == member(0)
    assert step(member(0, is_updated=True), member(1), at_tip=set(), heights={0: 10, 1: 12}).delete is None


def test_the_only_node_is_restarted_if_its_chain_is_on_a_claim() -> None:
    """Otherwise a person has to say that it may be lost, or add a node that takes it."""
    assert step(member(0)).progress == Progress.REPLACING
    alone = step(member(0, has_claim=False))
    assert (alone.progress, "add a node, or delete pod net-sts-0" in alone.why) == (Progress.BLOCKED, True)
    assert step(member(0, has_claim=False, never_ran=True), at_tip=set()).progress == Progress.REPLACING
    both = member(0, has_claim=False), member(1, has_claim=False, is_updated=True)
    assert step(*both, heights={0: 0, 1: 0}).delete == both[0]


def test_a_pod_that_may_know_more_than_all_others_is_kept() -> None:
    """One node lost its chain and is alone in answering; the other is silent, and was heard at more."""
    silent, empty = member(0, has_claim=False, is_ready=False), member(1, has_claim=False)
    assert step(silent, empty, at_tip={1}, heights={0: 10, 1: 0}).progress == Progress.BLOCKED
    assert step(silent, empty, at_tip={1}, heights={0: 10, 1: 10}).delete == silent


def test_a_pod_that_was_never_heard_is_kept_unless_it_never_ran() -> None:
    """Nobody knows how long its chain is: the status may be lost, and the controller new."""
    silent, other = member(0, has_claim=False), member(1, has_claim=False)
    assert step(silent, other, at_tip={1}, heights={1: 10}).progress == Progress.BLOCKED
    empty = replace(silent, never_ran=True)
    assert step(empty, other, at_tip={1}, heights={1: 10}).delete == empty


def test_a_network_without_nodes_has_what_the_spec_says() -> None:
    """There is nothing that could be outdated."""
    assert step().progress == Progress.DONE


# ---- the play --------------------------------------------------------------------------------------------------------


@dataclass
class Node:
    """A node of the play. `pod` is the number of its pod, 0 while there is none."""

    pod: int = 0
    revision: int = 0
    runs: bool = False
    ran: bool = False
    height: int = 0
    synced: bool = False
    hidden: bool = False
    """It does not answer the controller, and serves everybody else."""

    terminating: bool = False


@dataclass
class Play:
    """A network, the revisions of its spec, and what is known of both."""

    nodes: list[Node]
    claims: bool
    wanted: int = 1
    revisions: int = 1
    broken: set[int] = field(default_factory=set)
    pods: int = 0
    heard: dict[int, int] = field(default_factory=dict)
    down_by_us: set[int] = field(default_factory=set)

    def serves(self, node: Node) -> bool:
        return node.runs and node.synced and not node.terminating

    def serving(self) -> list[int]:
        return [at for at, node in enumerate(self.nodes) if self.serves(node)]

    def look(self) -> Step:
        """One pass of the controller."""
        for at, node in enumerate(self.nodes):
            if node.runs and not node.hidden:
                self.heard[at] = node.height
        members = [
            Member(
                name=f"net-sts-{at}",
                group="main",
                ordinal=at,
                uid=str(node.pod or ""),
                is_ready=node.runs and not node.terminating,
                is_deleting=node.terminating,
                is_updated=bool(node.pod) and not node.terminating and node.revision == self.wanted,
                has_claim=self.claims,
                never_ran=not node.ran,
            )
            for at, node in enumerate(self.nodes)
        ]
        at_tip = frozenset(f"net-sts-{at}" for at in self.serving() if not self.nodes[at].hidden)
        heights = {f"net-sts-{at}": height for at, height in self.heard.items()}
        answers = {at: answer(node.height) for at, node in enumerate(self.nodes) if node.runs and not node.hidden}
        return next_step(members, at_tip, heights, {f"net-sts-{at}": what for at, what in answers.items()})

    def act(self) -> Step:
        """One pass, and the deletion that it asks for, with what must not be."""
        found, serving = self.look(), self.serving()
        if found.delete is None:
            return found
        at = found.delete.ordinal
        node = self.nodes[at]
        assert str(node.pod or None) == found.delete.uid
        assert node.revision != self.wanted, "what is right was deleted"
        if at in serving:
            down = [other for other in self.nodes if not self.serves(other) and not (other.runs and other.hidden)]
            assert not down, "a node was taken down while another one is known to be"
            answer = [other for other in self.nodes if self.serves(other) and not other.hidden]
            assert node.hidden or len(answer) == len(self.nodes), "one was taken down while another did not answer"
            self.down_by_us.add(at)
        least = len(self.nodes) - 1 if len(self.nodes) < 3 else len(self.nodes) // 2 + 1
        hidden = {other for other, node in enumerate(self.nodes) if node.runs and node.hidden}  # of these nobody knows
        assert len({*serving, *hidden} - {at}) >= min(len(serving), least), "less than a majority is left"
        if not self.claims and node.ran:
            others = [self.nodes[other].height for other in serving if other != at]
            assert max(others, default=-1) >= self.heard.get(at, 0), "the only copy of a chain was deleted"
        unproven = {other.revision for other in self.nodes if other.pod and not self.serves(other)} & {self.wanted}
        assert not unproven, "a revision went on that has not come up"
        self.end(at)
        return found

    def end(self, at: int) -> None:
        """The pod begins to go; its node is down."""
        node = self.nodes[at]
        node.runs, node.synced, node.terminating = False, False, bool(node.pod)

    def proceed(self, at: int) -> None:
        """Kubernetes and bitcoind do the next thing for a node."""
        node = self.nodes[at]
        if node.terminating:
            kept = node.height if self.claims else 0
            self.nodes[at] = Node(height=kept)  # what was heard of it stays: another pod may have as much
        elif not node.pod:
            self.pods += 1
            node.pod, node.revision = self.pods, self.wanted
        elif node.revision not in self.broken:
            node.hidden = False
            node.runs = node.ran = True
            node.height = max([node.height, *(other.height for other in self.nodes if other.runs)])
            node.synced = True
            self.down_by_us.discard(at)

    def is_done(self) -> bool:
        return all(node.pod and node.revision == self.wanted and self.serves(node) for node in self.nodes)


def proceed(play: Play, number: int) -> None:
    play.proceed(number % len(play.nodes))
    play.proceed(number % len(play.nodes))


def proceed_everywhere(play: Play, _: int) -> None:
    for at in range(len(play.nodes)):
        play.proceed(at)


def change_the_spec(play: Play, number: int) -> None:
    """To something new, of which every third does not work."""
    play.revisions += 1
    play.wanted = play.revisions
    if number % 3 == 0:
        play.broken.add(play.wanted)


def go_back_to_an_earlier_spec(play: Play, number: int) -> None:
    play.wanted = number % play.revisions + 1


def lose_a_pod(play: Play, number: int) -> None:
    play.end(number % len(play.nodes))


def silence_a_node(play: Play, number: int) -> None:
    play.nodes[number % len(play.nodes)].runs = False


def hide_a_node(play: Play, number: int) -> None:
    play.nodes[number % len(play.nodes)].hidden = True


def slow_a_node(play: Play, number: int) -> None:
    play.nodes[number % len(play.nodes)].synced = False


def mine(play: Play, number: int) -> None:
    """A node that serves has new blocks; either all others that serve have them, too, or it alone for now."""
    serving = play.serving()
    if serving:
        height = max(play.nodes[at].height for at in serving) + 1
        for at in serving if number % 2 else [serving[number % len(serving)]]:
            play.nodes[at].height = height


WEATHER: Final = (
    *(proceed, proceed_everywhere, change_the_spec, go_back_to_an_earlier_spec, mine),
    *(lose_a_pod, silence_a_node, slow_a_node, hide_a_node),
)
HISTORIES: Final = tries(20, thorough=200)


@example(seed=3)  # the one of two nodes that answers lacks a block of the other
@given(seed=st.integers(0))
def test_for_any_history_of_failures_and_changes_a_rollout_is_careful_and_ends(seed: int) -> None:
    """V-a to V-f; in the end the weather is good, and all nodes get what the spec says, or a person is asked."""
    for number in range(HISTORIES):
        chance = random.Random(seed + number)
        play = Play([Node() for _ in range(chance.randint(1, 5))], claims=chance.random() < 0.5)
        weather = chance.sample(WEATHER, chance.randint(2, len(WEATHER)))  # much of one thing, and then of another
        for _ in range(chance.randint(0, 60)):
            chance.choice((*weather, proceed_everywhere))(play, chance.randint(0, 11))
            if chance.random() < 0.7:
                play.act()
            assert len(play.down_by_us) <= 1
        play.broken.discard(play.wanted)
        assert comes_to_its_end(play)


def comes_to_its_end(play: Play) -> bool:
    for _ in range(12 * len(play.nodes) + 12):
        proceed_everywhere(play, 0)
        if play.act().progress is Progress.BLOCKED:
            return not play.claims
    return play.is_done() and play.look().progress is Progress.DONE


@pytest.mark.parametrize("nodes", [1, 2, 3, 5, 12])
def test_a_broken_version_goes_to_one_node_and_a_corrected_one_to_all(nodes: int) -> None:
    """The others serve on; then the broken node is the first."""
    play = Play([Node() for _ in range(nodes)], claims=True)
    for _ in range(3):
        for at in range(nodes):
            play.proceed(at)
    play.wanted, play.broken = 2, {2}
    for _ in range(10):
        play.act()
        for at in range(nodes):
            play.proceed(at)
    assert [node.revision for node in play.nodes].count(2) == 1
    assert len(play.serving()) == nodes - 1
    play.wanted = 3
    first = play.act()
    assert first.delete is not None
    assert first.delete.ordinal == nodes - 1
    for _ in range(5 * nodes):
        for at in range(nodes):
            play.proceed(at)
        play.act()
    assert play.is_done()


def test_a_pod_that_is_being_deleted_counts_as_missing() -> None:
    """Whatever it still says of itself."""
    leaving = replace(member(1), is_deleting=True)
    assert step(member(0), leaving).progress == Progress.WAITING


def test_a_node_at_the_tip_serves_only_while_its_pod_is_ready() -> None:
    """What answers the controller may answer nobody else."""
    assert step(member(0, is_ready=False), member(1)).delete == member(0, is_ready=False)
