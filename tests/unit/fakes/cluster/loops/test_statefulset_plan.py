"""A StatefulSet's plan keeps the documented guarantees, whatever pods there are, and comes to an end."""

from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.statefulset_plan import (
    PARALLEL_MAX,
    CreatePod,
    DeletePod,
    Member,
    PodManagementPolicy,
    SetSpec,
    UpdateStrategy,
    counts,
    ordinal_of,
    plan,
    revision_of,
)

OLD, NEW = "net-old", "net-new"


def member(ordinal: int, *, revision: str = NEW, ready: bool = True, terminating: bool = False) -> Member:
    return Member(
        name=f"net-{ordinal}",
        uid=f"uid-{ordinal}",
        ordinal=ordinal,
        revision=revision,
        ready=ready,
        terminating=terminating,
    )


WANTED = st.builds(
    SetSpec,
    name=st.just("net"),
    replicas=st.integers(0, 5),
    revision=st.just(NEW),
    start=st.integers(0, 2),
    management=st.sampled_from(PodManagementPolicy),
    update=st.sampled_from(UpdateStrategy),
    partition=st.integers(0, 3),
)


@st.composite
def any_members(draw: st.DrawFn) -> dict[int, Member]:
    """Pods in any state that a pod can be in: one that has run to its end is not ready."""
    members = {}
    for ordinal in draw(st.sets(st.integers(0, 7), max_size=6)):
        finished = draw(st.booleans())
        found = member(
            ordinal,
            revision=draw(st.sampled_from((OLD, NEW))),
            ready=not finished and draw(st.booleans()),
            terminating=draw(st.booleans()),
        )
        members[ordinal] = replace(found, finished=finished)
    return members


MEMBERS = any_members()


class Kubelet:
    """Moves one pod on at a time: a terminating one goes, another becomes ready."""

    def __init__(self, members: dict[int, Member], chance: Random) -> None:
        self.members = members
        self._chance = chance
        self._uids = itertools.count()

    def carry_out(self, step: CreatePod | DeletePod) -> None:
        match step:
            case CreatePod(ordinal):
                assert ordinal not in self.members, "a name must not be given twice"
                self.members[ordinal] = replace(member(ordinal, ready=False), uid=f"new-{next(self._uids)}")
            case DeletePod(name, uid):
                (found,) = (one for one in self.members.values() if (one.name, one.uid) == (name, uid))
                self.members[found.ordinal] = replace(found, terminating=True)

    def move_on(self) -> bool:
        moving = [one for one in self.members.values() if one.terminating or not (one.ready or one.finished)]
        if not moving:
            return False
        one = self._chance.choice(moving)
        if one.terminating:
            del self.members[one.ordinal]
        else:
            self.members[one.ordinal] = replace(one, ready=True)
        return True


@given(WANTED, MEMBERS, st.randoms(use_true_random=False))
def test_for_any_pods_the_plan_converges(spec: SetSpec, members: dict[int, Member], chance: Random) -> None:
    """In the end there are exactly the wanted pods, all ready, and updated as far as the strategy says."""
    kubelet = Kubelet(members, chance)
    for _ in range(200):
        steps = plan(spec, kubelet.members.values())
        for step in steps:
            kubelet.carry_out(step)
        if not kubelet.move_on() and not steps:
            break
    assert sorted(kubelet.members) == list(range(spec.start, spec.start + spec.replicas))
    assert all(one.healthy and not one.finished for one in kubelet.members.values())
    if spec.update is UpdateStrategy.ROLLING:
        assert all(one.revision == NEW for one in kubelet.members.values() if one.ordinal >= spec.partition)


@given(WANTED.map(lambda spec: replace(spec, management=PodManagementPolicy.ORDERED_READY)), MEMBERS)
def test_for_any_pods_an_ordered_set_takes_one_step_and_only_when_all_below_are_ready(
    spec: SetSpec, members: dict[int, Member]
) -> None:
    """A pod is made, or the top one removed, only above pods that run and are ready."""
    steps = plan(spec, members.values())
    assert len(steps) <= 1
    for step in steps:
        ordinal = step.ordinal if isinstance(step, CreatePod) else ordinal_of(step.name, parent="net")
        assert ordinal is not None
        wanted_below = range(spec.start, min(ordinal, spec.start + spec.replicas))
        assert all(below in members and members[below].healthy for below in wanted_below)


