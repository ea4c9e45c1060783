"""Patches: JSON, merge and strategic merge; apply has tests of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.errors import ApiError, BadRequest, Conflict, Invalid, NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.schema.types import PLAIN, child, types_of
from ctrlkit.fakes.tracker.verbs.patch import merge
from ctrlkit.fakes.tracker.verbs.strategic import strategic_merge
from ctrlkit.model import JsonPatch, MergePatch, StrategicMergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, DEPLOYMENTS
from tests.support.objects import LABELS, a_workload

LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x"])
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
FLAT = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=12)
"""Documents without lists, in which a null that stands for a removal could stand."""

OBJECTS = st.dictionaries(st.sampled_from("abc"), DOCUMENTS, max_size=3)


def without_nulls(value: Any) -> Any:
    """What a patch that is all new leaves of itself."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def deployed() -> Tracker:
    tracker = Tracker()
    containers = [
        {"name": "a", "image": "i:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
        {"name": "b", "image": "i:2"},
    ]
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": containers}}
    tracker.create(DEPLOYMENTS, a_workload("web", replicas=0, template=template))
    return tracker


def patched_containers(tracker: Tracker, *items: Any) -> Any:
    patch = StrategicMergePatch({"spec": {"template": {"spec": {"containers": list(items)}}}})
    return tracker.patch(DEPLOYMENTS, "default/web", patch).at("spec.template.spec.containers")


@settings(deadline=None)
@given(document=OBJECTS)
def test_a_document_merged_into_nothing_is_itself_without_nulls(document: Any) -> None:
    assert merge({}, document) == without_nulls(document)


@settings(deadline=None)
@given(document=DOCUMENTS)
def test_an_empty_merge_patch_changes_no_object(document: Any) -> None:
    if isinstance(document, dict):
        assert merge(document, {}) == document


@settings(deadline=None)
@given(target=OBJECTS, patch=st.dictionaries(st.sampled_from("abc"), FLAT, max_size=3))
def test_a_merge_patch_carried_out_twice_is_as_carried_out_once(target: Any, patch: Any) -> None:
    once = merge(target, patch)
    assert merge(once, patch) == once


@settings(deadline=None)
@given(target=OBJECTS, patch=OBJECTS)
def test_a_merge_touches_the_fields_it_names_only(target: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = merge(target, patch)
    assert {name: target[name] for name in target if name not in patch} == {
        name: merged[name] for name in merged if name not in patch
    }
    assert all(name not in merged for name, value in patch.items() if value is None)


@settings(deadline=None)
@given(target=OBJECTS, patch=st.dictionaries(st.sampled_from("abc"), FLAT, max_size=3))
def test_a_strategic_merge_without_list_keys_is_a_merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    assert strategic_merge(target, patch, PLAIN) == merge(target, patch)


@pytest.mark.behaviour("T13")
async def test_json_patches_are_carried_out_whole_or_not_at_all() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "default"}, "data": {"a": "1", "b": "2"}})
    operations = [{"op": "add", "path": "/data/d", "value": "4"}, {"op": "remove", "path": "/data/b"}]
    assert tracker.patch(CONFIG_MAPS, "default/one", JsonPatch(operations))["data"] == {"a": "1", "d": "4"}
    for last in ({"op": "test", "path": "/data/d", "value": "5"}, {"op": "remove", "path": "/data/zz"}):
        with pytest.raises(Invalid, match="the server rejected our request due to an error in our request"):
            tracker.patch(CONFIG_MAPS, "default/one", JsonPatch([{"op": "remove", "path": "/data/a"}, last]))
    assert tracker.get(CONFIG_MAPS, "default/one")["data"] == {"a": "1", "d": "4"}


@pytest.mark.behaviour("T13")
async def test_a_patch_names_an_object_that_is_there_at_the_version_it_says() -> None:
    tracker = Tracker()
    with pytest.raises(NotFound):
        tracker.patch(CONFIG_MAPS, "default/one", MergePatch({}))
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "default"}})
    with pytest.raises(Conflict):
        tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"resourceVersion": "1"}}))


