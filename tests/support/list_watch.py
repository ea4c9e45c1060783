"""A ListWatch that plays a script and writes down what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.model import Snapshot, WatchEvent

Events = Sequence[WatchEvent[dict[str, Any]]]


@dataclass(frozen=True)
class Stream:
    """One watch: its events, how long it stays open after them, and the error that ends it (None: a clean end)."""

    events: Events = ()
    open_s: float = 0.0
    error: Exception | None = None
    refused: bool = False


@dataclass
class ScriptedSource:
    """Answers lists and watches from two scripts; when a script is used up, its last entry is repeated."""

    lists: list[Snapshot[dict[str, Any]] | Exception]
    watches: list[Stream] = field(default_factory=lambda: [Stream(open_s=1e9)])
    calls: list[tuple[str, str, float]] = field(default_factory=list)

    async def list(self, *, resource_version: str) -> Snapshot[dict[str, Any]]:
        self.calls.append(("list", resource_version, clock.monotonic()))
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @asynccontextmanager
    async def watch(self, *, resource_version: str, timeout_s: int) -> AsyncIterator[AsyncIterator[Events]]:
        assert 300 <= timeout_s <= 600
        self.calls.append(("watch", resource_version, clock.monotonic()))
        stream = self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]
        if stream.refused and stream.error:
            raise stream.error
        yield self._play(stream)

    @property
    def asked(self) -> Sequence[tuple[str, str]]:
        """The calls without their times."""
        return [(verb, version) for verb, version, _ in self.calls]

    async def _play(self, stream: Stream) -> AsyncIterator[Events]:
        if stream.events:
            yield stream.events
        await asyncio.sleep(stream.open_s)
        if stream.error:
            raise stream.error
