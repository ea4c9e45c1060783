"""
How long does a relist of 10,000 pods hold the event loop when 1 % of them changed?

Budget   10 ms: a fifth of what a callback may take before people notice.
Sketch   Decoding the 45 MB takes 80 ms, in parts of one each. What did not change is let go as it comes, so that the
         comparison with the store is 10,000 dict look-ups: 4 ms, all at once, or half a list would be seen. Above 10 ms
         a copy of it all crept in, or the end of one.
Method   The true client, reflector and store; a transport in this process that has the bytes at hand. A ticker wakes in
         each turn of the loop and notes how long it was away. The best of several relists, because noise only adds.
Run      make bench ARGS=relist
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter

import structlog.testing

from ctrlkit.cache import Informer
from ctrlkit.client import Client
from ctrlkit.errors import Gone
from ctrlkit.model import Action, Lines
from tests.bench.case import Figure
from tests.bench.pods import DICT_LIKE, encode, pod

COUNT, CHANGED, RELISTS = 10_000, 100, 5
LINES_AT_ONCE = 50
"""About as many as arrive in one chunk."""


def cases() -> list[Figure]:
    """Both ways in which a collection comes."""
    return [
        Figure(
            name=f"relist of 10,000 objects, 1 % changed, {way}: hold of the loop",
            take=partial(_hold_ms, streams=streams),
            unit="ms",
            budget=10,
        )
        for way, streams in (("streamed", True), ("in one answer", False))
    ]


def _hold_ms(*, streams: bool) -> float:
    with structlog.testing.capture_logs():  # each relist is told
        return min(asyncio.run(_holds_s(streams=streams))) * 1000


class _Server:
    """A Transport whose server changes some pods and forgets its history when it is told to."""

    def __init__(self, *, streams_lists: bool) -> None:
        self.streams_lists = streams_lists
        self.forgets = asyncio.Event()
        states = list(_states())
        self._streams = iter([_in_chunks(pods, version) for version, pods in states] if streams_lists else [])
        self._lists = iter([] if streams_lists else [_one_answer(pods, version) for version, pods in states])

    async def do(self, action: Action) -> bytes:
        """The list."""
        return next(self._lists)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """The streamed list where it is asked for, and nothing more until the history is gone."""
        yield self._lines(next(self._streams) if action.options.send_initial_events else [])

    async def _lines(self, chunks: Sequence[list[bytes]]) -> AsyncIterator[Sequence[bytes]]:
        for chunk in chunks:
            await asyncio.sleep(0)
            yield chunk
        await self.forgets.wait()
        self.forgets.clear()
        raise Gone("compacted")


def _states() -> Iterator[tuple[int, list[bytes]]]:
    """The pods at each version; those that did not change are the same bytes."""
    pods = [encode(pod(number, number + 1)) for number in range(COUNT)]
    for turn in range(RELISTS + 1):
        version = COUNT * (turn + 1)
        for number in range(turn, COUNT, COUNT // CHANGED):
            pods[number] = encode(pod(number, version + number))
        yield 2 * version, list(pods)


def _one_answer(pods: list[bytes], version: int) -> bytes:
    return b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[%b]}' % (
        version,
        b",".join(pods),
    )


def _in_chunks(pods: list[bytes], version: int) -> list[list[bytes]]:
    marker = {"resourceVersion": str(version), "annotations": {"k8s.io/initial-events-end": "true"}}
    lines = [b'{"type":"ADDED","object":%b}' % found for found in pods]
    lines.append(encode({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": marker}}))
    return [lines[start : start + LINES_AT_ONCE] for start in range(0, len(lines), LINES_AT_ONCE)]


async def _holds_s(*, streams: bool) -> list[float]:
    """The longest hold of each relist."""
    server = _Server(streams_lists=streams)
    informer = Informer(DICT_LIKE, {"": Client(server).list_watch(DICT_LIKE)})
    informer.add_handler(lambda _: None)
    holds = []
    running = asyncio.create_task(informer.run())
    await informer.wait_synced()
    for _ in range(RELISTS):
        before = informer.versions[""]
        server.forgets.set()
        longest, woke_at = 0.0, perf_counter()
        while informer.versions[""] == before or informer.busy():
            await asyncio.sleep(0)
            longest, woke_at = max(longest, perf_counter() - woke_at), perf_counter()
        holds.append(longest)
    running.cancel()
    await asyncio.wait([running])
    return holds
