"""Counts events and ends the program after the last one, telling what it cost."""

from __future__ import annotations

import os
import time

from tests.bench.peers.stream import EVENTS

_WARM_UP = 500


class EventClock:
    """Processor time of the whole process, all threads, from event 500 to the last."""

    def __init__(self) -> None:
        self._seen = 0
        self._began = 0.0

    def tick(self) -> None:
        """One event has reached the user."""
        self._seen += 1
        if self._seen == _WARM_UP:
            self._began = time.process_time()
        elif self._seen == EVENTS:
            microseconds = (time.process_time() - self._began) / (EVENTS - _WARM_UP) * 1e6
            print(microseconds, flush=True)
            os._exit(0)  # some clients cannot be stopped in the middle of a watch
