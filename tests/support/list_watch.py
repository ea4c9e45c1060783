"""A ListWatch that plays a script and writes down what it was asked."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ctrlkit import clock
from ctrlkit.cache.reflector.history import SAMPLE
from ctrlkit.errors import DecodeError
from ctrlkit.model import Record, Snapshot, WatchEvent

Events = Sequence[WatchEvent[dict[str, Any]]]


@dataclass(frozen=True)
class Stream:
    """
    One watch or streamed list: its events, how long it stays open after them, and the error that ends it (None: a clean
    end). It opens, or is refused, after some time. `then` are batches that come one by one, each after its seconds; a
    DecodeError stands for an unreadable line.
    """

    events: Events = ()
    open_s: float = 0.0
    error: Exception | None = None
    refused: bool = False
    opens_after_s: float = 0.0
    then: Sequence[tuple[float, Events | DecodeError]] = ()


@dataclass
class ScriptedSource:
    """
    Answers lists, watches and streamed lists from three scripts; when one is used up, its last entry is repeated.

    Without a script of streamed lists the server is one that has none.
    """

    lists: list[Snapshot[dict[str, Any]] | Exception]
    watches: list[Stream] = field(default_factory=lambda: [Stream(open_s=1e9)])
    streams: list[Stream] = field(default_factory=list)
    calls: list[tuple[str, str, float]] = field(default_factory=list)
    timeouts: list[int] = field(default_factory=list)
    stopped: bool = False
    samples: list[Snapshot[dict[str, Any]] | Exception] = field(default_factory=lambda: [Snapshot([], "")])
    sampled: list[float] = field(default_factory=list)

    @property
    def streams_lists(self) -> bool:
        return bool(self.streams) and not self.stopped

    def stop_streaming(self) -> None:
        self.stopped = True

    async def list(
        self,
        *,
        resource_version: str,
        known: Callable[[Record[dict[str, Any]]], Record[dict[str, Any]]] | None = None,
    ) -> Snapshot[dict[str, Any]]:
        self.calls.append(("list", resource_version, clock.monotonic()))
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if known is None else replace(answer, records=[known(record) for record in answer.records])

    async def sample(self, count: int) -> Snapshot[dict[str, Any]]:
        """What a reflector looks at before it resumes a watch; without a script, nothing that could be compared."""
        assert count == SAMPLE
        self.sampled.append(clock.monotonic())
        answer = self.samples.pop(0) if len(self.samples) > 1 else self.samples[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @asynccontextmanager
    async def stream(self, *, resource_version: str, timeout_s: int) -> AsyncIterator[AsyncIterator[Events]]:
        assert self.streams_lists, "a server that was found not to stream lists is not asked to again"
        async with self._open("stream", self.streams, resource_version, timeout_s) as events:
            yield events

    @asynccontextmanager
    async def watch(self, *, resource_version: str, timeout_s: int) -> AsyncIterator[AsyncIterator[Events]]:
        async with self._open("watch", self.watches, resource_version, timeout_s) as events:
            yield events

    @property
    def asked(self) -> Sequence[tuple[str, str]]:
        """The calls without their times."""
        return [(verb, version) for verb, version, _ in self.calls]

    @asynccontextmanager
    async def _open(
        self, verb: str, script: builtins.list[Stream], version: str, timeout_s: int
    ) -> AsyncIterator[AsyncIterator[Events]]:
        assert 300 <= timeout_s <= 600
        self.calls.append((verb, version, clock.monotonic()))
        self.timeouts.append(timeout_s)
        stream = script.pop(0) if len(script) > 1 else script[0]
        await asyncio.sleep(stream.opens_after_s)
        if stream.refused and stream.error:
            raise stream.error
        yield _Played(stream)


class _Played:
    """The iterator of a Stream; as the client's, it can be asked on after a DecodeError."""

    def __init__(self, stream: Stream) -> None:
        first: list[tuple[float, Events | DecodeError]] = [(0.0, stream.events)] if stream.events else []
        self._rest = [*first, *stream.then]
        self._stream = stream

    def __aiter__(self) -> _Played:
        return self

    async def __anext__(self) -> Events:
        if not self._rest:
            await asyncio.sleep(self._stream.open_s)
            raise self._stream.error or StopAsyncIteration
        after_s, batch = self._rest.pop(0)
        if after_s:
            await asyncio.sleep(after_s)
        if isinstance(batch, DecodeError):
            raise batch
        return batch
