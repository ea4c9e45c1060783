"""What a work queue holds and has done, as plain numbers; metrics.py makes samples of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, repeat
from operator import mul
from typing import Final

from ctrlkit.histogram import Histogram, HistogramStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatistics:
    """
    A snapshot of a work queue.

    Shape   At this moment: `ready` and `running` count keys; `delayed` counts keys with a deadline, `retries` those of
            them that failed; `takers` are the takes that wait; `depth` is how many keys of each priority are wanted,
            that is ready, or running and wanted again. `unfinished_s` is how long the running keys have run in all,
            `longest_s` the one that has for longest.
            Since the beginning: `adds` counts how often a key came to be wanted, `requeues` how often it was to be so
            later, after a failure or not; `abandoned` the runs owed that closing dropped. `waited` and `worked` are the
            queue's Meter, None if it has none.
    """

    ready: int
    running: int
    delayed: int
    retries: int
    takers: int
    depth: Mapping[int, int]
    unfinished_s: float
    longest_s: float
    adds: int
    requeues: int
    abandoned: int
    waited: HistogramStatistics | None
    worked: HistogramStatistics | None


BUCKETS_S: Final = tuple(accumulate(repeat(10.0, 11), mul, initial=1e-8))
"""The upper bounds, in seconds, of controller-runtime's work queue histograms."""


class Meter:
    """
    Measures how long keys waited, from the add to the take, and how long they ran, from there to the done.

    Owner   One work queue: each has its own.
    """

    __slots__ = ("waited", "worked")

    def __init__(self) -> None:
        self.waited: Histogram = Histogram(BUCKETS_S)
        self.worked: Histogram = Histogram(BUCKETS_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """
    Where one key is in a queue: since when a run of it is still to start, and when it comes due; None where not so.

    Units   On the loop's clock. `batched`: it is delayed for more changes to come.
    """

    wanted_since: float | None
    due_at: float | None
    batched: bool
