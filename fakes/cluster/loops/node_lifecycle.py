"""
The node lifecycle controller: says which nodes are not heard of any more, and taints them, as node_health.py decides.

Difference from a real one: it looks when a node has been silent for long enough, not every five seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_mapped
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.node_health import (
    Health,
    Zones,
    next_health,
    ready_status,
    unknown_conditions,
)
from ctrlkit.fakes.cluster.loops.node_taints import (
    has_taint,
    swapped,
    taints_of,
    wanted_for_conditions,
)
from ctrlkit.fakes.cluster.loops.pods import condition, moment_of, pods_on, status_patch
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import NO_EXECUTE, NO_SCHEDULE
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.tracker.plugins.nodes import NOT_READY, UNREACHABLE
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, ObjectMeta, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import LEASES, NODES, PODS

_ALL_NODES = ObjectKey("", "nodes")
_TRIES = 5
_LEASES = "kube-node-lease"
_TAINT_OF = {"False": NOT_READY, "Unknown": UNREACHABLE}
_OTHER = {NOT_READY: UNREACHABLE, UNREACHABLE: NOT_READY}
_BETA = {f"kubernetes.io/{name}": f"beta.kubernetes.io/{name}" for name in ("os", "arch")}


async def correct_taints_and_labels(client: Client, node: Unstructured) -> None:
    """Give a node the taints that keep pods away for its conditions and no others, and the old names of two labels."""
    add, remove = wanted_for_conditions(node)
    if add or remove:
        await swap_taints(client, node.key, add, remove, NO_SCHEDULE)
    labels = node.metadata.labels or {}
    wrong = {old: labels[new] for new, old in _BETA.items() if new in labels and labels.get(old) != labels[new]}
    if wrong:
        with suppress(NotFound):
            await client.patch(NODES, node.key, MergePatch({"metadata": {"labels": wrong}}))


async def swap_taints(
    client: Client, key: ObjectKey, add: Collection[str], remove: Collection[str], effect: str
) -> None:
    """Give a node some taints of one effect, and take others away, whatever is done to its other taints meanwhile."""
    for _ in range(_TRIES):
        with suppress(Conflict):
            with suppress(NotFound):
                node = await client.get(NODES, key)
                taints = swapped(taints_of(node), add, remove, effect, clock.timestamp(clock.now()))
                if taints != taints_of(node):
                    seen = {"resourceVersion": node.at("metadata.resourceVersion")}
                    await client.patch(NODES, key, MergePatch({"metadata": seen, "spec": {"taints": taints or None}}))
            return


@dataclass(slots=True)
class NodeLifecycle:
    """Reconciles one key: the health of all nodes. `fleet` are those that are played here: they are always heard of."""

    client: Client
    nodes: Lister[Unstructured]
    pods: Lister[Unstructured]
    fleet: Fleet
    recorder: EventRecorder
    zones: Zones = field(default_factory=Zones)
    _healths: dict[str, Health] = field(default_factory=dict, init=False)
    _known: dict[str, Unstructured] = field(default_factory=dict, init=False)

    async def reconcile(self, _request: Request) -> Outcome:
        """Look at all nodes: which are silent, which are to be tainted, which are ready again."""
        nodes = self.nodes.list()
        self._note_gone({node.key.name for node in nodes})
        seen = [await self._look(node) for node in nodes]
        now = clock.monotonic()
        goes_down, comes_up = self.zones.judge(
            ((node, status == "True") for node, (status, _) in zip(nodes, seen, strict=True)), now
        )
        if goes_down:
            for node in nodes:
                await self._untaint(node)
        if comes_up:
            self._healths = {name: Health(now, health.heartbeat) for name, health in self._healths.items()}
        names, next_at = self.zones.due(now)
        for name in names:
            await self._taint(name)
        moments = [moment for moment in (next_at, *(look for _, look in seen)) if moment is not None]
        return RequeueAfter(max(min(moments) - now, 0.001)) if moments else DONE

    def _note_gone(self, there: set[str]) -> None:
        for name in self._known.keys() - there:
            self._tell(self._known.pop(name), "RemovingNode", f"event: Removing Node {name} from Controller")
            self._healths.pop(name, None)
            self.zones.forget(name)

    def _tell(self, node: Unstructured, reason: str, text: str) -> None:
        about = ObjectMeta(name=node.key.name, uid=node.metadata.uid)
        self.recorder.event(about, NODES, EventType.NORMAL, reason, f"Node {node.key.name} {text}")

    async def _look(self, node: Unstructured) -> tuple[str, float | None]:
        """Look at one node; returns its status of being ready, and when to look again, on the loop's clock."""
        name, had_status = node.key.name, ready_status(node)
        status = had_status
        if name not in self._known and not self._was_there(name):
            self._tell(node, "RegisteredNode", f"event: Registered Node {name} in Controller")
        self._known[name] = node
        silent_at = await self._silent_at(node, status)
        if silent_at is not None and clock.monotonic() >= silent_at:
            node, status, silent_at = await self._say_unknown(node), "Unknown", None
        await correct_taints_and_labels(self.client, node)
        if status:
            await self._follow(node, status, had_status=had_status)
        return status, silent_at

    def _was_there(self, name: str) -> bool:
        """Whether a node has been there from the start."""
        member = self.fleet.find(name)
        return member is not None and member.boots == 1

    async def _silent_at(self, node: Unstructured, status: str) -> float | None:
        """Return when a node counts as silent; None for one that is known to be, or is heard of all the time."""
        name, now, member = node.key.name, clock.monotonic(), self.fleet.find(node.key.name)
        created_at = now - _age_s(node.at("metadata.creationTimestamp"))
        health = next_health(self._healths.get(name), node, now=now, created_at=created_at)
        if member is not None:
            health = Health(self.fleet.heard_at(member), health.heartbeat)
        elif now >= health.silent_at and status != "Unknown":
            health = await self._renewed(name, health)
        self._healths[name] = health
        is_known = status == "Unknown" and now >= health.silent_at
        return None if is_known or self.fleet.works(name) else health.silent_at

    async def _renewed(self, name: str, health: Health) -> Health:
        """Ask for the Lease of a node that seems silent."""
        with suppress(NotFound):
            lease = await self.client.get(LEASES, ObjectKey(_LEASES, name))
            renewed_at = clock.monotonic() - _age_s(lease.at("spec.renewTime"))
            return Health(max(health.heard_at, renewed_at), health.heartbeat)
        return health

    async def _say_unknown(self, node: Unstructured) -> Unstructured:
        """Write that a node is silent; returns the node as it is then."""
        conditions = unknown_conditions(node, clock.timestamp(clock.now()))
        if conditions:
            patch = StrategicMergePatch({"status": {"conditions": conditions}})
            with suppress(NotFound):
                return await self.client.patch(NODES, node.key, patch, subresource="status")
        return node

    async def _follow(self, node: Unstructured, status: str, *, had_status: str) -> None:
        """Do what follows from the condition Ready of a node, and from a change of it."""
        name = node.key.name
        if status == "True":
            await self._untaint(node)
            return
        if had_status == "True":  # it is said here, and not by its kubelet, which speaks for its pods
            self._tell(node, "NodeNotReady", "status is now: NodeNotReady")
            for pod in pods_on(self.pods, name):
                await self._mark_not_ready(pod)
        key = _TAINT_OF[status]
        if has_taint(node, _OTHER[key], NO_EXECUTE):
            await swap_taints(self.client, node.key, [key], [_OTHER[key]], NO_EXECUTE)
        elif not self.zones.all_down and not has_taint(node, key, NO_EXECUTE):
            self.zones.ask(node)

    async def _taint(self, name: str) -> None:
        """Drive the pods of a node away, whose turn it is."""
        with suppress(NotFound):
            node = await self.client.get(NODES, ObjectKey("", name))
            key = _TAINT_OF.get(ready_status(node))
            if key is not None:
                await swap_taints(self.client, node.key, [key], [_OTHER[key]], NO_EXECUTE)

    async def _untaint(self, node: Unstructured) -> None:
        self.zones.forget(node.key.name)
        if any(has_taint(node, key, NO_EXECUTE) for key in _OTHER):
            await swap_taints(self.client, node.key, [], list(_OTHER), NO_EXECUTE)

    async def _mark_not_ready(self, pod: Unstructured) -> None:
        """Say that a pod is not ready, because its node is not."""
        ready = condition(pod, "Ready")
        if ready is None or ready.get("status") == "False":
            return
        moment = clock.timestamp(clock.now())
        patch = status_patch(pod, condition={"type": "Ready", "status": "False", "lastTransitionTime": moment})
        with suppress(NotFound, Conflict):
            await self.client.patch(PODS, pod.key, patch, subresource="status")
            self.recorder.event(pod.metadata, PODS, EventType.WARNING, "NodeNotReady", "Node is not ready")


def _age_s(text: str | None) -> float:
    """Return how long ago a time stamp of the API is; 0 for one of the future."""
    return max((clock.now() - moment_of(text)).total_seconds(), 0.0)


def add_node_lifecycle(manager: Manager, fleet: Fleet) -> None:
    """Add the loop to a manager."""
    nodes, pods = manager.informer(NODES), manager.informer(PODS)
    lifecycle = NodeLifecycle(manager.client, nodes.lister, pods.lister, fleet, manager.recorder("node-controller"))
    health = Controller(
        name="node-lifecycle",
        reconcile=lifecycle.reconcile,
        watches=[Watch(nodes, to_mapped(lambda _node: [_ALL_NODES]))],
    )
    fleet.on_change(lambda _name: health.wake(_ALL_NODES))
    manager.add(health)
