"""The history of a template is numbered, named as servers name it, and no longer than it may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.history import (
    Create,
    Keep,
    Renumber,
    Revision,
    choose,
    data_hash,
    data_of,
    in_order,
    revision_name,
    surplus,
    template_of,
)

_TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "db"}},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "img:1",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "by-hand",
    },
}


def test_a_revision_has_the_name_that_a_real_controller_gives_it() -> None:
    """As recorded of kube-controller-manager."""
    assert revision_name("db", data_hash(data_of(_TEMPLATE), 0)) == "db-f74d7d89b"


def test_the_name_of_a_revision_has_room_for_its_hash() -> None:
    assert revision_name("x" * 250, "abc") == "x" * 223 + "-abc"


@pytest.mark.parametrize(
    ("text", "same"),
    [({"a": "<&>"}, {"a": "<&>"}), ({"b": 1, "a": 2}, {"a": 2, "b": 1}), ({"n": 2**53 + 1}, {"n": 2**53})],
)
def test_the_hash_is_that_of_the_text_that_go_writes(text: dict[str, Any], same: dict[str, Any]) -> None:
    """The order of fields is none, and numbers are floats."""
    assert data_hash(text, 0) == data_hash(same, 0) != data_hash(text, 1)


def test_what_is_null_is_no_other_template() -> None:
    """Older servers wrote the time of a template's creation, which it has not, as null."""
    old = Revision(name="web-1", number=4, data=data_of({"metadata": {"creationTimestamp": None}, "spec": {}}))
    assert choose([old], data_of({"metadata": {}, "spec": {}})) == Keep(old)


_REVISIONS = st.lists(st.integers(0, 3), max_size=6).map(
    lambda contents: [
        Revision(name=f"web-{number}", number=number, data=data_of({"n": content}))
        for number, content in enumerate(contents, start=1)
    ]
)


@given(_REVISIONS, st.integers(0, 3))
def test_for_any_history_what_is_wanted_becomes_the_newest_revision(ordered: list[Revision], content: int) -> None:
    """It is made only if no revision has it, and then, and only then, numbers grow."""
    data = data_of({"n": content})
    match choose(ordered, data):
        case Keep(revision):
            assert revision == ordered[-1]
            assert revision.data == data
        case Renumber(revision, number):
            assert revision.data == data != ordered[-1].data
            assert number > ordered[-1].number
        case Create(number):
            assert data not in [one.data for one in ordered]
            assert number == (ordered[-1].number + 1 if ordered else 1)


@given(_REVISIONS, st.sets(st.sampled_from([f"web-{number}" for number in range(1, 7)])), st.integers(0, 4))
def test_for_any_history_the_oldest_go_and_none_that_lives(ordered: list[Revision], live: set[str], limit: int) -> None:
    gone = surplus(ordered, live=live, limit=limit)
    kept = [one for one in ordered if one not in gone]
    assert not live & {one.name for one in gone}
    assert len([one for one in kept if one.name not in live]) <= limit
    assert not gone or len(kept) == limit + len([one for one in kept if one.name in live])
    assert all(one.number > gone[-1].number for one in kept if gone and one.name not in live)


def test_revisions_of_one_number_are_ordered_by_age_and_name() -> None:
    revisions = [
        Revision(name=name, number=number, data={}, created=created)
        for name, number, created in (("c", 2, "1"), ("b", 1, "2"), ("a", 1, "2"), ("d", 1, "1"))
    ]
    assert [one.name for one in in_order(revisions)] == ["d", "a", "b", "c"]


def test_data_bring_back_the_template() -> None:
    assert template_of(data_of(_TEMPLATE)) == _TEMPLATE
