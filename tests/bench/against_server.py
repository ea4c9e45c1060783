"""
The informer's cases against a server that is there: `python -m tests.bench --server URL`.

Any server that lists and watches pods. Each informer, dict-like and frozen Struct, syncs and then follows what changes
by itself, up to 5,000 events or 10 s; what it costs is processor time of this process, socket and HTTP included,
against json.loads of what the server sent. Where fewer than 100 events come there is no figure for events. Events that
come one by one cost a turn of the loop each, several times the event itself; budgets are for streams.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import process_time
from typing import Any

from ctrlkit.cache import Cause, Change, Informer
from ctrlkit.client import Client
from ctrlkit.errors import ConfigError
from ctrlkit.model import Action, ObjectKey, Resource, Verb
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from ctrlkit.workqueue import WorkQueue
from tests.bench.case import Figure
from tests.bench.pods import DICT_LIKE, STRUCT

EVENTS, LEAST_EVENTS, LISTEN_S = 5_000, 100, 10.0


def cases(server: str) -> Sequence[Figure]:
    """First sync and watch event, for both kinds of Python type."""
    return asyncio.run(_measure(server.rstrip("/")))


async def _measure(server: str) -> Sequence[Figure]:
    async with RestTransport(Endpoint(server=server)) as transport:
        answer = await transport.do(Action(verb=Verb.LIST, resource=DICT_LIKE))
        pods = json.loads(answer).get("items") or []
        if not pods:
            raise ConfigError(f"measure against {server}: it has no pods; create some, a few hundred tell most")
        loads = _loads_us([answer]) / len(pods)
        line = _loads_us([json.dumps({"type": "MODIFIED", "object": pod}).encode() for pod in pods]) / len(pods)
        figures = []
        for resource, word, sync_budget, event_budget in (
            (DICT_LIKE, "dict-like", 1.0, 0.6),
            (STRUCT, "frozen Struct", 0.8, 0.45),
        ):
            sync, event = await _follow(Client(transport), resource)
            figures.append(_figure(f"server: first sync, each of {len(pods)} pods, {word}", sync, loads, sync_budget))
            if event:
                figures.append(_figure(f"server: watch event, {word}", event, line, event_budget))
        return figures


async def _follow(client: Client, resource: Resource[Any]) -> tuple[float, float]:
    """Microseconds for each object of the first list, and for each event after it; 0 where too few came."""
    source = client.list_watch(resource)
    source.stop_streaming()  # a server that is a script may not know of streamed lists
    informer = Informer(resource, {"": source})
    seen = _Events()
    informer.add_handler(seen.note)
    began = process_time()
    running = asyncio.create_task(informer.run())
    try:
        await informer.wait_synced()
        sync = (process_time() - began) / max(1, len(informer.lister)) * 1e6
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S):
                await seen.enough.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
    return sync, seen.microseconds_each


class _Events:
    """Takes changes of the watch to a work queue, as a controller does, and what they cost."""

    def __init__(self) -> None:
        self.enough = asyncio.Event()
        self._queue = WorkQueue[ObjectKey]()
        self._count = 0
        self._began = self._latest = 0.0

    @property
    def microseconds_each(self) -> float:
        """Between the first event and the last one."""
        return (self._latest - self._began) / (self._count - 1) * 1e6 if self._count >= LEAST_EVENTS else 0.0

    def note(self, change: Change[Any]) -> None:
        """A handler."""
        self._queue.add(change.key)
        self._queue.done(self._queue.take_nowait())
        if change.cause is not Cause.WATCH or self.enough.is_set():
            return
        self._count += 1
        self._latest = process_time()
        if self._count == 1:
            self._began = self._latest
        elif self._count == EVENTS:
            self.enough.set()


def _figure(name: str, value: float, baseline: float, budget: float) -> Figure:
    return Figure(name=name, take=_given(value), baseline=_given(baseline), unit="us", budget=budget)


def _given(value: float) -> Callable[[], float]:
    return lambda: value


def _loads_us(documents: Sequence[bytes]) -> float:
    best = float("inf")
    for _ in range(5):
        began = process_time()
        for document in documents:
            json.loads(document)
        best = min(best, process_time() - began)
    return best * 1e6
