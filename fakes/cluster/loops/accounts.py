"""What controllers put into each namespace: the ServiceAccount `default`, and the server's certificate authority."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import AlreadyExists, Conflict, Forbidden, NotFound
from ctrlkit.fakes.cluster.loops.kinds import is_gone
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = "kubernetes.io/description"
_USE = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)
_NAMES = (ACCOUNT, ROOT_CA)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Reconciles namespaces; `root_ca` is the authority's certificate as PEM, "" for a server without TLS."""

    client: Client
    namespaces: Lister[Unstructured]
    accounts: Lister[Unstructured]
    config_maps: Lister[Unstructured]
    root_ca: str

    async def reconcile(self, request: Request) -> Outcome:
        """Make both in a namespace that is not being deleted, and correct the certificate."""
        namespace = self.namespaces.find(request.key)
        if namespace is None or namespace.at("metadata.deletionTimestamp"):
            return DONE
        name = request.key.name
        # Made or changed by somebody else, or the namespace is ending: the caches are about to show it.
        with suppress(AlreadyExists, Conflict, Forbidden, NotFound):
            if self.accounts.find(ObjectKey(name, ACCOUNT)) is None:
                await self.client.create(SERVICE_ACCOUNTS, {"metadata": {"name": ACCOUNT, "namespace": name}})
            if self.root_ca:
                await self._publish(name)
        return DONE

    async def _publish(self, namespace: str) -> None:
        data = {"ca.crt": self.root_ca}
        found = self.config_maps.find(ObjectKey(namespace, ROOT_CA))
        if found is None:
            metadata = {"name": ROOT_CA, "namespace": namespace, "annotations": {_DESCRIPTION: _USE}}
            await self.client.create(CONFIG_MAPS, {"metadata": metadata, "data": data})
            return
        annotations = found.metadata.annotations or {}
        if found.get("data") != data or not annotations.get(_DESCRIPTION):
            metadata = found["metadata"] | {"annotations": {**annotations, _DESCRIPTION: _USE}}
            await self.client.update(CONFIG_MAPS, found | {"metadata": metadata, "data": data})


def _to_namespace(record: Record[Any]) -> Iterable[ObjectKey]:
    return [ObjectKey("", record.key.namespace)] if record.key.name in _NAMES else []


def add_accounts(manager: Manager, *, root_ca: str) -> None:
    """Add the loop to a manager."""
    namespaces, accounts, config_maps = (manager.informer(kind) for kind in (NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS))
    loop = Accounts(manager.client, namespaces.lister, accounts.lister, config_maps.lister, root_ca)
    watches: list[Watch[Any]] = [
        Watch(namespaces, to_self),
        Watch(accounts, _to_namespace, predicate=is_gone),
        Watch(config_maps, _to_namespace),
    ]
    manager.add(Controller(name="accounts", reconcile=loop.reconcile, watches=watches))
