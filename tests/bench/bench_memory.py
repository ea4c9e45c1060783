"""
What does a cached pod weigh, nothing trimmed?

Budget   1.5 x the object's bytes on the wire for dict-like objects, 0.5 x for a frozen Struct.
Sketch   The bytes themselves are 1.0; metadata as a Struct with two dicts, owner references and their texts is about
         1.7 KB; record, key and index entries 0.4 KB: 1.47. A Struct has no bytes: 0.48.
Method   tracemalloc over the decoding of one list of 5,000 pods into a store with its namespace index, per pod.
Run      make bench ARGS=memory
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

from ctrlkit.cache import Cause
from ctrlkit.cache.store.store import Store
from ctrlkit.model import Resource
from ctrlkit.wire.codec import Codec
from tests.bench.case import Figure
from tests.bench.pods import DICT_LIKE, STRUCT, pod, pod_list
from tests.support.decoding import decode_list

COUNT = 5_000


def cases() -> list[Figure]:
    """Both kinds of Python type."""
    answer = pod_list([pod(number, number + 1) for number in range(COUNT)], version=COUNT)
    return [
        _figure("memory of a cached pod, dict-like", DICT_LIKE, answer, budget=1.5),
        _figure("memory of a cached pod, frozen Struct", STRUCT, answer, budget=0.5),
    ]


def _figure(name: str, resource: Resource[Any], answer: bytes, *, budget: float) -> Figure:
    return Figure(
        name=name, take=_weigh(resource, answer), baseline=lambda: len(answer) / COUNT, unit="bytes", budget=budget
    )


def _weigh(resource: Resource[Any], answer: bytes) -> Callable[[], float]:
    def weigh() -> float:
        codec = Codec(resource)
        store: Store[Any] = Store()
        gc.collect()
        tracemalloc.start()
        try:
            snapshot, _ = decode_list(codec, answer)
            store.replace(snapshot, cause=Cause.INITIAL)
            del snapshot
            gc.collect()
            return tracemalloc.get_traced_memory()[0] / COUNT
        finally:
            tracemalloc.stop()

    return weigh
