"""A value that fits is remembered, and judged as it was the first time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.tracker.schema.value_rules import ValueRules

VALUES = st.one_of(st.integers(-3, 3), st.sampled_from([2**31, 2**70, 1.0, 2.5, True, None, "", "a", "1", "x" * 300]))
SCHEMAS = st.sampled_from(
    [
        {"type": "integer"},
        {"type": "integer", "minimum": 1, "format": "int32"},
        {"type": "number", "maximum": 2},
        {"type": "string", "maxLength": 3},
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"enum": [1, "a", True]},
    ]
)


@given(schema=SCHEMAS, values=st.lists(VALUES, max_size=8))
def test_what_was_seen_before_changes_no_judgement(schema: dict[str, Any], values: list[Any]) -> None:
    """In any order of values the causes and what is counted are those of rules that have seen nothing."""
    node = {"type": "object", "properties": {"n": schema}}
    rules = ValueRules(node)
    for value in values:
        seen, fresh = rules.check({"n": value}), ValueRules(node).check({"n": value})
        assert (seen.causes, seen.count) == (fresh.causes, fresh.count)
