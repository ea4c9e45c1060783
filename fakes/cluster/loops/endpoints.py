"""
The controllers of Endpoints and EndpointSlices say where the pods of a Service are, as endpoints_plan.py decides.

What a client writes as the Endpoints of a Service without selector is mirrored in EndpointSlices by mirroring.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_owner, to_self
from ctrlkit.errors import AlreadyExists, ApiError, Conflict, NotFound
from ctrlkit.fakes.cluster.loops.claims import BATCH_S, Claims, index_children, to_selecting
from ctrlkit.fakes.cluster.loops.echoes import Echoes
from ctrlkit.fakes.cluster.loops.endpoints_plan import (
    LAST_CHANGE,
    SLICE_MANAGED_BY,
    SLICE_MANAGER,
    Slice,
    Triggers,
    endpoints_metadata,
    endpoints_of,
    plan_slices,
    read_slice,
    selector_of,
    slice_body,
    slice_labels,
    slices_of,
    truncated,
)
from ctrlkit.fakes.cluster.loops.failures import is_namespace_ending
from ctrlkit.fakes.cluster.loops.mirroring import add_mirroring
from ctrlkit.manager import Manager
from ctrlkit.model import LabelSelector, ObjectKey, Unstructured, to_plain
from ctrlkit.model.kinds import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES

_WORKERS = 4
_ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Reconciles Services: each has Endpoints of its name."""

    client: Client
    services: Lister[Unstructured]
    pods: Lister[Unstructured]
    endpoints: Lister[Unstructured]
    triggers: dict[ObjectKey, Triggers] = field(default_factory=dict)

    async def reconcile(self, request: Request) -> Outcome:
        """Write what has changed; delete the Endpoints of a Service that has gone."""
        service = self.services.find(request.key)
        if service is None:
            self.triggers.pop(request.key, None)
            with suppress(NotFound):
                await self.client.delete(ENDPOINTS, request.key)
            return DONE
        selector = selector_of(service)
        if selector is None:
            return DONE
        pods = _selected(self.pods, request.key.namespace, selector)
        last_change = self.triggers.setdefault(request.key, Triggers()).last_change(service, pods)
        subsets, is_cut = truncated(endpoints_of(service, pods))
        old = self.endpoints.find(request.key)
        before = old["metadata"] if old is not None else {}
        metadata = endpoints_metadata(service, before, last_change, is_cut=is_cut)
        if old is not None and (old.get("subsets") or []) == subsets and old.metadata.labels == metadata["labels"]:
            return DONE
        await self._write(request.key, old, metadata, subsets)
        return DONE

    async def _write(
        self, key: ObjectKey, old: Unstructured | None, metadata: dict[str, Any], subsets: list[dict[str, Any]]
    ) -> None:
        named = {"name": key.name, "namespace": key.namespace}
        if old is None:
            with _not_while_ending():
                await self.client.create(ENDPOINTS, {"metadata": named | metadata, "subsets": subsets})
            return
        kept = {name: value for name, value in old["metadata"].items() if name != "annotations"}
        with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
            await self.client.update(ENDPOINTS, {"metadata": kept | metadata, "subsets": subsets})


