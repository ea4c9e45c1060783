"""Fair share between flows, and a bound on how many keys of one flow run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.workqueue import LOW, NORMAL, Flows
from ctrlkit.workqueue.fifo import FairFifo
from ctrlkit.workqueue.order import Order


def first_letter(key: str) -> str:
    return key[0]


def order_of(*, running_max: int | None = None) -> Order[str]:
    """A key's first letter is its flow; a point of priority is worth a second."""
    return Order(point_s=1.0, flows=Flows(of=first_letter, running_max=running_max))


def taken(order: Order[str]) -> list[str]:
    found = []
    while order.has_next():
        found.append(order.take()[0])
    return found


def fill(order: Order[str], keys: str, priority: int = NORMAL, now: float = 0.0) -> None:
    for key in keys.split():
        order.append(key, priority, now=now)


@pytest.mark.behaviour("B7")
def test_flows_take_turns() -> None:
    """A flow with many keys does not hold up one with few; within a flow the order is kept."""
    order = order_of()
    fill(order, "a1 a2 a3 a4 b1 b2 c1")
    assert taken(order) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


@pytest.mark.behaviour("B7")
def test_a_flow_that_comes_new_waits_for_one_turn_of_each_other() -> None:
    """However many keys these have."""
    order = order_of()
    fill(order, "a1 a2 a3 b1 b2 b3")
    assert [order.take()[0] for _ in range(2)] == ["a1", "b1"]
    fill(order, "c1 a4")
    assert taken(order) == ["a2", "b2", "c1", "a3", "b3", "a4"]


@pytest.mark.behaviour("P2", "B7")
def test_flows_take_turns_within_one_priority() -> None:
    """A higher priority comes first, whoever had the last turn."""
    order = order_of()
    fill(order, "a1 a2 b1", LOW)
    fill(order, "a3 a4 b2")
    assert taken(order) == ["a3", "b2", "a4", "a1", "b1", "a2"]


@pytest.mark.behaviour("B32")
def test_a_flow_at_its_limit_does_not_hold_up_others() -> None:
    """Two of a run; the third waits while b goes on, and runs when one of the two is done."""
    order = order_of(running_max=2)
    fill(order, "a1 a2 a3 a4 b1")
    assert taken(order) == ["a1", "b1", "a2"]
    assert not order.has_next()
    order.ended("b1")
    assert not order.has_next()
    order.ended("a1")
    assert taken(order) == ["a3"]
    order.ended("a2")
    assert taken(order) == ["a4"]


@pytest.mark.behaviour("B32")
def test_a_flow_that_was_passed_over_at_its_limit_has_a_turn_again() -> None:
    """The turn of a comes while a1 runs and goes to c; when a1 is done, a2 runs."""
    order = order_of(running_max=1)
    fill(order, "a1 a2 b1")
    assert taken(order) == ["a1", "b1"]
    fill(order, "c1")
    assert taken(order) == ["c1"]
    order.ended("a1")
    assert taken(order) == ["a2"]


@pytest.mark.behaviour("B32")
def test_the_limit_holds_over_all_priorities() -> None:
    """What runs with LOW counts for what waits with NORMAL."""
    order = order_of(running_max=1)
    fill(order, "a1", LOW)
    assert taken(order) == ["a1"]
    fill(order, "a2 b1")
    assert taken(order) == ["b1"]
    order.ended("a1")
    assert taken(order) == ["a2"]


@pytest.mark.behaviour("B32")
def test_a_flow_may_reach_its_limit_in_another_line() -> None:
    """a1 was the next of its fifo, and is not any more when a2 runs."""
    order = order_of(running_max=1)
    fill(order, "a1", LOW)
    fill(order, "a2")
    assert taken(order) == ["a2"]
    order.ended("a2")
    assert taken(order) == ["a1"]


@pytest.mark.behaviour("B32", "P10")
def test_an_old_key_that_may_not_run_does_not_lend_its_age_to_others() -> None:
    """a1 has waited for so long that its fifo would be next; but a is at its limit, so NORMAL goes before LOW."""
    order = order_of(running_max=1)
    fill(order, "a0")
    assert taken(order) == ["a0"]
    fill(order, "a1", LOW, now=0.0)
    fill(order, "b1", LOW, now=200.0)
    fill(order, "c1", NORMAL, now=200.0)
    assert taken(order) == ["c1", "b1"]
    order.ended("a0")
    assert taken(order) == ["a1"]


