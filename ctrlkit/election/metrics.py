"""Prometheus metrics of leader election, with client-go's names where it has one (row L15)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

from ctrlkit.election.elector import Elector
from ctrlkit.names import unique_names
from ctrlkit.samples import COUNTER, GAUGE, Family, Sample, SampleCollector

_LABELS = ("name",)


class ElectionCollector(SampleCollector):
    """
    Collects the state of electors; `electors` returns them at each scrape. The label `name` is the Lease's.

    Of two Leases of one name, in different namespaces, the second has `#2` after it.
    """

    families: ClassVar[tuple[Family, ...]] = (
        Family("leader_election_master_status", "1 while this candidate leads, else 0.", GAUGE, _LABELS),
        Family(
            "leader_election_slowpath_total",
            "Reads of the Lease by its holder, which needs none as long as nothing fails.",
            COUNTER,
            _LABELS,
        ),
        Family("leader_election_renew_failures_total", "Tries to renew that failed.", COUNTER, _LABELS),
        Family(
            "leader_election_holder_changes_total", "New holders that were seen, the first one too.", COUNTER, _LABELS
        ),
    )

    def __init__(self, electors: Callable[[], Iterable[Elector]]) -> None:
        self._electors = electors

    def samples(self) -> Iterator[Sample]:
        """The samples of each elector there is now."""
        for label, elector in unique_names((elector.name, elector) for elector in self._electors()):
            of = elector.status()
            yield "leader_election_master_status", (label,), of.leading
            yield "leader_election_slowpath_total", (label,), of.slow_paths
            yield "leader_election_renew_failures_total", (label,), of.failed_renewals
            yield "leader_election_holder_changes_total", (label,), of.changes_of_holder
