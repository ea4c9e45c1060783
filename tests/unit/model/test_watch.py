"""What a record gives to those who look at it."""

from __future__ import annotations

import pytest

from ctrlkit.errors import DecodeError
from ctrlkit.model import Applied, ObjectMeta, Record, Unstructured, Unusable
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.codec import Codec

LINE = b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"1"}}}'


def record() -> Record[Unstructured]:
    event = Codec(PODS).decode_line(LINE)
    assert isinstance(event, Applied)
    return event.record


def test_all_who_only_look_share_one_value_and_each_other_gets_one_of_its_own() -> None:
    one = record()
    assert one.shared is one.shared
    assert one.value is not one.value
    assert one.value is not one.shared
    assert one.value == one.shared


def test_what_somebody_does_to_a_value_of_his_own_is_not_shared() -> None:
    one = record()
    _ = one.shared
    one.value["metadata"]["name"] = "b"
    assert one.shared.key.name == one.value.key.name == "a"


def test_what_cannot_be_used_cannot_be_shared() -> None:
    with pytest.raises(DecodeError, match="it has no spec"):
        _ = Unusable(ObjectMeta(name="a"), DecodeError("it has no spec")).shared
