"""
The ready keys of one priority: first in, first out, or flow by flow with a limit on the keys of a flow that run. Pure.

A flow is what keys are grouped by, such as their namespace or owner. A flow that has neither ready nor running keys
takes no memory.

F-a  A key is taken after p - 1 others of its flow and at most p x (n - 1) of other flows of its priority, where p is
     its place in its flow and n the number of flows that wait there, its own included (B7). A flow that is at its limit
     when its turn comes is passed over, and is the last in turn once a key of it is done (B32).
F-b  No more than `running_max` keys of a flow run at a time, over all priorities (B32).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

NORMAL: Final = 0
"""The priority of what happened in the cluster."""

LOW: Final = -100
"""The priority of what can wait: initial lists, relists of unchanged objects, resyncs."""

Entry = tuple[float, float, K, int]
"""A ready key's place: when it became ready, when it was first wanted, the key, and its priority."""

UNLISTED: Final = float("inf")


class Fifo(Generic[K]):
    """
    The ready keys of one priority, first in, first out.

    Shape   `entries` also holds places that their keys have left; `left` counts them. The place in `ready` is the one
            that holds, and whoever looks at the head passes over the others.
            `listed` and `listing` belong to the Order: the rank under which it stands there.
    """

    __slots__ = ("entries", "left", "listed", "listing", "priority", "ready")

    def __init__(self, priority: int, ready: Mapping[K, Entry[K]]) -> None:
        self.priority: int = priority
        self.ready: Mapping[K, Entry[K]] = ready
        self.entries: deque[Entry[K]] = deque()
        self.left: int = 0
        self.listed: float = UNLISTED
        self.listing: int = 0

    def __len__(self) -> int:
        return len(self.entries) - self.left

    def leave(self) -> None:
        """Note that a key left its place for one of another priority."""
        self.left += 1

    def head_at(self) -> float | None:
        """When the next key became ready; None without one."""
        entries = self.entries
        while entries:
            if self.ready.get(entries[0][2]) is entries[0]:
                return entries[0][0]
            entries.popleft()
            self.left -= 1
        return None

    def take(self) -> Entry[K]:
        """Take the next key; head_at() has just found that there is one."""
        return self.entries.popleft()


@dataclass(frozen=True, kw_only=True)  # with slots, Flows[K](...) could not note its K
class Flows(Generic[K]):
    """
    Fair queuing between groups of keys, such as namespaces: they take turns, and `running_max` keys of one run at most.

        Controller("net", reconcile, sources, queue=WorkQueue(flows=Flows(of=lambda key: key.namespace)))

    >>> by_namespace = Flows[str](of=lambda key: key.partition("/")[0], running_max=2)
    >>> by_namespace.of("demo/net")
    'demo'

    Shape   `of` is asked once for each time a key becomes ready; it is quick and does not raise.
    Errors  ValueError for a `running_max` below 1.
    """

    of: Callable[[K], Hashable]
    running_max: int | None = None

    def __post_init__(self) -> None:
        if self.running_max is not None and self.running_max < 1:
            raise ValueError(f"Flows: running_max must be at least 1, got {self.running_max}")


class RunningFlows(Generic[K]):
    """Counts the running keys of each flow."""

    __slots__ = ("_counts", "_flows", "of", "running_max")

    def __init__(self, flows: Flows[K]) -> None:
        self.of: Callable[[K], Hashable] = flows.of
        self.running_max: int | None = flows.running_max
        self._flows: dict[K, Hashable] = {}
        self._counts: dict[Hashable, int] = {}

    def is_full(self, flow: Hashable) -> bool:
        """Whether no further key of `flow` may run now."""
        return self.running_max is not None and self._counts.get(flow, 0) >= self.running_max

    def started(self, key: K, flow: Hashable) -> None:
        """`key` runs."""
        self._flows[key] = flow
        self._counts[flow] = self._counts.get(flow, 0) + 1

    def ended(self, key: K) -> tuple[Hashable, bool]:
        """Note that `key` runs no more; returns its flow, and whether that was at its limit."""
        flow = self._flows.pop(key)
        was_full = self.is_full(flow)
        if self._counts[flow] == 1:
            del self._counts[flow]
        else:
            self._counts[flow] -= 1
        return flow, was_full


