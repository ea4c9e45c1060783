"""
What does the first list of 10,000 pods cost, from the answer's bytes to handlers that have seen every object?

Budget   1.0 x json.loads of the same list for dict-like objects, 0.8 x for a frozen Struct.
Sketch   json.loads of 45 MB is about 200 ms. Cutting it into raw items is one scan of 25 ms, metadata of each item a
         second, partial one of 4 us, the store and the handler 4 us more: 110 ms, 0.55. Above 1.0 items were decoded.
Method   The bytes are made before the timer starts. Each round has a new informer; its handler adds keys to a queue.
Run      make bench ARGS=first_sync
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from ctrlkit.cache import Cause, Change, Informer
from ctrlkit.model import ObjectKey, Resource
from ctrlkit.wire.codec import Codec
from ctrlkit.workqueue import WorkQueue
from tests.bench.case import Case
from tests.bench.pods import DICT_LIKE, STRUCT, pod, pod_list
from tests.support.decoding import decode_list

COUNT = 10_000


def cases() -> list[Case]:
    """Both kinds of Python type."""
    answer = pod_list([pod(number, number + 1) for number in range(COUNT)], version=COUNT)
    return [
        _case("first sync of 10,000 pods, dict-like", DICT_LIKE, answer, budget=1.0),
        _case("first sync of 10,000 pods, frozen Struct", STRUCT, answer, budget=0.8),
    ]


def _case(name: str, resource: Resource[Any], answer: bytes, *, budget: float) -> Case:
    return Case(
        name=name,
        subject=_sync(resource, answer),
        baseline=lambda: json.loads(answer),
        operations=COUNT,
        budget=budget,
        rounds=3,
    )


def _sync(resource: Resource[Any], answer: bytes) -> Callable[[], None]:
    codec = Codec(resource)

    async def sync() -> None:
        queue = WorkQueue[ObjectKey]()
        informer = Informer(resource, {})

        def enqueue(change: Change[Any]) -> None:
            queue.add(change.key)

        informer.add_handler(enqueue)
        snapshot, _ = decode_list(codec, answer)
        informer.replace(snapshot, cause=Cause.INITIAL, scope="")
        while informer.busy():  # noqa: ASYNC110 - one turn of the loop, one slice of the handler's buffer
            await asyncio.sleep(0)
        assert queue.statistics().ready == COUNT

    return lambda: asyncio.run(sync())
