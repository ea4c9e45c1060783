"""
The controller of volumes: binds claims to volumes and reclaims volumes, as storage_plan.py decides.

It has one worker, as a real one has. Keys with a namespace are claims, the others are volumes. A claim that waits is
looked at again every 15 s; what it waits for wakes it earlier.

Difference from a real one: a volume that is recycled is free at once, without a pod that empties it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.cache import Change, Informer, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.echoes import Echoes
from ctrlkit.fakes.cluster.loops.pod_claims import BY_CLAIM, index_by_claim
from ctrlkit.fakes.cluster.loops.pods import is_final
from ctrlkit.fakes.cluster.loops.storage_objects import (
    annotated,
    claim_status,
    completed,
    freed,
    held_for,
    read_claim,
    read_class,
    read_volume,
)
from ctrlkit.fakes.cluster.loops.storage_plan import (
    BETA_STORAGE_PROVISIONER,
    STORAGE_PROVISIONER,
    Bind,
    ChooseClass,
    Claim,
    LookAtClaim,
    Lose,
    Notice,
    Phase,
    Provision,
    Reclaim,
    Release,
    SetPhase,
    Surroundings,
    Unbind,
    Volume,
    Wait,
    plan_claim,
    plan_volume,
)
from ctrlkit.fakes.tracker.kinds.storage.classes import default_of, is_default
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, ObjectKey, Record, Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES

_LOOK_AGAIN_S = 15.0
_FREE = "free"
_WAITING = "waiting"


class VolumeReader:
    """Reads the volumes of a cache, each state of one once."""

    def __init__(self, volumes: Lister[Unstructured]) -> None:
        self._volumes = volumes
        self._read: dict[str, tuple[str, Volume]] = {}

    def find(self, name: str) -> Volume | None:
        """Return a volume by its name; None if there is none."""
        record = self._volumes.find_record(ObjectKey("", name))
        return None if record is None else self.read(record)

    def candidates(self, claim: Claim) -> list[Volume]:
        """Return the volumes that may be free for a claim, and those that are kept for it."""
        found = (_class_key(claim.class_name, claim.volume_mode), str(claim.key))
        return [self.read(record) for value in found for record in self._volumes.records_by_index(_FREE, value)]

    def read(self, record: Record[Unstructured]) -> Volume:
        """Read a volume."""
        version, volume = self._read.get(record.key.name, ("", None))
        if volume is None or version != record.version:
            volume = read_volume(record.shared)
            self._read[record.key.name] = record.version, volume
        return volume

    def values(self, record: Record[Unstructured]) -> list[str]:
        """Return under which values a volume is found: its class and mode if it is free, else the claim it is for."""
        volume = self.read(record)
        if volume.holder is not None:
            return [str(volume.holder.key)]
        return [_class_key(volume.class_name, volume.volume_mode)] if volume.phase == Phase.AVAILABLE else []

    def forget(self, name: str) -> None:
        """Forget a volume that has gone."""
        self._read.pop(name, None)


def _class_key(name: str | None, volume_mode: str) -> str:
    return f"{volume_mode} {name or ''}"


@dataclass(frozen=True, slots=True)
class Volumes:
    """Reconciles volumes and claims."""

    client: Client
    volumes: Lister[Unstructured]
    claims: Lister[Unstructured]
    classes: Lister[Unstructured]
    pods: Lister[Unstructured]
    reader: VolumeReader
    recorder: EventRecorder
    echoes_of_volumes: Echoes = field(default_factory=Echoes)
    echoes_of_claims: Echoes = field(default_factory=Echoes)

    async def reconcile(self, request: Request) -> Outcome:
        """Take the next step for a claim or a volume."""
        if request.key.namespace:
            claim = self.claims.find(request.key)
            return DONE if claim is None else await self._go_on(claim)
        volume = self.volumes.find(request.key)
        if volume is None:
            self.reader.forget(request.key.name)
            return DONE
        await self._go_on_with(volume)
        return DONE

    # ---- claims --------------------------------------------------------------------------------------------------

    async def _go_on(self, claim: Unstructured) -> Outcome:
        plain = read_claim(claim)
        match plan_claim(plain, self._around(plain)):
            case Bind(name):
                await self._bind(claim, name)
                return DONE
            case Lose(notice):
                if plain.phase != Phase.LOST:
                    await self._write_claim(claim, Phase.LOST, None)
                    self._tell(claim, PERSISTENT_VOLUME_CLAIMS, notice)
                return DONE
            case ChooseClass(name):
                spec = {**claim["spec"], "storageClassName": name}
                await self.client.update(PERSISTENT_VOLUME_CLAIMS, {**claim, "spec": spec})
                return DONE
            case Provision(provisioner, notice):
                await self._leave_to(claim, provisioner)
                self._tell(claim, PERSISTENT_VOLUME_CLAIMS, notice)
            case Wait(notice):
                self._tell(claim, PERSISTENT_VOLUME_CLAIMS, notice)
                await self._write_claim(claim, Phase.PENDING, None)
        return RequeueAfter(_LOOK_AGAIN_S)

    def _around(self, claim: Claim) -> Surroundings:
        if claim.is_bound or claim.volume_name:
            return Surroundings(named=self.reader.find(claim.volume_name) if claim.volume_name else None)
        found = self.classes.find(ObjectKey("", claim.class_name)) if claim.class_name else None
        storage_class = read_class(found) if found is not None else None
        waits = storage_class is not None and storage_class.waits
        pods = self.pods.by_index(BY_CLAIM, str(claim.key)) if waits and not claim.has_node else ()
        return Surroundings(
            candidates=self.reader.candidates(claim),
            storage_class=storage_class,
            default_class=default_of(self.classes.list()) if claim.class_name is None else "",
            pods=[pod.key.name for pod in pods if not pod.at("spec.nodeName") and not is_final(pod)],
        )

    async def _bind(self, claim: Unstructured, name: str) -> None:
        """
        Bind a claim to a volume, or complete what is there of the binding: the volume is written first.

        Nothing follows from what was written for that: a write that fails leads to another try by itself.
        """
        volume = self.volumes.find(ObjectKey("", name))
        if volume is None:
            return
        held = held_for(volume, claim)
        if held is not None:
            volume = await self.client.update(PERSISTENT_VOLUMES, held)
            self.echoes_of_volumes.wrote(volume)
        bound = await self._write_phase(volume, Phase.BOUND)
        if bound is not volume:
            self.echoes_of_volumes.wrote(bound)
        complete = completed(claim, name)
        if complete is not None:
            claim = await self.client.update(PERSISTENT_VOLUME_CLAIMS, complete)
            self.echoes_of_claims.wrote(claim)
        written = await self._write_claim(claim, Phase.BOUND, bound)
        if written is not claim:
            self.echoes_of_claims.wrote(written)

    async def _leave_to(self, claim: Unstructured, provisioner: str) -> None:
        """Note on a claim which provisioner is to make its volume."""
        annotations = claim.metadata.annotations or {}
        if provisioner and annotations.get(STORAGE_PROVISIONER) != provisioner:
            notes = dict.fromkeys((STORAGE_PROVISIONER, BETA_STORAGE_PROVISIONER), provisioner)
            await self.client.update(PERSISTENT_VOLUME_CLAIMS, annotated(claim, notes))

    async def _write_claim(self, claim: Unstructured, phase: Phase, volume: Unstructured | None) -> Unstructured:
        status = claim_status(claim, phase, volume)
        if status == claim.get("status"):
            return claim
        return await self.client.update_status(PERSISTENT_VOLUME_CLAIMS, {**claim, "status": status})

    # ---- volumes -------------------------------------------------------------------------------------------------

    async def _go_on_with(self, volume: Unstructured) -> None:
        plain = read_volume(volume)
        claim = await self._claim_of(plain)
        match plan_volume(plain, None if claim is None else read_claim(claim)):
            case SetPhase(phase):
                await self._write_phase(volume, phase)
            case Unbind():
                await self._free(volume)
            case LookAtClaim(of_volume, of_claim) if claim is not None:
                if of_volume is None:
                    await self._go_on(claim)
                self._tell(volume, PERSISTENT_VOLUMES, of_volume)
                self._tell(claim, PERSISTENT_VOLUME_CLAIMS, of_claim)
            case Release() as release:
                await self._release(volume, plain, release)

    async def _claim_of(self, volume: Volume) -> Unstructured | None:
        """Find the claim that a volume is bound to; before the volume is released the server is asked."""
        if volume.holder is None or not volume.holder.uid:
            return None
        claim = self.claims.find(volume.holder.key)
        is_it = claim is not None and claim.metadata.uid == volume.holder.uid
        if not is_it and volume.phase not in (Phase.RELEASED, Phase.FAILED):
            with suppress(NotFound):
                return await self.client.get(PERSISTENT_VOLUME_CLAIMS, volume.holder.key)
            return None
        return claim

    async def _release(self, volume: Unstructured, plain: Volume, release: Release) -> None:
        if plain.phase not in (Phase.RELEASED, Phase.FAILED):
            volume = await self._write_phase(volume, Phase.RELEASED)
        if release.failure is not None and plain.phase != Phase.FAILED:
            await self._write_phase(volume, Phase.FAILED, release.failure.text)
            self._tell(volume, PERSISTENT_VOLUMES, release.failure)
        elif release.reclaim is Reclaim.DELETE and not plain.is_deleting:
            with suppress(NotFound):
                await self.client.delete(PERSISTENT_VOLUMES, volume.key, uid=volume.metadata.uid)
        elif release.reclaim is Reclaim.FREE:
            self._tell(volume, PERSISTENT_VOLUMES, Notice("VolumeRecycled", "Volume recycled", is_warning=False))
            await self._free(volume)

    async def _free(self, volume: Unstructured) -> None:
        await self._write_phase(await self.client.update(PERSISTENT_VOLUMES, freed(volume)), Phase.AVAILABLE)

    async def _write_phase(self, volume: Unstructured, phase: Phase, text: str = "") -> Unstructured:
        status = volume.get("status") or {}
        if status.get("phase") == phase:
            return volume
        status = {name: value for name, value in status.items() if name != "message"} | {"phase": phase.value}
        if text:
            status["message"] = text
        return await self.client.update_status(PERSISTENT_VOLUMES, {**volume, "status": status})

    def _tell(self, about: Unstructured, resource: AnyResource, notice: Notice | None) -> None:
        if notice is not None:
            kind = EventType.WARNING if notice.is_warning else EventType.NORMAL
            self.recorder.event(about.metadata, resource, kind, notice.reason, notice.text)


# ---- what wakes whom -------------------------------------------------------------------------------------------------


def _waiting_values(record: Record[Unstructured]) -> list[str]:
    """Return what a claim has or waits for: a volume by its name, or of a class."""
    claim = read_claim(record.shared)
    if claim.volume_name:
        return [f"{'bound to' if claim.phase == Phase.BOUND else 'volume'} {claim.volume_name}"]
    return [f"class {claim.class_name or ''}"]


def _has_gone(change: Change[Any]) -> bool:
    return change.new is None or (change.old is not None and change.old.meta.uid != change.new.meta.uid)


def _to_volume(record: Record[Any]) -> Iterable[ObjectKey]:
    """Map a claim to its volume."""
    name = record.shared.at("spec.volumeName")
    return [ObjectKey("", name)] if name else []


def _add_indexes(
    volumes: Informer[Unstructured], claims: Informer[Unstructured], pods: Informer[Unstructured]
) -> VolumeReader:
    reader = VolumeReader(volumes.lister)
    volumes.add_index(_FREE, reader.values)
    claims.add_index(_WAITING, _waiting_values)
    index_by_claim(pods)
    return reader


def add_volumes(manager: Manager) -> None:
    """Add the controller of volumes to a manager."""
    kinds = (PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS, STORAGE_CLASSES, PODS)
    volumes, claims, classes, pods = (manager.informer(kind) for kind in kinds)
    reader = _add_indexes(volumes, claims, pods)

    def waiting(value: str) -> list[ObjectKey]:
        return [record.key for record in claims.lister.records_by_index(_WAITING, value)]

    def to_holder(record: Record[Any]) -> Iterable[ObjectKey]:
        holder = read_volume(record.shared).holder
        return [] if holder is None else [holder.key]

    def to_waiting(record: Record[Any]) -> Iterable[ObjectKey]:
        """Map a volume as it is now to the claims that wait for it, or for one like it."""
        current = volumes.lister.find_record(record.key)
        if current is None or current.version != record.version:
            return []
        volume = reader.read(record)
        named = waiting(f"volume {volume.name}")
        if volume.holder is not None:
            return [*named, *([] if volume.holder.uid else [volume.holder.key])]
        is_free = volume.phase == Phase.AVAILABLE
        others = waiting(f"class {volume.class_name}") if is_free else ()
        return [*named, *waiting(f"bound to {volume.name}"), *others]

    def of_class(record: Record[Any]) -> Iterable[ObjectKey]:
        return [*waiting(f"class {record.key.name}"), *(waiting("class ") if is_default(record.shared) else ())]

    client, recorder = manager.client, manager.recorder("persistentvolume-controller")
    loop = Volumes(client, volumes.lister, claims.lister, classes.lister, pods.lister, reader, recorder)
    watches: list[Watch[Any]] = [
        Watch(claims, to_self, predicate=loop.echoes_of_claims.is_new),
        Watch(claims, _to_volume, predicate=_has_gone),
        Watch(volumes, to_self, predicate=loop.echoes_of_volumes.is_new),
        Watch(volumes, to_holder, predicate=_has_gone),
        Watch(volumes, to_waiting),
        Watch(classes, of_class),
    ]
    manager.add(Controller(name="volumes", reconcile=loop.reconcile, watches=watches))
