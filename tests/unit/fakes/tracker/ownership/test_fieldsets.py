"""Sets of fields: the laws of sets, the form they are shown in, and how they follow from objects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.releases import NEWEST, release
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.fieldsets import (
    FieldSet,
    cut,
    difference,
    from_fields_v1,
    in_order,
    intersection,
    path_text,
    paths,
    union,
)
from ctrlkit.fakes.tracker.ownership.managers import Entry, Operation, after_update, make_entry
from ctrlkit.fakes.tracker.ownership.object_fields import applied, compare, everything, with_named
from ctrlkit.fakes.tracker.ownership.typed_merge import merge, problems, remove
from ctrlkit.fakes.tracker.schema.nodes import ANY, Node, built_in, custom
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.model.kinds import PERSISTENT_VOLUMES, PODS

STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
TREES: st.SearchStrategy[Any] = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(STEPS, inner, min_size=1, max_size=3).flatmap(
        lambda node: st.booleans().map(lambda is_member: {".": {}, **node} if is_member else node)
    ),
    max_leaves=8,
)
SETS = st.dictionaries(STEPS, TREES, max_size=3)

SCALARS = st.none() | st.integers(0, 2) | st.sampled_from(["", "x", "y"])
ITEMS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("xyz")}, optional={"value": SCALARS}),
    max_size=3,
    unique_by=lambda item: item["name"],
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "size": SCALARS,
                "items": ITEMS,
                "tags": st.lists(st.sampled_from("abc"), max_size=3, unique=True),
                "words": st.lists(st.sampled_from("abc"), max_size=2),
                "whole": st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2),
                "labels": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "2"]), max_size=2),
                "free": st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.just("c"), SCALARS), max_size=2),
            },
        )
    },
)
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"x-kubernetes-int-or-string": True},
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "value": {"x-kubernetes-int-or-string": True}},
                    },
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "words": {"type": "array", "items": {"type": "string"}},
                "whole": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"x-kubernetes-int-or-string": True},
                },
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    },
}
NODE = custom(SCHEMA)


def members(fields: FieldSet) -> set[tuple[str, ...]]:
    """A set's paths."""
    return set(paths(fields))


@given(SETS, SETS)
def test_for_any_two_sets_the_operations_are_those_of_their_paths(one: FieldSet, other: FieldSet) -> None:
    assert members(union(one, other)) == members(one) | members(other)
    assert members(difference(one, other)) == members(one) - members(other)
    assert members(intersection(one, other)) == members(one) & members(other)


@given(SETS, SETS, SETS, SETS)
def test_for_any_update_the_writer_owns_what_it_had_and_what_it_sets(
    mine: FieldSet, theirs: FieldSet, changed: FieldSet, removed: FieldSet
) -> None:
    """Others own what is neither set nor removed; each set is in a server's order, and nobody is left with none."""
    removed = difference(removed, changed)
    before = [_entry("me", in_order(mine)), _entry("they", in_order(theirs))]
    after = after_update([one for one in before if one["fieldsV1"]], _entry("me", changed), removed)
    wanted = {
        "me": (members(mine) - members(removed)) | members(changed),
        "they": members(theirs) - members(changed) - members(removed),
    }
    assert {one["manager"]: members(one["fieldsV1"]) for one in after} == {
        name: fields for name, fields in wanted.items() if fields
    }
    for one in after:
        assert msgspec.json.encode(one["fieldsV1"]) == msgspec.json.encode(in_order(one["fieldsV1"]))


def _entry(manager: str, fields: FieldSet) -> Entry:
    return make_entry(manager, Operation.UPDATE, "v1", fields, subresource="", time="")


@given(SETS, SETS, SETS)
def test_for_any_sets_equal_members_are_equal_trees(one: FieldSet, other: FieldSet, third: FieldSet) -> None:
    """So `==` on trees compares sets, and no empty branch is left behind."""
    assert union(one, other) == union(other, one)
    assert intersection(one, other) == intersection(other, one)
    assert difference(difference(one, other), third) == difference(one, union(other, third))
    assert union(difference(one, other), intersection(one, other)) == one


@given(SETS, SETS.filter(bool))
def test_for_any_set_a_cut_takes_a_field_and_all_below_it(fields: FieldSet, from_: FieldSet) -> None:
    path = next(paths(from_))
    assert members(cut(fields, path)) == {one for one in members(fields) if one[: len(path)] != path}


@given(OBJECTS, SETS)
def test_for_any_object_reading_what_is_shown_gives_the_set_again(plain: dict[str, Any], fields: FieldSet) -> None:
    for one in (applied(plain, NODE), compare({}, plain, NODE)[0], fields):
        assert from_fields_v1(msgspec.json.decode(msgspec.json.encode(one))) == one


@pytest.mark.parametrize("shown", [[], "f:a", {"a": {}}, {"x:a": {}}, {"k:{": {}}, {"f:a": 1}])
def test_what_is_no_set_is_refused(shown: object) -> None:
    with pytest.raises(ValueError, match="set of fields"):
        from_fields_v1(shown)


@given(OBJECTS, OBJECTS)
def test_for_any_change_both_ways_tell_the_same(old: dict[str, Any], new: dict[str, Any]) -> None:
    """What one way adds the other removes; what changes changes both ways; no change is the empty set."""
    assert compare(old, old, NODE) == ({}, {})
    changed, removed = compare(old, new, NODE)
    changed_back, removed_back = compare(new, old, NODE)
    assert members(removed) <= members(changed_back)
    assert members(removed_back) <= members(changed)
    assert members(changed) - members(removed_back) == members(changed_back) - members(removed)