async def test_strategic_merge_knows_containers_and_their_environment_by_name() -> None:
    tracker = deployed()
    patched = patched_containers(tracker, {"name": "b", "image": "i:3"}, {"name": "c", "image": "i:4"})
    assert [(item["name"], item["image"]) for item in patched] == [("a", "i:1"), ("b", "i:3"), ("c", "i:4")]
    patched = patched_containers(tracker, {"name": "a", "env": [{"name": "Y", "value": "9"}, {"name": "Z"}]})
    assert patched[0]["env"] == [{"name": "X", "value": "1"}, {"name": "Y", "value": "9"}, {"name": "Z"}]


async def test_strategic_merge_follows_its_directives() -> None:
    tracker = deployed()
    assert [item["name"] for item in patched_containers(tracker, {"name": "b", "$patch": "delete"})] == ["a"]
    replaced = patched_containers(tracker, {"$patch": "replace"}, {"name": "d", "image": "i:5"})
    assert [(item["name"], item["image"]) for item in replaced] == [("d", "i:5")]
    patch = StrategicMergePatch({"spec": {"$retainKeys": ["template", "selector"], "template": {}}})
    assert tracker.patch(DEPLOYMENTS, "default/web", patch).at("spec.replicas") == 1


async def test_strategic_merge_orders_items_and_removes_from_sets() -> None:
    have = {"finalizers": ["a", "b"], "ownerReferences": [{"uid": "1"}, {"uid": "2"}]}
    meta = child(types_of().shape_of(CONFIG_MAPS), "metadata")
    patch = {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}
    assert strategic_merge(have, patch, meta)["finalizers"] == ["c", "b"]
    order = {"$setElementOrder/ownerReferences": [{"uid": "2"}, {"uid": "1"}]}
    assert strategic_merge(have, order, meta)["ownerReferences"] == [{"uid": "2"}, {"uid": "1"}]


@pytest.mark.parametrize("value", [1, "x", None, {}])
def test_retained_keys_that_are_no_list_are_refused_as_a_server_does(value: object) -> None:
    patch = StrategicMergePatch({"spec": {"template": {"spec": {"$retainKeys": value}}}})
    with pytest.raises(BadRequest, match="invalid patch format of retainKeys"):
        deployed().patch(DEPLOYMENTS, "default/web", patch)


@pytest.mark.parametrize(
    ("value", "text"), [(1, "int64"), ("x", "string"), ({}, "map[string]interface {}"), (True, "bool")]
)
def test_an_order_that_is_no_list_fails_as_on_a_server(value: object, text: str) -> None:
    patch = StrategicMergePatch({"spec": {"template": {"spec": {"$setElementOrder/containers": value}}}})
    with pytest.raises(ApiError, match=re.escape(f"expected a []interface {{}}, but received a {text}")) as failed:
        deployed().patch(DEPLOYMENTS, "default/web", patch)
    assert failed.value.code == 500


@pytest.mark.parametrize(
    ("directive", "what"), [("$setElementOrder", "setElementOrder"), ("$deleteFromPrimitiveList", "primitive")]
)
def test_a_directive_without_a_field_is_refused(directive: str, what: str) -> None:
    patch = StrategicMergePatch({"metadata": {directive: ["x"]}})
    with pytest.raises(BadRequest, match=f"invalid patch format of {what} list"):
        deployed().patch(DEPLOYMENTS, "default/web", patch)


@pytest.mark.parametrize("value", ["x", {}, 1])
def test_a_removal_of_what_is_no_list_does_nothing(value: object) -> None:
    have = {"a": ["x"]}
    assert strategic_merge(have, {"$deleteFromPrimitiveList/a": value}, PLAIN) == have
    assert strategic_merge({}, {"$deleteFromPrimitiveList/a": ["x"]}, PLAIN) == {}


@pytest.mark.parametrize(
    ("order", "expected"), [("", "abcd"), ("db", "acdb"), ("dcba", "dcba"), ("ca", "bcad"), ("xb", "abcd")]
)
async def test_items_that_an_order_does_not_name_come_before_those_that_they_stood_before(
    order: str, expected: str
) -> None:
    have = {"ownerReferences": [{"uid": uid} for uid in "abcd"]}
    meta = child(types_of().shape_of(CONFIG_MAPS), "metadata")
    patch = {"$setElementOrder/ownerReferences": [{"uid": uid} for uid in order]}
    found = strategic_merge(have, patch, meta)["ownerReferences"]
    assert "".join(item["uid"] for item in found) == expected
