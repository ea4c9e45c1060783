"""
Handlers of an informer: each has a queue of changes, an order and a pace of its own.

A handler is a plain function that takes a Change and returns quickly; most add a key to a work queue. It runs on the
event loop, a slice of its queue at a time, so that a long relist holds the loop for one slice only. An exception is
logged and counted, and affects neither the next change nor another handler.

Rows F4, I2, I5, I6, I8, I10, I12, I13, R16; B8, B9, B13.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, Generic, TypeVar

from ctrlkit import telemetry
from ctrlkit.cache.change import Cause, Change
from ctrlkit.cache.store.store import Store
from ctrlkit.clock import monotonic, random_source, reader
from ctrlkit.failures import FailureLog
from ctrlkit.histogram import Histogram, HistogramStatistics
from ctrlkit.model import ObjectKey, Record

T = TypeVar("T")


class Delivery(Enum):
    """
    Which changes a handler gets when it is behind: each of them, or the latest of each object.

    LATEST bounds its queue to one change an object. It suits handlers that use the key or the newest state. A handler
    that maps an object to others by its contents (an owner, a label) needs EVERY: a value that was set and replaced
    while the change waited is reported to nobody.
    """

    EVERY = "every"
    LATEST = "latest"


class LatestByKey(Generic[T]):
    """
    A queue with one change for each object, from the state that the handler saw last to the newest.

    >>> from ctrlkit.cache.change import Cause
    >>> from ctrlkit.model import ObjectMeta, Record
    >>> one, two = (Record(ObjectMeta(name="a", resource_version=version), None, str) for version in "12")
    >>> pending = LatestByKey()
    >>> pending.extend([Change(None, one, Cause.WATCH), Change(one, two, Cause.WATCH)])
    >>> len(pending), pending.popleft().kind.value
    (1, 'added')

    An object keeps the place of its first change. One that was added and deleted meanwhile is reported as deleted, so
    that no key is lost; one that was deleted and added again as updated.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[ObjectKey, tuple[Record[T] | None, Change[T]]] = OrderedDict()

    def extend(self, changes: Iterable[Change[T]]) -> None:
        """Append, or put in the place of what waits for the same object."""
        waiting = self._waiting
        for change in changes:
            key = change.key
            earlier = waiting.get(key)
            waiting[key] = (change.old if earlier is None else earlier[0], change)

    def popleft(self) -> Change[T]:
        """Take the one that has waited longest."""
        seen, change = self._waiting.popitem(last=False)[1]
        return change if change.new is None or seen is change.old else Change(seen, change.new, change.cause)

    def clear(self) -> None:
        """Drop all."""
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)


_log = telemetry.logger("informer")

Handler = Callable[[Change[T]], None]
"""What `Informer.add_handler` takes: a function that is called with each change, and does not wait."""

