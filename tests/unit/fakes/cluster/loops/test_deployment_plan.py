"""A rollout ends where the spec says, and on its way never has too many pods or too few available ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.deployment_plan import (
    DESIRED,
    MAXIMUM,
    REVISION,
    REVISION_HISTORY,
    CreateSet,
    DeleteSet,
    Replicas,
    Rollout,
    Strategy,
    UpdateSet,
    divide,
    plan,
)
from tests.support.effort import tries

TEMPLATES: tuple[dict[str, Any], ...] = tuple({"spec": {"image": f"web:{number}"}} for number in range(3))


class Simulation:
    """ReplicaSets whose pods come and go at once, and become available when a test says so."""

    def __init__(self) -> None:
        self.sets: list[Replicas] = []
        self._numbers = count()

    def take(self, rollout: Rollout) -> bool:
        """Take the next steps, and let the pods follow; whether there were any."""
        steps = plan(rollout, self.sets).steps
        for step in steps:
            match step:
                case CreateSet(replicas, annotations):
                    number = next(self._numbers)
                    self.sets.append(
                        Replicas(
                            name=f"web-{number}",
                            uid=str(number),
                            created=f"{number:04}",
                            replicas=replicas,
                            template=rollout.template,
                            annotations=annotations,
                        )
                    )
                case UpdateSet(changed):
                    self.sets = [changed if one.uid == changed.uid else one for one in self.sets]
                case DeleteSet(_, uid):
                    self.sets = [one for one in self.sets if one.uid != uid]
        self.sets = [replace(one, actual=one.replicas, available=min(one.available, one.replicas)) for one in self.sets]
        return bool(steps)

    def bring_up(self, pods: int) -> None:
        """Let so many pods become available, of the newest ReplicaSets first."""
        for place, one in reversed(list(enumerate(self.sets))):
            more = min(pods, one.actual - one.available)
            pods -= more
            self.sets[place] = replace(one, available=one.available + more)

    @property
    def pods(self) -> int:
        return sum(one.actual for one in self.sets)

    @property
    def available(self) -> int:
        return sum(one.available for one in self.sets)


def settle(simulation: Simulation, rollout: Rollout) -> None:
    """Bring a rollout to its end, with every pod coming up."""
    for _ in range(500):
        moved = simulation.take(rollout)
        before = simulation.available
        simulation.bring_up(1)
        if not moved and simulation.available == before:
            return
    raise AssertionError("the rollout does not end")


ROLLOUTS = st.builds(
    lambda replicas, template, surge, unavailable: Rollout(
        replicas=replicas,
        template=TEMPLATES[template],
        max_surge=surge,
        max_unavailable=min(unavailable if surge or unavailable else 1, replicas),
    ),
    st.integers(0, 12),
    st.integers(0, 2),
    st.integers(0, 4),
    st.integers(0, 4),
)


@given(st.lists(st.tuples(ROLLOUTS, st.integers(0, 6)), min_size=1, max_size=6))
@settings(max_examples=tries(20, thorough=1000))
def test_for_any_changes_a_rollout_ends_where_the_spec_says(changes: list[tuple[Rollout, int]]) -> None:
    """However the spec changes on the way: in the end one ReplicaSet has all the pods, and it is the template's."""
    simulation = Simulation()
    for rollout, steps in changes:
        for _ in range(steps):
            simulation.take(rollout)
            simulation.bring_up(1)
    last = changes[-1][0]
    settle(simulation, last)
    new, old = divide(last, simulation.sets)
    assert new is not None
    assert (new.replicas, new.available) == (last.replicas, last.replicas)
    assert [one.replicas for one in old] == [0] * len(old)
    assert new.revision == max(one.revision for one in simulation.sets)


@given(ROLLOUTS, st.integers(0, 2), st.data())
@settings(max_examples=tries(20, thorough=1000))
def test_for_any_rollout_bounds_hold_at_each_step(rollout: Rollout, template: int, data: st.DataObject) -> None:
    """From a settled state a new template never brings more pods than the surge, nor fewer available than allowed."""
    simulation = Simulation()
    settle(simulation, rollout)
    changed = replace(rollout, template=TEMPLATES[template])
    for _ in range(60):
        simulation.take(changed)
        assert simulation.pods <= changed.most
        assert simulation.available >= changed.replicas - changed.max_unavailable
        simulation.bring_up(data.draw(st.integers(0, 3)))


