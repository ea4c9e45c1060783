"""
Keeps what is in use from being deleted: claims of pods, bound volumes, attributes classes of claims and volumes.

Each has a finalizer from its first write on; it is taken away when the object is being deleted and nobody uses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import NotFound
from ctrlkit.fakes.cluster.loops.pod_claims import BY_CLAIM, claims_of, index_by_claim
from ctrlkit.fakes.cluster.loops.pods import is_final
from ctrlkit.fakes.cluster.loops.storage_plan import Phase
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, Record, Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, VOLUME_ATTRIBUTES_CLASSES

_FINALIZERS = {
    PERSISTENT_VOLUME_CLAIMS: "kubernetes.io/pvc-protection",
    PERSISTENT_VOLUMES: "kubernetes.io/pv-protection",
    VOLUME_ATTRIBUTES_CLASSES: "kubernetes.io/vac-protection",
}
_DELETING = "deleting"
_WORKERS = 4
_BY_ATTRIBUTES_CLASS = "attributesclass"


@dataclass(frozen=True, slots=True)
class Protection:
    """Keeps the finalizers of one kind as they must be; `is_used` says whether an object is."""

    client: Client
    resource: AnyResource
    things: Lister[Unstructured]
    is_used: Callable[[Unstructured], Awaitable[bool]]

    async def reconcile(self, request: Request) -> Outcome:
        """Give an object its finalizer, or take it away from one that is being deleted and not used."""
        thing = self.things.find(request.key)
        if thing is None or not needs_care(thing.metadata, self.finalizer):
            return DONE
        finalizers = list(thing.metadata.finalizers or ())
        if not thing.metadata.deleting:
            finalizers.append(self.finalizer)
        elif await self.is_used(thing):
            return DONE
        else:
            finalizers.remove(self.finalizer)
        with suppress(NotFound):
            metadata = {**thing["metadata"], "finalizers": finalizers}
            await self.client.update(self.resource, {**thing, "metadata": metadata})
        return DONE

    @property
    def finalizer(self) -> str:
        """The finalizer of the kind."""
        return _FINALIZERS[self.resource]

    def concerns(self, change: Change[Any]) -> bool:
        """Whether there may be something to do after a change."""
        return change.new is not None and needs_care(change.new.meta, self.finalizer)


def needs_care(metadata: ObjectMeta, finalizer: str) -> bool:
    """Whether an object is being deleted and has a finalizer, or is not and lacks it."""
    return metadata.deleting is (finalizer in (metadata.finalizers or ()))


def uses(pod: Unstructured, claim: Unstructured) -> bool:
    """
    Whether a pod keeps a claim from being deleted: one that has a node, for a claim of its own until it was shut down.

    >>> volumes, claim = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}], {"metadata": {"name": "data"}}
    >>> pods = [Unstructured({"spec": {"volumes": volumes, "nodeName": node}}) for node in ("", "n")]
    >>> [uses(pod, Unstructured(claim)) for pod in pods]
    [False, True]
    """
    if not pod.at("spec.nodeName"):
        return False
    found = [volume for name, volume in claims_of(pod) if name == claim.key.name]
    if any("persistentVolumeClaim" in volume for volume in found):
        return True
    owner = claim.metadata.controller
    is_shut_down = pod.at("metadata.deletionTimestamp") and pod.at("metadata.deletionGracePeriodSeconds") == 0
    return bool(found) and not is_shut_down and owner is not None and owner.uid == pod.at("metadata.uid")


def add_claim_protection(manager: Manager) -> None:
    """Add the protection of claims to a manager."""
    claims, pods = manager.informer(PERSISTENT_VOLUME_CLAIMS), manager.informer(PODS)
    client = manager.client
    index_by_claim(pods)
    claims.add_index(_DELETING, lambda record: [record.key.namespace] if record.meta.deleting else [])

    async def is_used(claim: Unstructured) -> bool:
        """Whether a pod uses a claim; before the answer is no, the server is asked."""
        if any(uses(pod, claim) for pod in pods.lister.by_index(BY_CLAIM, str(claim.key))):
            return True
        return any(uses(pod, claim) for pod in await client.list(PODS, namespace=claim.key.namespace))

    def to_deleting(record: Record[Any]) -> Iterable[ObjectKey]:
        """Map a pod to its claims, if any of its namespace is being deleted."""
        namespace = record.key.namespace
        if not claims.lister.records_by_index(_DELETING, namespace):
            return []
        return [ObjectKey(namespace, name) for name, _ in claims_of(record.shared)]

    def may_free(change: Change[Any]) -> bool:
        return change.new is None or change.new.meta.deleting or is_final(change.new.shared)

    loop = Protection(client, PERSISTENT_VOLUME_CLAIMS, claims.lister, is_used)
    watches: list[Watch[Any]] = [
        Watch(claims, to_self, predicate=loop.concerns),
        Watch(pods, to_deleting, predicate=may_free),
    ]
    manager.add(Controller(name="claim-protection", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))


def add_volume_protection(manager: Manager) -> None:
    """Add the protection of volumes to a manager."""
    volumes = manager.informer(PERSISTENT_VOLUMES)

    async def is_used(volume: Unstructured) -> bool:
        return bool(volume.at("status.phase") == Phase.BOUND)

    loop = Protection(manager.client, PERSISTENT_VOLUMES, volumes.lister, is_used)
    watches = [Watch(volumes, to_self, predicate=loop.concerns)]
    manager.add(Controller(name="volume-protection", reconcile=loop.reconcile, watches=watches))


def add_attributes_protection(manager: Manager) -> None:
    """Add the protection of attributes classes to a manager."""
    kinds = (VOLUME_ATTRIBUTES_CLASSES, PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS)
    classes, volumes, claims = (manager.informer(kind) for kind in kinds)
    users = (volumes, claims)
    for informer in users:
        informer.add_index(_BY_ATTRIBUTES_CLASS, lambda record: attributes_classes_of(record.shared))

    async def is_used(attributes_class: Unstructured) -> bool:
        return any(one.lister.records_by_index(_BY_ATTRIBUTES_CLASS, attributes_class.key.name) for one in users)

    def to_class(record: Record[Any]) -> Iterable[ObjectKey]:
        return [ObjectKey("", name) for name in attributes_classes_of(record.shared)]

    loop = Protection(manager.client, VOLUME_ATTRIBUTES_CLASSES, classes.lister, is_used)
    watches: list[Watch[Any]] = [
        Watch(classes, to_self, predicate=loop.concerns),
        *(Watch(informer, to_class) for informer in users),
    ]
    manager.add(Controller(name="attributes-protection", reconcile=loop.reconcile, watches=watches))


def attributes_classes_of(thing: Unstructured) -> list[str]:
    """Return the names of the attributes classes of a volume or claim: what it has, had, or is about to have."""
    paths = (
        *("spec.volumeAttributesClassName", "status.currentVolumeAttributesClassName"),
        "status.modifyVolumeStatus.targetVolumeAttributesClassName",
    )
    return [name for name in dict.fromkeys(thing.at(path) for path in paths) if name]
