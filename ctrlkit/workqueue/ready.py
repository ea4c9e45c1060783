"""
Which key runs next, and which keys run now; pure.

In       add() from whoever wants a key run; take() and done() from workers.
Out      The next key in order.
Owns     The state of every key that is ready or running.

Y-a  A key stands in the order at most once, and never while it runs (Q1, Q2).
Y-b  A key wanted while it runs goes to the tail of the order when its run is done (Q2).
Y-c  The order is that in which keys became ready (Q3).

client-go keeps two sets, dirty and processing, beside the order. Here one table of states stands for both, which hashes
a key five times on its way through instead of seven: READY and AGAIN are its dirty keys, RUNNING and AGAIN those it
processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from enum import Enum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class State(Enum):
    """What a key in the table does; a key that is not in the table is neither wanted nor running."""

    READY = "ready"
    RUNNING = "running"
    AGAIN = "running, wanted again"


_READY, _RUNNING, _AGAIN = State.READY, State.RUNNING, State.AGAIN  # a global is found faster than an enum's attribute


class ReadyKeys(Generic[K]):
    """
    First in, first out; a key waits once and runs once at a time.

    >>> keys = ReadyKeys[str]()
    >>> keys.add("a"), keys.add("b"), keys.add("a")
    (True, True, False)
    >>> keys.take()
    'a'
    >>> keys.add("a"), keys.done("a"), list(keys.order)
    (False, True, ['b', 'a'])

    Shape   `order` holds the ready keys, `states` the ready and the running; read them, never write them.
    Cost    add, take and done O(1).
    Errors  IndexError from take() when nothing is ready; KeyError from done() for a key that is not running.
    Source  Rows Q1 to Q4.
    """

    __slots__ = ("order", "states")

    def __init__(self) -> None:
        self.order: deque[K] = deque()
        self.states: dict[K, State] = {}

    def add(self, key: K) -> bool:
        """Want `key` run; True when it became ready by this."""
        state = self.states.get(key)
        if state is None:
            self.states[key] = _READY
            self.order.append(key)
            return True
        if state is _RUNNING:
            self.states[key] = _AGAIN
        return False

    def take(self) -> K:
        """The key that waited longest; it runs from now on."""
        key = self.order.popleft()
        self.states[key] = _RUNNING
        return key

    def done(self, key: K) -> bool:
        """End the run of `key`; True when it is ready again because it was wanted meanwhile."""
        state = self.states.get(key)
        if state is _RUNNING:
            del self.states[key]
            return False
        if state is _AGAIN:
            self.states[key] = _READY
            self.order.append(key)
            return True
        raise KeyError(f"done {key}: the key is not running; pair every take with exactly one done")

    def wants(self, key: K) -> bool:
        """Whether a run of `key` is still to start: it is ready, or wanted again while it runs."""
        state = self.states.get(key)
        return state is not None and state is not _RUNNING

    def running_count(self) -> int:
        """How many keys run."""
        return len(self.states) - len(self.order)

    def drop_wanted(self) -> int:
        """Forget every run that has not started; how many those were. Running keys stay until they are done."""
        wanted = [key for key, state in self.states.items() if state is not _RUNNING]
        for key in wanted:
            if self.states[key] is _AGAIN:
                self.states[key] = _RUNNING
            else:
                del self.states[key]
        self.order.clear()
        return len(wanted)
