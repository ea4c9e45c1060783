"""
Keep track of the keys that are ready and those that run; pure but for the clock it reads.

In       add() from whoever wants a key run; take_nowait() and done() from workers.
Out      The next key, as order.py says.
Owns     The state of every key that is ready or running.

Y-a  A key has one place in the order at most, and none while it runs (Q1, Q2).
Y-b  A key wanted while it runs becomes ready when its run is done (Q2), and counts as wanted from the first such add
     (Q18).

A WorkQueue inherits this rather than wrap it, because a call more would cost each of these three steps a third. For the
same reason they serve the one plain fifo of an Order themselves, and leave to it what is less plain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from ctrlkit import clock
from ctrlkit.workqueue.fifo import NORMAL, Flows
from ctrlkit.workqueue.order import POINT_S, Order
from ctrlkit.workqueue.statistics import Meter

K = TypeVar("K", bound=Hashable)


class ReadyKeys(Generic[K]):
    """
    A key waits once and runs once at a time.

    >>> keys = ReadyKeys[str]()
    >>> keys.add("a"); keys.add("b"); keys.add("a"); keys.add("c", priority=1)
    >>> keys.take_nowait(), keys.take_nowait()
    ('c', 'a')
    >>> keys.add("a"); keys.done("a")                                   # it was running: it goes behind b
    >>> keys.take_nowait(), keys.take_nowait()
    ('b', 'a')

    Cost    add, take_nowait and done O(1) for one priority without flows, else as in Order.
    Errors  IndexError from take_nowait() when nothing may run; KeyError from done() for a key that is not running.
    """

    __slots__ = (
        "_again", "_ahead_s", "_clock", "_dropped", "_guarded", "_in_loop", "_loop_clock", "_meter", "_order",
        "_ready", "_running", "_started", "_watched",
    )  # fmt: skip

    def __init__(self, *, flows: Flows[K] | None = None, point_s: float = POINT_S, meter: Meter | None = None) -> None:
        self._order = Order[K](flows=flows, point_s=point_s)
        self._ready = self._order.ready
        self._running: dict[K, tuple[float, int]] = {}  # since when, and with which priority
        self._again: dict[K, tuple[float, int]] = {}  # of the running: since when it is wanted again, and how urgently
        self._started = 0  # runs, while no meter counts them
        self._dropped = 0
        self._meter = meter
        self._clock: Callable[[], float] = self._first_reading
        self._loop_clock = clock.monotonic
        self._in_loop = False
        self._ahead_s = 0.0  # by how much the clock is ahead of the loop's
        self._guarded = False  # ask _admit() before an add
        self._watched = flows is not None  # tell _added() and _ended()

    def add(self, key: K, priority: int = NORMAL) -> None:
        """
        Add `key`, to run as soon as its turn comes.

        A key that is ready already keeps its place, unless this is a raise of its priority. One that runs is
        ready again when it is done. A delay it has is consumed. Ignored once the queue is closed.
        """
        if self._guarded:
            admitted = self._admit(key, priority)
            if admitted is None:
                return
            priority = admitted
        if key in self._ready or key in self._running:
            self._add_again(key, priority)
            return
        clock = self._clock
        now = clock()
        fifo = self._order.only
        if fifo is not None and fifo.priority == priority:
            self._ready[key] = entry = (now, now, key, priority)
            fifo.entries.append(entry)
        else:
            self._order.append(key, priority, now=now)
        if self._watched:
            self._added()

    def take_nowait(self) -> K:
        """The next key, which runs from now on; an error of the queue's if there is none."""
        fifo = self._order.only
        if fifo is not None and fifo.entries:
            _, wanted_at, key, priority = fifo.entries.popleft()
            del self._ready[key]
        else:
            if not self._order.has_next():
                raise self._nothing_to_take()
            key, priority, wanted_at = self._order.take()
        clock = self._clock
        now = clock()
        self._running[key] = (now, priority)
        meter = self._meter
        if meter is not None:
            waited, seconds = meter.waited, now - wanted_at
            if waited.low < seconds <= waited.high:
                waited.again += 1
                waited.sum_s += seconds
            else:
                waited.observe(seconds)
        else:
            self._started += 1
        return key

    def done(self, key: K) -> None:
        """
        End the run of `key`; if it was wanted meanwhile, it is ready again, behind the others.

        Errors  KeyError for a key that is not running.
        """
        try:
            since, _ = self._running.pop(key)
        except KeyError:
            raise KeyError(f"done {key}: the key is not running; pair every take with exactly one done") from None
        meter = self._meter
        if meter is not None:
            clock = self._clock
            worked, seconds = meter.worked, clock() - since
            if worked.low < seconds <= worked.high:
                worked.again += 1
                worked.sum_s += seconds
            else:
                worked.observe(seconds)
        if self._again and (again := self._again.pop(key, None)) is not None:
            wanted_at, priority = again
            self._order.append(key, priority, now=self._clock(), wanted_at=wanted_at)
        if self._watched:
            self._ended(key)

    def measure(self) -> None:
        """Measure how long keys wait and run, from now on."""
        self._meter = self._meter or Meter()

    def running(self) -> dict[K, float]:
        """Since when each running key runs, on the loop's clock; the one that began first in front."""
        return {key: since - self._ahead_s for key, (since, _) in self._running.items()}

    def _add_again(self, key: K, priority: int) -> None:
        """A key that is ready or runs is wanted once more."""
        if (entry := self._ready.get(key)) is not None:
            if priority > entry[3]:
                self._order.lift(key, priority, now=self._clock())
        elif (again := self._again.get(key)) is None:
            self._again[key] = (self._clock(), priority)
        else:
            self._again[key] = (again[0], max(again[1], priority))

    def _wants(self, key: K) -> bool:
        """Whether a run of `key` is still to start: it is ready, or wanted again while it runs."""
        return key in self._ready or key in self._again

    def _depths(self) -> Mapping[int, int]:
        """How many keys of each priority are wanted: ready, or again while they run."""
        return Counter(self._order.depths()) + Counter(priority for _, priority in self._again.values())

    def _adds(self) -> int:
        """How often a key came to be wanted: for a run that has started, is still to start, or was dropped."""
        started = self._started + (0 if self._meter is None else self._meter.waited.statistics().count)
        return started + len(self._ready) + len(self._again) + self._dropped

    def _drop_wanted(self) -> int:
        """Forget every run that has not started; how many those were. Running keys stay until they are done."""
        count = len(self._ready) + len(self._again)
        self._dropped += count
        self._order.clear()
        self._again.clear()
        return count

    def _first_reading(self) -> float:
        self._clock = clock.reader()
        return self._clock()

    def _enter_loop(self) -> None:
        """A loop runs: its clock holds from now on. If another was read before, it goes on from where that stood."""
        self._in_loop = True
        earlier, read = self._clock, clock.reader()
        self._clock = self._loop_clock = read
        if earlier not in (self._first_reading, read):
            ahead_s = self._ahead_s = earlier() - read()
            self._clock = lambda: read() + ahead_s

    def _admit(self, key: K, priority: int) -> int | None:
        """The priority with which `key` is to be added, None to leave it out; asked while `_guarded`."""
        raise NotImplementedError

    def _added(self) -> None:
        """A key became ready while `_watched`."""

    def _ended(self, key: K) -> None:
        """The run of `key` ended while `_watched`."""
        self._order.ended(key)

    def _nothing_to_take(self) -> Exception:
        return IndexError("take: no key may run")
