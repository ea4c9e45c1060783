"""What is kept of the states of objects, and for how long."""

from __future__ import annotations

from typing import Any

import msgspec

from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.store import FRESH
from ctrlkit.model import MergePatch, ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS, PODS
from tests.support.objects import a_pod


def parsed(tail: bytes) -> Any:
    return msgspec.json.decode(b"{" + tail)


async def test_a_state_is_read_as_its_bytes_say_whenever_it_is_read() -> None:
    """At once, or after many other writes, and with its fields in the order of the bytes."""
    tracker = Tracker()
    tracker.create(PODS, a_pod("one"))
    patch = MergePatch({"metadata": {"labels": {"a": "b"}}, "status": {"conditions": []}})
    tracker.patch(PODS, "default/one", patch, subresource="status")
    pods = tracker.log.collection(PODS.identity)
    early = pods.find(ObjectKey("default", "one"))
    assert early is not None
    assert msgspec.json.encode(early.plain) == msgspec.json.encode(parsed(early.tail))
    tracker.create(PODS, a_pod("two"))
    late = pods.find(ObjectKey("default", "two"))
    assert late is not None
    for number in range(FRESH):
        tracker.create(CONFIG_MAPS, {"metadata": {"name": f"c{number}", "namespace": "default"}})
    assert late._made is None, "nobody has looked, so nothing but the bytes is kept"
    assert msgspec.json.encode(late.plain) == msgspec.json.encode(parsed(late.tail))
