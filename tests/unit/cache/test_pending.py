"""What a handler has yet to see."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.cache.change import Cause, Change
from ctrlkit.cache.pending import LatestByKey
from ctrlkit.model import Record
from tests.support.records import record

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "drop", "look"])), max_size=60)


@pytest.mark.behaviour("B8")
@given(steps=STEPS)
def test_for_any_history_what_is_delivered_replays_to_the_store(steps: list[tuple[str, str]]) -> None:
    """LATEST: one change an object, each from the state seen last, and in the end the handler's view is true."""
    store: dict[str, Record[dict[str, Any]]] = {}
    view: dict[str, Record[dict[str, Any]]] = {}
    pending: LatestByKey[dict[str, Any]] = LatestByKey()

    def deliver() -> None:
        change = pending.popleft()
        name = change.key.name
        if change.old is not None and change.new is not None:
            assert view[name] is change.old
        if change.new is None:
            view.pop(name, None)
        else:
            assert (name in view) == (change.old is not None)
            view[name] = change.new

    for version, (name, step) in enumerate(steps, start=1):
        if step == "look" and len(pending):
            deliver()
        elif step == "put":
            new = record(f"d/{name}", version)
            pending.extend([Change(store.get(name), new, Cause.WATCH)])
            store[name] = new
        elif step == "drop" and name in store:
            pending.extend([Change(store.pop(name), None, Cause.WATCH)])
        assert len(pending) <= 3
    while len(pending):
        deliver()
    assert view == store