SLICE = 100
"""Changes handled in one turn of the loop."""
BEHIND_DEPTH = 1024
BEHIND_S = 1.0
"""A handler with this many waiting changes, one of them for this long, is logged as behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerStatistics:
    """
    Statistics of one handler, at one moment.

    `depth` changes wait, the oldest for `oldest_s` seconds; `high_water` is the most that ever waited. `handled` counts
    changes, `failures` those for which the handler raised. `latency` is the time from a change in the store to the end
    of the handler, measured once a slice.
    """

    name: str
    synced: bool
    depth: int
    oldest_s: float
    high_water: int
    handled: int
    failures: int
    latency: HistogramStatistics


class Turn:
    """
    What the handlers of one informer do in the loop's next turn: a slice each, in the order in which they asked.

    Shape   `clock` reads the loop's time.
    Owner   The informer; a registration that belongs to none has one of its own.
    """

    __slots__ = ("_due", "clock")

    def __init__(self) -> None:
        self.clock: Callable[[], float] = monotonic
        self._due: list[Callable[[], None]] = []

    def add(self, take_slice: Callable[[], None]) -> None:
        """Call a function in the next turn, once."""
        if not self._due:
            if self.clock is monotonic:
                self.clock = reader()
            asyncio.get_running_loop().call_soon(self._run)
        self._due.append(take_slice)

    def _run(self) -> None:
        due = iter(self._due)
        self._due = []
        try:
            for take_slice in due:
                take_slice()
        finally:
            for each in due:  # something ends the program; until it does the others go on
                self.add(each)


class Registration(Generic[T]):
    """
    One handler of one informer, from `Informer.add_handler` to `remove`.

    What a removal drops is counted, and an initial change for which the handler raised counts as handled.

    Owner   The informer publishes into it; nobody else.
    """

    def __init__(
        self,
        handler: Handler[T],
        *,
        name: str,
        delivery: Delivery = Delivery.EVERY,
        on_remove: Callable[[Registration[T]], None] = lambda _: None,
        turn: Turn | None = None,
    ) -> None:
        self.name = name
        """The handler's name, in log lines and metrics."""
        self.failures: int = 0
        """How often the handler raised."""
        self._handler = handler
        self.pending: deque[Change[T]] | LatestByKey[T] = LatestByKey() if delivery is Delivery.LATEST else deque()
        """The changes that were published and are not handled yet; `depth` of them."""
        self._on_remove = on_remove
        self._turn = turn or Turn()
        self._scheduled = False
        self._initial_left: int | None = None
        self._synced = asyncio.Event()
        self._on_synced: Callable[[], None] | None = None
        self._drained: asyncio.Event | None = None
        self._removed = False
        self._handled = 0
        self._high_water = 0
        self._warn_at = BEHIND_DEPTH
        self._latency = Histogram()
        self._oldest_at = 0.0  # when the oldest of them came
        self._later: deque[tuple[int, float]] = deque()  # of those of later turns: how many came before, and when
        self._marked = False
        self._behind = False  # a slice has left some
        self._failure_log = FailureLog(_log)

    def has_synced(self) -> bool:
        """Whether every object of the first list was handled."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once `has_synced`."""
        await self._synced.wait()

    def when_synced(self, call: Callable[[], None]) -> None:
        """Call a function once `has_synced`, as if a task had waited for it; of several the last one."""
        self._on_synced = call
        if self.has_synced():
            call()

    @property
    def depth(self) -> int:
        """Changes published and not yet handled."""
        return len(self.pending)

    @property
    def oldest_s(self) -> float:
        """How long the oldest of them has waited; 0 where none waits."""
        return monotonic() - self._oldest_at if self.pending else 0.0

    def statistics(self) -> HandlerStatistics:
        """The statistics at this moment."""
        return HandlerStatistics(
            name=self.name,
            synced=self.has_synced(),
            depth=self.depth,
            oldest_s=self.oldest_s,
            high_water=max(self._high_water, self.depth),
            handled=self._handled,
            failures=self.failures,
            latency=self._latency.statistics(),
        )

    def publish(self, changes: Sequence[Change[T]], at: float | None = None) -> None:
        """
        Queue changes; they are handled in this order, from the loop's next turn on.

        `at` is the moment on the loop's clock, for who knows it.
        """
        if self._removed:
            return
        pending = self.pending
        if not self._marked:
            self._marked = True
            if at is None:
                at = monotonic()
            if pending:
                self._later.append((self._handled + len(pending), at))
            else:
                self._oldest_at = at
        pending.extend(changes)
        if not self._scheduled:
            self._scheduled = True
            self._turn.add(self._take_slice)

    def end_of_initial(self) -> None:
        """Mark what was published so far as the first list; `has_synced` waits for it."""
        self._initial_left = len(self.pending)
        if not self._scheduled:
            self._schedule()

    def remove(self) -> int:
        """Stop handling; returns how many changes were dropped unhandled. Removing twice drops nothing more."""
        self._leave()
        dropped = len(self.pending)
        self.pending.clear()
        self._scheduled = False
        if self._drained is not None:
            self._drained.set()
        return dropped

    async def drain(self) -> None:
        """Take no more changes, and return once those that wait were handled, or `remove` dropped them."""
        self._leave()
        if self.pending:
            self._drained = self._drained or asyncio.Event()
            await self._drained.wait()

    def _leave(self) -> None:
        if not self._removed:
            self._removed = True
            self._on_remove(self)

    def _schedule(self) -> None:
        self._scheduled = True
        self._turn.add(self._take_slice)

    def _take_slice(self) -> None:
        if not self._scheduled:
            return  # it was removed meanwhile
        self._scheduled = self._marked = False
        pending, handler, since = self.pending, self._handler, self._oldest_at
        waited = len(pending)
        if waited > self._high_water:  # noqa: PLR1730 - each call counts here
            self._high_water = waited
        for _ in range(waited if waited <= SLICE else SLICE):
            if not pending:
                break  # the handler removed itself
            change = pending.popleft()
            self._handled += 1
            try:
                handler(change)
            except Exception as error:  # noqa: BLE001 - one handler's mistake is nobody else's
                self._report(change, error)
            if self._initial_left:
                self._initial_left -= 1
        if self._initial_left == 0:
            self._end_initial()
        if waited:
            self._latency.observe(self._turn.clock() - since)
        if pending or self._behind or self._drained is not None:
            self._go_on()

    def _end_initial(self) -> None:
        self._initial_left = None
        self._synced.set()
        if self._on_synced is not None:
            asyncio.get_running_loop().call_soon(self._on_synced)

    def _go_on(self) -> None:
        """After a slice that has left changes, or whose end somebody waits for: take the next, or note that none is."""
        if self.pending:
            self._behind = True
            self._look_behind()
            self._schedule()
        else:
            self._behind = False
            self._later.clear()
            self._warn_at = BEHIND_DEPTH
            if self._drained is not None:
                self._drained.set()

    def _look_behind(self) -> None:
        """Find out since when the oldest of the changes waits that a slice has left, and warn where that is long."""
        later = self._later
        while later and later[0][0] <= self._handled:
            self._oldest_at = later.popleft()[1]
        oldest_s, depth = self.oldest_s, len(self.pending)
        if depth >= self._warn_at and oldest_s >= BEHIND_S:
            self._warn_at = 2 * depth
            _log.warning("handler_fell_behind", handler=self.name, depth=depth, oldest_s=round(oldest_s, 3))

    def _report(self, change: Change[T], error: Exception) -> None:
        self.failures += 1
        named: dict[str, Any] = {"handler": self.name, "key": str(change.key), "change": change.kind.value}
        self._failure_log.tell("handler_failed", error, about=self.name, where=f"handler {self.name}", **named)


