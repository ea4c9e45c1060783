"""What one object lacks of another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.tracker.verbs.patch import merge
from ctrlkit.model.compare import lacking, same

scalars = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "b"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"a": None}, {}, True),
        ({"a": {"b": [1, 2.0]}}, {"a": {"b": [1.0, 2]}}, True),
        ({"a": {}}, {}, False),
        ({"a": []}, {}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": ""}, {}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": [1]}, {"a": [1, 1]}, False),
    ],
)
@pytest.mark.behaviour("H11")
def test_what_is_the_same(one: Any, other: Any, is_same: bool) -> None:
    """H11: None is a field that is not there; all else that might mean something differs."""
    assert same(one, other) is same(other, one) is is_same


@given(objects, objects)
def test_for_any_two_the_patch_brings_what_is_lacking_and_no_more(have: dict[str, Any], wanted: dict[str, Any]) -> None:
    """After it nothing is lacking; what was not wanted is as before; an empty patch changes nothing."""
    patch = lacking(have, wanted)
    after = merge(have, patch)
    assert lacking(after, wanted) == {}
    assert {name: value for name, value in after.items() if name not in wanted} == {
        name: value for name, value in have.items() if name not in wanted
    }
    assert set(patch) <= set(wanted)


@given(objects)
def test_for_any_object_nothing_is_lacking_of_itself(thing: dict[str, Any]) -> None:
    """Nor of its parts, nor of a list item that has more fields than are wanted."""
    assert same(thing, thing)
    assert lacking(thing, thing) == {}
    assert lacking({"items": [{"name": "a", "more": thing}]}, {"items": [{"name": "a"}]}) == {}
    assert lacking({"items": [thing, thing]}, {"items": [thing]}) == {"items": [thing]}


@given(objects, objects)
def test_for_any_two_that_are_the_same_neither_lacks_anything(one: dict[str, Any], other: dict[str, Any]) -> None:
    """And the other way round, but for items of lists, of which fewer fields may be wanted."""
    if same(one, other):
        assert lacking(one, other) == lacking(other, one) == {}
