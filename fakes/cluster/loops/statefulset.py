"""
The StatefulSet controller: creates and deletes pods as statefulset_plan.py decides, and writes the status.

Each pod has the claims of `spec.volumeClaimTemplates`, which are made before it and stay when it goes.

Differences from a real one: there are no ControllerRevisions, so a pod that is lost during a rolling update, or below
the partition, comes back with the new template. It does not delete claims, adopt pods, or wait for minReadySeconds. A
parallel set creates no more pods while 500 are missing or not ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import (
    DONE,
    Controller,
    Outcome,
    Request,
    Watch,
    to_owner,
    to_self,
)
from ctrlkit.errors import AlreadyExists, ApiError, Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import BY_CONTROLLER, index_children
from ctrlkit.fakes.cluster.loops.failures import is_namespace_ending
from ctrlkit.fakes.cluster.loops.statefulset_plan import (
    CreatePod,
    DeletePod,
    Member,
    PodManagementPolicy,
    PodStep,
    SetSpec,
    UpdateStrategy,
    counts,
    ordinal_of,
    plan,
    revision_of,
)
from ctrlkit.fakes.cluster.node.pod_status import is_ready
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, Unstructured, to_plain
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFULSETS

REVISION_LABEL = "controller-revision-hash"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_WORKERS = 4


@dataclass(slots=True)
class StatefulSets:
    """Reconciles StatefulSets; `pods` is indexed by the uid of the controlling owner."""

    client: Client
    sets: Lister[Unstructured]
    pods: Lister[Unstructured]
    claims: Lister[Unstructured]
    recorder: EventRecorder

    async def reconcile(self, request: Request) -> Outcome:
        """Take the steps that are possible now, then write the status."""
        stateful_set = self.sets.find(request.key)
        if stateful_set is None:
            return DONE
        spec = read_spec(stateful_set)
        pods = self.pods.by_index(BY_CONTROLLER, stateful_set.metadata.uid)
        members = [member for pod in pods if (member := read_member(pod, parent=request.key.name))]
        if not stateful_set.at("metadata.deletionTimestamp"):
            for step in plan(spec, members):
                await self._perform(stateful_set, spec, step)
        await self._write_status(stateful_set, spec, members)
        return DONE

    async def _perform(self, stateful_set: Unstructured, spec: SetSpec, step: PodStep) -> None:
        match step:
            case CreatePod(ordinal):
                await self._create(stateful_set, new_pod(stateful_set, ordinal, spec.revision))
            case DeletePod(name, uid):
                with suppress(NotFound, Conflict):  # gone, or another by now: the cache is about to show it
                    await self.client.delete(PODS, ObjectKey(stateful_set.key.namespace, name), uid=uid)
                    self._record_event(
                        stateful_set, EventType.NORMAL, "SuccessfulDelete", f"delete Pod {name}", "successful"
                    )

    async def _create(self, stateful_set: Unstructured, pod: dict[str, Any]) -> None:
        tried = f"Create Pod {pod['metadata']['name']}"
        try:
            await self._create_claims(stateful_set, pod)
            await self.client.create(PODS, pod)
        except AlreadyExists:
            return  # the cache is about to show it; if it is another's, its end will lead here again
        except ApiError as error:
            if is_namespace_ending(error):
                return  # the set is to go, too
            self._record_event(stateful_set, EventType.WARNING, "FailedCreate", tried, f"failed error: {error.message}")
            raise
        self._record_event(stateful_set, EventType.NORMAL, "SuccessfulCreate", tried, "successful")

    async def _create_claims(self, stateful_set: Unstructured, pod: dict[str, Any]) -> None:
        """Make the claims of a pod that are not there; those of an earlier pod of its name are used again."""
        for claim in new_claims(stateful_set, ordinal=pod["metadata"]["labels"][INDEX_LABEL]):
            metadata = claim["metadata"]
            if self.claims.find(ObjectKey(metadata["namespace"], metadata["name"])) is not None:
                continue
            tried = f"Create Claim {metadata['name']}"
            try:
                await self.client.create(PERSISTENT_VOLUME_CLAIMS, claim)
            except AlreadyExists:
                continue  # the cache is about to show it
            except ApiError as error:
                if not is_namespace_ending(error):
                    tried = f"{tried} for Pod {pod['metadata']['name']}"
                    text = f"failed error: {error.message}"
                    self._record_event(stateful_set, EventType.WARNING, "FailedCreate", tried, text)
                raise
            tried = f"{tried} Pod {pod['metadata']['name']}"
            self._record_event(stateful_set, EventType.NORMAL, "SuccessfulCreate", tried, "success")

    def _record_event(self, stateful_set: Unstructured, kind: EventType, reason: str, tried: str, end: str) -> None:
        text = f"{tried} in StatefulSet {stateful_set.key.name} {end}"
        self.recorder.event(stateful_set.metadata, STATEFULSETS, kind, reason, text)

    async def _write_status(self, stateful_set: Unstructured, spec: SetSpec, members: list[Member]) -> None:
        current = stateful_set.get("status") or {}
        status = counts(spec, members, current.get("currentRevision") or "")
        status |= {"observedGeneration": stateful_set.metadata.generation, "collisionCount": 0}
        if any(current.get(name) != value for name, value in status.items()):
            patch = MergePatch({"metadata": {"uid": stateful_set.metadata.uid}, "status": status})
            with suppress(NotFound):
                await self.client.patch(STATEFULSETS, stateful_set.key, patch, subresource="status")


def read_spec(stateful_set: Unstructured) -> SetSpec:
    """Read the fields of a StatefulSet that its plan depends on."""
    replicas = stateful_set.at("spec.replicas")
    return SetSpec(
        name=stateful_set.key.name,
        replicas=1 if replicas is None else int(replicas),
        revision=revision_of(stateful_set.key.name, stateful_set.at("spec.template") or {}),
        start=int(stateful_set.at("spec.ordinals.start") or 0),
        management=PodManagementPolicy(stateful_set.at("spec.podManagementPolicy") or "OrderedReady"),
        update=UpdateStrategy(stateful_set.at("spec.updateStrategy.type") or "RollingUpdate"),
        partition=int(stateful_set.at("spec.updateStrategy.rollingUpdate.partition") or 0),
    )


def new_pod(stateful_set: Unstructured, ordinal: int, revision: str) -> dict[str, Any]:
    """Build the pod of an ordinal from the template, with its stable name and owned by the set."""
    name = f"{stateful_set.key.name}-{ordinal}"
    template = deepcopy(stateful_set.at("spec.template") or {})
    metadata = template.get("metadata") or {}
    labels = {REVISION_LABEL: revision, NAME_LABEL: name, INDEX_LABEL: str(ordinal)}
    return {
        "metadata": metadata
        | {
            "name": name,
            "generateName": f"{stateful_set.key.name}-",
            "namespace": stateful_set.key.namespace,
            "labels": (metadata.get("labels") or {}) | labels,
            "ownerReferences": [to_plain(STATEFULSETS.owner_reference(stateful_set.metadata))],
        },
        "spec": {
            **(template.get("spec") or {}),
            "hostname": name,
            "subdomain": stateful_set.at("spec.serviceName") or "",
            **_volumes(stateful_set, template, ordinal),
        },
    }


def _volumes(stateful_set: Unstructured, template: Mapping[str, Any], ordinal: int) -> dict[str, Any]:
    """Return the volumes of a pod: those of its claims go before the template's, and take the place of namesakes."""
    templates = stateful_set.at("spec.volumeClaimTemplates") or ()
    names = [one["metadata"]["name"] for one in templates]
    claimed = [
        {"name": name, "persistentVolumeClaim": {"claimName": claim_name(stateful_set, name, ordinal)}}
        for name in names
    ]
    others = [one for one in (template.get("spec") or {}).get("volumes") or () if one["name"] not in names]
    return {"volumes": [*claimed, *others]} if claimed or others else {}


