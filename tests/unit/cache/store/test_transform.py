"""What is done to objects before they are stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ctrlkit.cache import Cause, Change, Informer, InformerOptions
from ctrlkit.errors import DecodeError
from ctrlkit.model import ObjectMeta, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.wire.codec import Codec
from tests.support.decoding import decode_list


class Slim(msgspec.Struct, frozen=True):
    """A ConfigMap's size, worked out once."""

    metadata: ObjectMeta
    size: int = 0


def body(name: str, version: int, **data: Any) -> bytes:
    metadata = {"name": name, "namespace": "d", "resourceVersion": str(version), "annotations": {"big": "x" * 100}}
    return msgspec.json.encode({"type": "ADDED", "object": {"kind": "ConfigMap", "metadata": metadata, "data": data}})


def trim(found: Unstructured) -> Unstructured:
    del found["metadata"]["annotations"]
    found["data"]["n"] = int(found["data"].get("n", 0))
    return found


def feed(informer: Informer[Any], *lines: bytes) -> None:
    codec = Codec(informer.resource)
    for line in lines:
        event = codec.decode_line(line)
        informer.apply([event])  # type: ignore[list-item]


@pytest.mark.behaviour("F8")
async def test_a_transform_decides_what_is_kept() -> None:
    """Object and metadata are what the function returned; a look is private all the same."""
    informer = Informer(CONFIG_MAPS, {}, options=InformerOptions(transform=trim))
    feed(informer, body("a", 1, n="7"))
    found = informer.lister.get("d/a")
    assert (found["data"], found.metadata.annotations) == ({"n": 7}, None)
    record = informer.lister.find_record("d/a")
    assert record is not None
    assert record.meta.annotations is None
    found["data"]["n"] = "spoilt"
    assert informer.lister.get("d/a")["data"] == {"n": 7}


@pytest.mark.behaviour("F8")
async def test_a_transform_is_called_once_for_each_change() -> None:
    """Not for what comes again, nor for what a new list has as it was; for the last state of a deleted object too."""
    calls: list[str] = []

    def note(found: Unstructured) -> Unstructured:
        calls.append(f"{found.key.name}@{found.metadata.resource_version}")
        return found

    informer = Informer(CONFIG_MAPS, {}, options=InformerOptions(transform=note))
    codec = Codec(CONFIG_MAPS)
    feed(informer, body("a", 1), body("b", 2), body("b", 2), body("a", 1))
    assert calls == ["a@1", "b@2"]
    items = [msgspec.json.decode(body(name, version))["object"] for name, version in (("a", 1), ("b", 3))]
    whole = {"kind": "ConfigMapList", "metadata": {"resourceVersion": "3"}, "items": items}
    again = decode_list(codec, msgspec.json.encode(whole))[0]
    informer.replace(again, cause=Cause.RELIST, scope="")
    assert calls == ["a@1", "b@2", "b@3"]
    feed(informer, body("a", 4).replace(b"ADDED", b"DELETED"))
    assert calls[3:] == ["a@4"]


async def test_an_immutable_result_is_shared() -> None:
    """Worked out once, for all who look."""

    def sized(found: Slim) -> Slim:
        return msgspec.structs.replace(found, size=3)

    informer = Informer(CONFIG_MAPS.of(Slim), {}, options=InformerOptions(transform=sized))
    feed(informer, body("a", 1))
    assert informer.lister.get("d/a").size == 3
    assert informer.lister.get("d/a") is informer.lister.get("d/a")


@pytest.mark.behaviour("B14")
async def test_an_object_that_a_transform_cannot_take_is_quarantined_until_its_next_change() -> None:
    """R15 loses it: here it is stored, told to handlers, listed with its error, and tried again."""
    informer = Informer(CONFIG_MAPS, {}, options=InformerOptions(transform=trim))
    told: list[Change[Unstructured]] = []
    informer.add_handler(told.append)
    feed(informer, body("a", 1, n="seven"))
    assert [str(key) for key in informer.lister.keys()] == ["d/a"]
    assert list(informer.statistics().quarantined) == ["d/a"]
    with pytest.raises(DecodeError, match=r"transform configmaps d/a: ValueError.*correct the function"):
        informer.lister.get("d/a")
    feed(informer, body("a", 2, n="7"))
    assert not informer.quarantine
    assert informer.lister.get("d/a")["data"] == {"n": 7}


@pytest.mark.behaviour("B14")
async def test_a_transform_may_not_rename() -> None:
    """Nor change the version: store and versions would no longer agree."""

    def rename(found: Unstructured) -> Unstructured:
        found["metadata"]["name"] = "b"
        return found

    informer = Informer(CONFIG_MAPS, {}, options=InformerOptions(transform=rename))
    feed(informer, body("a", 1))
    assert list(informer.statistics().quarantined) == ["d/a"]
