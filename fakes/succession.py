"""Which leases of a world will change hands by themselves: the one thing that no candidate can know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ctrlkit.election import LeaseRecord
from ctrlkit.errors import NotFound
from ctrlkit.manager import Manager
from ctrlkit.model.kinds import LEASES
from fakes.tracker import Tracker


def successions(tracker: Tracker, managers: Iterable[Manager]) -> Iterator[str]:
    """
    The candidates that will take a lease because nobody who runs here holds it, in words.

    Whoever held it has released it, which a candidate sees when it looks again; or has crashed, and it runs out.
    """
    candidates = [manager.elector for manager in managers if manager.elector is not None]
    alive = {elector.identity for elector in candidates}
    for elector in candidates:
        try:
            holder = LeaseRecord.of(tracker.get(LEASES, elector.lease)).holder
        except NotFound:
            continue  # not asked for yet, or about to be made: the manager says so itself
        if holder not in alive and not elector.is_leading():
            yield f"{elector.identity} will take lease {elector.lease}, which {holder or 'nobody'} holds"
