"""
The garbage collector: background, foreground and orphaning deletion of dependents.

It watches every kind and maps each change to uids: the object's own if it goes, and those of owners that are not known
to stay. garbage_plan.py decides what to delete, and which owner references and finalizers to remove. A cache may not
show an owner yet, so an owner counts as gone only after a GET has returned 404. One of a kind that is not served, or
not in that version, cannot be asked for: its dependents are left alone. A Warning tells of a dependent whose owner is
in another namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.cache import Change
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Mapper, Outcome, Request, Watch
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.garbage_plan import (
    FOREGROUND,
    DeleteDependent,
    GarbageStep,
    ObjectRef,
    OwnerState,
    RemoveFinalizer,
    RemoveOwners,
    Tie,
    Unblock,
    plan,
    state_of,
    ties_of,
)
from ctrlkit.fakes.cluster.loops.kinds import AnyInformer, WatchedKinds, wake_on_change
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, OwnerReference, Record, Unstructured
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS

Plain = dict[str, Any]

_BY_UID = "garbage-uid"
_BY_OWNER = "garbage-owner"
_WORKERS = 4


@dataclass(slots=True)
class Garbage:
    """Reconciles owners: the name in a key is the uid of an owner."""

    client: Client
    kinds: WatchedKinds
    recorder: EventRecorder
    told: set[tuple[str, str]] = field(default_factory=set)
    unserved: dict[str, None] = field(default_factory=dict)
    """The uids of owners of kinds that were not served when they were asked for."""

    async def reconcile(self, request: Request) -> Outcome:
        """Take the next steps for the dependents of one owner."""
        await self.kinds.wait_synced()
        uid = request.key.name
        owner = next(self._find(_BY_UID, uid), None)
        dependents = list(self._find(_BY_OWNER, uid))
        if not dependents and owner is None:
            return DONE
        states: dict[Tie, OwnerState] = {}
        for thing in dependents:
            for tie in ties_of(thing):
                if tie not in states:
                    states[tie] = await self._state(tie)
                if owner is not None and tie.reference.uid == uid and tie.leaves_namespace_for(owner):
                    self._tell(thing, tie)
        theirs = {thing.meta.uid: list(self._find(_BY_OWNER, thing.meta.uid)) for thing in dependents}
        parents = {uid: any(one.held_by(FOREGROUND) for one in some) for uid, some in theirs.items() if some}
        for step in plan(owner, dependents, states, parents=parents):
            await self._take(step)
        return DONE

    def mapper_of(self, informer: AnyInformer) -> Mapper[Any]:
        """
        Make a mapper of the objects of a kind: to those of their owners that are not known to stay, and to themselves
        where they go, if they have dependents or finalizers.
        """

        def keys_for(record: Record[Any]) -> Iterable[ObjectKey]:
            meta = record.meta
            uids = [owner.uid for owner in meta.owner_references or () if not self._stays(owner, meta.namespace)]
            if not _is_kept(informer, record.key, meta.uid) and (
                meta.finalizers or any(self._find(_BY_OWNER, meta.uid))
            ):
                uids.append(meta.uid)
            return [ObjectKey("", uid) for uid in uids if uid]

        return keys_for

    def to_unserved(self, _definition: Record[Any]) -> Iterable[ObjectKey]:
        """Map a change of a definition to the owners that could not be asked for: now their kinds may be served."""
        waiting = [ObjectKey("", uid) for uid in self.unserved if uid]
        self.unserved.clear()
        return waiting

    def _stays(self, owner: OwnerReference, namespace: str) -> bool:
        """Whether the owner of an object in a namespace is there, and not to be deleted: then nothing is to be done."""
        informer = self.kinds.informer_of(owner)
        if informer is None:
            return False
        return _is_kept(informer, ObjectKey(namespace if informer.resource.namespaced else "", owner.name), owner.uid)

    async def _state(self, tie: Tie) -> OwnerState:
        reference = tie.reference
        resource = self.kinds.resource_of(reference)
        if resource is None:
            self.unserved[reference.uid] = None
        if resource is None or (resource.namespaced and not tie.namespace):
            return OwnerState.IMPOSSIBLE
        cached = next(self._find(_BY_UID, reference.uid), None)
        if cached is not None and tie.names(cached):
            return state_of(cached)
        try:
            key = ObjectKey(tie.namespace if resource.namespaced else "", reference.name)
            live = await self.client.get(resource, key)
        except NotFound:
            return OwnerState.GONE
        return state_of(ObjectRef(resource, live.metadata)) if live.metadata.uid == reference.uid else OwnerState.GONE

    def _tell(self, thing: ObjectRef, tie: Tie) -> None:
        """Tell once of a dependent whose owner is in another namespace."""
        told = (thing.meta.uid, tie.reference.uid)
        if told in self.told:
            return
        self.told.add(told)
        one, namespace = tie.reference, tie.namespace
        which = f"{one.api_version}/{one.kind}, namespace: {namespace}, name: {one.name}, uid: {one.uid}"
        text = f'ownerRef [{which}] does not exist in namespace "{namespace}"'
        self.recorder.event(thing.meta, thing.resource, EventType.WARNING, "OwnerRefInvalidNamespace", text)

    async def _take(self, step: GarbageStep) -> None:
        meta = step.thing.meta
        match step:
            case DeleteDependent(thing, propagation):
                with suppress(NotFound, Conflict):  # gone, or another by now
                    await self.client.delete(thing.resource, meta.key, uid=meta.uid, propagation=propagation)
            case Unblock(thing):
                await self._write_owners(thing, lambda owner: owner | {"blockOwnerDeletion": False})
            case RemoveOwners(thing, owners):
                await self._write_owners(thing, lambda owner: None if owner["uid"] in owners else owner)
            case RemoveFinalizer(thing, finalizer):
                left = [name for name in meta.finalizers or () if name != finalizer]
                await self._write(thing, {"finalizers": left or None})

    async def _write_owners(self, thing: ObjectRef, change: Callable[[Plain], Plain | None]) -> None:
        """Change or drop owner references; all else in them stays as it was written."""
        with suppress(NotFound):
            live = await self.client.get(thing.resource.of(Unstructured), thing.meta.key)
            changed = [change(dict(owner)) for owner in live.at("metadata.ownerReferences") or ()]
            await self._write(thing, {"ownerReferences": [owner for owner in changed if owner is not None] or None})

    async def _write(self, thing: ObjectRef, fields: dict[str, Any]) -> None:
        """Patch metadata of exactly the version that was read; Conflict if it is not the newest."""
        seen: dict[str, Any] = {"uid": thing.meta.uid, "resourceVersion": thing.meta.resource_version}
        with suppress(NotFound):
            await self.client.patch(thing.resource, thing.meta.key, MergePatch({"metadata": seen | fields}))

    def _find(self, index: str, value: str) -> Iterator[ObjectRef]:
        for informer in self.kinds.informers:
            for record in informer.lister.records_by_index(index, value):
                yield ObjectRef(informer.resource, record.meta)


def _is_kept(informer: AnyInformer, key: ObjectKey, uid: str) -> bool:
    """Whether the cache has this very object, and it is not being deleted."""
    held = informer.lister.find_record(key)
    return held is not None and held.meta.uid == uid and not held.meta.deleting


def matters(change: Change[Any]) -> bool:
    """Whether a change is one of what there is, or of owners, finalizers or deletion."""
    if change.old is None or change.new is None:
        return True
    old, new = change.old.meta, change.new.meta
    return (old.uid, old.owner_references, old.finalizers, old.deleting) != (
        *(new.uid, new.owner_references, new.finalizers, new.deleting),
    )


def add_garbage_collector(manager: Manager, kinds: WatchedKinds) -> None:
    """Add the garbage collector to a manager."""
    garbage = Garbage(manager.client, kinds, manager.recorder("garbage-collector-controller"))
    built_in = kinds.informers
    controller = Controller(
        name="garbage",
        reconcile=garbage.reconcile,
        watches=[
            Watch(manager.informer(CUSTOM_RESOURCE_DEFINITIONS), garbage.to_unserved),
            *(Watch(informer, garbage.mapper_of(informer), predicate=matters) for informer in built_in),
        ],
        workers=_WORKERS,
    )

    def follow(informer: AnyInformer) -> None:
        informer.add_index(_BY_UID, lambda record: [record.meta.uid])
        informer.add_index(_BY_OWNER, lambda record: [owner.uid for owner in record.meta.owner_references or ()])
        if informer not in built_in:
            wake_on_change(informer, garbage.mapper_of(informer), controller, predicate=matters)

    kinds.on_informer(follow)
    manager.add(controller)
