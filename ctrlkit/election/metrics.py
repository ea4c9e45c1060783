"""
What electors count, as Prometheus samples (row L15).

In       `Elector.status()`, when somebody scrapes and at no other time.
Out      One metric family for each name in METRICS, each sample labelled with the Lease's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ctrlkit.election.elector import ElectionStatus, Elector
from ctrlkit.names import told_apart

_Family = type[GaugeMetricFamily] | type[CounterMetricFamily]

METRICS: Final[dict[str, tuple[_Family, str, Callable[[ElectionStatus], float]]]] = {
    "leader_election_master_status": (
        GaugeMetricFamily,
        "1 while this candidate leads, else 0.",
        lambda of: of.leading,
    ),
    "leader_election_slowpath_total": (
        CounterMetricFamily,
        "Reads of the Lease by its holder, which needs none as long as nothing fails.",
        lambda of: of.slow_paths,
    ),
    "leader_election_renew_failures_total": (
        CounterMetricFamily,
        "Tries to renew that failed.",
        lambda of: of.failed_renewals,
    ),
    "leader_election_holder_changes_total": (
        CounterMetricFamily,
        "New holders that were seen, the first one too.",
        lambda of: of.changes_of_holder,
    ),
}


class ElectionCollector(Collector):
    """
    Samples of electors; `electors` says which, at each scrape.

    Of two Leases of one name, in different namespaces, the second has `#2` after it.
    """

    def __init__(self, electors: Callable[[], Iterable[Elector]]) -> None:
        self._electors = electors

    def describe(self) -> Iterator[Metric]:
        """The families, without samples: registering asks nobody anything."""
        return iter([kind(name, text, labels=("name",)) for name, (kind, text, _) in METRICS.items()])

    def collect(self) -> Iterator[Metric]:
        """The families, with a sample for each elector there is now."""
        electors = told_apart((elector.name, elector) for elector in self._electors())
        statuses = [(label, elector.status()) for label, elector in electors]
        for name, (kind, text, value) in METRICS.items():
            family = kind(name, text, labels=("name",))
            for label, status in statuses:
                family.add_metric((label,), value(status))
            yield family
