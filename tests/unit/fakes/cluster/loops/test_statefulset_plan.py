"""A StatefulSet's plan keeps the documented guarantees, whatever pods there are, and comes to an end."""

from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.statefulset_plan import (
    PARALLEL_MAX,
    CreatePod,
    DeletePod,
    Member,
    MendPod,
    PodManagementPolicy,
    PodStep,
    SetSpec,
    UpdateStrategy,
    counts,
    ordinal_of,
    plan,
)

OLD, NEW = "net-old", "net-new"


def member(ordinal: int, *, revision: str = NEW, ready: bool = True, terminating: bool = False) -> Member:
    return Member(
        name=f"net-{ordinal}",
        uid=f"uid-{ordinal}",
        ordinal=ordinal,
        revision=revision,
        ready=ready,
        available=ready,
        terminating=terminating,
    )


WANTED = st.builds(
    SetSpec,
    name=st.just("net"),
    replicas=st.integers(0, 5),
    revision=st.just(NEW),
    current=st.sampled_from((OLD, NEW)),
    start=st.integers(0, 2),
    management=st.sampled_from(PodManagementPolicy),
    update=st.sampled_from(UpdateStrategy),
    partition=st.none() | st.integers(0, 3),
    max_unavailable=st.none() | st.integers(1, 3),
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

    def carry_out(self, step: PodStep) -> None:
        match step:
            case CreatePod(ordinal, revision):
                assert ordinal not in self.members, "a name must not be given twice"
                new = member(ordinal, revision=revision, ready=False)
                self.members[ordinal] = replace(new, uid=f"new-{next(self._uids)}")
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
            self.members[one.ordinal] = replace(one, ready=True, available=True)
        return True


@given(WANTED, MEMBERS, st.randoms(use_true_random=False))
def test_for_any_pods_the_plan_converges(spec: SetSpec, members: dict[int, Member], chance: Random) -> None:
    """
    In the end there are exactly the wanted pods, all ready, and updated as far as the strategy says.

    But for two pods that are too many and have ended: as on a cluster, the upper one waits for the lower one for ever.
    """
    assume(sum(one.finished and ordinal not in spec.ordinals for ordinal, one in members.items()) < 2)
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
        assert all(kubelet.members[ordinal].revision == NEW for ordinal in spec.updated)


@given(WANTED.map(lambda spec: replace(spec, management=PodManagementPolicy.ORDERED_READY)), MEMBERS)
def test_for_any_pods_an_ordered_set_takes_one_step_and_only_when_all_below_are_ready(
    spec: SetSpec, members: dict[int, Member]
) -> None:
    """A pod is made, or the top one removed, only above pods that run and are ready."""
    steps = plan(replace(spec, max_unavailable=None), members.values())
    assert len(steps) <= 1
    for step in steps:
        ordinal = ordinal_of(step.name, parent="net") if isinstance(step, DeletePod) else step.ordinal
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
    assert plan(spec, []) == [CreatePod(0, NEW), CreatePod(1, NEW)]
    assert plan(replace(spec, replicas=0), [member(0), member(1)]) == [
        DeletePod("net-1", "uid-1"),
        DeletePod("net-0", "uid-0"),
    ]


def test_a_new_template_replaces_pods_from_the_top_one_at_a_time() -> None:
    """The next one goes when the one above is back and ready."""
    spec = SetSpec(name="net", replicas=2, revision=NEW)
    assert plan(spec, [member(0, revision=OLD), member(1, revision=OLD)]) == [
        DeletePod("net-1", "uid-1", for_update=True)
    ]
    assert plan(spec, [member(0, revision=OLD), member(1, ready=False)]) == []
    assert plan(spec, [member(0, revision=OLD), member(1)]) == [DeletePod("net-0", "uid-0", for_update=True)]
    assert plan(replace(spec, update=UpdateStrategy.ON_DELETE), [member(0, revision=OLD), member(1)]) == []
    assert plan(replace(spec, partition=1), [member(0, revision=OLD), member(1)]) == []


def test_as_many_pods_are_updated_at_a_time_as_may_be_unavailable() -> None:
    """What is unavailable already counts, above and below the partition."""
    spec = SetSpec(name="net", replicas=4, revision=NEW, max_unavailable=2, partition=1)
    old = [member(ordinal, revision=OLD) for ordinal in range(4)]
    in_burst = replace(spec, management=PodManagementPolicy.PARALLEL)
    both = [DeletePod("net-3", "uid-3", for_update=True), DeletePod("net-2", "uid-2", for_update=True)]
    assert plan(spec, old) == plan(in_burst, old) == both
    assert plan(in_burst, [member(0, revision=OLD, ready=False), *old[1:]]) == both[:1]
    assert plan(in_burst, [*old[:2], member(2, revision=OLD, terminating=True), member(3, ready=False)]) == []


def test_a_lost_pod_comes_back_with_the_revision_it_had() -> None:
    """Those below the partition, or as many as still have it where there is no partition."""
    parallel = PodManagementPolicy.PARALLEL
    spec = SetSpec(name="net", replicas=3, start=5, revision=NEW, current=OLD, partition=2, management=parallel)
    assert [step.revision for step in plan(spec, []) if isinstance(step, CreatePod)] == [OLD, OLD, NEW]
    without = replace(spec, partition=None)
    assert plan(without, [member(6, revision=OLD), member(7)])[0] == CreatePod(5, OLD)
    assert plan(without, [member(6), member(7)]) == [CreatePod(5, NEW)]
    on_delete = replace(without, update=UpdateStrategy.ON_DELETE)
    assert plan(on_delete, [member(6, revision=OLD), member(7)]) == [CreatePod(5, NEW)]


def test_a_pod_that_is_too_many_and_not_healthy_waits_for_lower_ones_that_are_not() -> None:
    """The lowest pod that is not healthy is the one that may go."""
    spec = SetSpec(name="net", replicas=1, revision=NEW)
    assert plan(spec, [member(0), member(1), member(2, ready=False)]) == [DeletePod("net-2", "uid-2")]
    assert plan(spec, [member(0), member(1, ready=False), member(2)]) == [DeletePod("net-2", "uid-2")]
    assert plan(spec, [member(0), member(1, ready=False), member(2, ready=False)]) == []


def test_what_is_amiss_is_mended_in_its_turn_and_at_once_where_a_pod_waits_for_it() -> None:
    """Pods that are too many have their turn once all others are available."""
    spec = SetSpec(name="net", replicas=2, revision=NEW)
    first, second, third = (replace(member(ordinal), amiss=True) for ordinal in range(3))
    assert plan(spec, [first, second, third]) == [MendPod(0), MendPod(1), MendPod(2), DeletePod("net-2", "uid-2")]
    starting = replace(first, ready=False, available=False)
    assert plan(spec, [starting, second, third]) == []
    assert plan(spec, [replace(starting, pending=True), second, third]) == [MendPod(0)]
    in_burst = replace(spec, management=PodManagementPolicy.PARALLEL)
    assert plan(in_burst, [starting, second]) == [MendPod(0), MendPod(1)]


def test_pods_wait_for_those_below_to_have_been_ready_for_long_enough() -> None:
    spec = SetSpec(name="net", replicas=2, revision=NEW)
    assert plan(spec, [replace(member(0), available=False)]) == []
    assert plan(spec, [replace(member(0), ready=False)]) == []


def test_the_status_counts_pods_by_revision() -> None:
    """An update is over, and its revision the current one, once every pod is updated and ready."""
    spec = SetSpec(name="net", replicas=2, revision=NEW, current=OLD)
    during = [member(0, revision=OLD), member(1, ready=False)]
    assert counts(spec, during) == {
        "replicas": 2,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "currentReplicas": 1,
        "updatedReplicas": 1,
        "currentRevision": OLD,
        "updateRevision": NEW,
    }
    assert counts(spec, during, updating=1)["currentReplicas"] == 0
    after = counts(spec, [member(0), member(1)])
    assert (after["currentReplicas"], after["currentRevision"]) == (2, NEW)
    on_delete = counts(replace(spec, update=UpdateStrategy.ON_DELETE), [member(0), member(1)])
    assert (on_delete["currentReplicas"], on_delete["currentRevision"]) == (0, OLD)
    young = counts(spec, [member(0), replace(member(1), available=False)])
    assert (young["readyReplicas"], young["availableReplicas"]) == (2, 1)


def test_names_of_other_sets_are_not_ours() -> None:
    """net-a-0 belongs to net-a, and a number has no sign."""
    assert ordinal_of("net-a-0", parent="net") is None
    assert ordinal_of("net", parent="net") is None
    assert ordinal_of("net-01", parent="net") is ordinal_of("net-2147483648", parent="net") is None


@pytest.mark.parametrize("management", PodManagementPolicy)
def test_a_plan_costs_nothing_for_pods_that_there_are_not(management: PodManagementPolicy) -> None:
    """Two thousand million replicas, from the last ordinal there can be, with a partition in the middle."""
    spec = SetSpec(
        name="net", replicas=2**31 - 1, revision=NEW, start=2**31 - 1, management=management, partition=2**30
    )
    steps = plan(spec, [member(3), member(2**31 - 1), member(2**31)])
    next_one = CreatePod(2**31 + 1, "")
    if management is PodManagementPolicy.ORDERED_READY:
        assert steps == [next_one]
    else:
        assert steps[0] == next_one
        assert len(steps) == PARALLEL_MAX + 1
        assert steps[-1] == DeletePod("net-3", "uid-3")


def test_a_parallel_set_makes_no_more_while_many_are_not_ready() -> None:
    """It goes on as they become ready."""
    spec = SetSpec(name="net", replicas=2**31 - 1, revision=NEW, management=PodManagementPolicy.PARALLEL)
    waiting = [member(ordinal, ready=False) for ordinal in range(PARALLEL_MAX)]
    assert plan(spec, waiting) == []
    ready = [member(ordinal) for ordinal in range(3)]
    assert plan(spec, [*ready, *waiting[3:]]) == [CreatePod(PARALLEL_MAX + step, NEW) for step in range(3)]