class _Flow(Generic[K]):
    """The keys of one flow and priority; `listed` is the one of them that stands in the heap of heads."""

    __slots__ = ("entries", "listed", "name", "waits_for_turn")

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.entries: deque[Entry[K]] = deque()
        self.listed: Entry[K] | None = None
        self.waits_for_turn = False


class FairFifo(Generic[K]):
    """
    The ready keys of one priority, each flow in its turn.

    `_turns` holds each flow that may run, and perhaps some that may not any more; `_heads` the first key of each, the
    one that became ready first on top.
    """

    __slots__ = ("_flows", "_heads", "_number", "_running", "_size", "_turns", "listed", "listing", "priority", "ready")

    def __init__(self, priority: int, ready: Mapping[K, Entry[K]], running: RunningFlows[K]) -> None:
        self.priority: int = priority
        self.ready: Mapping[K, Entry[K]] = ready
        self.listed: float = UNLISTED
        self.listing: int = 0
        self._running = running
        self._flows: dict[Hashable, _Flow[K]] = {}
        self._turns: deque[_Flow[K]] = deque()
        self._heads: list[tuple[float, int, Entry[K], _Flow[K]]] = []
        self._number = 0  # of the heads so far: no two compare their entries
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, entry: Entry[K], name: Hashable) -> None:
        """A key of the flow `name` became ready."""
        flow = self._flows.get(name)
        if flow is None:
            flow = self._flows[name] = _Flow(name)
        flow.entries.append(entry)
        self._size += 1
        self._admit(flow)

    def leave(self) -> None:
        """Note that a key left its place for one of another priority."""
        self._size -= 1

    def make_room(self, name: Hashable) -> None:
        """A key of the flow `name` is done: if it was at its limit, its next may run."""
        flow = self._flows.get(name)
        if flow is not None:
            self._admit(flow)

    def head_at(self) -> float | None:
        """When the oldest key that may run became ready; None without one."""
        while self._heads:
            at, _, entry, flow = self._heads[0]
            if self.ready.get(entry[2]) is entry and not self._running.is_full(flow.name):
                return at
            heapq.heappop(self._heads)
            if flow.listed is entry:
                flow.listed = None
                self._list(flow)
        return None

    def take(self) -> Entry[K]:
        """The first key of the flow whose turn it is; head_at() has just found that there is one."""
        while True:
            flow = self._turns.popleft()
            if self._head(flow) is not None and not self._running.is_full(flow.name):
                break
            self._retire(flow)
        entry = flow.entries.popleft()
        self._size -= 1
        self._running.started(entry[2], flow.name)
        if self._head(flow) is None:
            self._retire(flow)
        else:
            self._turns.append(flow)
            self._list(flow)
        return entry

    def _admit(self, flow: _Flow[K]) -> None:
        if self._running.is_full(flow.name):
            return
        if not flow.waits_for_turn:
            flow.waits_for_turn = True
            self._turns.append(flow)
        self._list(flow)

    def _list(self, flow: _Flow[K]) -> None:
        head = self._head(flow)
        if head is None or head is flow.listed or self._running.is_full(flow.name):
            return
        flow.listed = head
        self._number += 1
        heapq.heappush(self._heads, (head[0], self._number, head, flow))

    def _head(self, flow: _Flow[K]) -> Entry[K] | None:
        entries = flow.entries
        while entries and self.ready.get(entries[0][2]) is not entries[0]:
            entries.popleft()
        return entries[0] if entries else None

    def _retire(self, flow: _Flow[K]) -> None:
        """It waits for no turn; make_room() or its next key brings it back."""
        flow.waits_for_turn = False
        if not flow.entries:
            del self._flows[flow.name]
