"""The scheduler of a cluster with one node: every pod without a node goes there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.manager import Manager
from ctrlkit.model import Unstructured, custom_resource
from ctrlkit.model.kinds import PODS
from fakes.cluster.node import NODE

BINDINGS = custom_resource(group="", kind="Binding", plural="bindings")


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Binds pods to the node, as schedulers do: nobody else may say where a pod runs."""

    client: Client
    pods: Lister[Unstructured]

    async def reconcile(self, request: Request) -> Outcome:
        """Bind one pod."""
        pod = self.pods.find(request.key)
        if pod is None or pod.at("spec.nodeName") or pod.at("metadata.deletionTimestamp"):
            return DONE
        metadata = {"name": pod.key.name, "namespace": pod.key.namespace, "uid": pod.at("metadata.uid")}
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        with suppress(Conflict, NotFound):  # bound already, or gone: the cache is about to show it
            await self.client.create(BINDINGS, {"metadata": metadata, "target": target})
        return DONE


def add_scheduler(manager: Manager) -> None:
    """Have a manager bind pods to the node."""
    pods = manager.informer(PODS)
    scheduler = Scheduler(manager.client, pods.lister)
    manager.add(Controller(name="scheduler", reconcile=scheduler.reconcile, watches=[Watch(pods, to_self)]))