def filtered(predicate: Callable[[Record[T]], bool], handler: Handler[T]) -> Handler[T]:
    """
    Wrap a handler so that it sees only the objects that pass a predicate.

        informer.add_handler(filtered(lambda record: "app" in (record.meta.labels or {}), on_app))

    old      new      is reported as
    fails    passes   added
    passes   fails    deleted, with the last state that passed
    passes   passes   updated
    fails    fails    nothing
    """

    def handle(change: Change[T]) -> None:
        old = change.old if change.old is not None and predicate(change.old) else None
        new = change.new if change.new is not None and predicate(change.new) else None
        if old is not None or new is not None:
            same = old is change.old and new is change.new
            handler(change if same else Change(old, new, change.cause))

    handle.__qualname__ = getattr(handler, "__qualname__", "handler")
    return handle


LEAST_S = 1.0


class Resync(Generic[T]):
    """
    Reports every object of a store to one handler, again and again.

    Units   `every_s` is at least 1; each wait is drawn anew, uniform in 0.9 to 1.1 times that, so that handlers that
            began together do not stay together.
    Owner   The informer starts and stops it.
    """

    def __init__(self, store: Store[T], publish: Callable[[Sequence[Change[T]]], None], *, every_s: float) -> None:
        if every_s < LEAST_S:
            raise ValueError(f"resync_s must be at least {LEAST_S:g} s, or 0 for never; got {every_s:g}")
        self._store = store
        self._publish = publish
        self._every_s = every_s
        self._timer: asyncio.Handle | None = None

    def start(self) -> None:
        """Wait for the first time."""
        wait_s = self._every_s * random_source().uniform(0.9, 1.1)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._begin)

    def stop(self) -> None:
        """Tell no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._tell(iter(self._store.keys()))

    def _tell(self, keys: Iterator[ObjectKey]) -> None:
        here = list(islice(keys, SLICE))
        if here:
            self._publish([Change(record, record, Cause.RESYNC) for record in self._store.records(here)])
            self._timer = asyncio.get_running_loop().call_soon(self._tell, keys)
        else:
            self.start()
