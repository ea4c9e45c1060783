"""Rules of custom resources hold for objects and their changes; only schemas that have rules pay for them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ctrlkit.fakes.tracker.cel.validator import Validator
from ctrlkit.fakes.tracker.kinds.definitions.schemas import schema_causes
from ctrlkit.fakes.tracker.schema.custom import CustomSchema

NUMBER = {"type": "integer"}
NAMES = {"type": "string", "maxLength": 10}


def schema(spec: dict[str, Any], *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The schema of an object whose spec has these fields and rules."""
    inner = {"type": "object", "properties": spec, "x-kubernetes-validations": list(rules), **more}
    return {"type": "object", "properties": {"spec": inner}}


def said(validator: Validator, spec: Any, old: Any = None) -> list[tuple[str, str]]:
    """The fields and messages of what is wrong with a spec that may have been another before."""
    before = None if old is None else {"spec": old}
    return [(cause.field, cause.message) for cause in validator.causes({"spec": spec}, before)]


def test_a_rule_about_a_change_is_asked_only_where_there_was_something() -> None:
    """A new object, and a new field of an object that was, break no such rule."""
    kept = {**NAMES, "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "stays"}]}
    validator = Validator(schema({"kept": kept}))
    assert said(validator, {"kept": "a"}) == []
    assert said(validator, {"kept": "a"}, {}) == []
    assert said(validator, {"kept": "b"}, {"kept": "a"}) == [("spec.kept", 'Invalid value: "b": stays')]


def test_items_are_told_apart_by_their_keys() -> None:
    """An item that moved is compared with itself; one with another name was not there."""
    grows = {**NUMBER, "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "grows"}]}
    item = {"type": "object", "properties": {"name": NAMES, "size": grows}}
    items = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    validator = Validator(schema({"items": items}))
    old = {"items": [{"name": "a", "size": 1}, {"name": "b", "size": 5}]}
    assert said(validator, {"items": [{"name": "b", "size": 5}, {"name": "a", "size": 1}]}, old) == []
    assert said(validator, {"items": [{"name": "c", "size": 0}]}, old) == []
    assert said(validator, {"items": [{"name": "b", "size": 4}]}, old) == [
        ("spec.items[0].size", "Invalid value: 4: grows")
    ]


def test_what_is_unchanged_is_let_pass_with_a_warning() -> None:
    """Rules that came later do not refuse what was there; they do once it changes."""
    short = {**NAMES, "x-kubernetes-validations": [{"rule": "self.size() < 3", "message": "short"}]}
    validator = Validator(schema({"name": short, "n": NUMBER}))
    warnings: list[str] = []
    old = {"spec": {"name": "long", "n": 1}}
    assert validator.causes({"spec": {"name": "long", "n": 2}}, old, warnings.append) == []
    assert warnings == ['spec.name: Invalid value: "long": short']
    assert said(validator, {"name": "longer"}, old["spec"]) == [("spec.name", 'Invalid value: "longer": short')]


def test_what_is_known_of_a_value_says_nothing_of_another_or_of_a_change() -> None:
    """A value that was looked at before is refused where it comes after another, and so is one that differs in kind."""
    rules = [{"rule": "self > 1", "message": "is small"}, {"rule": "self >= oldSelf", "message": "grows"}]
    validator = Validator(schema({"size": {**NUMBER, "x-kubernetes-validations": rules}}))
    for _ in range(2):
        assert said(validator, {"size": 5}) == []
        assert said(validator, {"size": 1}) == [("spec.size", "Invalid value: 1: is small")]
        assert said(validator, {"size": 5}, {"size": 9}) == [("spec.size", "Invalid value: 5: grows")]
        assert said(validator, {"size": 5.0}) != []


def test_the_rules_of_an_object_have_one_budget() -> None:
    """When it is used up, one cause says so, and no rule is looked at any more."""
    rule = {"rule": "self.l.all(a, self.l.all(b, a + b >= 0))"}
    validator = Validator(schema({"l": {"type": "array", "items": NUMBER}}, *[rule] * 20, {"rule": "false"}))
    text = "validation failed due to running out of cost budget, no further validation rules will be run"
    assert said(validator, {"l": list(range(320))}) == [("spec", f'Invalid value: "object": {text}')]


def test_a_rule_that_costs_too_much_ends_the_review() -> None:
    """And its cause names the rule."""
    rule = {"rule": "self.l.all(a, self.l.all(b, a + b >= 0))", "message": "sums"}
    validator = Validator(schema({"l": {"type": "array", "items": NUMBER}}, rule, {"rule": "false"}))
    ((field, message),) = said(validator, {"l": list(range(2000))})
    assert field == "spec"
    assert message.startswith("Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded'")
    assert message.endswith("sums")


@pytest.mark.parametrize(
    ("limit", "factor"),
    [(100, ""), (1500, "1.350900x"), (3000, "5.4x"), (None, "more than 100x")],
    ids=str,
)
def test_the_estimate_of_a_definition_goes_by_its_limits(limit: int | None, factor: str) -> None:
    """A list without a limit is as long as a request can be."""
    numbers = {"type": "array", "items": NUMBER} | ({"maxItems": limit} if limit else {})
    rule = {"rule": "self.l.all(a, self.l.exists(b, a == b))"}
    causes = schema_causes({"openAPIV3Schema": schema({"l": numbers}, rule)}, "s", has_status=False, is_unchanged=False)
    own = [cause.message for cause in causes if cause.message.startswith("Forbidden: estimated rule cost")]
    assert [message.partition("factor of ")[2].partition(" (")[0] for message in own] == ([factor] if factor else [])


def test_a_schema_without_rules_does_not_load_the_language() -> None:
    """A program that never defines a rule has none of its modules."""
    code = (
        "import sys; from ctrlkit.fakes.tracker.schema.custom import CustomSchema\n"
        "schema = CustomSchema({'type': 'object', 'properties': {'a': {'type': 'string'}}})\n"
        "assert schema.value_causes({'a': 'b'}) == []\n"
        "assert not [name for name in sys.modules if name.startswith('ctrlkit.fakes.tracker.cel')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_rules_are_not_asked_about_an_object_with_other_faults() -> None:
    """What they rely on may be missing; the last cause says that they were left out."""
    one = CustomSchema(schema({"n": NUMBER}, {"rule": "self.n > 1"}, required=["n"]))
    found = one.value_causes({"spec": {}})
    (last,) = one.expression_causes({"spec": {}}, None, found, print)
    assert "some validation rules were not checked" in last.message
    (broken,) = one.expression_causes({"spec": {"n": 1}}, None, [], print)
    assert broken.message == "Invalid value: failed rule: self.n > 1"


def test_an_expression_reads_no_integer_that_is_written_as_a_fraction() -> None:
    """A schema takes 3.0 as an integer; a rule that reads it has no value, and one that does not is not concerned."""
    reads = Validator(schema({"size": NUMBER, "name": NAMES}, {"rule": "self.size > 1"}))
    assert said(reads, {"size": 3}) == []
    ((field, message),) = said(reads, {"size": 3.0})
    assert field == "spec"
    assert "invalid data, expected int, got float64" in message
    asks = Validator(schema({"size": NUMBER, "name": NAMES}, {"rule": "has(self.size) && self.name == 'a'"}))
    assert said(asks, {"size": 3.0, "name": "a"}) == []
