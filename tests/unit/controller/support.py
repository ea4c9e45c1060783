"""A controller on a real informer whose source plays a script."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from ctrlkit.cache import Informer
from ctrlkit.clock import monotonic
from ctrlkit.controller import Controller, ControllerStatistics, Outcome, Reconcile, Request, Result, Watch, to_self
from ctrlkit.controller.metrics import ControllerCollector
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.model.kinds import PODS
from tests.support.list_watch import ScriptedSource, Stream
from tests.support.records import record, snapshot


class NoJitter(random.Random):
    """Every delay at its upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def virtual_loop() -> VirtualTimeLoop:
    """The loop that runs this test."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def without_jitter() -> None:
    """From now on, in this test, every delay is the longest it can be."""
    virtual_loop().random_source = NoJitter()


def pods(*keys: str) -> Informer[Any]:
    """An informer of pods that lists these and then hears nothing."""
    listed = snapshot(1, *(record(key, 1) for key in keys))
    return Informer[Any](PODS, {"": ScriptedSource([listed], watches=[Stream(open_s=300)])})


@asynccontextmanager
async def running(
    controller: Controller, *, may_work: asyncio.Event | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """The controller and its informers at work, and cut off at the end."""
    informers = dict.fromkeys(watch.informer for watch in controller.watches if isinstance(watch, Watch))
    mirrors = [asyncio.create_task(informer.run(), name=informer.name) for informer in informers]
    work = asyncio.create_task(controller.run(may_work=may_work), name=controller.name)
    try:
        yield work
    finally:
        for task in (work, *mirrors):
            task.cancel()
        await asyncio.wait((work, *mirrors))
        if not work.cancelled():
            work.result()


class Script:
    """A reconciler that plays a list of outcomes and errors, the last one for ever, and notes when it was called."""

    def __init__(self, *ends: object) -> None:
        self.ends = list(ends)
        self.calls: list[tuple[str, int, float]] = []
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Outcome:
        self.calls.append((str(request.key), request.attempt, round(monotonic(), 6)))
        self.requests.append(request)
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, BaseException):
            raise end
        return end  # type: ignore[return-value]


def one(reconcile: Reconcile, informer: Informer[Any], **options: Any) -> Controller:
    """A controller of the objects of one informer."""
    return Controller(name="test", reconcile=reconcile, watches=[Watch(informer, to_self)], **options)


def counts(statistics: ControllerStatistics) -> dict[Result, int]:
    """The results that there were."""
    return {result: count for result, count in statistics.results.items() if count}


def lines_of(lines: Iterable[Any], event: str) -> list[Any]:
    """The log lines of one event."""
    return [line for line in lines if line["event"] == event]


def samples(*controllers: Controller) -> Callable[..., float | None]:
    """What a scrape says of a metric: `value("controller_stuck_keys")`, of the controller named test unless told."""
    registry = CollectorRegistry()
    registry.register(ControllerCollector(lambda: controllers))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"controller": "test", **labels})

    return value
