"""Which keys are ready and which run; a key waits once and runs once at a time."""

from __future__ import annotations

import pytest

from ctrlkit.workqueue.ready import ReadyKeys


@pytest.fixture
def keys() -> ReadyKeys[str]:
    return ReadyKeys()


def taken(keys: ReadyKeys[str]) -> list[str]:
    """Take all that may run, and leave it running."""
    found = []
    while True:
        try:
            found.append(keys.take_nowait())
        except IndexError:
            return found


@pytest.mark.behaviour("Q1")
def test_a_key_that_waits_is_not_added_again(keys: ReadyKeys[str]) -> None:
    """Three adds make one entry."""
    for _ in range(3):
        keys.add("a")
    assert taken(keys) == ["a"]


@pytest.mark.behaviour("Q2")
def test_adds_during_a_run_collapse_into_one_rerun_at_the_tail(keys: ReadyKeys[str]) -> None:
    """A running key is never handed out twice; what was added to it meanwhile runs once, behind those that waited."""
    keys.add("a")
    assert keys.take_nowait() == "a"
    for key in ("b", "a", "a"):
        keys.add(key)
    keys.done("a")
    assert taken(keys) == ["b", "a"]
    keys.done("a")
    assert taken(keys) == []


@pytest.mark.behaviour("Q3")
def test_keys_run_in_the_order_of_their_first_add(keys: ReadyKeys[str]) -> None:
    """A second add does not move a key."""
    for key in ("c", "a", "c", "b", "a"):
        keys.add(key)
    assert taken(keys) == ["c", "a", "b"]


@pytest.mark.behaviour("Q4")
def test_only_a_running_key_can_be_done(keys: ReadyKeys[str]) -> None:
    """Unlike client-go, an unpaired done is an error that names the key, for it hides a key run twice."""
    with pytest.raises(KeyError, match="done a: the key is not running"):
        keys.done("a")
    keys.add("a")
    with pytest.raises(KeyError, match="pair every take with exactly one done"):
        keys.done("a")
    assert keys.take_nowait() == "a"
    keys.done("a")
    with pytest.raises(KeyError):
        keys.done("a")


@pytest.mark.behaviour("Q4")
def test_without_done_a_key_never_runs_again(keys: ReadyKeys[str]) -> None:
    """The add is remembered, and that is all."""
    keys.add("a")
    keys.take_nowait()
    keys.add("a")
    with pytest.raises(IndexError, match="no key may run"):
        keys.take_nowait()


@pytest.mark.behaviour("P1", "P2")
def test_a_rerun_has_the_highest_priority_it_was_wanted_with(keys: ReadyKeys[str]) -> None:
    """What is added to a running key merges as what is added to a ready one."""
    keys.add("runs")
    keys.take_nowait()
    keys.add("ready", priority=2)
    for priority in (1, 3, 0):
        keys.add("runs", priority=priority)
    keys.done("runs")
    assert taken(keys) == ["runs", "ready"]


def test_a_key_that_is_done_leaves_nothing_behind(keys: ReadyKeys[str]) -> None:
    """The tables hold ready and running keys only, so they do not grow with the keys or priorities ever seen."""
    for number in range(1000):
        keys.add(str(number), priority=number % 7)
        keys.add(str(number), priority=number % 11)
        keys.done(keys.take_nowait())
    assert [*keys._ready, *keys._running, *keys._again, *keys._order._listings] == []
    assert len(keys._order._fifos) <= 1


def test_dropping_what_has_not_started_leaves_what_runs(keys: ReadyKeys[str]) -> None:
    """A ready key and a wanted re-run are dropped and counted; the running keys can still be done."""
    for key in ("a", "b", "c", "d"):
        keys.add(key)
    keys.take_nowait()
    keys.take_nowait()
    keys.add("a")
    keys.add("d", priority=1)
    assert keys._drop_wanted() == 3
    assert taken(keys) == []
    assert list(keys.running()) == ["a", "b"]
    keys.done("a")
    keys.done("b")
    keys.add("d")
    assert taken(keys) == ["d"]
