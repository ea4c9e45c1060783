"""
Our API server, which lists 100 pods and then streams events of them as fast as they are read.

`python -m tests.bench.peers.stream` prints its URL. All but pods comes from an empty tracker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, Lines, Verb
from ctrlkit.model.kinds import PODS
from tests.bench.pods import lines, pod, pod_list

COUNT, EVENTS = 100, 5_000
_BATCH = 50


class PodStream:
    """A Transport: pods from a script, the rest from a tracker."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._list = pod_list([pod(number, 1 + number) for number in range(COUNT)], version=COUNT)
        self._events = [
            line for turn in range(EVENTS // COUNT) for line in lines(COUNT, first_version=(turn + 1) * 1000)
        ]

    async def do(self, action: Action) -> bytes:
        """Any verb but watch."""
        if action.resource.identity == PODS.identity and action.verb is Verb.LIST:
            return self._list
        return await self._tracker.do(action)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """The script, or the tracker's watch."""
        if action.resource.identity == PODS.identity:
            yield self._play()
            return
        async with self._tracker.watch(action) as found:
            yield found

    async def _play(self) -> AsyncIterator[Sequence[bytes]]:
        for start in range(0, EVENTS, _BATCH):
            yield self._events[start : start + _BATCH]
        await asyncio.sleep(3600)


async def main() -> None:
    """Serve until killed."""
    tracker = Tracker()
    async with ApiServer(PodStream(tracker), tracker.registry, security=Security.INSECURE).serve() as server:
        print(server.url, flush=True)
        await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main())
