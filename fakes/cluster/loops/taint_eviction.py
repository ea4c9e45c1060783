"""
The taint eviction controller: deletes the pods of a node that do not tolerate its NoExecute taints, or not for ever.

`stay_s` decides; how long a pod may stay counts from when its node was first seen to be tainted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_mapped, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.node_taints import no_execute_taints
from ctrlkit.fakes.cluster.loops.pods import DISRUPTION_TARGET, condition, pods_on, status_patch
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import tolerations_of
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, ObjectMeta, Unstructured
from ctrlkit.model.kinds import NODES, PODS

Object = Mapping[str, Any]

_DISRUPTED = {
    "type": DISRUPTION_TARGET,
    "status": "True",
    "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}


def stay_s(taints: Iterable[Object], tolerations: Sequence[Object]) -> float | None:
    """
    Return for how many seconds a pod may stay on a node with these taints; None for ever.

    >>> taint = {"key": "a", "effect": "NoExecute"}
    >>> stay_s([taint], []), stay_s([taint], [{"key": "a", "operator": "Exists", "tolerationSeconds": 300}])
    (0.0, 300.0)
    """
    used = [next(tolerations_of(taint, tolerations), None) for taint in taints]
    if None in used:
        return 0.0
    limits = [one["tolerationSeconds"] for one in used if one is not None and one.get("tolerationSeconds") is not None]
    return max(float(min(limits)), 0.0) if limits else None


def tolerates_all(taints: Iterable[Object], tolerations: Sequence[Object]) -> bool:
    """Whether a pod tolerates each of these taints, for however long."""
    return all(any(True for _ in tolerations_of(taint, tolerations)) for taint in taints)


@dataclass(frozen=True, slots=True)
class _Deletion:
    uid: str
    due_at: float


@dataclass(frozen=True, slots=True)
class TaintEviction:
    """Reconciles pods. When each is to be deleted is kept here, on the loop's clock."""

    client: Client
    pods: Lister[Unstructured]
    nodes: Lister[Unstructured]
    recorder: EventRecorder
    _due: dict[ObjectKey, _Deletion] = field(default_factory=dict, init=False)

    async def reconcile(self, request: Request) -> Outcome:
        """Delete a pod that may not stay any longer, or come back when that is so."""
        pod, planned = self.pods.find(request.key), self._due.get(request.key)
        if pod is None or (planned is not None and planned.uid != pod.metadata.uid):
            self._cancel(request.key)
        if pod is None or (node := self.nodes.find(ObjectKey("", pod.at("spec.nodeName") or ""))) is None:
            return DONE
        planned, now = self._due.get(request.key), clock.monotonic()
        taints = no_execute_taints(node)
        left_s = stay_s(taints, pod.at("spec.tolerations") or ()) if taints else None
        if left_s is None:
            self._cancel(request.key)
            return DONE
        if not tolerates_all(taints, pod.at("spec.tolerations") or ()):
            self._cancel(request.key)
            planned = None
        if planned is None:
            planned = self._due[request.key] = _Deletion(pod.metadata.uid, now + left_s)
        if now < planned.due_at:
            return RequeueAfter(planned.due_at - now)
        del self._due[request.key]
        await self._delete(pod)
        return DONE

    def _cancel(self, key: ObjectKey) -> None:
        if self._due.pop(key, None) is not None:
            self._tell(key, f"Cancelling deletion of Pod {key}")

    def _tell(self, key: ObjectKey, text: str) -> None:
        about = ObjectMeta(name=key.name, namespace=key.namespace)
        self.recorder.event(about, PODS, EventType.NORMAL, "TaintManagerEviction", text)

    async def _delete(self, pod: Unstructured) -> None:
        self._tell(pod.key, f"Marking for deletion Pod {pod.key}")
        with suppress(NotFound, Conflict):
            if condition(pod, DISRUPTION_TARGET) is None:
                told = {
                    **_DISRUPTED,
                    "observedGeneration": pod.at("metadata.generation"),
                    "lastTransitionTime": clock.timestamp(clock.now()),
                }
                patch = status_patch(pod, condition=told)
                await self.client.patch(PODS, pod.key, patch, subresource="status")
            await self.client.delete(PODS, pod.key)


def add_taint_eviction(manager: Manager) -> None:
    """Add the loop to a manager."""
    pods, nodes = manager.informer(PODS), manager.informer(NODES)
    loop = TaintEviction(manager.client, pods.lister, nodes.lister, manager.recorder("taint-eviction-controller"))

    def concerns(change: Change[Unstructured]) -> bool:
        """Whether a pod is new on a tainted node, is going, or tolerates other taints than before."""
        if change.new is None:
            return change.key in loop._due
        pod = change.new.shared
        node = nodes.lister.find_record(ObjectKey("", pod["spec"].get("nodeName") or ""))
        if node is None or not no_execute_taints(node.shared):
            return False
        return change.old is None or _stands(change.old.shared) != _stands(pod)

    def is_tainted_anew(change: Change[Unstructured]) -> bool:
        if change.new is None:
            return False
        before = no_execute_taints(change.old.shared) if change.old is not None else []
        return no_execute_taints(change.new.shared) != before

    to_pods = to_mapped(lambda node: [pod.key for pod in pods_on(pods.lister, node.key.name)])
    watches = [
        Watch(pods, to_self, predicate=concerns),
        Watch(nodes, to_pods, predicate=is_tainted_anew),
    ]
    manager.add(Controller(name="taint-eviction", reconcile=loop.reconcile, watches=watches))


def _stands(pod: Unstructured) -> tuple[Any, Any]:
    return pod.at("spec.nodeName"), pod.at("spec.tolerations")
