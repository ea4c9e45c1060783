"""How far the caches of a world are behind its server: the one thing that no part can know by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ctrlkit.cache import Informer
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action


class Lag:
    """
    Compares informers with a tracker.

    Owns    For each scope of each informer the version up to which it was found to be equal, so that a look costs only
            what has changed since the last one.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._equal_at: dict[tuple[int, str], int] = {}

    def of(self, informer: Informer[Any]) -> tuple[str, ...]:
        """`informer:configmaps at 2, server at 3`, with what stands in the way; nothing where it has all."""
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
        """The history is gone: only object by object can tell."""
        options = replace(action.options, resource_version="", limit=0)
        there = self._tracker.list(action.resource, action.namespace, options)
        have = {str(record.key): record.version for record in informer.lister.records(namespace=scope)}
        want = {str(item.key): item.metadata.resource_version for item in there}
        return 0 if have == want else self._tracker.version

    def _obstacles(self, informer: Informer[Any], scope: str) -> tuple[str, ...]:
        statistics = informer.statistics().reflectors.get(scope)
        if statistics is None or not statistics.last_error:
            return ()
        return (f"{statistics.state} after: {statistics.last_error}",)
