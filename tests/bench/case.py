"""
Benchmark cases: what something costs, against something everybody knows or against a plain figure.

A ratio holds on any machine, where seconds do not. Subject and baseline are timed in alternation, so that what else the
machine does hits both, and the best of several rounds counts for each, because noise only adds. What has no baseline is
a `Figure`: a measurement in its own unit. If that is a time, its budget is one for a machine that reads a pod with
json.loads in 19 us, and grows on a machine that is slower, or is so at the moment.
"""

from __future__ import annotations

import gc
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from tests.bench.pods import lines

REFERENCE_S = 19e-6
"""How long json.loads of a pod's watch line takes on the machine that budgets in seconds are meant for."""


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
    rounds: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """
    What is measured by itself: `take` gives the figure in `unit`, `budget` is the largest that is good enough, None for
    what is there to be compared with. A budget in `ms` is one for the machine of REFERENCE_S.

    Where `baseline` is given, in the same unit, the budget is for the ratio of the two.
    """

    name: str
    take: Callable[[], float]
    unit: str
    budget: float | None
    baseline: Callable[[], float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """
    The answer to a case: `value` and `baseline` in `unit`, their ratio, and whether it is within the budget.

    Without a baseline there is no ratio either, and the budget is for the value.
    """

    case: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    budget: float | None
    ok: bool


def measure(case: Case | Figure) -> Measurement:
    """Take the figures of a case."""
    return _time(case) if isinstance(case, Case) else _take(case)


def measure_module(module: str, wanted: Sequence[str]) -> list[Measurement]:
    """Take the figures of a module of this package: of all its cases, or of those that have a word in their name."""
    cases = importlib.import_module(f"tests.bench.{module}").cases()
    chosen = (case for case in cases if not wanted or any(part in case.name or part in module for part in wanted))
    return [measure(case) for case in chosen]


def slowness() -> float:
    """How many times as long as on the machine of REFERENCE_S something takes here and now, 1 if it is no longer."""
    (line,) = lines(1, first_version=1)
    best = min(_seconds(lambda: [json.loads(line) for _ in range(100)]) for _ in range(20))
    return max(1.0, best / 100 / REFERENCE_S)


def _take(figure: Figure) -> Measurement:
    is_time = figure.unit == "ms" and figure.baseline is None
    before = slowness() if is_time else 1.0
    value = figure.take()
    slower = (before + slowness()) / 2 if is_time else 1.0
    baseline = figure.baseline() if figure.baseline else None
    ratio = value / baseline if baseline else None
    judged = value if ratio is None else ratio
    budget = None if figure.budget is None else figure.budget * slower
    return Measurement(
        case=figure.name,
        value=value,
        unit=figure.unit,
        baseline=baseline,
        ratio=ratio,
        budget=budget,
        ok=budget is None or judged <= budget,
    )


def _time(case: Case) -> Measurement:
    """Time subject and baseline in alternation, after one untimed call of each; the best round counts."""
    case.baseline()
    case.subject()
    baseline_s = subject_s = float("inf")
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(case.rounds):
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
