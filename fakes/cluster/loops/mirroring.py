"""The controller of EndpointSlices that mirror Endpoints which a client writes, as mirroring_plan.py decides."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import ApiError, Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.endpoints_plan import SERVICE_NAME, SLICE_MANAGED_BY, Plain, Slice, slice_body
from ctrlkit.fakes.cluster.loops.failures import is_namespace_ending
from ctrlkit.fakes.cluster.loops.mirroring_plan import (
    ADDRESSES_MAX,
    MIRRORING_MANAGER,
    is_mirrored,
    mirror_metadata,
    mirror_of,
    plan_mirror,
    read_slices,
)
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record, Unstructured, to_plain
from ctrlkit.model.kinds import ENDPOINT_SLICES, ENDPOINTS, SERVICES

_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Mirroring:
    """Reconciles Endpoints: each of a Service without selector has EndpointSlices that it owns."""

    client: Client
    services: Lister[Unstructured]
    endpoints: Lister[Unstructured]
    slices: Lister[Unstructured]
    recorder: EventRecorder

    async def reconcile(self, request: Request) -> Outcome:
        """Make, change and delete EndpointSlices."""
        key = request.key
        endpoints = self.endpoints.find(key)
        selector = f"{SERVICE_NAME}={key.name},{SLICE_MANAGED_BY}={MIRRORING_MANAGER}"
        there = self.slices.list(namespace=key.namespace, selector=selector)
        if endpoints is None or not is_mirrored(self.services.find(key), endpoints):
            await self._delete(there)
            return DONE
        mirror = mirror_of(endpoints)
        if mirror.skipped:
            text = f"A max of {ADDRESSES_MAX} addresses can be mirrored to EndpointSlices per Endpoints subset. "
            text += f"{mirror.skipped} addresses were skipped"
            self.recorder.event(endpoints.metadata, ENDPOINTS, EventType.WARNING, "TooManyAddressesToMirror", text)
        metadata = mirror_metadata(endpoints)
        existing = read_slices(there)
        steps = plan_mirror(mirror.slices, existing)
        named = {one.key.name: one for one in there}
        retold = {name for name, one in named.items() if not _is_told(one, metadata)} - set(steps.delete)
        if not endpoints.metadata.deleting:
            for wanted in steps.create:
                await self._create(endpoints, metadata, wanted)
        for name in sorted(steps.update.keys() | retold):
            await self._update(endpoints, name, metadata, steps.update.get(name, existing[name]))
        await self._delete([named[name] for name in steps.delete])
        return DONE

    def keys_for(self, record: Record[Any]) -> Iterable[ObjectKey]:
        """Map Endpoints to themselves, but for those of a Service that selects pods."""
        service = self.services.find(record.key)
        return [] if service is not None and service.at("spec.selector") is not None else [record.key]

    async def _create(self, endpoints: Unstructured, metadata: Plain, wanted: Slice) -> None:
        named = {"generateName": f"{endpoints.key.name}-", **_of(endpoints)}
        try:
            await self.client.create(ENDPOINT_SLICES, {"metadata": named | metadata, **slice_body(wanted)})
        except ApiError as error:
            if not is_namespace_ending(error):
                raise

    async def _update(self, endpoints: Unstructured, name: str, metadata: Plain, wanted: Slice) -> None:
        named = {"name": name, **_of(endpoints)}
        with suppress(NotFound, Conflict):  # gone: the cache is about to show it
            await self.client.update(ENDPOINT_SLICES, {"metadata": named | metadata, **slice_body(wanted)})

    async def _delete(self, slices: Iterable[Unstructured]) -> None:
        for one in slices:
            with suppress(NotFound, Conflict):
                await self.client.delete(ENDPOINT_SLICES, one.key, uid=one.metadata.uid)


def _of(endpoints: Unstructured) -> Plain:
    owner = to_plain(ENDPOINTS.owner_reference(endpoints.metadata))
    return {"namespace": endpoints.key.namespace, "ownerReferences": [owner]}


def _is_told(one: Unstructured, metadata: Plain) -> bool:
    """Whether an EndpointSlice has these labels and annotations."""
    told = (one.metadata.labels or {}, one.metadata.annotations or {})
    return told == (metadata["labels"], metadata.get("annotations", {}))


def _to_mirrored(record: Record[Any]) -> Iterable[ObjectKey]:
    labels = record.meta.labels or {}
    is_ours = labels.get(SLICE_MANAGED_BY) == MIRRORING_MANAGER and labels.get(SERVICE_NAME)
    return [ObjectKey(record.key.namespace, labels[SERVICE_NAME])] if is_ours else []


def add_mirroring(manager: Manager) -> None:
    """Add the controller to a manager."""
    services, endpoints, slices = (manager.informer(kind) for kind in (SERVICES, ENDPOINTS, ENDPOINT_SLICES))
    recorder = manager.recorder("endpoint-slice-mirroring-controller")
    loop = Mirroring(manager.client, services.lister, endpoints.lister, slices.lister, recorder)
    watches: list[Watch[Any]] = [
        Watch(services, to_self),
        Watch(endpoints, loop.keys_for),
        Watch(slices, _to_mirrored),
    ]
    controller = Controller(name="endpointslicemirroring", reconcile=loop.reconcile, watches=watches, workers=_WORKERS)
    manager.add(controller)
