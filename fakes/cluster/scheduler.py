"""The scheduler of a cluster with one node: every pod without a node goes there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, Unstructured, custom_resource
from ctrlkit.model.kinds import PODS
from fakes.cluster.node import NODE

BINDINGS = custom_resource(group="", kind="Binding", plural="bindings")


@dataclass(slots=True)
class Scheduler:
    """Binds pods to the node: by a Binding where the server serves them, else by writing spec.nodeName."""

    client: Client
    pods: Lister[Unstructured]
    _has_bindings: bool = field(default=True, init=False)

    async def reconcile(self, request: Request) -> Outcome:
        """Bind one pod."""
        pod = self.pods.find(request.key)
        if pod is None or pod.at("spec.nodeName") or pod.at("metadata.deletionTimestamp"):
            return DONE
        uid = pod.at("metadata.uid")
        if self._has_bindings:
            metadata = {"name": pod.key.name, "namespace": pod.key.namespace, "uid": uid}
            try:
                await self.client.create(
                    BINDINGS, {"metadata": metadata, "target": {"apiVersion": "v1", "kind": "Node", "name": NODE}}
                )
                return DONE
            except Conflict:  # bound already: the cache is about to show it
                return DONE
            except NotFound:  # the pod is gone, or this server serves no bindings, which the next call tells
                self._has_bindings = False
        with suppress(NotFound):
            await self.client.patch(PODS, pod.key, MergePatch({"metadata": {"uid": uid}, "spec": {"nodeName": NODE}}))
        return DONE


def add_scheduler(manager: Manager) -> None:
    """Have a manager bind pods to the node."""
    pods = manager.informer(PODS)
    scheduler = Scheduler(manager.client, pods.lister)
    manager.add(Controller(name="scheduler", reconcile=scheduler.reconcile, watches=[Watch(pods, to_self)]))
