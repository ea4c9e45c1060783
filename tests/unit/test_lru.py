"""A dict of bounded size forgets what was looked at longest ago."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.lru import LruDict


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_for_any_use_a_memory_keeps_the_last_ones_looked_at(keys: list[int], limit: int) -> None:
    """No more than its limit, the youngest first."""
    memory = LruDict[int, str](limit=limit)
    for key in keys:
        if memory.get(key) is None:
            memory.put(key, str(key))
    youngest = list(dict.fromkeys(reversed(keys)))[:limit]
    assert sorted(memory) == sorted(map(str, youngest))
