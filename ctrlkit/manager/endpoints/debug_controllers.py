"""What the controllers of a manager do, owe and wait for: tables for the debug page (rows B1, B7, B30, B32)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ctrlkit.clock import monotonic
from ctrlkit.manager.endpoints.tables import ROWS_MAX, Row, Table, cut, seconds, table

if TYPE_CHECKING:
    from ctrlkit.controller import Controller, ControllerStatistics

_Pictures = list[tuple["Controller", "ControllerStatistics"]]


def controller_sections(controllers: tuple[Controller, ...]) -> Mapping[str, Table]:
    """Each controller and its queue; what runs, the longest first; and what is tried again, the next one due first."""
    pictures = [(controller, controller.statistics()) for controller in controllers]
    return {
        "controllers": table(_controller(*each) for each in pictures),
        "queues": table(_queue(*each) for each in pictures),
        "running": _running(pictures),
        "retries": _retries(pictures),
    }


def _controller(controller: Controller, of: ControllerStatistics) -> Row:
    return {
        "controller": controller.name,
        "runs_on": controller.replicas.value,
        "synced": controller.has_synced(),
        "workers": of.workers,
        "running": len(of.running),
        "stuck": len(of.stuck),
        "results": {result.value: count for result, count in of.results.items() if count},
        "unforeseen": of.unforeseen,
        "timeouts": of.timeouts,
        "cancelled": of.cancelled,
        "source_failures": of.source_failures,
        "causes": {kind.value: count for kind, count in of.causes.items() if count},
        "held_for_own_writes": of.gate.held,
        "writes_not_seen": of.gate.timeouts,
    }


def _queue(controller: Controller, of: ControllerStatistics) -> Row:
    queue = of.queue
    return {
        "controller": controller.name,
        "wanted": sum(queue.depth.values()),
        "by_priority": {str(priority): count for priority, count in sorted(queue.depth.items(), reverse=True) if count},
        "ready": queue.ready,
        "delayed": queue.delayed,
        "retries": queue.retries,
        "idle_workers": queue.takers,
        "longest_running_s": seconds(queue.longest_s),
        "adds": queue.adds,
        "requeues": queue.requeues,
        "abandoned": queue.abandoned,
    }


def _running(pictures: _Pictures) -> Table:
    return table(
        sorted((row for _, of in pictures for row in _runs(of)), key=lambda row: -row["for_s"])  # as many as workers
    )


def _runs(of: ControllerStatistics) -> Iterator[Row]:
    now = monotonic()
    for run in of.running:
        yield {
            "controller": run.controller,
            "key": str(run.key),
            "for_s": seconds(now - run.began_at),
            "attempt": run.attempt,
            "causes": [cut(cause) for cause in run.causes],
            "waited_s": seconds(run.waited_s),
            "id": run.id,
        }


def _retries(pictures: _Pictures) -> Table:
    """Of each controller no more are looked at than are shown: there may be very many."""
    now = monotonic()
    rows: list[dict[str, Any]] = [
        {
            "controller": controller.name,
            "key": str(retry.key),
            "failures": retry.failures,
            "next_s": seconds(max(0.0, retry.due_at - now)),
            "error": cut(retry.error),
        }
        for controller, _ in pictures
        for retry in controller.retries(first=ROWS_MAX)
    ]
    rows.sort(key=lambda row: row["next_s"])
    owed = max(len(rows), sum(of.queue.retries for _, of in pictures))
    return {"rows": rows[:ROWS_MAX], "more": max(0, owed - ROWS_MAX)}