@given(OBJECTS, OBJECTS)
def test_for_any_apply_its_fields_are_in_the_object_then(live: dict[str, Any], wanted: dict[str, Any]) -> None:
    merged = merge(live, wanted, NODE)
    assert members(applied(wanted, NODE)) - members(applied(merged, NODE)) <= emptied(wanted)
    assert merge(merged, wanted, NODE) == merged
    assert not list(problems(merged, NODE))


def emptied(wanted: dict[str, Any]) -> set[tuple[str, ...]]:
    """Fields of a map given as empty or null: they ask for nothing, and what is live stays."""
    spec = wanted.get("spec") or {}
    named = {("f:spec", f"f:{name}") for name, value in spec.items() if value in (None, {}, [])}
    free = {("f:spec", "f:free", f"f:{name}") for name, value in (spec.get("free") or {}).items() if not value}
    return named | free | ({("f:spec",)} if wanted.get("spec") == {} else set())


@given(OBJECTS, OBJECTS)
def test_for_any_object_nothing_of_what_is_removed_is_left(plain: dict[str, Any], gone: dict[str, Any]) -> None:
    doomed = applied(gone, NODE)
    left = applied(remove(plain, doomed, NODE), NODE)
    assert not [path for path in paths(doomed) if path in members(left) and path in members(applied(plain, NODE))]


@given(OBJECTS)
def test_for_any_object_the_named_fields_on_the_way_are_members(plain: dict[str, Any]) -> None:
    named = with_named(applied(plain, NODE), NODE)
    assert members(applied(plain, NODE)) <= members(named)
    assert all(("f:spec",) in members(named) for path in paths(named))


def test_every_built_in_kind_is_described() -> None:
    for facts in release(NEWEST).kinds:
        node = built_in(types_of(), Strategy().as_served(facts, types_of()).resource)
        assert node is not ANY
        assert not node.fields["metadata"].fields["labels"].is_leaf
        assert node.fields["metadata"].fields["finalizers"].is_set


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("spec", "containers"), ("keys", ("name",))),
        (("spec", "containers", "", "ports"), ("keys", ("containerPort", "protocol"))),
        (("spec", "containers", "", "command"), ("is_leaf", True)),
        (("spec", "nodeSelector"), ("is_leaf", True)),
        (("metadata", "ownerReferences"), ("keys", ("uid",))),
        (("metadata", "ownerReferences", ""), ("is_leaf", True)),
        (("spec", "volumes", "", "secret"), ("is_leaf", False)),
    ],
)
def test_pods_merge_as_the_servers_schema_says(path: tuple[str, ...], expected: tuple[str, object]) -> None:
    node: Node | None = built_in(types_of(), PODS)
    for name in path:
        assert node is not None
        node = node.fields[name] if name else node.other
    assert getattr(node, expected[0]) == expected[1]


def test_a_new_value_is_a_member_with_all_below_it() -> None:
    assert everything({"a": {"b": [1]}, "c": {}}, ANY) == {".": {}, "f:a": {".": {}, "f:b": {}}, "f:c": {}}


def test_paths_are_written_as_in_the_servers_messages() -> None:
    fields: FieldSet = {"f:spec": {'k:{"n":1}': {".": {}, "f:x": {}}, 'v:"s"': {}}, "f:data": {}}
    assert [path_text(path) for path in paths(fields)] == [".data", ".spec[n=1]", '.spec[="s"]', ".spec[n=1].x"]


@pytest.mark.parametrize(
    ("live", "wanted", "order"),
    [
        ("abc", "d", "abcd"),
        ("abc", "cb", "acb"),
        ("abc", "xb", "axbc"),
        ("abc", "ba", "bca"),
        ("abcd", "dax", "bcdax"),
        ("", "ba", "ba"),
    ],
)
def test_merged_lists_keep_the_order_wanted(live: str, wanted: str, order: str) -> None:
    """Items only live stay in front of the wanted item they stood in front of, as far as that stays behind them."""
    tags = NODE.fields["spec"].fields["tags"]
    assert "".join(merge(list(live), list(wanted), tags)) == order


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"other": 1}, ".spec.other: field not declared in schema"),
        ({"tags": ["a", "a"]}, '.spec.tags: duplicate entries for key [="a"]'),
        ({"items": [{"name": "x"}, {"name": "x"}]}, '.spec.items: duplicate entries for key [name="x"]'),
        (
            {"items": [{"value": 1}]},
            '.spec.items: element 0: associative list with keys has an element that omits key field "name" '
            "(and doesn't have default value)",
        ),
        ({"items": [{"name": "x", "y": 1}]}, '.spec.items[name="x"].y: field not declared in schema'),
        ({"words": ["a", 3]}, ".spec.words[1]: expected string, got &value.valueUnstructured{Value:3}"),
        ({"words": "a"}, ".spec.words: expected list, got &{a}"),
        ({"labels": "a"}, ".spec.labels: expected map, got &{a}"),
    ],
)
def test_what_cannot_be_applied_is_told_in_the_servers_words(spec: dict[str, Any], text: str) -> None:
    assert list(problems({"spec": spec}, NODE)) == [text]


def test_a_volumes_claim_is_owned_field_by_field_though_other_references_are_owned_whole() -> None:
    tracker = Tracker()
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/mnt"}}
    body = {"metadata": {"name": "a"}, "spec": {**spec, "claimRef": {"namespace": "demo", "name": "data"}}}
    (entry,) = tracker.create(PERSISTENT_VOLUMES, body)["metadata"]["managedFields"]
    assert entry["fieldsV1"]["f:spec"]["f:claimRef"] == {".": {}, "f:name": {}, "f:namespace": {}}
