"""
The Node objects of the nodes that are played here: registered when a kubelet starts, and kept ready while it works.

As a real kubelet, it registers once: a Node that somebody deletes stays away until its machine boots again. Its Events
name the Node without a uid, as those of a real one do since 1.36; they are in the namespace `default`.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import AlreadyExists, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.node.declarations import NODE, Node
from ctrlkit.fakes.cluster.node.fleet import KUBELET, LEASE_S, RENEW_EVERY_S, Fleet, Member
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.releases import NEWEST
from ctrlkit.fakes.tracker.plugins.nodes import NEW_TAINT
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, ObjectMeta, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import LEASES, NODES

LEASE_NAMESPACE = "kube-node-lease"

_HEALTHY = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}
_HEALTHY_EVENTS = {
    "MemoryPressure": "NodeHasSufficientMemory",
    "DiskPressure": "NodeHasNoDiskPressure",
    "PIDPressure": "NodeHasSufficientPID",
}
"""What a kubelet tells when a condition becomes False."""


@dataclass(slots=True)
class NodeKeeper:
    """
    Reconciles the Node objects of a fleet.

    The Leases of the nodes are renewed as real kubelets do it, every ten seconds; on virtual time, where a test may let
    days pass, they are written when a node registers, is lost and recovers. `clears_taint` is for clusters without a
    node lifecycle controller: a node then takes away itself the taint that it was registered with.
    """

    client: Client
    nodes: Lister[Unstructured]
    fleet: Fleet
    recorder_of: Callable[[str], EventRecorder]
    """Returns the recorder of Events of the kubelet of a node."""
    server: str
    clears_taint: bool
    _registered: dict[str, int] = field(default_factory=dict, init=False)
    _renewed_at: dict[str, float] = field(default_factory=dict, init=False)
    _cordoned: set[str] = field(default_factory=set, init=False)

    async def reconcile(self, request: Request) -> Outcome:
        """Register a node, set its status to ready if it is not, and renew its Lease."""
        member = self.fleet.find(request.key.name)
        if member is None:
            return DONE
        node = self.nodes.find(request.key)
        if member.lost_at is not None:
            if node is not None:
                await self._renew(member, node)
            return DONE
        if self._registered.get(request.key.name) != member.boots:
            node = await self._register(member, node)
            self._registered[request.key.name] = member.boots
            await self._renew(member, node)
        if node is None:
            return DONE
        await self._keep_ready(member, node)
        return await self._renew_in_time(member, node)

    async def _register(self, member: Member, node: Unstructured | None) -> Unstructured:
        """Create the Node, or take the one that is there for one's own."""
        name, wanted = member.node.name, _object(member, self.server)
        self._cordoned.discard(name)
        self._tell(name, "Starting", "Starting kubelet.")
        self._tell_healthy(name, ())
        self._tell(name, "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods")
        if node is None:
            with suppress(AlreadyExists):
                node = await self.client.create(NODES, wanted)
                self._tell_status(name, "NodeReady")
                return node
            node = await self.client.get(NODES, ObjectKey("", name))
        labels = wanted["metadata"]["labels"]
        if not labels.items() <= (node.metadata.labels or {}).items():
            node = await self.client.patch(NODES, node.key, MergePatch({"metadata": {"labels": labels}}))
        return node

    async def _keep_ready(self, member: Member, node: Unstructured) -> None:
        conditions, name = node.at("status.conditions") or (), node.key.name
        ready = next((one for one in conditions if one.get("type") == "Ready"), None) or {}
        boot, last_boot = _boot_id(member), node.at("status.nodeInfo.bootID") or ""
        with suppress(NotFound):
            if ready.get("status") != "True" or boot != last_boot:
                status = _status(member, self.server, conditions)
                await self.client.patch(NODES, node.key, StrategicMergePatch({"status": status}), subresource="status")
                if boot != last_boot != "":
                    self._tell(name, "Rebooted", f"Node {name} has been rebooted, boot id: {boot}", EventType.WARNING)
                self._tell_healthy(name, conditions)
                if ready and ready.get("status") != "True":
                    self._tell_status(name, "NodeReady")
            if self.clears_taint and NEW_TAINT in (node.at("spec.taints") or ()):
                others = [taint for taint in node.at("spec.taints") if taint != NEW_TAINT]
                await self.client.patch(NODES, node.key, MergePatch({"spec": {"taints": others or None}}))
        self._tell_if_cordoned(node)

    # ---- Events ------------------------------------------------------------------------------------------------------

    def _tell_if_cordoned(self, node: Unstructured) -> None:
        name = node.key.name
        if bool(node.at("spec.unschedulable")) is (name in self._cordoned):
            return
        self._cordoned ^= {name}
        self._tell_status(name, "NodeNotSchedulable" if name in self._cordoned else "NodeSchedulable")

    def _tell_healthy(self, name: str, before: Iterable[Mapping[str, Any]]) -> None:
        """Tell of what the node has enough of, where that was not known before."""
        known = {condition.get("type") for condition in before if condition.get("status") == "False"}
        for condition, reason in _HEALTHY_EVENTS.items():
            if condition not in known:
                self._tell_status(name, reason)

    def _tell_status(self, name: str, reason: str) -> None:
        self._tell(name, reason, f"Node {name} status is now: {reason}")

    def _tell(self, name: str, reason: str, message: str, event_type: EventType = EventType.NORMAL) -> None:
        self.recorder_of(name).event(ObjectMeta(name=name), NODES, event_type, reason, message)

    # ---- the Lease ---------------------------------------------------------------------------------------------------

    async def _renew_in_time(self, member: Member, node: Unstructured) -> Outcome:
        if isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            return DONE
        if clock.monotonic() >= self._renewed_at[node.key.name] + RENEW_EVERY_S:
            await self._renew(member, node)
        return RequeueAfter(max(self._renewed_at[node.key.name] + RENEW_EVERY_S - clock.monotonic(), 0.001))

    async def _renew(self, member: Member, node: Unstructured) -> None:
        """Write when the node was last heard of."""
        silent_s = clock.monotonic() - self.fleet.heard_at(member)
        key = ObjectKey(LEASE_NAMESPACE, node.key.name)
        renewed = {"renewTime": clock.micro_timestamp(clock.now() - timedelta(seconds=silent_s))}
        known, self._renewed_at[node.key.name] = node.key.name in self._renewed_at, clock.monotonic()
        with suppress(AlreadyExists, NotFound):  # not in a cluster without the namespace of such Leases
            if known:
                await self.client.patch(LEASES, key, MergePatch({"spec": renewed}))
                return
            held = {"holderIdentity": node.key.name, "leaseDurationSeconds": LEASE_S, **renewed}
            metadata = {"name": key.name, "namespace": key.namespace, "ownerReferences": [_owner(node)]}
            await self.client.create(LEASES, {"metadata": metadata, "spec": held})


