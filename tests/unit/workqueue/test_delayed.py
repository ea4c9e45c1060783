"""Deadlines: one for each key, in order, in bounded memory."""

from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.workqueue import LOW, NORMAL
from ctrlkit.workqueue.delayed import SLACK, SLOT_S, DelayedKeys, DelayPolicy

K = TypeVar("K")


@pytest.fixture
def keys() -> DelayedKeys[str]:
    return DelayedKeys()


def due(keys: DelayedKeys[K], now: float) -> list[K]:
    """The keys alone."""
    return [key for key, _ in keys.due(now)]


def put_retry(keys: DelayedKeys[str], key: str, deadline: float, *, priority: int = NORMAL) -> None:
    """As a work queue does after a failure."""
    keys.put(key, deadline, priority=priority)
    keys.retries.add(key)


@pytest.mark.behaviour("Q7")
def test_of_two_delays_the_earlier_wins(keys: DelayedKeys[str]) -> None:
    """Without a policy a deadline can be brought forward and not put off, and the key comes due once."""
    keys.put("a", 5.0)
    keys.put("a", 3.0)
    keys.put("a", 9.0)
    assert due(keys, 2.9) == []
    assert due(keys, 3.0) == ["a"]
    assert due(keys, 100.0) == []


@pytest.mark.behaviour("B6")
@pytest.mark.parametrize(
    ("policy", "asked", "held"),
    [
        (DelayPolicy.EARLIEST, 3.0, 3.0),
        (DelayPolicy.EARLIEST, 9.0, 5.0),
        (DelayPolicy.LATEST, 3.0, 5.0),
        (DelayPolicy.LATEST, 9.0, 9.0),
        (DelayPolicy.REPLACE, 3.0, 3.0),
        (DelayPolicy.REPLACE, 9.0, 9.0),
    ],
)
def test_the_policy_says_which_of_two_deadlines_holds(
    keys: DelayedKeys[str], policy: DelayPolicy, asked: float, held: float
) -> None:
    """From 5.0 held, each policy goes its way, and there is one deadline."""
    keys.put("a", 5.0)
    keys.put("a", asked, policy)
    assert keys.next_deadline() == held
    assert due(keys, held) == ["a"]
    assert keys.next_deadline() is None


@pytest.mark.behaviour("B6")
def test_a_cancelled_key_never_comes_due(keys: DelayedKeys[str]) -> None:
    """Nor does its outdated heap entry hide the next key."""
    keys.put("a", 1.0)
    keys.put("b", 2.0)
    assert keys.cancel("a") == NORMAL
    assert keys.cancel("a") is None
    assert keys.next_deadline() == 2.0
    assert due(keys, 10.0) == ["b"]


def test_equal_deadlines_come_in_the_order_they_were_set() -> None:
    """Also for keys that cannot be compared with each other."""
    keys = DelayedKeys[object]()
    unordered = [object() for _ in range(20)]
    for key in unordered:
        keys.put(key, 1.0)
    assert due(keys, 1.0) == unordered


def test_a_key_is_owed_a_retry_until_it_comes_due_or_is_cancelled(keys: DelayedKeys[str]) -> None:
    """A plain delay does not make the retry unowed, and a retry makes a plain delay owed."""
    put_retry(keys, "a", 5.0)
    keys.put("a", 1.0)
    keys.put("b", 1.0)
    put_retry(keys, "b", 5.0)
    put_retry(keys, "c", 5.0)
    assert keys.retries == {"a", "b", "c"}
    assert due(keys, 1.0) == ["a", "b"]
    assert keys.retries == {"c"}
    keys.cancel("c")
    assert keys.retries == set()


@pytest.mark.behaviour("P1", "K12")
def test_of_two_priorities_the_higher_wins_whichever_deadline_holds(keys: DelayedKeys[str]) -> None:
    """Merging takes the maximum of the priorities, and the policy's choice of the deadlines."""
    keys.put("a", 5.0, priority=LOW)
    keys.put("b", 5.0, priority=LOW)
    keys.put("c", 5.0, priority=LOW)
    keys.put("d", 5.0)
    keys.put("b", 9.0, priority=7)
    keys.put("c", 3.0)
    keys.put("d", 3.0, priority=LOW)
    assert [keys.priority(key) for key in "abcde"] == [LOW, 7, NORMAL, NORMAL, None]
    assert keys.due(9.0) == [("c", NORMAL), ("d", NORMAL), ("a", LOW), ("b", 7)]
    assert not keys._priorities


def test_a_cancelled_key_starts_anew(keys: DelayedKeys[str]) -> None:
    """Neither its priority nor its retry is remembered."""
    put_retry(keys, "a", 5.0, priority=7)
    assert keys.cancel("a") == 7
    keys.put("a", 5.0, priority=LOW)
    assert (keys.due(5.0), keys.retries) == ([("a", LOW)], set())


