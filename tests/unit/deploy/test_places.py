"""Trees with places: what stands there without a chart, and the template that gives it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.deploy.places import ABSENT, Block, Place, When, escaped, plain, template

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], include_characters="\n\t"), max_size=12)
"""PyYAML itself reads ends of lines that are not \\n otherwise than it writes them."""
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
TREES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3), max_leaves=6
)


def rendered(text: str) -> str:
    """A template without other expressions, as Go's engine has it."""
    return text.replace('{{ "{{" }}', "{{")


@given(st.text(alphabet="{}\"' ab-", max_size=30))
def test_for_any_text_its_template_gives_it(text: str) -> None:
    """Braces are no expressions."""
    assert rendered(escaped(text)) == text


@given(st.dictionaries(TEXTS, TREES, max_size=4))
def test_for_any_tree_without_places_its_template_is_its_yaml(tree: dict[str, Any]) -> None:
    """Whatever texts are in it."""
    assert plain(tree) == tree
    assert yaml.safe_load(rendered(template(tree))) == tree


@given(TREES, TREES)
def test_for_any_neighbours_a_place_leaves_them_as_they_are(before: Any, after: Any) -> None:
    """In mappings, and in lists of mappings."""
    tree = {"a": {"before": before, "place": Place("X", 1), "list": [{"first": 1, "more": [Place("X", 1), after]}]}}
    text = rendered(template(tree).replace("{{ X }}", "1"))
    assert yaml.safe_load(text) == plain(tree)


def test_conditions_stand_where_they_hold() -> None:
    """Of a mapping's value, of items of a list, with something else otherwise, and inside each other."""
    tree = {
        "a": When("if A", {"b": When("with B", Block("toYaml ."))}, otherwise={"c": 1}, plain={"c": 1}),
        "d": [When("if D", [1, 2]), 3, When("range $e := E", Place("$e", 0), plain=[4, 5])],
    }
    assert plain(tree) == {"a": {"c": 1}, "d": [3, 4, 5]}
    assert template(tree).splitlines() == [
        "{{- if A }}",
        "a:",
        "  {{- with B }}",
        "  b:",
        "    {{- toYaml . | nindent 4 }}",
        "  {{- end }}",
        "{{- else }}",
        "a:",
        "  c: 1",
        "{{- end }}",
        "d:",
        "{{- if D }}",
        "- 1",
        "- 2",
        "{{- end }}",
        "- 3",
        "{{- range $e := E }}",
        "- {{ $e }}",
        "{{- end }}",
    ]


def test_what_is_absent_is_no_entry_and_no_item() -> None:
    """Nor is a part that only a template has."""
    assert plain({"a": ABSENT, "b": Block("X"), "c": [When("if C", 1)]}) == {"c": []}


def test_an_item_whose_first_key_may_lack_cannot_be_written() -> None:
    """The dash of the item would stand alone."""
    with pytest.raises(ValueError, match="its first key has to be there"):
        template([{"a": When("if A", 1), "b": 2}])
