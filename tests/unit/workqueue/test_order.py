"""Priorities that age: what is next, what a raise does, and that nothing starves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.workqueue import LOW, NORMAL
from ctrlkit.workqueue.order import SLACK, Order


@pytest.fixture
def order() -> Order[str]:
    """A point of priority is worth a second."""
    return Order(point_s=1.0)


def taken(order: Order[str]) -> list[str]:
    found = []
    while order.has_next():
        found.append(order.take()[0])
    return found


@pytest.mark.behaviour("P2")
def test_higher_priorities_come_first_and_within_one_the_order_is_kept(order: Order[str]) -> None:
    """Of keys that became ready at the same time."""
    for key, priority in (("low", LOW), ("a", NORMAL), ("high", 7), ("b", NORMAL), ("high 2", 7), ("low 2", LOW)):
        order.append(key, priority, now=0.0)
    assert taken(order) == ["high", "high 2", "a", "b", "low", "low 2"]


@pytest.mark.behaviour("P10", "B7")
def test_waiting_makes_up_for_priority(order: Order[str]) -> None:
    """LOW is 100 points below NORMAL: after 100 s of waiting it goes before a NORMAL key that has just come."""
    order.append("low", LOW, now=0.0)
    order.append("in time", NORMAL, now=99.0)
    order.append("on the dot", NORMAL, now=100.0)
    order.append("too late", NORMAL, now=100.5)
    assert taken(order) == ["in time", "on the dot", "low", "too late"]


@pytest.mark.behaviour("P10", "B7")
def test_a_steady_flow_of_high_priority_does_not_starve_low(order: Order[str]) -> None:
    """One NORMAL key comes for each that is taken, each second, for ever: LOW has its turn after 100 of them."""
    order.append("low", LOW, now=0.0)
    for second in range(1000):
        order.append(str(second), NORMAL, now=float(second))
        if order.take()[0] == "low":
            break
    assert second == 101


@pytest.mark.behaviour("P2")
def test_a_raise_moves_a_key_to_the_end_of_its_new_level(order: Order[str]) -> None:
    """It keeps the moment since which it is wanted; what asks for no more than it has changes nothing."""
    order.append("low", LOW, now=0.0)
    order.append("raised", LOW, now=1.0)
    order.append("a", NORMAL, now=2.0)
    order.lift("raised", NORMAL, now=3.0)
    order.append("b", NORMAL, now=4.0)
    order.lift("a", LOW, now=5.0)
    order.lift("a", NORMAL, now=5.0)
    assert order.depths() == {LOW: 1, NORMAL: 3}
    assert [order.take() for _ in range(4)] == [
        ("a", NORMAL, 2.0),
        ("raised", NORMAL, 1.0),
        ("b", NORMAL, 4.0),
        ("low", LOW, 0.0),
    ]


@pytest.mark.behaviour("P1", "P10")
def test_a_raise_never_makes_a_key_wait_longer(order: Order[str]) -> None:
    """Who has waited for so long that he is ahead of that level's end stays where he is, and has the priority still."""
    order.append("first", LOW, now=0.0)
    order.append("raised", LOW, now=0.0)
    order.append("a", NORMAL, now=150.0)
    order.lift("raised", NORMAL, now=150.0)
    order.lift("raised", NORMAL - 1, now=150.0)
    assert order.depths() == {LOW: 1, NORMAL: 2}
    assert [order.take()[:2] for _ in range(3)] == [("first", LOW), ("raised", NORMAL), ("a", NORMAL)]
    assert not order.has_next()


def test_one_plain_line_is_served_without_a_look_at_the_others(order: Order[str]) -> None:
    """While there is one priority at a time, and again when raised keys and other priorities are gone."""
    for priority in (NORMAL, LOW, 7):
        order.append("a", priority, now=0.0)
        assert order.only is not None
        assert taken(order) == ["a"]
    order.append("a", NORMAL, now=0.0)
    order.append("b", NORMAL, now=0.0)
    order.lift("a", 7, now=0.0)
    assert [fifo.priority for fifo in (order.only,) if fifo] == []
    assert taken(order) == ["a", "b"]
    order.append("c", LOW, now=0.0)
    assert taken(order) == ["c"]
    order.append("d", LOW, now=0.0)
    assert order.only is not None
    assert len(order._fifos) == 1
    assert not order._listings


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("inf"), float("nan")])
def test_a_point_is_worth_something(wrong: float) -> None:
    """Else nothing would age, or priorities would mean nothing; the error names what was given."""
    with pytest.raises(ValueError, match="point_s must be a positive number of seconds, got"):
        Order[str](point_s=wrong)


def test_nothing_to_take_is_an_error(order: Order[str]) -> None:
    """The caller asks has_next() first."""
    with pytest.raises(IndexError, match="no key may run"):
        order.take()


@dataclass
class Waiting:
    """A key as the documentation sees it: each claim is a moment and the priority it has had since then."""

    key: str
    number: int
    fifo: int
    ready_at: float
    priority: int
    claims: list[tuple[float, int]]


_PRIORITIES = st.sampled_from([LOW, -1, NORMAL, 1, 50])
_STEPS = st.one_of(
    st.tuples(st.just("want"), st.sampled_from("abcdefgh"), _PRIORITIES),
    st.tuples(st.just("take"), st.just(""), st.just(0)),
    st.tuples(st.just("pass"), st.just(""), st.integers(1, 60)),
)


@pytest.mark.behaviour("P1", "P2", "P4", "P10", "B7")
@given(st.lists(_STEPS, min_size=20, max_size=120))
def test_for_any_sequence_the_order_is_as_promised_and_nothing_is_overtaken_by_what_comes_too_late(
    steps: list[tuple[str, str, int]],
) -> None:
    """
    Against a list that is searched from end to end each time; and each take is held against the bound.

    The bound (O-a): of two keys, the one of priority q that became ready more than (q - p) seconds after the other one
    of priority p is not taken first.
    """
    order = Order[str](point_s=1.0)
    waiting: dict[str, Waiting] = {}
    now = 0.0
    for number, (verb, key, value) in enumerate(steps):
        if verb == "pass":
            now += value
        elif verb == "want" and key not in waiting:
            order.append(key, value, now=now)
            waiting[key] = Waiting(key, number, value, now, value, [(now, value)])
        elif verb == "want":
            order.lift(key, value, now=now)
            found = waiting[key]
            if value > found.priority:
                found.priority = value
                found.claims.append((now, value))
                if now - value <= found.ready_at - found.fifo:
                    found.fifo, found.ready_at, found.number = value, now, number
        elif waiting:
            first = min(waiting.values(), key=lambda w: (w.ready_at - w.fifo, -w.fifo, w.number))
            taken_key, priority, _ = order.take()
            assert (taken_key, priority) == (first.key, first.priority)
            del waiting[taken_key]
            for other in waiting.values():
                assert all(first.ready_at <= since + (first.fifo - p) for since, p in other.claims)
        assert order.ready.keys() == waiting.keys()
        assert sum(order.depths().values()) == len(waiting)
        assert order.has_next() == bool(waiting)


def test_listings_of_lines_that_come_and_go_do_not_gather() -> None:
    """Each key has a priority that was never used before, and there is always one more that waits."""
    order = Order[int](point_s=1.0)
    order.append(0, 0, now=0.0)
    for number in range(1, 1000):
        order.append(number, number, now=float(number))
        assert order.take()[0] == number
        assert len(order._fifos) <= 2
        assert len(order._listings) <= 2 * 2 + SLACK
