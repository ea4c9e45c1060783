"""
The TTL controller of nodes: an annotation says for how long kubelets may keep Secrets and ConfigMaps.

The more nodes there are, the longer that is. Steps overlap, so that a node more or less changes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import NotFound
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import NODES

ANNOTATION = "node.alpha.kubernetes.io/ttl"

_STEPS = ((0, 100, 0), (90, 500, 15), (450, 1_000, 30), (900, 2_000, 60), (1_800, 2**31, 300))
"""The fewest and most nodes of each step, and its seconds."""


def next_step(step: int, count: int) -> int:
    """
    Return the step for a number of nodes, from the step so far.

    >>> next_step(0, 100), next_step(0, 101), next_step(1, 95), next_step(1, 89)
    (0, 1, 1, 0)
    """
    while count > _STEPS[step][1]:
        step += 1
    while count < _STEPS[step][0]:
        step -= 1
    return step


@dataclass(slots=True)
class NodeTtl:
    """Reconciles the annotation of each node."""

    client: Client
    nodes: Lister[Unstructured]
    step: int = 0

    async def reconcile(self, request: Request) -> Outcome:
        """Annotate a node."""
        node = self.nodes.find(request.key)
        self.step = next_step(self.step, len(self.nodes))
        wanted = str(_STEPS[self.step][2])
        if node is None or (node.metadata.annotations or {}).get(ANNOTATION) == wanted:
            return DONE
        with suppress(NotFound):
            await self.client.patch(NODES, node.key, MergePatch({"metadata": {"annotations": {ANNOTATION: wanted}}}))
        return DONE


def add_node_ttl(manager: Manager) -> None:
    """Add the loop to a manager."""
    nodes = manager.informer(NODES)
    loop = NodeTtl(manager.client, nodes.lister)

    def is_annotated_otherwise(change: Change[Unstructured]) -> bool:
        if change.new is None:
            return False
        annotations = change.new.meta.annotations or {}
        return change.old is None or annotations.get(ANNOTATION) != (change.old.meta.annotations or {}).get(ANNOTATION)

    watches = [Watch(nodes, to_self, predicate=is_annotated_otherwise)]
    manager.add(Controller(name="node-ttl", reconcile=loop.reconcile, watches=watches))
