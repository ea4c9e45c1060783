"""
The informer's cases against a server that is there: `python -m tests.bench --server URL`.

The server must list and watch pods and let them be annotated; it needs at least one. First sync and events are measured
as processor time of this process, socket and HTTP included, against json.loads of what the server sent. The changes
come from a process of their own, which annotates pods in turn.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

from ctrlkit.cache import Cause, Change, Informer
from ctrlkit.client import Client
from ctrlkit.errors import ConfigError
from ctrlkit.model import Action, MergePatch, Verb
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.bench.case import Figure

CHANGES = 2_000
ANNOTATION = "ctrlkit.bench/turn"


def cases(server: str) -> Sequence[Figure]:
    """First sync and watch event."""
    found = asyncio.run(_measure(server.rstrip("/")))
    return [
        Figure(name=name, take=_given(value), baseline=_given(baseline), unit="us", budget=1.0)
        for name, value, baseline in found
    ]


def _given(value: float) -> Callable[[], float]:
    return lambda: value


async def _measure(server: str) -> Sequence[tuple[str, float, float]]:
    async with RestTransport(Endpoint(server=server)) as transport:
        answer = await transport.do(Action(verb=Verb.LIST, resource=PODS))
        pods = json.loads(answer)["items"]
        if not pods:
            raise ConfigError(f"measure against {server}: it has no pods; create some, a few hundred tell most")
        loads = _loads_us([answer]) / len(pods)
        informer = Informer(PODS, {"": Client(transport).list_watch(PODS)})
        seen = _Events()
        informer.add_handler(seen.note)
        began = process_time()
        running = asyncio.create_task(informer.run())
        try:
            await informer.wait_synced()
            sync = (process_time() - began) / len(pods) * 1e6
            event = await _follow(server, seen)
        finally:
            running.cancel()
            await asyncio.wait([running])
    line_loads = _loads_us([json.dumps({"type": "MODIFIED", "object": pod}).encode() for pod in pods]) / len(pods)
    return [
        (f"server: first sync, each of {len(pods)} pods", sync, loads),
        ("server: watch event over HTTP, dict-like", event, line_loads),
    ]


async def _follow(server: str, seen: _Events) -> float:
    churn = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.against_server", server)
    try:
        async with asyncio.timeout(120):
            await seen.enough.wait()
    finally:
        churn.kill()
        await churn.wait()
    return seen.microseconds_each


class _Events:
    """Counts the changes that the watch brings, and what they cost."""

    def __init__(self) -> None:
        self.enough = asyncio.Event()
        self.microseconds_each = 0.0
        self._count = 0
        self._began = 0.0

    def note(self, change: Change[Any]) -> None:
        """A handler."""
        if change.cause is not Cause.WATCH or self.enough.is_set():
            return
        self._count += 1
        if self._count == 1:
            self._began = process_time()
        elif self._count == CHANGES // 2:
            self.microseconds_each = (process_time() - self._began) / (self._count - 1) * 1e6
            self.enough.set()


def _loads_us(documents: Sequence[bytes]) -> float:
    best = float("inf")
    for _ in range(5):
        began = process_time()
        for document in documents:
            json.loads(document)
        best = min(best, process_time() - began)
    return best * 1e6


async def _churn(server: str) -> None:
    """Annotate the pods in turn."""
    async with RestTransport(Endpoint(server=server)) as transport:
        client = Client(transport)
        keys = [pod.key for pod in await client.list(PODS)]
        for turn in range(CHANGES):
            patch = MergePatch({"metadata": {"annotations": {ANNOTATION: str(turn)}}})
            await client.patch(PODS, keys[turn % len(keys)], patch)


if __name__ == "__main__":
    asyncio.run(_churn(sys.argv[1]))
