"""A dict of bounded size forgets what was put or used longest ago."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bounded import BoundedDict


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_for_any_use_a_memory_keeps_the_last_ones_used(keys: list[int], limit: int) -> None:
    """No more than its limit, the youngest first."""
    memory = BoundedDict[int, str](limit=limit)
    for key in keys:
        if memory.use(key) is None:
            memory.put(key, str(key))
    youngest = list(dict.fromkeys(reversed(keys)))[:limit]
    assert sorted(memory.values()) == sorted(map(str, youngest))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))), st.integers(1, 5))
def test_for_any_puts_what_was_put_longest_ago_makes_room_and_a_look_changes_nothing(
    steps: list[tuple[bool, int]], limit: int
) -> None:
    """The oldest stands first, and is what a put returns."""
    memory, expected = BoundedDict[int, int](limit=limit), list[int]()
    for is_look, key in steps:
        if is_look:
            assert (memory.get(key) is not None) == (key in expected)
            continue
        expected = [other for other in expected if other != key] + [key]
        dropped = expected.pop(0) if len(expected) > limit else None
        assert memory.put(key, key) == (None if dropped is None else (dropped, dropped))
        assert list(memory) == expected
