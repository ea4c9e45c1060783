"""The figures in the guides of operations are those that are measured."""

from __future__ import annotations

import gc
import re
import sys
import tracemalloc
from typing import Any

import msgspec
import pytest

from ctrlkit import Unstructured
from ctrlkit.cache import Cause
from ctrlkit.cache.store.store import Store
from ctrlkit.cache.store.transform import Transform
from ctrlkit.kinds import core
from ctrlkit.model import ObjectMeta, Resource
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.codec import Codec
from tests.bench.pods import pod, pod_list
from tests.support.decoding import decode_list
from tests.support.snippets import ROOT

COUNT = 1_000


class PodStatus(msgspec.Struct, frozen=True):
    """The one field of the guide's class."""

    phase: str = ""


class Pod(msgspec.Struct, frozen=True):
    """The guide's class."""

    metadata: ObjectMeta
    status: PodStatus = PodStatus()


def without_spec(found: Unstructured) -> Unstructured:
    """The guide's transform."""
    del found["spec"]
    return found


FORMS: dict[str, tuple[Resource[Any], Any]] = {
    "`PODS`, dict-like": (PODS, None),
    "`ctrlkit.kinds.core.PODS`, with all fields typed": (core.PODS, None),
    "`PODS.of(Pod)`, a class that names one field": (PODS.of(Pod), None),
    "`PODS.metadata_only()`": (PODS.metadata_only(), None),
    "`PODS` with a transform that drops `spec`": (PODS, without_spec),
}


@pytest.mark.long
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the guide has the figures of Python 3.11")
@pytest.mark.parametrize("form", FORMS)
def test_a_cached_pod_weighs_what_the_guide_on_memory_says(form: str) -> None:
    """Within a tenth: bytes that Python allocated for a store of pods, for each of them."""
    row = re.search(rf"^\| {re.escape(form)} \| (\d+) \|", (ROOT / "docs/howto/memory.md").read_text(), re.MULTILINE)
    assert row is not None
    answer = pod_list([pod(number, number + 1) for number in range(COUNT)], version=COUNT)
    resource, function = FORMS[form]
    codec = Codec(resource)
    store: Store[Any] = Store(transform=None if function is None else Transform(resource, function))
    gc.collect()
    tracemalloc.start()
    try:
        snapshot, _ = decode_list(codec, answer)
        store.replace(snapshot, cause=Cause.INITIAL)
        del snapshot
        gc.collect()
        found = tracemalloc.get_traced_memory()[0] / COUNT
    finally:
        tracemalloc.stop()
    assert found == pytest.approx(int(row[1]), rel=0.1)
