"""
Prometheus metrics of work queues, with client-go's names and controller-runtime's labels and buckets.

    REGISTRY.register(QueueCollector(lambda: [(each.name, each.queue) for each in manager.controllers]))

Rows Q10 and Q17 to Q19, P5 and P7. A queue without a Meter has no samples of durations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from ctrlkit.histogram import HistogramStatistics
from ctrlkit.names import unique_names
from ctrlkit.samples import COUNTER, GAUGE, HISTOGRAM, Family, Sample, SampleCollector
from ctrlkit.workqueue.fifo import NORMAL
from ctrlkit.workqueue.statistics import QueueStatistics
from ctrlkit.workqueue.workqueue import WorkQueue

PRIORITIES_MAX: Final = 25
"""So many priorities of one queue have a label value of their own; the others share OTHER_PRIORITIES."""

OTHER_PRIORITIES: Final = "exceeded_cardinality_limit"

_LABELS = ("name", "controller")


class QueueCollector(SampleCollector):
    """
    Collects the state of work queues; `queues` returns them at each scrape, each with the name of its controller.

    Two of one name are told apart by `#2` after the name.
    """

    families: ClassVar[tuple[Family, ...]] = (
        Family("workqueue_depth", "Keys that are ready, or running and wanted again.", GAUGE, (*_LABELS, "priority")),
        Family("workqueue_adds_total", "Times a key came to be wanted.", COUNTER, _LABELS),
        Family(
            "workqueue_queue_duration_seconds",
            "From when a key was wanted to the start of its run.",
            HISTOGRAM,
            _LABELS,
        ),
        Family("workqueue_work_duration_seconds", "From start to end of a run.", HISTOGRAM, _LABELS),
        Family("workqueue_unfinished_work_seconds", "How long the keys that run now have run, in all.", GAUGE, _LABELS),
        Family("workqueue_longest_running_processor_seconds", "How long the one has that began first.", GAUGE, _LABELS),
        Family("workqueue_retries_total", "Times a key was put off, after a failure or not.", COUNTER, _LABELS),
    )

    def __init__(self, queues: Callable[[], Iterable[tuple[str, WorkQueue[Any]]]]) -> None:
        self._queues = queues
        self._priorities: dict[str, list[int]] = {}  # that have a label value, in the order in which they were seen

    def samples(self) -> Iterator[Sample]:
        """The samples of each queue there is now."""
        named: dict[str, list[int]] = {}
        for name, queue in unique_names(self._queues()):
            statistics = queue.statistics()
            named[name] = self._priorities.get(name, [NORMAL])
            for priority, depth in _by_label(statistics.depth, named[name]).items():
                yield "workqueue_depth", (name, name, priority), depth
            for family, value in _samples(statistics):
                yield family, (name, name), value
        self._priorities = named  # of queues that are gone nothing is remembered (B20)


def _by_label(depth: Mapping[int, int], named: list[int]) -> dict[str, int]:
    """The depths by label value; `named` are the priorities that have one, and new ones are put there."""
    named.extend(sorted(depth.keys() - set(named), reverse=True)[: PRIORITIES_MAX - len(named)])
    depths = {str(priority): depth.get(priority, 0) for priority in named}
    if others := depth.keys() - set(named):
        depths[OTHER_PRIORITIES] = sum(depth[priority] for priority in others)
    return depths


def _samples(of: QueueStatistics) -> Iterator[tuple[str, float | HistogramStatistics]]:
    yield "workqueue_adds_total", of.adds
    if of.waited is not None and of.worked is not None:
        yield "workqueue_queue_duration_seconds", of.waited
        yield "workqueue_work_duration_seconds", of.worked
    yield "workqueue_unfinished_work_seconds", of.unfinished_s
    yield "workqueue_longest_running_processor_seconds", of.longest_s
    yield "workqueue_retries_total", of.requeues
