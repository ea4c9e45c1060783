"""What a work queue holds and has done, as plain numbers; metrics.py makes samples of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctrlkit.histogram import HistogramStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """
    A picture of one queue.

    Shape   At this moment: `ready` and `running` count keys; `delayed` counts keys with a deadline, `retries` those of
            them that failed; `takers` are the takes that wait; `depth` is how many keys of each priority are wanted,
            that is ready, or running and wanted again. `unfinished_s` is how long the running keys have run in all,
            `longest_s` the one that has for longest.
            Since the beginning: `adds` counts how often a key came to be wanted, `requeues` how often it was to be so
            later, after a failure or not; `abandoned` the runs owed that closing dropped. `waited` and `worked` are the
            queue's Meter, None if it has none.
    Source  Rows P5, P7, Q10, Q17 and Q18.
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
