"""Reads from memory."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.cache.change import Cause
from ctrlkit.cache.store.lister import Lister, with_fields, with_labels
from ctrlkit.cache.store.store import Store
from ctrlkit.errors import DecodeError
from ctrlkit.model import (
    Applied,
    Deleted,
    FieldSelector,
    LabelSelector,
    ObjectMeta,
    Record,
    Resource,
    Snapshot,
    Unstructured,
)
from ctrlkit.model.kinds import NODES, PODS
from ctrlkit.wire.codec import Codec
from tests.support.decoding import decode_list


class Status(msgspec.Struct, frozen=True):
    """Where a pod got to."""

    phase: str = ""


class Pod(msgspec.Struct, frozen=True):
    """A pod as far as these tests look."""

    metadata: ObjectMeta
    status: Status = Status()


def pod(name: str, phase: str, namespace: str = "d", **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "resourceVersion": "1", "labels": labels}
    return {"metadata": metadata, "status": {"phase": phase}}


def lister_of(resource: Resource[Any], *pods: dict[str, Any]) -> Lister[Any]:
    store: Store[Any] = Store()
    data = msgspec.json.encode({"kind": resource.list_kind, "metadata": {"resourceVersion": "1"}, "items": pods})
    store.replace(decode_list(Codec(resource), data)[0], cause=Cause.INITIAL)
    return Lister(resource, store)


THREE = (pod("b", "Running", app="x"), pod("a", "Pending", app="y"), pod("a", "Running", "e", app="x", old="1"))


@pytest.mark.behaviour("S6", "B24")
@pytest.mark.parametrize(
    ("selector", "keys"),
    [
        ("", ["d/a", "d/b", "e/a"]),
        ("app=x", ["d/b", "e/a"]),
        ("app!=x", ["d/a"]),
        ("app in (x, y),!old", ["d/a", "d/b"]),
        ("app notin (y)", ["d/b", "e/a"]),
        ("old", ["e/a"]),
        ("old>0", ["e/a"]),
        (LabelSelector.of_labels({"app": "y"}), ["d/a"]),
    ],
)
def test_labels_select_in_all_ways_and_in_order(selector: str | LabelSelector, keys: list[str]) -> None:
    """S6, in the order of namespace and name."""
    lister = lister_of(PODS, *THREE)
    assert [str(record.key) for record in lister.records(selector=selector)] == keys
    assert [str(found.key) for found in lister.list(selector=selector)] == keys


@pytest.mark.behaviour("B24")
@pytest.mark.parametrize("resource", [PODS, PODS.of(Pod)])
@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ("status.phase=Running", ["d/b", "e/a"]),
        ("status.phase!=Running", ["d/a"]),
        ("metadata.name=a", ["d/a", "e/a"]),
        ("metadata.name=a,metadata.namespace=e", ["e/a"]),
        ("metadata.namespace=d,status.phase=Running", ["d/b"]),
        ("metadata.namespace!=d", ["e/a"]),
        ("metadata.labels.app=x", ["d/b", "e/a"]),
    ],
)
def test_fields_select_by_any_path(resource: Resource[Any], fields: str, keys: list[str]) -> None:
    """B24: of dict-like objects and of Structs alike."""
    lister = lister_of(resource, *THREE)
    assert [str(record.key) for record in lister.records(fields=fields)] == keys


def test_a_namespace_and_an_exact_name_go_together() -> None:
    """One look, and never into another namespace."""
    lister = lister_of(PODS, *THREE)
    assert len(lister.list(namespace="d", fields="metadata.name=a")) == 1
    assert lister.list(namespace="d", fields="metadata.namespace=e") == []
    assert lister.list(namespace="d", fields="metadata.namespace=e,metadata.name=a") == []


def test_a_field_that_the_type_leaves_out_is_an_error_not_a_mismatch() -> None:
    """What was not decoded cannot be compared."""
    with pytest.raises(ValueError, match=r"field spec.nodeName: Pod does not decode 'spec'"):
        lister_of(PODS.of(Pod), *THREE).list(fields="spec.nodeName=n1")


@pytest.mark.behaviour("B24", "D5")
def test_pages_are_of_the_state_in_which_the_list_was_begun() -> None:
    """B24: limit and continue over a snapshot."""
    store: Store[Unstructured] = Store()
    metas = [ObjectMeta(namespace="d", name=str(n), resource_version="1") for n in range(5)]
    records: list[Record[Unstructured]] = [Record(meta, {"n": meta.name}, Unstructured) for meta in metas]
    store.replace(Snapshot(records, "1"), cause=Cause.INITIAL)
    first = Lister(PODS, store).page(limit=2)
    store.replace(Snapshot([], "2"), cause=Cause.RELIST)
    second = first.following()
    assert second is not None
    third = second.following()
    assert third is not None
    assert [found["n"] for page in (first, second, third) for found in page.items] == list("01234")
    assert (first.remaining, second.remaining, third.remaining, third.following()) == (3, 1, 0, None)
    assert [found["n"] for found in first.items] == ["0", "1"]
    with pytest.raises(ValueError, match="limit must be at least 1"):
        Lister(PODS, store).page(limit=0)


@pytest.mark.behaviour("B14")
def test_one_object_that_does_not_fit_can_be_told_from_the_rest() -> None:
    """It is named by the error; by key, the others are as they were."""
    lister = lister_of(PODS.of(Pod), *THREE, {**pod("c", "x"), "status": 5})
    assert lister.get("d/a").status.phase == "Pending"
    assert len(lister.records()) == 4
    with pytest.raises(DecodeError, match="d/c"):
        lister.list()


@pytest.mark.behaviour("S5", "B25")
@pytest.mark.parametrize("resource", [PODS, PODS.of(Pod)])
def test_labels_of_a_record_cannot_be_changed(resource: Resource[Any]) -> None:
    """B25: the change raises at its line; a copy is yours."""
    record = lister_of(resource, *THREE).find_record("d/b")
    assert record is not None
    labels: Any = record.meta.labels
    with pytest.raises(TypeError, match="does not support item assignment"):
        labels["app"] = "spoilt"
    assert {**labels, "app": "mine"} == {"app": "mine"}
    assert record.meta.labels == {"app": "x"}


@pytest.mark.parametrize(
    ("resource", "key", "message"),
    [(PODS, "a", "a namespace is needed"), (NODES, "d/a", 'do not live in namespaces; write "a"')],
)
def test_a_key_that_the_kind_cannot_have_is_a_slip_and_not_an_absence(
    resource: Resource[Any], key: str, message: str
) -> None:
    """The caller forgot the namespace, or gave one to a kind without; a record of any key may be looked for."""
    lister = lister_of(resource)
    with pytest.raises(ValueError, match=message):
        lister.find(key)
    with pytest.raises(ValueError, match=message):
        lister.get(key)
    assert lister.find_record(key) is None


def test_selectors_as_dicts_are_refused_with_the_text_to_write() -> None:
    """Not with an attribute that dict does not have."""
    lister = lister_of(PODS, *THREE)
    wrong: Any = {"app": "x"}
    with pytest.raises(TypeError, match=r'selector is a dict, .* write "app=x"'):
        lister.list(selector=wrong)
    with pytest.raises(TypeError, match=r'fields is a dict, .* write "app=x"'):
        lister.list(fields=wrong)


class Loose(msgspec.Struct, frozen=True):
    """A frozen Struct that holds what can be changed."""

    metadata: ObjectMeta
    status: dict[str, str]


@pytest.mark.behaviour("B25", "D4")
def test_a_type_that_can_be_changed_is_decoded_anew_for_each_look() -> None:
    """Frozen is not enough where a field is a dict."""
    lister = lister_of(PODS.of(Loose), *THREE)
    lister.get("d/a").status["phase"] = "spoilt"
    assert lister.get("d/a").status == {"phase": "Pending"}
    assert lister_of(PODS.of(Pod), *THREE).get("d/a") == lister_of(PODS.of(Pod), *THREE).get("d/a")


LABELS = st.none() | st.dictionaries(st.sampled_from(["app", "tier", "n"]), st.sampled_from(["1", "2", "10", "x", ""]))
REQUIREMENTS = st.sampled_from(
    ["app=1", "app!=1", "app==x", "app in (1,2)", "tier notin (x,2)", "tier", "!tier", "n>1", "n<10", "app=", "n>x"]
)
KEYS = st.tuples(st.sampled_from(["a", "a-b", "b"]), st.sampled_from(["x", "y", "z"]))


def a_record(namespace: str, name: str, labels: dict[str, str] | None) -> Record[Any]:
    meta = ObjectMeta(namespace=namespace, name=name, labels=labels, resource_version="1")
    return Record(meta, {"metadata": {"name": name}, "spec": {"nodeName": name}}, dict)


@given(
    objects=st.dictionaries(KEYS, LABELS, max_size=9),
    requirements=st.lists(REQUIREMENTS, max_size=4),
    namespace=st.sampled_from(["", "a", "c"]),
    gone=st.sets(KEYS),
    again=st.lists(KEYS),
)
def test_for_any_selector_the_records_are_those_that_match_in_order(
    objects: dict[tuple[str, str], dict[str, str] | None],
    requirements: list[str],
    namespace: str,
    gone: set[tuple[str, str]],
    again: list[tuple[str, str]],
) -> None:
    """As the selector says of each by itself; whatever came, went and came again before."""
    store: Store[Any] = Store()
    store.replace(Snapshot([a_record(*key, labels) for key, labels in objects.items()], "1"), cause=Cause.INITIAL)
    selector, lister = LabelSelector.parse(",".join(requirements)), Lister(PODS, store)
    for step in range(2):
        found = [record.key for record in lister.records(selector=selector, namespace=namespace)]
        assert found == [
            record.key
            for record in lister.records()
            if selector.matches(record.meta.labels) and namespace in ("", record.key.namespace)
        ]
        if not step:
            for key in sorted(gone):
                store.apply(Deleted(a_record(*key, None)))
            for key in again:
                store.apply(Applied(a_record(*key, {"app": "1"})))


def test_labels_that_are_views_are_read_too() -> None:
    """Whoever makes a record by hand may give it the labels of another one."""
    view = ObjectMeta(labels={"app": "x"}).labels
    record: Record[Any] = Record(ObjectMeta(name="a", labels=view), {}, dict)
    assert list(with_labels([record], LabelSelector.parse("app=x"))) == [record]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("metadata.name=b", ["b"]),
        ("metadata.name!=b", ["a", "c"]),
        ("metadata.namespace!=d", []),
        ("metadata.labels.app=b", ["b"]),
        ("metadata.deletionTimestamp=", ["a", "b", "c"]),
        ("metadata.name!=a,spec.nodeName=c", ["c"]),
        ("spec.nodeName!=c,metadata.name!=a", ["b"]),
        ("spec.none=", ["a", "b", "c"]),
    ],
)
def test_fields_are_compared_as_text_at_any_path(fields: str, names: list[str]) -> None:
    """Several terms must all hold, in whatever order they are written."""
    records = [a_record("d", name, {"app": name}) for name in "abc"]
    assert [record.key.name for record in with_fields(records, FieldSelector.parse(fields))] == names


def test_what_the_metadata_rules_out_is_not_decoded() -> None:
    """Although the term about it comes last."""

    def refuse(_data: object) -> Any:
        raise DecodeError("looked at")

    records: list[Record[Any]] = [Record(ObjectMeta(name=name), {}, refuse) for name in "ab"]
    assert not with_fields(records, FieldSelector.parse("spec.nodeName=x,metadata.name=c"))
    with pytest.raises(DecodeError, match="looked at"):
        with_fields(records, FieldSelector.parse("spec.nodeName=x,metadata.name=a"))


def test_a_field_of_the_metadata_that_does_not_exist_is_an_error() -> None:
    """Not a mismatch."""
    with pytest.raises(ValueError, match="does not decode 'nope'"):
        with_fields([a_record("d", "a", None)], FieldSelector.parse("metadata.nope=x"))
