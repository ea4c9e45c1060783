"""The order of ready keys, and what running does to it."""

from __future__ import annotations

import pytest

from ctrlkit.workqueue.ready import ReadyKeys, State


@pytest.fixture
def keys() -> ReadyKeys[str]:
    return ReadyKeys()


@pytest.mark.behaviour("Q1")
def test_a_key_that_waits_is_not_added_again(keys: ReadyKeys[str]) -> None:
    """Three adds make one entry."""
    assert [keys.add("a"), keys.add("a"), keys.add("a")] == [True, False, False]
    assert list(keys.order) == ["a"]


@pytest.mark.behaviour("Q2")
def test_adds_during_a_run_collapse_into_one_rerun_at_the_tail(keys: ReadyKeys[str]) -> None:
    """A running key is never handed out twice; what was added to it meanwhile runs once, behind those that waited."""
    keys.add("a")
    assert keys.take() == "a"
    keys.add("b")
    assert [keys.add("a"), keys.add("a")] == [False, False]
    assert list(keys.order) == ["b"]
    assert keys.done("a")
    assert list(keys.order) == ["b", "a"]
    assert (keys.take(), keys.take()) == ("b", "a")
    assert not keys.done("a")


@pytest.mark.behaviour("Q3")
def test_keys_run_in_the_order_of_their_first_add(keys: ReadyKeys[str]) -> None:
    """A second add does not move a key."""
    for key in ("c", "a", "c", "b", "a"):
        keys.add(key)
    assert [keys.take() for _ in range(3)] == ["c", "a", "b"]


@pytest.mark.behaviour("Q4")
def test_only_a_running_key_can_be_done(keys: ReadyKeys[str]) -> None:
    """Unlike client-go, an unpaired done is an error that names the key, for it hides a key run twice."""
    with pytest.raises(KeyError, match="done a: the key is not running"):
        keys.done("a")
    keys.add("a")
    with pytest.raises(KeyError, match="pair every take with exactly one done"):
        keys.done("a")
    assert keys.take() == "a"
    keys.done("a")
    with pytest.raises(KeyError):
        keys.done("a")


@pytest.mark.behaviour("Q4")
def test_without_done_a_key_never_runs_again(keys: ReadyKeys[str]) -> None:
    """The add is remembered, and that is all."""
    keys.add("a")
    keys.take()
    keys.add("a")
    with pytest.raises(IndexError):
        keys.take()


def test_a_key_that_is_done_leaves_nothing_behind(keys: ReadyKeys[str]) -> None:
    """The table holds ready and running keys only, so it does not grow with the keys ever seen."""
    for number in range(1000):
        keys.add(str(number))
        keys.done(keys.take())
    assert (keys.states, list(keys.order), keys.running_count()) == ({}, [], 0)


def test_dropping_what_has_not_started_leaves_what_runs(keys: ReadyKeys[str]) -> None:
    """A ready key and a wanted re-run are dropped and counted; the running keys can still be done."""
    for key in ("a", "b", "c"):
        keys.add(key)
    keys.take()
    keys.take()
    keys.add("a")
    assert [keys.wants(key) for key in ("a", "b", "c", "d")] == [True, False, True, False]
    assert keys.drop_wanted() == 2
    assert keys.states == {"a": State.RUNNING, "b": State.RUNNING}
    assert [keys.done("a"), keys.done("b")] == [False, False]
