"""Whether a server still tells the history that was followed."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.cache.change import Cause
from ctrlkit.cache.reflector.history import SAMPLE, PendingDeletions, compare
from ctrlkit.cache.store.store import Store
from ctrlkit.model import ObjectKey, Record, Snapshot
from tests.support.records import deleted, record, snapshot

Records = list[Record[dict[str, Any]]]


def compared(sample: Snapshot[dict[str, Any]], held: Records, *, reached: int) -> PendingDeletions | None:
    """What comes of it where these are held."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(reached, *held), cause=Cause.INITIAL)
    return compare(sample, store.records(store.keys()[:SAMPLE]), store.holds, reached=str(reached))


HELD = [record("d/a", 3), record("d/b", 5)]


@pytest.mark.parametrize(
    ("sample", "pending"),
    [
        (snapshot(7, *HELD), {}),
        (snapshot(9, *HELD), {}),
        (snapshot(9, record("d/a", 8), record("d/b", 5), record("d/c", 9)), {}),
        (snapshot(9, record("d/b", 5)), {"d/a": "3"}),
        (snapshot(9), {"d/a": "3", "d/b": "5"}),
        (snapshot(9, record("d/a", ""), record("d/b", 5)), {}),
        (snapshot(""), {}),
    ],
)
def test_what_can_follow_is_the_same_history(sample: Snapshot[dict[str, Any]], pending: dict[str, str]) -> None:
    """Objects that changed since, new ones, and gone ones, whose deletion the watch has to bring."""
    found = compared(sample, HELD, reached=7)
    assert found is not None
    assert {str(key): version for key, version in found.gone.items()} == pending


@pytest.mark.parametrize(
    "sample",
    [
        snapshot(6, *HELD),
        snapshot(7, record("d/a", 3)),
        snapshot(7, record("d/a", 3), record("d/b", 4)),
        snapshot(9, record("d/a", 3), record("d/b", 6)),
        snapshot(9, *HELD, record("d/c", 7)),
        snapshot(7, record("d/a", 3, app="other"), record("d/b", 5)),
    ],
    ids=["lower", "one too few", "an older state", "a state never told", "an object never told", "another content"],
)
def test_what_cannot_follow_is_another_history(sample: Snapshot[dict[str, Any]]) -> None:
    """A lower version, or a state that must have been told before."""
    assert compared(sample, HELD, reached=7) is None


def test_of_many_objects_only_the_first_are_compared() -> None:
    """In the server's order, in which "-" comes before "/"; what comes after the last one says nothing."""
    held = [record(f"d/n-{number:02}", 1) for number in range(40)] + [record("d-1/x", 1)]
    assert compared(snapshot(9, record("d-1/x", 1), *held[: SAMPLE - 1]), held, reached=7) == PendingDeletions("9", {})
    found = compared(snapshot(9, *held[:4], *held[5 : SAMPLE + 1]), held, reached=7)
    assert found is not None
    assert set(found.gone) == {ObjectKey("d", "n-04")}


def test_what_is_owed_is_pending_until_it_is_gone_or_another() -> None:
    """Each of them; a new object of the name is another."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(7, *HELD), cause=Cause.INITIAL)
    pending = PendingDeletions("9", {ObjectKey("d", "a"): "3", ObjectKey("d", "b"): "5"})
    assert pending.is_pending(store.get)
    store.apply(deleted("d/a", 8))
    assert pending.is_pending(store.get)
    store.replace(snapshot(9, record("d/b", 9)), cause=Cause.RELIST)
    assert not pending.is_pending(store.get)
