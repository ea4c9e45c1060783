"""What became of a controller's reconciles, in numbers."""

from __future__ import annotations

from ctrlkit.controller.reconcile import ReconcileTimeout, Result, judge_error
from ctrlkit.controller.runs import ReconcileCounters
from ctrlkit.errors import Unreachable


def test_what_ran_out_of_time_is_an_error_and_counted_apart_too() -> None:
    """K14: an error that is foreseen; a time limit that the reconciler met is not the controller's own."""
    counters = ReconcileCounters()
    met = (TimeoutError("its own"), Unreachable("refused"), KeyError("spec"))
    for error in (ReconcileTimeout("took longer than 5 s"), *met):
        counters.ended(judge_error(error), took_s=5.0)
    assert (counters.results[Result.ERROR], counters.timeouts, counters.unforeseen) == (4, 1, 1)
