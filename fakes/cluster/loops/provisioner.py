"""
The cluster's provisioners: make the volumes of claims, delete them, let them grow and change, as provisioning.py says.

The class `standard` is there once somebody looks at classes, as the loops do with the first claim: so worlds without
storage do not pay for it. It is the default one, unless a test has declared others before. On a server that is not ours
the first claim without a class makes it, where there is none. The step of growth that a kubelet does on its node is
done here, once a pod that uses the claim runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import AlreadyExists, NotFound
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.loops.pod_claims import BY_CLAIM, claims_of, index_by_claim
from ctrlkit.fakes.cluster.loops.provisioning import (
    CLASS,
    DRIVERS,
    FINALIZER,
    growing,
    grown,
    grown_on_server,
    is_to_be_deleted,
    may_need_provisioner,
    modified,
    modifying,
    new_volume,
    provisioner_of,
    waits_for_node,
    wanted_attributes,
    wants_growth,
)
from ctrlkit.fakes.cluster.loops.storage_objects import requested
from ctrlkit.fakes.cluster.loops.storage_plan import PROVISIONED_BY, STORAGE_PROVISIONER, Phase
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.kinds.storage.volumes import class_of
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, ObjectKey, Options, Record, Unstructured
from ctrlkit.model.kinds import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
    VOLUME_ATTRIBUTES_CLASSES,
)

_WORKERS = 4
_LOOK_AGAIN_S = 15.0
_GROWING = "growing"


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Reconciles claims, whose keys have a namespace, and volumes."""

    manager: Manager
    claims: Lister[Unstructured]
    volumes: Lister[Unstructured]
    classes: Lister[Unstructured]
    pods: Lister[Unstructured]

    @property
    def client(self) -> Client:
        """The client for all writes."""
        return self.manager.client

    async def reconcile(self, request: Request) -> Outcome:
        """Give a claim what it asks for, or delete a volume that nobody claims."""
        if request.key.namespace:
            claim = self.claims.find(request.key)
            return DONE if claim is None else await self._serve(claim)
        volume = self.volumes.find(request.key)
        if volume is not None:
            await self._reclaim(volume)
        return DONE

    # ---- claims --------------------------------------------------------------------------------------------------

    async def _serve(self, claim: Unstructured) -> Outcome:
        name = class_of(claim)
        if not name and not len(self.classes) and "storageClassName" not in claim["spec"]:
            with suppress(AlreadyExists):
                await self.client.create(STORAGE_CLASSES, dict(CLASS))
            return DONE
        storage_class = self.classes.find(ObjectKey("", name)) if name else None
        provisioner = provisioner_of(claim, storage_class)
        if provisioner and storage_class is not None:
            return await self._provision(claim, storage_class, provisioner)
        bound = claim.at("spec.volumeName")
        volume = self.volumes.find(ObjectKey("", bound)) if bound else None
        if volume is None:
            return DONE
        if wants_growth(claim, volume):
            await self._grow(claim, volume)
            return DONE
        attributes = wanted_attributes(claim, volume)
        return await self._modify(claim, volume, attributes) if attributes else DONE

    async def _provision(self, claim: Unstructured, storage_class: Unstructured, provisioner: str) -> Outcome:
        volume = new_volume(claim, storage_class, provisioner)
        name = volume["metadata"]["name"]
        if self.volumes.find_record(ObjectKey("", name)) is not None:
            return DONE
        attributes = volume["spec"].get("volumeAttributesClassName")
        if attributes and not await self._is_there(attributes):
            missing = f'volumeattributesclass.storage.k8s.io "{attributes}" not found'
            text = f'failed to provision volume with StorageClass "{storage_class.key.name}": {missing}'
            recorder = self.manager.recorder(provisioner)
            recorder.event(claim.metadata, PERSISTENT_VOLUME_CLAIMS, EventType.WARNING, "ProvisioningFailed", text)
            return RequeueAfter(_LOOK_AGAIN_S)
        text = f'External provisioner is provisioning volume for claim "{claim.key}"'
        self._tell(provisioner, claim, "Provisioning", text)
        with suppress(AlreadyExists):  # the cache is about to show it
            await self.client.create(PERSISTENT_VOLUMES, volume)
        self._tell(provisioner, claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
        return DONE

    async def _is_there(self, attributes: str) -> bool:
        try:
            await self.client.get(VOLUME_ATTRIBUTES_CLASSES, attributes)
        except NotFound:
            return False
        return True

    async def _modify(self, claim: Unstructured, volume: Unstructured, attributes: str) -> Outcome:
        """Give a volume the attributes of another class, once there is such a one."""
        is_there = await self._is_there(attributes)
        status = modifying(claim, attributes, is_there=is_there)
        if status != claim["status"]:
            claim = await self._write_status(claim, status)
        if not is_there:
            return RequeueAfter(_LOOK_AGAIN_S)
        made_by, name = volume.at("spec.csi.driver"), volume.key.name
        self._tell(made_by, claim, "VolumeModify", f"external resizer is modifying volume {name} with vac {attributes}")
        spec = {**volume["spec"], "volumeAttributesClassName": attributes}
        await self.client.update(PERSISTENT_VOLUMES, {**volume, "spec": spec})
        claim = await self._write_status(claim, modified(claim, attributes))
        text = f"external resizer modified volume {name} with vac {attributes} successfully"
        self._tell(made_by, claim, "VolumeModifySuccessful", text)
        return DONE

    async def _grow(self, claim: Unstructured, volume: Unstructured) -> None:
        """Let a volume grow, and with it the claim: at once, or when a pod uses the file system on it."""
        made_by = (volume.metadata.annotations or {})[PROVISIONED_BY]
        size = requested(claim)
        if not waits_for_node(claim) or volume.at("spec.capacity.storage") != size:
            claim = await self._write_status(claim, growing(claim, clock.now()))
            self._tell(made_by, claim, "Resizing", f"External resizer is resizing volume {volume.key.name}")
            spec = volume["spec"]
            await self.client.update(
                PERSISTENT_VOLUMES, {**volume, "spec": {**spec, "capacity": {**spec["capacity"], "storage": size}}}
            )
            if DRIVERS[made_by].is_csi and claim.at("spec.volumeMode") != "Block":
                claim = await self._write_status(claim, grown_on_server(claim, clock.now()))
                self._tell(made_by, claim, "FileSystemResizeRequired", "Require file system resize of volume on node")
        pod = self._running(claim)
        if not waits_for_node(claim):
            claim = await self._write_status(claim, grown(claim))
            self._tell(made_by, claim, "VolumeResizeSuccessful", "Resize volume succeeded")
        elif pod is not None:
            claim = await self._write_status(claim, grown(claim))
            text = f'MountVolume.NodeExpandVolume succeeded for volume "{volume.key.name}" {pod.at("spec.nodeName")}'
            for about, resource in ((pod, PODS), (claim, PERSISTENT_VOLUME_CLAIMS)):
                self._tell("kubelet", about, "FileSystemResizeSuccessful", text, resource)

    def _running(self, claim: Unstructured) -> Unstructured | None:
        pods = self.pods.by_index(BY_CLAIM, str(claim.key))
        return next((pod for pod in pods if pod.at("status.phase") == "Running"), None)

    async def _write_status(self, claim: Unstructured, status: dict[str, Any]) -> Unstructured:
        return await self.client.update_status(PERSISTENT_VOLUME_CLAIMS, {**claim, "status": status})

    # ---- volumes -------------------------------------------------------------------------------------------------

    async def _reclaim(self, volume: Unstructured) -> None:
        metadata = volume.metadata
        finalizers = [name for name in metadata.finalizers or () if name != FINALIZER]
        with suppress(NotFound):
            if is_to_be_deleted(volume) and not metadata.deleting:
                await self.client.delete(PERSISTENT_VOLUMES, volume.key, uid=metadata.uid)
            elif may_go(volume) and len(finalizers) < len(metadata.finalizers or ()):
                changed = {**volume["metadata"], "finalizers": finalizers}
                await self.client.update(PERSISTENT_VOLUMES, {**volume, "metadata": changed})

    def _tell(
        self,
        component: str,
        about: Unstructured,
        reason: str,
        text: str,
        resource: AnyResource = PERSISTENT_VOLUME_CLAIMS,
    ) -> None:
        self.manager.recorder(component).event(about.metadata, resource, EventType.NORMAL, reason, text)


def may_go(volume: Unstructured) -> bool:
    """Whether nothing of a volume is left to delete for the provisioner that made it, and it is being deleted."""
    made_by = (volume.metadata.annotations or {}).get(PROVISIONED_BY)
    is_bound = volume.at("status.phase") == Phase.BOUND
    return volume.metadata.deleting and made_by in DRIVERS and not is_bound


def add_provisioner(manager: Manager) -> None:
    """Add the provisioners to a manager."""
    kinds = (PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, PODS)
    claims, volumes, classes, pods = (manager.informer(kind) for kind in kinds)
    index_by_claim(pods)
    claims.add_index(_GROWING, lambda record: [record.key.namespace] if waits_for_node(record.shared) else [])

    def to_growing(record: Record[Any]) -> Iterable[ObjectKey]:
        """Map a pod to its claims whose file systems are to grow."""
        waiting = {found.key for found in claims.lister.records_by_index(_GROWING, record.key.namespace)}
        if not waiting:
            return []
        return waiting & {ObjectKey(record.key.namespace, name) for name, _ in claims_of(record.shared)}

    def asks(change: Change[Any]) -> bool:
        """Whether a claim is a provisioner's, or may be the first without a class."""
        new = change.new
        if new is None:
            return False
        if STORAGE_PROVISIONER in (new.meta.annotations or {}):
            return may_need_provisioner(new.shared)
        return not len(classes.lister)

    loop = Provisioner(manager, claims.lister, volumes.lister, classes.lister, pods.lister)
    watches: list[Watch[Any]] = [
        Watch(claims, to_self, predicate=asks),
        Watch(volumes, to_self, predicate=_is_to_go),
        Watch(pods, to_growing),
        Watch(classes, _to_none),
    ]
    manager.add(Controller(name="provisioner", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))


def make_class(tracker: Tracker) -> None:
    """Make the class of the cluster's own provisioner, which claims have that name none."""
    tracker.create(STORAGE_CLASSES, dict(CLASS), Options(field_manager="cluster"))


def promise_class(tracker: Tracker) -> None:
    """Make it when somebody first looks at classes: the default one, unless there are others by then."""

    def make() -> None:
        there, meta = tracker.log.collection(STORAGE_CLASSES.identity), CLASS["metadata"]
        if there.find(ObjectKey("", meta["name"])) is None:
            tracker.restore(STORAGE_CLASSES, {**CLASS, "metadata": {"name": meta["name"]}} if there else CLASS)

    tracker.on_first_look(STORAGE_CLASSES, make)


def _is_to_go(change: Change[Any]) -> bool:
    """Whether a volume that a provisioner has made is being deleted, or has lost its claim."""
    new = change.new
    if new is None or PROVISIONED_BY not in (new.meta.annotations or {}):
        return False
    return new.meta.deleting or new.shared.at("status.phase") == Phase.RELEASED


def _to_none(_class: Record[Any]) -> Iterable[ObjectKey]:
    """Map a class to nothing: its claims are written when they are to be provisioned, and that wakes them."""
    return ()