@dataclass(frozen=True, slots=True)
class EndpointSlices:
    """Reconciles Services: each has EndpointSlices that it owns."""

    client: Client
    services: Lister[Unstructured]
    pods: Lister[Unstructured]
    nodes: Lister[Unstructured]
    slices: Claims
    triggers: dict[ObjectKey, Triggers] = field(default_factory=dict)
    echoes: Echoes = field(default_factory=Echoes)

    async def reconcile(self, request: Request) -> Outcome:
        """Make, change and delete EndpointSlices; those of a Service that has gone are collected."""
        service = self.services.find(request.key)
        if service is None:
            self.triggers.pop(request.key, None)
            return DONE
        selector = selector_of(service)
        if selector is None or service.metadata.deleting:
            return DONE
        pods = _selected(self.pods, request.key.namespace, selector)
        last_change = self.triggers.setdefault(request.key, Triggers()).last_change(service, pods)
        there = {one.key.name: one for one in self.slices.controlled_by(service.metadata.uid) if _is_ours(one)}
        families = service.at("spec.ipFamilies") or ["IPv4"]
        existing = {name: read_slice(one) for name, one in there.items()}
        steps = plan_slices(families, slices_of(service, pods, self._nodes()), existing)
        labels = slice_labels(service)
        for wanted in steps.create:
            await self._create(service, labels, last_change, wanted)
        relabelled = {name for name, one in there.items() if (one.metadata.labels or {}) != labels}
        for name in sorted((steps.update.keys() | relabelled) - set(steps.delete)):
            await self._update(there[name], labels, last_change, steps.update.get(name, existing[name]))
        for name in steps.delete:
            with suppress(NotFound, Conflict):
                await self.client.delete(ENDPOINT_SLICES, there[name].key, uid=there[name].metadata.uid)
        return DONE

    def _nodes(self) -> dict[str, str]:
        """Return the zone of each node, "" for none."""
        return {node.key.name: (node.meta.labels or {}).get(_ZONE, "") for node in self.nodes.records()}

    async def _create(self, service: Unstructured, labels: dict[str, str], last_change: str, wanted: Slice) -> None:
        metadata = {
            "generateName": f"{service.key.name}-",
            "namespace": service.key.namespace,
            "labels": labels,
            "ownerReferences": [to_plain(SERVICES.owner_reference(service.metadata))],
            **({"annotations": {LAST_CHANGE: last_change}} if last_change else {}),
        }
        with _not_while_ending():
            self.echoes.wrote(await self.client.create(ENDPOINT_SLICES, {"metadata": metadata, **slice_body(wanted)}))

    async def _update(self, old: Unstructured, labels: dict[str, str], last_change: str, wanted: Slice) -> None:
        kept = {name: value for name, value in old["metadata"].items() if name != "annotations"}
        annotations = {name: value for name, value in (old.metadata.annotations or {}).items() if name != LAST_CHANGE}
        if last_change:
            annotations[LAST_CHANGE] = last_change
        metadata = kept | {"labels": labels} | ({"annotations": annotations} if annotations else {})
        with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
            self.echoes.wrote(await self.client.update(ENDPOINT_SLICES, {"metadata": metadata, **slice_body(wanted)}))


def _selected(pods: Lister[Unstructured], namespace: str, selector: LabelSelector) -> list[Unstructured]:
    """The pods that a Service selects; not to be changed."""
    return [pod.shared for pod in pods.records(namespace=namespace, selector=selector)]


@contextmanager
def _not_while_ending() -> Iterator[None]:
    """Pass over a refusal because the namespace is being deleted, and over what somebody else made."""
    try:
        yield
    except AlreadyExists:
        pass  # the cache is about to show it
    except ApiError as error:
        if not is_namespace_ending(error):
            raise


def _is_ours(one: Unstructured) -> bool:
    return not one.metadata.deleting and (one.metadata.labels or {}).get(SLICE_MANAGED_BY) == SLICE_MANAGER


def add_endpoints(manager: Manager) -> None:
    """Add these controllers to a manager."""
    services, pods, endpoints, slices, nodes = (
        manager.informer(kind) for kind in (SERVICES, PODS, ENDPOINTS, ENDPOINT_SLICES, NODES)
    )
    index_children(slices)
    client, selecting = manager.client, to_selecting(services.lister, selector_of)
    loop = Endpoints(client, services.lister, pods.lister, endpoints.lister)
    gone: Watch[Any] = Watch(endpoints, to_self, predicate=lambda change: change.new is None)
    watches: list[Watch[Any]] = [
        Watch(services, to_self, batch_s=BATCH_S),
        Watch(pods, selecting, batch_s=BATCH_S),
        gone,
    ]
    manager.add(Controller(name="endpoints", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
    claims = Claims(client, SERVICES, ENDPOINT_SLICES, slices.lister)
    other = EndpointSlices(client, services.lister, pods.lister, nodes.lister, claims)
    new_nodes: Watch[Any] = Watch(
        nodes, lambda _node: services.lister.keys(), predicate=lambda change: change.old is None
    )
    watches = [
        Watch(services, to_self, batch_s=BATCH_S),
        Watch(pods, selecting, batch_s=BATCH_S),
        Watch(slices, to_owner(SERVICES), predicate=other.echoes.is_new, batch_s=BATCH_S),
        new_nodes,
    ]
    manager.add(Controller(name="endpointslices", reconcile=other.reconcile, watches=watches, workers=_WORKERS))
    add_mirroring(manager)
