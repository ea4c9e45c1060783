"""Which leases of a world will change hands by themselves: the one thing that no candidate can know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ctrlkit.election import LeaseRecord, Sharding
from ctrlkit.election.group import plan
from ctrlkit.errors import NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import LEASES


def successions(tracker: Tracker, managers: Iterable[Manager]) -> Iterator[str]:
    """
    The candidates that will take a lease because nobody who runs here holds it, in words.

    Whoever held it has released it, which a candidate sees when it looks again; or has crashed, and it runs out. A
    shard will also move if those who run here share shards in another way than its holder knows yet.
    """
    managers = tuple(managers)
    candidates = [manager.elector for manager in managers if manager.elector is not None]
    alive = {elector.identity for elector in candidates}
    for elector in candidates:
        holder = _holder(tracker, elector.lease)
        if holder is None:
            continue  # not asked for yet, or about to be made: the manager says so itself
        if holder not in alive and not elector.is_leading():
            yield f"{elector.identity} will take lease {elector.lease}, which {holder or 'nobody'} holds"
    for lease, heir in _heirs(manager.sharding for manager in managers).items():
        holder = _holder(tracker, lease)
        if holder != heir:
            yield f"{heir} will take lease {lease}, which {holder or 'nobody'} holds"


def _heirs(shardings: Iterable[Sharding | None]) -> Mapping[ObjectKey, str]:
    """Who is to have the Lease of each shard, of all groups."""
    groups: dict[tuple[ObjectKey, ...], set[str]] = {}
    for sharding in shardings:
        if sharding is not None:
            _, *shards = sharding.electors
            groups.setdefault(tuple(elector.lease for elector in shards), set()).add(sharding.identity)
    return {
        leases[shard]: heir for leases, members in groups.items() for shard, heir in plan(members, len(leases)).items()
    }


def _holder(tracker: Tracker, lease: ObjectKey) -> str | None:
    try:
        return LeaseRecord.of(tracker.get(LEASES, lease)).holder
    except NotFound:
        return None
