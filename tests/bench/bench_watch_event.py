"""
What does a watch event cost on its way from a line of JSON to a key in a work queue?

Budget   0.6 x json.loads of the same line for dict-like objects, 0.45 x decoded to a frozen Struct of the used fields,
         2 x to a pydantic model of these fields.
Sketch   json.loads of a 4.5 KB line is about 20 us. One msgspec pass over it that keeps metadata only is about 4 us
         (annotations and labels become dicts), the record, the store with its namespace index, one handler and the
         queue are a dozen small Python calls, about 4 us: 0.4. Above 0.6 the line was scanned twice.
         A model is validated when the line comes, which is one more pass of 10 us over it with a parser of its own, and
         again at each look; there is no reason to take one for speed.
Method   tests/bench/data/pod.json as MODIFIED lines of 1,000 pods whose versions rise from call to call. Client,
         reflector, store, handler and queue are the real ones and run on a loop as in life; only the transport is one
         of this process, which has the lines at hand and gives as many at a time as fit into a chunk.
Run      make bench ARGS=watch_event
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ctrlkit.cache import Change, Informer
from ctrlkit.client import Client
from ctrlkit.model import Action, Lines, ObjectKey, Resource
from ctrlkit.workqueue import WorkQueue
from tests.bench.case import Case
from tests.bench.pods import DICT_LIKE, MODEL, STRUCT, lines

PODS_IN_PLAY = 1_000
ROUNDS = 8
LINES_AT_ONCE = 10


def cases() -> list[Case]:
    """Each kind of Python type."""
    return [
        _case("watch event: line to queued key, dict-like", DICT_LIKE, budget=0.6),
        _case("watch event: line to queued key, frozen Struct", STRUCT, budget=0.45),
        _case("watch event: line to queued key, pydantic model", MODEL, budget=2.0),
    ]


def _case(name: str, resource: Resource[Any], *, budget: float) -> Case:
    return Case(name=name, subject=_events(resource), baseline=_loads(), operations=PODS_IN_PLAY, budget=budget)


def _loads() -> Callable[[], None]:
    made = lines(PODS_IN_PLAY, first_version=1)

    def run() -> None:
        for line in made:
            json.loads(line)

    return run


class _Server:
    """A Transport with an empty list and one watch, whose lines are put here."""

    streams_lists = False

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[Sequence[bytes]] = asyncio.Queue()

    async def do(self, action: Action) -> bytes:
        """The list."""
        return b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}'

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """The watch."""
        yield self._lines()

    async def _lines(self) -> AsyncIterator[Sequence[bytes]]:
        while True:
            yield await self.chunks.get()


def _events(resource: Resource[Any]) -> Callable[[], None]:
    """Each call takes the next thousand versions, which are made before any timer starts; the last one ends it all."""
    rounds = [lines(PODS_IN_PLAY, first_version=1_000_000 * (turn + 1)) for turn in range(ROUNDS)]
    loop, queue, server = asyncio.new_event_loop(), WorkQueue[ObjectKey](), _Server()
    informer = Informer(resource, {"": Client(server).list_watch(resource)})
    running: asyncio.Task[None] | None = None
    turns = iter(range(ROUNDS))
    handled = 0

    def enqueue(change: Change[Any]) -> None:
        nonlocal handled
        handled += 1
        queue.add(change.key)

    async def begin() -> asyncio.Task[None]:
        informer.add_handler(enqueue)
        running = asyncio.create_task(informer.run())
        await informer.wait_synced()
        return running

    async def one_round(turn: int) -> None:
        nonlocal running
        running = running or await begin()
        for start in range(0, PODS_IN_PLAY, LINES_AT_ONCE):
            server.chunks.put_nowait(rounds[turn][start : start + LINES_AT_ONCE])
        while handled < PODS_IN_PLAY * (turn + 1):  # noqa: ASYNC110 - one turn of the loop, one slice of the buffer
            await asyncio.sleep(0)
        for _ in range(PODS_IN_PLAY):
            queue.done(queue.take_nowait())
        if turn + 1 == ROUNDS:
            running.cancel()
            await asyncio.wait([running])

    return lambda: loop.run_until_complete(one_round(next(turns)))
