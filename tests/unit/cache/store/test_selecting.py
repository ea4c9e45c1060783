"""Which records a selector picks, of many at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.cache.change import Cause
from ctrlkit.cache.store.lister import Lister
from ctrlkit.cache.store.selecting import with_fields, with_labels
from ctrlkit.cache.store.store import Store
from ctrlkit.errors import DecodeError
from ctrlkit.model import Applied, Deleted, FieldSelector, LabelSelector, ObjectMeta, Record, Snapshot
from ctrlkit.model.kinds import PODS

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
