"""
How long from a change on the server to the start of its reconcile, over HTTP, at 1,000 changes a second?

Budget   Half of them within 2 ms, 99 of 100 within 10 ms.
Sketch   A write is seen by the watch on the loop's next turn, encoded, sent over loopback, split, decoded (10 us), put
         into the store, told to the handler on the next turn, and taken by a worker on the turn after it: 0.5 ms. The
         server shares the loop, and 1,000 events a second with their reconciles keep one core half busy.
Method   Tracker, API server, client, informer and controller in one process, connected over loopback. 50 ConfigMaps are
         changed in turn, one every millisecond, for 10 s; a change carries the time at which it was written, and the
         reconcile of its key reads it. Changes that one reconcile covers count with the latest one only.
Run      make bench ARGS=latency
"""

from __future__ import annotations

import asyncio
from functools import cache
from time import perf_counter

import structlog

from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.bench.case import Figure, slowness

OBJECTS, PER_SECOND, SECONDS = 50, 1_000, 10


def cases() -> list[Figure]:
    """Two percentiles of one run."""
    return [
        Figure(name="change to reconcile over HTTP, 1,000 a second: p50", take=lambda: _at(0.50), unit="ms", budget=2),
        Figure(name="change to reconcile over HTTP, 1,000 a second: p99", take=lambda: _at(0.99), unit="ms", budget=10),
    ]


def _at(share: float) -> float:
    latencies = _latencies()
    return latencies[int(share * (len(latencies) - 1))] * 1000


@cache
def _latencies() -> list[float]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    try:
        return sorted(asyncio.run(_run()))
    finally:
        structlog.reset_defaults()


async def _run() -> list[float]:
    tracker, latencies = Tracker(), list[float]()
    written: dict[str, float] = {}
    for number in range(OBJECTS):
        tracker.create(CONFIG_MAPS, {"metadata": {"name": f"c-{number}", "namespace": "default"}})
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        RestTransport(Endpoint(server=server.url)) as transport,
    ):
        manager = Manager(Client(transport))

        async def reconcile(request: Request) -> Outcome:
            if request.name in written:
                latencies.append(perf_counter() - written.pop(request.name))
            return DONE

        manager.add(
            Controller(name="bench", reconcile=reconcile, watches=[Watch(manager.informer(CONFIG_MAPS), to_self)])
        )
        stop, per_second = asyncio.Event(), PER_SECOND / slowness()
        running = asyncio.create_task(manager.run(stop))
        await asyncio.sleep(0.5)
        began = perf_counter()
        for number in range(int(per_second * SECONDS)):
            name = f"c-{number % OBJECTS}"
            written.setdefault(name, perf_counter())
            tracker.patch(CONFIG_MAPS, f"default/{name}", MergePatch({"data": {"turn": str(number)}}))
            await asyncio.sleep(max(0.0, began + (number + 1) / per_second - perf_counter()))
        await asyncio.sleep(0.2)
        stop.set()
        await running
    return latencies
