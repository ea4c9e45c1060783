"""
The garbage collector of pods: deletes by force what no kubelet is going to delete.

These are pods of nodes that are gone, forty seconds after it was seen; those that are to be deleted and were never
bound; and those on nodes that are out of service. Differences from a real one: it looks when it is time, not every
twenty seconds, and pods that have ended are kept, however many they are.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_mapped, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.fakes.cluster.loops.node_health import ready_status
from ctrlkit.fakes.cluster.loops.node_taints import OUT_OF_SERVICE, taints_of
from ctrlkit.fakes.cluster.loops.pods import DISRUPTION_TARGET, is_final, pods_on, status_patch
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Unstructured
from ctrlkit.model.kinds import NODES, PODS

QUARANTINE_S = 40.0
"""How long a node must have been gone for its pods to be deleted."""

PERIOD_S = 20.0
"""After how long pods are deleted for other reasons: a real collector looks as often."""

_ORPHANED = {
    "type": DISRUPTION_TARGET,
    "status": "True",
    "reason": "DeletionByPodGC",
    "message": "PodGC: node no longer exists",
}


@dataclass(frozen=True, slots=True)
class PodCollector:
    """Reconciles pods. Since when each is to be collected is kept here, on the loop's clock."""

    client: Client
    pods: Lister[Unstructured]
    nodes: Lister[Unstructured]
    _since: dict[ObjectKey, tuple[str, str, float]] = field(default_factory=dict, init=False)

    async def reconcile(self, request: Request) -> Outcome:
        """Delete a pod that has waited for long enough."""
        pod = self.pods.find(request.key)
        reason = self.reason_to_collect(pod) if pod is not None else ""
        if pod is None or not reason:
            self._since.pop(request.key, None)
            return DONE
        now, uid = clock.monotonic(), pod.metadata.uid
        before = self._since.get(request.key)
        if before is None or before[:2] != (uid, reason):
            before = self._since[request.key] = (uid, reason, now)
        wait_s = before[2] + (QUARANTINE_S if reason == "orphaned" else PERIOD_S) - now
        if wait_s > 0:
            return RequeueAfter(wait_s)
        if reason == "orphaned" and await self._exists(pod.at("spec.nodeName")):
            return DONE
        await self._collect(pod, orphaned=reason == "orphaned")
        return DONE

    def reason_to_collect(self, pod: Unstructured) -> str:
        """Return why a pod is to be collected, "" if it is not."""
        name, is_ending = pod["spec"].get("nodeName"), "deletionTimestamp" in pod["metadata"]
        if not name:
            return "unscheduled" if is_ending else ""
        record = self.nodes.find_record(ObjectKey("", name))
        if record is None:
            return "orphaned"
        if not is_ending:
            return ""
        node = record.shared
        if ready_status(node) != "True" and any(one["key"] == OUT_OF_SERVICE for one in taints_of(node)):
            return "out of service"
        return ""

    async def _exists(self, node: str) -> bool:
        try:
            await self.client.get(NODES, ObjectKey("", node))
        except NotFound:
            return False
        return True

    async def _collect(self, pod: Unstructured, *, orphaned: bool) -> None:
        """Say that a pod has failed, unless it has ended, and delete it by force."""
        with suppress(NotFound, Conflict):
            if not is_final(pod):
                generation = pod.at("metadata.generation")
                moment = clock.timestamp(clock.now())
                told = {**_ORPHANED, "observedGeneration": generation, "lastTransitionTime": moment}
                patch = status_patch(
                    pod, condition=told if orphaned else None, phase="Failed", observedGeneration=generation
                )
                await self.client.patch(PODS, pod.key, patch, subresource="status")
            await self.client.delete(PODS, pod.key, grace_period_s=0, uid=pod.metadata.uid)


def add_pod_collector(manager: Manager) -> None:
    """Add the loop to a manager."""
    pods, nodes = manager.informer(PODS), manager.informer(NODES)
    loop = PodCollector(manager.client, pods.lister, nodes.lister)

    def concerns(change: Change[Unstructured]) -> bool:
        return change.new is not None and bool(loop.reason_to_collect(change.new.shared))

    def is_gone_or_not_ready(change: Change[Unstructured]) -> bool:
        return change.new is None or ready_status(change.new.shared) != "True"

    to_pods = to_mapped(lambda node: [pod.key for pod in pods_on(pods.lister, node.key.name)])
    watches = [
        Watch(pods, to_self, predicate=concerns),
        Watch(nodes, to_pods, predicate=is_gone_or_not_ready),
    ]
    manager.add(Controller(name="pod-gc", reconcile=loop.reconcile, watches=watches))
