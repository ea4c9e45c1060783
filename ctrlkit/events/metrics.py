"""
Prometheus metrics of event recorders.

    REGISTRY.register(EventCollector(lambda: manager.recorders))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

from ctrlkit.events.recorder import EventRecorder, RecorderStatistics
from ctrlkit.samples import COUNTER, GAUGE, Family, Sample, SampleCollector

_LABELS = ("component", "api")


class EventCollector(SampleCollector):
    """
    Collects the counts of recorders; `recorders` returns them at each scrape.

    Those of recorders with one component and API are added up.
    """

    families: ClassVar[tuple[Family, ...]] = (
        Family("event_recorder_recorded_total", "Events that controllers recorded.", COUNTER, _LABELS),
        Family("event_recorder_merged_total", "Of these, told by a write that was due anyway.", COUNTER, _LABELS),
        Family("event_recorder_aggregated_total", "Of these, combined with similar ones.", COUNTER, _LABELS),
        Family("event_recorder_told_total", "Of these, known to the server as counts.", COUNTER, _LABELS),
        Family("event_recorder_dropped_total", "Of these, not written.", COUNTER, (*_LABELS, "reason")),
        Family("event_recorder_recovered_total", "Of those dropped, told by a later count.", COUNTER, _LABELS),
        Family("event_recorder_writes_total", "Writes that the server took.", COUNTER, (*_LABELS, "verb")),
        Family("event_recorder_pending", "Events that wait to be written.", GAUGE, _LABELS),
        Family("event_recorder_untold", "Recorded Events neither told nor dropped yet.", GAUGE, _LABELS),
    )

    def __init__(self, recorders: Callable[[], Iterable[EventRecorder]]) -> None:
        self._recorders = recorders

    def samples(self) -> Iterator[Sample]:
        """The samples of each component and API there is now."""
        totals: Counter[tuple[str, tuple[str, ...]]] = Counter()
        for recorder in self._recorders():
            for name, more, value in _samples(recorder.statistics()):
                totals[name, (recorder.component, recorder.api.value, *more)] += value
        for (name, labels), value in totals.items():
            yield name, labels, value


def _samples(of: RecorderStatistics) -> Iterator[tuple[str, tuple[str, ...], int]]:
    yield "event_recorder_recorded_total", (), of.recorded
    yield "event_recorder_merged_total", (), of.merged
    yield "event_recorder_aggregated_total", (), of.aggregated
    yield "event_recorder_told_total", (), of.told
    for reason, count in of.dropped.items():
        yield "event_recorder_dropped_total", (reason.value,), count
    yield "event_recorder_recovered_total", (), of.recovered
    yield "event_recorder_writes_total", ("create",), of.created
    yield "event_recorder_writes_total", ("patch",), of.updated
    yield "event_recorder_pending", (), of.pending
    yield "event_recorder_untold", (), of.untold
