"""
What does a watch event cost on its way from a line of JSON to a key in a work queue?

Budget   0.6 x json.loads of the same line for dict-like objects, 0.45 x decoded to a frozen Struct of the used fields.
Sketch   json.loads of a 4.5 KB line is about 20 us. One msgspec pass over it that keeps metadata only is about 4 us
         (annotations and labels become dicts), the record, the store with its namespace index, one handler and the
         queue are a dozen small Python calls, about 4 us: 0.4. Above 0.6 the line was scanned twice.
Method   tests/bench/data/pod.json as MODIFIED lines of 1,000 pods whose versions rise from call to call; the decoder,
         sink, handler and queue are the real ones, run on a loop so that handlers drain as they do in life.
Run      make bench ARGS=watch_event
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from ctrlkit.cache import Change, Informer
from ctrlkit.model import Bookmark, ObjectKey, Resource
from ctrlkit.wire.codec import Codec
from ctrlkit.workqueue import WorkQueue
from tests.bench.case import Case
from tests.bench.pods import DICT_LIKE, STRUCT, lines

PODS_IN_PLAY = 1_000


def cases() -> list[Case]:
    """Both kinds of Python type."""
    return [
        _case("watch event: line to queued key, dict-like", DICT_LIKE, budget=0.6),
        _case("watch event: line to queued key, frozen Struct", STRUCT, budget=0.45),
    ]


def _case(name: str, resource: Resource[Any], *, budget: float) -> Case:
    return Case(name=name, subject=_events(resource), baseline=_loads(), operations=PODS_IN_PLAY, budget=budget)


def _loads() -> Callable[[], None]:
    made = lines(PODS_IN_PLAY, first_version=1)

    def run() -> None:
        for line in made:
            json.loads(line)

    return run


def _events(resource: Resource[Any]) -> Callable[[], None]:
    """Each call takes the next thousand versions; they are made before any timer starts."""
    rounds = iter([lines(PODS_IN_PLAY, first_version=1_000_000 * (turn + 1)) for turn in range(8)])
    loop = asyncio.new_event_loop()
    codec, queue = Codec(resource), WorkQueue[ObjectKey]()
    informer = Informer(resource, {})

    def enqueue(change: Change[Any]) -> None:
        queue.add(change.key)

    async def begin() -> None:
        informer.add_handler(enqueue)

    async def one_round() -> None:
        for line in next(rounds):
            event = codec.decode_line(line)
            assert not isinstance(event, Bookmark)
            informer.apply([event])
        while informer.busy():  # noqa: ASYNC110 - one turn of the loop, one slice of the handler's buffer
            await asyncio.sleep(0)
        for _ in range(PODS_IN_PLAY):
            queue.done(queue.take_nowait())

    loop.run_until_complete(begin())
    return lambda: loop.run_until_complete(one_round())
