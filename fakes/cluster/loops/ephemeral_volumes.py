"""Makes the claims of pods that bring their own: a claim for each generic ephemeral volume, which goes with its pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import AlreadyExists, ApiError
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.failures import is_namespace_ending
from ctrlkit.fakes.cluster.loops.pod_claims import BY_CLAIM, claims_of, index_by_claim
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record, Unstructured, to_plain
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS


@dataclass(frozen=True, slots=True)
class EphemeralVolumes:
    """Reconciles pods."""

    client: Client
    pods: Lister[Unstructured]
    claims: Lister[Unstructured]
    recorder: EventRecorder

    async def reconcile(self, request: Request) -> Outcome:
        """Make the claims of a pod that are not there."""
        pod = self.pods.find(request.key)
        if pod is None or pod.metadata.deleting:
            return DONE
        for name, volume in claims_of(pod):
            if "ephemeral" in volume and not await self._has(pod, name, volume):
                return DONE  # the end of the claim that is in the way leads here again
        return DONE

    async def _has(self, pod: Unstructured, name: str, volume: Mapping[str, Any]) -> bool:
        """Whether a pod has the claim of a volume, which is made if nothing is in the way."""
        claim = self.claims.find(ObjectKey(pod.key.namespace, name))
        if claim is not None:
            owner = claim.metadata.controller
            if owner is not None and owner.uid == pod.metadata.uid:
                return True
            text = f"PVC {claim.key} was not created for pod {pod.key} (pod is not owner)"
            self._tell(pod, volume, text)
            return False
        try:
            await self.client.create(PERSISTENT_VOLUME_CLAIMS, new_claim(pod, name, volume))
        except AlreadyExists:
            return False  # the cache is about to show it
        except ApiError as error:
            self._tell(pod, volume, f"create PVC {name}: {error.message}")
            if is_namespace_ending(error):
                return False
            raise
        return True

    def _tell(self, pod: Unstructured, volume: Mapping[str, Any], text: str) -> None:
        text = f"ephemeral volume {volume['name']}: {text}"
        self.recorder.event(pod.metadata, PODS, EventType.WARNING, "FailedBinding", text)


def new_claim(pod: Unstructured, name: str, volume: Mapping[str, Any]) -> dict[str, Any]:
    """Build the claim of a pod's ephemeral volume."""
    template = volume["ephemeral"]["volumeClaimTemplate"]
    metadata = template.get("metadata") or {}
    return {
        "metadata": {
            **{part: dict(metadata[part]) for part in ("labels", "annotations") if metadata.get(part)},
            "name": name,
            "namespace": pod.key.namespace,
            "ownerReferences": [to_plain(PODS.owner_reference(pod.metadata))],
        },
        "spec": template["spec"],
    }


def add_ephemeral_volumes(manager: Manager) -> None:
    """Add the controller of ephemeral volumes to a manager, once a pod has such a one."""
    pods = manager.informer(PODS)
    begun: list[bool] = []

    def begin(change: Change[Unstructured]) -> None:
        if not begun and change.old is None and change.new is not None and _has_own(change.new.shared):
            begun.append(True)
            _add(manager)

    pods.add_handler(begin, name="ephemeral-volumes:begin")


def _add(manager: Manager) -> None:
    pods, claims = manager.informer(PODS), manager.informer(PERSISTENT_VOLUME_CLAIMS)
    index_by_claim(pods)

    def to_pods(record: Record[Any]) -> Iterable[ObjectKey]:
        return [found.key for found in pods.lister.records_by_index(BY_CLAIM, str(record.key))]

    loop = EphemeralVolumes(manager.client, pods.lister, claims.lister, manager.recorder("ephemeral_volume"))
    watches: list[Watch[Any]] = [
        Watch(pods, to_self, predicate=lambda change: change.old is None),
        Watch(claims, to_pods, predicate=lambda change: change.new is None),
    ]
    manager.add(Controller(name="ephemeral-volumes", reconcile=loop.reconcile, watches=watches))


def _has_own(pod: Unstructured) -> bool:
    return any("ephemeral" in volume for _, volume in claims_of(pod))