def test_recreate_waits_for_the_end_of_all_old_pods() -> None:
    """No new ReplicaSet while an old one has pods, or pods of one still run."""
    rollout = Rollout(replicas=2, template=TEMPLATES[1], strategy=Strategy.RECREATE)
    old = Replicas(name="old", uid="1", replicas=2, actual=2, template=TEMPLATES[0])
    (step,) = plan(rollout, [old]).steps
    assert isinstance(step, UpdateSet)
    assert step.changed.replicas == 0
    emptied = replace(old, replicas=0)
    assert plan(rollout, [emptied]).steps == ()
    gone = replace(emptied, actual=0)
    assert plan(rollout, [gone], old_pods_run=True).steps == ()
    (made,) = plan(rollout, [gone]).steps
    assert isinstance(made, CreateSet)
    assert made.replicas == 2


def test_a_changed_size_is_shared_out_by_the_sizes_there_are() -> None:
    """The documented example: 10 to 15 replicas with a surge of 3, in a rollout that is stuck at 8 and 5."""
    before = {DESIRED: "10", MAXIMUM: "13"}
    old = Replicas(name="a", uid="1", created="1", replicas=8, template=TEMPLATES[0], annotations=before)
    new = Replicas(name="b", uid="2", created="2", replicas=5, template=TEMPLATES[1], annotations=before)
    rollout = Rollout(replicas=15, template=TEMPLATES[1], max_surge=3, max_unavailable=2)
    planned = plan(rollout, [old, new])
    sizes = {step.changed.name: step.changed.replicas for step in planned.steps if isinstance(step, UpdateSet)}
    assert planned.is_scaling
    assert sizes == {"a": 11, "b": 7}


def test_an_old_one_whose_status_has_not_followed_its_size_loses_no_more_pods() -> None:
    """It still tells of eleven available pods, though it has just been made smaller; six are what there is."""
    old = Replicas(name="a", uid="1", created="1", replicas=6, actual=11, available=11, template=TEMPLATES[0])
    stuck = Replicas(name="b", uid="2", created="2", replicas=2, actual=2, template=TEMPLATES[1])
    new = replace(stuck, name="c", uid="3", created="3", template=TEMPLATES[2], annotations={REVISION: "1"})
    rollout = Rollout(replicas=7, template=TEMPLATES[2], max_surge=3, max_unavailable=2)
    assert plan(rollout, [old, stuck, new]).steps == ()
    steps = plan(rollout, [replace(old, actual=6, available=6), stuck, new]).steps
    assert {step.changed.name: step.changed.replicas for step in steps if isinstance(step, UpdateSet)} == {
        "a": 5,
        "b": 0,
    }


def test_going_back_gives_the_old_one_the_next_revision_and_keeps_the_former_in_its_history() -> None:
    revisions = [
        Replicas(name="a", uid="1", created="1", template=TEMPLATES[0], annotations={REVISION: "1"}),
        Replicas(name="b", uid="2", created="2", replicas=1, template=TEMPLATES[1], annotations={REVISION: "2"}),
    ]
    planned = plan(Rollout(replicas=1, template=TEMPLATES[0], max_surge=1), revisions)
    (changed,) = (step.changed for step in planned.steps if isinstance(step, UpdateSet))
    assert planned.revision == "3"
    assert (changed.annotations[REVISION], changed.annotations[REVISION_HISTORY]) == ("3", "1")


def test_old_ones_beyond_the_limit_are_deleted_once_the_rollout_is_complete() -> None:
    """The lowest revisions go first; one with pods, or whose controller is behind, stays."""
    old = [
        Replicas(name=f"old-{number}", uid=str(number), annotations={REVISION: str(number)}, template={"n": number})
        for number in range(1, 5)
    ]
    old[0] = replace(old[0], actual=1)
    old[1] = replace(old[1], is_settled=False)
    new = Replicas(name="new", uid="9", replicas=1, available=1, template=TEMPLATES[0], annotations={REVISION: "9"})
    rollout = Rollout(replicas=1, template=TEMPLATES[0], max_surge=1, history=1, is_complete=True)
    assert plan(rollout, [*old, new]).steps == (DeleteSet("old-3", "3"),)
    assert plan(replace(rollout, is_complete=False), [*old, new]).steps == ()


def test_a_paused_one_is_scaled_but_not_rolled_out() -> None:
    old = Replicas(name="a", uid="1", replicas=2, available=2, template=TEMPLATES[0], annotations={DESIRED: "2"})
    rollout = Rollout(replicas=3, template=TEMPLATES[1], max_surge=1, is_paused=True)
    (step,) = plan(rollout, [old]).steps
    assert isinstance(step, UpdateSet)
    assert (step.changed.name, step.changed.replicas) == ("a", 3)
    assert plan(rollout, []).steps == ()
