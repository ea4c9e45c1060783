"""
The garbage collector: objects go when their owners are gone, first, or are let go, as the owner's deletion asked.

In       Every change of every kind, mapped to the uids it concerns: the object's own, and its owners'.
Out      Deletes, and patches of owner references and finalizers, as garbage_plan.py says.
Safe     A cache may not show an owner yet. So no owner counts as gone before the server itself has said so, and one of
         a kind nobody here knows counts as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.fakes.cluster.loops.garbage_plan import Collect, Fate, Release, Step, Thing, Unhold, fate_of, plan
from ctrlkit.fakes.cluster.loops.kinds import AnyInformer, Kinds, wake_on_change
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, OwnerReference, Record, to_plain

_BY_UID = "garbage-uid"
_BY_OWNER = "garbage-owner"
_WORKERS = 4


@dataclass(slots=True)
class Garbage:
    """`reconcile` is for owners: the key's name is a uid."""

    client: Client
    kinds: Kinds

    async def reconcile(self, request: Request) -> Outcome:
        """Do what is to be done about the dependents of one owner now."""
        await self.kinds.wait_synced()
        uid = request.key.name
        owner = next(self._find(_BY_UID, uid), None)
        dependents = list(self._find(_BY_OWNER, uid))
        if not dependents and owner is None:
            return DONE
        fates: dict[OwnerReference, Fate] = {}
        for thing in dependents:
            for reference in thing.owners:
                if reference not in fates:
                    fates[reference] = await self._fate(reference, thing.meta.namespace)
        parents = frozenset(thing.meta.uid for thing in dependents if any(self._find(_BY_OWNER, thing.meta.uid)))
        for step in plan(owner, dependents, fates, parents=parents):
            await self._take(step)
        return DONE

    def concerned(self, record: Record[Any]) -> Iterable[ObjectKey]:
        """The owners to look after when an object changes: its own, and itself where it is one."""
        uids = [owner.uid for owner in record.meta.owner_references or ()]
        if record.meta.finalizers or any(self._find(_BY_OWNER, record.meta.uid)):
            uids.append(record.meta.uid)
        return [ObjectKey("", uid) for uid in uids if uid]

    async def _fate(self, reference: OwnerReference, namespace: str) -> Fate:
        cached = next(self._find(_BY_UID, reference.uid), None)
        if cached is not None:
            return fate_of(cached)
        resource = self.kinds.resource_of(reference)
        if resource is None:
            return Fate.THERE
        try:
            live = await self.client.get(resource, ObjectKey(namespace if resource.namespaced else "", reference.name))
        except NotFound:
            return Fate.GONE
        return fate_of(Thing(resource, live.metadata)) if live.metadata.uid == reference.uid else Fate.GONE

    async def _take(self, step: Step) -> None:
        meta = step.thing.meta
        match step:
            case Collect(thing, propagation):
                with suppress(NotFound, Conflict):  # gone, or another by now
                    await self.client.delete(thing.resource, meta.key, uid=meta.uid, propagation=propagation)
            case Release(thing, owners):
                left = [to_plain(owner) for owner in thing.owners if owner.uid not in owners]
                await self._write(thing, {"ownerReferences": left or None})
            case Unhold(thing, finalizer):
                left = [name for name in meta.finalizers or () if name != finalizer]
                await self._write(thing, {"finalizers": left or None})

    async def _write(self, thing: Thing, fields: dict[str, Any]) -> None:
        """Change metadata of the very state that was looked at; Conflict where it is not the newest."""
        seen: dict[str, Any] = {"uid": thing.meta.uid, "resourceVersion": thing.meta.resource_version}
        with suppress(NotFound):
            await self.client.patch(thing.resource, thing.meta.key, MergePatch({"metadata": seen | fields}))

    def _find(self, index: str, value: str) -> Iterator[Thing]:
        for informer in self.kinds.informers:
            for item in informer.lister.by_index(index, value):
                yield Thing(informer.resource, item.metadata)


def add_garbage_collector(manager: Manager, kinds: Kinds) -> None:
    """Have a manager collect garbage of all kinds."""
    garbage = Garbage(manager.client, kinds)
    built_in = kinds.informers
    controller = Controller(
        name="garbage",
        reconcile=garbage.reconcile,
        watches=[Watch(informer, garbage.concerned) for informer in built_in],
        workers=_WORKERS,
    )

    def follow(informer: AnyInformer) -> None:
        informer.add_index(_BY_UID, lambda record: [record.meta.uid])
        informer.add_index(_BY_OWNER, lambda record: [owner.uid for owner in record.meta.owner_references or ()])
        if informer not in built_in:
            wake_on_change(informer, garbage.concerned, controller)

    kinds.each(follow)
    manager.add(controller)
