"""The namespace controller: empties terminating namespaces, pods first and then the rest, and finalizes them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.fakes.cluster.loops.kinds import AnyInformer, WatchedKinds, is_gone, namespaced, wake_on_change
from ctrlkit.fakes.cluster.loops.namespace_plan import Remains, conditions
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record, Resource, Unstructured
from ctrlkit.model.kinds import EVENTS, NAMESPACES, PODS

FINALIZER = "kubernetes"
_LOOK_AGAIN_S = 5.0


@dataclass(slots=True)
class Namespaces:
    """Reconciles namespaces."""

    client: Client
    namespaces: Lister[Unstructured]
    kinds: WatchedKinds

    async def reconcile(self, request: Request) -> Outcome:
        """Delete the objects in a terminating namespace; once none is left, finalize it."""
        namespace = self.namespaces.find(request.key)
        if namespace is None or not namespace.at("metadata.deletionTimestamp"):
            return DONE
        finalizers = namespace.at("spec.finalizers") or []
        if FINALIZER not in finalizers:
            return DONE
        has_pods = bool((await self._empty(request.key.name, [PODS.metadata_only()])).kinds)
        others = (kind.metadata_only() for kind in (*namespaced(self.kinds.resources), EVENTS) if kind != PODS)
        # While there are pods, all else is left to them, and the conditions do not count it.
        remains = Remains() if has_pods else await self._empty(request.key.name, others)
        namespace = await self._tell(namespace, remains)
        if has_pods or remains.kinds:
            return RequeueAfter(_LOOK_AGAIN_S)  # each end of an object brings us here earlier
        namespace["spec"] = namespace["spec"] | {"finalizers": [name for name in finalizers if name != FINALIZER]}
        with suppress(NotFound):
            await self.client.update(NAMESPACES, namespace, subresource="finalize")
        return DONE

    def keys_for(self, record: Record[Any]) -> Iterable[ObjectKey]:
        """Map an object that is gone to its namespace if that is terminating."""
        key = ObjectKey("", record.key.namespace)
        namespace = self.namespaces.find_record(key) if record.key.namespace else None
        return [key] if namespace is not None and namespace.meta.deleting else []

    async def _tell(self, namespace: Unstructured, remains: Remains) -> Unstructured:
        """Write into the status what is left; return the namespace as it is then."""
        status = namespace.get("status") or {}
        now = conditions(status.get("conditions") or (), remains, clock.now())
        if now != status.get("conditions"):
            with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
                told = {**namespace, "status": {**status, "conditions": now}}
                return await self.client.update_status(NAMESPACES, told)
        return namespace

    async def _empty(self, name: str, kinds: Iterable[Resource[Any]]) -> Remains:
        """Delete all objects of some kinds in a namespace; returns what is left."""
        remains = Remains()
        for resource in kinds:
            with suppress(NotFound):  # a kind whose definition has gone has no objects
                if await self.client.list(resource, namespace=name):
                    await self.client.delete_collection(resource, namespace=name)
                    left = await self.client.list(resource, namespace=name)
                    remains.add(resource, (one.metadata for one in left))
        return remains


def _is_ending(change: Change[Any]) -> bool:
    return change.new is not None and change.new.meta.deleting


def add_namespaces(manager: Manager, kinds: WatchedKinds) -> None:
    """Add the namespace controller to a manager."""
    informer = manager.informer(NAMESPACES)
    loop = Namespaces(manager.client, informer.lister, kinds)
    built_in = kinds.informers
    watches: list[Watch[Any]] = [Watch(informer, to_self, predicate=_is_ending)]
    watches += [
        Watch(informer, loop.keys_for, predicate=is_gone) for informer in built_in if informer.resource.namespaced
    ]
    controller = Controller(name="namespaces", reconcile=loop.reconcile, watches=watches)

    def follow(informer: AnyInformer) -> None:
        if informer not in built_in and informer.resource.namespaced:
            wake_on_change(informer, loop.keys_for, controller, predicate=is_gone)

    kinds.on_informer(follow)
    manager.add(controller)
