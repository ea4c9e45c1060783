"""Further ways to find objects."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.cache.store.index import Index
from tests.support.records import record


@pytest.mark.behaviour("S2")
def test_an_object_moves_between_values_and_values_without_objects_leave_no_trace() -> None:
    """S2: many values an object, and empty sets are removed."""
    index: Index[dict[str, Any]] = Index(lambda found: (found.meta.labels or {}).values())
    index.put(record("d/a", 1, x="1", y="2"))
    index.put(record("d/b", 1, x="2"))
    assert [str(key) for key in index.keys("2")] == ["d/a", "d/b"]
    index.put(record("d/a", 2, x="3"))
    assert [str(key) for key in index.keys("2")] == ["d/b"]
    index.discard(record("d/a", 2).key)
    index.discard(record("d/b", 1).key)
    assert len(index) == 0


@pytest.mark.behaviour("B14")
def test_what_is_no_value_leaves_the_index_as_if_the_object_were_not_there() -> None:
    """And the object can be indexed again."""
    answers: list[Any] = [["1"], [["a list"]], ["2", "1", "2"]]
    index: Index[dict[str, Any]] = Index(lambda _: answers.pop(0))
    index.put(record("d/a", 1))
    with pytest.raises(TypeError):
        index.put(record("d/a", 2))
    assert len(index) == 0
    index.put(record("d/a", 3))
    assert [str(key) for key in index.keys("2")] == ["d/a"]
    index.discard(record("d/a", 3).key)
    assert len(index) == 0
