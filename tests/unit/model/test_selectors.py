"""Selectors: read, written, matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.model import FieldSelector, LabelSelector
from ctrlkit.model.selectors import Operator, Requirement

LABELS = st.sampled_from(["app", "tier", "example.com/x", "a.b_c-d"])
VALUES = st.sampled_from(["", "a", "b1", "1", "22", "in", "not.in"])


def requirements() -> st.SearchStrategy[Requirement]:
    existence = st.builds(Requirement, LABELS, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST]))
    equality = st.builds(
        lambda label, operator, value: Requirement(label, operator, (value,)),
        LABELS,
        st.sampled_from([Operator.EQUALS, Operator.NOT_EQUALS]),
        VALUES,
    )
    sets = st.builds(
        lambda label, operator, values: Requirement(label, operator, tuple(sorted(values))),
        LABELS,
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.sets(VALUES, min_size=1),
    )
    return st.one_of(existence, equality, sets)


@given(parts=st.lists(requirements(), max_size=4))
def test_for_any_label_selector_its_text_reads_back(parts: list[Requirement]) -> None:
    """Writing and reading are inverse."""
    selector = LabelSelector(tuple(parts))
    assert LabelSelector.parse(str(selector)) == selector


@given(parts=st.lists(requirements(), max_size=3), labels=st.dictionaries(LABELS, VALUES))
def test_for_any_labels_a_selector_matches_when_each_requirement_does(
    parts: list[Requirement], labels: dict[str, str]
) -> None:
    """And each negation matches exactly when its positive does not."""
    assert LabelSelector(tuple(parts)).matches(labels) == all(part.matches(labels) for part in parts)
    opposite = {
        Operator.EQUALS: Operator.NOT_EQUALS,
        Operator.IN: Operator.NOT_IN,
        Operator.EXISTS: Operator.DOES_NOT_EXIST,
    }
    for part in parts:
        if part.operator in opposite:
            negated = Requirement(part.label, opposite[part.operator], part.values)
            assert negated.matches(labels) is not part.matches(labels)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("app==x", {"app": "x"}, True),
        ("app!=x", {}, True),
        ("tier notin (a,b)", {}, True),
        ("n>5", {"n": "6"}, True),
        ("n<5", {"n": "6"}, False),
        ("n>5", {"n": "six"}, False),
        ("a , b", {"a": "", "b": ""}, True),
    ],
)
def test_the_servers_forms_are_understood(text: str, labels: dict[str, str], matches: bool) -> None:
    """Spaces, double equals, missing labels, numbers."""
    assert LabelSelector.parse(text).matches(labels) is matches


@pytest.mark.parametrize("text", ["a=b=c", "a in b", "!", "a in (b", "-x", "a=b c"])
def test_a_label_selector_that_cannot_be_read_names_the_part(text: str) -> None:
    """The error shows the whole and how to write it."""
    with pytest.raises(ValueError, match="cannot read"):
        LabelSelector.parse(text)


def test_a_field_selector_compares_text() -> None:
    """Booleans as the server writes them, missing fields as empty."""
    values = {"metadata.name": "a", "spec.on": True, "spec.n": 5}
    for text in ("metadata.name=a", "spec.on=true", "spec.n==5", "spec.none=", "spec.none!=x"):
        assert FieldSelector.parse(text).matches(values.get)
    assert not FieldSelector.parse("metadata.name!=a").matches(values.get)
    with pytest.raises(ValueError, match="write path=value"):
        FieldSelector.parse("metadata.name")


@pytest.mark.long
def test_a_long_label_selector_is_read_in_linear_time() -> None:
    """Time that grows with the square of it would be minutes here."""
    many = 100_000
    assert len(LabelSelector.parse(",".join(["a"] * many)).requirements) == many
    assert len(LabelSelector.parse(f"a in ({','.join(['b'] * many)})").requirements[0].values) == many
    with pytest.raises(ValueError, match="cannot read"):
        LabelSelector.parse("(," * many)
