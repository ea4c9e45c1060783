"""The controller of aggregated ClusterRoles: they get the rules of all roles that their selectors match."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch
from ctrlkit.manager import Manager
from ctrlkit.model import LabelSelector, ObjectKey, OnConflict, Record, Unstructured
from ctrlkit.model.kinds import CLUSTER_ROLES

_MANAGER = "clusterrole-aggregation-controller"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Reconciles ClusterRoles."""

    client: Client
    roles: Lister[Unstructured]

    async def reconcile(self, request: Request) -> Outcome:
        """Write the rules that a role gathers, if they are not what it has."""
        role = self.roles.find(request.key)
        if role is None or role.get("aggregationRule") is None:
            return DONE
        rules = self._gathered(role)
        if rules != (role.get("rules") or []):
            fields = {"rules": rules} if rules else {}  # what its author wrote stays while none matches
            await self.client.apply(CLUSTER_ROLES, request.key, fields, on_conflict=OnConflict.FORCE)
        return DONE

    def to_aggregated(self, _: Record[Any]) -> Iterable[ObjectKey]:
        """Map any role to all that gather rules: which of them gather its rules is not looked at."""
        return [record.key for record in self.roles.records() if record.shared.get("aggregationRule")]

    def _gathered(self, role: Unstructured) -> list[Any]:
        found: list[Any] = []
        others = sorted(
            (other.shared for other in self.roles.records() if other.key.name != role.metadata.name),
            key=lambda other: other.metadata.name,
        )
        for selector in role.at("aggregationRule.clusterRoleSelectors") or ():
            matching = LabelSelector.of_object(selector)
            for other in others:
                if matching.matches(other.at("metadata.labels")):
                    found += [rule for rule in other.get("rules") or () if rule not in found]
        return found


def add_aggregation(manager: Manager) -> None:
    """Add the loop to a manager."""
    informer = manager.informer(CLUSTER_ROLES)
    client = Client(manager.client.transport, field_manager=_MANAGER)
    loop = Aggregation(client, informer.lister)
    manager.add(Controller(name="aggregation", reconcile=loop.reconcile, watches=[Watch(informer, loop.to_aggregated)]))
