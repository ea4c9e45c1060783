"""
The ResourceQuota controller: the status of a quota says what is hard, and what the objects of its namespace use.

Admission adds to what is used when an object is made; here it is counted anew, when a quota changes and when something
of its namespace goes or comes to its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.fakes.cluster.loops.kinds import AnyInformer, WatchedKinds
from ctrlkit.fakes.tracker.plugins.amounts import added
from ctrlkit.fakes.tracker.plugins.quotas import is_counted, selects, usage_of
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.manager import Manager
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, RESOURCE_QUOTAS, SERVICES

_NOTHING = "0"
_UPDATED = (PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS)
"""Kinds whose objects may use less after an update."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """Reconciles ResourceQuotas."""

    client: Client
    quotas: Lister[Unstructured]
    known: WatchedKinds

    async def reconcile(self, request: Request) -> Outcome:
        """Count what is used, and write it if it is not what the status says."""
        quota = self.quotas.find(request.key)
        if quota is None or quota.metadata.deleting:
            return DONE
        hard: dict[str, str] = quota.at("spec.hard") or {}
        used = await self._used(quota, hard)
        status = quota.get("status") or {}
        if status.get("hard", {}) != hard or not _equal(status.get("used") or {}, used):
            with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
                await self.client.update_status(RESOURCE_QUOTAS, {**quota, "status": {"hard": hard, "used": used}})
        return DONE

    async def _used(self, quota: Unstructured, hard: Iterable[str]) -> dict[str, str]:
        """Sum up what is used; what no kind has that is served is not said."""
        served = [resource for resource in self.known.served if resource.namespaced]
        total = {name: _NOTHING for name in hard if any(is_counted(resource, name) for resource in served)}
        for resource in self.known.resources:
            if not resource.namespaced or not any(is_counted(resource, name) for name in total):
                continue
            usage = usage_of(resource)
            for one in await self.client.list(resource, namespace=quota.key.namespace):
                if selects(quota, resource, one):
                    uses = {name: size for name, size in usage(one).items() if name in total}
                    total |= added({name: total[name] for name in uses}, uses)
        return total


def _equal(some: dict[str, str], other: dict[str, str]) -> bool:
    """Whether amounts are the same, however they are written."""
    return some.keys() == other.keys() and all(
        quantity_value(some[name]) == quantity_value(other[name]) for name in some
    )


def add_quotas(manager: Manager, *, known: WatchedKinds) -> None:
    """Add the ResourceQuota controller to a manager."""
    informer = manager.informer(RESOURCE_QUOTAS)
    loop = Quotas(manager.client, informer.lister, known)
    controller = Controller(name="resourcequotas", reconcile=loop.reconcile, watches=[Watch(informer, to_self)])

    def follow(source: AnyInformer) -> None:
        resource = source.resource
        if not resource.namespaced or resource.identity == RESOURCE_QUOTAS.identity:
            return
        may_free = resource.identity in {one.identity for one in _UPDATED}

        def on_change(change: Change[Any]) -> None:
            if change.new is None or (may_free and change.old is not None):
                for quota in informer.lister.list(namespace=change.record.key.namespace):
                    controller.wake(quota.key)

        source.add_handler(on_change, name=f"resourcequotas:{source.name}")
        for quota in informer.lister.list():
            unsaid = (quota.at("spec.hard") or {}).keys() - (quota.at("status.used") or {}).keys()
            if any(is_counted(resource, name) for name in unsaid):
                controller.wake(quota.key)  # the kind is served from now on

    known.on_informer(follow)
    manager.add(controller)
