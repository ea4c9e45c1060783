"""A long list is decoded in parts, and the parts are the list."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import DecodeError
from ctrlkit.model.kinds import PODS
from ctrlkit.wire import list_parts
from ctrlkit.wire.codec import Codec
from ctrlkit.wire.list_parts import parts_of
from tests.support.decoding import decode_list

MISLEADING = '},{"metadata":{'
VALUES = st.recursive(
    st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=5), st.sampled_from([MISLEADING, "]}", '"items":['])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["metadata", "items", "a"]), inner, max_size=3),
        st.lists(st.fixed_dictionaries({"metadata": inner}), max_size=3),
    ),
    max_leaves=8,
)
IDENTITIES = st.sampled_from([{}, {"apiVersion": "demo.dev/v1", "kind": "Widget"}])


@st.composite
def lists(draw: st.DrawFn) -> dict[str, Any]:
    """A list as servers write it: each item begins alike, and ends in any way."""
    identity = draw(IDENTITIES)
    items = draw(st.lists(st.tuples(st.integers(0, 99), VALUES), max_size=12))
    return {
        "kind": "PodList",
        "metadata": {"resourceVersion": "7", "continue": draw(st.sampled_from(["", "c"]))},
        "items": [{**identity, "metadata": {"name": f"p-{n}"}, "spec": value} for n, value in items],
    }


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one item or a few."""
    monkeypatch.setattr(list_parts, "PART_BYTES", 40)


@pytest.mark.behaviour("B16")
@pytest.mark.usefixtures("small_parts")
@given(lists())
def test_for_any_list_its_parts_are_the_list(whole: dict[str, Any]) -> None:
    """All items once and in order, the last part with the list's metadata, whatever in an item looks like its end."""
    parts = list(parts_of(msgspec.json.encode(whole)))
    assert [msgspec.json.decode(item) for page in parts for item in page.items or ()] == whole["items"]
    assert (parts[-1].version, parts[-1].continue_token) == ("7", whole["metadata"]["continue"])


@pytest.mark.usefixtures("small_parts")
@given(lists(), st.data())
def test_for_any_list_that_is_cut_nothing_is_taken_for_the_whole(whole: dict[str, Any], data: st.DataObject) -> None:
    """Half a collection would delete the other half."""
    encoded = msgspec.json.encode(whole)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(DecodeError, match="list pods: what came is"):
        decode_list(Codec(PODS), encoded[:cut])


@pytest.mark.usefixtures("small_parts")
def test_a_long_list_has_many_parts() -> None:
    """Also one in which each item holds what looks like the end of one."""
    items = [{"metadata": {"name": str(n)}, "spec": [{"a": 1}, {"metadata": {}}, {"metadata": {}}]} for n in range(50)]
    parts = list(parts_of(msgspec.json.encode({"metadata": {"resourceVersion": "7"}, "items": items})))
    assert len(parts) > 20
    assert sum(len(page.items or ()) for page in parts) == 50


@pytest.mark.usefixtures("small_parts")
def test_parts_end_between_items_however_many_objects_these_hold() -> None:
    """The ends of twenty objects within an item are passed over at once; only what begins as an item does counts."""
    items = [{"metadata": {"name": str(n)}, "spec": [{"a": m} for m in range(20)]} for n in range(50)]
    parts = list(parts_of(msgspec.json.encode({"metadata": {"resourceVersion": "7"}, "items": items})))
    assert len(parts) > 20
    assert [msgspec.json.decode(item) for page in parts for item in page.items or ()] == items


@pytest.mark.parametrize(
    "text",
    [
        b'{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[%s]}',
        b'{"items": [ %s ], "kind": "PodList", "metadata": {"resourceVersion": "7"}}',
        b'{"metadata":{"resourceVersion":"7","items":[{}]},"items":[%s],"more":{"items":[{}]}}',
    ],
)
def test_items_that_are_no_json_are_cut_apart_by_their_brackets(text: bytes) -> None:
    """Each is as it came, and what the list says of itself is read, wherever that stands."""
    items = [b'{"metadata":{"name":"a"}}', b'{"spec":[{"a":NaN},"]}"]}', b'{"metadata":{"name":"c"}}']
    (page,) = parts_of(text % b", ".join(items))
    assert [bytes(item) for item in page.items or ()] == items
    assert page.version == "7"


@pytest.mark.parametrize(
    "text", [b'{"metadata":{"items":[NaN]}}', b'[{"items":[NaN]}]', b'{"items":{"a":NaN}}', b"NaN"]
)
def test_what_is_no_list_is_not_made_one(text: bytes) -> None:
    """The error is the decoder's."""
    with pytest.raises(msgspec.DecodeError):
        list(parts_of(text))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "body",
    [
        {
            "items": [{"data": {}, "metadata": {"name": str(n)}} for n in range(20)],
            "metadata": {"resourceVersion": "7"},
        },
        {"metadata": {"resourceVersion": "7"}, "items": [{"name": "no metadata at all"}] * 20},
        {"metadata": {"resourceVersion": "7", "items": [{"metadata": {}}]}, "items": [{"metadata": {}}] * 20},
        {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {}, "x": [{"metadata": {}}] * 20}] * 20},
    ],
    ids=["metadata last", "no metadata", "other items first", "look-alikes without end"],
)
def test_what_looks_otherwise_is_read_all_the_same(body: dict[str, Any]) -> None:
    """In as many parts as may be, one if need be."""
    parts = list(parts_of(msgspec.json.encode(body)))
    assert [msgspec.json.decode(item) for page in parts for item in page.items or ()] == body["items"]
    assert parts[-1].version == "7"
    spaced = (
        b'{ "metadata" : {"resourceVersion": "7"}, "items" : [ {"metadata": {}} , {"metadata": {}} ] }' + b" " * 100
    )
    (page,) = parts_of(spaced)
    assert len(page.items or ()) == 2
