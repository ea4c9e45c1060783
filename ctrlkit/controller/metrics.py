"""
Prometheus samples of controllers.

    REGISTRY.register(ControllerCollector(lambda: manager.controllers))

Names, labels and buckets are those of controller-runtime, so its dashboards and alerts work unchanged:

    reconcile_total{result}      success        done
                                 requeue_after  requeue_after
                                 error          error and terminal_error, as there
                                 conflict       conflict: a result of our own, which no panel calls an error
                                 requeue        retry_later: again, and no error
    reconcile_errors_total       error and terminal_error
    terminal_reconcile_errors_total, reconcile_panics_total (unforeseen errors), reconcile_timeouts_total

Each reconcile counts once in reconcile_total and once in reconcile_time_seconds. A cancelled one has no result, and is
counted in controller_cancelled_total alone. Rows K3, K4, K15; B1, B11, B20.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final

from ctrlkit import clock
from ctrlkit.controller.controller import Controller
from ctrlkit.controller.history import Failures
from ctrlkit.controller.reconcile import Result
from ctrlkit.controller.runs import ControllerStatistics
from ctrlkit.names import unique_names
from ctrlkit.samples import COUNTER, GAUGE, HISTOGRAM, Family, Sample, SampleCollector

_LABELS: Final = ("controller",)


class ControllerCollector(SampleCollector):
    """
    Collects the statistics of controllers; `controllers` returns them at each scrape.

    Two of one name are told apart by `#2` after it; a name is free again when its controller is gone.
    """

    families: ClassVar[tuple[Family, ...]] = (
        Family("controller_runtime_reconcile_total", "Reconciles by result.", COUNTER, ("controller", "result")),
        Family("controller_runtime_reconcile_errors_total", "Reconciles that failed.", COUNTER, _LABELS),
        Family(
            "controller_runtime_terminal_reconcile_errors_total", "Those of them not tried again.", COUNTER, _LABELS
        ),
        Family(
            "controller_runtime_reconcile_panics_total", "Reconciles that raised what nobody foresaw.", COUNTER, _LABELS
        ),
        Family("controller_runtime_reconcile_timeouts_total", "Reconciles that took too long.", COUNTER, _LABELS),
        Family("controller_runtime_reconcile_time_seconds", "How long reconciles took.", HISTOGRAM, _LABELS),
        Family("controller_runtime_max_concurrent_reconciles", "Workers.", GAUGE, _LABELS),
        Family("controller_runtime_active_workers", "Workers that reconcile now.", GAUGE, _LABELS),
        Family("controller_cancelled_total", "Reconciles that were cut off.", COUNTER, _LABELS),
        Family("controller_causes_total", "What led to reconciles.", COUNTER, ("controller", "cause")),
        Family("controller_failing_keys", "Keys whose last reconcile failed.", GAUGE, ("controller", "result")),
        Family(
            "controller_longest_failing_seconds",
            "How long the key has failed that has failed longest.",
            GAUGE,
            ("controller", "result"),
        ),
        Family("controller_waiting_keys", "Keys that wait for something else (RetryLater).", GAUGE, _LABELS),
        Family(
            "controller_longest_waiting_seconds", "How long the key has waited that has waited longest.", GAUGE, _LABELS
        ),
        Family("controller_stuck_keys", "Reconciles that have run for too long.", GAUGE, _LABELS),
        Family("controller_source_failures_total", "Mappers, predicates and the like that raised.", COUNTER, _LABELS),
        Family("controller_synced", "1 once what was there at the beginning is in the queue.", GAUGE, _LABELS),
        Family("controller_write_gate_held_keys", "Keys that wait to see what they wrote.", GAUGE, _LABELS),
        Family("controller_write_gate_holds_total", "Times a key had to wait for its own writes.", COUNTER, _LABELS),
        Family("controller_write_gate_timeouts_total", "Times its writes were not seen in time.", COUNTER, _LABELS),
        Family("controller_write_gate_wait_seconds_total", "How long keys waited, in all.", COUNTER, _LABELS),
    )

    def __init__(self, controllers: Callable[[], Iterable[Controller]]) -> None:
        self._controllers = controllers

    def samples(self) -> Iterator[Sample]:
        """The samples of each controller there is now, with each result from the beginning."""
        for name, controller in unique_names((each.name, each) for each in self._controllers()):
            for family, more, value in _samples(controller.statistics(), synced=controller.has_synced()):
                yield family, (name, *more), value


def _samples(of: ControllerStatistics, *, synced: bool) -> Iterator[Sample]:
    results = _their_results(of.results)
    for result, count in results.items():
        yield "controller_runtime_reconcile_total", (result,), count
    yield "controller_runtime_reconcile_errors_total", (), results["error"]
    yield "controller_runtime_terminal_reconcile_errors_total", (), of.results[Result.TERMINAL_ERROR]
    yield "controller_runtime_reconcile_panics_total", (), of.unforeseen
    yield "controller_runtime_reconcile_timeouts_total", (), of.timeouts
    yield "controller_runtime_reconcile_time_seconds", (), of.took
    yield "controller_runtime_max_concurrent_reconciles", (), of.workers
    yield "controller_runtime_active_workers", (), len(of.running)
    yield "controller_cancelled_total", (), of.cancelled
    for kind, count in of.causes.items():
        yield "controller_causes_total", (kind.value,), count
    for result, failures in of.failures.items():
        yield "controller_failing_keys", (result,), failures.keys
        yield "controller_longest_failing_seconds", (result,), _longest_s(failures)
    yield "controller_waiting_keys", (), of.waiting.keys
    yield "controller_longest_waiting_seconds", (), _longest_s(of.waiting)
    yield "controller_stuck_keys", (), len(of.stuck)
    yield "controller_source_failures_total", (), of.source_failures
    yield "controller_synced", (), synced
    yield "controller_write_gate_held_keys", (), of.gate.held
    yield "controller_write_gate_holds_total", (), of.gate.holds
    yield "controller_write_gate_timeouts_total", (), of.gate.timeouts
    yield "controller_write_gate_wait_seconds_total", (), of.gate.waited_s


def _longest_s(of: Failures) -> float:
    return 0.0 if of.since is None else max(0.0, (clock.now() - of.since).total_seconds())


def _their_results(results: Mapping[Result, int]) -> dict[str, int]:
    """Our results by the names of their label."""
    return {
        "error": results[Result.ERROR] + results[Result.TERMINAL_ERROR],
        "requeue_after": results[Result.REQUEUE_AFTER],
        "requeue": results[Result.RETRY_LATER],
        "success": results[Result.DONE],
        "conflict": results[Result.CONFLICT],
    }
