"""What became of a controller's reconciles, in plain numbers that cost nothing to keep; metrics.py makes samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from ctrlkit.controller.causes import CauseKind
from ctrlkit.controller.gate import GateStatistics
from ctrlkit.controller.observer import Run
from ctrlkit.controller.verdict import ReconcileTimeout, Result, Verdict
from ctrlkit.histogram import Histogram, HistogramStatistics
from ctrlkit.model import ObjectKey
from ctrlkit.workqueue import Statistics

BUCKETS_S: Final = tuple(
    chain(
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        (1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0),
        (15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0),
    )
)
"""The upper bounds of `controller_runtime_reconcile_time_seconds` (row K15)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerStatistics:
    """
    A picture of one controller.

    Shape   `results` counts reconciles by their end, `took` is how long these ran. `unforeseen` are those of them that
            raised what is no CtrlkitError (K13), `timeouts` those that the controller's own time limit ended (K14);
            `cancelled` were cut off and have no result. `causes` counts by kind what led to reconciles.
            `source_failures` counts mappers, predicates and the like that raised. `running` are the reconciles that run
            now, by as many as `workers` at a time; the `stuck` among them have run for too long.
    """

    results: Mapping[Result, int]
    took: HistogramStatistics
    unforeseen: int
    timeouts: int
    cancelled: int
    causes: Mapping[CauseKind, int]
    source_failures: int
    running: tuple[Run, ...]
    stuck: tuple[ObjectKey, ...]
    workers: int
    queue: Statistics
    gate: GateStatistics


class Tally:
    """
    Counts of ends.

    >>> tally = Tally()
    >>> tally.ended(Verdict(result=Result.DONE), took_s=0.02)
    >>> tally.results[Result.DONE], tally.took.statistics().counts[2]
    (1, 1)
    """

    def __init__(self) -> None:
        self.results: Counter[Result] = Counter()
        self.causes: Counter[CauseKind] = Counter()
        self.unforeseen = 0
        self.timeouts = 0
        self.cancelled = 0
        self.took = Histogram(BUCKETS_S)

    def ended(self, verdict: Verdict, *, took_s: float) -> None:
        """A reconcile came to an end of its own."""
        self.results[verdict.result] += 1
        self.unforeseen += not verdict.foreseen
        self.timeouts += isinstance(verdict.error, ReconcileTimeout)
        self.took.observe(took_s)