def _owner(node: Unstructured) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": "Node", "name": node.key.name, "uid": node.metadata.uid}


def _object(member: Member, server: str) -> dict[str, Any]:
    node = member.node
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        **node.labels,
    }
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return {
        "metadata": {"name": node.name, "labels": labels, "annotations": annotations},
        "spec": {"taints": node.taint_objects()} if node.taints else {},
        "status": _status(member, server, ()),
    }


def _status(member: Member, server: str, have: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    node = member.node
    moment = clock.timestamp(clock.now())
    before = {condition.get("type"): condition for condition in have}
    conditions = []
    for name, (status, reason, message) in _HEALTHY.items():
        old = before.get(name) or {}
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        times = {"lastHeartbeatTime": moment, "lastTransitionTime": since or moment}
        conditions.append({"type": name, "status": status, **times, "reason": reason, "message": message})
    return {
        "capacity": node.capacity(),
        "allocatable": node.capacity(),
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": member.address},
            {"type": "Hostname", "address": node.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": _info(member, server),
    }


def _info(member: Member, server: str) -> dict[str, str]:
    name = member.node.name
    return {
        "architecture": "amd64",
        "bootID": _boot_id(member),
        "containerRuntimeVersion": "ctrlkit://1",
        "kernelVersion": "6.12.0",
        "kubeProxyVersion": "",
        "kubeletVersion": f"v{server}.0",
        "machineID": _uuid(f"{name}/machine").replace("-", ""),
        "operatingSystem": "linux",
        "osImage": "ctrlkit",
        "systemUUID": _uuid(f"{name}/system"),
    }


def _boot_id(member: Member) -> str:
    return _uuid(f"{member.node.name}/boot/{member.boots}")


def _uuid(text: str) -> str:
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16]))


def add_nodes(manager: Manager, fleet: Fleet, *, server: str = NEWEST, clears_taint: bool = False) -> None:
    """Add the keeper of the fleet's Node objects to a manager."""
    nodes = manager.informer(NODES)
    client = Client(manager.client.transport, field_manager=KUBELET)
    keeper = NodeKeeper(
        client,
        nodes.lister,
        fleet,
        lambda name: manager.recorder(KUBELET, host=name, field_manager=KUBELET),
        server,
        clears_taint,
    )
    controller = Controller(name="node", reconcile=keeper.reconcile, watches=[Watch(nodes, to_self)])

    def wake(name: str) -> None:
        controller.wake(ObjectKey("", name))

    for member in fleet:
        wake(member.node.name)
    fleet.on_change(wake)
    manager.add(controller)


def add_node(manager: Manager) -> None:
    """Add the only node of a cluster to a manager."""
    add_nodes(manager, Fleet([Node(NODE)]))