@pytest.mark.behaviour("P2")
def test_a_raised_key_leaves_its_flow_in_the_lower_line() -> None:
    """The turn goes to the next key of the flow, or to the next flow where there is none."""
    order = order_of()
    fill(order, "a1 a2 b1 c1", LOW)
    order.lift("a1", NORMAL, now=0.0)
    order.lift("b1", NORMAL, now=0.0)
    assert order.depths() == {NORMAL: 2, LOW: 2}
    assert taken(order) == ["a1", "b1", "a2", "c1"]


def test_flows_take_no_memory_once_they_are_empty() -> None:
    """1000 flows come and go, some of their keys raised away, and one flow stays, at its limit."""
    order = order_of(running_max=1)
    fill(order, "z1 z2 z3", LOW)
    assert order.take()[0] == "z1"
    for number in range(1000):
        key = chr(1000 + number)
        order.append(key + "1", LOW, now=float(number))
        order.append(key + "2", LOW, now=float(number))
        order.lift(key + "1", NORMAL, now=float(number))
        for _ in range(2):
            order.ended(order.take()[0])
    (fifo,) = order._fifos.values()
    assert isinstance(fifo, FairFifo)
    assert len(fifo) == 2
    assert len(fifo._flows) + len(fifo._turns) + len(fifo._heads) <= 3
    running = order._running
    assert running is not None
    assert (list(running._flows), list(running._counts)) == (["z1"], ["z"])


@pytest.mark.parametrize("running_max", [None, 1, 2])
def test_the_heads_of_flows_are_listed_once(running_max: int | None) -> None:
    """1000 keys of two flows go through, at their limits for half of the time, and there is always one more."""
    order = order_of(running_max=running_max)
    fill(order, "a0 b0")
    for number in range(1, 1000):
        order.append(f"a{number}", NORMAL, now=float(number))
        order.append(f"b{number}", NORMAL, now=float(number))
        first, second = order.take()[0], order.take()[0]
        assert order.has_next() == (running_max != 1)
        order.ended(second)
        order.ended(first)
        (fifo,) = order._fifos.values()
        assert isinstance(fifo, FairFifo)
        assert len(fifo._heads) <= 4


def test_a_limit_is_at_least_one() -> None:
    """The error names what was given."""
    with pytest.raises(ValueError, match="running_max must be at least 1, got 0"):
        Flows[str](of=first_letter, running_max=0)


@dataclass
class Waiting:
    """A key since it waits with its flow below the limit: its place in its flow then, and what was taken before it."""

    place: int
    others: int = 0
    own: int = 0
    flows: int = 0


_STEPS = st.lists(
    min_size=20,
    max_size=120,
    elements=st.sampled_from(["take", "done", *(flow + number for flow in "abcd" for number in "123456")]),
)


@pytest.mark.behaviour("B7", "B32")
@given(steps=_STEPS, running_max=st.sampled_from([None, 1, 2]))
def test_for_any_sequence_a_key_waits_for_its_place_times_the_number_of_flows(
    steps: list[str], running_max: int | None
) -> None:
    """
    F-a: its place is p in its flow, and n is the most flows that ever wait with it, its own included; then it is taken
    after p - 1 others of its own flow and p x (n - 1) of the others. While its flow is at the limit nothing is counted.
    """
    order = order_of(running_max=running_max)
    waiting: dict[str, Waiting] = {}
    running: list[str] = []

    def is_full(flow: str) -> bool:
        return running_max is not None and sum(key[0] == flow for key in running) >= running_max

    for now, step in enumerate(steps):
        if step == "take" and order.has_next():
            key = order.take()[0]
            assert not is_full(key[0])
            about = waiting.pop(key)
            assert about.own == about.place - 1
            running.append(key)
            for other, about in waiting.items():
                about.own += other[0] == key[0]
                about.others += other[0] != key[0]
        elif step == "done" and running:
            key = running.pop(0)
            order.ended(key)
        elif step not in ("take", "done", *waiting, *running):
            order.append(step, NORMAL, now=float(now))
            waiting[step] = Waiting(1 + sum(key[0] == step[0] for key in waiting))
        flows = len({key[0] for key in waiting})
        for key, about in waiting.items():
            about.flows = max(about.flows, flows)
            if is_full(key[0]):
                about.place, about.own, about.others, about.flows = about.place - about.own, 0, 0, flows
            assert about.others <= about.place * (about.flows - 1)
        assert order.has_next() == any(not is_full(key[0]) for key in waiting)
