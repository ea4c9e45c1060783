"""A controller on a real informer whose source plays a script."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ctrlkit.cache import Informer
from ctrlkit.controller import Controller
from ctrlkit.model.kinds import PODS
from fakes.loop import VirtualTimeLoop
from tests.support.list_watch import ScriptedSource
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
    return Informer[Any](PODS, {"": ScriptedSource([snapshot(1, *(record(key, 1) for key in keys))])})


@asynccontextmanager
async def running(controller: Controller) -> AsyncIterator[asyncio.Task[None]]:
    """The controller and its informers at work, and cut off at the end."""
    informers = {id(watch.informer): watch.informer for watch in controller.watches}
    mirrors = [asyncio.create_task(informer.run(), name=informer.name) for informer in informers.values()]
    work = asyncio.create_task(controller.run(), name=controller.name)
    try:
        yield work
    finally:
        for task in (work, *mirrors):
            task.cancel()
        await asyncio.wait((work, *mirrors))
        if not work.cancelled():
            work.result()
