"""The Node object of the cluster's only node: created and kept ready while the cluster runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import AlreadyExists
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import NODES

NODE = "ctrlkit-node"
NODE_ADDRESS = "127.0.0.1"

PODS_MAX = 1_000
"""Most pods on the node at a time: more than a kubelet's 110, and few enough for the memory of this process."""


@dataclass(slots=True)
class Node:
    """Reconciles the Node object."""

    client: Client
    nodes: Lister[Unstructured]

    async def reconcile(self, request: Request) -> Outcome:
        """Create the Node if it is missing, and set its status to ready."""
        if request.key.name != NODE:
            return DONE
        node = self.nodes.find(request.key)
        if node is None:
            with suppress(AlreadyExists):
                await self.client.create(
                    NODES, {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}}
                )
        conditions = (node or Unstructured()).at("status.conditions") or ()
        if not any(found.get("type") == "Ready" and found.get("status") == "True" for found in conditions):
            await self.client.patch(NODES, request.key, MergePatch({"status": _status()}), subresource="status")
        return DONE


def _status() -> dict[str, object]:
    moment = clock.timestamp(clock.now())
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the kubelet runs"}
    return {
        "allocatable": {"pods": str(PODS_MAX)},
        "capacity": {"pods": str(PODS_MAX)},
        "addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}, {"type": "Hostname", "address": NODE}],
        "conditions": [ready | {"lastHeartbeatTime": moment, "lastTransitionTime": moment}],
    }


def add_node(manager: Manager) -> None:
    """Add the node controller to a manager."""
    nodes = manager.informer(NODES)
    controller = Controller(
        name="node", reconcile=Node(manager.client, nodes.lister).reconcile, watches=[Watch(nodes, to_self)]
    )
    controller.wake(ObjectKey("", NODE))
    manager.add(controller)
