"""A definition that a server of the process has read and judged before costs the next one little, and is the same."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import ApiError, BadRequest, Invalid
from ctrlkit.fakes import Tracker, seed
from ctrlkit.model import Action, MergePatch, Options, Verb, custom_resource
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS as DEFINITIONS
from tests.support.calls import counted_calls

Plain = dict[str, Any]
WIDGETS = custom_resource(group="example.com", kind="Widget", plural="widgets")
LEAST_TIMES: float = 10.0


def definition(schema: Any) -> Plain:
    """A definition with this schema of its field `spec`."""
    whole = {"type": "object", "properties": {"spec": schema}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": whole}}
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": spec,
    }


def wide(called: str, fields: int = 400) -> Plain:
    """A schema of many fields, of which no other test has one."""
    one = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}, "b": {"type": "integer"}}}
    return {"type": "object", "properties": {f"{called}{number}": one for number in range(fields)}}


def server_with(body: Plain) -> Tracker:
    tracker = Tracker()
    seed(tracker, body)
    return tracker


def make_widget(tracker: Tracker, **spec: Any) -> Plain:
    return tracker.create(WIDGETS, {"metadata": {"name": "a", "namespace": "default"}, "spec": spec})


def test_what_one_server_has_judged_costs_the_next_little() -> None:
    """Reading, judging and compiling a schema take long; each test has a server of its own."""
    body = definition(wide("cost"))
    with counted_calls() as first:
        make_widget(server_with(body), cost1={"b": 1})
    with counted_calls() as second:
        make_widget(server_with(body), cost1={"b": 1})
    assert second.count * LEAST_TIMES < first.count


def test_a_change_of_a_definition_costs_little_where_its_schemas_stay() -> None:
    """Only what is another one is read and judged."""
    body = definition(wide("kept"))
    with counted_calls() as made:
        tracker = server_with(body)
    with counted_calls() as patched:
        tracker.patch(DEFINITIONS, "widgets.example.com", MergePatch({"spec": {"names": {"shortNames": ["wd"]}}}))
    assert patched.count * LEAST_TIMES < made.count


def test_servers_share_nothing_that_one_of_them_or_a_test_can_change() -> None:
    """What a caller does with a body or an answer, or one server with its definition, no other server sees."""
    body = definition({"type": "object", "properties": {"size": {"type": "integer", "default": 3}}})
    one, other = server_with(body), server_with(body)
    at = "spec.versions"
    shown = one.get(DEFINITIONS, "widgets.example.com")
    shown.at(at)[0]["schema"]["openAPIV3Schema"]["properties"].clear()
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clear()
    made = make_widget(one)
    made["spec"]["size"] = 9
    one.patch(
        DEFINITIONS,
        "widgets.example.com",
        MergePatch({"spec": {"versions": [definition({"type": "object"})["spec"]["versions"][0]]}}),
    )
    assert make_widget(other)["spec"] == {"size": 3}
    assert "size" in json.dumps(other.get(DEFINITIONS, "widgets.example.com").at(at))
    assert one.get(WIDGETS, "default/a")["spec"] == {}


TROUBLES = [
    ({"type": "object", "bogus": 1}, "unknown field"),
    ({"type": 7}, "cannot unmarshal"),
    ({"type": "object", "properties": {"a": {"type": "string", "format": "odd", "bogus": {}}}}, "unknown field"),
    ({"type": "list"}, "Unsupported value"),
]


@pytest.mark.parametrize(("schema", "said"), TROUBLES)
def test_what_is_wrong_with_a_schema_is_said_each_time_and_where_it_is(schema: Plain, said: str) -> None:
    """The same schema at another place is told of with that place."""
    told = [refusal(definition(schema)), refusal(definition(schema))]
    nested = refusal(definition({"type": "object", "properties": {"below": schema}}))
    assert told[0] == told[1]
    assert said in told[0]
    assert said in nested
    assert nested != told[0]


def refusal(body: Plain) -> str:
    """What a server says that does not take a definition."""
    with pytest.raises((BadRequest, Invalid)) as caught:
        seed(Tracker(), body)
    return str(caught.value)


def test_a_number_that_is_none_does_not_pass_for_null() -> None:
    """Written as JSON both are null."""
    seed(Tracker(), definition({"type": "object", "properties": {"a": {"type": "number", "maximum": None}}}))
    wrong = definition({"type": "object", "properties": {"a": {"type": "number", "maximum": math.nan}}})
    action = Action(verb=Verb.CREATE, resource=DEFINITIONS, body=wrong, options=Options())
    with pytest.raises(ApiError):
        Tracker().call(action)


def nodes() -> st.SearchStrategy[Plain]:
    """Schemas of a few levels."""
    texts = st.sampled_from(["", "int32", "date", "odd"])
    leaf = st.one_of(
        st.fixed_dictionaries({"type": st.just("string")}, optional={"format": texts, "default": st.just("x")}),
        st.fixed_dictionaries({"type": st.just("integer")}, optional={"minimum": st.sampled_from([0, 1.0, -2])}),
    )
    named = st.dictionaries(st.sampled_from("abc"), st.deferred(nodes), max_size=2)
    return st.one_of(leaf, st.builds(lambda below: {"type": "object", "properties": below}, named))


@given(schemas=st.lists(nodes(), min_size=1, max_size=3))
def test_for_any_schemas_a_server_shows_what_the_first_one_showed(schemas: list[Plain]) -> None:
    """Whatever was read before, in any order."""
    bodies = [definition(schema) for schema in schemas]
    first = [list(shown(copy.deepcopy(body))) for body in bodies]
    assert [list(shown(body)) for body in reversed(bodies)] == first[::-1]


def shown(body: Plain) -> Iterator[Any]:
    """What a server makes of a definition and of an object of its kind."""
    try:
        tracker = server_with(body)
        yield tracker.get(DEFINITIONS, "widgets.example.com")["spec"]
        yield make_widget(tracker, a="x", b=1, c={})["spec"]
    except Invalid as refused:
        yield str(refused)
