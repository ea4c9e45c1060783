"""Object metadata."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.model import ObjectKey, is_newer, meta_of
from ctrlkit.model.kinds import STATEFULSETS


def test_a_child_knows_its_one_controller_by_uid() -> None:
    """A namesake recreated later is not its owner."""
    owner = meta_of({"metadata": {"name": "net", "namespace": "demo", "uid": "u1"}})
    namesake = meta_of({"metadata": {"name": "net", "namespace": "demo", "uid": "u2"}})
    reference = STATEFULSETS.owner_reference(owner)
    child = meta_of(
        {
            "metadata": {
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "X", "name": "other", "uid": "u3"},
                    {
                        "apiVersion": reference.api_version,
                        "kind": reference.kind,
                        "name": reference.name,
                        "uid": reference.uid,
                        "controller": True,
                    },
                ]
            }
        }
    )
    assert child.is_controlled_by(owner)
    assert not child.is_controlled_by(namesake)
    assert child.controller is not None
    assert child.controller.group == "apps"


def test_nulls_as_old_objects_carry_them_decode() -> None:
    """creationTimestamp: null and absent lists are common in hand-made objects."""
    meta = meta_of({"metadata": {"name": "a", "creationTimestamp": None, "labels": None, "ownerReferences": None}})
    assert meta.controller is None
    assert not meta.deleting


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)


@pytest.mark.behaviour("S1")
@given(namespace=st.one_of(st.just(""), NAMES), name=NAMES)
def test_for_any_key_its_text_reads_back(namespace: str, name: str) -> None:
    """S1: namespace/name, or the name alone."""
    key = ObjectKey(namespace, name)
    assert ObjectKey.parse(str(key)) == key
    assert ObjectKey.of(str(key)) == ObjectKey.of(key)


@pytest.mark.behaviour("S1")
@pytest.mark.parametrize("text", ["", "a/", "/a", "a/b/c", "/"])
def test_text_that_is_no_key_is_refused(text: str) -> None:
    """S1: the error shows the text and the two forms."""
    with pytest.raises(ValueError, match="want 'name' or 'namespace/name'"):
        ObjectKey.parse(text)


@given(one=st.integers(0, 10**30), other=st.integers(0, 10**30))
def test_for_any_two_versions_the_order_is_that_of_the_numbers(one: int, other: int) -> None:
    """Whatever their length."""
    assert is_newer(str(one), than=str(other)) is (one > other)


def test_versions_that_are_no_numbers_have_no_order() -> None:
    """A caller falls back on equality."""
    assert not is_newer("abc", than="5")
    assert not is_newer("5", than="abc")
    assert is_newer("abc", than="")
