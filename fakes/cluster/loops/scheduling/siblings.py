"""Which pods belong together: those of the Services that select a pod, and of the controller that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts
from ctrlkit.manager import Manager
from ctrlkit.model import LabelSelector, ObjectKey, Resource, Unstructured
from ctrlkit.model.kinds import REPLICASETS, REPLICATION_CONTROLLERS, SERVICES, STATEFULSETS

_CONTROLLERS: Mapping[tuple[str, str], Resource[Any]] = {
    ("apps", "ReplicaSet"): REPLICASETS,
    ("apps", "StatefulSet"): STATEFULSETS,
    ("", "ReplicationController"): REPLICATION_CONTROLLERS,
}


async def sibling_selector(manager: Manager, pod: PodFacts) -> LabelSelector | None:
    """Return a selector of the pods among which a pod without constraints of its own is spread; None for none."""
    if pod.spec.get("topologySpreadConstraints") or not pod.labels:
        return None
    services = manager.informer(SERVICES)
    await services.wait_synced()
    labels: dict[str, str] = {}
    for service in services.lister.list(namespace=pod.key.namespace):
        selector = service.at("spec.selector")
        if selector and selector.items() <= pod.labels.items():
            labels |= selector
    found = LabelSelector.of_labels(labels)
    owner = pod.metadata.controller
    kind = _CONTROLLERS.get((owner.group, owner.kind)) if owner is not None else None
    if owner is not None and kind is not None:
        informer = manager.informer(kind)
        await informer.wait_synced()
        controller = informer.lister.find(ObjectKey(pod.key.namespace, owner.name))
        if controller is not None:
            found = LabelSelector((*found.requirements, *_selector(kind, controller).requirements))
    return found if found.requirements else None


def _selector(kind: Resource[Any], controller: Unstructured) -> LabelSelector:
    selector = controller.at("spec.selector") or {}
    return LabelSelector.of_labels(selector) if kind == REPLICATION_CONTROLLERS else LabelSelector.of_object(selector)
