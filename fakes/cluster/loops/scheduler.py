"""The scheduler of a cluster with one node: binds every pod whose nodeSelector fits it, up to its limit of pods."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.node.declarations import NODE, PODS_MAX
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Resource, Unstructured, custom_resource
from ctrlkit.model.kinds import NODES, PODS

BINDINGS: Resource[Unstructured] = custom_resource(group="", kind="Binding", plural="bindings")
_FINAL_PHASES = ("Succeeded", "Failed")
_LOOK_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Binds pods to the node; `pods_max` is the node's limit, beyond which pods stay pending."""

    client: Client
    pods: Lister[Unstructured]
    nodes: Lister[Unstructured]
    recorder: EventRecorder
    pods_max: int
    _bound: set[ObjectKey] = field(default_factory=set, init=False)

    async def reconcile(self, request: Request) -> Outcome:
        """Bind one pod."""
        pod = self.pods.find(request.key)
        if pod is None or pod.at("status.phase") in _FINAL_PHASES:
            self._bound.discard(request.key)
            return DONE
        if pod.at("spec.nodeName"):
            self._bound.add(request.key)
            return DONE
        if pod.at("metadata.deletionTimestamp"):
            return DONE
        if obstacle := self._obstacle(pod):
            text = f"0/1 nodes are available: 1 {obstacle}."
            self.recorder.event(pod.metadata, PODS, EventType.WARNING, "FailedScheduling", text)
            return RequeueAfter(_LOOK_AGAIN_S)
        metadata = {"name": pod.key.name, "namespace": pod.key.namespace, "uid": pod.at("metadata.uid")}
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        with suppress(Conflict, NotFound):  # bound already, or gone: the cache is about to show it
            await self.client.create(BINDINGS, {"metadata": metadata, "target": target})
        self._bound.add(request.key)
        return DONE

    def _obstacle(self, pod: Unstructured) -> str:
        """What keeps a pod from the node, "" if nothing does."""
        if len(self._bound) >= self.pods_max:
            return "Too many pods"
        wanted = pod.at("spec.nodeSelector") or {}
        node = self.nodes.find(ObjectKey("", NODE)) if wanted else None
        labels = (node.metadata.labels if node else None) or {}
        return "" if wanted.items() <= labels.items() else "node(s) didn't match Pod's node affinity/selector"


def add_scheduler(manager: Manager, *, pods_max: int = PODS_MAX) -> None:
    """Add the scheduler to a manager."""
    pods, nodes = manager.informer(PODS), manager.informer(NODES)
    scheduler = Scheduler(manager.client, pods.lister, nodes.lister, manager.recorder("default-scheduler"), pods_max)
    manager.add(Controller(name="scheduler", reconcile=scheduler.reconcile, watches=[Watch(pods, to_self)]))
