"""A recorder at work against a server that does as it is told."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.errors import CtrlkitError
from ctrlkit.events import EventRecorder, EventsApi, EventType
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.model import Action, Lines, ObjectMeta, Transport
from ctrlkit.model.kinds import PODS

POD = ObjectMeta(name="web-0", namespace="demo", uid="u1", resource_version="7")


class EventServer:
    """A Transport that notes each call with its time, raises what it is told to, and else says yes."""

    def __init__(self, *errors: CtrlkitError | None) -> None:
        self.errors = list(errors)
        self.actions: list[Action] = []
        self.times: list[float] = []

    async def do(self, action: Action) -> bytes:
        self.actions.append(action)
        self.times.append(round(monotonic(), 6))
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        metadata = {"name": action.name, "namespace": action.namespace}
        return json.dumps({"kind": action.resource.kind, "metadata": metadata}).encode()

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        raise NotImplementedError(action)

    @property
    def written(self) -> list[tuple[str, Any]]:
        """Verb and count of each call."""
        return [(action.verb.value, count_of(action.body)) for action in self.actions]


def count_of(body: dict[str, Any]) -> int:
    """How often an Event occurred, in either form."""
    if "count" in body:
        return int(body["count"])
    return int((body.get("series") or {"count": 1})["count"])


@asynccontextmanager
async def recording(server: Transport, api: EventsApi = EventsApi.CORE_V1) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(Client(server), "bitcoin", api=api)
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def say(
    recorder: EventRecorder, message: str = "created service web", reason: str = "Created", about: ObjectMeta = POD
) -> None:
    recorder.event(about, PODS, EventType.NORMAL, reason, message)


class NoJitter(random.Random):
    """Every delay at its upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def without_jitter() -> None:
    """From now on, in this test, every delay is the longest it can be."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.random_source = NoJitter()
