"""
One benchmark case: what it costs as a multiple of something everybody knows, measured in the same run.

A ratio holds on any machine, where seconds do not. Subject and baseline are timed in alternation, so that what else the
machine does hits both, and the best of several rounds counts for each, because noise only adds.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    What is timed against what: two callables, each of which does `operations` operations in one call.

    `budget` is the largest ratio of subject to baseline that is good enough.
    """

    name: str
    subject: Callable[[], object]
    baseline: Callable[[], object]
    operations: int
    budget: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The answer to a case: `value` and `baseline` in `unit`, their ratio, and whether it is within the budget."""

    case: str
    value: float
    unit: str
    baseline: float
    ratio: float
    budget: float
    ok: bool


def measure(case: Case, *, rounds: int = 7) -> Measurement:
    """Time subject and baseline in alternation, after one untimed call of each; the best of `rounds` counts."""
    case.baseline()
    case.subject()
    baseline_s = subject_s = float("inf")
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            baseline_s = min(baseline_s, _seconds(case.baseline))
            subject_s = min(subject_s, _seconds(case.subject))
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    ratio = subject_s / baseline_s
    return Measurement(
        case=case.name,
        value=subject_s / case.operations * 1e6,
        unit="us",
        baseline=baseline_s / case.operations * 1e6,
        ratio=ratio,
        budget=case.budget,
        ok=ratio <= case.budget,
    )


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start
