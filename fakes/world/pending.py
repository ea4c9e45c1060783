"""What no part of a world knows by itself: how far caches are behind the server, and which Leases change hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ctrlkit.cache import Informer
from ctrlkit.election import LeaseRecord, Sharding
from ctrlkit.election.group import plan
from ctrlkit.errors import NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import Manager
from ctrlkit.model import Action, ObjectKey
from ctrlkit.model.kinds import LEASES


class CacheLag:
    """
    Compares the caches of informers with a tracker.

    It remembers up to which version each scope of each informer was equal, so that a check costs only what has changed
    since the last one.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._equal_at: dict[tuple[int, str], int] = {}

    def of(self, informer: Informer[Any]) -> tuple[str, ...]:
        """Say `informer:configmaps at 2, server at 3`, with the obstacle; nothing for a cache that is up to date."""
        if not informer.has_synced():  # the informer says so itself
            return tuple(f"informer:{informer.name} {why}" for why in self._obstacles(informer, ""))
        return tuple(
            f"informer:{informer.name}{f' in {scope}' if scope else ''} at {reached}, server at {newest}"
            + "".join(f" ({why})" for why in self._obstacles(informer, scope))
            for scope, reached in informer.versions.items()
            if reached.isdigit() and (newest := self._newest(informer, scope, int(reached)))
        )

    def _newest(self, informer: Informer[Any], scope: str, reached: int) -> int:
        action = getattr(informer.sources[scope], "scope", None)
        if not isinstance(action, Action):
            return 0  # a source of the test's own
        seen = max(reached, self._equal_at.get((id(informer), scope), 0))
        newest = self._tracker.newest(action, seen)
        if newest is None:
            newest = self._compare(informer, scope, action)
        if not newest:
            self._equal_at[id(informer), scope] = self._tracker.version
        return newest

    def _compare(self, informer: Informer[Any], scope: str, action: Action) -> int:
        """Compare object by object, because the history is gone."""
        options = replace(action.options, resource_version="", limit=0)
        items = self._tracker.list(action.resource, action.namespace, options)
        cached = {str(record.key): record.version for record in informer.lister.records(namespace=scope)}
        stored = {str(item.key): item.metadata.resource_version for item in items}
        return 0 if cached == stored else self._tracker.version

    def _obstacles(self, informer: Informer[Any], scope: str) -> tuple[str, ...]:
        statistics = informer.statistics().reflectors.get(scope)
        if statistics is None or not statistics.last_error:
            return ()
        return (f"{statistics.state} after: {statistics.last_error}",)


def pending_elections(tracker: Tracker, managers: Iterable[Manager]) -> Iterator[str]:
    """
    Name the candidates that will acquire a Lease because no running manager holds it.

    Its holder has released it, which a candidate sees on its next retry, or has crashed, and the Lease expires. A shard
    also moves if the running members share the shards in a way that its holder does not know yet.
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
    for lease, planned in _planned_holders(manager.sharding for manager in managers).items():
        holder = _holder(tracker, lease)
        if holder != planned:
            yield f"{planned} will take lease {lease}, which {holder or 'nobody'} holds"


def _planned_holders(shardings: Iterable[Sharding | None]) -> Mapping[ObjectKey, str]:
    """Map the Lease of each shard, of all groups, to the member that is to hold it."""
    groups: dict[tuple[ObjectKey, ...], set[str]] = {}
    for sharding in shardings:
        if sharding is not None:
            _, *shards = sharding.electors
            groups.setdefault(tuple(elector.lease for elector in shards), set()).add(sharding.identity)
    return {
        leases[shard]: member
        for leases, members in groups.items()
        for shard, member in plan(members, len(leases)).items()
    }


def _holder(tracker: Tracker, lease: ObjectKey) -> str | None:
    try:
        return LeaseRecord.of(tracker.get(LEASES, lease)).holder
    except NotFound:
        return None