def claim_name(stateful_set: Unstructured, template: str, ordinal: int | str) -> str:
    """Return the name of the claim that a pod has of a template."""
    return f"{template}-{stateful_set.key.name}-{ordinal}"


def new_claims(stateful_set: Unstructured, *, ordinal: int | str) -> list[dict[str, Any]]:
    """Build the claims of a pod, with the labels that the set selects by."""
    selected = stateful_set.at("spec.selector.matchLabels") or {}
    claims = []
    for template in stateful_set.at("spec.volumeClaimTemplates") or ():
        metadata = template["metadata"]
        kept = {name: deepcopy(metadata[name]) for name in ("annotations", "finalizers") if metadata.get(name)}
        named = {
            "name": claim_name(stateful_set, metadata["name"], ordinal),
            "namespace": stateful_set.key.namespace,
            "labels": {**(metadata.get("labels") or {}), **selected},
        }
        claims.append({"metadata": kept | named, "spec": deepcopy(template.get("spec") or {})})
    return claims


def read_member(pod: Unstructured, *, parent: str) -> Member | None:
    """Read the fields of a pod that the plan depends on; None if its name is not one of the set."""
    metadata = pod.metadata
    ordinal = ordinal_of(metadata.name, parent=parent)
    if ordinal is None:
        return None
    return Member(
        name=metadata.name,
        uid=metadata.uid,
        ordinal=ordinal,
        revision=(metadata.labels or {}).get(REVISION_LABEL, ""),
        ready=is_ready(pod),
        terminating=metadata.deleting,
        finished=pod.at("status.phase") in ("Failed", "Succeeded"),
    )


def add_stateful_sets(manager: Manager) -> None:
    """Add the StatefulSet controller to a manager."""
    sets, pods, claims = (manager.informer(kind) for kind in (STATEFULSETS, PODS, PERSISTENT_VOLUME_CLAIMS))
    index_children(pods)
    recorder = manager.recorder("statefulset-controller")
    loop = StatefulSets(manager.client, sets.lister, pods.lister, claims.lister, recorder)
    watches: list[Watch[Any]] = [Watch(sets, to_self), Watch(pods, to_owner(STATEFULSETS))]
    manager.add(Controller(name="statefulsets", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
