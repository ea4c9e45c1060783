"""
The StatefulSet controller: creates and deletes pods as statefulset_plan.py decides, and writes the status.

Differences from a real one: there are no ControllerRevisions, so a pod that is lost during a rolling update, or below
the partition, comes back with the new template. It does not create volume claims, adopt pods, or wait for
minReadySeconds. A parallel set creates no more pods while 500 are missing or not ready.
"""

from __future__ import annotations

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
from ctrlkit.model.kinds import PODS, STATEFULSETS

REVISION_LABEL = "controller-revision-hash"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_OWNED = "statefulset-pods"
_WORKERS = 4


@dataclass(slots=True)
class StatefulSets:
    """Reconciles StatefulSets; `pods` is indexed by the uid of the controlling owner."""

    client: Client
    sets: Lister[Unstructured]
    pods: Lister[Unstructured]
    recorder: EventRecorder

    async def reconcile(self, request: Request) -> Outcome:
        """Take the steps that are possible now, then write the status."""
        stateful_set = self.sets.find(request.key)
        if stateful_set is None:
            return DONE
        spec = read_spec(stateful_set)
        pods = self.pods.by_index(_OWNED, stateful_set.metadata.uid)
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
            await self.client.create(PODS, pod)
        except AlreadyExists:
            return  # the cache is about to show it; if it is another's, its end will lead here again
        except ApiError as error:
            if any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ()):
                return  # the set is to go, too
            self._record_event(stateful_set, EventType.WARNING, "FailedCreate", tried, f"failed error: {error.message}")
            raise
        self._record_event(stateful_set, EventType.NORMAL, "SuccessfulCreate", tried, "successful")

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
        "spec": (template.get("spec") or {})
        | {"hostname": name, "subdomain": stateful_set.at("spec.serviceName") or ""},
    }


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
    sets, pods = manager.informer(STATEFULSETS), manager.informer(PODS)
    pods.add_index(_OWNED, lambda record: [record.meta.controller.uid] if record.meta.controller else [])
    loop = StatefulSets(manager.client, sets.lister, pods.lister, manager.recorder("statefulset-controller"))
    watches: list[Watch[Any]] = [Watch(sets, to_self), Watch(pods, to_owner(STATEFULSETS))]
    manager.add(Controller(name="statefulsets", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