@given(WANTED, MEMBERS)
def test_for_any_pods_nothing_is_made_twice_or_deleted_twice(spec: SetSpec, members: dict[int, Member]) -> None:
    """A terminating pod is left to end; its name is free only then."""
    for step in plan(spec, members.values()):
        match step:
            case CreatePod(ordinal):
                assert ordinal not in members
            case DeletePod(name):
                assert not next(one for one in members.values() if one.name == name).terminating


def test_scaling_down_starts_at_the_top_and_waits() -> None:
    """net-2 has to be gone before net-1 goes."""
    spec = SetSpec(name="net", replicas=1, revision=NEW)
    assert plan(spec, [member(0), member(1), member(2)]) == [DeletePod("net-2", "uid-2")]
    assert plan(spec, [member(0), member(1), member(2, terminating=True)]) == []
    assert plan(spec, [member(0), member(1)]) == [DeletePod("net-1", "uid-1")]


def test_a_parallel_set_does_not_wait() -> None:
    """All pods at once, up and down."""
    spec = SetSpec(name="net", replicas=2, revision=NEW, management=PodManagementPolicy.PARALLEL)
    assert plan(spec, []) == [CreatePod(0), CreatePod(1)]
    assert plan(replace(spec, replicas=0), [member(0), member(1)]) == [
        DeletePod("net-1", "uid-1"),
        DeletePod("net-0", "uid-0"),
    ]


def test_a_new_template_replaces_pods_from_the_top_one_at_a_time() -> None:
    """The next one goes when the one above is back and ready."""
    spec = SetSpec(name="net", replicas=2, revision=NEW)
    assert plan(spec, [member(0, revision=OLD), member(1, revision=OLD)]) == [DeletePod("net-1", "uid-1")]
    assert plan(spec, [member(0, revision=OLD), member(1, ready=False)]) == []
    assert plan(spec, [member(0, revision=OLD), member(1)]) == [DeletePod("net-0", "uid-0")]
    assert plan(replace(spec, update=UpdateStrategy.ON_DELETE), [member(0, revision=OLD), member(1)]) == []
    assert plan(replace(spec, partition=1), [member(0, revision=OLD), member(1)]) == []


def test_the_status_counts_pods_by_revision() -> None:
    """An update is over, and its revision the current one, once every pod is updated and ready."""
    spec = SetSpec(name="net", replicas=2, revision=NEW)
    during = counts(spec, [member(0, revision=OLD), member(1, ready=False)], OLD)
    assert during == {
        "replicas": 2,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "currentReplicas": 1,
        "updatedReplicas": 1,
        "currentRevision": OLD,
        "updateRevision": NEW,
    }
    after = counts(spec, [member(0), member(1)], OLD)
    assert (after["currentReplicas"], after["currentRevision"]) == (2, NEW)
    assert counts(spec, [], "")["currentRevision"] == NEW


def test_names_of_other_sets_are_not_ours() -> None:
    """net-a-0 belongs to net-a, and a number has no sign."""
    assert ordinal_of("net-a-0", parent="net") is None
    assert ordinal_of("net", parent="net") is None


def test_a_revision_depends_on_the_templates_content_alone() -> None:
    """Not on the order of its fields."""
    assert revision_of("net", {"a": 1, "b": 2}) == revision_of("net", {"b": 2, "a": 1})
    assert revision_of("net", {"a": 1}) != revision_of("net", {"a": 2})


@pytest.mark.parametrize("management", PodManagementPolicy)
def test_a_plan_costs_nothing_for_pods_that_there_are_not(management: PodManagementPolicy) -> None:
    """Two thousand million replicas, from the last ordinal there can be, with a partition in the middle."""
    spec = SetSpec(
        name="net", replicas=2**31 - 1, revision=NEW, start=2**31 - 1, management=management, partition=2**30
    )
    steps = plan(spec, [member(3), member(2**31 - 1), member(2**31)])
    if management is PodManagementPolicy.ORDERED_READY:
        assert steps == [CreatePod(2**31 + 1)]
    else:
        assert steps[0] == CreatePod(2**31 + 1)
        assert len(steps) == PARALLEL_MAX + 1
        assert steps[-1] == DeletePod("net-3", "uid-3")


def test_a_parallel_set_makes_no_more_while_many_are_not_ready() -> None:
    """It goes on as they become ready."""
    spec = SetSpec(name="net", replicas=2**31 - 1, revision=NEW, management=PodManagementPolicy.PARALLEL)
    waiting = [member(ordinal, ready=False) for ordinal in range(PARALLEL_MAX)]
    assert plan(spec, waiting) == []
    ready = [member(ordinal) for ordinal in range(3)]
    assert plan(spec, [*ready, *waiting[3:]]) == [CreatePod(PARALLEL_MAX + step) for step in range(3)]