def test_moving_deadlines_does_not_grow_the_heap(keys: DelayedKeys[str]) -> None:
    """100 keys, each put off 1000 times: the outdated entries are cleared away as they gather, and their slots too."""
    for turn in range(1000):
        for key in range(100):
            keys.put(str(key), 1.0 + turn, DelayPolicy.LATEST)
        assert keys._entries < 2 * 100 + SLACK
        assert len(keys._slots) == len(keys._starts) <= keys._entries
    assert keys.next_deadline() == 1000.0
    assert len(due(keys, 1000.0)) == 100


def test_what_waits_still_comes_due_after_outdated_entries_were_cleared_away(keys: DelayedKeys[str]) -> None:
    """Keys of several slots, while another is put off again and again until there is nothing else to do."""
    for number in range(20):
        keys.put(f"waits-{number}", number * SLOT_S / 3)
    for turn in range(10 * SLACK):
        keys.put("put off", 1000.0 + turn, DelayPolicy.LATEST)
    assert keys._entries < 2 * 21 + SLACK
    assert keys.next_deadline() == 0.0
    assert due(keys, 999.0) == [f"waits-{number}" for number in range(20)]
    assert due(keys, 1e9) == ["put off"]


def test_clearing_forgets_every_deadline_and_the_queue_goes_on(keys: DelayedKeys[str]) -> None:
    """Priorities and owed retries with them; what is put afterwards is new."""
    keys.put("a", 1.0, priority=LOW)
    put_retry(keys, "b", 2.0)
    assert keys.clear() == 2
    assert (keys._entries, keys._slots, keys._starts) == (0, {}, [])
    assert (keys.next_deadline(), keys.retries, keys.priority("a"), keys.clear()) == (None, set(), None, 0)
    keys.put("a", 3.0)
    assert keys.due(10.0) == [("a", NORMAL)]


def test_cancelling_does_not_grow_the_heap(keys: DelayedKeys[str]) -> None:
    """Keys that come and go before they are due leave fewer than SLACK entries, one at a time or many at once."""
    for turn in range(1000):
        keys.put("a", 1.0 + turn)
        keys.cancel("a")
        assert keys._entries < SLACK
    for key in range(1000):
        keys.put(str(key), 1.0)
    for key in range(1000):
        keys.cancel(str(key))
    assert keys._entries < SLACK


_KEYS = st.sampled_from("abcd")
_MOMENTS = st.integers(0, 20).map(lambda number: number * SLOT_S / 3)  # some in one slot, some in others
_STEPS = st.one_of(
    st.tuples(st.just("put"), _KEYS, _MOMENTS, st.sampled_from(DelayPolicy)),
    st.tuples(st.just("cancel"), _KEYS, st.just(0), st.none()),
    st.tuples(st.just("due"), st.none(), _MOMENTS, st.none()),
)


def chosen(policy: DelayPolicy, held: float, asked: float) -> float:
    return {DelayPolicy.EARLIEST: min(held, asked), DelayPolicy.LATEST: max(held, asked), DelayPolicy.REPLACE: asked}[
        policy
    ]


@given(st.lists(_STEPS, min_size=20, max_size=80))
def test_any_sequence_agrees_with_a_plain_table(steps: list[tuple[str, str, float, DelayPolicy | None]]) -> None:
    """For any puts, cancels and clock readings, the heap says what a table of deadlines says."""
    keys: DelayedKeys[str] = DelayedKeys()
    table: dict[str, tuple[float, int]] = {}  # key -> deadline, step in which it was set
    for number, (verb, key, moment, policy) in enumerate(steps):
        if verb == "put" and policy is not None:
            keys.put(key, moment, policy)
            held, _ = table.get(key, (None, 0))
            if held is None or chosen(policy, held, moment) != held:
                table[key] = (moment, number)
        elif verb == "cancel":
            assert (keys.cancel(key) is not None) == (table.pop(key, None) is not None)
        else:
            over = sorted((name for name in table if table[name][0] <= moment), key=table.__getitem__)
            assert due(keys, moment) == over
            table = {name: entry for name, entry in table.items() if name not in over}
        assert keys.next_deadline() == min((deadline for deadline, _ in table.values()), default=None)
        assert keys.deadlines.keys() == table.keys()


def test_a_deadline_that_never_comes_holds_nothing_up(keys: DelayedKeys[str]) -> None:
    """Infinity is later than all others."""
    keys.put("never", float("inf"))
    keys.put("hardly", 1e300)
    keys.put("a", 1.0)
    assert due(keys, 2e12) == ["a"]
    assert keys.next_deadline() == 1e300
    assert due(keys, float("inf")) == ["hardly", "never"]
